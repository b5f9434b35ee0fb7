import { viewOf } from '../../base/bytes.ts';
import type { ByteCount } from '../../base/units.ts';
import { FormatError, needBytes } from './format-error.ts';
import { KEY_SIZE, KEY_TYPE, type Key, readKey, showKey, writeKey } from './key.ts';
import { type FieldsOf, Layout, u16, u32, u64, uuidField, type ValueOf } from './layout.ts';

/** The only stripe length that btrfs accepts. */
export const STRIPE_LENGTH = 65536;

const CHUNK_HEAD = new Layout('chunk item', 48, {
  length: u64(0),
  owner: u64(8),
  stripeLength: u64(16),
  type: u64(24),
  ioAlign: u32(32),
  ioWidth: u32(36),
  sectorSize: u32(40),
  subStripes: u16(46),
});
const STRIPE_COUNT_AT = 44;

const CHUNK_STRIPE = new Layout('chunk stripe', 32, {
  devid: u64(0),
  offset: u64(8),
  deviceUuid: uuidField(16),
});
/** Where one stripe of a chunk lies: device and physical offset. */
export type ChunkStripe = ValueOf<typeof CHUNK_STRIPE>;

/** A run of the logical address space (CHUNK_ITEM, 48 + 32 bytes a stripe); its key is (256, CHUNK_ITEM, logical). */
export type ChunkItem = FieldsOf<typeof CHUNK_HEAD.fields> & { readonly stripes: readonly ChunkStripe[] };

export function chunkItemSize(stripeCount: number): ByteCount {
  return CHUNK_HEAD.size + stripeCount * CHUNK_STRIPE.size;
}

/** Throws FormatError unless `bytes` is exactly one chunk item with at least one stripe. */
export function decodeChunk(bytes: Uint8Array): ChunkItem {
  const chunk = decodeChunkAtFront(bytes);
  const size = chunkItemSize(chunk.stripes.length);
  if (bytes.length !== size) throw new FormatError('chunk item', `has ${bytes.length} bytes, expect ${size}`);
  return chunk;
}

export function encodeChunk(chunk: ChunkItem): Uint8Array {
  const bytes = new Uint8Array(chunkItemSize(chunk.stripes.length));
  const view = viewOf(bytes);
  CHUNK_HEAD.write(view, 0, chunk);
  view.setUint16(STRIPE_COUNT_AT, chunk.stripes.length, true);
  for (const [index, stripe] of chunk.stripes.entries()) CHUNK_STRIPE.write(view, chunkItemSize(index), stripe);
  return bytes;
}

function decodeChunkAtFront(bytes: Uint8Array): ChunkItem {
  const head = CHUNK_HEAD.decode(bytes);
  const view = viewOf(bytes);
  const stripeCount = view.getUint16(STRIPE_COUNT_AT, true);
  if (stripeCount === 0) throw new FormatError('chunk item', 'has no stripe');
  needBytes('chunk item', bytes.length, chunkItemSize(stripeCount));
  const stripes = Array.from({ length: stripeCount }, (_, index) => CHUNK_STRIPE.read(view, chunkItemSize(index)));
  return { ...head, stripes };
}

/** A SYSTEM chunk as the superblock repeats it. */
export interface SystemChunk {
  readonly key: Key;
  readonly chunk: ChunkItem;
}

/**
 * The used part of the superblock's system chunk array. Throws FormatError where an entry is cut short or is not a
 * chunk item.
 */
export function decodeSystemChunkArray(bytes: Uint8Array): SystemChunk[] {
  const entries: SystemChunk[] = [];
  let at = 0;
  while (at < bytes.length) {
    needBytes('system chunk array entry', bytes.length - at, KEY_SIZE);
    const key = readKey(viewOf(bytes), at);
    if (key.type !== KEY_TYPE.CHUNK_ITEM) {
      throw new FormatError('system chunk array', `has ${showKey(key)} at ${at}, expect a CHUNK_ITEM`);
    }
    const chunk = decodeChunkAtFront(bytes.subarray(at + KEY_SIZE));
    entries.push({ key, chunk });
    at += KEY_SIZE + chunkItemSize(chunk.stripes.length);
  }
  return entries;
}

export function encodeSystemChunkArray(entries: readonly SystemChunk[]): Uint8Array {
  const parts = entries.flatMap(({ key, chunk }) => {
    const keyBytes = new Uint8Array(KEY_SIZE);
    writeKey(viewOf(keyBytes), 0, key);
    return [keyBytes, encodeChunk(chunk)];
  });
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
