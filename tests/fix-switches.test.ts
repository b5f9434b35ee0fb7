import { expect, test } from 'vitest';
import { Bench, type ExecutionOptions } from '../src/campaign/bench.ts';
import { loadZstd } from '../src/campaign/host/load-zstd.ts';
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
await loadZstd();
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
  return workloads.flatMap((workload) => fixesOf(workload).flatMap((fixes) => brokenBy(workload, fixes)));
}

function brokenBy(workload: Workload, fixes: FixSet): string[] {
  const execution = new Bench(workload, fixes).execute(new OneAfterTheOther('1'), OPTIONS);
  return execution!.violations.map(({ law, message }) => `${workload.name}: ${law}: ${message}`);
}

/** All on; remembers which of them somebody asked for. */
class AskedFixes extends FixSet {
  readonly asked = new Set<string>();

  constructor() {
    super(FIXES.map(({ id }) => id));
  }

  override isOn(id: string): boolean {
    this.asked.add(id);
    return super.isOn(id);
  }
}

/** The switches that the execution of each workload asks for with all of them on, and what it breaks then. */
const withAllOn = workloads.map((workload) => {
  const fixes = new AskedFixes();
  return { workload, complaints: brokenBy(workload, fixes), asked: fixes.asked };
});

/** What an execution breaks in which some switches are off: those that ask for none of them go as with all on. */
function brokenWithout(off: readonly string[], fixes: FixSet): string[] {
  return withAllOn.flatMap(({ workload, complaints, asked }) =>
    off.some((id) => asked.has(id)) ? brokenBy(workload, fixes) : complaints,
  );
}

/** A fix, and those that build on it. */
function dependentsOf({ id }: Fix): readonly string[] {
  return (FIXES as readonly Fix[]).filter((fix) => fix.id === id || fix.requires.includes(id)).map((fix) => fix.id);
}

test.each(FIXES as readonly Fix[])('with $id off, a harmless schedule breaks no law', (fix) => {
  const off = dependentsOf(fix);
  const fixes = new FixSet(FIXES.map(({ id }) => id as string).filter((id) => !off.includes(id)));
  expect(fixes.isOn(fix.id)).toBe(false);
  expect(brokenWithout(off, fixes)).toEqual([]);
});

test('whether a switch was asked for is noticed', () => {
  const asked = withAllOn.map((one) => one.asked);
  expect(asked.some((ids) => ids.has('reuse-covering-map'))).toBe(true);
  expect(asked.some((ids) => ids.has('skip-removed-block-group') || ids.has('freeze-scrubbed-block-group'))).toBe(true);
});

test('with every fix off, a harmless schedule breaks no law', () => {
  expect(broken(() => [new FixSet([])])).toEqual([]);
});

test('under each setting that a shipped workload speaks of, a harmless schedule breaks no law', () => {
  expect(workloads.length).toBeGreaterThan(20);
  expect(broken((workload) => planSettings(workload).map(({ fixes }) => fixes))).toEqual([]);
});
