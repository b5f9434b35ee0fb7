import { expect, test } from 'vitest';
import { viewOf } from '../src/base/bytes.ts';
import { KIB, MIB } from '../src/base/units.ts';
import { FsError } from '../src/fs/errors.ts';
import { walk } from '../src/fs/file/namespace.ts';
import { parsePath } from '../src/fs/file/path.ts';
import type { MountedFilesystem } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import {
  FILE_EXTENT_TYPE,
  fileExtentCompression,
  fileExtentDiskBytenr,
  fileExtentNumBytes,
  fileExtentOffset,
  fileExtentRamBytes,
  fileExtentType,
} from '../src/fs/format/file-extent.ts';
import { KEY_TYPE } from '../src/fs/format/key.ts';
import * as sys from '../src/fs/syscalls.ts';
import { visitItems } from '../src/fs/tree/cursor.ts';
import type { Task } from '../src/task/task.ts';
import { btrfsCheck, hasBtrfsCheck, ScratchFilesystem } from './support/scratch-filesystem.ts';
import { complaintsAbout } from './support/scratch-image.ts';

const K = 4096;
const CHUNKS = { system: MIB, metadata: MIB, data: MIB };

function smallFilesystem(nodeSize: number): ScratchFilesystem {
  const sizes = { systemBytes: MIB, metadataBytes: 2 * MIB, dataBytes: 2 * MIB };
  return new ScratchFilesystem({ devices: [7 * MIB], nodeSize, ...sizes }, { fixes: allFixes(), chunkSizes: CHUNKS });
}

function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (seed * 13 + index * 7 + (index >> 12)) & 255);
}

/** A short write is a program's ENOSPC: its next one fails. */
function* writeAll(fs: MountedFilesystem, path: string, offset: number, bytes: Uint8Array, options = {}): Task<void> {
  const written = yield* sys.write(fs, path, offset, bytes, options);
  if (written < bytes.length) throw new FsError('ENOSPC', `${path}: ${written} of ${bytes.length} bytes`);
}

/** One way of using up space: what is there before, and the step that is repeated. */
interface Filler {
  readonly name: string;
  prepare?(fs: MountedFilesystem): Task<unknown>;
  step(fs: MountedFilesystem, index: number): Task<unknown>;
}

const LONG = 'n'.repeat(180);

const FILLERS: readonly Filler[] = [
  { name: 'create', step: (fs, i) => sys.create(fs, `${LONG}-${i}`) },
  { name: 'mkdir', step: (fs, i) => sys.mkdir(fs, `${LONG}-${i}`) },
  { name: 'symlink', step: (fs, i) => sys.symlink(fs, 't'.repeat(1000), `s${i}`) },
  { name: 'mknod', step: (fs, i) => sys.mknod(fs, `${LONG}-${i}`, { kind: 'fifo' }) },
  { name: 'link', prepare: (fs) => sys.create(fs, 'one'), step: (fs, i) => sys.link(fs, 'one', `${LONG}-${i}`) },
  {
    name: 'setxattr',
    *step(fs, i) {
      if (i % 3 === 0) yield* sys.create(fs, `x${(i / 3) | 0}`);
      yield* sys.setXattr(fs, `x${(i / 3) | 0}`, `user.${i}`, bytesOf(900, i));
    },
  },
  {
    name: 'rename to longer names',
    *step(fs, i) {
      yield* sys.create(fs, `c${i}`);
      yield* sys.rename(fs, `c${i}`, `${LONG}-${i}`);
    },
  },
  {
    name: 'small files',
    *step(fs, i) {
      yield* sys.create(fs, `small${i}`);
      yield* writeAll(fs, `small${i}`, 0, bytesOf(900, i));
      if (i % 20 === 19) yield* sys.sync(fs);
    },
  },
  {
    name: 'write',
    *step(fs, i) {
      yield* sys.create(fs, `w${i}`);
      yield* writeAll(fs, `w${i}`, 0, bytesOf(10 * K + 5, i));
    },
  },
  {
    name: 'direct write',
    *step(fs, i) {
      yield* sys.create(fs, `d${i}`);
      yield* writeAll(fs, `d${i}`, 0, bytesOf(7 * K, i), { direct: true });
    },
  },
  {
    name: 'sparse write',
    prepare: (fs) => sys.create(fs, 'sparse'),
    step: (fs, i) => writeAll(fs, 'sparse', 2 * i * K, bytesOf(K, i)),
  },
  {
    name: 'mapped write',
    *prepare(fs) {
      yield* sys.create(fs, 'mapped');
      yield* sys.truncate(fs, 'mapped', 64 * MIB);
    },
    *step(fs, i) {
      try {
        yield* sys.mapWrite(fs, 'mapped', 3 * i * K, bytesOf(100, i));
      } catch (error) {
        if (error instanceof FsError && error.code === 'EFAULT') throw new FsError('ENOSPC', error.where);
        throw error;
      }
    },
  },
  {
    name: 'fallocate',
    *step(fs, i) {
      yield* sys.create(fs, `f${i}`);
      yield* sys.fallocate(fs, `f${i}`, 0, 5 * K);
    },
  },
  {
    name: 'overwriting',
    *prepare(fs) {
      yield* sys.create(fs, 'kept');
      yield* writeAll(fs, 'kept', 0, bytesOf(1.5 * MIB, 1));
      yield* sys.reflink(fs, 'kept', yield* made(fs, 'shared'));
    },
    step: (fs, i) => writeAll(fs, 'kept', (i % 384) * K, bytesOf(K, i), { direct: i % 2 === 0 }),
  },
  {
    name: 'reflink',
    *prepare(fs) {
      yield* sys.create(fs, 'one');
      yield* writeAll(fs, 'one', 0, bytesOf(32 * K, 1));
      yield* sys.create(fs, 'many');
    },
    step: (fs, i) => sys.reflink(fs, 'one', 'many', { sourceOffset: (i % 30) * K, length: K, targetOffset: 2 * i * K }),
  },
  {
    name: 'copy_file_range',
    *prepare(fs) {
      yield* sys.create(fs, 'one');
      yield* writeAll(fs, 'one', 0, bytesOf(8 * K, 1));
    },
    *step(fs, i) {
      const copied = yield* sys.copyRange(fs, 'one', 1, yield* made(fs, `copy${i}`), 0, 8 * K - 1);
      if (copied < 8 * K - 1) throw new FsError('ENOSPC', `copy${i}: ${copied} bytes`);
    },
  },
];

