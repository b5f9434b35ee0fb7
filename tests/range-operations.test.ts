import { describe, expect, test } from 'vitest';
import { MIB } from '../src/base/units.ts';
import { allFixes } from '../src/fs/fixes.ts';
import { INCOMPAT } from '../src/fs/format/feature-flags.ts';
import { INODE_FLAG } from '../src/fs/format/inode.ts';
import * as sys from '../src/fs/syscalls.ts';
import { withoutNoHoles } from './support/hole-item-disks.ts';
import { seekMapOf } from './support/range-operations.ts';
import { btrfsCheck, hasBtrfsCheck, ScratchFilesystem } from './support/scratch-filesystem.ts';

const SECTOR = 4096;
const bytesOf = (sectors: number, value: number) => new Uint8Array(sectors * SECTOR).fill(value);

function extentsOf({ fs, run }: Pick<ScratchFilesystem, 'fs' | 'run'>, path: string, sync = true): string[] {
  return run(sys.fiemap(fs, path, { sync })).map(({ logical, length, flags }) =>
    [`[${logical / SECTOR}, ${(logical + length) / SECTOR})`, ...flags].join(' '),
  );
}

/** A file of ten sectors of ones. */
function withFile(
  options: ConstructorParameters<typeof ScratchFilesystem>[1] = { fixes: allFixes() },
): ScratchFilesystem {
  const scratch = new ScratchFilesystem({}, options);
  scratch.run(sys.create(scratch.fs, 'f'));
  scratch.run(sys.write(scratch.fs, 'f', 0, bytesOf(10, 1)));
  scratch.run(sys.sync(scratch.fs));
  return scratch;
}

function expectClean(scratch: ScratchFilesystem): void {
  if (hasBtrfsCheck) expect(btrfsCheck(scratch)).toBe('clean');
}

describe('fallocate', () => {
  test('punches whole sectors out, and zeroes the parts of sectors at both ends', () => {
    const scratch = withFile();
    const { fs } = scratch;
    scratch.run(sys.fallocate(fs, 'f', SECTOR + 100, 3 * SECTOR, { mode: 'punch-hole' }));
    expect(extentsOf(scratch, 'f')).toEqual(['[0, 1)', '[1, 2)', '[4, 5)', '[5, 10) LAST']);
    const read = scratch.run(sys.read(fs, 'f', 0, 10 * SECTOR));
    expect(read).toEqual(bytesOf(10, 1).fill(0, SECTOR + 100, 4 * SECTOR + 100));
    expect(scratch.run(sys.stat(fs, 'f'))).toMatchObject({ size: 10 * SECTOR, blocks: 64 });
    scratch.unmount();
    expectClean(scratch);
  });

  test('zeroes a range into preallocated space, and keeps what is preallocated at its start', () => {
    const scratch = withFile();
    const { fs } = scratch;
    scratch.run(sys.fallocate(fs, 'f', 10 * SECTOR, 2 * SECTOR, { mode: 'keep-size' }));
    const place = scratch.run(sys.fiemap(fs, 'f'))[1]!.physical;
    scratch.run(sys.fallocate(fs, 'f', 10 * SECTOR, 4 * SECTOR, { mode: 'zero-range' }));
    scratch.run(sys.fallocate(fs, 'f', 2 * SECTOR, 3 * SECTOR, { mode: 'zero-range' }));
    const extents = scratch.run(sys.fiemap(fs, 'f'));
    expect(extents.find(({ logical }) => logical === 10 * SECTOR)!.physical).toBe(place);
    expect(seekMapOf(scratch, 'f')).toEqual([
      [0, 2 * SECTOR],
      [5 * SECTOR, 10 * SECTOR],
    ]);
    expect(scratch.run(sys.stat(fs, 'f')).size).toBe(14 * SECTOR);
    scratch.unmount();
    expectClean(scratch);
  });

  test('does not collapse and not insert', () => {
    const scratch = withFile();
    const { fs } = scratch;
    for (const mode of ['collapse-range', 'insert-range'] as const) {
      expect(scratch.outcome(sys.fallocate(fs, 'f', 0, SECTOR, { mode }))).toBe('EOPNOTSUPP');
      expect(scratch.outcome(sys.fallocate(fs, 'f', Number.MAX_SAFE_INTEGER - 5, 5, { mode }))).toBe('EFBIG');
      expect(scratch.outcome(sys.fallocate(fs, 'f', 0, 0, { mode }))).toBe('EINVAL');
    }
    scratch.run(sys.mkdir(fs, 'd'));
    scratch.run(sys.mknod(fs, 'p', { kind: 'fifo' }));
    expect(scratch.outcome(sys.fallocate(fs, 'd', 0, SECTOR, { mode: 'punch-hole' }))).toBe('EISDIR');
    expect(scratch.outcome(sys.fallocate(fs, 'p', 0, SECTOR, { mode: 'punch-hole' }))).toBe('ESPIPE');
  });

  test('of zeroes on a full device is ENOSPC and changes nothing, a hole is punched all the same', () => {
    const scratch = withFile();
    const { fs } = scratch;
    const free = (size: number) => scratch.outcome(sys.fallocate(fs, 'full', 0, size, { mode: 'keep-size' }));
    scratch.run(sys.create(fs, 'full'));
    let size = 0;
    for (let step = 8 * MIB; step >= SECTOR; step /= 2) if (free(size + step) === 'ok') size += step;
    expect(scratch.outcome(sys.fallocate(fs, 'f', 0, 4 * SECTOR, { mode: 'zero-range' }))).toBe('ENOSPC');
    expect(scratch.run(sys.read(fs, 'f', 0, 10 * SECTOR))).toEqual(bytesOf(10, 1));
    // The file may be cut within a sector too.
    expect(scratch.outcome(sys.truncate(fs, 'f', 9 * SECTOR + 5))).toBe('ok');
    expect(scratch.outcome(sys.fallocate(fs, 'full', 0, size, { mode: 'punch-hole' }))).toBe('ok');
    scratch.run(sys.sync(fs));
    expect(scratch.outcome(sys.fallocate(fs, 'f', 0, 4 * SECTOR, { mode: 'zero-range' }))).toBe('ok');
    scratch.run(sys.truncate(fs, 'f', 10 * SECTOR));
    expect(scratch.run(sys.read(fs, 'f', 9 * SECTOR, SECTOR))).toEqual(bytesOf(1, 0).fill(1, 0, 5));
    scratch.unmount();
    expectClean(scratch);
  });
});

