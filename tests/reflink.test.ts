import { expect, test } from 'vitest';
import { FsError } from '../src/fs/errors.ts';
import * as sys from '../src/fs/syscalls.ts';
import type { Task } from '../src/task/task.ts';
import { btrfsCheck, hasBtrfsCheck, ScratchFilesystem } from './support/scratch-filesystem.ts';
import { complaintsAbout } from './support/scratch-image.ts';

const K = 4096;

/** A file system, and short words for what the tests do to it. */
class Bench {
  readonly scratch = new ScratchFilesystem();

  get fs() {
    return this.scratch.fs;
  }

  make(name: string, length: number, fill = 1, options: sys.CreateOptions = {}): void {
    this.scratch.run(sys.create(this.fs, name, options));
    if (length > 0) this.put(name, 0, length, fill);
  }

  put(name: string, offset: number, length: number, fill = 1): void {
    const bytes = Uint8Array.from({ length }, (_, index) => (fill + index * 7 + (index >> 12)) & 255);
    this.scratch.run(sys.write(this.fs, name, offset, bytes));
  }

  /** What the operation returns, or its errno. */
  answer<T>(task: Task<T>): T | string {
    try {
      return this.scratch.run(task);
    } catch (error) {
      if (error instanceof FsError) return error.code;
      throw error;
    }
  }

  clone(source: string, target: string, sourceOffset = 0, length = 0, targetOffset = 0): string {
    return this.answer(sys.reflink(this.fs, source, target, { sourceOffset, length, targetOffset })) ?? 'ok';
  }

  dedupe(source: string, sourceOffset: number, length: number, target: string, targetOffset: number): number | string {
    return this.answer(sys.dedupe(this.fs, source, sourceOffset, length, target, targetOffset));
  }

  copy(source: string, sourceOffset: number, target: string, targetOffset: number, length: number): number | string {
    return this.answer(sys.copyRange(this.fs, source, sourceOffset, target, targetOffset, length));
  }

  read(name: string): Uint8Array {
    return this.scratch.run(sys.read(this.fs, name, 0, 1 << 24));
  }

  size(name: string): number {
    return this.scratch.run(sys.stat(this.fs, name)).size;
  }

  /** Where each block of the file lies on disk; null for none. */
  places(name: string): (number | null)[] {
    const places: (number | null)[] = [];
    for (const { logical, physical, length } of this.scratch.run(sys.fiemap(this.fs, name, { sync: true }))) {
      for (let at = 0; at < length; at += K) {
        while (places.length < (logical + at) / K) places.push(null);
        places.push(physical + at);
      }
    }
    return places;
  }

  /** Unmounts; the image must be clean to all judges that are here. */
  finish(): void {
    this.scratch.unmount();

    expect(complaintsAbout(this.scratch)).toEqual([]);
    if (hasBtrfsCheck) expect(btrfsCheck(this.scratch)).toBe('clean');
  }
}

// Measured with Linux 6.18 by FICLONERANGE.
test('a reflink is refused and accepted as Linux does', () => {
  const bench = new Bench();
  bench.make('a', 4 * K + 40);
  bench.make('b', 0);
  bench.make('c', 10 * K);
  expect([
    bench.clone('a', 'b'),
    bench.clone('a', 'b', 4 * K + 40, K),
    bench.clone('a', 'b', 256 * K, K),
    bench.clone('a', 'b', 4 * K + 40, 0),
    bench.clone('a', 'b', 5 * K, 0),
    bench.clone('a', 'b', 0, 256 * K),
    bench.clone('a', 'b', 1, K),
    bench.clone('a', 'b', 0, K, 1),
    bench.clone('a', 'b', 0, K + 1),
    bench.clone('a', 'b', 4 * K, 40, 8 * K),
    bench.clone('a', 'c', 4 * K, 40),
    bench.clone('a', 'c', 4 * K, 0),
    bench.clone('a', 'c'),
    bench.clone('a', 'c', 4 * K, 40, 10 * K),
    bench.clone('a', 'c', 4 * K, 40, 10 * K),
    bench.clone('c', 'c', 0, 4 * K, 2 * K),
    bench.clone('c', 'c', 0, 4 * K, 4 * K),
    bench.clone('c', 'c', 0, 4 * K),
    bench.clone('c', 'c'),
  ]).toEqual(
    'ok EINVAL EINVAL ok EINVAL EINVAL EINVAL EINVAL EINVAL ok EINVAL EINVAL EINVAL ok ok EINVAL ok EINVAL EINVAL'.split(
      ' ',
    ),
  );
  expect([bench.size('b'), bench.size('c')]).toEqual([8 * K + 40, 10 * K + 40]);
  bench.scratch.run(sys.mkdir(bench.fs, 'dir'));
  bench.make('in place', 4 * K, 1, { nodatacow: true });
  bench.make('in place too', 0, 1, { nodatacow: true });
  bench.make('empty', 0);
  expect([
    bench.clone('dir', 'a'),
    bench.clone('a', 'dir'),
    bench.clone('a', 'in place'),
    bench.clone('in place', 'b'),
    bench.clone('in place', 'in place too'),
    bench.clone('empty', 'a'),
    bench.clone('empty', 'a', 0, K),
  ]).toEqual(['EISDIR', 'EISDIR', 'EINVAL', 'EINVAL', 'ok', 'ok', 'EINVAL']);
  bench.finish();
});

