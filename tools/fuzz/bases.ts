import { viewOf } from '../../src/base/bytes.ts';
import { MIB } from '../../src/base/units.ts';
import { mountFilesystem, unmountFilesystem } from '../../src/fs/filesystem.ts';
import { FixSet } from '../../src/fs/fixes.ts';
import { makeFilesystem } from '../../src/fs/mkfs.ts';
import { create, fallocate, link, mkdir, mknod, setXattr, symlink, write } from '../../src/fs/syscalls.ts';
import { MemoryWorld } from '../../src/fs/testing/memory-world.ts';
import { SUPER_OFFSETS, SUPER_SIZE } from '../../src/oracle/structure/layout.ts';
import { BlockTable } from '../../src/record/block-table.ts';
import { runAtomically, type Task } from '../../src/task/task.ts';
import { type BaseName, baseImage } from '../faults/all-faults.ts';

/** A tree block or superblock of an image, where it lies on the device. */
export interface FuzzBlock {
  readonly offset: number;
  readonly length: number;
  readonly isSuperblock: boolean;
  /** Of a tree block, as its header says. */
  readonly logical: number;
  readonly generation: number;
}

/** An image to be damaged, and where its metadata is. */
export interface FuzzBase {
  readonly name: string;
  readonly image: BlockTable;
  readonly blocks: readonly FuzzBlock[];
  /** Of this many cases in 100 it is the base. */
  readonly share: number;
}

const NODE_SIZES: Readonly<Record<string, number>> = { files: 4096, mixed: 4096, old: 16384 };

/** A small image by the engine, for most cases, and the three by Linux that the deliberate faults are made in. */
export function fuzzBases(): FuzzBase[] {
  const small = smallImage();
  return [
    { name: 'small', image: small, blocks: blocksOf(small, 4096), share: 97 },
    ...(['files', 'mixed', 'old'] as BaseName[]).map((name) => {
      const image = baseImage(name);
      return { name, image, blocks: blocksOf(image, NODE_SIZES[name]!), share: 1 };
    }),
  ];
}

function smallImage(): BlockTable {
  const options = { devices: [16 * MIB] };
  const world = new MemoryWorld(options.devices);
  for (const { device, offset, bytes } of makeFilesystem(options)) world.devices[device]!.write(offset, bytes);
  runAtomically(fill(world));
  const image = new BlockTable(world.devices[0]!.size);
  for (const [block, bytes] of world.devices[0]!.blocks) image.write(block * 4096, bytes);
  return image;
}

/** Few files, of every kind: most of the time of a case is spent on reading what is not damaged. */
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

function blocksOf(image: BlockTable, nodeSize: number): FuzzBlock[] {
  const blocks: FuzzBlock[] = [];
  for (const { offset } of image.written()) {
    const isSuperblock = (SUPER_OFFSETS as readonly number[]).includes(offset);
    const view = viewOf(image.read(offset, 4096));
    // Written, backref revision 1, a small level and an address that is one.
    const isNode =
      view.getUint8(56) === 1 && view.getUint8(63) === 1 && view.getUint8(100) < 8 && view.getUint32(52, true) === 0;
    if (!isSuperblock && !isNode) continue;
    blocks.push({
      offset,
      length: isSuperblock ? SUPER_SIZE : nodeSize,
      isSuperblock,
      logical: view.getUint32(48, true),
      generation: view.getUint32(80, true),
    });
  }
  return blocks;
}
