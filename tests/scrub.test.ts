import { describe, expect, test } from 'vitest';
import { sameBytes } from '../src/base/bytes.ts';
import { KIB, MIB, SECTOR_SIZE } from '../src/base/units.ts';
import { FsError } from '../src/fs/errors.ts';
import { type MountedFilesystem, mountFilesystem, unmountFilesystem } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import type { ScrubOptions } from '../src/fs/ioctls.ts';
import { cancelScrub, scrubDevices } from '../src/fs/maintenance/scrub.ts';
import { newScrubStatistics, type ScrubStatistics } from '../src/fs/maintenance/scrub-statistics.ts';
import { type MakeFilesystemOptions, makeFilesystem } from '../src/fs/mkfs.ts';
import { create, dropCaches, fallocate, fiemap, read, sync, unlink, write } from '../src/fs/syscalls.ts';
import { piecesOf } from '../src/fs/volume/stripe-mapping.ts';
import { flushAllDevices } from '../src/fs/volume/volume.ts';
import type { FaultRule } from '../src/inject/fault-rule.ts';
import { SimulatedWorld } from '../src/inject/simulated-world.ts';
import { RandomStrategy } from '../src/inject/strategies/seeded-random.ts';
import { BlockTable } from '../src/record/block-table.ts';
import type { Task } from '../src/task/task.ts';
import { disksAfter, Race, type RaceOptions } from './support/simulated-filesystem.ts';

const SIZE = 32 * MIB;
const WHOLE: ScrubOptions = { devid: 1, start: 0, end: null, readOnly: false, resume: false };
const READ_ONLY: ScrubOptions = { ...WHOLE, readOnly: true };

const scrub = (fs: MountedFilesystem, options: ScrubOptions) => scrubDevices(fs.files, options);
const scrubCancel = (fs: MountedFilesystem) => cancelScrub(fs.info);

function made(options: Omit<MakeFilesystemOptions, 'devices'> & { readonly count?: number }): BlockTable[] {
  const { count = 1, ...rest } = options;
  const disks = Array.from({ length: count }, () => new BlockTable(SIZE));
  for (const { device, offset, bytes } of makeFilesystem({ ...rest, devices: disks.map(() => SIZE) })) {
    disks[device]!.write(offset, bytes);
  }
  return disks;
}

/** Bytes that differ from sector to sector. */
function contents(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 12) * 31 + seed) & 0xff);
}

function* writeFile(fs: MountedFilesystem, path: string, length: number, nodatacow = false): Task<void> {
  yield* create(fs, path, { nodatacow });
  yield* write(fs, path, 0, contents(length));
}

/** Runs one task on the disks, which take its writes; returns its value, or the errno. */
function run<T>(disks: BlockTable[], work: (fs: MountedFilesystem) => Task<T>): T | string {
  let result: T | string = 'nothing';
  const after = disksAfter(function* (fs) {
    try {
      result = yield* work(fs);
      // Repairs lie in the devices' caches until somebody flushes them.
      yield* flushAllDevices(fs.info);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      result = error.code;
    }
  }, disks);
  for (const [index, disk] of after.entries()) disks[index] = disk;
  return result;
}

function scrubOf(disks: BlockTable[], options: ScrubOptions): ScrubStatistics {
  return run(disks, (fs) => scrub(fs, options)) as ScrubStatistics;
}

/** Where copies of a file's first extent, or of the top directory's tree block, lie: device index and offset. */
function copies(disks: BlockTable[], path: string | null): { device: number; offset: number }[] {
  return run(disks, function* (fs) {
    const logical = path === null ? fs.info.trees.fs.root.address : (yield* fiemap(fs, path))[0]!.physical;
    const chunk = fs.info.volume.chunkAt(logical)!;
    return chunk.stripes.map((_, mirror) => {
      const piece = piecesOf(chunk, logical, SECTOR_SIZE, chunk.stripes.length > 1 ? mirror : 0)[0]!;
      return { device: piece.stripe.device.block!.index, offset: piece.physical };
    });
  }) as { device: number; offset: number }[];
}

function damage(disk: BlockTable, offset: number, length: number): void {
  disk.write(
    offset,
    disk.read(offset, length).map((byte) => ~byte),
  );
}

/** The figures that are not zero, without the position. */
function figures(statistics: ScrubStatistics): Partial<ScrubStatistics> {
  const { last_physical: _, ...rest } = statistics;
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== 0));
}

