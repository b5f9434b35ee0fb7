import { crc32c } from '../../base/crc32c.ts';
import { FormatError } from './format-error.ts';

/** Checksums at the front of blocks and superblocks: four bytes of CRC-32C, the rest of the field zero. */
export const CHECKSUM_FIELD_SIZE = 32;
/** Bytes of one data checksum in an EXTENT_CSUM item. */
export const DATA_CHECKSUM_SIZE = 4;

export function storedChecksum(bytes: Uint8Array): number {
  return (bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24)) >>> 0;
}

export function setChecksum(bytes: Uint8Array, checksum: number): void {
  bytes.fill(0, 0, CHECKSUM_FIELD_SIZE);
  bytes[0] = checksum;
  bytes[1] = checksum >>> 8;
  bytes[2] = checksum >>> 16;
  bytes[3] = checksum >>> 24;
}

/** The checksum of one data sector. */
export function dataChecksum(sector: Uint8Array): number {
  return crc32c(sector);
}

/** Checksum `index` of an EXTENT_CSUM item whose data begins at `at`. */
export function checksumAt(view: DataView, at: number, index: number): number {
  return view.getUint32(at + index * DATA_CHECKSUM_SIZE, true);
}

export function setChecksumAt(view: DataView, at: number, index: number, checksum: number): void {
  view.setUint32(at + index * DATA_CHECKSUM_SIZE, checksum, true);
}

/** All checksums of an EXTENT_CSUM item, one per sector from the key's offset on. */
export function decodeChecksums(bytes: Uint8Array): number[] {
  if (bytes.length % DATA_CHECKSUM_SIZE !== 0) {
    throw new FormatError('csum item', `has ${bytes.length} bytes, expect a multiple of ${DATA_CHECKSUM_SIZE}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / DATA_CHECKSUM_SIZE }, (_, index) => checksumAt(view, 0, index));
}

export function encodeChecksums(checksums: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(checksums.length * DATA_CHECKSUM_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [index, checksum] of checksums.entries()) setChecksumAt(view, 0, index, checksum);
  return bytes;
}
