import { describe, expect, test } from 'vitest';
import { sameBytes, viewOf } from '../src/base/bytes.ts';
import { KIB, MIB } from '../src/base/units.ts';
import type { FsError } from '../src/fs/errors.ts';
import { type MountedFilesystem, mountFilesystem } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import { SUPERBLOCK, SUPERBLOCK_SIZE, sealSuperblock } from '../src/fs/format/superblock.ts';
import type { ScrubOptions, TrimOptions } from '../src/fs/ioctls.ts';
import { scrubDevices } from '../src/fs/maintenance/scrub.ts';
import { errorsFound } from '../src/fs/maintenance/scrub-statistics.ts';
import { trimFilesystem } from '../src/fs/maintenance/trim.ts';
import { makeFilesystem } from '../src/fs/mkfs.ts';
import { create, dropCaches, read, sync, unlink, write } from '../src/fs/syscalls.ts';
import { flushAllDevices } from '../src/fs/volume/volume.ts';
import { SimulatedWorld } from '../src/inject/simulated-world.ts';
import { RandomStrategy } from '../src/inject/strategies/seeded-random.ts';
import { BlockTable } from '../src/record/block-table.ts';
import type { Task } from '../src/task/task.ts';
import type { IoRequest } from '../src/task/world.ts';
import { disksAfter, Race } from './support/simulated-filesystem.ts';

const SIZE = 128 * MIB;
const WHOLE: TrimOptions = { offset: 0, length: null, minimum: 0 };
const SCRUB: ScrubOptions = { devid: null, start: 0, end: null, readOnly: true, resume: false };
/** In the first MiB, which btrfs leaves alone. */
const BOOT_LOADER = 512 * KIB;
const SECOND_SUPERBLOCK = 64 * MIB;

/** Two devices with RAID1. */
function madeOnOldBytes(): BlockTable[] {
  const disks = [0, 1].map(() => new BlockTable(SIZE));
  const old = new Uint8Array(64 * KIB).fill(0xab);
  for (const disk of disks) for (let offset = 256 * KIB; offset < SIZE; offset += 64 * KIB) disk.write(offset, old);
  return madeOn(disks);
}

function made(): BlockTable[] {
  return madeOn([0, 1].map(() => new BlockTable(SIZE)));
}

function madeOn(disks: BlockTable[]): BlockTable[] {
  const image = makeFilesystem({ devices: [SIZE, SIZE], metadataProfile: 'raid1', dataProfile: 'raid1' });
  for (const { device, offset, bytes } of image) disks[device]!.write(offset, bytes);
  return disks;
}

const CONTENTS = Uint8Array.from({ length: 300 * KIB }, (_, index) => (index * 13 + (index >> 12)) & 0xff);

function* writeFile(fs: MountedFilesystem, path: string): Task<void> {
  yield* create(fs, path);
  yield* write(fs, path, 0, CONTENTS);
}

const trim = (fs: MountedFilesystem, options: TrimOptions) => trimFilesystem(fs.info, options);

/** What is left of the old bytes, by device, in pieces of 4 KiB. */
function oldPieces(disk: BlockTable): number[] {
  const left: number[] = [];
  for (let offset = 0; offset < SIZE; offset += 4 * KIB) {
    if (disk.read(offset, 4 * KIB).every((byte) => byte === 0xab)) left.push(offset);
  }
  return left;
}

function* checkContents(fs: MountedFilesystem): Task<void> {
  yield* dropCaches(fs);
  expect(sameBytes(yield* read(fs, '/kept', 0, CONTENTS.length), CONTENTS)).toBe(true);
  const statistics = yield* scrubDevices(fs.files, SCRUB);
  expect(errorsFound(statistics)).toBe(0);
}

describe('a trim of everything', () => {
  test('discards what is free in block groups and on devices, and nothing else', () => {
    let trimmed = 0;
    const disks = disksAfter(function* (fs) {
      yield* writeFile(fs, '/kept');
      yield* writeFile(fs, '/gone');
      yield* sync(fs);
      yield* unlink(fs, '/gone');
      yield* sync(fs);
      trimmed = yield* trim(fs, WHOLE);
      // A discard lies in the devices' caches, like a write.
      yield* flushAllDevices(fs.info);
      yield* checkContents(fs);
    }, madeOnOldBytes());
    expect(trimmed).toBeGreaterThan(200 * MIB);
    for (const disk of disks) {
      const left = oldPieces(disk);
      expect(left).toContain(BOOT_LOADER);
      // Beyond the first MiB, only what surrounds a superblock copy is kept.
      const elsewhere = left.filter((offset) => offset >= MIB);
      expect(elsewhere.every((offset) => offset >= SECOND_SUPERBLOCK && offset < SECOND_SUPERBLOCK + 64 * KIB)).toBe(
        true,
      );
    }
    disksAfter(checkContents, disks);
  });

  test('leaves what is deleted but not committed: a power cut brings the file back', () => {
    const world = new SimulatedWorld({ devices: made() });
    world.execute(function* () {
      const fs = yield* mountFilesystem(world, { fixes: allFixes() });
      yield* writeFile(fs, '/kept');
      yield* sync(fs);
      yield* unlink(fs, '/kept');
      yield* trim(fs, WHOLE);
    });
    disksAfter(
      checkContents,
      world.devices.map((device) => device.durable()),
    );
  });
});

