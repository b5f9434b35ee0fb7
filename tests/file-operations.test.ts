import { describe, expect, test } from 'vitest';
import { MIB } from '../src/base/units.ts';
import { allFixes } from '../src/fs/fixes.ts';
import { nameHash } from '../src/fs/format/directory.ts';
import * as sys from '../src/fs/syscalls.ts';
import { btrfsCheck, hasBtrfsCheck, ScratchFilesystem } from './support/scratch-filesystem.ts';

const KIB = 1024;

function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + seed) & 255);
}

function expectClean(scratch: ScratchFilesystem): void {
  scratch.unmount();
  if (hasBtrfsCheck) expect(btrfsCheck(scratch)).toBe('clean');
}

/** `/file` of 8 KiB, `/dir/inner`, `/empty/`. */
function populated(): ScratchFilesystem {
  const scratch = new ScratchFilesystem();
  const { fs } = scratch;
  scratch.run(sys.create(fs, '/file'));
  scratch.run(sys.write(fs, '/file', 0, pattern(8 * KIB)));
  scratch.run(sys.mkdir(fs, '/dir'));
  scratch.run(sys.mkdir(fs, '/dir/inner'));
  scratch.run(sys.mkdir(fs, '/empty'));
  return scratch;
}

const LONG = 'n'.repeat(256);

