import { beforeAll, expect, test } from 'vitest';
import { sameBytes } from '../src/base/bytes.ts';
import { type RandomStream, randomStream } from '../src/base/random.ts';
import { loadZstd } from '../src/campaign/host/load-zstd.ts';
import { FsError } from '../src/fs/errors.ts';
import type { MountedFilesystem, MountOptions } from '../src/fs/filesystem.ts';
import * as sys from '../src/fs/syscalls.ts';
import { seededRandom } from '../src/inject/strategies/seeded-random.ts';
import { extentMapsLaw } from '../src/oracle/extent-maps.ts';
import { OPEN_CONTENTS } from '../src/oracle/laws.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import { recordOf } from '../src/oracle/testing/records.ts';
import type { BlockTable } from '../src/record/block-table.ts';
import type { Task } from '../src/task/task.ts';
import { withoutNoHoles } from './support/hole-item-disks.ts';
import { randomRangeOperation } from './support/range-operations.ts';
import { blankDisks, disksAfter, Race } from './support/simulated-filesystem.ts';

const SECTOR = 4096;
const NAMES = ['a', 'b'];

beforeAll(loadZstd);

function startDisks(hasHoleItems: boolean): BlockTable[] {
  const blank = blankDisks();
  for (const disk of blank) {
    for (const { offset, bytes } of [...disk.written()]) {
      if (hasHoleItems) disk.write(offset, withoutNoHoles(bytes));
    }
  }
  return disksAfter(function* (fs) {
    for (const name of NAMES) {
      yield* sys.create(fs, name);
      yield* sys.write(fs, name, 0, new Uint8Array(20 * SECTOR).fill(7));
      yield* sys.fallocate(fs, name, 30 * SECTOR, 8 * SECTOR);
    }
  }, blank);
}

function* randomOperation(fs: MountedFilesystem, random: RandomStream): Task<unknown> {
  const path = NAMES[random.below(NAMES.length)]!;
  const operation = randomRangeOperation(random, 40);
  switch (operation.kind) {
    case 'write':
    case 'direct': {
      const bytes = new Uint8Array(operation.length).fill(operation.fill);
      return yield* sys.write(fs, path, operation.offset, bytes, { direct: operation.kind === 'direct' });
    }
    case 'map':
      return yield* storeMapped(fs, path, operation.offset, new Uint8Array(operation.length).fill(operation.fill));
    case 'fallocate':
      return yield* sys.fallocate(fs, path, operation.offset, operation.length, { mode: operation.mode });
    case 'truncate':
      return yield* sys.truncate(fs, path, operation.size);
    case 'msync':
      return yield* sys.msync(fs, path, operation.offset, operation.length);
    case 'fsync':
      return yield* sys.fsync(fs, path);
    default:
      return random.chance(1, 2) ? yield* sys.dropCaches(fs) : yield* sys.fiemap(fs, path);
  }
}

function* storeMapped(fs: MountedFilesystem, path: string, offset: number, bytes: Uint8Array): Task<void> {
  try {
    yield* sys.mapWrite(fs, path, offset, bytes);
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== 'EFAULT') throw error;
  }
}

function* randomTask(fs: MountedFilesystem, random: RandomStream): Task<void> {
  for (let i = 0; i < 12; i++) yield* randomOperation(fs, random);
}

/** Through the cache, from the disk, around the cache. */
function* readThreeWays(fs: MountedFilesystem): Task<void> {
  for (const name of NAMES) {
    const { size } = yield* sys.stat(fs, name);
    const cached = yield* sys.read(fs, name, 0, size);
    yield* sys.sync(fs);
    yield* sys.dropCaches(fs);
    const again = yield* sys.read(fs, name, 0, size);
    const direct = yield* sys.read(fs, name, 0, Math.ceil(size / SECTOR) * SECTOR, { direct: true });
    expect([sameBytes(cached, again), sameBytes(cached, direct)]).toEqual([true, true]);
  }
  for (const group of fs.info.space.allGroups()) {
    expect([group.nocowWriters.value, group.reservations.value]).toEqual([0, 0]);
  }
}

const FORMS: readonly (readonly [string, Omit<MountOptions, 'fixes'>, boolean])[] = [
  ['as mounted by default', {}, false],
  ['without NO_HOLES', {}, true],
  ['nodatacow', { nodatacow: true }, false],
  ['compressed', { compress: 'zlib', compressForce: true }, false],
];

// Goal: whatever tasks do to the ranges of two files at a time, nobody hangs, what is read is what is on disk, extent maps
// are true, and the image is clean.
test.each(FORMS)(
  'three tasks on ranges of two files leave them whole and the image clean: %s',
  (name, mount, hasHoleItems) => {
    const disks = startDisks(hasHoleItems);
    for (let seed = 1; seed <= Number(process.env['FSQUAKE_RANGE_SEEDS'] ?? 2); seed++) {
      const random = randomStream(`${seed}`, `concurrent-ranges ${name}`);
      const race = new Race({
        disks,
        mount,
        strategy: seededRandom({ seed: `${seed}` }),
        tasks: [0, 1, 2].map(() => (fs) => randomTask(fs, random)),
        afterwards: readThreeWays,
      });
      for (let run = 0; run < 8; run++) {
        const session = extentMapsLaw(OPEN_CONTENTS).begin({ sectorSize: SECTOR, disks: () => disks });
        race.world.setObserver((observation, step) => session.observe?.(observation, step));
        race.execute();
        const where = { seed, run };
        expect({ ...where, outcomes: race.outcomes }).toEqual({
          ...where,
          outcomes: [undefined, undefined, undefined],
        });
        expect({ ...where, locks: race.world.report().locks }).toEqual({ ...where, locks: [] });
        expect({ ...where, hung: race.world.report().hung }).toEqual({ ...where, hung: false });
        const after = race.world.devices.map((device) => device.durable());
        const { record } = recordOf({ operations: [] });
        expect({ ...where, law: session.judge({ ...record, before: disks, after }) }).toEqual({ ...where, law: [] });
        const { errors, warnings, unsupported } = checkImage(after);
        const said = [...errors, ...warnings].map((fault) => fault.message).concat(unsupported);
        expect({ ...where, said }).toEqual({ ...where, said: [] });
      }
    }
  },
);
