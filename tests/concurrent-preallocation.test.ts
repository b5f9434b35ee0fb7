import { expect, test } from 'vitest';
import { sameBytes } from '../src/base/bytes.ts';
import { type RandomStream, randomStream } from '../src/base/random.ts';
import { waitForOrderedInLogicalRange } from '../src/fs/file/ordered-ranges.ts';
import type { MountedFilesystem } from '../src/fs/filesystem.ts';
import * as sys from '../src/fs/syscalls.ts';
import {
  decreaseReadOnly,
  increaseReadOnlyPlain,
  waitForNocowWriters,
  waitForReservations,
} from '../src/fs/transaction/block-group-holds.ts';
import { readLogical } from '../src/fs/volume/volume.ts';
import { exhaustive } from '../src/inject/strategies/exhaustive.ts';
import { seededRandom } from '../src/inject/strategies/seeded-random.ts';
import { extentMapsLaw } from '../src/oracle/extent-maps.ts';
import { OPEN_CONTENTS } from '../src/oracle/laws.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import { recordOf } from '../src/oracle/testing/records.ts';
import type { Task } from '../src/task/task.ts';
import { btrfsCheckImage, hasBtrfsCheck } from './support/scratch-filesystem.ts';
import { disksAfter, Race } from './support/simulated-filesystem.ts';

const SECTOR = 4096;
const NAMES = ['plain', 'in place'];
const bytesOf = (sectors: number, value: number) => new Uint8Array(sectors * SECTOR).fill(value);

const disks = disksAfter(function* (fs) {
  for (const name of NAMES) {
    yield* sys.create(fs, name, { nodatacow: name === 'in place' });
    yield* sys.fallocate(fs, name, 0, 24 * SECTOR);
    yield* sys.write(fs, name, 4 * SECTOR, bytesOf(8, 7), { direct: true });
  }
});

function* randomOperation(fs: MountedFilesystem, random: RandomStream): Task<unknown> {
  const path = NAMES[random.below(NAMES.length)]!;
  const direct = random.chance(1, 2);
  const unit = direct ? SECTOR : 777;
  const offset = random.below(20) * unit;
  const length = (1 + random.below(8)) * unit;
  const bytes = new Uint8Array(length).fill(1 + random.below(255));
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return yield* sys.write(fs, path, offset, bytes, { direct });
    case 4:
    case 5:
      return yield* sys.fallocate(fs, path, offset, length, { keepSize: random.chance(1, 2) });
    case 6:
    case 7:
      return yield* sys.read(fs, path, offset, length, { direct });
    case 8:
      return yield* sys.truncate(fs, path, random.below(24) * (random.chance(1, 2) ? SECTOR : 999));
    case 9:
      return random.chance(1, 2) ? yield* sys.fsync(fs, path) : yield* sys.sync(fs);
    case 10:
      return random.chance(1, 2) ? yield* sys.dropCaches(fs) : yield* sys.fiemap(fs, path);
    default:
      return yield* holdReadOnly(fs, path);
  }
}

/** As a scrub does: for a while every write must copy. */
function* holdReadOnly(fs: MountedFilesystem, path: string): Task<void> {
  const [extent] = yield* sys.fiemap(fs, path);
  const group = extent === undefined ? null : fs.info.space.findGroup(extent.physical);
  if (group === null || !increaseReadOnlyPlain(fs.info, group, false)) return;
  yield* waitForReservations(group);
  yield* waitForNocowWriters(group);
  yield* waitForOrderedInLogicalRange(fs.files, group.start, group.length);
  decreaseReadOnly(fs.info, group);
}

function* randomTask(fs: MountedFilesystem, random: RandomStream): Task<void> {
  for (let i = 0; i < 12; i++) yield* randomOperation(fs, random);
}

