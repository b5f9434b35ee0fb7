import { SUPERBLOCK_OFFSETS, SUPERBLOCK_RESERVED_LENGTH } from '../format/superblock.ts';
import type { Chunk } from '../volume/chunk-map.ts';
import { logicalRangesOf } from '../volume/stripe-mapping.ts';
import type { BlockGroup } from './block-group.ts';

/**
 * Takes from the free space of a group what lies on superblock copies, 64 KiB each, of whichever device: it is never
 * given out. Returns how many bytes it took, which are counted in the group.
 */
export function excludeSuperblocks(group: BlockGroup, chunk: Chunk): number {
  const before = group.free.bytes;
  for (const index of chunk.stripes.keys()) {
    for (const offset of SUPERBLOCK_OFFSETS) {
      for (const { logical, length } of logicalRangesOf(chunk, index, offset, SUPERBLOCK_RESERVED_LENGTH)) {
        group.free.exclude(logical, length);
      }
    }
  }
  const taken = before - group.free.bytes;
  group.superblockBytes += taken;
  return taken;
}
