import { COMPRESSION_NAMES } from './layout.ts';

const ZLIB = 1;
const LZO = 2;
const ZSTD = 3;
const ZLIB_DEFLATE = 8;
const ZSTD_MAGIC = [0x28, 0xb5, 0x2f, 0xfd] as const;
/** A total length, the length of the first segment, and at least one byte of it. */
const LZO_LENGTH_MIN = 9;

/**
 * Whether stored bytes begin as this method's do: zlib's two bytes of header, zstd's magic, lzo's length.
 * `length` is that of all that is stored, of which `bytes` is the beginning, at least its first eight bytes if it has them.
 */
export function beginsAsCompressed(compression: number, bytes: Uint8Array, length: number): boolean {
  switch (compression) {
    case ZLIB:
      return (bytes[0]! & 0xf) === ZLIB_DEFLATE && ((bytes[0]! << 8) | bytes[1]!) % 31 === 0;
    case LZO: {
      const total = bytes[0]! + bytes[1]! * 0x100 + bytes[2]! * 0x10000 + bytes[3]! * 0x1000000;
      return total >= LZO_LENGTH_MIN && total <= length;
    }
    case ZSTD:
      return ZSTD_MAGIC.every((byte, index) => bytes[index] === byte);
    default:
      return true;
  }
}

/** For messages: what the data begins with, and what it should be. */
export function describeBeginning(compression: number, bytes: Uint8Array): readonly [have: string, expect: string] {
  return [Buffer.from(bytes.subarray(0, 4)).toString('hex'), `a header of ${COMPRESSION_NAMES[compression]}`];
}
