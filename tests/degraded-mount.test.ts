import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MIB } from '../src/base/units.ts';
import type { MountedFilesystem } from '../src/fs/filesystem.ts';
import { BLOCK_GROUP_FLAG, BLOCK_GROUP_PROFILE_MASK } from '../src/fs/format/block-group.ts';
import { reconfigure, scrub } from '../src/fs/ioctls.ts';
import type { MakeFilesystemOptions } from '../src/fs/mkfs.ts';
import { read, sync } from '../src/fs/syscalls.ts';
import { runCommand } from '../src/oracle/judges/command.ts';
import { writeImageFiles } from '../src/oracle/judges/image-files.ts';
import { attachLoops, loopsMissing } from '../src/oracle/judges/loop-devices.ts';
import { mountAlone } from '../src/oracle/judges/own-mount.ts';
import { BlockTable } from '../src/record/block-table.ts';
import type { Task } from '../src/task/task.ts';
import {
  afterWork,
  contentOf,
  expected,
  expectValid,
  members,
  newDisks,
  wipe,
  writeFile,
} from './support/device-bench.ts';

const SIZE = 24 * MIB;
const OLD = contentOf(MIB, 1);
const NEW = contentOf(3 * MIB, 2);
const DEGRADED = { degraded: true } as const;

/** Disks of a file system with a file, and what the last one or ones held before they went missing. */
function disksWithFile(options: Omit<MakeFilesystemOptions, 'devices'> & { readonly count: number }): BlockTable[] {
  const { count, ...rest } = options;
  const disks = newDisks({ devices: new Array<number>(count).fill(SIZE), ...rest });
  const { disks: filled, refusal } = afterWork(disks, (fs) => writeFile(fs, '/old', OLD));
  expect(refusal).toBe(null);
  return filled;
}

function without(disks: readonly BlockTable[], ...indices: readonly number[]): BlockTable[] {
  const left = disks.map((disk) => disk.snapshot());
  for (const index of indices) wipe(left[index]!);
  return left;
}

function* expectContent(fs: MountedFilesystem, path: string, bytes: Uint8Array): Task<void> {
  expect(Buffer.compare(yield* read(fs, path, 0, bytes.length), bytes)).toBe(0);
}

describe('a mount without one of two devices of RAID1', () => {
  const raid1 = { metadataProfile: 'raid1', dataProfile: 'raid1', count: 2 } as const;

  test('is refused unless it is degraded, in the words of Linux', () => {
    const disks = without(disksWithFile(raid1), 1);
    expect(afterWork(disks, sync).refusal).toMatch(/^ENOENT: mount: devid 2 uuid [0-9a-f-]{36} is missing$/);
    expect(afterWork(disks, (fs) => expectContent(fs, '/old', OLD), DEGRADED).refusal).toBe(null);
  });

  test.each([0, 1])(
    'reads, writes, and needs new chunks, which have one copy (index %i is missing)',
    async (missing) => {
      const disks = without(disksWithFile(raid1), missing);
      const { disks: written, refusal } = afterWork(
        disks,
        function* (fs) {
          yield* expectContent(fs, '/old', OLD);
          yield* writeFile(fs, '/new', NEW);
          yield* sync(fs);
          const profiles = fs.info.space.allGroups().map(({ flags }) => flags & BLOCK_GROUP_PROFILE_MASK);
          expect(profiles).toContain(0);
          expect(profiles).toContain(BLOCK_GROUP_FLAG.RAID1);
        },
        DEGRADED,
      );
      expect(refusal).toBe(null);
      await expectLinuxReadsDegraded(written, [
        ['/old', OLD],
        ['/new', NEW],
      ]);
    },
  );

  test('that comes back stale is made whole by a scrub, and satisfies both judges then', async () => {
    const whole = disksWithFile(raid1);
    const small = contentOf(256 * 1024, 3);
    const { disks: written } = afterWork(without(whole, 1), (fs) => writeFile(fs, '/new', small), DEGRADED);
    const reunited = [written[0]!, whole[1]!];
    const { disks: healed, refusal } = afterWork(reunited, function* (fs) {
      yield* expectContent(fs, '/new', small);
      yield* expectContent(fs, '/old', OLD);
      const options = { devid: null, start: 0, end: null, readOnly: false, resume: false };
      yield* scrub(fs, options);
      const again = yield* scrub(fs, options);
      expect(again).toMatchObject({ csum_errors: 0, verify_errors: 0, uncorrectable_errors: 0 });
    });
    expect(refusal).toBe(null);
    await expectValid(healed, [expected('/old', OLD), expected('/new', small)]);
  });
});

