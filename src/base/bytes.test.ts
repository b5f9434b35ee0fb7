import { expect, test } from 'vitest';
import { readU64, sameBytes, viewOf, writeU64 } from './bytes.ts';

test('64-bit values are read as they were written, with the high word zero, in use or negative', () => {
  const view = viewOf(new Uint8Array(8));
  for (const value of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53, -1, -9, -(2 ** 32), -(2 ** 53)]) {
    writeU64(view, 0, value);
    expect(readU64(view, 0)).toBe(value);
    expect(view.getBigInt64(0, true)).toBe(BigInt(value));
  }
});

test('bytes are the same when all of them are, however many they are', () => {
  for (const length of [0, 1, 63, 64, 65, 4096]) {
    const bytes = Uint8Array.from({ length }, (_, i) => i & 255);
    expect(sameBytes(bytes, bytes.slice())).toBe(true);
    expect(sameBytes(bytes, new Uint8Array(length + 1))).toBe(false);
    if (length === 0) continue;
    const other = bytes.slice();
    other[length - 1]! ^= 128;
    expect(sameBytes(bytes, other)).toBe(false);
  }
});