describe('errnos are those of Linux', () => {
  test.each<[string, (fs: ScratchFilesystem['fs']) => Parameters<ScratchFilesystem['outcome']>[0], string]>([
    ['mkdir of what exists', (fs) => sys.mkdir(fs, '/dir'), 'EEXIST'],
    ['mkdir of a file that exists', (fs) => sys.mkdir(fs, '/file'), 'EEXIST'],
    ['mkdir of the root', (fs) => sys.mkdir(fs, '/'), 'EEXIST'],
    ['mkdir with a slash at the end', (fs) => sys.mkdir(fs, '/new/'), 'ok'],
    ['mkdir where the parent is missing', (fs) => sys.mkdir(fs, '/none/x'), 'ENOENT'],
    ['mkdir below a file', (fs) => sys.mkdir(fs, '/file/x'), 'ENOTDIR'],
    ['a name of 256 bytes', (fs) => sys.mkdir(fs, `/${LONG}`), 'ENAMETOOLONG'],
    ['a name of 255 bytes', (fs) => sys.mkdir(fs, `/${LONG.slice(1)}`), 'ok'],
    ['a name of 128 characters in 256 bytes', (fs) => sys.mkdir(fs, `/${'é'.repeat(128)}`), 'ENAMETOOLONG'],
    ['a path of 4,096 bytes', (fs) => sys.mkdir(fs, '/a'.repeat(2048)), 'ENAMETOOLONG'],
    ['an empty path', (fs) => sys.mkdir(fs, ''), 'ENOENT'],
    ['create of what exists', (fs) => sys.create(fs, '/file'), 'EEXIST'],
    ['create of a directory that exists', (fs) => sys.create(fs, '/dir'), 'EEXIST'],
    ['create with a slash at the end', (fs) => sys.create(fs, '/x/'), 'EISDIR'],
    ['create below a file', (fs) => sys.create(fs, '/file/x'), 'ENOTDIR'],
    ['a file with a slash at the end', (fs) => sys.truncate(fs, '/file/', 0), 'ENOTDIR'],
    ['unlink of what is missing', (fs) => sys.unlink(fs, '/none'), 'ENOENT'],
    ['unlink of a directory', (fs) => sys.unlink(fs, '/dir'), 'EISDIR'],
    ['unlink of the root', (fs) => sys.unlink(fs, '/'), 'EISDIR'],
    ['unlink of a file with a slash at the end', (fs) => sys.unlink(fs, '/file/'), 'ENOTDIR'],
    ['rmdir of a file', (fs) => sys.rmdir(fs, '/file'), 'ENOTDIR'],
    ['rmdir of a directory with names', (fs) => sys.rmdir(fs, '/dir'), 'ENOTEMPTY'],
    ['rmdir of an empty directory', (fs) => sys.rmdir(fs, '/empty'), 'ok'],
    ['rmdir of the root', (fs) => sys.rmdir(fs, '/'), 'EBUSY'],
    ['rmdir of .', (fs) => sys.rmdir(fs, '/dir/.'), 'EINVAL'],
    ['rmdir of ..', (fs) => sys.rmdir(fs, '/dir/inner/..'), 'ENOTEMPTY'],
    ['rename of what is missing', (fs) => sys.rename(fs, '/none', '/x'), 'ENOENT'],
    ['rename into a missing directory', (fs) => sys.rename(fs, '/file', '/none/x'), 'ENOENT'],
    ['rename of a file to itself', (fs) => sys.rename(fs, '/file', '/file'), 'ok'],
    ['rename of a file onto a directory', (fs) => sys.rename(fs, '/file', '/empty'), 'EISDIR'],
    ['rename of a directory onto a file', (fs) => sys.rename(fs, '/dir', '/file'), 'ENOTDIR'],
    ['rename onto a directory with names', (fs) => sys.rename(fs, '/empty', '/dir'), 'ENOTEMPTY'],
    ['rename onto an empty directory', (fs) => sys.rename(fs, '/dir', '/empty'), 'ok'],
    ['rename of a directory into itself', (fs) => sys.rename(fs, '/dir', '/dir/x'), 'EINVAL'],
    ['rename of a directory far into itself', (fs) => sys.rename(fs, '/dir', '/dir/inner/x'), 'EINVAL'],
    ['rename onto an ancestor', (fs) => sys.rename(fs, '/dir/inner', '/dir'), 'ENOTEMPTY'],
    ['rename of the root', (fs) => sys.rename(fs, '/', '/x'), 'EBUSY'],
    ['rename to ..', (fs) => sys.rename(fs, '/file', '/dir/..'), 'EBUSY'],
    ['rename of a file to a name with a slash', (fs) => sys.rename(fs, '/file', '/x/'), 'ENOTDIR'],
    ['truncate of a directory', (fs) => sys.truncate(fs, '/dir', 0), 'EISDIR'],
    ['truncate to a negative size', (fs) => sys.truncate(fs, '/file', -1), 'EINVAL'],
    ['truncate to more than a file can be', (fs) => sys.truncate(fs, '/file', Number.MAX_SAFE_INTEGER), 'EFBIG'],
    ['write further out than a file can be', (fs) => sys.write(fs, '/file', 2 ** 60, new Uint8Array(1)), 'EFBIG'],
    ['read further out than a file can be', (fs) => sys.read(fs, '/file', 2 ** 60, 1), 'ok'],
    ['truncate of what is missing', (fs) => sys.truncate(fs, '/none', 0), 'ENOENT'],
    ['fsync of a directory', (fs) => sys.fsync(fs, '/dir'), 'ok'],
    ['fsync of a closed handle', (fs) => sys.fsync(fs, 3), 'EBADF'],
    ['close of a closed handle', (fs) => sys.close(fs, 0), 'EBADF'],
  ])('%s', (_, operation, errno) => {
    const scratch = populated();
    expect(scratch.outcome(operation(scratch.fs))).toBe(errno);
    expectClean(scratch);
  });

  test('reads and writes', () => {
    const scratch = populated();
    const { fs } = scratch;
    const bytes = new Uint8Array(4096);
    expect(scratch.outcome(sys.read(fs, '/dir', 0, 1))).toBe('EISDIR');
    expect(scratch.outcome(sys.write(fs, '/dir', 0, bytes))).toBe('EISDIR');
    expect(scratch.outcome(sys.write(fs, '/none', 0, bytes))).toBe('ENOENT');
    expect(scratch.outcome(sys.write(fs, '/file', Number.MAX_SAFE_INTEGER - 100, bytes))).toBe('EFBIG');
    expect(scratch.outcome(sys.write(fs, '/file', 100, bytes, { direct: true }))).toBe('EINVAL');
    expect(scratch.outcome(sys.write(fs, '/file', 0, bytes.subarray(1), { direct: true }))).toBe('EINVAL');
    expect(scratch.outcome(sys.read(fs, '/file', 512, 4096, { direct: true }))).toBe('EINVAL');
    expect(scratch.outcome(sys.read(fs, '/file', -1, 10))).toBe('EINVAL');
    expect(scratch.run(sys.read(fs, '/file', 8 * KIB, 4096))).toHaveLength(0);
    expect(scratch.run(sys.read(fs, '/file', 4 * KIB, 8 * KIB, { direct: true }))).toHaveLength(4 * KIB);
    expect(scratch.outcome(sys.open(fs, '/dir', { create: true }))).toBe('EISDIR');
    expect(scratch.outcome(sys.open(fs, '/file', { create: true, exclusive: true }))).toBe('EEXIST');
    expect(scratch.outcome(sys.open(fs, '/none'))).toBe('ENOENT');
    expectClean(scratch);
  });
});

