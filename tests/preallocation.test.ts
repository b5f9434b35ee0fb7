import { describe, expect, test } from 'vitest';
import { MIB } from '../src/base/units.ts';
import { flushAll } from '../src/fs/file/sync.ts';
import * as sys from '../src/fs/syscalls.ts';
import { decreaseReadOnly, increaseReadOnlyPlain } from '../src/fs/transaction/block-group-holds.ts';
import { btrfsCheck, hasBtrfsCheck, ScratchFilesystem } from './support/scratch-filesystem.ts';

const SECTOR = 4096;
const bytesOf = (sectors: number, value: number) => new Uint8Array(sectors * SECTOR).fill(value);

/** `[first sector, last sector) flags` of each extent, as fiemap reports them once all is written. */
function extentsOf({ fs, run }: Pick<ScratchFilesystem, 'fs' | 'run'>, path: string, sync = true): string[] {
  return run(sys.fiemap(fs, path, { sync })).map(({ logical, length, flags }) =>
    [`[${logical / SECTOR}, ${(logical + length) / SECTOR})`, ...flags].join(' '),
  );
}

function firstPlace({ fs, run }: Pick<ScratchFilesystem, 'fs' | 'run'>, path: string): number {
  return run(sys.fiemap(fs, path, { sync: true }))[0]!.physical;
}

function expectClean(scratch: ScratchFilesystem): void {
  if (hasBtrfsCheck) expect(btrfsCheck(scratch)).toBe('clean');
}

