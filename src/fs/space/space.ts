import { assert } from '../../base/assert.ts';
import type { ByteCount, LogicalAddress } from '../../base/units.ts';
import { SECTOR_SIZE } from '../../base/units.ts';
import { resource } from '../../task/resource.ts';
import type { World } from '../../task/world.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import type { BlockGroup } from './block-group.ts';

/** The share of metadata space that only the commit and deletions may touch: total / this. */
const GLOBAL_RESERVE_DIVISOR = 8;
/** Enough for a commit that changes every tree at several levels, in tree blocks. */
const GLOBAL_RESERVE_BLOCKS_MIN = 24;

/**
 * Totals over all groups. Giving and taking commute with promises while much more is left than one step can take; a
 * promise that could fail if others came first is announced as a write.
 */
const SPACE = resource('space', 0);
const COMMUTING_BLOCKS_MIN = 64;
const COMMUTING_DATA_BYTES_MIN = 1024 * 1024;

/** All block groups, and who has been promised what. Everything is plain: to allocate never suspends. */
export class Space {
  private readonly world: World;
  private readonly nodeSize: ByteCount;
  /** In logical order. */
  private readonly groups: BlockGroup[] = [];
  private readonly dirty: BlockGroup[] = [];
  /** Bytes of metadata promised to open handles and not yet allocated. */
  private promisedMetadata: ByteCount = 0;
  /** Bytes of data promised to writes and not yet allocated. */
  private promisedData: ByteCount = 0;

  constructor(world: World, nodeSize: ByteCount) {
    this.world = world;
    this.nodeSize = nodeSize;
  }

  addGroup(group: BlockGroup): void {
    this.world.touch(SPACE, 'write');
    const index = this.groups.findIndex((other) => other.start > group.start);
    this.groups.splice(index < 0 ? this.groups.length : index, 0, group);
  }

  /** The group that holds `logical`. */
  groupAt(logical: LogicalAddress): BlockGroup {
    const group = this.findGroup(logical);
    assert(group !== null, 'an extent lies in a block group', { logical });
    return group;
  }

