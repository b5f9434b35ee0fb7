import { describe, expect, test } from 'vitest';
import { KIB, MIB } from '../src/base/units.ts';
import type { MountedFilesystem } from '../src/fs/filesystem.ts';
import { deviceAdd, deviceRemove, deviceResize } from '../src/fs/ioctls.ts';
import { create, fallocate, read, sync, unlink } from '../src/fs/syscalls.ts';
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
const FILE = contentOf(3 * MIB, 1);

describe('adding a device', () => {
  test('makes room where there was none, for Linux too', async () => {
    const disks = newDisks({ devices: [8 * MIB] }, [SIZE]);
    const full = contentOf(9 * MIB, 2);
    expect(afterWork(disks, (fs) => writeFile(fs, '/big', full)).refusal).toMatch(/^ENOSPC/);
    const grown = afterWork(disks, function* (fs) {
      yield* deviceAdd(fs, 1);
      yield* writeFile(fs, '/big', full);
    });
    expect(grown.refusal).toBe(null);
    expect(members(grown.disks).length).toBe(2);
    await expectValid(grown.disks, [expected('/big', full)]);
  });

  test('twice in one mount gives ids in a row, and both belong to it at the next mount', async () => {
    const disks = newDisks({ devices: [SIZE] }, [SIZE, 2 * SIZE]);
    const added = afterWork(disks, function* (fs) {
      yield* deviceAdd(fs, 2);
      yield* deviceAdd(fs, 1);
      expect(fs.info.volume.devices().map(({ id, block }) => [id, block!.index])).toEqual([
        [1, 0],
        [2, 2],
        [3, 1],
      ]);
    });
    const again = afterWork(added.disks, function* (fs) {
      expect(fs.info.volume.devices().map(({ id, block }) => [id, block!.index])).toEqual([
        [1, 0],
        [2, 2],
        [3, 1],
      ]);
      yield* sync(fs);
    });
    expect(again.refusal).toBe(null);
    await expectValid(again.disks);
  });

  test('that is a member, or not there, is refused as Linux does', () => {
    const disks = newDisks({ devices: [SIZE, SIZE] }, [SIZE]);
    const add = (index: number) => afterWork(disks, (fs) => deviceAdd(fs, index)).refusal;
    expect(add(1)).toMatch(/^EEXIST/);
    expect(add(7)).toMatch(/^ENOENT/);
    expect(afterWork(disks, (fs) => deviceAdd(fs, 2), { readOnly: true }).refusal).toMatch(/^EROFS/);
  });
});