describe('limits', () => {
  function trimmedWith(options: TrimOptions): { total: number; requests: IoRequest[] } | string {
    const requests: IoRequest[] = [];
    const world = new SimulatedWorld({ devices: made(), ioWatcher: (_device, request) => requests.push(request) });
    let total = 0;
    let code = '';
    world.execute(function* () {
      const fs = yield* mountFilesystem(world, { fixes: allFixes() });
      try {
        total = yield* trim(fs, options);
      } catch (error) {
        code = (error as FsError).code;
      }
    });
    return code === '' ? { total, requests } : code;
  }

  test('a range takes in free space of block groups inside it; unallocated space is discarded whatever the range', () => {
    const whole = trimmedWith(WHOLE) as { total: number; requests: IoRequest[] };
    const none = trimmedWith({ offset: 2 ** 40, length: null, minimum: 0 }) as { total: number; requests: IoRequest[] };
    const inGroups = whole.requests.filter(({ logical }) => logical !== undefined);
    expect(none.requests.filter(({ logical }) => logical !== undefined)).toEqual([]);
    // Two copies of each logical byte.
    const bytes = inGroups.reduce((sum, { length }) => sum + length, 0) / 2;
    expect(whole.total - none.total).toBe(bytes);
    const first = inGroups[0]!.logical!;
    const part = trimmedWith({ offset: first, length: 64 * KIB, minimum: 0 }) as { total: number };
    expect(part.total - none.total).toBe(64 * KIB);
  });

  test('shorter free ranges than the minimum are left alone', () => {
    const whole = trimmedWith(WHOLE) as { total: number };
    const long = trimmedWith({ ...WHOLE, minimum: 2 ** 40 }) as { total: number; requests: IoRequest[] };
    expect(long.total).toBeLessThan(whole.total);
    expect(long.requests.every(({ logical }) => logical === undefined)).toBe(true);
  });

  test('a range shorter than a sector is refused', () => {
    expect(trimmedWith({ offset: 0, length: 100, minimum: 0 })).toBe('EINVAL');
  });
});

test('beside writers and commits nothing live is lost, and nothing is left behind', () => {
  const disks = disksAfter((fs) => writeFile(fs, '/kept'), made());
  const churn = function* (fs: MountedFilesystem): Task<void> {
    yield* writeFile(fs, '/other');
    yield* sync(fs);
    yield* unlink(fs, '/other');
    yield* sync(fs);
    yield* writeFile(fs, '/again');
  };
  const race = new Race({
    disks,
    tasks: [(fs) => trim(fs, WHOLE), churn, (fs) => trim(fs, WHOLE)],
    strategy: new RandomStrategy('1'),
    afterwards: function* (fs) {
      yield* checkContents(fs);
      expect(sameBytes(yield* read(fs, '/again', 0, CONTENTS.length), CONTENTS)).toBe(true);
      for (const group of fs.info.space.allGroups()) expect(group.frozen).toBe(0);
    },
  });
  for (let run = 0; run < 40; run++) {
    race.execute();
    expect(race.outcomes.map((outcome) => typeof outcome)).toEqual(['number', 'undefined', 'number']);
    expect(race.world.report()).toMatchObject({ locks: [], hung: false });
  }
});

test('after an abort nothing is discarded', () => {
  const world = new SimulatedWorld({ devices: made() });
  let code = '';
  world.execute(function* () {
    const fs = yield* mountFilesystem(world, { fixes: allFixes() });
    fs.info.aborted = 'EIO';
    try {
      yield* trim(fs, WHOLE);
    } catch (error) {
      code = (error as FsError).code;
    }
  });
  expect(code).toBe('EROFS');
});

test('a read-only mount discards what is free too, unless a log tree was not replayed: its blocks count as free', () => {
  const disks = disksAfter((fs) => writeFile(fs, '/kept'), made());
  const outcomeOf = (): unknown => {
    const world = new SimulatedWorld({ devices: disks });
    let outcome: unknown = null;
    world.execute(function* () {
      const fs = yield* mountFilesystem(world, { fixes: allFixes(), readOnly: true });
      try {
        outcome = yield* trim(fs, WHOLE);
        yield* checkContents(fs);
      } catch (error) {
        outcome = (error as FsError).code;
      }
    });
    return outcome;
  };
  expect(outcomeOf()).toBeGreaterThan(SIZE);
  for (const disk of disks) {
    for (const offset of [64 * KIB, SECOND_SUPERBLOCK]) {
      const bytes = disk.read(offset, SUPERBLOCK_SIZE).slice();
      SUPERBLOCK.fields.logRoot.write(viewOf(bytes), SUPERBLOCK.fields.logRoot.at, 20 * MIB);
      sealSuperblock(bytes);
      disk.write(offset, bytes);
    }
  }
  expect(outcomeOf()).toBe('EROFS');
});
