import { expect, test } from 'vitest';
import { sameBytes } from '../src/base/bytes.ts';
import { type RandomStream, randomStream } from '../src/base/random.ts';
import { MIB } from '../src/base/units.ts';
import { FsError } from '../src/fs/errors.ts';
import type { MountedFilesystem } from '../src/fs/filesystem.ts';
import * as sys from '../src/fs/syscalls.ts';
import { seededRandom } from '../src/inject/strategies/seeded-random.ts';
import { blockGroups } from '../src/oracle/block-groups.ts';
import { extentMapsLaw } from '../src/oracle/extent-maps.ts';
import { OPEN_CONTENTS } from '../src/oracle/laws.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import { call, recordOf } from '../src/oracle/testing/records.ts';
import type { Task } from '../src/task/task.ts';
import { newDisks } from './support/device-bench.ts';
import { btrfsCheckImage, hasBtrfsCheck } from './support/scratch-filesystem.ts';
import { disksAfter, Race } from './support/simulated-filesystem.ts';

const SECTOR = 4096;
const PLAIN = ['one', 'two'];
const IN_PLACE = ['in place', 'in place too'];
const NAMES = [...PLAIN, ...IN_PLACE];
const bytesOf = (length: number, value: number) => new Uint8Array(length).fill(value);

function* makeFiles(fs: MountedFilesystem): Task<void> {
  for (const name of NAMES) {
    yield* sys.create(fs, name, { nodatacow: IN_PLACE.includes(name) });
    yield* sys.write(fs, name, 0, bytesOf(16 * SECTOR, 7), { direct: true });
  }
}

/** Leaves 600 KiB for data. */
function* makeFilesAndBallast(fs: MountedFilesystem): Task<void> {
  yield* makeFiles(fs);
  yield* sys.create(fs, 'ballast');
  const step = 64 * SECTOR;
  let size = 0;
  try {
    for (; ; size += step) yield* sys.fallocate(fs, 'ballast', size, step);
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== 'ENOSPC') throw error;
  }
  yield* sys.truncate(fs, 'ballast', size - 150 * SECTOR);
}

function* randomOperation(fs: MountedFilesystem, random: RandomStream, sectorsMax: number): Task<unknown> {
  const family = random.chance(1, 2) ? PLAIN : IN_PLACE;
  const path = family[random.below(2)]!;
  const other = family[random.below(2)]!;
  const direct = random.chance(1, 2);
  const unit = direct ? SECTOR : 777;
  const at = random.below(sectorsMax) * SECTOR;
  const length = (1 + random.below(sectorsMax / 2)) * unit;
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
      return yield* sys.write(fs, path, at, bytesOf(length, 1 + random.below(255)), { direct });
    case 3:
    case 4:
    case 5:
      return yield* sys.reflink(fs, path, other, {
        sourceOffset: at,
        length: 0,
        targetOffset: random.below(9) * SECTOR,
      });
    case 6:
      return yield* sys.dedupe(fs, path, 0, 4 * SECTOR, other, 0);
    case 7:
      return yield* sys.copyRange(fs, path, at, other, random.below(20) * 999, length);
    case 8:
      return yield* sys.truncate(fs, path, random.below(sectorsMax) * (random.chance(1, 2) ? SECTOR : 999));
    case 9:
      return random.chance(1, 2) ? yield* sys.fsync(fs, path) : yield* sys.sync(fs);
    case 10:
      return random.chance(1, 2) ? yield* sys.dropCaches(fs) : yield* sys.fiemap(fs, path);
    default:
      return yield* sys.read(fs, path, at, length, { direct });
  }
}

/** Goes on after a refusal, as other tasks make the files shorter and the disk full. */
function* randomTask(fs: MountedFilesystem, random: RandomStream, sectorsMax: number): Task<string[]> {
  const refusals: string[] = [];
  for (let i = 0; i < 12; i++) {
    try {
      yield* randomOperation(fs, random, sectorsMax);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
      if (!refusals.includes(String(error.code))) refusals.push(String(error.code));
    }
  }
  return refusals;
}