describe('data', () => {
  test('what a direct write wrote is there after a remount', () => {
    const scratch = new ScratchFilesystem();
    scratch.run(sys.create(scratch.fs, '/a'));
    const bytes = pattern(32 * KIB);
    expect(scratch.run(sys.write(scratch.fs, '/a', 0, bytes, { direct: true }))).toBe(bytes.length);
    expect(scratch.run(sys.read(scratch.fs, '/a', 0, 64 * KIB, { direct: true }))).toEqual(bytes);
    scratch.remount();
    expect(scratch.run(sys.read(scratch.fs, '/a', 0, 64 * KIB))).toEqual(bytes);
    expect(scratch.run(sys.read(scratch.fs, '/a', 4096, 8192, { direct: true }))).toEqual(bytes.subarray(4096, 12288));
    expectClean(scratch);
  });

  test('bytes beyond the end never come back when a file shrinks and grows', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    for (const settle of ['nothing', 'sync', 'remount', 'caches'] as const) {
      const path = `/${settle}`;
      scratch.run(sys.create(scratch.fs, path));
      scratch.run(sys.write(scratch.fs, path, 0, pattern(10_000)));
      scratch.run(sys.fsync(scratch.fs, path));
      scratch.run(sys.truncate(scratch.fs, path, 5_000));
      if (settle === 'sync') scratch.run(sys.sync(scratch.fs));
      if (settle === 'remount') scratch.remount();
      if (settle === 'caches') scratch.run(sys.dropCaches(fs));
      scratch.run(sys.truncate(scratch.fs, path, 9_000));
      const expected = new Uint8Array(9_000);
      expected.set(pattern(10_000).subarray(0, 5_000));
      expect(scratch.run(sys.read(scratch.fs, path, 0, 20_000))).toEqual(expected);
      scratch.remount();
      expect(scratch.run(sys.read(scratch.fs, path, 0, 20_000))).toEqual(expected);
    }
    expectClean(scratch);
  });

  test('a file that was cut and then lost its power grows without showing old bytes', () => {
    const scratch = new ScratchFilesystem();
    scratch.run(sys.create(scratch.fs, '/a'));
    scratch.run(sys.write(scratch.fs, '/a', 0, pattern(4096)));
    scratch.run(sys.fsync(scratch.fs, '/a'));
    scratch.run(sys.truncate(scratch.fs, '/a', 100));
    // Another file's fsync commits the truncate, but the zeroed page is still in memory.
    scratch.run(sys.create(scratch.fs, '/b'));
    scratch.run(sys.fsync(scratch.fs, '/b'));
    scratch.crash();
    expect(scratch.run(sys.read(scratch.fs, '/a', 0, 4096))).toEqual(pattern(4096).subarray(0, 100));
    scratch.run(sys.truncate(scratch.fs, '/a', 4096));
    scratch.remount();
    expect(scratch.run(sys.read(scratch.fs, '/a', 100, 4096))).toEqual(new Uint8Array(3996));
    expectClean(scratch);
  });

  test('a hole reads as zeros and has no extent', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    scratch.run(sys.create(fs, '/a'));
    scratch.run(sys.write(fs, '/a', 64 * KIB, pattern(4096), { direct: true }));
    expect(scratch.run(sys.read(fs, '/a', 0, 64 * KIB))).toEqual(new Uint8Array(64 * KIB));
    expect(scratch.run(sys.read(fs, '/a', 60 * KIB, 4 * KIB, { direct: true }))).toEqual(new Uint8Array(4 * KIB));
    expect(scratch.run(sys.fiemap(fs, '/a'))).toEqual([
      { logical: 64 * KIB, physical: expect.any(Number), length: 4 * KIB, flags: ['LAST'] },
    ]);
    expect(scratch.run(sys.stat(fs, '/a')).allocatedBytes).toBe(4 * KIB);
    expectClean(scratch);
  });

  test('what takes the place of other contents is written out: renamed over a file, or closed after a cut to nothing', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    const isPlaced = (path: string) =>
      scratch.run(sys.fiemap(fs, path)).every(({ flags }) => !flags.includes('DELALLOC'));
    for (const path of ['/old', '/new', '/cut', '/kept']) {
      scratch.run(sys.create(fs, path));
      if (path !== '/cut') scratch.run(sys.write(fs, path, 0, new Uint8Array(9000).fill(1)));
    }
    expect(isPlaced('/new')).toBe(false);
    scratch.run(sys.rename(fs, '/new', '/nothing'));
    expect(isPlaced('/nothing')).toBe(false);
    scratch.run(sys.rename(fs, '/nothing', '/old'));
    expect(isPlaced('/old')).toBe(true);

    const cut = scratch.run(sys.open(fs, '/cut', { truncate: true }));
    scratch.run(sys.write(fs, cut, 0, new Uint8Array(9000).fill(2)));
    const whole = scratch.run(sys.open(fs, '/kept'));
    for (const handle of [cut, whole]) scratch.run(sys.close(fs, handle));
    expect([isPlaced('/cut'), isPlaced('/kept')]).toEqual([true, false]);
  });

  test('fiemap reports delayed allocation, and with sync where the data went', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    scratch.run(sys.create(fs, '/a'));
    scratch.run(sys.write(fs, '/a', 0, pattern(10_000)));
    expect(scratch.run(sys.fiemap(fs, '/a'))).toEqual([
      { logical: 0, physical: 0, length: 12 * KIB, flags: ['LAST', 'UNKNOWN', 'DELALLOC'] },
    ]);
    const [extent, ...others] = scratch.run(sys.fiemap(fs, '/a', { sync: true }));
    expect([extent!.length, extent!.flags, others]).toEqual([12 * KIB, ['LAST'], []]);
    expect(extent!.physical).toBeGreaterThan(0);
    expectClean(scratch);
  });

  test('overwriting the middle of an extent splits its item and keeps both ends', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    scratch.run(sys.create(fs, '/a'));
    const bytes = pattern(32 * KIB);
    scratch.run(sys.write(fs, '/a', 0, pattern(32 * KIB), { direct: true }));
    scratch.run(sys.write(fs, '/a', 8 * KIB, pattern(8 * KIB, 99), { direct: true }));
    bytes.set(pattern(8 * KIB, 99), 8 * KIB);
    expect(scratch.run(sys.fiemap(fs, '/a'))).toHaveLength(3);
    expect(scratch.run(sys.stat(fs, '/a')).allocatedBytes).toBe(32 * KIB);
    scratch.remount();
    expect(scratch.run(sys.read(scratch.fs, '/a', 0, 32 * KIB))).toEqual(bytes);
    expectClean(scratch);
  });

  test('an appending handle writes at the end whatever the offset', () => {
    const scratch = populated();
    const { fs } = scratch;
    const handle = scratch.run(sys.open(fs, '/file', { append: true }));
    scratch.run(sys.write(fs, handle, 0, pattern(10, 5)));
    expect(scratch.run(sys.stat(fs, handle)).size).toBe(8 * KIB + 10);
    expect(scratch.run(sys.read(fs, handle, 8 * KIB, 100))).toEqual(pattern(10, 5));
    scratch.run(sys.close(fs, handle));
    expectClean(scratch);
  });

  test('a damaged sector is EIO, and its neighbours are not', () => {
    const scratch = new ScratchFilesystem();
    scratch.run(sys.create(scratch.fs, '/a'));
    scratch.run(sys.write(scratch.fs, '/a', 0, pattern(12 * KIB), { direct: true }));
    scratch.remount();
    const device = scratch.world.devices[0]!;
    const victim = [...device.blocks].find(
      ([, block]) => Buffer.compare(block, pattern(12 * KIB).subarray(4096, 8192)) === 0,
    )!;
    device.write(victim[0] * 4096, new Uint8Array(4096));
    for (const direct of [true, false]) {
      expect(scratch.outcome(sys.read(scratch.fs, '/a', 4096, 4096, { direct }))).toBe('EIO');
      expect(scratch.run(sys.read(scratch.fs, '/a', 8192, 4096, { direct }))).toEqual(pattern(12 * KIB).subarray(8192));
    }
  });
});

