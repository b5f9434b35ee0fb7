import { FreeRanges } from '../../base/free-ranges.ts';
import type { ByteCount, LogicalAddress } from '../../base/units.ts';
import { type ResourceId, resource } from '../../task/resource.ts';
import type { Counter, World } from '../../task/world.ts';
import { BLOCK_GROUP_TYPE_MASK } from '../format/block-group.ts';
import type { DeviceRange } from '../volume/device.ts';
import type { SpaceInfo } from './space-info.ts';

/** A block group is on at most one of these lists at a time: they share one link (the kernel's bg_list). */
export type BlockGroupList = 'new' | 'unused' | 'deleted';

/** What a removed group needs of the transaction that removes it. */
export interface RemovingTransaction {
  /** Its roots have become commit roots. */
  readonly hasCommitRoots: boolean;
  /** Of chunks whose map is gone: they are unallocated as soon as commit roots do not list them any more. */
  readonly freedDeviceRanges: DeviceRange[];
}

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
  /** The totals of its type; set when it joins the set of block groups, and kept when it leaves it. */
  info!: SpaceInfo;
  used: ByteCount;
  reserved: ByteCount = 0;
  pinned: ByteCount = 0;
  /** Bytes under superblock copies: never given out. */
  superblockBytes: ByteCount = 0;
  /** How many hold it read-only; above 0 nothing is allocated here. */
  readOnlyHolders = 0;
  /** How many need its chunk to stay where it is although it may be removed (trimmers, scrubs; before 5.8 `trimming`). */
  frozen = 0;
  /** It left the set of block groups; its chunk map goes when `frozen` is 0. */
  isRemoved = false;
  /** The transaction that deleted its items, once one has. */
  removedBy: RemovingTransaction | null = null;
  /** Phase 2 of its allocation is not done: its items are in no tree. */
  isNew = false;
  list: BlockGroupList | null = null;
  /** One for the set of block groups, one for the unused list, one for each holder. 0: freed; less: freed twice. */
  references = 1;
  readonly free = new FreeRanges();
  /** The free space tree keeps this group as bitmaps; the first change turns them into extents. */
  usesBitmaps = false;
  /** The free space tree does not know the group yet: whoever changes its free space first, adds it. */
  needsFreeSpaceItems = false;
  /** `used` differs from the block group item. */
  isDirty = false;
  private readonly world: World;
  private nocowWriterCounter: Counter | null = null;
  private reservationCounter: Counter | null = null;

  constructor(world: World, start: LogicalAddress, length: ByteCount, flags: number, used: ByteCount) {
    this.world = world;
    this.start = start;
    this.length = length;
    this.flags = flags;
    this.used = used;
    this.resource = resource('block-group', start);
  }

  /** Writers that overwrite extents here in place and have no ordered extent yet. */
  get nocowWriters(): Counter {
    this.nocowWriterCounter ??= this.world.counter('nocow-writers', this.start);
    return this.nocowWriterCounter;
  }

  /** Data reservations that have no ordered extent yet. */
  get reservations(): Counter {
    this.reservationCounter ??= this.world.counter('block-group-reservations', this.start);
    return this.reservationCounter;
  }

  /** Most groups never need their counters: false where nobody ever asked for this one. */
  get hasNocowCounter(): boolean {
    return this.nocowWriterCounter !== null;
  }

  get hasReservationCounter(): boolean {
    return this.reservationCounter !== null;
  }

  /** Nothing is in it, and nothing is on its way into it. */
  get isEmpty(): boolean {
    return this.used === 0 && this.reserved === 0 && this.pinned === 0;
  }

  get type(): number {
    return this.flags & BLOCK_GROUP_TYPE_MASK;
  }

  /** What is free by the counters. */
  get freeBytes(): ByteCount {
    return this.length - this.used - this.reserved - this.pinned - this.superblockBytes;
  }
}
