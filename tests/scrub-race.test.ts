import { expect, test } from 'vitest';
import { Bench, type ExecutionOptions } from '../src/campaign/bench.ts';
import { findWorkloads } from '../src/campaign/host/workload-files.ts';
import { VOCABULARY } from '../src/campaign/registry.ts';
import { allFixes, FIXES, FixSet } from '../src/fs/fixes.ts';
import { parseWorkload } from '../src/workload/parse.ts';
import { interleavings, PlayInOrder } from './support/interleavings.ts';

/**
 * Goal: the window of 020d5b7366fc is exactly as wide as its steps say. Method: play each of the 252 orders of the
 * cleaner's five steps and the scrub's five, and compare with what the orders say.
 */
const { path, text } = findWorkloads(['scrub-vs-block-group-deletion'])[0]!;
const parsed = parseWorkload(text, { file: path, vocabulary: VOCABULARY });
const workload = parsed.workload!;
const OPTIONS: ExecutionOptions = {
  decideAt: new Set([
    'cleaner-pick',
    'chunk-remove-device-extents',
    'block-group-erase',
    'block-group-remove',
    'chunk-map-erase',
    'scrub-find-device-extent',
    'scrub-find-block-group',
    'scrub-set-read-only',
    'scrub-chunk',
    'scrub-release-block-group',
  ]),
  keepEvents: false,
  seed: '1',
};
const CLEANER = 0;
const SCRUB = 1;
const ORDERS = interleavings(5, 5);

function without(id: string): FixSet {
  return new FixSet(FIXES.map((fix) => fix.id).filter((other) => other !== id));
}

/** How many steps of the other task come before step `step` (from 1) of this one. */
function before(order: readonly number[], task: number, step: number): number {
  let own = 0;
  let others = 0;
  for (const next of order) {
    if (next !== task) others++;
    else if (++own === step) return others;
  }
  return others;
}

/** S3 comes before C1, and S5 after it: the cleaner finds the block group read-only. */
function cleanerBacksOff(order: readonly number[]): boolean {
  const scrubSteps = before(order, CLEANER, 1);
  return scrubSteps >= 3 && scrubSteps < 5;
}

function isInWindow(order: readonly number[]): boolean {
  return !cleanerBacksOff(order) && before(order, SCRUB, 2) < 3 && before(order, SCRUB, 4) === 5;
}

/** What each order leads to. */
function playAll(fixes: FixSet, mutations?: ReadonlySet<string>) {
  const bench = new Bench(workload, fixes, undefined, mutations);
  const strategy = new PlayInOrder(['cleaner', 'scrubber']);
  return ORDERS.map((order) => {
    strategy.play(order);
    const { record, violations } = bench.execute(strategy, OPTIONS)!;
    const [clean, scrub] = ['clean', 'scrub'].map((kind) =>
      record.operations.find(({ operation }) => operation === kind),
    );
    const backedOff = clean!.result!.error === null && clean!.result!.value === 0;
    return { order, scrub: scrub!.result!.error ?? 'ok', backedOff, laws: violations.map(({ law }) => law) };
  });
}

test('27 of 252 interleavings fail with EINVAL without the fix, and in 20 the cleaner backs off', () => {
  const results = playAll(without('skip-removed-block-group'));
  expect(results).toHaveLength(252);
  expect(results.filter(({ scrub }) => scrub === 'EINVAL')).toHaveLength(27);
  expect(results.filter(({ backedOff }) => backedOff)).toHaveLength(20);
  for (const { order, scrub, backedOff, laws } of results) {
    expect({ order, scrub }).toEqual({ order, scrub: isInWindow(order) ? 'EINVAL' : 'ok' });
    expect({ order, backedOff }).toEqual({ order, backedOff: cleanerBacksOff(order) });
    expect({ order, laws }).toEqual({ order, laws: isInWindow(order) ? ['errors'] : [] });
  }
});

test('with the fix, none of the 252 fails, and in the same 20 the cleaner backs off', () => {
  const results = playAll(allFixes());
  expect(results.filter(({ laws }) => laws.length > 0)).toEqual([]);
  expect(results.filter(({ scrub }) => scrub !== 'ok')).toEqual([]);
  expect(results.filter(({ backedOff }) => backedOff)).toHaveLength(20);
});

test('a removal that says so only after erasing the chunk map makes the fixed engine fail', () => {
  const results = playAll(allFixes(), new Set(['erase-chunk-map-before-removed']));
  const failing = results.filter(({ scrub }) => scrub === 'EINVAL');
  expect(failing.length).toBeGreaterThan(0);
  for (const { laws } of failing) expect(laws).toContain('errors');
});
