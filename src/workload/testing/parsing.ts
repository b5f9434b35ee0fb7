import type { Workload } from '../model.ts';
import { parseWorkload } from '../parse.ts';
import type { Problem } from '../problem.ts';
import { TEST_VOCABULARY } from './vocabulary.ts';

const FILE = 'workloads/example.yaml';

/** The workload of a text that is right. */
export function workloadOf(text: string): Workload {
  const result = parseWorkload(text, { file: FILE, vocabulary: TEST_VOCABULARY });
  if (result.problems !== undefined) throw new Error(result.problems.map(showProblem).join('\n'));
  return result.workload;
}

/** The problems of a text, `line "marked text" code: message; hint` each. */
export function problemsOf(text: string): string[] {
  return rawProblemsOf(text).map((problem) => {
    const { line, start, end, code, message, hint } = problem;
    const marked = text.slice(start, end);
    return `${line} ${JSON.stringify(marked)} ${code}: ${message}${hint === null ? '' : `; ${hint}`}`;
  });
}

export function rawProblemsOf(text: string): readonly Problem[] {
  return parseWorkload(text, { file: FILE, vocabulary: TEST_VOCABULARY }).problems ?? [];
}

function showProblem({ line, column, code, message, hint }: Problem): string {
  return `${line}:${column} ${code}: ${message}${hint === null ? '' : `; ${hint}`}`;
}

/** A right file with `lines` added at its end, and `operations` in its task. */
export function fileWith(parts: {
  readonly operations?: readonly string[];
  readonly setup?: readonly string[];
  readonly lines?: readonly string[];
}): string {
  const { operations = ['- sync'], setup = ['- create: /f', '- write: { file: /f, length: 32K }'], lines = [] } = parts;
  return [
    'setup:',
    ...setup.map((line) => `  ${line}`),
    'tasks:',
    '  t:',
    ...operations.map((line) => `    ${line}`),
    ...lines,
    '',
  ].join('\n');
}
