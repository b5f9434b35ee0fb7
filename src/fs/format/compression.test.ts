import { beforeAll, describe, expect, test } from 'vitest';
import { loadZstd } from '../../campaign/host/load-zstd.ts';
import { compressData, decompressData } from './compression.ts';
import { COMPRESSION } from './file-extent.ts';

beforeAll(loadZstd);

function textOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = 97 + ((at * at) % 11) + (at % 613 === 0 ? at % 5 : 0);
  return bytes;
}

describe.each([
  ['zlib', COMPRESSION.ZLIB],
  ['zstd', COMPRESSION.ZSTD],
])('%s', (_name, compression) => {
  test('what was compressed comes back, whatever follows it, and zeroes behind its end', () => {
    for (const length of [40, 255, 256, 4095, 4096, 5000, 65_536, 131_072]) {
      const bytes = textOf(length);
      const packed = compressData(compression, bytes)!;
      const padded = new Uint8Array(packed.length + 4096).fill(0, 0, 4096);
      padded.set(packed);
      expect(decompressData(compression, packed, length, true)).toEqual(bytes);
      expect(decompressData(compression, padded, length, false)).toEqual(bytes);
      const longer = new Uint8Array(length + 100);
      longer.set(bytes);
      expect(decompressData(compression, padded, length + 100, false)).toEqual(longer);
      expect(decompressData(compression, padded, 20, false)).toEqual(bytes.subarray(0, 20));
    }
  });

  test('bytes that do not get smaller stay as they are', () => {
    expect(compressData(compression, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]))).toBeNull();
  });

  // Every byte of a frame, each replaced in three ways: damage may go unnoticed, but it never throws or grows.
  test('damaged bytes give null or as many bytes as asked for', () => {
    const packed = compressData(compression, textOf(3000))!;
    for (let at = 0; at < packed.length; at += 3) {
      for (const change of [1, 0x80, 0xff]) {
        const damaged = packed.slice();
        damaged[at]! ^= change;
        const found = decompressData(compression, damaged, 4096, true);
        if (found !== null) expect(found.length).toBe(4096);
      }
      const cut = decompressData(compression, packed.subarray(0, at), 4096, true);
      if (cut !== null) expect(cut.length).toBe(4096);
    }
  });
});

/** 'abc' as literals, then a match of 9 bytes at distance 3, then the end of the stream; one sector. */
const LZO_STREAM = [20, 97, 98, 99, 0x27, 8, 0, 0x11, 0, 0];

test('LZO data is read, with its lengths and padding', () => {
  const length = LZO_STREAM.length;
  const bytes = new Uint8Array([length + 8, 0, 0, 0, length, 0, 0, 0, ...LZO_STREAM]);
  const expected = new Uint8Array(20);
  expected.set(new TextEncoder().encode('abcabcabcabc'));
  expect(decompressData(COMPRESSION.LZO, bytes, 20, true)).toEqual(expected);
  expect(decompressData(COMPRESSION.LZO, bytes.subarray(0, 15), 20, true)).toBeNull();
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at]! ^= 0xff;
    const found = decompressData(COMPRESSION.LZO, damaged, 20, false);
    if (found !== null) expect(found.length).toBe(20);
  }
});

test('an unknown compression is damage', () => {
  expect(decompressData(9, new Uint8Array(100), 10, true)).toBeNull();
});
