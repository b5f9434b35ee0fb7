import type { z } from 'zod';
import { nearestWord, suggest } from '../base/nearest.ts';
import { describeValue, isReportedAt, type Located, locate, type Path } from './located.ts';
import type { Problem, ProblemCode } from './problem.ts';
import { HINT_MARK } from './scalars.ts';
import { KEYS_MARK } from './schema.ts';
import type { SourceText } from './source-text.ts';

type Issue = z.core.$ZodIssue;

/** What is said to a merge key, which YAML 1.2 has not. */
export const MERGE_HINT = 'repeat the keys, or alias a whole value';

/** Problems of one file that are listed; a file with more is not a workload. */
export const PROBLEMS_MAX = 200;

/** What became of one part of the file. */
export interface Part<T> {
  readonly data: T;
  readonly node: Located;
  /** Something in it is on record and was left out: what looks missing may only be misspelled. */
  readonly isPartial: boolean;
}

/** Collects the problems of one file, and reads its parts with their schemas. */
export class Checker {
  readonly source: SourceText;
  private readonly problems: Problem[] = [];
  private readonly seen = new Set<string>();

  constructor(source: SourceText) {
    this.source = source;
  }

  /** In order of position; each once, although an alias may show a part twice. */
  sorted(): readonly Problem[] {
    return [...this.problems].sort((a, b) => a.start - b.start || a.end - b.end || (a.message < b.message ? -1 : 1));
  }

  get hasProblems(): boolean {
    return this.problems.length > 0;
  }

  add(problem: Problem): void {
    const id = `${problem.start} ${problem.end} ${problem.message}`;
    if (this.seen.has(id) || this.problems.length >= PROBLEMS_MAX) return;
    this.seen.add(id);
    this.problems.push(problem);
  }

  report(
    code: ProblemCode,
    message: string,
    at: { readonly start: number; readonly end: number },
    hint: string | null = null,
  ): void {
    if (this.problems.length < PROBLEMS_MAX) this.add(this.source.problem(code, message, at.start, at.end, hint));
  }

  /** At the value of `path` inside `node`, or at the nearest part around it. Silent where a problem is on record. */
  reportAt(node: Located, path: Path, code: ProblemCode, message: string, hint: string | null = null): void {
    if (isReportedAt(node, path)) return;
    let deepest: Located | null = null;
    for (let length = path.length; deepest === null; length--) deepest = locate(node, path.slice(0, length));
    this.report(code, message, headOf(deepest), hint);
  }

  /** At the key of an entry. */
  reportKey(node: Located, key: string, code: ProblemCode, message: string, hint: string | null = null): void {
    const entry = node.entries.get(key);
    if (entry === undefined) this.report(code, message, headOf(node), hint);
    else this.report(code, message, { start: entry.keyStart, end: entry.keyEnd }, hint);
  }

  /**
   * Reads `node` with `schema` and reports all that the schema finds. Null when nothing can be made of it; with unknown
   * keys and wrong optional values, what is left is returned, so that later checks can speak too.
   * `what` names the part in messages.
   */
  read<Schema extends z.ZodType>(schema: Schema, node: Located, what: string): Part<z.output<Schema>> | null {
    if (node.isReported) return null;
    const result = schema.safeParse(node.value);
    if (result.success) return { data: result.data, node, isPartial: hasReported(node) };
    const issues = flatten(result.error.issues, node.value, []);
    const removable = issues.flatMap((issue) => this.reportIssue(issue, { root: node, what, issues }));
    const again = schema.safeParse(without(node.value, removable));
    if (again.success) return { data: again.data, node, isPartial: true };
    // A list with a bad item goes as a whole.
    const whole = removable.map((path) =>
      path.slice(
        0,
        path.findIndex((step) => typeof step === 'number'),
      ),
    );
    const last = schema.safeParse(without(node.value, [...removable, ...whole.filter((path) => path.length > 0)]));
    return last.success ? { data: last.data, node, isPartial: true } : null;
  }

  /** Reports one finding of a schema; returns the paths without which the rest may be sound. */
  private reportIssue(
    issue: Issue,
    about: { readonly root: Located; readonly what: string; readonly issues: readonly Issue[] },
  ): readonly Path[] {
    const { root, what, issues } = about;
    const path = issue.path as Path;
    if (isReportedAt(root, path)) return [path];
    const node = locate(root, path);
    const name = nameOf(path, what);
    if (issue.code === 'unrecognized_keys') {
      const valid = issue.message.startsWith(KEYS_MARK) ? issue.message.slice(KEYS_MARK.length).split(' ') : [];
      for (const key of issue.keys) {
        const hint = key === '<<' ? MERGE_HINT : suggest(key, valid);
        this.reportKey(node ?? root, key, 'unknown-key', `${name} has no key ${describeValue(key)}`, hint);
      }
      return issue.keys.map((key) => [...path, key]);
    }
    if (node === null) {
      const parent = locate(root, path.slice(0, -1)) ?? root;
      const key = String(path.at(-1));
      if (!parent.isReported && !isMisspelled(path, issues)) {
        this.report(
          'missing-key',
          `${nameOf(path.slice(0, -1), what)} needs the key "${key}"`,
          this.ownerOf(root, path.slice(0, -1)),
        );
      }
      return [];
    }
    const [reason = '', hint = null] = issue.message.split(HINT_MARK);
    const code: ProblemCode = /size|bytes|unit of/.test(reason) ? 'size' : 'value';
    this.report(code, `${name}: ${reasonOf(issue, reason, node.value)}`, headOf(node), hint);
    return [path];
  }

