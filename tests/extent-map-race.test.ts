import { describe, expect, test } from 'vitest';
import { allFixes, type FixSet, fixesOfKernel } from '../src/fs/fixes.ts';
import * as sys from '../src/fs/syscalls.ts';
import { ExhaustiveStrategy } from '../src/inject/strategies/exhaustive.ts';
import { RandomStrategy } from '../src/inject/strategies/seeded-random.ts';
import { disksAfter, Race } from './support/simulated-filesystem.ts';

const KIB = 1024;
const FOUR_POINTS = new Set(['extent-map-lookup', 'extent-map-insert', 'extent-map-drop', 'extent-map-insert-new']);
const OLD = new Uint8Array(32 * KIB).fill(0x11);

/** One extent of 32 KiB, committed. */
const disks = disksAfter(function* (fs) {
  yield* sys.create(fs, '/file');
  yield* sys.write(fs, '/file', 0, OLD, { direct: true });
});

function pair(
  writeStart: number,
  writeEnd: number,
  readAt: number,
  fixes: FixSet,
  strategy: ExhaustiveStrategy | RandomStrategy,
  decideAt?: Set<string>,
): Race {
  const bytes = new Uint8Array((writeEnd - writeStart) * KIB).fill(0x22);
  return new Race({
    disks,
    fixes,
    strategy,
    ...(decideAt === undefined ? {} : { decideAt }),
    tasks: [
      (fs) => sys.write(fs, '/file', writeStart * KIB, bytes, { direct: true }),
      (fs) => sys.read(fs, '/file', readAt * KIB, 4 * KIB, { direct: true }),
    ],
  });
}

/** Executions in all, and those in which the reader got EEXIST. */
function explore(race: Race): { runs: number; bad: number } {
  let runs = 0;
  let bad = 0;
  while (race.execute()) {
    if (race.world.report().pruned) continue;
    runs++;
    expect(race.world.report().locks).toEqual([]);
    if (race.outcomes[1] === 'EEXIST') bad++;
    else expect(race.outcomes[1]).toBeInstanceOf(Uint8Array);
    expect(race.outcomes[0]).toEqual(expect.any(Number));
  }
  return { runs, bad };
}

describe('with lookup, insert, drop and insert-new as the only points', () => {
  test.each([
    [8, 32, 0, 2],
    [8, 16, 0, 2],
    [16, 32, 0, 2],
    [8, 32, 4, 0],
    [8, 16, 4, 0],
    [16, 32, 4, 0],
    [8, 16, 20, 0],
  ])(
    'a write of [%iK, %iK) and a read at %iK have 15 interleavings, of which %i break at L2 and none at L3',
    (start, end, at, bad) => {
      const plain = () => new ExhaustiveStrategy({ sleepSets: false });
      expect(explore(pair(start, end, at, fixesOfKernel('4.15'), plain(), FOUR_POINTS))).toEqual({ runs: 15, bad });
      expect(explore(pair(start, end, at, allFixes(), plain(), FOUR_POINTS))).toEqual({ runs: 15, bad: 0 });
    },
  );
});

test('a random walk over every effect finds the race at L2 within 1,000 runs, and never at L3', () => {
  const race = pair(8, 32, 0, fixesOfKernel('4.15'), new RandomStrategy('1'));
  let found = false;
  for (let i = 0; i < 1000 && !found; i++) {
    race.execute();
    found = race.outcomes[1] === 'EEXIST';
  }
  expect(found).toBe(true);
  const fixed = pair(8, 32, 0, allFixes(), new RandomStrategy('1'));
  for (let i = 0; i < 200; i++) {
    fixed.execute();
    expect(fixed.outcomes[1]).toBeInstanceOf(Uint8Array);
  }
});