/** Every file reads the same through the page cache, around it, and after all caches are dropped; nothing is left promised. */
function* readThreeWays(fs: MountedFilesystem): Task<void> {
  yield* sys.sync(fs);
  for (const name of NAMES) {
    const { size } = yield* sys.stat(fs, name);
    const buffered = yield* sys.read(fs, name, 0, size);
    const direct = yield* sys.read(fs, name, 0, Math.ceil(size / SECTOR) * SECTOR, { direct: true });
    yield* sys.dropCaches(fs);
    const again = yield* sys.read(fs, name, 0, size);
    expect([buffered.length, sameBytes(buffered, direct), sameBytes(buffered, again)]).toEqual([size, true, true]);
  }
  expect(fs.info.aborted).toBe(null);
  for (const info of fs.info.space.spaces()) expect([info.promisedData, info.promisedMetadata]).toEqual([0, 0]);
}

const EXPECTED = ['EINVAL', 'ENOSPC'];

// Goal: tasks that share and unshare extents of the same files hang nothing and lose nothing, with room and without.
test.each([
  { seed: 1, place: 'with room', size: 16 * MIB, sectorsMax: 16 },
  { seed: 2, place: 'with room', size: 16 * MIB, sectorsMax: 16 },
  { seed: 3, place: 'with room', size: 16 * MIB, sectorsMax: 16 },
  { seed: 4, place: 'on a disk that gets full', size: 5 * MIB, sectorsMax: 200 },
  { seed: 5, place: 'on a disk that gets full', size: 5 * MIB, sectorsMax: 200 },
  { seed: 6, place: 'on a disk that gets full', size: 5 * MIB, sectorsMax: 200 },
])(
  'three tasks that reflink, dedupe and write the same files keep maps and groups right and leave clean images, $place (seed $seed)',
  ({ seed, size, sectorsMax }) => {
    const random = randomStream(`${seed}`, 'concurrent-reflink');
    const blank = newDisks({ devices: [size], metadataBytes: MIB, dataBytes: MIB });
    const disks = disksAfter(size < 16 * MIB ? makeFilesAndBallast : makeFiles, blank);
    const race = new Race({
      disks,
      strategy: seededRandom({ seed: `${seed}` }),
      tasks: [0, 1, 2].map(() => (fs) => randomTask(fs, random, sectorsMax)),
      afterwards: readThreeWays,
      mount: { chunkSizes: { system: MIB, metadata: MIB, data: MIB } },
    });
    let wasFull = false;
    for (let run = 0; run < 10; run++) {
      const laws = [extentMapsLaw(OPEN_CONTENTS), blockGroups];
      const sessions = laws.map((law) => law.begin({ sectorSize: SECTOR, disks: () => disks }));
      race.world.setObserver((observation, step) => {
        for (const session of sessions) session.observe?.(observation, step);
      });
      race.execute();
      wasFull ||= race.outcomes.flat().includes('ENOSPC');
      expect(race.outcomes.flat().filter((code) => !EXPECTED.includes(String(code)))).toEqual([]);
      expect(race.world.report().locks).toEqual([]);
      expect(race.world.report().hung).toBe(false);
      const after = race.world.devices.map((device) => device.durable());
      // The law of maps asks whether files may share places with themselves.
      const { record } = recordOf({ operations: [call('t1#0', 0, 1, 'reflink', {})] });
      for (const session of sessions) expect(session.judge({ ...record, before: disks, after })).toEqual([]);
      const { errors, warnings, unsupported } = checkImage(after);
      expect([...errors, ...warnings, ...unsupported]).toEqual([]);
      if (run % 5 > 0 || !hasBtrfsCheck) continue;
      expect(btrfsCheckImage(after[0]!.size, after[0]!.written())).toBe('clean');
    }
    expect(wasFull).toBe(size < 16 * MIB);
  },
  60_000,
);
