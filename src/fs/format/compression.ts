import { deflate, Inflate } from 'pako';
import type { ByteCount } from '../../base/units.ts';
import { COMPRESSION } from './file-extent.ts';
import { unpackLzo } from './lzo.ts';
import { packZstd, unpackZstd } from './zstd.ts';

/**
 * Compressed file data as btrfs stores it. Both directions are the same bytes on every machine and version of Node:
 * nothing here is the host's.
 */

/** The most that one extent holds, before compression. */
export const COMPRESSED_UNIT = 128 * 1024;

/** What the engine writes; LZO is only read. */
export type CompressionName = 'zlib' | 'zstd';

/** As Linux without a level in the mount option. */
const ZLIB_LEVEL = 3;

export function compressionOf(name: CompressionName): number {
  return name === 'zlib' ? COMPRESSION.ZLIB : COMPRESSION.ZSTD;
}

/** Null when the result would not be smaller. At most `COMPRESSED_UNIT` bytes. */
export function compressData(compression: number, bytes: Uint8Array): Uint8Array | null {
  const packed = compression === COMPRESSION.ZLIB ? deflate(bytes, { level: ZLIB_LEVEL }) : packZstd(bytes);
  return packed.length < bytes.length ? packed : null;
}

/**
 * The first `length` bytes of what was compressed; zeroes behind its end, as the tail of a file's last sector. What
 * follows the compressed data does not matter. `isInline`: from an inline extent. Null when the bytes are damaged.
 */
export function decompressData(
  compression: number,
  bytes: Uint8Array,
  length: ByteCount,
  isInline: boolean,
): Uint8Array | null {
  switch (compression) {
    case COMPRESSION.ZLIB:
      return unpackZlib(bytes, length);
    case COMPRESSION.LZO:
      return unpackLzo(bytes, length, isInline);
    case COMPRESSION.ZSTD:
      return unpackZstd(bytes, length);
    default:
      return null;
  }
}

function unpackZlib(bytes: Uint8Array, length: ByteCount): Uint8Array | null {
  const result = new Uint8Array(length);
  let done = 0;
  const stream = new Inflate({ windowBits: 15 });
  stream.onData = (chunk) => {
    result.set(chunk.subarray(0, length - done), done);
    done = Math.min(length, done + chunk.length);
    // Damaged data may go on for ever; Linux too stops where it has enough.
    if (done === length) stream.ended = true;
  };
  stream.onEnd = () => {};
  stream.push(bytes, true);
  return stream.err === 0 || done === length ? result : null;
}