  /** The key that a mapping belongs to, or the mapping's first character. */
  private ownerOf(root: Located, path: Path): { readonly start: number; readonly end: number } {
    const parent = path.length === 0 ? null : locate(root, path.slice(0, -1));
    const entry = typeof path.at(-1) === 'string' ? parent?.entries.get(String(path.at(-1))) : undefined;
    if (entry !== undefined) return { start: entry.keyStart, end: entry.keyEnd };
    return headOf(locate(root, path) ?? root);
  }
}

/** A scalar whole, a mapping or list by its first key or character: a frame that marks ten lines says nothing. */
export function headOf(node: Located): { readonly start: number; readonly end: number } {
  if (node.kind === 'scalar') return { start: node.start, end: node.end };
  const [first] = node.entries.values();
  if (first !== undefined && first.keyStart === node.start) return { start: first.keyStart, end: first.keyEnd };
  return { start: node.start, end: Math.min(node.end, node.start + 1) };
}

/** True when an unknown key beside it was surely meant to be this missing one: one problem, not two. */
function isMisspelled(path: Path, issues: readonly Issue[]): boolean {
  const parent = JSON.stringify(path.slice(0, -1));
  return issues.some(
    (issue) =>
      issue.code === 'unrecognized_keys' &&
      JSON.stringify(issue.path) === parent &&
      issue.keys.some((key) => nearestWord(key, [String(path.at(-1))]) !== null),
  );
}

function nameOf(path: Path, what: string): string {
  const names = path.filter((step) => typeof step === 'string');
  return names.length === 0 ? what : `"${names.at(-1)}"`;
}

function reasonOf(issue: Issue, reason: string, value: unknown): string {
  // A schema with words of its own has said it all.
  if (issue.code !== 'custom' && reason.startsWith('expected ')) return `${reason}, found ${describeValue(value)}`;
  switch (issue.code) {
    case 'invalid_type': {
      const expected = TYPE_NAMES[issue.expected] ?? issue.expected;
      return `expected ${expected}, found ${describeValue(value)}`;
    }
    case 'too_small':
      return 'the list is empty';
    case 'too_big':
      return `at most ${issue.maximum} entries`;
    default:
      return reason;
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  array: 'a list',
  tuple: 'a list of two',
  object: 'a mapping',
  record: 'a mapping',
  null: 'no argument',
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
};

/**
 * Findings without unions: of several forms, the one that the value's own form chooses. Where none fits, the union's
 * own message stands, unless a form for scalars can say more about a scalar.
 */
function flatten(issues: readonly Issue[], value: unknown, prefix: Path): Issue[] {
  return issues.flatMap((issue): Issue[] => {
    const path = [...prefix, ...(issue.path as Path)];
    if (issue.code !== 'invalid_union') return [{ ...issue, path: [...path] } as Issue];
    const own = valueAt(value, path);
    const fitting = issue.errors.filter((branch) => !branch.some(isRootMismatch));
    const best = fitting.length > 0 ? fewest(fitting) : isScalarValue(own) ? lastWord(issue.errors) : null;
    if (best === null) return [{ ...issue, path: [...path] } as Issue];
    return flatten(best as readonly Issue[], value, path);
  });
}

function isRootMismatch(issue: Issue): boolean {
  if (issue.code === 'invalid_union')
    return issue.path.length === 0 && issue.errors.every((branch) => branch.some(isRootMismatch));
  return (
    issue.path.length === 0 &&
    (issue.code === 'invalid_type' || issue.code === 'invalid_value' || issue.code === 'custom')
  );
}

function fewest(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  return branches.reduce((best, branch) => (branch.length < best.length ? branch : best));
}

/** The only form for scalars, when there is just one: it knows best what is wrong with a scalar. */
function lastWord(branches: readonly (readonly Issue[])[]): readonly Issue[] | null {
  const worded = branches.filter((branch) => branch.length > 0 && branch.every((issue) => issue.code === 'custom'));
  return worded.length === 1 ? worded[0]! : null;
}

function isScalarValue(value: unknown): boolean {
  return value !== null && typeof value !== 'object';
}

function valueAt(value: unknown, path: Path): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = (current as Record<string | number, unknown>)[step];
  }
  return current;
}

/** A copy without the entries at `paths`; items of lists stay where they are, so that positions keep their meaning. */
function without(value: unknown, paths: readonly Path[]): unknown {
  if (paths.some((path) => path.length === 0)) return undefined;
  if (paths.length === 0 || typeof value !== 'object' || value === null) return value;
  const below = (step: string | number) => paths.filter((path) => path[0] === step).map((path) => path.slice(1));
  if (Array.isArray(value)) return value.map((item, index) => without(item, below(index)));
  const copy: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) {
    const kept = without(item, below(key));
    if (kept !== undefined) copy[key] = kept;
  }
  return copy;
}

function hasReported(node: Located): boolean {
  if (node.isReported) return true;
  if (node.items.some(hasReported)) return true;
  return [...node.entries.values()].some((entry) => hasReported(entry.node));
}