describe('removing a device', () => {
  test('that is empty leaves a file system that satisfies both judges, and no superblock on it', async () => {
    const disks = newDisks({ devices: [SIZE] }, [SIZE]);
    const { disks: after, refusal } = afterWork(disks, function* (fs) {
      yield* writeFile(fs, '/file', FILE);
      yield* deviceAdd(fs, 1);
      yield* deviceRemove(fs, 2);
    });
    expect(refusal).toBe(null);
    expect(members(after).length).toBe(1);
    await expectValid(after, [expected('/file', FILE)]);
  });

  test('deletes the unused block groups on it first', async () => {
    const disks = newDisks({ devices: [6 * MIB] }, [SIZE]);
    const { disks: after, refusal } = afterWork(disks, function* (fs) {
      yield* deviceAdd(fs, 1);
      yield* writeFile(fs, '/big', contentOf(8 * MIB, 3));
      yield* sync(fs);
      expect(chunksOn(fs, 2)).toBeGreaterThan(0);
      yield* unlink(fs, '/big');
      yield* sync(fs);
      yield* deviceRemove(fs, 2);
    });
    expect(refusal).toBe(null);
    expect(members(after).length).toBe(1);
    await expectValid(after);
  });

  test('with a chunk in use names the chunk, and the device stays what it was', async () => {
    const disks = newDisks({ devices: [6 * MIB] }, [SIZE]);
    const big = contentOf(8 * MIB, 3);
    const { disks: after, refusal } = afterWork(disks, function* (fs) {
      yield* deviceAdd(fs, 1);
      yield* writeFile(fs, '/big', big);
      yield* sync(fs);
      yield* deviceRemove(fs, 2);
    });
    expect(refusal).toMatch(
      /^EOPNOTSUPP: error removing devid 2: chunk \d+ \(DATA\|single\) would have to be relocated/,
    );
    const more = afterWork(after, (fs) => writeFile(fs, '/more', FILE));
    expect(more.refusal).toBe(null);
    await expectValid(more.disks, [expected('/big', big), expected('/more', FILE)]);
  });

  test.each([
    ['raid1', 2, 'unable to go below two devices on raid1'],
    ['raid1c3', 3, 'unable to go below three devices on raid1c3'],
    ['raid1c4', 4, 'unable to go below four devices on raid1c4'],
  ] as const)(
    'of %s with its last %i devices is refused in the words of btrfs, whoever is meant',
    (profile, count, words) => {
      const devices = new Array<number>(count).fill(SIZE);
      const disks = newDisks({ devices, metadataProfile: profile, dataProfile: profile });
      for (const devid of [1, 2, 77, 'missing'] as const) {
        const { refusal } = afterWork(disks, (fs) => deviceRemove(fs, devid));
        const which = devid === 'missing' ? "device 'missing'" : `devid ${devid}`;
        expect(refusal).toBe(`EINVAL: error removing ${which}: ${words}`);
      }
    },
  );

  test('that is the only one, unknown, or not missing is refused as Linux does', () => {
    const remove = (devices: number, devid: number | 'missing') =>
      afterWork(newDisks({ devices: new Array<number>(devices).fill(SIZE) }), (fs) => deviceRemove(fs, devid)).refusal;
    expect(remove(1, 1)).toBe('EINVAL: error removing devid 1: unable to remove the only writeable device');
    expect(remove(1, 'missing')).toBe("EINVAL: error removing device 'missing': no missing devices found to remove");
    expect(remove(1, 5)).toMatch(/^ENOENT/);
    expect(remove(2, 0)).toMatch(/^ENOENT/);
    expect(remove(2, 77)).toMatch(/^ENOENT/);
  });

  test('that is missing and held nothing lets the next mount do without degraded', async () => {
    const disks = newDisks({ devices: [SIZE] }, [SIZE]);
    const added = afterWork(disks, (fs) => deviceAdd(fs, 1)).disks;
    wipe(added[1]!);
    const refused = afterWork(added, sync);
    expect(refused.refusal).toMatch(/^ENOENT: mount: devid 2 uuid [0-9a-f-]{36} is missing$/);
    const removed = afterWork(added, (fs) => deviceRemove(fs, 'missing'), { degraded: true });
    expect(removed.refusal).toBe(null);
    expect(afterWork(removed.disks, sync).refusal).toBe(null);
    await expectValid(removed.disks);
  });
});

