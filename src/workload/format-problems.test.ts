import { expect, test } from 'vitest';
import { formatProblems } from './format-problems.ts';
import { SourceText } from './source-text.ts';
import { rawProblemsOf } from './testing/parsing.ts';

test('a problem is shown with its place, its line, carets, and the nearest right thing', () => {
  const text = 'tasks:\n  t:\n    - write: { file: /f, ofset: 8K, length: 4K }\nsetup: [ create: /f ]\n';
  expect(formatProblems(rawProblemsOf(text), text, { color: false })).toBe(
    [
      'error[unknown-key]: "write" has no key "ofset"',
      ' --> workloads/example.yaml:3:26',
      '  |',
      '2 |   t:',
      '3 |     - write: { file: /f, ofset: 8K, length: 4K }',
      '  |                          ^^^^^ did you mean "offset"?',
      '',
      '1 problem found; nothing was run',
      '',
    ].join('\n'),
  );
});

test('colors are there when asked for, and only then', () => {
  const text = 'taks: {}\n';
  expect(formatProblems(rawProblemsOf(text), text, { color: true })).toContain('\u001b[');
  expect(formatProblems(rawProblemsOf(text), text, { color: false })).not.toContain('\u001b[');
});

test('carets stand under wide and combining characters too', () => {
  const source = new SourceText('é日本: x', 'x.yaml');
  const [shown, carets] = source.problem('value', 'here', 5, 6).frame.split('\n');
  expect(shown).toBe('1 | é日本: x');
  expect(carets).toBe('  |        ^');
  expect(source.problem('value', 'here', 5, 6).column).toBe(6);
});

test('a long line is cut around the place', () => {
  const source = new SourceText(`${'a'.repeat(500)}X${'b'.repeat(500)}`, 'x.yaml');
  const [shown = '', carets = ''] = source.problem('value', 'here', 500, 501).frame.split('\n');
  expect(shown.length).toBeLessThan(130);
  expect(shown.charAt(carets.indexOf('^'))).toBe('X');
});

test('nothing of a file can drive the terminal', () => {
  const text = 'title: "\u001b[31m"\n\u001b]0;x\u0007: 1\n';
  expect(formatProblems(rawProblemsOf(text), text, { color: false })).not.toMatch(/(?!\n)\p{Cc}/u);
});

test('a place at the end of the text still has a frame', () => {
  const source = new SourceText('a: 1\n', 'x.yaml');
  expect(source.problem('document', 'end', 99, 120)).toMatchObject({ line: 2, column: 1, start: 5, end: 5 });
});
