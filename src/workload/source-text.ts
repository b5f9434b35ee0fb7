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
    return { line: low + 1, column: [...this.text.slice(this.lineStarts[low]!, at)].length + 1 };
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
    const frame = this.frame(line, column, [...this.text.slice(from, to).split('\n')[0]!].length);
    return { code, message: printable(message), file: this.file, line, column, start: from, end: to, hint, frame };
  }

  /** `12 | text` and a line of carets below; long lines are cut around the place. */
  private frame(line: number, column: number, width: number): string {
    const characters = [...this.line(line)];
    const first = column <= FRAME_WIDTH_MAX ? 0 : column - 1 - FRAME_LEAD;
    const shown = characters.slice(first, first + FRAME_WIDTH_MAX);
    const before = first > 0 ? '…' : '';
    const after = first + FRAME_WIDTH_MAX < characters.length ? '…' : '';
    const lead = shown.slice(0, column - 1 - first).map((character) => ' '.repeat(columnsOf(character)));
    const marked = shown.slice(column - 1 - first, column - 1 - first + Math.max(1, width));
    const carets = '^'.repeat(
      Math.max(
        1,
        marked.reduce((sum, character) => sum + columnsOf(character), 0),
      ),
    );
    const number = String(line);
    return `${number} | ${before}${shown.join('')}${after}\n${' '.repeat(number.length)} | ${' '.repeat(before.length)}${lead.join('')}${carets}`;
  }
}

const FRAME_WIDTH_MAX = 110;
const FRAME_LEAD = 60;

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
