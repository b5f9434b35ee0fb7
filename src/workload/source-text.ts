import type { Problem, ProblemCode } from './problem.ts';

/** A workload file's text: turns offsets into places, and problems at offsets into problems with a frame. */
export class SourceText {
  readonly text: string;
  readonly file: string;
  private readonly lineStarts: readonly number[];

  constructor(text: string, file: string) {
    this.text = text;
    this.file = file;
    const starts = [0];
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
    this.lineStarts = starts;
  }

  /** From 1; columns count characters, not UTF-16 units. */
  positionOf(offset: number): { readonly line: number; readonly column: number } {
    const at = Math.max(0, Math.min(offset, this.text.length));
    let low = 0;
    let high = this.lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.lineStarts[middle]! <= at) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: charactersIn(this.text, this.lineStarts[low]!, at) + 1 };
  }

  /** The line's text without its end, control characters made visible; a byte order mark counts as one character. */
  line(line: number): string {
    const start = this.lineStarts[line - 1];
    if (start === undefined) return '';
    const end = this.lineStarts[line] ?? this.text.length;
    return printable(this.text.slice(start, end).replace(/\r?\n$|\r$/, ''));
  }

  problem(code: ProblemCode, message: string, start: number, end: number, hint: string | null = null): Problem {
    const from = Math.max(0, Math.min(start, this.text.length));
    const to = Math.max(from, Math.min(end, this.text.length));
    const { line, column } = this.positionOf(from);
    const frame = this.frame(line, from, to);
    return { code, message: printable(message), file: this.file, line, column, start: from, end: to, hint, frame };
  }

  /** `12 | text` and a line of carets below; long lines are cut around the place. */
  private frame(line: number, from: number, to: number): string {
    const start = this.lineStarts[line - 1]!;
    const next = this.lineStarts[line];
    const end = next === undefined ? this.text.length : next - 1;
    const isCut = from - start > FRAME_WIDTH_MAX;
    const first = isCut ? from - FRAME_LEAD : start;
    const last = Math.min(end, first + FRAME_WIDTH_MAX);
    const before = isCut ? '…' : '';
    const after = last < end ? '…' : '';
    const shown = printable(this.text.slice(first, last).replace(/\r$/, ''));
    const lead = printable(this.text.slice(first, from));
    const carets = '^'.repeat(
      Math.max(1, columnsOfText(printable(this.text.slice(from, Math.min(to, last)).replace(/\r$/, '')))),
    );
    const number = String(line);
    const indent = ' '.repeat(before.length + columnsOfText(lead));
    return `${number} | ${before}${shown}${after}\n${' '.repeat(number.length)} | ${indent}${carets}`;
  }
}

const FRAME_WIDTH_MAX = 110;
const FRAME_LEAD = 60;

/** Characters in [from, to), a surrogate pair being one. */
function charactersIn(text: string, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; at++) {
    const unit = text.charCodeAt(at);
    const isSecondHalf = unit >= 0xdc00 && unit <= 0xdfff && at > from && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;
    if (!isSecondHalf) count++;
  }
  return count;
}

function columnsOfText(text: string): number {
  let columns = 0;
  for (const character of text) columns += columnsOf(character);
  return columns;
}

/** Tabs become one space, other control characters a picture, lone surrogates the replacement character. */
export function printable(text: string): string {
  return text
    .replace(/\t/g, ' ')
    .replace(/\p{Cc}/gu, (character) =>
      character < ' ' ? String.fromCharCode(0x2400 + character.charCodeAt(0)) : '\ufffd',
    )
    .replace(/[\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\p{Cs}]/gu, '\ufffd');
}

/** How many terminal columns a character takes, by the wide East Asian and emoji blocks; combining marks take none. */
function columnsOf(character: string): number {
  const code = character.codePointAt(0)!;
  if (/\p{Mn}/u.test(character)) return 0;
  const wide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd);
  return wide ? 2 : 1;
}
