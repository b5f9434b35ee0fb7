import { expect, test } from 'vitest';
import { allFixes, FixSet } from '../src/fs/fixes.ts';
import * as sys from '../src/fs/syscalls.ts';
import { ExhaustiveStrategy } from '../src/inject/strategies/exhaustive.ts';
import { disksAfter, Race, type Work } from './support/simulated-filesystem.ts';

const KIB = 1024;
const MAP_POINTS = new Set([
  'extent-map-lookup',
  'extent-map-insert',
  'extent-map-drop',
  'extent-map-insert-new',
  'extent-map-merge',
  'ordered-extent-finish',
  'commit-start',
  'late-start',
]);

function without(id: string, kernel: string | null = null): FixSet {
  return new FixSet(
    allFixes()
      .ids()
      .filter((other) => other !== id),
    kernel,
  );
}

const filled = (kib: number, value: number) => new Uint8Array(kib * KIB).fill(value);

/** What went wrong in some execution: errnos of tasks, and maps that no file can have. */
function findings(race: Race): string[] {
  const found = new Set<string>();
  race.world.setObserver((observation) => {
    if (observation.kind !== 'extent-maps') return;
    let end = 0;
    for (const map of observation.maps) {
      if (map.start + map.length > 2 ** 53) found.add('wrapped map');
      if (map.start < end) found.add('overlapping maps');
      if (map.blockStart >= 0 && !map.isCompressed && map.blockLength !== map.length) found.add('wrong block length');
      end = map.start + map.length;
    }
  });
  while (race.execute()) {
    if (race.world.report().hung) found.add('held-at-end');
    for (const outcome of race.outcomes) if (typeof outcome === 'string') found.add(outcome);
    for (const { kind } of race.world.report().locks) found.add(kind);
  }
  return [...found].sort();
}

const twoContiguousExtents = disksAfter(function* (fs) {
  yield* sys.create(fs, '/file');
  yield* sys.write(fs, '/file', 0, filled(32, 1), { direct: true });
  yield* sys.write(fs, '/file', 32 * KIB, filled(8, 2), { direct: true });
});

test('dropping maps around a write in flight leaves a wrapped map without c962098ca4af, and none with it', () => {
  const tasks: Work[] = [
    function* (fs) {
      yield* sys.read(fs, '/file', 0, 4 * KIB, { direct: true });
      yield* sys.read(fs, '/file', 32 * KIB, 4 * KIB, { direct: true });
      yield* sys.write(fs, '/file', 0, filled(16, 3), { direct: true });
    },
    function* (fs) {
      yield* fs.world.point('late-start');
      yield* sys.dropCaches(fs);
    },
  ];
  const race = (fixes: FixSet) =>
    new Race({ disks: twoContiguousExtents, fixes, tasks, strategy: new ExhaustiveStrategy(), decideAt: MAP_POINTS });
  expect(findings(race(without('keep-end-when-skipping-pinned')))).toEqual(['wrapped map']);
  expect(findings(race(without('keep-end-when-skipping-pinned', '5.15')))).toEqual([]);
  expect(findings(race(allFixes()))).toEqual([]);
});

const oneSector = disksAfter(function* (fs) {
  yield* sys.create(fs, '/file');
  yield* sys.write(fs, '/file', 0, filled(4, 1), { direct: true });
});

test('a reader that holds a map while an fsync merges it sees it end too early without ac05ca913e9f', () => {
  const tasks: Work[] = [
    function* (fs) {
      yield* sys.read(fs, '/file', 0, 4 * KIB, { direct: true });
      yield* sys.write(fs, '/file', 4 * KIB, filled(4, 2), { direct: true });
      yield* sys.fsync(fs, '/file');
    },
    function* (fs) {
      yield* fs.world.point('late-start');
      return yield* sys.read(fs, '/file', 4 * KIB, 4 * KIB, { direct: true });
    },
  ];
  const race = (fixes: FixSet) =>
    new Race({ disks: oneSector, fixes, tasks, strategy: new ExhaustiveStrategy(), decideAt: MAP_POINTS });
  expect(findings(race(without('merge-only-unshared-maps')))).toContain('EUCLEAN');
  expect(findings(race(allFixes()))).toEqual([]);
});

const oneExtent = disksAfter(function* (fs) {
  yield* sys.create(fs, '/file');
  yield* sys.write(fs, '/file', 0, filled(32, 1), { direct: true });
});

test('a lookup that fits its map between others gets a wrong block length without the fix of the 2018 series', () => {
  const tasks: Work[] = [
    function* (fs) {
      yield* sys.write(fs, '/file', 16 * KIB, filled(16, 2));
      yield* sys.fsync(fs, '/file');
    },
    (fs) => sys.read(fs, '/file', 0, 4 * KIB, { direct: true }),
  ];
  const race = (fixes: FixSet) =>
    new Race({ disks: oneExtent, fixes, tasks, strategy: new ExhaustiveStrategy(), decideAt: MAP_POINTS });
  expect(findings(race(without('set-gap-block-length')))).toEqual(['wrong block length']);
  expect(findings(race(allFixes()))).toEqual([]);
});

test.each([
  ['extent-map-overlap', 'overlapping maps'],
  ['wrong-errno', 'ENODATA'],
  ['forget-range-unlock', 'held-at-end'],
])('the seeded bug %s shows', (mutation, symptom) => {
  const tasks: Work[] = [
    (fs) => sys.write(fs, '/file', 8 * KIB, filled(8, 2), { direct: true }),
    (fs) => sys.read(fs, '/file', 0, 4 * KIB, { direct: true }),
  ];
  const strategy = new ExhaustiveStrategy({ executionsMax: 40 });
  const race = new Race({ disks: oneExtent, tasks, strategy, mutations: new Set([mutation]), decideAt: MAP_POINTS });
  expect(findings(race).join()).toContain(symptom);
});