describe('fallocate', () => {
  test('preallocates the holes of the range, makes the file longer, and reads as zeros', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    scratch.run(sys.create(fs, 'f'));
    scratch.run(sys.write(fs, 'f', 2 * SECTOR, bytesOf(2, 9)));
    scratch.run(sys.fallocate(fs, 'f', 0, 8 * SECTOR));
    expect(extentsOf(scratch, 'f')).toEqual(['[0, 2) UNWRITTEN', '[2, 4)', '[4, 8) LAST UNWRITTEN']);
    expect(scratch.run(sys.stat(fs, 'f'))).toMatchObject({ size: 8 * SECTOR, allocatedBytes: 8 * SECTOR });
    const read = scratch.run(sys.read(fs, 'f', 0, 100 * SECTOR, { direct: true }));
    expect(read).toEqual(new Uint8Array([...bytesOf(2, 0), ...bytesOf(2, 9), ...bytesOf(4, 0)]));
    scratch.unmount();
    expectClean(scratch);
  });

  test('with keepSize leaves the size, and a truncate to the same size takes the space back', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    scratch.run(sys.create(fs, 'f'));
    scratch.run(sys.write(fs, 'f', 0, new Uint8Array(100).fill(1)));
    scratch.run(sys.fallocate(fs, 'f', 0, 4 * SECTOR, { keepSize: true }));
    expect(scratch.run(sys.stat(fs, 'f')).size).toBe(100);
    // As in Linux, data inside its item stays there although there is preallocated space behind it.
    expect(extentsOf(scratch, 'f')).toEqual(['[0, 1) NOT_ALIGNED DATA_INLINE', '[1, 4) LAST UNWRITTEN']);
    scratch.remount();
    expect(extentsOf(scratch, 'f')).toEqual(['[0, 1) NOT_ALIGNED DATA_INLINE', '[1, 4) LAST UNWRITTEN']);
    expectClean(scratch);
    scratch.run(sys.truncate(scratch.fs, 'f', 100));
    expect(extentsOf(scratch, 'f')).toEqual(['[0, 1) LAST NOT_ALIGNED DATA_INLINE']);
    scratch.unmount();
    expectClean(scratch);
  });

  test('takes bytes as given, places in whole sectors, and the size to the byte', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    scratch.run(sys.create(fs, 'f'));
    scratch.run(sys.fallocate(fs, 'f', 5000, 5000));
    expect(scratch.run(sys.stat(fs, 'f')).size).toBe(10_000);
    expect(extentsOf(scratch, 'f')).toEqual(['[1, 3) LAST UNWRITTEN']);
  });

  test('refuses what Linux refuses', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    scratch.run(sys.create(fs, 'f'));
    scratch.run(sys.mkdir(fs, 'd'));
    expect(scratch.outcome(sys.fallocate(fs, 'f', 0, 0))).toBe('EINVAL');
    expect(scratch.outcome(sys.fallocate(fs, 'f', -SECTOR, SECTOR))).toBe('EINVAL');
    expect(scratch.outcome(sys.fallocate(fs, 'f', 0, Number.MAX_SAFE_INTEGER))).toBe('EFBIG');
    expect(scratch.outcome(sys.fallocate(fs, 'd', 0, SECTOR))).toBe('EISDIR');
    expect(scratch.outcome(sys.fallocate(fs, 'nothing', 0, SECTOR))).toBe('ENOENT');
  });

  test('that does not fit is ENOSPC and changes nothing', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    scratch.run(sys.create(fs, 'f'));
    scratch.run(sys.write(fs, 'f', 0, new Uint8Array(10).fill(1)));
    expect(scratch.outcome(sys.fallocate(fs, 'f', 0, 64 * MIB))).toBe('ENOSPC');
    expect(scratch.run(sys.stat(fs, 'f')).size).toBe(10);
    expect(extentsOf(scratch, 'f')).toEqual(['[0, 1) LAST NOT_ALIGNED DATA_INLINE']);
    scratch.unmount();
    expectClean(scratch);
  });

  test('keeps its word on a full disk: what is preallocated can be written, nothing else', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    for (const path of ['f', 'g', 'fill']) scratch.run(sys.create(fs, path));
    scratch.run(sys.fallocate(fs, 'f', 0, 16 * SECTOR));
    scratch.run(sys.write(fs, 'g', 0, bytesOf(1, 1)));
    scratch.run(sys.sync(fs));
    let chunk = 256;
    for (let at = 0; chunk >= 1; ) {
      if (scratch.outcome(sys.fallocate(fs, 'fill', at * SECTOR, chunk * SECTOR)) === 'ok') at += chunk;
      else chunk /= 2;
    }
    expect(scratch.outcome(sys.write(fs, 'g', 0, bytesOf(1, 2)))).toBe('ENOSPC');
    expect(scratch.run(sys.write(fs, 'f', 0, bytesOf(4, 3)))).toBe(4 * SECTOR);
    expect(scratch.run(sys.write(fs, 'f', 4 * SECTOR, bytesOf(4, 4), { direct: true }))).toBe(4 * SECTOR);
    expect(scratch.run(sys.write(fs, 'f', 8 * SECTOR + 100, new Uint8Array(10).fill(5)))).toBe(10);
    scratch.run(sys.fsync(fs, 'f'));
    expect(extentsOf(scratch, 'f')).toEqual(['[0, 9)', '[9, 16) LAST UNWRITTEN']);
    // Written once, it is copied like any data of the file, and there is no space for a copy.
    expect(scratch.outcome(sys.write(fs, 'f', 0, bytesOf(1, 6)))).toBe('ENOSPC');
    scratch.remount();
    const read = scratch.run(sys.read(scratch.fs, 'f', 0, 9 * SECTOR));
    expect([read[0], read[4 * SECTOR], read[8 * SECTOR], read[8 * SECTOR + 100]]).toEqual([3, 4, 0, 5]);
    scratch.unmount();
    expectClean(scratch);
  });
});

