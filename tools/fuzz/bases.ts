import { viewOf } from '../../src/base/bytes.ts';
import { SUPER_OFFSETS, SUPER_SIZE } from '../../src/oracle/structure/layout.ts';
import type { BlockTable } from '../../src/record/block-table.ts';
import { type BaseName, baseImage } from '../faults/all-faults.ts';
import { engineImage } from '../faults/engine-image.ts';

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
  const small = engineImage();
  return [
    { name: 'small', image: small, blocks: blocksOf(small, 4096), share: 97 },
    ...(['files', 'mixed', 'old'] as BaseName[]).map((name) => {
      const image = baseImage(name);
      return { name, image, blocks: blocksOf(image, NODE_SIZES[name]!), share: 1 };
    }),
  ];
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