describe('names', () => {
  test('names with the same hash live in one item', () => {
    const seen = new Map<number, string>();
    const pair: string[] = [];
    for (let i = 0; pair.length === 0; i++) {
      const name = `name-${i.toString(36)}-${(i * 7919) % 1009}`;
      const other = seen.get(nameHash(Buffer.from(name)));
      if (other !== undefined) pair.push(other, name);
      seen.set(nameHash(Buffer.from(name)), name);
    }
    const scratch = new ScratchFilesystem();
    for (const name of pair) scratch.run(sys.create(scratch.fs, name));
    scratch.run(sys.write(scratch.fs, pair[1]!, 0, pattern(100)));
    scratch.remount();
    expect(scratch.run(sys.readdir(scratch.fs, '/')).map((name) => Buffer.from(name).toString())).toEqual(pair);
    scratch.run(sys.unlink(scratch.fs, pair[0]!));
    expect(scratch.run(sys.read(scratch.fs, pair[1]!, 0, 200))).toEqual(pattern(100));
    scratch.run(sys.rename(scratch.fs, pair[1]!, pair[0]!));
    expect(scratch.run(sys.read(scratch.fs, pair[0]!, 0, 200))).toEqual(pattern(100));
    expectClean(scratch);
  });

  test('a name may be any bytes', () => {
    const scratch = new ScratchFilesystem();
    const name = Uint8Array.of(0x2f, 0xff, 0xfe, 0x80);
    scratch.run(sys.create(scratch.fs, name));
    expect(scratch.run(sys.readdir(scratch.fs, '/'))).toEqual([name.subarray(1)]);
    expectClean(scratch);
  });

  test('a file that is open outlives its name, and a crash frees it', () => {
    const scratch = populated();
    const handle = scratch.run(sys.open(scratch.fs, '/file'));
    scratch.run(sys.fsync(scratch.fs, handle));
    scratch.run(sys.unlink(scratch.fs, '/file'));
    expect(scratch.run(sys.stat(scratch.fs, handle)).links).toBe(0);
    expect(scratch.run(sys.read(scratch.fs, handle, 0, 8 * KIB))).toEqual(pattern(8 * KIB));
    scratch.run(sys.sync(scratch.fs));
    expect(scratch.outcome(sys.stat(scratch.fs, '/file'))).toBe('ENOENT');
    if (hasBtrfsCheck) expect(btrfsCheck(scratch)).toBe('clean');
    scratch.crash();
    expectClean(scratch);
  });

  test('the last close of an unlinked file removes its items', () => {
    const scratch = populated();
    const { fs } = scratch;
    const handle = scratch.run(sys.open(fs, '/file'));
    scratch.run(sys.unlink(fs, '/file'));
    scratch.run(sys.write(fs, handle, 0, pattern(20_000, 3)));
    scratch.run(sys.close(fs, handle));
    expectClean(scratch);
  });

  test('a file system with open files is busy', () => {
    const scratch = populated();
    scratch.run(sys.open(scratch.fs, '/file'));
    expect(() => scratch.unmount()).toThrow('EBUSY');
  });

  test('a thousand names in a directory come and go', () => {
    const scratch = new ScratchFilesystem();
    const { fs } = scratch;
    for (let i = 0; i < 1000; i++) scratch.run(sys.create(fs, `/file-number-${i}`));
    for (let i = 0; i < 1000; i += 3) scratch.run(sys.unlink(fs, `/file-number-${i}`));
    for (let i = 1; i < 1000; i += 3) scratch.run(sys.rename(fs, `/file-number-${i}`, `/renamed-${i}`));
    expect(scratch.run(sys.readdir(fs, '/'))).toHaveLength(666);
    expectClean(scratch);
  });
});

