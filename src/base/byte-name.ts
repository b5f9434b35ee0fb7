/**
 * Names of files as text and back. Names are bytes: what is no UTF-8, or would disturb a terminal or a line of output
 * (control and format characters, line separators), shows as `\xNN`, and a backslash as `\\`.
 */

const UNSAFE = /[\p{C}\p{Zl}\p{Zp}\\]/u;
const HEX_ESCAPE = /^[0-9a-fA-F]{2}$/;
const REPLACEMENT = 0xfffd;

/** One line of text from which `parseByteName` makes the same bytes again. */
export function showByteName(name: Uint8Array): string {
  const text = Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('utf8');
  if (!UNSAFE.test(text) && !text.includes('\ufffd')) return text;
  let shown = '';
  for (let at = 0; at < name.length; ) {
    const length = characterLength(name, at);
    const character = Buffer.from(name.subarray(at, at + length)).toString('utf8');
    if (character === '\\') shown += '\\\\';
    else if (isSafe(character, length)) shown += character;
    else for (const byte of name.subarray(at, at + length)) shown += `\\x${byte.toString(16).padStart(2, '0')}`;
    at += length;
  }
  return shown;
}

/** The bytes that a text with escapes stands for; null where a backslash begins none. */
export function parseByteName(text: string): Uint8Array | null {
  const parts = text.split('\\');
  const bytes: Buffer[] = [Buffer.from(parts[0]!, 'utf8')];
  for (let index = 1; index < parts.length; index++) {
    const part = parts[index]!;
    if (part === '' && index + 1 < parts.length) {
      // Two in a row stand for one; what follows the second is plain.
      index++;
      bytes.push(Buffer.from(`\\${parts[index]}`, 'utf8'));
      continue;
    }
    const digits = part.slice(1, 3);
    if (part[0] !== 'x' || !HEX_ESCAPE.test(digits)) return null;
    bytes.push(Buffer.from([Number.parseInt(digits, 16)]), Buffer.from(part.slice(3), 'utf8'));
  }
  return new Uint8Array(Buffer.concat(bytes));
}

/** Bytes of the UTF-8 sequence that begins here; 1 for a byte that begins none. */
function characterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  const length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
  if (length === 1 || at + length > bytes.length) return 1;
  const text = Buffer.from(bytes.subarray(at, at + length)).toString('utf8');
  return Buffer.byteLength(text) === length && [...text].length === 1 && !isReplacement(text, bytes, at) ? length : 1;
}

/** U+FFFD itself, written out, is a character like any other. */
function isReplacement(text: string, bytes: Uint8Array, at: number): boolean {
  if (text.codePointAt(0) !== REPLACEMENT) return false;
  return !(bytes[at] === 0xef && bytes[at + 1] === 0xbf && bytes[at + 2] === 0xbd);
}

function isSafe(character: string, length: number): boolean {
  if (UNSAFE.test(character)) return false;
  return length > 1 || character.charCodeAt(0) < 0x80;
}
