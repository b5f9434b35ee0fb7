import { MIB } from '../../src/base/units.ts';
import { mountFilesystem, unmountFilesystem } from '../../src/fs/filesystem.ts';
import { FixSet } from '../../src/fs/fixes.ts';
import { makeFilesystem } from '../../src/fs/mkfs.ts';
import { create, fallocate, link, mkdir, mknod, setXattr, symlink, write } from '../../src/fs/syscalls.ts';
import { MemoryWorld } from '../../src/fs/testing/memory-world.ts';
import { BlockTable } from '../../src/record/block-table.ts';
import { runAtomically, type Task } from '../../src/task/task.ts';

/** A small image by the engine: few files, of every kind that there is. */
export function engineImage(): BlockTable {
  const options = { devices: [16 * MIB] };
  const world = new MemoryWorld(options.devices);
  for (const { device, offset, bytes } of makeFilesystem(options)) world.devices[device]!.write(offset, bytes);
  runAtomically(fill(world));
  const image = new BlockTable(world.devices[0]!.size);
  for (const [block, bytes] of world.devices[0]!.blocks) image.write(block * 4096, bytes);
  return image;
}

function* fill(world: MemoryWorld): Task<void> {
  const fs = yield* mountFilesystem(world, { fixes: new FixSet([]) });
  yield* mkdir(fs, '/d');
  yield* create(fs, '/d/inline');
  yield* write(fs, '/d/inline', 0, new Uint8Array(300).fill(65), {});
  yield* create(fs, '/regular');
  yield* write(fs, '/regular', 0, new Uint8Array(9000).fill(66), {});
  yield* write(fs, '/regular', 40_960, new Uint8Array(4096).fill(67), {});
  yield* link(fs, '/regular', '/d/linked');
  yield* symlink(fs, 'd/inline', '/symlink');
  yield* mknod(fs, '/fifo', { kind: 'fifo' });
  yield* setXattr(fs, '/regular', 'user.colour', new Uint8Array([1, 2, 3]));
  yield* fallocate(fs, '/regular', 65_536, 16_384, {});
  yield* unmountFilesystem(fs);
}
