import { describe, expect, test } from 'vitest';
import { MIB } from '../src/base/units.ts';
import { type MountedFilesystem, mountFilesystem, unmountFilesystem } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import { deviceAdd, deviceRemove, deviceResize } from '../src/fs/ioctls.ts';
import { read } from '../src/fs/syscalls.ts';
import { MemoryWorld } from '../src/fs/testing/memory-world.ts';
import type { BlockTable } from '../src/record/block-table.ts';
import { runAtomically, type Task } from '../src/task/task.ts';
import type { IoRequest } from '../src/task/world.ts';
import { afterWork, contentOf, expected, expectValid, newDisks, writeFile } from './support/device-bench.ts';

const SIZE = 16 * MIB;
const FILE = contentOf(MIB / 4, 1);

interface Change {
  readonly name: string;
  readonly prepare: (fs: MountedFilesystem) => Task<unknown>;
  readonly change: (fs: MountedFilesystem) => Task<unknown>;
}

const CHANGES: readonly Change[] = [
  { name: 'adding a device', prepare: (fs) => writeFile(fs, '/file', FILE), change: (fs) => deviceAdd(fs, 2) },
  {
    name: 'removing a device',
    *prepare(fs) {
      yield* writeFile(fs, '/file', FILE);
      yield* deviceAdd(fs, 2);
    },
    change: (fs) => deviceRemove(fs, 3),
  },
  {
    name: 'shrinking a device',
    prepare: (fs) => writeFile(fs, '/file', FILE),
    change: (fs) => deviceResize(fs, 1, 13 * MIB),
  },
  {
    name: 'growing a device',
    *prepare(fs) {
      yield* writeFile(fs, '/file', FILE);
      yield* deviceResize(fs, 1, 13 * MIB);
    },
    change: (fs) => deviceResize(fs, 1, 'max'),
  },
];

interface LoggedRequest {
  readonly device: number;
  readonly request: IoRequest;
}

/** What all disks were asked to do, in order, from the mount to the unmount. */
function logOf(disks: readonly BlockTable[], change: Change['change']): LoggedRequest[] {
  const world = new MemoryWorld(disks.map(({ size }) => size));
  for (const [index, disk] of disks.entries()) {
    for (const { offset, bytes } of disk.written()) world.devices[index]!.write(offset, bytes);
  }
  const log: LoggedRequest[] = [];
  world.ioFailure = (request, device) => {
    if (request.operation !== 'read') log.push({ device, request });
    return null;
  };
  function* run(): Task<void> {
    const fs = yield* mountFilesystem(world, { fixes: allFixes() });
    yield* change(fs);
    yield* unmountFilesystem(fs);
  }
  runAtomically(run());
  return log;
}

/** The disks after the first `cut` requests: all of them done, or only what a flush or forced unit access made durable. */
function disksAfterCut(
  disks: readonly BlockTable[],
  log: readonly LoggedRequest[],
  cut: number,
  keepsUnflushed: boolean,
): BlockTable[] {
  const after = disks.map((disk) => disk.snapshot());
  const done = log.slice(0, cut);
  for (const [index, disk] of after.entries()) {
    const own = done.filter(({ device }) => device === index).map(({ request }) => request);
    const flushed = own.findLastIndex(({ operation }) => operation === 'flush');
    for (const [position, { operation, offset, bytes, fua }] of own.entries()) {
      if (operation !== 'write') continue;
      if (position < flushed || fua === true || keepsUnflushed) disk.write(offset, bytes!);
    }
  }
  return after;
}

describe('a power cut at any moment of', () => {
  for (const { name, prepare, change } of CHANGES) {
    test(`${name} leaves a file system that mounts, and satisfies both judges`, async () => {
      const prepared = afterWork(newDisks({ devices: [SIZE, SIZE], metadataProfile: 'raid1' }, [SIZE]), prepare);
      expect(prepared.refusal).toBe(null);
      const log = logOf(prepared.disks, change);
      expect(log.length).toBeGreaterThan(5);
      const files = [expected('/file', FILE), expected('/after', FILE)];
      for (let cut = 0; cut <= log.length; cut++) {
        for (const keepsUnflushed of [true, false]) {
          const left = disksAfterCut(prepared.disks, log, cut, keepsUnflushed);
          const { disks, refusal } = afterWork(left, function* (fs) {
            expect(Buffer.compare(yield* read(fs, '/file', 0, FILE.length), FILE)).toBe(0);
            yield* writeFile(fs, '/after', FILE);
          });
          expect(refusal).toBe(null);
          // Each check takes the host a while: every seventh cut stands for the others.
          if (cut % 7 === 0 && !keepsUnflushed) await expectValid(disks, files);
        }
      }
    }, 120_000);
  }
});
