import { expect, test } from 'vitest';
import { crc32c, rawCrc32c } from './crc32c.ts';

const ascii = (text: string) => new TextEncoder().encode(text);

test('the check value of CRC-32C is e3069283', () => {
  expect(crc32c(ascii('123456789'))).toBe(0xe3069283);
});

test('the native and the table path agree at every length up to two blocks', () => {
  const bytes = Uint8Array.from({ length: 8192 }, (_, i) => (i * 131 + (i >> 5)) & 255);
  for (let length = 0; length <= 8192; length += 61) {
    const part = bytes.subarray(0, length);
    expect(crc32c(part)).toBe(~rawCrc32c(0xffffffff, part) >>> 0);
  }
});

test('the directory hash of "default" is the one mkfs.btrfs writes', () => {
  expect(rawCrc32c(0xfffffffe, ascii('default'))).toBe(2378154706);
});
