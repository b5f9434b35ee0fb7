import type { TextStyle } from '../report/run-report.ts';

/** Where there is no terminal to measure. */
const WIDTH_DEFAULT = 120;
const WIDTH_MIN = 40;
const WIDTH_MAX = 200;

/**
 * How text for `stream` is to look: colours only on a terminal that has them and when neither `NO_COLOR` (non-empty)
 * nor `--no-color` speaks against; `FORCE_COLOR` (non-empty, not 0) turns them on anywhere else.
 */
export function styleOf(stream: NodeJS.WriteStream, options: { readonly color: boolean }): TextStyle {
  const { env } = process;
  const isDumb = env['TERM'] === 'dumb';
  const isRefused = !options.color || (env['NO_COLOR'] ?? '') !== '';
  const isForced = !['', '0', undefined].includes(env['FORCE_COLOR']);
  const columns = stream.isTTY ? stream.columns : Number(env['COLUMNS'] ?? WIDTH_DEFAULT);
  return {
    color: !isRefused && (isForced || (stream.isTTY === true && !isDumb)),
    width: Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, Number.isFinite(columns) && columns > 0 ? columns : WIDTH_DEFAULT)),
    ascii: isDumb,
  };
}

const REFRESH_MS = 100;

/** One line that is written over again; nothing at all where standard error is no terminal. */
export class ProgressLine {
  private readonly stream: NodeJS.WriteStream;
  private readonly isShown: boolean;
  private isDirty = false;
  private lastShown = Number.NEGATIVE_INFINITY;

  constructor(stream: NodeJS.WriteStream, options: { readonly quiet: boolean }) {
    this.stream = stream;
    const { env } = process;
    this.isShown =
      stream.isTTY === true && !options.quiet && env['TERM'] !== 'dumb' && ['', 'false', undefined].includes(env['CI']);
  }

  show(text: string): void {
    const now = performance.now();
    if (!this.isShown || now - this.lastShown < REFRESH_MS) return;
    this.lastShown = now;
    const width = Math.max(20, (this.stream.columns || 80) - 1);
    this.stream.write(`\r\x1b[K${text.length > width ? `${text.slice(0, width - 1)}…` : text}`);
    this.isDirty = true;
  }

  clear(): void {
    if (this.isDirty) this.stream.write('\r\x1b[K');
    this.isDirty = false;
  }
}

/** Writes all of it, also to a pipe, before the process ends. False where whoever reads has gone. */
export function print(data: string | Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    process.stdout.write(data, (error) => resolve(error === undefined || error === null));
  });
}

/** For people, beside the data. */
export function say(text: string): void {
  process.stderr.write(text.endsWith('\n') ? text : `${text}\n`);
}
