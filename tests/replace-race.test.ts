import { describe, expect, test } from 'vitest';
import { Bench, type ExecutionOptions } from '../src/campaign/bench.ts';
import { findWorkloads } from '../src/campaign/host/workload-files.ts';
import { VOCABULARY } from '../src/campaign/registry.ts';
import { allFixes, FIXES, FixSet } from '../src/fs/fixes.ts';
import { parseWorkload } from '../src/workload/parse.ts';
import { interleavings, PlayInOrder } from './support/interleavings.ts';

/**
 * Goal: both windows of 22ab04e814f4 are exactly as wide as their steps say. Method: play each of the 55 orders of the
 * writer's two steps (allocate a chunk, write) and the nine of a device replace, and compare with what the orders say.
 */
const OPTIONS: ExecutionOptions = {
  decideAt: new Set([
    'chunk-allocate',
    'extent-map-lookup',
    'scrub-find-device-extent',
    'scrub-chunk',
    'replace-advance',
    'replace-finish',
    'replace-swap',
  ]),
  keepEvents: false,
  seed: '1',
};
const ORDERS = interleavings(2, 9);

function playAll(name: string, fixes: FixSet) {
  const { path, text } = findWorkloads([name])[0]!;
  const bench = new Bench(parseWorkload(text, { file: path, vocabulary: VOCABULARY }).workload!, fixes);
  const strategy = new PlayInOrder(['writer', 'replacer']);
  return ORDERS.map((order) => {
    strategy.play(order);
    const { violations } = bench.execute(strategy, OPTIONS)!;
    return { order, followed: [...strategy.passed], isLost: violations.length > 0 };
  });
}

/** Steps of the replace before the writer's write. */
function replaceStepsBeforeWrite(order: readonly number[]): number {
  return order.lastIndexOf(0) - 1;
}

describe.each([
  // Step 4 of the replace moves the cursor past the hole.
  ['device-replace-vs-chunk-allocation', 'the hole', 4, 10],
  // The cursor never comes to the tail: only the swap, step 9, ends the window.
  ['device-replace-vs-chunk-allocation-tail', 'the tail', 9, 45],
])('%s', (name, window, savedFromStep, lost) => {
  test(`${lost} of 55 interleavings lose what was written to ${window} without the fix`, () => {
    const results = playAll(
      name,
      new FixSet(FIXES.map(({ id }) => id).filter((id) => id !== 'duplicate-writes-while-replacing')),
    );
    expect(results).toHaveLength(55);
    expect(results.filter(({ isLost }) => isLost)).toHaveLength(lost);
    for (const { order, followed, isLost } of results) {
      // Where only one task is left there is nothing to decide.
      expect(order.slice(0, followed.length)).toEqual(followed);
      expect({ order, isLost }).toEqual({ order, isLost: replaceStepsBeforeWrite(order) < savedFromStep });
    }
  });

  test('with the fix, none of the 55 loses anything', () => {
    expect(playAll(name, allFixes()).filter(({ isLost }) => isLost)).toEqual([]);
  });
});
