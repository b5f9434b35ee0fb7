import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mountFilesystem, unmountFilesystem } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import * as sys from '../src/fs/syscalls.ts';
import { MemoryWorld } from '../src/fs/testing/memory-world.ts';
import { kernelMount } from '../src/oracle/judges/kernel-mount.ts';
import { loopsMissing } from '../src/oracle/judges/loop-devices.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import { BlockTable } from '../src/record/block-table.ts';
import { runAtomically } from '../src/task/task.ts';
import { complaintOf } from './support/complaint.ts';
import { FileImage } from './support/host-image.ts';
import { shellOnItsOwn } from './support/loop-filesystem.ts';

const SECTOR = 4096;
const bytesOf = (sectors: number, value: number) => new Uint8Array(sectors * SECTOR).fill(value);
const missing = await loopsMissing();

/** `$1`: the image. Files of 64 KiB: `own` and `shared` are nodatacow, the latter with a reflink; the others preallocated. */
const FILL = `
set -e
truncate -s 128M $1
mkfs.btrfs -q -f $1
loop=$(losetup -f --show $1)
dir=$(mktemp -d)
cleanup() { cd /; umount $dir 2>/dev/null || true; btrfs device scan --forget $loop 2>/dev/null || true; losetup -d $loop; rmdir $dir; }
trap cleanup EXIT
own_devices $loop
mount $loop $dir
cd $dir
touch own shared reflink
chattr +C own shared reflink
for file in own shared; do head -c 65536 /dev/zero | tr '\\0' a > $file; done
sync
cp --reflink=always shared reflink
fallocate -l 64K space
fallocate -l 64K part
head -c 8192 /dev/zero | tr '\\0' b | dd of=part bs=4096 seek=4 conv=notrunc status=none
fallocate -l 64K twin
cp --reflink=always twin twin2
`;

// Goal: what Linux lets two files share is copied, what one file has alone is written in place, and Linux can read both.
test.skipIf(missing !== null)(
  'files that Linux preallocated, made nodatacow or shared are written as Linux does',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fsquake-prealloc-'));
    try {
      const path = join(folder, 'image');
      shellOnItsOwn(FILL, [path], { stdio: 'pipe' });
      const image = new FileImage(path);
      const world = new MemoryWorld([image.size]);
      for (const { offset, bytes } of image.written()) world.devices[0]!.write(offset, bytes);
      image.close();

      const fs = runAtomically(mountFilesystem(world, { fixes: allFixes() }));
      const placesOf = (file: string) => {
        const extents = runAtomically(sys.fiemap(fs, file, { sync: true }));
        return Array.from({ length: 16 }, (_, index) => {
          const at = index * SECTOR;
          const extent = extents.find(({ logical, length }) => logical <= at && at < logical + length)!;
          return extent.physical + (at - extent.logical);
        });
      };
      const names = ['own', 'shared', 'reflink', 'space', 'part', 'twin', 'twin2'];
      const before = names.map(placesOf);
      for (const file of ['own', 'shared', 'space', 'part', 'twin']) {
        runAtomically(sys.write(fs, file, 3 * SECTOR, bytesOf(1, 1), { direct: true }));
        runAtomically(sys.write(fs, file, 8 * SECTOR, bytesOf(2, 2)));
      }
      const moved = names.map((file, index) =>
        placesOf(file).flatMap((place, sector) => (place === before[index]![sector] ? [] : [sector])),
      );
      expect(Object.fromEntries(names.map((name, index) => [name, moved[index]]))).toEqual({
        own: [],
        shared: [3, 8, 9],
        reflink: [],
        space: [],
        part: [],
        twin: [3, 8, 9],
        twin2: [],
      });
      const contents = names.map((file) => runAtomically(sys.read(fs, file, 0, 65536)));
      runAtomically(unmountFilesystem(fs));

      const after = new BlockTable(world.devices[0]!.size);
      for (const [block, bytes] of world.devices[0]!.blocks) after.write(block * SECTOR, bytes);
      const { errors, warnings } = checkImage([after]);
      expect([...errors, ...warnings]).toEqual([]);
      expect(contents[1]!.slice(3 * SECTOR, 4 * SECTOR)).toEqual(bytesOf(1, 1));
      expect(contents[2]).toEqual(bytesOf(16, 'a'.charCodeAt(0)));
      expect(contents[6]).toEqual(bytesOf(16, 0));
      const files = names.map((name, index) => ({
        path: `/${name}`,
        sha256: createHash('sha256').update(contents[index]!).digest('hex'),
      }));
      expect(complaintOf(await kernelMount([after], files))).toBeNull();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  60_000,
);
