import { expect, test } from 'vitest';
import { sameBytes } from '../src/base/bytes.ts';
import { type RandomStream, randomStream } from '../src/base/random.ts';
import { FsError } from '../src/fs/errors.ts';
import type { MountedFilesystem } from '../src/fs/filesystem.ts';
import * as sys from '../src/fs/syscalls.ts';
import { seededRandom } from '../src/inject/strategies/seeded-random.ts';
import type { Task } from '../src/task/task.ts';
import { btrfsCheckImage, hasBtrfsCheck } from './support/scratch-filesystem.ts';
import { disksAfter, Race } from './support/simulated-filesystem.ts';

const SECTOR = 4096;
const NAMES = ['a', 'b', 'd/a', 'd/b'];
const OPERATIONS_PER_TASK = 14;
/** What tasks that know nothing of each other may meet. */
const ALLOWED = new Set(['ENOENT', 'EEXIST']);

const disks = disksAfter(function* (fs) {
  yield* sys.mkdir(fs, 'd');
  for (const name of NAMES.slice(0, 3)) {
    yield* sys.create(fs, name);
    yield* sys.write(fs, name, 0, new Uint8Array(16 * SECTOR).fill(7), { direct: true });
  }
});

function* randomOperation(fs: MountedFilesystem, random: RandomStream): Task<unknown> {
  const path = NAMES[random.below(NAMES.length)]!;
  const direct = random.chance(1, 2);
  const unit = direct ? SECTOR : 777;
  const offset = random.below(16) * unit;
  const length = (1 + random.below(8)) * unit;
  const bytes = new Uint8Array(length).fill(1 + random.below(255));
  switch (random.below(11)) {
    case 0:
    case 1:
    case 2:
      return yield* sys.write(fs, path, offset, bytes, { direct });
    case 3:
    case 4:
      return yield* sys.read(fs, path, offset, length, { direct });
    case 5:
      return yield* sys.truncate(fs, path, random.below(24) * (random.chance(1, 2) ? SECTOR : 999));
    case 6:
      return yield* sys.rename(fs, path, NAMES[random.below(NAMES.length)]!);
    case 7:
      return random.chance(1, 2) ? yield* sys.create(fs, path) : yield* sys.unlink(fs, path);
    case 8:
      return yield* sys.fsync(fs, path);
    case 9:
      return random.chance(1, 2) ? yield* sys.sync(fs) : yield* sys.dropCaches(fs);
    default:
      return random.chance(1, 2) ? yield* sys.fiemap(fs, path) : yield* sys.write(fs, path, null, bytes);
  }
}

function* randomTask(fs: MountedFilesystem, random: RandomStream): Task<void> {
  for (let i = 0; i < OPERATIONS_PER_TASK; i++) {
    try {
      yield* randomOperation(fs, random);
    } catch (error) {
      if (!(error instanceof FsError) || !ALLOWED.has(error.code)) throw error;
    }
  }
}

/** Every file reads the same through the page cache, around it, and after all caches are dropped. */
function* readThreeWays(fs: MountedFilesystem): Task<void> {
  for (const name of NAMES) {
    try {
      const { size } = yield* sys.stat(fs, name);
      const buffered = yield* sys.read(fs, name, 0, size);
      const direct = yield* sys.read(fs, name, 0, Math.ceil(size / SECTOR) * SECTOR, { direct: true });
      yield* sys.dropCaches(fs);
      const again = yield* sys.read(fs, name, 0, size);
      expect([buffered.length, sameBytes(buffered, direct), sameBytes(buffered, again)]).toEqual([size, true, true]);
    } catch (error) {
      if (!(error instanceof FsError && error.code === 'ENOENT')) throw error;
    }
  }
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'three tasks of random operations hang nothing, break no lock order and leave a clean image (seed %i)',
  (seed) => {
    const random = randomStream(`${seed}`, 'concurrent-operations');
    const race = new Race({
      disks,
      strategy: seededRandom({ seed: `${seed}` }),
      tasks: [0, 1, 2].map(() => (fs) => randomTask(fs, random)),
      afterwards: readThreeWays,
    });
    for (let run = 0; run < 8; run++) {
      race.execute();
      expect(race.world.report().locks).toEqual([]);
      expect(race.world.report().hung).toBe(false);
      if (run % 4 > 0 || !hasBtrfsCheck) continue;
      const disk = race.world.devices[0]!.durable();
      expect(btrfsCheckImage(disk.size, disk.written())).toBe('clean');
    }
  },
);
