import { decompress } from 'fzstd';
import { assert } from '../../base/assert.ts';
import type { ByteCount } from '../../base/units.ts';

/** Zstandard frames as btrfs stores them: one frame with a window of at most 128 KiB, and anything behind it. */

const MAGIC = 0xfd2fb528;
const WINDOW_MAX = 128 * 1024;
const BLOCK_HEADER_SIZE = 3;
const CHECKSUM_SIZE = 4;

/** Makes one frame of all the bytes; its header says how many they are. */
export type ZstdPacker = (bytes: Uint8Array) => Uint8Array;

let packer: ZstdPacker | null = null;

/**
 * The compressor is WebAssembly, which takes time and a promise to load; so whoever runs the engine with a file system
 * that is to compress with zstd hands it in first (`src/campaign/host/load-zstd.ts`). Reading needs none.
 */
export function provideZstd(given: ZstdPacker): void {
  packer = given;
}

export function packZstd(bytes: Uint8Array): Uint8Array {
  assert(packer !== null, 'zstd is loaded before a file system that compresses with it is mounted', {});
  return packer(bytes);
}

/** The first `length` bytes of the frame, zeroes behind its end; null when it is damaged. */
export function unpackZstd(bytes: Uint8Array, length: ByteCount): Uint8Array | null {
  const end = endOfFrame(bytes);
  if (end === null) return null;
  try {
    const found = decompress(bytes.subarray(0, end), new Uint8Array(WINDOW_MAX));
    const result = new Uint8Array(length);
    result.set(found.subarray(0, length));
    return result;
  } catch {
    return null;
  }
}

/** Where the first frame ends, from the headers of its blocks; null when it is none, too large or cut short. */
function endOfFrame(bytes: Uint8Array): number | null {
  if (bytes.length < 6) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) return null;
  const descriptor = bytes[4]!;
  const isSingle = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 0x04) !== 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  // A dictionary, or a bit that is reserved.
  if ((descriptor & 0x0b) !== 0) return null;
  let at = 5;
  if (!isSingle) {
    const base = 2 ** (10 + (bytes[at]! >> 3));
    if (base + (base / 8) * (bytes[at]! & 7) > WINDOW_MAX) return null;
    at++;
  }
  if (at + sizeBytes > bytes.length) return null;
  if (sizeBytes > 0 && contentSize(view, at, sizeBytes) > WINDOW_MAX) return null;
  at += sizeBytes;
  for (;;) {
    if (at + BLOCK_HEADER_SIZE > bytes.length) return null;
    const header = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    const isRepeated = ((header >> 1) & 3) === 1;
    at += BLOCK_HEADER_SIZE + (isRepeated ? 1 : header >>> 3);
    if (at > bytes.length) return null;
    if ((header & 1) !== 0) break;
  }
  if (hasChecksum) at += CHECKSUM_SIZE;
  return at <= bytes.length ? at : null;
}

function contentSize(view: DataView, at: number, sizeBytes: number): number {
  if (sizeBytes === 1) return view.getUint8(at);
  if (sizeBytes === 2) return view.getUint16(at, true) + 256;
  return view.getUint32(at, true) + (sizeBytes === 8 ? view.getUint32(at + 4, true) * 2 ** 32 : 0);
}