describe('too many missing devices', () => {
  test('are told by the first chunk that lost too much; reading what is left is allowed', () => {
    const disks = without(disksWithFile({ count: 2, metadataProfile: 'raid1', dataProfile: 'raid0' }), 1);
    expect(afterWork(disks, sync, DEGRADED).refusal).toMatch(
      /^EINVAL: mount: chunk \d+ missing 1 devices, max tolerance is 0 for writable mount; writable mount is not allowed due to too many missing devices$/,
    );
    const { refusal } = afterWork(disks, (fs) => reconfigure(fs, { readOnly: false, discard: null }), {
      ...DEGRADED,
      readOnly: true,
    });
    expect(refusal).toMatch(/^EACCES: remount: chunk \d+ missing 1 devices/);
    expect(afterWork(disks, (fs) => read(fs, '/old', 0, MIB), { ...DEGRADED, readOnly: true }).refusal).toMatch(/^EIO/);
  });

  test('for the trees themselves leave nothing to mount', () => {
    for (const metadataProfile of ['raid0', 'dup'] as const) {
      const disks = without(disksWithFile({ count: 2, metadataProfile }), 0);
      expect(afterWork(disks, sync, DEGRADED).refusal).toMatch(/^EIO/);
    }
  });

  test('are three of four of RAID1C3, and two are not too many', async () => {
    const disks = disksWithFile({ count: 3, metadataProfile: 'raid1c3', dataProfile: 'raid1c3' });
    const two = without(disks, 0, 1);
    const { disks: written, refusal } = afterWork(two, (fs) => writeFile(fs, '/new', NEW), DEGRADED);
    expect(refusal).toBe(null);
    await expectLinuxReadsDegraded(written, [
      ['/old', OLD],
      ['/new', NEW],
    ]);
  });
});

test('a member whose device is smaller than its item says is refused', () => {
  const disks = disksWithFile({ count: 2, metadataProfile: 'raid1' });
  const cut = [disks[0]!, cutTo(disks[1]!, 20 * MIB)];
  expect(afterWork(cut, sync).refusal).toMatch(
    /^EINVAL: mount: devid 2 on device 1: total_bytes should be at most 20971520 but found 25165824$/,
  );
});

function cutTo(disk: BlockTable, size: number): BlockTable {
  const cut = new BlockTable(size);
  for (const { offset, bytes } of disk.written()) if (offset + bytes.length <= size) cut.write(offset, bytes);
  return cut;
}

const FILES_TIMEOUT_MS = 30_000;

/** Linux mounts what is left, degraded, finds the files, and `btrfs check` finds no error. */
async function expectLinuxReadsDegraded(
  disks: readonly BlockTable[],
  files: readonly (readonly [string, Uint8Array])[],
): Promise<void> {
  if ((await loopsMissing()) !== null) return;
  const images = await writeImageFiles(members(disks));
  const loops = await attachLoops(images.paths);
  try {
    if ('failed' in loops) return;
    const run = (program: string, args: readonly string[]) =>
      runCommand(program, args, { timeoutMs: FILES_TIMEOUT_MS });
    const [first] = loops.devices;
    expect(await run('btrfs', ['check', '--readonly', first!])).toMatchObject({ kind: 'ended', exitCode: 0 });
    const mount = await mountAlone(loops.devices, 'degraded');
    if ('failed' in mount) throw new Error(JSON.stringify(mount.failed));
    try {
      for (const [path, bytes] of files) {
        expect(Buffer.compare(await readFile(join(mount.root, path)), bytes)).toBe(0);
      }
    } finally {
      expect(await mount.unmount()).toBeNull();
    }
  } finally {
    if (!('failed' in loops)) await loops.detach();
    await images.remove();
  }
}