test('a reflink shares the place on disk, and a later write to either file is seen in that file only', () => {
  const bench = new Bench();
  bench.make('a', 16 * K);
  bench.make('b', 0);
  bench.clone('a', 'b');
  const before = bench.read('a').slice();
  expect(bench.places('b')).toEqual(bench.places('a'));
  bench.put('b', 2 * K, K, 99);
  bench.put('a', 5 * K, 10, 98);
  expect(bench.read('a').subarray(0, 5 * K)).toEqual(before.subarray(0, 5 * K));
  expect(bench.read('b').subarray(3 * K)).toEqual(before.subarray(3 * K));
  const moved = bench.places('a').flatMap((place, index) => (place === bench.places('b')[index] ? [] : [index]));
  expect(moved).toEqual([2, 5]);
  bench.scratch.run(sys.unlink(bench.fs, 'a'));
  bench.scratch.remount();
  expect(bench.read('b').subarray(3 * K)).toEqual(before.subarray(3 * K));
  bench.finish();
});

test('data that files overwrite in place is copied while another file shares it, also before any commit', () => {
  const bench = new Bench();
  bench.make('a', 8 * K, 1, { nodatacow: true });
  bench.make('b', 0, 1, { nodatacow: true });
  const before = bench.read('a').slice();
  const own = bench.places('a');
  bench.put('a', 0, K, 50);
  expect(bench.places('a')).toEqual(own);
  bench.clone('a', 'b', K, 2 * K, K);
  bench.put('a', K, K, 51);
  expect(bench.places('a')[1]).not.toBe(own[1]);
  expect(bench.read('b').subarray(K, 3 * K)).toEqual(before.subarray(K, 3 * K));
  bench.scratch.run(sys.unlink(bench.fs, 'b'));
  bench.scratch.run(sys.sync(bench.fs));
  const alone = bench.places('a');
  bench.put('a', 2 * K, K, 52);
  expect(bench.places('a')).toEqual(alone);
  bench.finish();
});

test('holes and preallocated space of the source come with it; what the target had there goes', () => {
  const bench = new Bench();
  bench.make('a', K);
  bench.put('a', 8 * K, K, 3);
  bench.scratch.run(sys.fallocate(bench.fs, 'a', 12 * K, 4 * K));
  bench.make('b', 20 * K, 9);
  expect(bench.clone('a', 'b')).toBe('ok');
  expect(bench.read('b').subarray(0, 16 * K)).toEqual(bench.read('a'));
  expect(bench.places('b').slice(0, 16)).toEqual(bench.places('a'));
  expect(bench.scratch.run(sys.stat(bench.fs, 'b')).allocatedBytes).toBe(10 * K);
  // Shared space without data is not written in place either.
  bench.put('a', 12 * K, K, 4);
  expect(bench.read('b').subarray(12 * K, 13 * K)).toEqual(new Uint8Array(K));
  bench.finish();
});

