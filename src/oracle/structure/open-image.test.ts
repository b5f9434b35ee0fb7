import { expect, test } from 'vitest';
import { loadFixture } from '../../../tests/support/image-editor.ts';
import { copiesOf, damage, disksWithFiles, MIRRORED, placesOf, SIZE } from '../../../tests/support/judged-disks.ts';
import { openImage } from './open-image.ts';

const reader = openImage([loadFixture('linux-files.img.gz', 64 * 1024 * 1024)])!;
const text = (path: string, offset?: number, length?: number) => {
  const bytes = reader.readFile(path, offset, length);
  return bytes === null ? null : Buffer.from(bytes).toString();
};

test('every path is listed, those in subvolumes and snapshots too', () => {
  const paths = reader.entries().map((entry) => entry.path);
  expect(paths).toContain('/documents/deep/linked');
  expect(paths).toContain('/volume/file-in-the-volume-60');
  expect(paths).toContain('/snapshot/file-in-the-volume-60');
  expect(paths).toHaveLength(new Set(paths).size);
  expect(reader.entries().find((entry) => entry.path === '/documents')?.kind).toBe('directory');
  expect(reader.entries().find((entry) => entry.path === '/fifo')?.kind).toBe('other');
});

test('inline, regular, shared and compressed files read as they were written', () => {
  expect(text('/documents/small-file-number-7')).toBe('small file 7\n');
  expect(text('/regular')).toBe('regular data\n'.repeat(4000).slice(0, 50000));
  expect(text('/clone')).toBe(text('/regular'));
  expect(text('/packed')).toBe('compressible data\n'.repeat(20000).slice(0, 200000));
  expect(text('/nocow')).toBe('no checksums\n'.repeat(2000).slice(0, 20000));
});

test('a snapshot keeps what its source has changed since', () => {
  expect(text('/snapshot/file-in-the-volume-30')).toBe('in the volume 30\n');
  expect(text('/volume/file-in-the-volume-30')).toBe('changed\n');
});

test('holes and preallocated space read as zeroes', () => {
  const sparse = reader.readFile('/sparse')!;
  expect(sparse).toHaveLength(1048576 + 4);
  expect(sparse.subarray(0, 1048576).every((byte) => byte === 0)).toBe(true);
  expect(Buffer.from(sparse.subarray(1048576)).toString()).toBe('end\n');
  const prealloc = reader.readFile('/prealloc')!;
  expect(prealloc).toHaveLength(65536);
  expect(Buffer.from(prealloc.subarray(16384, 16392)).toString()).toBe('written\n');
  expect(prealloc.subarray(0, 16384).every((byte) => byte === 0)).toBe(true);
});

test('a part of a file is that part of the whole', () => {
  for (const path of ['/packed', '/regular', '/prealloc', '/documents/small-file-number-1']) {
    const whole = reader.readFile(path)!;
    for (const [offset, length] of [
      [0, 1],
      [3, 5000],
      [131070, 10],
      [whole.length - 1, 100],
      [whole.length, 5],
    ] as const) {
      expect(reader.readFile(path, offset, length)).toEqual(whole.slice(offset, offset + length));
    }
  }
});

test('file extent items are given as they are on disk', () => {
  const stat = reader.stat('/prealloc')!;
  expect(stat.links).toBe(1);
  const extents = reader.extentsOf(stat.tree, stat.inode)!;
  expect(extents.map(({ start, length, kind, offset }) => [start, length, kind, offset])).toEqual([
    [0, 16384, 'prealloc', 0],
    [16384, 8192, 'regular', 16384],
    [24576, 40960, 'prealloc', 24576],
  ]);
  expect(reader.extentsOf(999, 257)).toBeNull();
});

test('what does not exist or is no file reads as null', () => {
  expect(reader.readFile('/nothing')).toBeNull();
  expect(reader.readFile('/documents')).toBeNull();
  expect(reader.stat('/nothing')).toBeNull();
});

test('of several copies the one that verifies is read, and without checksums the first', () => {
  const sound = disksWithFiles(MIRRORED, [SIZE, SIZE]);
  for (const copy of [0, 1]) {
    const images = copiesOf(sound);
    damage(images, placesOf(sound, { fill: 1 })[copy]!);
    const damaged = openImage(images)!;
    expect(damaged.readFile('/f')).toEqual(new Uint8Array(65536).fill(1));
    expect(damaged.readFile('/f', 100, 9000)).toEqual(new Uint8Array(9000).fill(1));
  }
  const images = copiesOf(sound);
  damage(images, placesOf(sound, { fill: 2 })[0]!);
  expect(openImage(images)!.readFile('/n')?.[0]).toBe(0xee);
});