describe('resizing a device', () => {
  test('down and up again leaves a valid file system with the sizes asked for', async () => {
    const disks = newDisks({ devices: [SIZE, SIZE] });
    const { disks: after, refusal } = afterWork(disks, function* (fs) {
      yield* deviceResize(fs, 2, 12 * MIB + 100);
      expect(sizesOf(fs)).toEqual([SIZE, 12 * MIB]);
      yield* sync(fs);
    });
    expect(refusal).toBe(null);
    await expectValid(after);
    const { disks: again } = afterWork(after, function* (fs) {
      expect(sizesOf(fs)).toEqual([SIZE, 12 * MIB]);
      yield* deviceResize(fs, 2, 'max');
      expect(sizesOf(fs)).toEqual([SIZE, SIZE]);
      yield* writeFile(fs, '/big', contentOf(26 * MIB, 4));
    });
    await expectValid(again, [expected('/big', contentOf(26 * MIB, 4))]);
  });

  test('below an unused block group deletes it; below one in use is refused and changes nothing', async () => {
    const disks = newDisks({ devices: [SIZE] });
    const { disks: full } = afterWork(disks, (fs) => writeFile(fs, '/big', contentOf(10 * MIB, 5)));
    const refused = afterWork(full, function* (fs) {
      const before = unallocatedOf(fs);
      try {
        yield* deviceResize(fs, 1, 9 * MIB);
      } finally {
        expect(unallocatedOf(fs)).toEqual(before);
      }
    });
    expect(refused.refusal).toMatch(
      /^EOPNOTSUPP: unable to resize devid 1 .*: chunk \d+ .* would have to be relocated/,
    );
    const shrunk = afterWork(full, function* (fs) {
      yield* unlink(fs, '/big');
      yield* sync(fs);
      yield* deviceResize(fs, 1, 9 * MIB);
      yield* writeFile(fs, '/small', contentOf(64 * KIB, 6));
    });
    expect(shrunk.refusal).toBe(null);
    await expectValid(shrunk.disks, [expected('/small', contentOf(64 * KIB, 6))]);
  });

  test('refuses what Linux refuses, with its errno', () => {
    const disks = newDisks({ devices: [320 * MIB, SIZE], metadataProfile: 'raid1' });
    const resize = (devid: number, size: number | 'max') =>
      afterWork(disks, (fs) => deviceResize(fs, devid, size)).refusal;
    expect(resize(9, 'max')).toMatch(/^ENODEV/);
    expect(resize(0, 'max')).toMatch(/^EINVAL/);
    expect(resize(1, 400 * MIB)).toMatch(/^EFBIG.*no enough free space/);
    expect(resize(1, 2 ** 60)).toMatch(/^EFBIG/);
    expect(resize(1, 300 * MIB + 0.5)).toMatch(/^EINVAL/);
    expect(resize(1, 255 * MIB)).toMatch(/^EINVAL/);
    expect(resize(1, 0)).toMatch(/^EINVAL/);
    expect(resize(1, 256 * MIB)).toBe(null);
    expect(resize(1, 320 * MIB)).toBe(null);
    expect(afterWork(disks, (fs) => deviceResize(fs, 1, 'max'), { readOnly: true }).refusal).toMatch(/^EROFS/);
    wipe(disks[1]!);
    const missing = afterWork(disks, (fs) => deviceResize(fs, 2, 'max'), { degraded: true }).refusal;
    expect(missing).toMatch(/^EPERM/);
  });

  test('across the place of a superblock copy keeps chunks off it', async () => {
    const disks = newDisks({ devices: [72 * MIB] });
    const { disks: small } = afterWork(disks, (fs) => deviceResize(fs, 1, 32 * MIB));
    await expectValid(small);
    const { disks: large, refusal } = afterWork(small, function* (fs) {
      yield* deviceResize(fs, 1, 'max');
      yield* create(fs, '/space');
      yield* fallocate(fs, '/space', 0, 60 * MIB);
      yield* writeFile(fs, '/big', FILE);
      expect(fs.info.volume.chunks().some(({ stripes }) => stripes[0]!.physical > 64 * MIB)).toBe(true);
      yield* sync(fs);
      expect(Buffer.compare(yield* read(fs, '/big', 0, FILE.length), FILE)).toBe(0);
    });
    expect(refusal).toBe(null);
    await expectValid(large, [expected('/big', FILE)]);
  });
});

function chunksOn(fs: MountedFilesystem, devid: number): number {
  return fs.info.volume.chunks().filter(({ stripes }) => stripes.some(({ device }) => device.id === devid)).length;
}

function sizesOf(fs: MountedFilesystem): number[] {
  return fs.info.volume.devices().map(({ totalBytes }) => totalBytes);
}

function unallocatedOf(fs: MountedFilesystem) {
  return [...fs.info.volume.device(1).unallocated.all()];
}