// As Linux 6.18 says of the same files.
test('fiemap says which extents are shared, before the commit and after, and no longer once they are not', () => {
  const bench = new Bench();
  const flags = (name: string) =>
    bench.scratch
      .run(sys.fiemap(bench.fs, name, { sync: true }))
      .map(({ logical, length, flags }) => `${logical / K}+${length / K} ${flags.join(' ')}`.trim());
  bench.make('a', 8 * K);
  bench.scratch.run(sys.sync(bench.fs));
  bench.put('a', 2 * K, K, 2);
  expect(flags('a')).toEqual(['0+2', '2+1', '3+5 LAST']);
  bench.make('b', 0);
  bench.clone('a', 'b', 0, K);
  for (let round = 0; round < 2; round++) {
    expect(flags('a')).toEqual(['0+2 SHARED', '2+1', '3+5 LAST SHARED']);
    expect(flags('b')).toEqual(['0+1 LAST SHARED']);
    bench.scratch.run(sys.sync(bench.fs));
  }
  bench.scratch.run(sys.unlink(bench.fs, 'b'));
  expect(flags('a')).toEqual(['0+2', '2+1', '3+5 LAST']);
  bench.make('self', 4 * K);
  bench.clone('self', 'self', 0, 4 * K, 4 * K);
  expect(flags('self')).toEqual(['0+4 SHARED', '4+4 LAST SHARED']);
  bench.finish();
});

// As Linux 6.18: what is flushed together is one extent, and an extent is shared as a whole.
test('a reflink writes out all of its source first, also when it is refused, and of its target the dirty run to its end', () => {
  const bench = new Bench();
  const sharing = (name: string) =>
    bench.scratch
      .run(sys.fiemap(bench.fs, name, { sync: true }))
      .map(({ logical, length, flags }) => `${logical / K}+${length / K}${flags.includes('SHARED') ? ' shared' : ''}`);
  bench.make('source', 10 * K);
  bench.make('target', 0);
  expect(bench.clone('source', 'target', 4 * K, K)).toBe('ok');
  expect(sharing('source')).toEqual(['0+10 shared']);

  bench.make('refused', 10 * K);
  expect(bench.clone('refused', 'target', 1, K)).toBe('EINVAL');
  const delayed = bench.scratch.run(sys.fiemap(bench.fs, 'refused')).filter(({ flags }) => flags.includes('DELALLOC'));
  expect(delayed).toEqual([]);

  bench.make('run', 10 * K);
  expect(bench.clone('source', 'run', 0, K, 4 * K)).toBe('ok');
  const placed = bench.scratch.run(sys.fiemap(bench.fs, 'run')).filter(({ flags }) => !flags.includes('DELALLOC'));
  expect(placed.map(({ logical, length }) => [logical / K, length / K])).toEqual([
    [4, 1],
    [5, 5],
  ]);
});

test('one extent takes thousands of references, in its item and behind it, and loses them again', () => {
  const bench = new Bench();
  bench.make('a', K, 5);
  bench.make('many', 0);
  for (let index = 0; index < 1500; index++) expect(bench.clone('a', 'many', 0, K, index * K)).toBe('ok');
  bench.scratch.remount();
  expect(new Set(bench.places('many'))).toEqual(new Set(bench.places('a')));
  expect(complaintsAbout(bench.scratch)).toEqual([]);
  bench.put('many', 100 * K, 300 * K, 8);
  bench.scratch.run(sys.truncate(bench.fs, 'many', 900 * K));
  bench.scratch.run(sys.sync(bench.fs));
  expect(bench.read('many').subarray(500 * K, 501 * K)).toEqual(bench.read('a'));
  bench.finish();
});

test('handles must be open to read the source and to write the target, not to append; a dedupe asks less of the target', () => {
  const bench = new Bench();
  bench.make('a', 2 * K);
  bench.make('b', 2 * K);
  const { fs, scratch } = bench;
  const reading = scratch.run(sys.open(fs, 'b', { read: true, write: false }));
  const writing = scratch.run(sys.open(fs, 'a', { read: false, write: true }));
  const appending = scratch.run(sys.open(fs, 'b', { append: true }));
  const tasks: Task<unknown>[] = [
    sys.reflink(fs, 'a', reading),
    sys.reflink(fs, writing, 'b'),
    sys.reflink(fs, 'a', appending),
    sys.copyRange(fs, 'a', 0, reading, 0, K),
    sys.copyRange(fs, writing, 0, 'b', 0, K),
    sys.copyRange(fs, 'a', 0, appending, 0, K),
    sys.dedupe(fs, writing, 0, K, 'b', 0),
    sys.dedupe(fs, 'a', 0, K, reading, 0),
    sys.dedupe(fs, 'a', 0, K, appending, K),
  ];
  expect(tasks.map((task) => bench.answer(task))).toEqual([
    'EBADF',
    'EBADF',
    'EBADF',
    'EBADF',
    'EBADF',
    'EBADF',
    'EINVAL',
    K,
    'differs',
  ]);
  for (const handle of [reading, writing, appending]) scratch.run(sys.close(fs, handle));
  bench.finish();
});

