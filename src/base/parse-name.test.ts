import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseShownName } from './parse-name.ts';
import { showName } from './show-name.ts';

test('a name that was shown can be typed again', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (name) => {
      expect(parseShownName(showName(name))).toEqual(new Uint8Array(name));
    }),
    { seed: 1, numRuns: 2000 },
  );
});

test('a backslash may be doubled', () => {
  expect(parseShownName('a\\\\x41')).toEqual(new Uint8Array(Buffer.from('a\\x41')));
  expect(parseShownName('\\\\')).toEqual(Uint8Array.of(0x5c));
});

test('a backslash that begins nothing is refused', () => {
  expect(['\\', 'a\\', '\\y41', '\\x4', '\\xzz', '\\\\\\'].map(parseShownName)).toEqual(Array(6).fill(null));
});