function* made(fs: MountedFilesystem, path: string): Task<string> {
  yield* sys.create(fs, path);
  return path;
}

/** Repeats the step until there is no space. Returns how often it worked. */
function fill(scratch: ScratchFilesystem, filler: Filler, stepsMax: number): number {
  if (filler.prepare !== undefined) scratch.run(filler.prepare(scratch.fs));
  for (let index = 0; index < stepsMax; index++) {
    const outcome = scratch.outcome(filler.step(scratch.fs, index));
    if (outcome === 'ok') continue;
    expect(outcome).toBe('ENOSPC');
    return index;
  }
  throw new Error(`${filler.name}: never full`);
}

function names(scratch: ScratchFilesystem, directory = '/'): string[] {
  return scratch.run(sys.readdir(scratch.fs, directory)).map((name) => new TextDecoder().decode(name));
}

function removeAll(scratch: ScratchFilesystem): void {
  for (const name of names(scratch)) {
    const { kind } = scratch.run(sys.stat(scratch.fs, name, { follow: false }));
    const task = kind === 'directory' ? sys.rmdir(scratch.fs, name) : sys.unlink(scratch.fs, name);
    expect(`${name} ${scratch.outcome(task)}`).toBe(`${name} ok`);
  }
}

/** The image is what it must be, also to a judge from outside. */
function expectClean(scratch: ScratchFilesystem): void {
  expect(scratch.fs.info.aborted).toBe(null);
  expect(scratch.outcome(sys.sync(scratch.fs))).toBe('ok');
  expect(complaintsAbout(scratch)).toEqual([]);
}

/** What a file's items say of each of its blocks: `d` data or `p` preallocated space with its place, or `.` for none. */
function blocksByItems(scratch: ScratchFilesystem, path: string): string[] {
  const { files } = scratch.fs;
  const inode = scratch.run(walk(files, parsePath(path)));
  const blocks: string[] = [];
  const from = { objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset: 0 };
  const visit = visitItems(files.fs, inode.tree, from, (cursor) => {
    if (!cursor.isAt(inode.number, KEY_TYPE.EXTENT_DATA)) return false;
    const view = viewOf(cursor.data);
    const isInline = fileExtentType(view, 0) === FILE_EXTENT_TYPE.INLINE;
    const length = isInline ? Math.ceil(fileExtentRamBytes(view, 0) / K) * K : fileExtentNumBytes(view, 0);
    const address = isInline ? 0 : fileExtentDiskBytenr(view, 0);
    const isCompressed = fileExtentCompression(view, 0) !== 0;
    for (let at = 0; at < length; at += K) {
      const letter = fileExtentType(view, 0) === FILE_EXTENT_TYPE.PREALLOC ? 'p' : 'd';
      const place = isInline ? 0 : isCompressed ? address : address + fileExtentOffset(view, 0) + at;
      const index = (cursor.offset + at) / K;
      while (blocks.length < index) blocks.push('.');
      blocks[index] = !isInline && address === 0 ? '.' : `${letter}${place}`;
    }
    return true;
  });
  scratch.run(visit);
  files.inodes.put(inode);
  return blocks;
}

function blocksByFiemap(scratch: ScratchFilesystem, path: string): string[] {
  const blocks: string[] = [];
  for (const extent of scratch.run(sys.fiemap(scratch.fs, path, { sync: true }))) {
    const isFixed = extent.flags.includes('ENCODED') || extent.flags.includes('DATA_INLINE');
    for (let at = 0; at < extent.length; at += K) {
      while (blocks.length < (extent.logical + at) / K) blocks.push('.');
      blocks.push(`${extent.flags.includes('UNWRITTEN') ? 'p' : 'd'}${extent.physical + (isFixed ? 0 : at)}`);
    }
  }
  return blocks;
}