// Measured with Linux 6.18 by FIDEDUPERANGE.
test('a dedupe answers as Linux does and changes no time', () => {
  const bench = new Bench();
  bench.make('s', 0);
  bench.make('t', 0);
  bench.make('u', 0);
  const same = new Uint8Array(8 * K + 100).fill(5);
  for (const name of ['s', 't']) bench.scratch.run(sys.write(bench.fs, name, 0, same));
  bench.scratch.run(sys.write(bench.fs, 'u', 0, same.subarray(0, 8 * K)));
  bench.scratch.run(sys.write(bench.fs, 'u', 3 * K, new Uint8Array(K).fill(6)));
  let now = 0;
  bench.scratch.world.now = () => ++now;
  bench.scratch.run(sys.sync(bench.fs));
  const before = bench.scratch.run(sys.stat(bench.fs, 't'));
  expect(bench.dedupe('s', 0, 8 * K + 100, 't', 0)).toBe(8 * K + 100);
  expect(bench.scratch.run(sys.stat(bench.fs, 't'))).toEqual(before);
  expect(bench.places('t')).toEqual(bench.places('s'));
  expect([
    bench.dedupe('s', 0, 8 * K, 'u', 0),
    bench.dedupe('s', 0, 3 * K, 'u', 0),
    bench.dedupe('s', 1, K, 'u', 0),
    bench.dedupe('s', 0, K, 'u', 1),
    bench.dedupe('s', 0, K + 1, 'u', 0),
    bench.dedupe('s', 0, 100, 'u', 0),
    bench.dedupe('s', 0, 0, 'u', 0),
    bench.dedupe('s', 8 * K, 2 * K, 'u', 0),
    bench.dedupe('s', 0, 2 * K, 'u', 7 * K),
    bench.dedupe('s', 0, K, 'u', 64 * K),
    bench.dedupe('s', 8 * K, 100, 's', 0),
    bench.dedupe('s', 8 * K, 100, 't', 8 * K),
    bench.dedupe('s', 0, 4 * K, 's', 2 * K),
    bench.dedupe('s', 0, 4 * K, 's', 0),
    bench.dedupe('s', 0, 4 * K, 's', 4 * K),
  ]).toEqual([
    'differs',
    3 * K,
    'EINVAL',
    'EINVAL',
    K + 1,
    100,
    0,
    'EINVAL',
    'EINVAL',
    'EINVAL',
    100,
    100,
    'EINVAL',
    'EINVAL',
    4 * K,
  ]);
  expect(bench.places('u')[1]).toBe(bench.places('s')[1]);
  bench.finish();
});

// Measured with Linux 6.18 by copy_file_range(2).
test('copy_file_range shares what it can, shortens to whole blocks, and copies the rest', () => {
  const bench = new Bench();
  bench.make('v', 4 * K);
  bench.make('x', 0);
  bench.make('y', 2 * K + 100);
  bench.make('z', 8 * K, 60);
  expect(bench.copy('v', 0, 'x', 0, 256 * K)).toBe(4 * K);
  expect(bench.places('x')).toEqual(bench.places('v'));
  expect([
    bench.copy('v', 1, 'x', 5, 100),
    bench.copy('v', 4 * K, 'x', 0, 10),
    bench.copy('v', 5 * K, 'x', 0, 10),
    bench.copy('v', 0, 'x', 0, 0),
    bench.copy('v', 0, 'x', 100, 2 * K),
    bench.copy('v', 0, 'v', K, 2 * K),
    bench.copy('v', 0, 'v', 2 * K, 2 * K),
    bench.copy('v', 0, 'v', 0, K),
    bench.copy('v', 0, 'v', 4 * K, 256 * K),
    bench.copy('y', 0, 'z', 0, 256 * K),
    bench.copy('y', 0, 'z', 0, 100),
  ]).toEqual([100, 0, 0, 0, 2 * K, 'EINVAL', 2 * K, 'EINVAL', 4 * K, 2 * K, 100]);
  expect(bench.places('z')[1]).toBe(bench.places('y')[1]);
  expect(bench.read('x').subarray(100, 100 + 2 * K)).toEqual(bench.read('v').subarray(0, 2 * K));
  bench.finish();
});
