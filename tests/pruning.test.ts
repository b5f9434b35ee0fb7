import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Bench, type Execution } from '../src/campaign/bench.ts';
import { VOCABULARY } from '../src/campaign/registry.ts';
import { allFixes, FixSet } from '../src/fs/fixes.ts';
import { exhaustive } from '../src/inject/strategies/exhaustive.ts';
import { parseWorkload } from '../src/workload/parse.ts';

const MAP_POINTS = ['extent-map-lookup', 'extent-map-insert', 'extent-map-drop', 'extent-map-insert-new'];
const COMPLETION_POINTS = ['ordered-extent-finish', 'extent-map-unpin'];

function benchOf(name: string, off: readonly string[]): Bench {
  const file = join(import.meta.dirname, `../workloads/${name}.yaml`);
  const parsed = parseWorkload(readFileSync(file, 'utf8'), { file, vocabulary: VOCABULARY });
  if (!('workload' in parsed)) throw new Error(`${name} has problems`);
  const on = allFixes()
    .ids()
    .filter((id) => !off.includes(id));
  return new Bench(parsed.workload, new FixSet(on));
}

/** All that a user could see of an execution: what operations returned, the disks, which laws broke. */
function outcomeOf({ record, violations }: Execution): string {
  const results = record.operations
    .map(({ task, index, round, result }) => {
      const value = result?.error === null && result.value instanceof Uint8Array ? result.value.join() : result?.error;
      return `${task}#${round}.${index}=${value}`;
    })
    .sort();
  const disks = record.after.map((image) => image.fingerprint);
  return JSON.stringify([results, disks, violations.map((violation) => violation.law).sort()]);
}

function explore(
  bench: Bench,
  points: readonly string[],
  sleepSets: boolean,
): { outcomes: string[]; explored: number } {
  const strategy = exhaustive({ sleepSets, executionsMax: 30_000 });
  const options = { decideAt: new Set(points), keepEvents: false, seed: '1' };
  const outcomes = new Set<string>();
  for (;;) {
    const execution = bench.execute(strategy, options);
    if (execution === null) break;
    if (!execution.isPruned) outcomes.add(outcomeOf(execution));
  }
  expect(strategy.result.complete).toBe(true);
  return { outcomes: [...outcomes].sort(), explored: strategy.result.explored };
}

test.each([
  ['dio-write-splits-extent-map', [], [...MAP_POINTS, ...COMPLETION_POINTS]],
  ['dio-write-splits-extent-map', ['reuse-covering-map'], [...MAP_POINTS, ...COMPLETION_POINTS]],
  ['dio-write-splits-extent-map', ['reuse-covering-map', 'reuse-encompassing-map', 'reuse-identical-map'], MAP_POINTS],
  [
    'dio-reads-insert-identical-map',
    ['reuse-covering-map', 'reuse-encompassing-map', 'reuse-identical-map'],
    MAP_POINTS,
  ],
  ['skip-pinned-extent-map', ['keep-end-when-skipping-pinned'], ['late', ...MAP_POINTS, 'ordered-extent-finish']],
  [
    'merge-of-extent-map-in-use',
    ['merge-only-unshared-maps'],
    ['late', ...MAP_POINTS, 'extent-map-merge', 'commit-start'],
  ],
  ['same-name-created-twice', [], ['tree-block-read', 'commit-start']],
  ['direct-writes-to-touching-ranges', [], MAP_POINTS],
  ['fsyncs-of-two-files', [], ['commit-start', 'ordered-extent-finish']],
  ['fsync-against-direct-write', [], ['commit-start', 'commit-write-superblocks', 'ordered-extent-finish']],
])('pruned and plain exploration of %s without %j see the same outcomes', (name, off, points) => {
  const bench = benchOf(name, off);
  const plain = explore(bench, points, false);
  const pruned = explore(bench, points, true);
  expect(pruned.outcomes).toEqual(plain.outcomes);
  expect(pruned.explored).toBeLessThanOrEqual(plain.explored);
});
