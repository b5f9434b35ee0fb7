import pc from 'picocolors';
import type { Problem } from './problem.ts';
import { SourceText } from './source-text.ts';

/**
 * Problems for a terminal, one block each, in the given order:
 * ```
 * error[unknown-key]: `write` has no key "ofset"
 *   --> workloads/x.yaml:12:31
 *    |
 * 12 |   - write: { file: /f, ofset: 8K }
 *    |                        ^^^^^ did you mean "offset"?
 * ```
 * `text` is that of the file; the line before the place is shown for orientation. Ends with a count.
 */
export function formatProblems(
  problems: readonly Problem[],
  text: string,
  options: { readonly color: boolean },
): string {
  const colors = pc.createColors(options.color);
  const files = new Map<string, SourceText>();
  const blocks = problems.map((problem) => {
    const source = files.get(problem.file) ?? new SourceText(text, problem.file);
    files.set(problem.file, source);
    const [shown = '', carets = ''] = problem.frame.split('\n');
    const gutter = ' '.repeat(String(problem.line).length);
    const bar = colors.blue('|');
    const lines = [
      `${colors.bold(colors.red(`error[${problem.code}]`))}${colors.bold(`: ${problem.message}`)}`,
      `${gutter}${colors.blue('-->')} ${problem.file}:${problem.line}:${problem.column}`,
      `${gutter} ${bar}`,
    ];
    const lead = contextLine(source, problem.line);
    if (lead !== null)
      lines.push(`${colors.blue(lead.number.padStart(gutter.length))} ${bar} ${colors.dim(lead.text)}`);
    lines.push(`${colors.blue(String(problem.line))} ${bar} ${shown.slice(gutter.length + 3)}`);
    const hint = problem.hint === null ? '' : ` ${colors.yellow(problem.hint)}`;
    lines.push(`${gutter} ${bar} ${colors.red(carets.slice(gutter.length + 3))}${hint}`);
    return lines.join('\n');
  });
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  // Behind a mistake in the YAML itself, what a word belongs to is a guess.
  const rest = problems.some(({ code }) => code === 'syntax') ? '; the rest is checked once this can be read' : '';
  return `${blocks.join('\n\n')}\n\n${colors.bold(`${count} found; nothing was run${rest}`)}\n`;
}

const CONTEXT_WIDTH_MAX = 110;

function contextLine(source: SourceText, line: number): { readonly number: string; readonly text: string } | null {
  if (line < 2) return null;
  const text = source.line(line - 1);
  if (text.trim() === '' || text.length > CONTEXT_WIDTH_MAX) return null;
  return { number: String(line - 1), text };
}