/** As SEEK_DATA and SEEK_HOLE lead through the file: true for a block with data. */
function blocksBySeek(scratch: ScratchFilesystem, path: string): boolean[] {
  const { size } = scratch.run(sys.stat(scratch.fs, path));
  const blocks: boolean[] = Array.from({ length: Math.ceil(size / K) }, () => false);
  for (let at = 0; at < size; ) {
    if (scratch.outcome(sys.seek(scratch.fs, path, at, 'data')) === 'ENXIO') break;
    const data = scratch.run(sys.seek(scratch.fs, path, at, 'data'));
    at = scratch.run(sys.seek(scratch.fs, path, data, 'hole'));
    expect(at).toBeGreaterThan(data);
    blocks.fill(true, Math.floor(data / K), Math.ceil(at / K));
  }
  return blocks;
}

/** fiemap, SEEK_DATA and SEEK_HOLE of some of the files say what their extent items say. */
function expectMapsAgree(scratch: ScratchFilesystem): void {
  const all = names(scratch);
  const stride = Math.ceil(all.length / 12);
  for (const name of all.filter((_, index) => index % stride === 0)) {
    if (scratch.run(sys.stat(scratch.fs, name, { follow: false })).kind !== 'file') continue;
    const reported = blocksByFiemap(scratch, name);
    const items = blocksByItems(scratch, name);
    while (items[items.length - 1] === '.') items.pop();
    expect({ name, reported }).toEqual({ name, reported: items });
    const data = blocksBySeek(scratch, name);
    expect({ name, data }).toEqual({ name, data: data.map((_, index) => items[index]?.startsWith('d') ?? false) });
  }
}

// Goal: nobody is refused half way, and who deletes is never refused: every way of writing runs into ENOSPC, twice.
test.each(FILLERS.map((filler, index) => ({ filler, title: filler.name, nodeSize: index % 2 === 0 ? 4096 : 16384 })))(
  '$title until the file system is full: all that was accepted is there, all can be deleted, and as much written again',
  ({ filler, nodeSize }) => {
    const scratch = smallFilesystem(nodeSize);
    const counts: number[] = [];
    for (let round = 0; round < 2; round++) {
      counts.push(fill(scratch, filler, 40_000));
      expectClean(scratch);
      expectMapsAgree(scratch);
      if (round === 0) scratch.remount();
      removeAll(scratch);
      expectClean(scratch);
    }
    expect(Math.min(...counts)).toBeGreaterThan(Math.max(...counts) * 0.9);
    scratch.unmount();
    if (hasBtrfsCheck) expect(btrfsCheck(scratch)).toBe('clean');
  },
  120_000,
);

test.each([4096, 16384])(
  'a file of thousands of extents between those of others is deleted although metadata is full (nodes of %i)',
  (nodeSize) => {
    const scratch = smallFilesystem(nodeSize);
    const files = ['a', 'b', 'c'];
    for (const name of files) scratch.run(sys.create(scratch.fs, name));
    for (let i = 0; i < 600; i++) {
      scratch.run(writeAll(scratch.fs, files[i % 3]!, 2 * i * K, bytesOf(K, i), { direct: true }));
    }
    fill(scratch, FILLERS[0]!, 40_000);
    expectMapsAgree(scratch);
    scratch.run(sys.unlink(scratch.fs, 'b'));
    expectClean(scratch);
    scratch.run(sys.truncate(scratch.fs, 'a', 400 * K));
    expectClean(scratch);
    expectMapsAgree(scratch);
    removeAll(scratch);
    expectClean(scratch);
  },
);

test.each([4096, 16384])(
  'data that was accepted before others filled up metadata finds room for its items (nodes of %i)',
  (nodeSize) => {
    const sizes = { systemBytes: MIB, metadataBytes: 2 * MIB, dataBytes: 24 * MIB };
    const make = { devices: [28 * MIB], nodeSize, ...sizes };
    const scratch = new ScratchFilesystem(make, { fixes: allFixes(), chunkSizes: { ...CHUNKS, metadata: 512 * KIB } });
    let accepted = 0;
    for (let file = 0; file < 20; file++) {
      const name = `scattered${file}`;
      if (scratch.outcome(sys.create(scratch.fs, name)) !== 'ok') break;
      for (let page = 0; page < 240; page++) {
        if (scratch.outcome(writeAll(scratch.fs, name, 2 * page * K, bytesOf(K, page))) !== 'ok') break;
        accepted++;
      }
    }
    fill(scratch, FILLERS[0]!, 40_000);
    expectClean(scratch);
    expect(accepted).toBeGreaterThan(1000);
    let found = 0;
    for (const name of names(scratch).filter((text) => text.startsWith('scattered'))) {
      found += scratch.run(sys.fiemap(scratch.fs, name)).reduce((sum, { length }) => sum + length / K, 0);
    }
    expect(found).toBe(accepted);
    removeAll(scratch);
    expectClean(scratch);
  },
  120_000,
);
