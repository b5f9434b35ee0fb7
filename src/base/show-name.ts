const BACKSLASH = 0x5c;

/**
 * A file name or path for people: valid UTF-8 as it is; control characters, characters that change the direction or
 * order of text, line separators, backslashes and bytes that are no UTF-8 as `\xNN`. Different names look different, and
 * none breaks a line or a terminal.
 */
export function showName(name: Uint8Array): string {
  let text = '';
  for (let at = 0; at < name.length; ) {
    const length = sequenceLength(name, at);
    const bytes = name.subarray(at, at + Math.max(length, 1));
    text += length > 0 && isHarmless(codePointOf(bytes)) ? String.fromCodePoint(codePointOf(bytes)) : escaped(bytes);
    at += bytes.length;
  }
  return text;
}

function escaped(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += `\\x${byte.toString(16).padStart(2, '0')}`;
  return text;
}

/** Bytes of the UTF-8 character at `at`; 0 where there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  const length = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : first <= 0xf4 ? 4 : 0;
  if (first < 0xc2 || length === 0 || at + length > bytes.length) return 0;
  for (let i = 1; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0;
  const code = codePointOf(bytes.subarray(at, at + length));
  const isSurrogate = code >= 0xd800 && code <= 0xdfff;
  const isShortest = length === 2 || (length === 3 ? code >= 0x800 : code >= 0x10000);
  return isShortest && !isSurrogate && code <= 0x10ffff ? length : 0;
}

function codePointOf(bytes: Uint8Array): number {
  if (bytes.length === 1) return bytes[0]!;
  let code = bytes[0]! & (0x7f >> bytes.length);
  for (let i = 1; i < bytes.length; i++) code = code * 64 + (bytes[i]! & 0x3f);
  return code;
}

/** By a fixed list: what a version of Unicode calls printable would differ between versions of Node. */
function isHarmless(code: number): boolean {
  if (code < 0x20 || code === BACKSLASH) return false;
  if (code >= 0x7f && code <= 0x9f) return false;
  if (code === 0xad || code === 0x61c || code === 0x180e || code === 0xfeff) return false;
  if (code >= 0x200b && code <= 0x200f) return false;
  if (code >= 0x2028 && code <= 0x202e) return false;
  if (code >= 0x2060 && code <= 0x206f) return false;
  if (code >= 0xfff0 && code <= 0xffff) return code === 0xfffd;
  return code < 0xe0000;
}