describe('writes into preallocated space', () => {
  test('go in place, in any order, and leave one extent in the end', () => {
    for (const direct of [true, false]) {
      const scratch = new ScratchFilesystem();
      const { fs } = scratch;
      scratch.run(sys.create(fs, 'f'));
      scratch.run(sys.fallocate(fs, 'f', 0, 8 * SECTOR));
      const place = firstPlace(scratch, 'f');
      const order = [3, 4, 0, 7, 2, 5, 1, 6];
      for (const index of order) {
        scratch.run(sys.write(fs, 'f', index * SECTOR, bytesOf(1, index + 1), { direct }));
        if (index === 7) expect(extentsOf(scratch, 'f')).toContain('[1, 3) UNWRITTEN');
        if (index === 7) expectClean(scratch);
      }
      expect(extentsOf(scratch, 'f')).toEqual(['[0, 8) LAST']);
      expect(firstPlace(scratch, 'f')).toBe(place);
      scratch.remount();
      const read = scratch.run(sys.read(scratch.fs, 'f', 0, 8 * SECTOR));
      expect(order.map((index) => read[index * SECTOR])).toEqual(order.map((index) => index + 1));
      scratch.unmount();
      expectClean(scratch);
    }
  });

  test('have maps that know their whole extent', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    scratch.run(sys.create(fs, 'f'));
    scratch.run(sys.fallocate(fs, 'f', 0, 8 * SECTOR));
    scratch.run(sys.write(fs, 'f', 4 * SECTOR, bytesOf(1, 1), { direct: true }));
    const place = firstPlace(scratch, 'f');
    const inode = fs.files.inodes.all().find((one) => one.isRegular)!;
    const maps = inode.readMaps().maps.map((map) => ({
      start: map.start / SECTOR,
      blockStart: map.blockStart - place,
      originalStart: map.originalStart,
      originalBlockLength: map.originalBlockLength / SECTOR,
      diskStart: map.diskStart - place,
      isPrealloc: map.isPrealloc,
      flags: map.flags & 32,
    }));
    const common = { originalStart: 0, originalBlockLength: 8, diskStart: 0, flags: 0 };
    expect(maps).toEqual([
      { ...common, start: 0, blockStart: 0, isPrealloc: true },
      { ...common, start: 4, blockStart: 4 * SECTOR, isPrealloc: false },
      { ...common, start: 5, blockStart: 5 * SECTOR, isPrealloc: true },
    ]);
  });

  test('that fail leave the space preallocated', () => {
    const scratch = new ScratchFilesystem();
    const { fs, world } = scratch;
    scratch.run(sys.create(fs, 'f'));
    scratch.run(sys.fallocate(fs, 'f', 0, 4 * SECTOR));
    scratch.run(sys.sync(fs));
    world.ioFailure = (request) => (request.operation === 'write' && request.purpose.kind === 'data' ? 'EIO' : null);
    expect(scratch.outcome(sys.write(fs, 'f', SECTOR, bytesOf(1, 1), { direct: true }))).toBe('EIO');
    scratch.run(sys.write(fs, 'f', 2 * SECTOR, bytesOf(1, 1)));
    scratch.run(flushAll(fs.files));
    world.ioFailure = () => null;
    expect(extentsOf(scratch, 'f')).toEqual(['[0, 4) LAST UNWRITTEN']);
    expect(scratch.run(sys.read(fs, 'f', 0, 4 * SECTOR))).toEqual(bytesOf(4, 0));
    scratch.unmount();
    expectClean(scratch);
  });

  test('show as delayed allocation until they are written out', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    scratch.run(sys.create(fs, 'f'));
    scratch.run(sys.fallocate(fs, 'f', 0, 4 * SECTOR));
    scratch.run(sys.write(fs, 'f', SECTOR, bytesOf(1, 1)));
    expect(extentsOf(scratch, 'f', false)).toEqual([
      '[0, 1) UNWRITTEN',
      '[1, 2) UNKNOWN DELALLOC',
      '[2, 4) LAST UNWRITTEN',
    ]);
  });

  test('copy where the block group is read-only, and leave no count behind', () => {
    const scratch = new ScratchFilesystem({ devices: [64 * MIB], dataBytes: 8 * MIB });
    const { fs } = scratch;
    scratch.run(sys.create(fs, 'f', { nodatacow: true }));
    scratch.run(sys.write(fs, 'f', 0, bytesOf(4, 1)));
    const place = firstPlace(scratch, 'f');
    const group = fs.info.space.groupAt(place);
    scratch.run(sys.write(fs, 'f', 0, bytesOf(1, 2), { direct: true }));
    expect(firstPlace(scratch, 'f')).toBe(place);
    increaseReadOnlyPlain(fs.info, group, true);
    scratch.run(sys.write(fs, 'f', SECTOR, bytesOf(1, 3), { direct: true }));
    scratch.run(sys.write(fs, 'f', 2 * SECTOR, bytesOf(1, 4)));
    const extents = scratch.run(sys.fiemap(fs, 'f', { sync: true }));
    decreaseReadOnly(fs.info, group);
    const isInside = extents.map(({ physical }) => physical >= group.start && physical < group.start + group.length);
    expect(isInside).toEqual([true, false, true]);
    expect([group.nocowWriters.value, group.reservations.value]).toEqual([0, 0]);
    scratch.remount();
    const read = scratch.run(sys.read(scratch.fs, 'f', 0, 4 * SECTOR));
    expect([0, 1, 2, 3].map((index) => read[index * SECTOR])).toEqual([2, 3, 4, 1]);
    scratch.unmount();
    expectClean(scratch);
  });
});