describe('seek', () => {
  test('takes written data for data, on disk or not, and preallocated space for a hole', () => {
    const scratch = withFile();
    const { fs } = scratch;
    scratch.run(sys.fallocate(fs, 'f', 10 * SECTOR, 10 * SECTOR));
    scratch.run(sys.write(fs, 'f', 15 * SECTOR + 5, bytesOf(1, 2)));
    expect(seekMapOf(scratch, 'f')).toEqual([
      [0, 10 * SECTOR],
      [15 * SECTOR, 17 * SECTOR],
    ]);
    expect(scratch.run(sys.seek(fs, 'f', 12 * SECTOR + 3, 'hole'))).toBe(12 * SECTOR + 3);
    expect(scratch.run(sys.seek(fs, 'f', 17 * SECTOR - 1, 'data'))).toBe(17 * SECTOR - 1);
  });

  test('from before the file begins at its start, where Linux finds no data that is on disk', () => {
    const scratch = withFile();
    const { fs } = scratch;
    scratch.run(sys.create(fs, 'dirty'));
    scratch.run(sys.write(fs, 'dirty', SECTOR, bytesOf(1, 2)));
    expect(scratch.run(sys.seek(fs, 'dirty', -1, 'data'))).toBe(SECTOR);
    expect(scratch.run(sys.seek(fs, 'dirty', -SECTOR, 'hole'))).toBe(0);
    scratch.run(sys.sync(fs));
    expect(scratch.outcome(sys.seek(fs, 'dirty', -1, 'data'))).toBe('ENXIO');
    expect(scratch.run(sys.seek(fs, 'f', -1, 'hole'))).toBe(10 * SECTOR);
  });

  test('is ENXIO outside the file and where no data follows', () => {
    const scratch = withFile();
    const { fs } = scratch;
    scratch.run(sys.truncate(fs, 'f', 20 * SECTOR));
    for (const kind of ['data', 'hole'] as const) {
      expect(scratch.outcome(sys.seek(fs, 'f', 20 * SECTOR, kind))).toBe('ENXIO');
    }
    expect(scratch.outcome(sys.seek(fs, 'f', 10 * SECTOR, 'data'))).toBe('ENXIO');
    expect(scratch.run(sys.seek(fs, 'f', 20 * SECTOR - 1, 'hole'))).toBe(20 * SECTOR - 1);
  });
});