  findGroup(logical: LogicalAddress): BlockGroup | null {
    let low = 0;
    let high = this.groups.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.groups[middle]!.start <= logical) low = middle + 1;
      else high = middle;
    }
    const group = this.groups[low - 1];
    return group !== undefined && logical < group.start + group.length ? group : null;
  }

  /** In logical order. */
  allGroups(): readonly BlockGroup[] {
    this.world.touch(SPACE, 'read');
    return this.groups;
  }

  /**
   * Takes up to `length` bytes for data: the first place where all of it fits, else the longest free range if that has
   * at least `minimum`. Null when there is none. Both are multiples of the sector size.
   */
  allocateData(length: ByteCount, minimum: ByteCount): { logical: LogicalAddress; length: ByteCount } | null {
    const wanted = BLOCK_GROUP_FLAG.DATA;
    for (const group of this.groups) {
      if (!this.isOpenFor(group, wanted)) continue;
      this.world.touch(group.resource, 'read');
      if (!this.leavesMetadataRoom(group, length)) continue;
      const logical = group.free.takeFirst(length, SECTOR_SIZE);
      if (logical >= 0) return this.reserved(group, logical, length);
    }
    let best: BlockGroup | null = null;
    let bestLength = minimum - 1;
    for (const group of this.groups) {
      if (!this.isOpenFor(group, wanted)) continue;
      const longest = Math.min(length, group.free.longest());
      if (longest <= bestLength || !this.leavesMetadataRoom(group, longest)) continue;
      best = group;
      bestLength = longest;
    }
    if (best === null) return null;
    const part = bestLength - (bestLength % SECTOR_SIZE);
    return this.reserved(best, best.free.takeFirst(part, SECTOR_SIZE), part);
  }

  /** Takes one tree block, −1 when there is none. `type`: METADATA, or SYSTEM for the chunk tree. */
  allocateTreeBlock(type: number): LogicalAddress {
    for (const group of this.groups) {
      if (!this.isOpenFor(group, type)) continue;
      this.world.touch(group.resource, 'read');
      // Aligned to its size, a tree block never crosses a stripe of 64 KiB.
      const logical = group.free.takeFirst(this.nodeSize, this.nodeSize);
      if (logical < 0) continue;
      this.reserved(group, logical, this.nodeSize);
      return logical;
    }
    return -1;
  }

  /** True when `howMany` tree blocks of the type can be taken now. */
  hasTreeBlocks(type: number, howMany: number): boolean {
    let missing = howMany;
    for (const group of this.groups) {
      if (!this.isOpenFor(group, type)) continue;
      this.world.touch(group.resource, 'read');
      missing -= group.free.countPieces(this.nodeSize, this.nodeSize, missing);
      if (missing <= 0) return true;
    }
    return false;
  }

  /** The extent item of reserved space was inserted. */
  extentInserted(logical: LogicalAddress, length: ByteCount): void {
    const group = this.touched(logical);
    assert(group.reserved >= length, 'an extent was reserved before it is used', { logical, length });
    group.reserved -= length;
    group.used += length;
    this.markDirty(group);
  }

  /** Reserved space turned out not to be needed. */
  releaseReserved(logical: LogicalAddress, length: ByteCount): void {
    const group = this.touched(logical);
    assert(group.reserved >= length, 'only a reservation is released', { logical, length });
    group.reserved -= length;
    group.free.add(logical, length);
  }

  /** An extent lost its last reference: nobody may have it until its transaction is durable (R1). */
  pinUsed(logical: LogicalAddress, length: ByteCount): void {
    const group = this.touched(logical);
    assert(group.used >= length, 'only a used extent is freed', { logical, length });
    group.used -= length;
    group.pinned += length;
    this.markDirty(group);
  }

  /** As `pinUsed` for an extent that came and went before its item was inserted. */
  pinReserved(logical: LogicalAddress, length: ByteCount): void {
    const group = this.touched(logical);
    assert(group.reserved >= length, 'only a reserved extent is pinned', { logical, length });
    group.reserved -= length;
    group.pinned += length;
  }

  unpin(logical: LogicalAddress, length: ByteCount): void {
    const group = this.touched(logical);
    assert(group.pinned >= length, 'only a pinned extent is unpinned', { logical, length });
    group.pinned -= length;
    group.free.add(logical, length);
  }

  /** Groups whose item must be written, in logical order; they count as written from now on. */
  takeDirtyGroups(): BlockGroup[] {
    const groups = this.dirty.splice(0).sort((a, b) => a.start - b.start);
    for (const group of groups) group.isDirty = false;
    return groups;
  }

  get hasDirtyGroups(): boolean {
    return this.dirty.length > 0;
  }

  /** What the superblock calls bytes_used. */
  usedBytes(): ByteCount {
    let used = 0;
    for (const group of this.groups) used += group.used;
    return used;
  }

  pinnedBytes(): ByteCount {
    let pinned = 0;
    for (const group of this.groups) pinned += group.pinned;
    return pinned;
  }

  /** Data bytes that are free now, in whatever pieces. */
  freeDataBytes(): ByteCount {
    return this.sumFree(BLOCK_GROUP_FLAG.DATA);
  }

  /**
   * Promises `bytes` of metadata to a handle. False when that would touch what the commit needs, or, for deletions
   * (`mayUseReserve`), when there is simply no room. `commitBytes`: what pending delayed references will need.
   */
  promiseMetadata(bytes: ByteCount, commitBytes: ByteCount, mayUseReserve: boolean): boolean {
    const free = this.sumFree(BLOCK_GROUP_FLAG.METADATA);
    const kept = mayUseReserve ? this.globalReserve() / 2 : this.globalReserve();
    const margin = free - this.promisedMetadata - commitBytes - bytes - kept;
    this.world.touch(SPACE, margin < COMMUTING_BLOCKS_MIN * this.nodeSize ? 'write' : 'update');
    if (margin < 0) return false;
    this.promisedMetadata += bytes;
    return true;
  }

  returnPromise(bytes: ByteCount): void {
    this.world.touch(SPACE, 'update');
    assert(this.promisedMetadata >= bytes, 'a promise is returned once', { bytes });
    this.promisedMetadata -= bytes;
  }

  /** Promises `bytes` of data space to a write. False when less than that is free and promised to nobody. */
  promiseData(bytes: ByteCount): boolean {
    const margin = this.freeDataBytes() - this.promisedData - bytes;
    this.world.touch(SPACE, margin < COMMUTING_DATA_BYTES_MIN ? 'write' : 'update');
    if (margin < 0) return false;
    this.promisedData += bytes;
    return true;
  }

  /** The data has its place now, or needs none any more. */
  returnDataPromise(bytes: ByteCount): void {
    this.world.touch(SPACE, 'update');
    assert(this.promisedData >= bytes, 'a promise is returned once', { bytes });
    this.promisedData -= bytes;
  }

  usedMetadataBytes(): ByteCount {
    let used = 0;
    for (const group of this.groups) if ((group.flags & BLOCK_GROUP_FLAG.METADATA) !== 0) used += group.used;
    return used;
  }

  private globalReserve(): ByteCount {
    let total = 0;
    for (const group of this.groups) if ((group.flags & BLOCK_GROUP_FLAG.METADATA) !== 0) total += group.length;
    const share = Math.max(total / GLOBAL_RESERVE_DIVISOR, GLOBAL_RESERVE_BLOCKS_MIN * this.nodeSize);
    return Math.min(share, total / 2);
  }

  private sumFree(type: number): ByteCount {
    let free = 0;
    for (const group of this.groups) if (this.isOpenFor(group, type)) free += group.free.bytes;
    return free;
  }

  /** In a mixed group, data may not eat what metadata was promised. */
  private leavesMetadataRoom(group: BlockGroup, length: ByteCount): boolean {
    if ((group.flags & BLOCK_GROUP_FLAG.METADATA) === 0) return true;
    return this.sumFree(BLOCK_GROUP_FLAG.METADATA) - this.promisedMetadata - length >= this.globalReserve();
  }

  private isOpenFor(group: BlockGroup, type: number): boolean {
    return (group.flags & type) !== 0 && group.readOnlyHolders === 0;
  }

  private reserved(group: BlockGroup, logical: LogicalAddress, length: ByteCount) {
    this.world.touch(group.resource, 'write');
    this.world.touch(SPACE, 'update');
    group.reserved += length;
    return { logical, length };
  }

  private touched(logical: LogicalAddress): BlockGroup {
    const group = this.groupAt(logical);
    this.world.touch(group.resource, 'write');
    this.world.touch(SPACE, 'update');
    return group;
  }

  private markDirty(group: BlockGroup): void {
    if (group.isDirty) return;
    group.isDirty = true;
    this.dirty.push(group);
  }
}