const ERRORS = [
  'read_errors',
  'csum_errors',
  'verify_errors',
  'super_errors',
  'uncorrectable_errors',
  'corrected_errors',
];

function errorsIn(statistics: ScrubStatistics): Partial<ScrubStatistics> {
  return Object.fromEntries(Object.entries(figures(statistics)).filter(([name]) => ERRORS.includes(name)));
}

describe('what a scrub of an intact device counts', () => {
  test('extents once per stripe that they touch, bytes, and sectors without checksums', () => {
    const disks = made({ metadataProfile: 'dup' });
    run(disks, function* (fs) {
      yield* writeFile(fs, '/a', 4 * KIB);
      yield* writeFile(fs, '/b', 100 * KIB);
      yield* writeFile(fs, '/c', 20 * KIB, true);
      yield* create(fs, '/d');
      yield* fallocate(fs, '/d', 0, 40 * KIB);
    });
    const found = figures(scrubOf(disks, READ_ONLY));
    expect(found.data_bytes_scrubbed).toBe((4 + 100 + 20 + 40) * KIB);
    expect(found.no_csum).toBe((20 + 40) / 4);
    expect(found.tree_bytes_scrubbed).toBe(found.tree_extents_scrubbed! * 4 * KIB);
    expect(Object.keys(found).sort()).toEqual(
      [
        'data_bytes_scrubbed',
        'data_extents_scrubbed',
        'no_csum',
        'tree_bytes_scrubbed',
        'tree_extents_scrubbed',
      ].sort(),
    );
    expect(scrubOf(disks, WHOLE)).toEqual(scrubOf(disks, WHOLE));
  });

  test('each device of RAID0 holds its share, and both together everything once', () => {
    const disks = made({ count: 2, metadataProfile: 'raid1', dataProfile: 'raid0' });
    run(disks, (fs) => writeFile(fs, '/a', 420 * KIB));
    const [first, second] = [1, 2].map((devid) => scrubOf(disks, { ...READ_ONLY, devid }));
    expect(first!.data_bytes_scrubbed + second!.data_bytes_scrubbed).toBe(420 * KIB);
    expect(first!.data_bytes_scrubbed).toBeGreaterThanOrEqual(192 * KIB);
    expect(second!.data_bytes_scrubbed).toBeGreaterThanOrEqual(192 * KIB);
    expect(first!.tree_bytes_scrubbed).toBe(second!.tree_bytes_scrubbed);
    expect(errorsIn(first!)).toEqual({});
  });

  test('a scrub of all devices counts what scrubs of each count', () => {
    const disks = made({ count: 3, metadataProfile: 'raid1c3', dataProfile: 'raid1' });
    run(disks, (fs) => writeFile(fs, '/a', 128 * KIB));
    const total = newScrubStatistics();
    for (const devid of [1, 2, 3]) {
      const one = scrubOf(disks, { ...READ_ONLY, devid });
      for (const name of ['data_bytes_scrubbed', 'tree_bytes_scrubbed', 'data_extents_scrubbed'] as const)
        total[name] += one[name];
    }
    const all = scrubOf(disks, { ...READ_ONLY, devid: null });
    expect(all.data_bytes_scrubbed).toBe(2 * 128 * KIB);
    for (const name of ['data_bytes_scrubbed', 'tree_bytes_scrubbed', 'data_extents_scrubbed'] as const) {
      expect(all[name]).toBe(total[name]);
    }
  });

  test('a range takes in the device extents that it touches, whole', () => {
    const disks = made({ metadataProfile: 'single' });
    run(disks, (fs) => writeFile(fs, '/a', 128 * KIB));
    const { offset } = copies(disks, '/a')[0]!;
    const found = scrubOf(disks, { ...READ_ONLY, start: offset + 40 * KIB, end: offset + 40 * KIB + 1 });
    expect(found.data_bytes_scrubbed).toBe(128 * KIB);
    expect(found.tree_bytes_scrubbed).toBe(0);
  });
});

