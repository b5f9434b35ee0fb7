import { expect, test } from 'vitest';
import { Bench, type ExecutionOptions } from '../src/campaign/bench.ts';
import { findWorkloads } from '../src/campaign/host/workload-files.ts';
import { VOCABULARY } from '../src/campaign/registry.ts';
import { planSettings } from '../src/campaign/settings.ts';
import { FIXES, type Fix, FixSet } from '../src/fs/fixes.ts';
import { SteadyStrategy } from '../src/inject/strategies/steady.ts';
import type { Choice, WorldView } from '../src/inject/strategy.ts';
import type { Workload } from '../src/workload/model.ts';
import { parseWorkload } from '../src/workload/parse.ts';

/**
 * Goal: a switch that is off makes a bug possible, not certain: what it takes is an unlucky schedule. Method: every
 * shipped workload that injects nothing, one execution in which each task runs alone, judged by all laws.
 */
const workloads: readonly Workload[] = findWorkloads([]).flatMap(({ path, text }) => {
  const result = parseWorkload(text, { file: path, vocabulary: VOCABULARY });
  if (result.problems !== undefined) throw new Error(`${path}: ${result.problems.map((one) => one.message).join()}`);
  return result.workload.inject.length === 0 ? [result.workload] : [];
});

const OPTIONS: ExecutionOptions = { decideAt: 'everything', keepEvents: false, seed: '1' };

/** One task after the other; before the next step of any, what the engine still has to do for the steps before. */
class OneAfterTheOther extends SteadyStrategy {
  override readonly name = 'one-after-the-other';

  override pick(choices: readonly Choice[], view: WorldView): number {
    const pending = choices.findIndex(({ kind, name }) => kind === 'completion' || isEngineTask(name));
    return pending >= 0 ? pending : super.pick(choices, view);
  }
}

function isEngineTask(name: string): boolean {
  return VOCABULARY.engineTasks!.some((task) => name.startsWith(`${task} `));
}

/** What one undisturbed execution breaks, workload by workload. */
function broken(fixesOf: (workload: Workload) => readonly FixSet[]): string[] {
  return workloads.flatMap((workload) =>
    fixesOf(workload).flatMap((fixes) => {
      const bench = new Bench(workload, fixes);
      const execution = bench.execute(new OneAfterTheOther('1'), OPTIONS);
      return execution!.violations.map(({ law, message }) => `${workload.name}: ${law}: ${message}`);
    }),
  );
}

/** All on but one, and those that build on it. */
function without({ id }: Fix): FixSet {
  return new FixSet(
    (FIXES as readonly Fix[]).filter((fix) => fix.id !== id && !fix.requires.includes(id)).map((fix) => fix.id),
  );
}

test.each(FIXES as readonly Fix[])('with $id off, a harmless schedule breaks no law', (fix) => {
  const fixes = without(fix);
  expect(fixes.isOn(fix.id)).toBe(false);
  expect(broken(() => [fixes])).toEqual([]);
});

test('with every fix off, a harmless schedule breaks no law', () => {
  expect(broken(() => [new FixSet([])])).toEqual([]);
});

test('under each setting that a shipped workload speaks of, a harmless schedule breaks no law', () => {
  expect(workloads.length).toBeGreaterThan(20);
  expect(broken((workload) => planSettings(workload).map(({ fixes }) => fixes))).toEqual([]);
});