/** Every file reads the same through the page cache, around it, and after all caches are dropped. */
function* readThreeWays(fs: MountedFilesystem): Task<void> {
  for (const name of NAMES) {
    const { size } = yield* sys.stat(fs, name);
    const buffered = yield* sys.read(fs, name, 0, size);
    const direct = yield* sys.read(fs, name, 0, Math.ceil(size / SECTOR) * SECTOR, { direct: true });
    yield* sys.dropCaches(fs);
    const again = yield* sys.read(fs, name, 0, size);
    expect([buffered.length, sameBytes(buffered, direct), sameBytes(buffered, again)]).toEqual([size, true, true]);
  }
  for (const group of fs.info.space.allGroups()) {
    expect([group.nocowWriters.value, group.reservations.value]).toEqual([0, 0]);
  }
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'three tasks on preallocated and nodatacow files hang nothing, keep their maps right and leave clean images (seed %i)',
  (seed) => {
    const random = randomStream(`${seed}`, 'concurrent-preallocation');
    const race = new Race({
      disks,
      strategy: seededRandom({ seed: `${seed}` }),
      tasks: [0, 1, 2].map(() => (fs) => randomTask(fs, random)),
      afterwards: readThreeWays,
    });
    for (let run = 0; run < 12; run++) {
      const session = extentMapsLaw(OPEN_CONTENTS).begin({ sectorSize: SECTOR, disks: () => disks });
      race.world.setObserver((observation, step) => session.observe?.(observation, step));
      race.execute();
      expect(race.outcomes).toEqual([undefined, undefined, undefined]);
      expect(race.world.report().locks).toEqual([]);
      expect(race.world.report().hung).toBe(false);
      const after = race.world.devices.map((device) => device.durable());
      const { record } = recordOf({ operations: [] });
      expect(session.judge({ ...record, before: disks, after })).toEqual([]);
      const { errors, warnings, unsupported } = checkImage(after);
      expect([...errors, ...warnings, ...unsupported]).toEqual([]);
      if (run % 4 > 0 || !hasBtrfsCheck) continue;
      expect(btrfsCheckImage(after[0]!.size, after[0]!.written())).toBe('clean');
    }
  },
);

const WRITE_STEPS = new Set([
  'nocow-write-check',
  'extent-map-drop',
  'data-write-submit',
  'scrub-set-read-only',
  'scrub-write',
]);

interface Look {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** What is waited for before the copy; a nodatacow write has its ordered extent in the step that counts it. */
type Waits = 'writers and ordered extents' | 'ordered extents' | 'nothing';

/** Reads a place twice from the disk while its group is read-only; in between nothing may change there. */
function* copyLikeReplace(fs: MountedFilesystem, place: number, waits: Waits): Task<Look> {
  const group = fs.info.space.groupAt(place);
  yield* fs.world.point('scrub-set-read-only');
  increaseReadOnlyPlain(fs.info, group, true);
  if (waits === 'writers and ordered extents') {
    yield* waitForReservations(group);
    yield* waitForNocowWriters(group);
  }
  if (waits !== 'nothing') yield* waitForOrderedInLogicalRange(fs.files, group.start, group.length);
  const before = yield* readLogical(fs.info, place, SECTOR, { kind: 'scrub' });
  yield* fs.world.point('scrub-write');
  const after = yield* readLogical(fs.info, place, SECTOR, { kind: 'scrub' });
  decreaseReadOnly(fs.info, group);
  return { before, after };
}

const WRITERS = [
  { what: 'a nodatacow file', path: 'in place', direct: true, missedBy: ['nothing'] },
  { what: 'a nodatacow file through the page cache', path: 'in place', direct: false, missedBy: ['nothing'] },
  { what: 'preallocated space', path: 'plain', direct: true, missedBy: ['ordered extents', 'nothing'] },
] as const;

// Method: every order of the steps of one write and of one copy, with all waits, and with some of them left out.
test.each(WRITERS)('once writers and ordered extents are awaited nobody writes $what in place', (writer) => {
  const { path, direct, missedBy } = writer;
  let place = 0;
  const start = disksAfter(function* (fs) {
    yield* sys.create(fs, path, { nodatacow: path === 'in place' });
    yield* sys.fallocate(fs, path, 0, SECTOR);
    if (path === 'in place') yield* sys.write(fs, path, 0, bytesOf(1, 1), { direct: true });
    place = (yield* sys.fiemap(fs, path, { sync: true }))[0]!.physical;
  });
  const missed: Waits[] = [];
  for (const waits of ['writers and ordered extents', 'ordered extents', 'nothing'] as const) {
    const race = new Race({
      disks: start,
      strategy: exhaustive(),
      decideAt: WRITE_STEPS,
      tasks: [
        function* (fs) {
          yield* sys.write(fs, path, 0, bytesOf(1, 2), { direct });
          if (!direct) yield* sys.fsync(fs, path);
        },
        (fs) => copyLikeReplace(fs, place, waits),
      ],
    });
    let executions = 0;
    let changes = 0;
    while (race.execute()) {
      executions++;
      const { before, after } = race.outcomes[1] as Look;
      if (!sameBytes(before, after)) changes++;
    }
    expect(executions).toBeGreaterThan(3);
    if (changes > 0) missed.push(waits);
  }
  expect(missed).toEqual(missedBy);
});