describe.each([
  ['dup', 1],
  ['raid1', 2],
  ['raid1c4', 4],
] as const)('damaged copies under %s', (profile, count) => {
  test('each bad sector of data is found and replaced from another copy, once', () => {
    const disks = made({ count, metadataProfile: profile, dataProfile: profile });
    run(disks, (fs) => writeFile(fs, '/a', 64 * KIB));
    const { device, offset } = copies(disks, '/a')[1]!;
    const intact = disks[device]!.read(offset, 64 * KIB);
    damage(disks[device]!, offset + 8 * KIB, 5000);
    const options = { ...WHOLE, devid: device + 1 };
    expect(errorsIn(scrubOf(disks, { ...options, readOnly: true }))).toEqual({ csum_errors: 2, corrected_errors: 2 });
    expect(sameBytes(disks[device]!.read(offset, 64 * KIB), intact)).toBe(false);
    expect(errorsIn(scrubOf(disks, options))).toEqual({ csum_errors: 2, corrected_errors: 2 });
    expect(sameBytes(disks[device]!.read(offset, 64 * KIB), intact)).toBe(true);
    expect(errorsIn(scrubOf(disks, options))).toEqual({});
  });

  test('a bad tree block is found and replaced', () => {
    const disks = made({ count, metadataProfile: profile, nodeSize: 16 * KIB });
    run(disks, (fs) => writeFile(fs, '/a', 64 * KIB));
    const { device, offset } = copies(disks, null)[1]!;
    const intact = disks[device]!.read(offset, 16 * KIB);
    damage(disks[device]!, offset + 12 * KIB, 1);
    const options = { ...WHOLE, devid: device + 1 };
    expect(errorsIn(scrubOf(disks, options))).toEqual({ verify_errors: 4, corrected_errors: 4 });
    expect(sameBytes(disks[device]!.read(offset, 16 * KIB), intact)).toBe(true);
    expect(errorsIn(scrubOf(disks, options))).toEqual({});
  });

  test('data without checksums is read, but nobody can tell that it is damaged', () => {
    const disks = made({ count, metadataProfile: profile, dataProfile: profile });
    run(disks, (fs) => writeFile(fs, '/a', 16 * KIB, true));
    const { device, offset } = copies(disks, '/a')[1]!;
    damage(disks[device]!, offset, 16 * KIB);
    const found = scrubOf(disks, { ...WHOLE, devid: device + 1 });
    expect(errorsIn(found)).toEqual({});
    expect(found.no_csum).toBe(profile === 'dup' ? 8 : 4);
  });

  test('a sector that cannot be read is written anew', () => {
    const disks = made({ count, metadataProfile: profile, dataProfile: profile });
    run(disks, (fs) => writeFile(fs, '/a', 64 * KIB));
    const { device, offset } = copies(disks, '/a')[0]!;
    // The run of 64 KiB, then the sector alone.
    const rule: FaultRule = {
      name: 'bad sector',
      when: {
        target: 'io',
        operation: ['read'],
        device,
        physical: { start: offset + 4 * KIB, length: 4 * KIB },
        purpose: 'scrub',
        occurrence: { from: 1, to: 2 },
      },
      then: { kind: 'fail', errno: 'EIO' },
    } as never;
    const found = withRules(disks, [rule], (fs) => scrub(fs, { ...WHOLE, devid: device + 1 }));
    expect(errorsIn(found as ScrubStatistics)).toEqual({ read_errors: 1, corrected_errors: 1 });
  });
});

function withRules<T>(disks: BlockTable[], rules: FaultRule[], work: (fs: MountedFilesystem) => Task<T>): unknown {
  const race = new Race({ disks, tasks: [work], rules, strategy: new RandomStrategy('1') });
  race.execute();
  return race.outcomes[0];
}

describe('what cannot be repaired', () => {
  test('the only copy of data stays damaged, and each sector counts', () => {
    const disks = made({ metadataProfile: 'dup' });
    run(disks, (fs) => writeFile(fs, '/a', 64 * KIB));
    const { offset } = copies(disks, '/a')[0]!;
    damage(disks[0]!, offset, 3 * SECTOR_SIZE);
    expect(errorsIn(scrubOf(disks, WHOLE))).toEqual({ csum_errors: 3, uncorrectable_errors: 3 });
    expect(errorsIn(scrubOf(disks, WHOLE))).toEqual({ csum_errors: 3, uncorrectable_errors: 3 });
  });

  test('sectors that are bad in both copies; those that one of them has intact are repaired', () => {
    const disks = made({ count: 2, metadataProfile: 'raid1', dataProfile: 'raid1' });
    run(disks, (fs) => writeFile(fs, '/a', 64 * KIB));
    const [one, two] = copies(disks, '/a') as [{ device: number; offset: number }, { device: number; offset: number }];
    damage(disks[one.device]!, one.offset, 2 * SECTOR_SIZE);
    damage(disks[two.device]!, two.offset + SECTOR_SIZE, 2 * SECTOR_SIZE);
    const expected = { csum_errors: 2, uncorrectable_errors: 1, corrected_errors: 1 };
    expect(errorsIn(scrubOf(disks, { ...WHOLE, devid: one.device + 1 }))).toEqual(expected);
    expect(errorsIn(scrubOf(disks, { ...WHOLE, devid: two.device + 1 }))).toEqual(expected);
  });
});

