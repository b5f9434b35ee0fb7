import { expect, test } from 'vitest';
import { looksCompressible } from './compression-heuristic.ts';

/** Bytes below `bound` without pattern. */
function bytesBelow(bound: number, length: number): Uint8Array {
  let state = 12345;
  return new Uint8Array(length).map(() => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  });
}

test('zeroes, and two equal halves, are worth a try', () => {
  expect(looksCompressible(new Uint8Array(4096))).toBe(true);
  const half = bytesBelow(256, 65_536);
  expect(looksCompressible(new Uint8Array([...half, ...half]))).toBe(true);
});

test('few different bytes are worth a try, all of them evenly are not', () => {
  expect(looksCompressible(bytesBelow(60, 131_072))).toBe(true);
  expect(looksCompressible(bytesBelow(256, 131_072))).toBe(false);
  expect(looksCompressible(bytesBelow(256, 4096))).toBe(false);
});

test('half a page of noise before zeroes is worth a try, as Linux finds', () => {
  const page = new Uint8Array(4096);
  page.set(bytesBelow(256, 2048));
  expect(looksCompressible(page)).toBe(true);
});

// 128 different bytes carry 7 of 8 bits, above the limit of 80 per cent; 80 of them carry 6.3.
test('between few and all bytes their entropy decides', () => {
  expect(looksCompressible(bytesBelow(128, 131_072))).toBe(false);
  expect(looksCompressible(bytesBelow(80, 131_072))).toBe(true);
});
