import { expect, test } from 'vitest';
import { showName } from './show-name.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);

test('a name of printable characters is shown as it is', () => {
  for (const name of ['plain', 'mit Leerzeichen', 'straße', '日本語', '🙂', 'it\'s "quoted"']) {
    expect(showName(utf8(name))).toBe(name);
  }
});

test('what could break a line, a terminal or the order of text is shown by its bytes', () => {
  expect(showName(utf8('a\nb\tc'))).toBe('a\\x0ab\\x09c');
  expect(showName(utf8('\u001b[31m\u007f'))).toBe('\\x1b[31m\\x7f');
  expect(showName(utf8('a\u202eb\u2028\u0085'))).toBe('a\\xe2\\x80\\xaeb\\xe2\\x80\\xa8\\xc2\\x85');
});

test('bytes that are no UTF-8 are shown as they are, one by one', () => {
  expect(showName(Uint8Array.of(0x61, 0xff, 0xc3, 0x62))).toBe('a\\xff\\xc3b');
  // Too long an encoding, a surrogate, beyond the last character, cut short.
  expect(showName(Uint8Array.of(0xc0, 0xaf))).toBe('\\xc0\\xaf');
  expect(showName(Uint8Array.of(0xe0, 0x80, 0x80))).toBe('\\xe0\\x80\\x80');
  expect(showName(Uint8Array.of(0xed, 0xa0, 0x80))).toBe('\\xed\\xa0\\x80');
  expect(showName(Uint8Array.of(0xf4, 0x90, 0x80, 0x80))).toBe('\\xf4\\x90\\x80\\x80');
  expect(showName(Uint8Array.of(0xf0, 0x9f, 0x99))).toBe('\\xf0\\x9f\\x99');
});

test('different names look different', () => {
  expect(showName(utf8('a\\x0a'))).toBe('a\\x5cx0a');
  expect(showName(utf8('a\n'))).toBe('a\\x0a');
});