describe('superblocks', () => {
  test('a damaged copy and one of another generation are counted, and written anew unless the scrub is read-only', () => {
    const disks = Array.from({ length: 2 }, () => new BlockTable(80 * MIB));
    for (const { device, offset, bytes } of makeFilesystem({
      devices: [80 * MIB, 80 * MIB],
      metadataProfile: 'raid1',
    })) {
      disks[device]!.write(offset, bytes);
    }
    const stale = disks[1]!.read(64 * MIB, SECTOR_SIZE).slice();
    run(disks, (fs) => writeFile(fs, '/a', 4 * KIB));
    disks[1]!.write(64 * MIB, stale);
    damage(disks[0]!, 64 * MIB + 300, 1);
    expect(errorsIn(scrubOf(disks, { ...READ_ONLY, devid: 2 }))).toEqual({ super_errors: 1 });
    expect(errorsIn(scrubOf(disks, { ...READ_ONLY, devid: 1 }))).toEqual({ super_errors: 1 });
    expect(errorsIn(scrubOf(disks, { ...WHOLE, devid: 1 }))).toEqual({ super_errors: 1 });
    expect(errorsIn(scrubOf(disks, { ...WHOLE, devid: null }))).toEqual({});
  });
});

describe('refusals', () => {
  test('a device that is not there', () => {
    expect(run(made({}), (fs) => scrub(fs, { ...WHOLE, devid: 7 }))).toBe('ENODEV');
    expect(run(made({}), (fs) => scrub(fs, { ...WHOLE, devid: 0 }))).toBe('ENODEV');
  });

  test('cancelling when nothing runs', () => {
    expect(run(made({}), (fs) => scrubCancel(fs))).toBe('ENOTCONN');
  });

  test('repairs on a read-only mount; looking is allowed', () => {
    const disks = made({});
    const world = new SimulatedWorld({ devices: disks });
    const outcomes: unknown[] = [];
    world.execute(function* () {
      const fs = yield* mountFilesystem(world, { fixes: allFixes(), readOnly: true });
      for (const options of [WHOLE, READ_ONLY, { ...WHOLE, devid: 7 }, { ...READ_ONLY, devid: 7 }]) {
        try {
          outcomes.push(figures(yield* scrub(fs, options)).tree_bytes_scrubbed! > 0);
        } catch (error) {
          outcomes.push((error as FsError).code);
        }
      }
      yield* unmountFilesystem(fs);
    });
    expect(outcomes).toEqual(['EROFS', true, 'EROFS', 'ENODEV']);
  });

  test('a scrub of a device that is being scrubbed', () => {
    const tasks = [0, 1].map(() => (fs: MountedFilesystem) => scrub(fs, WHOLE));
    const outcomes = new Set<string>();
    playRace({ disks: made({}), tasks }, '1', ({ outcomes: each }) => {
      outcomes.add(each.map((outcome) => (outcome === 'EINPROGRESS' ? 'no' : 'ok')).join());
    });
    // One after the other is right too, but rare.
    expect([...outcomes].filter((outcome) => outcome !== 'ok,ok').sort()).toEqual(['no,ok', 'ok,no']);
  });
});

/** 60 random schedules of the tasks; `judge` sees each execution. */
function playRace(options: Omit<RaceOptions, 'strategy'>, seed: string, judge: (race: Race) => void): void {
  const race = new Race({ ...options, strategy: new RandomStrategy(seed) });
  for (let run = 0; run < 60; run++) {
    race.execute();
    judge(race);
  }
}