describe('when the disk says no', () => {
  test('a failed direct write is EIO, leaves the old bytes and a clean image', () => {
    const scratch = populated();
    const { fs } = scratch;
    scratch.run(sys.fsync(fs, '/file'));
    scratch.world.ioFailure = (request) =>
      request.operation === 'write' && request.purpose.kind === 'data' ? 'EIO' : null;
    expect(scratch.outcome(sys.write(fs, '/file', 4096, pattern(4096, 9), { direct: true }))).toBe('EIO');
    scratch.world.ioFailure = () => null;
    expect(scratch.run(sys.read(fs, '/file', 0, 8 * KIB))).toEqual(pattern(8 * KIB));
    expectClean(scratch);
  });

  test('a failed writeback is reported by the next fsync, once', () => {
    const scratch = populated();
    const { fs } = scratch;
    scratch.run(sys.fsync(fs, '/file'));
    scratch.world.ioFailure = (request) =>
      request.operation === 'write' && request.purpose.kind === 'data' ? 'EIO' : null;
    const handle = scratch.run(sys.open(fs, '/file'));
    scratch.run(sys.write(fs, handle, 0, pattern(4096, 9)));
    expect(scratch.outcome(sys.fsync(fs, handle))).toBe('EIO');
    scratch.world.ioFailure = () => null;
    expect(scratch.outcome(sys.fsync(fs, handle))).toBe('ok');
    expect(scratch.run(sys.read(fs, handle, 0, 8 * KIB))).toEqual(pattern(8 * KIB));
    scratch.run(sys.close(fs, handle));
    expectClean(scratch);
  });

  test('a full disk is ENOSPC, and what is freed can be used again', () => {
    const scratch = new ScratchFilesystem({ dataBytes: 1 * MIB });
    const { fs } = scratch;
    scratch.run(sys.create(fs, '/a'));
    let size = 0;
    let outcome = 'ok';
    while (outcome === 'ok') {
      outcome = scratch.outcome(sys.write(fs, '/a', size, pattern(64 * KIB), { direct: true }));
      if (outcome === 'ok') size += 64 * KIB;
      expect(size).toBeLessThan(16 * MIB);
    }
    expect(outcome).toBe('ENOSPC');
    expect(scratch.outcome(sys.write(fs, '/a', size, pattern(128 * KIB)))).toBe('ENOSPC');
    scratch.run(sys.truncate(fs, '/a', 0));
    expect(scratch.outcome(sys.write(fs, '/a', 0, pattern(64 * KIB)))).toBe('ok');
    expect(scratch.outcome(sys.fsync(fs, '/a'))).toBe('ok');
    expectClean(scratch);
  });

  test('an allocation of an extent map that fails is ENOMEM, and the next try works', () => {
    const scratch = populated();
    scratch.remount();
    scratch.world.failure = (site) => (site === 'extent-map-allocation' ? 'ENOMEM' : null);
    expect(scratch.outcome(sys.read(scratch.fs, '/file', 0, 10))).toBe('ENOMEM');
    scratch.world.failure = () => null;
    expect(scratch.run(sys.read(scratch.fs, '/file', 0, 8 * KIB))).toEqual(pattern(8 * KIB));
    expectClean(scratch);
  });

  test('a split extent map that cannot be allocated costs nothing but the map', () => {
    const scratch = populated();
    const { fs } = scratch;
    scratch.run(sys.fsync(fs, '/file'));
    scratch.world.failure = (site) => (site === 'split-extent-map' ? 'ENOMEM' : null);
    scratch.run(sys.write(fs, '/file', 4096, pattern(4096, 9), { direct: true }));
    const expected = pattern(8 * KIB);
    expected.set(pattern(4096, 9), 4096);
    expect(scratch.run(sys.read(fs, '/file', 0, 8 * KIB))).toEqual(expected);
    expectClean(scratch);
  });
});

test('a read-only mount refuses every change', () => {
  const scratch = populated();
  scratch.unmount();
  const readOnly = new ScratchFilesystem({}, { fixes: allFixes(), readOnly: true });
  expect(readOnly.outcome(sys.mkdir(readOnly.fs, '/x'))).toBe('EROFS');
  expect(readOnly.outcome(sys.create(readOnly.fs, '/x'))).toBe('EROFS');
  expect(readOnly.run(sys.readdir(readOnly.fs, '/'))).toEqual([]);
});
