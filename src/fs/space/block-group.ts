import type { ByteCount, LogicalAddress } from '../../base/units.ts';
import { type ResourceId, resource } from '../../task/resource.ts';
import { FreeRanges } from './free-ranges.ts';

/**
 * A chunk as the allocator sees it. Each byte is in exactly one state: free, reserved (given out, its extent item not
 * yet inserted), used (has an extent item), pinned (freed by a transaction that is not durable yet), or kept for a
 * superblock.
 */
export class BlockGroup {
  readonly start: LogicalAddress;
  readonly length: ByteCount;
  /** Type and profile bits, `BLOCK_GROUP_FLAG`. */
  readonly flags: number;
  readonly resource: ResourceId;
  used: ByteCount;
  reserved: ByteCount = 0;
  pinned: ByteCount = 0;
  /** Bytes under superblock copies: never given out. */
  superblockBytes: ByteCount = 0;
  /** How many hold it read-only; above 0 nothing is allocated here. */
  readOnlyHolders = 0;
  readonly free = new FreeRanges();
  /** The free space tree keeps this group as bitmaps; the first change turns them into extents. */
  usesBitmaps = false;
  /** `used` differs from the block group item. */
  isDirty = false;

  constructor(start: LogicalAddress, length: ByteCount, flags: number, used: ByteCount) {
    this.start = start;
    this.length = length;
    this.flags = flags;
    this.used = used;
    this.resource = resource('block-group', start);
  }
}
