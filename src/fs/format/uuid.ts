import { readExactU64, readU64, viewOf, writeU64 } from '../../base/bytes.ts';
import type { TreeId } from '../../base/units.ts';
import { FormatError } from './format-error.ts';
import type { ExactKey } from './key.ts';

/** Identifiers of 16 bytes. */
export const UUID_SIZE = 16;
export const UUID_ZERO: Uint8Array = new Uint8Array(UUID_SIZE);

const TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** `12345678-9abc-def0-1234-56789abcdef0` */
export function showUuid(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid.buffer, uuid.byteOffset, UUID_SIZE).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Null for a text that is no uuid. */
export function parseUuid(text: string): Uint8Array | null {
  return TEXT.test(text) ? Uint8Array.from(Buffer.from(text.replaceAll('-', ''), 'hex')) : null;
}

/** The key of a uuid in the UUID tree: its halves around UUID_KEY_SUBVOL or UUID_KEY_RECEIVED_SUBVOL. */
export function uuidKey(uuid: Uint8Array, type: number): ExactKey {
  const view = viewOf(uuid);
  return { objectid: readExactU64(view, 0), type, offset: readExactU64(view, 8) };
}

/** The subvolumes of one item of the UUID tree. Throws FormatError unless the size is a multiple of 8. */
export function decodeUuidItem(bytes: Uint8Array): TreeId[] {
  if (bytes.length % 8 !== 0) throw new FormatError('uuid item', `has ${bytes.length} bytes, expect a multiple of 8`);
  const view = viewOf(bytes);
  return Array.from({ length: bytes.length / 8 }, (_, index) => readU64(view, index * 8));
}

export function encodeUuidItem(subvolumes: readonly TreeId[]): Uint8Array {
  const bytes = new Uint8Array(subvolumes.length * 8);
  const view = viewOf(bytes);
  for (const [index, id] of subvolumes.entries()) writeU64(view, index * 8, id);
  return bytes;
}