describe('nodatacow files', () => {
  test('are overwritten in place without checksums, and copied nowhere', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    scratch.run(sys.create(fs, 'f', { nodatacow: true }));
    scratch.run(sys.write(fs, 'f', 0, bytesOf(4, 1)));
    scratch.run(sys.sync(fs));
    const place = firstPlace(scratch, 'f');
    scratch.run(sys.write(fs, 'f', SECTOR, bytesOf(2, 2), { direct: true }));
    scratch.run(sys.write(fs, 'f', 10, new Uint8Array(10).fill(3)));
    expect(extentsOf(scratch, 'f')).toEqual(['[0, 4) LAST']);
    expect(firstPlace(scratch, 'f')).toBe(place);
    scratch.run(sys.sync(fs));
    expectClean(scratch);
    scratch.crash();
    const read = scratch.run(sys.read(scratch.fs, 'f', 0, 4 * SECTOR));
    expect([read[9], read[10], read[SECTOR], read[3 * SECTOR]]).toEqual([1, 3, 2, 1]);
    scratch.unmount();
    expectClean(scratch);
  });

  test('open makes them too', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    const file = scratch.run(sys.open(fs, 'f', { create: true, nodatacow: true, direct: true }));
    for (const value of [1, 2]) scratch.run(sys.write(fs, file, 0, bytesOf(1, value)));
    expect(scratch.run(sys.fiemap(fs, file))).toHaveLength(1);
    scratch.run(sys.close(fs, file));
    scratch.unmount();
    expectClean(scratch);
  });
});

describe('corrupt', () => {
  test('damages one copy of just these bytes', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    for (const [path, nodatacow] of [
      ['sums', false],
      ['none', true],
    ] as const) {
      scratch.run(sys.create(fs, path, { nodatacow }));
      scratch.run(sys.write(fs, path, 0, bytesOf(3, 1)));
      scratch.run(sys.corrupt(fs, path, SECTOR + 5, 10, 1));
    }
    scratch.run(sys.dropCaches(fs));
    expect(scratch.outcome(sys.read(fs, 'sums', SECTOR, 1))).toBe('EIO');
    expect(scratch.run(sys.read(fs, 'sums', 0, SECTOR))).toEqual(bytesOf(1, 1));
    const expected = bytesOf(3, 1);
    expected.fill(254, SECTOR + 5, SECTOR + 15);
    expect(scratch.run(sys.read(fs, 'none', 0, 3 * SECTOR))).toEqual(expected);
  });

  test('refuses copies that there are not, and passes over what has no data', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    scratch.run(sys.create(fs, 'f'));
    scratch.run(sys.write(fs, 'f', 0, bytesOf(1, 1)));
    scratch.run(sys.fallocate(fs, 'f', SECTOR, SECTOR));
    expect(scratch.outcome(sys.corrupt(fs, 'f', 0, 1, 2))).toBe('EINVAL');
    expect(scratch.outcome(sys.corrupt(fs, 'f', 0, 1, 0))).toBe('EINVAL');
    expect(scratch.outcome(sys.corrupt(fs, 'f', SECTOR, 100 * SECTOR, 1))).toBe('ok');
    scratch.unmount();
    expectClean(scratch);
  });
});