describe('a shared mapping', () => {
  test('stores into the file, which does not grow; behind its last page is EFAULT', () => {
    const scratch = withFile();
    const { fs } = scratch;
    scratch.run(sys.truncate(fs, 'f', 9 * SECTOR + 100));
    expect(scratch.outcome(sys.mapWrite(fs, 'f', 9 * SECTOR + 50, new Uint8Array(SECTOR).fill(2)))).toBe('EFAULT');
    expect(scratch.run(sys.stat(fs, 'f')).size).toBe(9 * SECTOR + 100);
    const last = bytesOf(1, 0).fill(1, 0, 50).fill(2, 50, 100);
    expect(scratch.run(sys.mapRead(fs, 'f', 9 * SECTOR, SECTOR))).toEqual(last);
    expect(scratch.outcome(sys.mapRead(fs, 'f', 9 * SECTOR, SECTOR + 1))).toBe('EFAULT');
    scratch.run(sys.msync(fs, 'f', 8 * SECTOR, 2 * SECTOR));
    scratch.crash();
    expect(scratch.run(sys.read(scratch.fs, 'f', 9 * SECTOR, SECTOR))).toEqual(last.subarray(0, 100));
    expect(scratch.outcome(sys.msync(scratch.fs, 'f', 100, SECTOR))).toBe('EINVAL');
    scratch.unmount();
    expectClean(scratch);
  });

  test('needs a handle that may read, and write to store', () => {
    const scratch = withFile();
    const { fs } = scratch;
    const reader = scratch.run(sys.open(fs, 'f', { read: true }));
    const writer = scratch.run(sys.open(fs, 'f', { write: true }));
    expect(scratch.outcome(sys.mapWrite(fs, reader, 0, bytesOf(1, 2)))).toBe('EACCES');
    expect(scratch.outcome(sys.mapWrite(fs, writer, 0, bytesOf(1, 2)))).toBe('EACCES');
    expect(scratch.outcome(sys.mapRead(fs, writer, 0, 1))).toBe('EACCES');
    expect(scratch.outcome(sys.mapRead(fs, reader, 0, 1))).toBe('ok');
    expect(scratch.outcome(sys.mapRead(fs, reader, 0, 0))).toBe('EINVAL');
    // It may be synced, but shares nothing that could be written.
    scratch.run(sys.write(fs, 'f', 20 * SECTOR, bytesOf(1, 2)));
    scratch.run(sys.msync(fs, reader, 0, SECTOR));
    expect(scratch.run(sys.fiemap(fs, 'f')).some(({ flags }) => flags.includes('DELALLOC'))).toBe(true);
    scratch.run(sys.msync(fs, 'f', 0, SECTOR));
    expect(scratch.run(sys.fiemap(fs, 'f')).some(({ flags }) => flags.includes('DELALLOC'))).toBe(false);
  });
});

describe('mount options', () => {
  test('nodatasum leaves new files without checksums, nodatacow also writes them in place', () => {
    for (const [option, flags] of [
      ['nodatasum', INODE_FLAG.NODATASUM],
      ['nodatacow', INODE_FLAG.NODATASUM | INODE_FLAG.NODATACOW],
    ] as const) {
      const scratch = withFile({ fixes: allFixes(), [option]: true });
      const { fs } = scratch;
      scratch.run(sys.mkdir(fs, 'd'));
      expect(scratch.run(sys.stat(fs, 'f')).flags & (INODE_FLAG.NODATASUM | INODE_FLAG.NODATACOW)).toBe(flags);
      expect(scratch.run(sys.stat(fs, 'd')).flags).toBe(0);
      const before = scratch.run(sys.fiemap(fs, 'f'))[0]!.physical;
      scratch.run(sys.write(fs, 'f', 0, bytesOf(10, 2), { direct: true }));
      const after = scratch.run(sys.fiemap(fs, 'f'))[0]!.physical;
      expect({ option, inPlace: before === after }).toEqual({ option, inPlace: option === 'nodatacow' });
      scratch.unmount();
      expectClean(scratch);
    }
  });
});

describe('without NO_HOLES', () => {
  const make = () => new ScratchFilesystem({}, { fixes: allFixes() }, { edit: withoutNoHoles });

  test('every sector of a file has an item, after growth and punched holes', () => {
    const scratch = make();
    expect(scratch.fs.info.superblock.incompatFlags & INCOMPAT.NO_HOLES).toBe(0);
    const { fs } = scratch;
    for (const name of ['a', 'b', 'c']) scratch.run(sys.create(fs, name));
    scratch.run(sys.write(fs, 'a', 9 * SECTOR + 5, bytesOf(1, 1)));
    scratch.run(sys.truncate(fs, 'a', 100 * SECTOR + 1));
    scratch.run(sys.write(fs, 'b', 0, bytesOf(10, 1)));
    scratch.run(sys.fallocate(fs, 'b', 2 * SECTOR, 4 * SECTOR, { mode: 'punch-hole' }));
    scratch.run(sys.fallocate(fs, 'b', 20 * SECTOR, SECTOR));
    scratch.run(sys.write(fs, 'c', 5 * SECTOR, bytesOf(1, 1), { direct: true }));
    scratch.unmount();
    expectClean(scratch);
  });

  // Goal: the size on disk passes a place where data was lost, so there must be an item.
  test('data that is lost to an error of the device leaves a hole with an item', () => {
    const scratch = make();
    const { fs } = scratch;
    scratch.run(sys.create(fs, 'f'));
    const handle = scratch.run(sys.open(fs, 'f'));
    scratch.run(sys.write(fs, 'f', 0, bytesOf(4, 1)));
    scratch.world.ioFailure = (request) => (request.operation === 'write' ? 'EIO' : null);
    scratch.run(sys.fiemap(fs, 'f', { sync: true }));
    scratch.world.ioFailure = () => null;
    scratch.run(sys.write(fs, 'f', 8 * SECTOR, bytesOf(1, 2)));
    expect(scratch.outcome(sys.fsync(fs, handle))).toBe('EIO');
    scratch.run(sys.close(fs, handle));
    scratch.run(sys.sync(fs));
    expect(seekMapOf(scratch, 'f')).toEqual([[8 * SECTOR, 9 * SECTOR]]);
    scratch.unmount();
    expectClean(scratch);
  });
});
