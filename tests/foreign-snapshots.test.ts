import { beforeAll, describe, expect, test } from 'vitest';
import { type RandomStream, randomStream } from '../src/base/random.ts';
import { FsError } from '../src/fs/errors.ts';
import type { MountedFilesystem } from '../src/fs/filesystem.ts';
import { create, dropCaches, read, stat, sync, truncate, unlink, write } from '../src/fs/syscalls.ts';
import { seededRandom } from '../src/inject/strategies/seeded-random.ts';
import { btrfsCheck } from '../src/oracle/judges/btrfs-check.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import type { BlockTable } from '../src/record/block-table.ts';
import type { Task } from '../src/task/task.ts';
import { complaintOf } from './support/complaint.ts';
import { changeByLinux, type ForeignImage, makeForeign } from './support/foreign-images.ts';
import { whyNoLoopFilesystem } from './support/loop-filesystem.ts';
import { runOn } from './support/replace-scenario.ts';
import { Race } from './support/simulated-filesystem.ts';

/**
 * Goal: subvolumes that share tree blocks since Linux made snapshots are changed independently. Method: tasks change the
 * origin and its snapshots at random under random schedules; judges look at what is left, and Linux deletes parts of it.
 */
const missing = whyNoLoopFilesystem();
const FILES = 140;
const ROOTS = ['', 'snap-1/', 'snap-2/', 'snap-2/snap-3/'];
const OPERATIONS = 40;
const SEEDS = ['a', 'b', 'c', 'd', 'e', 'f'];
const LINUX_GOES_ON = new Set(['a', 'b']);

const nameOf = (index: number) => `many/a-name-that-takes-up-some-room-${index}`;

let image: ForeignImage;
beforeAll(() => {
  if (missing !== null) return;
  image = makeForeign({
    name: 'snapshots',
    megabytes: [128],
    mkfs: '-n 4096 -m single',
    isBare: true,
    work: `mkdir many; for n in $(seq 0 ${FILES - 1}); do bytes $((n * 57)) > many/a-name-that-takes-up-some-room-$n; done; sync -f .
btrfs subvolume snapshot . snap-1 >/dev/null; echo 1 > many/later; sync -f .
btrfs subvolume snapshot . snap-2 >/dev/null; echo 2 > snap-2/many/later-2; btrfs subvolume snapshot snap-2 snap-2/snap-3 >/dev/null`,
  });
}, 60_000);

function* randomOperation(fs: MountedFilesystem, root: string, random: RandomStream): Task<void> {
  const path = `/${root}${nameOf(random.below(FILES))}`;
  switch (random.below(8)) {
    case 0:
    case 1:
      return yield* unlink(fs, path);
    case 2:
      return yield* create(fs, path);
    case 3:
      return yield* truncate(fs, path, random.below(20_000));
    case 4:
      return random.chance(1, 3) ? yield* sync(fs) : yield* dropCaches(fs);
    default: {
      const bytes = new Uint8Array(1 + random.below(9000)).fill(1 + random.below(255));
      yield* write(fs, path, random.below(9000), bytes);
    }
  }
}

function* changeAtRandom(fs: MountedFilesystem, root: string, random: RandomStream): Task<void> {
  for (let count = 0; count < OPERATIONS; count++) {
    try {
      yield* randomOperation(fs, root, random);
    } catch (error) {
      if (!(error instanceof FsError) || !['ENOENT', 'EEXIST'].includes(error.code)) throw error;
    }
  }
}

function faultsOf(disks: readonly BlockTable[]): string[] {
  const { errors, warnings } = checkImage(disks);
  return [...errors, ...warnings].map(({ message }) => message).filter((text) => !/^odd superblock/.test(text));
}

describe.skipIf(missing !== null)('subvolumes that share tree blocks', () => {
  test.each(SEEDS)('may be changed by tasks at the same time (seed %s)', async (seed) => {
    const race = new Race({
      disks: [...image.disks],
      strategy: seededRandom({ seed }),
      tasks: ROOTS.map((root, index) => (fs: MountedFilesystem) => {
        return changeAtRandom(fs, root, randomStream(seed, `task ${index}`));
      }),
    });
    expect(race.execute()).toBe(true);
    expect(race.outcomes).toEqual(ROOTS.map(() => undefined));
    const disks = race.world.devices.map((device) => device.durable());
    expect(faultsOf(disks)).toEqual([]);
    expect(complaintOf(await btrfsCheck(disks))).toBeNull();
    if (!LINUX_GOES_ON.has(seed)) return;
    const later = changeByLinux(
      disks,
      'btrfs subvolume delete -C snap-1 >/dev/null; rm -r many; btrfs subvolume sync .; echo on > snap-2/many/linux',
    );
    expect(faultsOf(later)).toEqual([]);
    expect(complaintOf(await btrfsCheck(later))).toBeNull();
  });

  test('keep what one of them changes from the others', () => {
    const contents = (fs: MountedFilesystem, root: string) => readAll(fs, root);
    const { value } = runOn(image.disks, function* (fs) {
      const before: string[] = [];
      for (const root of ROOTS) before.push(yield* contents(fs, root));
      for (const [index, root] of ROOTS.entries()) {
        yield* changeAtRandom(fs, root, randomStream(`alone ${index}`, 'changes'));
        yield* sync(fs);
        yield* dropCaches(fs);
        for (const other of ROOTS.slice(index + 1)) {
          expect((yield* contents(fs, other)) === before[ROOTS.indexOf(other)]).toBe(true);
        }
      }
      return before.length;
    });
    expect(value).toBe(ROOTS.length);
  });

  test('are whole after a power cut at any write', () => {
    const cuts: BlockTable[][] = [];
    let writes = 0;
    runOn(
      image.disks,
      function* (fs) {
        for (const [index, root] of ROOTS.entries()) {
          for (let count = 0; count < 6; count++) {
            yield* unlink(fs, `/${root}${nameOf(index * 20 + count * 3)}`);
            yield* write(fs, `/${root}${nameOf(index * 20 + count * 3 + 1)}`, 0, new Uint8Array(5000).fill(count));
          }
          yield* sync(fs);
        }
      },
      {
        afterWrite: (world) => {
          if (writes++ % 3 === 0) cuts.push(world.devices.map((device) => device.durable()));
        },
      },
    );
    expect(cuts.length).toBeGreaterThan(20);
    for (const disks of cuts) {
      const { errors } = checkImage(disks, { crashed: true });
      expect(errors.map(({ message }) => message)).toEqual([]);
    }
  });
});

/** All names and bytes of a subvolume's directory, in one string. */
function* readAll(fs: MountedFilesystem, root: string): Task<string> {
  const parts: string[] = [];
  for (let index = 0; index < FILES; index++) {
    const path = `/${root}${nameOf(index)}`;
    try {
      const { size } = yield* stat(fs, path);
      parts.push(`${index}:${Buffer.from(yield* read(fs, path, 0, size)).toString('latin1')}`);
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== 'ENOENT') throw error;
    }
  }
  return parts.join('|');
}
