import { describe, expect, test } from 'vitest';
import { MIB } from '../src/base/units.ts';
import { type MountedFilesystem, mountFilesystem } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import { reconfigure, replace, scrub } from '../src/fs/ioctls.ts';
import { close, corrupt, create, open, read, sync, unlink, write } from '../src/fs/syscalls.ts';
import { SimulatedWorld } from '../src/inject/simulated-world.ts';
import { seededRandom } from '../src/inject/strategies/seeded-random.ts';
import type { Task } from '../src/task/task.ts';
import { afterWork, contentOf, expected, expectValid, newDisks, writeFile } from './support/device-bench.ts';
import { disksAfter, Race } from './support/simulated-filesystem.ts';

const SIZE = 16 * MIB;
const FILE = contentOf(MIB, 1);
const READ_ONLY = { readOnly: true, discard: null } as const;
const WRITABLE = { readOnly: false, discard: null } as const;

describe('a remount', () => {
  test('to read-only writes everything out first; back again, writing goes on', async () => {
    const { disks, refusal } = afterWork(newDisks({ devices: [SIZE] }), function* (fs) {
      yield* writeFile(fs, '/first', FILE);
      yield* reconfigure(fs, READ_ONLY);
      expect(fs.info.runningTransaction).toBe(null);
      const refused = yield* outcomeOf(create(fs, '/refused'));
      expect(refused).toBe('EROFS');
      expect(Buffer.compare(yield* read(fs, '/first', 0, MIB), FILE)).toBe(0);
      yield* reconfigure(fs, WRITABLE);
      yield* writeFile(fs, '/second', FILE);
    });
    expect(refusal).toBe(null);
    await expectValid(disks, [expected('/first', FILE), expected('/second', FILE)]);
  });

  test('is busy while a file is open', () => {
    const { refusal } = afterWork(newDisks({ devices: [SIZE] }), function* (fs) {
      const handle = yield* open(fs, '/file', { create: true });
      expect(yield* outcomeOf(reconfigure(fs, READ_ONLY))).toBe('EBUSY');
      yield* close(fs, handle);
      yield* reconfigure(fs, READ_ONLY);
    });
    expect(refusal).toBe(null);
  });

  test('to writable of what was mounted read-only frees what a crash left, and finds free inode numbers', async () => {
    const crashed = afterPowerCut();
    const { disks, refusal } = afterWork(
      crashed,
      function* (fs) {
        yield* reconfigure(fs, WRITABLE);
        yield* writeFile(fs, '/new', FILE);
      },
      { readOnly: true },
    );
    expect(refusal).toBe(null);
    await expectValid(disks, [expected('/new', FILE)]);
  });

  test('changes discard and nothing else', () => {
    const { refusal } = afterWork(newDisks({ devices: [SIZE] }), function* (fs) {
      yield* reconfigure(fs, { readOnly: null, discard: true });
      expect([fs.info.discard, fs.info.isReadOnly]).toEqual([true, false]);
      yield* reconfigure(fs, { readOnly: null, discard: false });
      expect(fs.info.discard).toBe(false);
    });
    expect(refusal).toBe(null);
  });

  // 100 random schedules: of a write that was accepted nothing may be lost, whenever the remount came.
  test('to read-only loses no write that had succeeded', () => {
    const disks = disksAfter((fs) => create(fs, '/file'));
    const bytes = contentOf(64 * 1024, 9);
    const race = new Race({
      disks,
      strategy: seededRandom({ seed: '5' }),
      tasks: [
        function* (fs) {
          yield* write(fs, '/file', 0, bytes);
          return 'written';
        },
        function* (fs) {
          yield* reconfigure(fs, READ_ONLY);
          return 'read-only';
        },
      ],
    });
    const seen = new Set<string>();
    for (let run = 0; run < 100; run++) {
      race.execute();
      seen.add(race.outcomes.join());
      if (race.outcomes[0] !== 'written') continue;
      const left = race.world.devices.map((device) => device.durable());
      const { refusal } = afterWork(left, function* (fs) {
        expect(Buffer.compare(yield* read(fs, '/file', 0, bytes.length), bytes)).toBe(0);
      });
      expect(refusal).toBe(null);
    }
    expect([...seen].sort()).toEqual(['EROFS,read-only', 'written,EBUSY', 'written,read-only']);
  });

  // A scrub that comes during a commit waits for its end: the remount must not overtake it.
  test('beside another one never leaves a device replace running on a read-only file system', () => {
    const disks = disksAfter(
      function* (fs) {
        yield* create(fs, '/file');
        yield* replace(fs, { devid: 1, target: 1, background: true, avoidSource: false });
      },
      newDisks({ devices: [SIZE] }, [SIZE]),
    );
    const phases = new Set<string>();
    const thereAndBack = function* (fs: MountedFilesystem): Task<void> {
      for (const how of [READ_ONLY, WRITABLE, READ_ONLY]) {
        yield* outcomeOf(reconfigure(fs, how));
        if (fs.info.isReadOnly) phases.add(fs.info.volume.replace.phase);
      }
    };
    const openAndClose = function* (fs: MountedFilesystem): Task<void> {
      for (let round = 0; round < 3; round++) yield* close(fs, yield* open(fs, '/file', {}));
    };
    const tasks = [openAndClose, thereAndBack, thereAndBack];
    const mount = { chunkSizes: { system: MIB, metadata: 2 * MIB, data: 2 * MIB } };
    const race = new Race({ disks, tasks, strategy: seededRandom({ seed: '6' }), mount });
    for (let run = 0; run < 50; run++) race.execute();
    expect([...phases]).toEqual(['suspended']);
  });

  test('to read-only ends all repairs, of a scrub that has yet to begin too', () => {
    const disks = disksAfter(
      function* (fs) {
        yield* create(fs, '/file');
        yield* write(fs, '/file', 0, contentOf(64 * 1024, 9));
        yield* sync(fs);
        yield* corrupt(fs, '/file', 0, 4096, 1);
      },
      newDisks({ devices: [SIZE, SIZE], dataProfile: 'raid1', metadataProfile: 'raid1' }),
    );
    let written: readonly number[] = [];
    const race = new Race({
      disks,
      strategy: seededRandom({ seed: '5' }),
      tasks: [
        function* (fs) {
          yield* create(fs, '/other');
          yield* sync(fs);
        },
        function* (fs) {
          yield* scrub(fs, { devid: 1, start: 0, end: null, readOnly: false, resume: false });
          return 'scrubbed';
        },
        function* (fs) {
          yield* reconfigure(fs, READ_ONLY);
          written = race.world.devices.map((device) => device.completed);
          return 'read-only';
        },
      ],
      *afterwards(fs) {
        if (!fs.info.isReadOnly) return;
        expect(race.world.devices.map((device) => device.completed)).toEqual(written);
      },
    });
    const seen = new Set<string>();
    for (let run = 0; run < 300; run++) {
      race.execute();
      seen.add(race.outcomes.slice(1).join());
    }
    expect([...seen].sort()).toContain('EROFS,read-only');
    expect([...seen].sort()).toContain('ECANCELED,read-only');
  });
});

function* outcomeOf(task: ReturnType<typeof reconfigure>) {
  try {
    yield* task;
    return 'ok';
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

/** An open file without a name, and the power went out. */
function afterPowerCut() {
  const world = new SimulatedWorld({ devices: newDisks({ devices: [SIZE] }) });
  world.execute(function* () {
    const fs = yield* mountFilesystem(world, { fixes: allFixes() });
    yield* writeFile(fs, '/doomed', FILE);
    yield* open(fs, '/doomed');
    yield* unlink(fs, '/doomed');
    yield* sync(fs);
  });
  return world.devices.map((device) => device.durable());
}
