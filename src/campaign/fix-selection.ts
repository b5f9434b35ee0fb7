import { nearestWord } from '../base/nearest.ts';
import { BadKernelVersion, FIXES, type Fix, FixSet, fixesOfKernel, resolveFix, UnknownFix } from '../fs/fixes.ts';
import type { Switches } from './verdict.ts';

/** What `--fixes` and `--kernel` ask for. */
export interface FixSelection {
  readonly kernel: string | null;
  /** Where the list starts: all on, none on, or what the kernel or the workload has. */
  readonly start: 'all' | 'none' | 'base';
  /** Ids, applied in order. */
  readonly changes: readonly { readonly id: string; readonly isOn: boolean }[];
}

/** The selection names no fix or kernel, or asks for a combination that never was code. */
export class SelectionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SelectionError';
  }
}

const REGISTRY: readonly Fix[] = FIXES;

/**
 * Reads `all,-18e83ac75bfe`, `none`, `-reuse-covering-map`, `reuse-identical-map,reuse-encompassing-map`: `all` and
 * `none` start afresh, `-name` turns off, `+name` turns on, a list that begins with a plain name means exactly those.
 * Null when nothing was asked for. Throws `SelectionError`.
 */
export function parseFixSelection(list: string | null, kernel: string | null): FixSelection | null {
  if (list === null && kernel === null) return null;
  const problems: string[] = [];
  if (kernel !== null) attempt(() => fixesOfKernel(kernel), problems);
  const selection = { kernel, ...readList(list, problems) };
  if (problems.length > 0) throw new SelectionError(problems.join('\n'));
  return selection;
}

/** Null, with the reason added to `problems`, when a name or release is unknown. */
function attempt<T>(find: () => T, problems: string[]): T | null {
  try {
    return find();
  } catch (error) {
    if (!(error instanceof UnknownFix || error instanceof BadKernelVersion)) throw error;
    problems.push(error instanceof UnknownFix ? unknown(error.asked) : error.message);
    return null;
  }
}

function unknown(asked: string): string {
  const ids = REGISTRY.map((fix) => fix.id);
  const nearest =
    ['all', 'none'].find((word) => word === asked.toLowerCase()) ??
    nearestWord(asked, ids) ??
    nearestWord(
      asked,
      REGISTRY.map((fix) => fix.commit).filter((commit) => commit !== ''),
    );
  const isDigits = /^[0-9a-f]{1,6}$/.test(asked) ? '; a commit needs at least 7 digits' : '';
  return `no fix is called ${JSON.stringify(asked)}${nearest === null ? '; see `fsquake list fixes`' : `; did you mean ${nearest}?`}${isDigits}`;
}

function readList(list: string | null, problems: string[]): Omit<FixSelection, 'kernel'> {
  let start: FixSelection['start'] = 'base';
  if (list === null) return { start, changes: [] };
  const changes: { id: string; isOn: boolean }[] = [];
  const words = list
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  if (words.length === 0) problems.push('--fixes names no fix: say all, none, or names of `fsquake list fixes`');
  for (const [index, word] of words.entries()) {
    if (word === 'all' || word === 'none') {
      start = word;
      changes.length = 0;
      continue;
    }
    const isSigned = word.startsWith('-') || word.startsWith('+');
    if (index === 0 && !isSigned) start = 'none';
    const fix = attempt(() => resolveFix(isSigned ? word.slice(1) : word), problems);
    if (fix !== null) changes.push({ id: fix.id, isOn: !word.startsWith('-') });
  }
  return { start, changes };
}

/** Applies a selection to what the workload has on. Throws `SelectionError` when a fix lacks one it builds on. */
export function selectFixes(selection: FixSelection, base: readonly string[]): FixSet {
  const on = new Set(startOf(selection, base));
  for (const change of selection.changes) {
    if (change.isOn) on.add(change.id);
    else on.delete(change.id);
  }
  const problems = REGISTRY.filter((fix) => on.has(fix.id)).flatMap((fix) => {
    const missing = fix.requires.filter((id) => !on.has(id));
    if (missing.length === 0) return [];
    return [`${fix.id} builds on ${missing.join(', ')}, which is off: turn it on too, or add -${fix.id}`];
  });
  if (problems.length > 0) throw new SelectionError(problems.join('\n'));
  return new FixSet(on, selection.kernel);
}

function startOf(selection: FixSelection, base: readonly string[]): Iterable<string> {
  if (selection.start === 'none') return [];
  if (selection.start === 'all') return REGISTRY.map((fix) => fix.id);
  return selection.kernel === null ? base : fixesOfKernel(selection.kernel).ids();
}

/** Both lists in the registry's order, with the shortest true label. */
export function switchesOf(enabled: Iterable<string>, kernel: string | null): Switches {
  const set = new Set(enabled);
  const on = REGISTRY.filter((fix) => set.has(fix.id)).map((fix) => fix.id);
  const off = REGISTRY.filter((fix) => !set.has(fix.id)).map((fix) => fix.id);
  return { label: labelOf(on, off, kernel), kernel, on, off };
}

function labelOf(on: readonly string[], off: readonly string[], kernel: string | null): string {
  if (kernel !== null) {
    const base = new Set(fixesOfKernel(kernel).ids());
    const changes = [
      ...on.filter((id) => !base.has(id)).map((id) => `+${id}`),
      ...off.filter((id) => base.has(id)).map((id) => `-${id}`),
    ];
    return [`kernel ${kernel}`, ...changes].join(' ');
  }
  if (off.length === 0) return 'all';
  if (on.length === 0) return 'none';
  return off.length <= on.length ? `all ${off.map((id) => `-${id}`).join(' ')}` : `only ${on.join(' ')}`;
}

/** True when both settings are the same code. */
export function isSameSetting(a: Switches, b: Switches): boolean {
  return (
    a.on.length === b.on.length && a.on.every((id, index) => id === b.on[index]) && isSameKernel(a.kernel, b.kernel)
  );
}

/** A kernel only adds the shape of bugs whose fixes are off; settings written without one match any. */
function isSameKernel(a: string | null, b: string | null): boolean {
  return a === null || b === null || a === b;
}
