import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseByteName, showByteName } from './byte-name.ts';

const bytesOf = (...bytes: number[]) => Uint8Array.from(bytes);

test.each([
  ['plain text stays as it is', Buffer.from('Größe 漢字 😀.txt'), 'Größe 漢字 😀.txt'],
  ['a line break and an escape sequence do not reach the terminal', Buffer.from('a\nb\x1b[31m'), 'a\\x0ab\\x1b[31m'],
  ['bytes that are no UTF-8 show as they are', bytesOf(0x61, 0xff, 0xe6, 0x62), 'a\\xff\\xe6b'],
  ['a backslash is doubled', Buffer.from('a\\x41'), 'a\\\\x41'],
  ['what turns the direction of writing is escaped', Buffer.from('a\u202egpj'), 'a\\xe2\\x80\\xaegpj'],
  ['a replacement character is a character', Buffer.from('\ufffd'), '\ufffd'],
])('%s', (_title, name, shown) => {
  expect(showByteName(name)).toBe(shown);
});

test('a name that was shown can be typed again', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (name) => {
      expect(parseByteName(showByteName(name))).toEqual(new Uint8Array(name));
    }),
    { seed: 1, numRuns: 2000 },
  );
});

test('a backslash that begins no escape is refused', () => {
  expect(['\\', 'a\\', '\\y41', '\\x4', '\\xzz', '\\\\\\'].map(parseByteName)).toEqual(Array(6).fill(null));
});
