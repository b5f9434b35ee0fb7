import type { BenchResult, DifferentialBench } from './bench.ts';
import { engineSupports } from './engine-executor.ts';
import { Generator } from './generator.ts';
import type { Operation, OperationKind } from './operation.ts';
import type { DifferentialProfile } from './profiles.ts';
import type { OperationSource } from './run-sequence.ts';
import { shrinkSequence } from './shrink.ts';

/** `count` operations drawn from a seed; equal on every run as long as Linux answers alike. */
export function drawnSource(seed: string, profile: DifferentialProfile, count: number): OperationSource {
  const generator = new Generator(seed, profile.weights, engineSupports, profile.limitation);
  let left = count;
  return {
    next: () => (left-- > 0 ? generator.next() : null),
    note: (operation, outcome) => generator.note(operation, outcome),
  };
}

/** A given sequence. */
export function listedSource(operations: readonly Operation[]): OperationSource {
  let at = 0;
  return { next: () => operations[at++] ?? null, note() {} };
}

/** The shortest sequence found that differs in the same respect as `result`, and how. */
export function shrinkResult(bench: DifferentialBench, result: BenchResult, attemptsMax: number): BenchResult {
  const wanted = respectOf(result);
  let best = result;
  const fails = (operations: readonly Operation[]): number | null => {
    const tried = bench.run(listedSource(operations));
    if (respectOf(tried) !== wanted) return null;
    best = tried;
    return tried.operations.length;
  };
  const last = result.operations.length - 1;
  const effective = result.operations.filter(
    (operation, index) => index === last || !(result.refused.has(index) || IDLE.has(operation.do)),
  );
  const start = fails(effective) === null ? result.operations : best.operations;
  shrinkSequence(start, fails, attemptsMax);
  return best;
}

/** They change nothing, or so one hopes. */
const IDLE: ReadonlySet<OperationKind> = new Set([
  'stat',
  'read',
  'readdir',
  'readlink',
  'getXattr',
  'listXattrs',
  'readDirectory',
  'seekDirectory',
  'mapRead',
  'seek',
  'statfs',
]);

/** What makes two differences the same one: the operation, and what was compared, without names and numbers. */
function respectOf({ difference, operations }: BenchResult): string | null {
  if (difference === null) return null;
  const { what, engine, linux, step } = difference;
  const kind = what === 'outcome' ? operations[step]?.do : what.replace(/ of .*| from \d+.*/, '');
  const words = [engine, linux].map((text) => (/^[A-Z][A-Z0-9]+\b|^crash/.exec(text) ?? ['value'])[0]);
  return [kind, ...words, engine.startsWith('crash') ? engine.slice(0, 60) : ''].join('/');
}