describe('beside others', () => {
  test('two devices are scrubbed at once', () => {
    const disks = made({ count: 2, metadataProfile: 'raid1', dataProfile: 'raid1' });
    run(disks, (fs) => writeFile(fs, '/a', 200 * KIB));
    const expected = [1, 2].map((devid) => scrubOf(disks, { ...READ_ONLY, devid }));
    const tasks = [1, 2].map((devid) => (fs: MountedFilesystem) => scrub(fs, { ...READ_ONLY, devid }));
    playRace({ disks, tasks }, '2', ({ outcomes }) => expect(outcomes).toEqual(expected));
  });

  test('commits pass a scrub: it stands still for them, and finds no error in what writers do meanwhile', () => {
    const disks = made({ count: 2, metadataProfile: 'raid1', dataProfile: 'raid1' });
    run(disks, (fs) => writeFile(fs, '/a', 200 * KIB));
    const scrubs = [1, 2].map((devid) => (fs: MountedFilesystem) => scrub(fs, { ...WHOLE, devid }));
    playRace({ disks, tasks: [...scrubs, overwrites, unlinkAndWrite] }, '3', (race) => {
      const [first, second, ...others] = race.outcomes as [ScrubStatistics, ScrubStatistics, unknown, unknown];
      expect(errorsIn(first)).toEqual({});
      expect(errorsIn(second)).toEqual({});
      expect(others).toEqual([undefined, undefined]);
      expect(race.world.report()).toMatchObject({ locks: [], hung: false });
    });
  });

  test('a cancelled scrub returns ECANCELED, and resume visits the rest', () => {
    const disks = made({ metadataProfile: 'dup', dataProfile: 'dup' });
    run(disks, (fs) => writeFile(fs, '/a', 300 * KIB));
    const whole = scrubOf(disks, READ_ONLY);
    const seen = new Set<string>();
    const scrubber = (fs: MountedFilesystem) => scrub(fs, READ_ONLY);
    let resumed: ScrubStatistics | null = null;
    const afterwards = function* (fs: MountedFilesystem) {
      resumed = yield* scrub(fs, { ...READ_ONLY, resume: true });
      expect(fs.info.scrubs).toMatchObject({ running: 0, paused: 0, pauseRequests: 0, cancelRequests: 0 });
    };
    playRace({ disks, tasks: [scrubber, scrubCancel], afterwards }, '4', ({ outcomes }) => {
      const wasCancelled = outcomes[0] === 'ECANCELED';
      seen.add(wasCancelled ? 'cancelled' : 'finished');
      if (!wasCancelled) {
        expect(resumed).toEqual(newScrubStatistics());
        return;
      }
      // The device extent in which the scrub was cancelled is visited again from its start.
      expect(resumed!.last_physical).toBe(whole.last_physical);
      expect(resumed!.data_bytes_scrubbed).toBeGreaterThanOrEqual(whole.data_bytes_scrubbed);
      expect(resumed!.tree_bytes_scrubbed).toBeGreaterThanOrEqual(whole.tree_bytes_scrubbed);
    });
    expect([...seen].sort()).toEqual(['cancelled', 'finished']);
  });
});

function* overwrites(fs: MountedFilesystem): Task<void> {
  for (let round = 0; round < 3; round++) {
    yield* write(fs, '/a', round * 32 * KIB, contents(64 * KIB, round));
    yield* sync(fs);
  }
}

function* unlinkAndWrite(fs: MountedFilesystem): Task<void> {
  yield* writeFile(fs, '/b', 40 * KIB);
  yield* sync(fs);
  yield* dropCaches(fs);
  yield* read(fs, '/b', 0, 40 * KIB);
  yield* unlink(fs, '/b');
  yield* sync(fs);
}

describe('planted bugs', () => {
  const disks = made({ metadataProfile: 'dup', dataProfile: 'dup' });
  run(disks, (fs) => writeFile(fs, '/a', 64 * KIB));

  function scrubWith(mutation: string): { statistics: ScrubStatistics; readOnly: number } {
    const world = new SimulatedWorld({ devices: disks });
    let statistics = newScrubStatistics();
    let readOnly = 0;
    world.execute(function* () {
      const fs = yield* mountFilesystem(world, { fixes: allFixes(), mutations: new Set([mutation]) });
      statistics = yield* scrub(fs, READ_ONLY);
      for (const { readOnlyHolders } of fs.info.space.allGroups()) readOnly += readOnlyHolders;
    });
    return { statistics, readOnly };
  }

  test('a scrub that forgets to release the last block group leaves it read-only', () => {
    expect(scrubWith('none').readOnly).toBe(0);
    expect(scrubWith('forget-read-only-release').readOnly).toBe(1);
  });

  test('a scrub that passes over the second device extent reads less', () => {
    const whole = scrubWith('none').statistics;
    const less = scrubWith('skip-one-device-extent').statistics;
    const bytes = (from: ScrubStatistics) => from.data_bytes_scrubbed + from.tree_bytes_scrubbed;
    expect(bytes(less)).toBeLessThan(bytes(whole));
  });
});
