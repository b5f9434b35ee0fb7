import { assert } from '../../base/assert.ts';
import type { ByteCount, LogicalAddress } from '../../base/units.ts';
import { SECTOR_SIZE } from '../../base/units.ts';
import { resource } from '../../task/resource.ts';
import type { World } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import type { FixSet } from '../fixes.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import type { BlockGroup } from './block-group.ts';
import { BlockGroupLists } from './block-group-lists.ts';
import { SpaceInfo } from './space-info.ts';

/** The share of metadata space that only the commit and deletions may touch: total / this. */
const GLOBAL_RESERVE_DIVISOR = 8;
/** Enough for a deletion, and a commit that changes every tree at several levels, in tree blocks. */
const GLOBAL_RESERVE_BLOCKS_MIN = 40;
/** What must stay free for the chunk tree when a system group is set read-only, in tree blocks. */
const SYSTEM_RESERVE_BLOCKS = 8;

/**
 * Totals over all groups. Giving and taking commute with promises while much more is left than one step can take; a
 * promise that could fail if others came first is announced as a write.
 */
export const SPACE = resource('space', 0);
const COMMUTING_BLOCKS_MIN = 64;
const COMMUTING_DATA_BYTES_MIN = 1024 * 1024;

/** All block groups, and who has been promised what. Everything is plain: to allocate never suspends. */
export class Space {
  readonly lists: BlockGroupLists;
  private readonly world: World;
  private readonly nodeSize: ByteCount;
  /** In logical order. */
  private readonly groups: BlockGroup[] = [];
  private readonly infos: SpaceInfo[] = [];
  private readonly dirty: BlockGroup[] = [];

  constructor(world: World, nodeSize: ByteCount, fixes: FixSet) {
    this.world = world;
    this.nodeSize = nodeSize;
    this.lists = new BlockGroupLists(world, fixes);
  }

  /** Adds a group with its counters; the set holds the reference that the group was made with. */
  addGroup(group: BlockGroup): void {
    this.world.touch(SPACE, 'write');
    const index = this.groups.findIndex((other) => other.start > group.start);
    this.groups.splice(index < 0 ? this.groups.length : index, 0, group);
    group.info = this.infoOfType(group.type);
    group.info.add(group);
    this.lists.register(group);
  }

  /** The group leaves the set: nobody finds it by its address any more. The set's reference is the caller's now. */
  eraseGroup(group: BlockGroup): void {
    this.world.touch(SPACE, 'write');
    this.world.touch(group.resource, 'write');
    const index = this.groups.indexOf(group);
    assert(index >= 0, 'only a group of the set leaves it', { start: group.start });
    this.groups.splice(index, 1);
    const dirtyIndex = this.dirty.indexOf(group);
    if (dirtyIndex >= 0) this.dirty.splice(dirtyIndex, 1);
    group.isDirty = false;
  }

  /** Totals by type, in the order in which the types came. */
  spaces(): readonly SpaceInfo[] {
    this.world.touch(SPACE, 'read');
    return this.infos;
  }

  /** The totals that allocations of the type bits (DATA, METADATA or SYSTEM) come from; mixed groups serve two types. */
  infoFor(type: number): SpaceInfo {
    for (const info of this.infos) if ((info.type & type) !== 0) return info;
    return this.infoOfType(type);
  }

  private infoOfType(type: number): SpaceInfo {
    for (const info of this.infos) if (info.type === type) return info;
    const info = new SpaceInfo(type);
    this.infos.push(info);
    return info;
  }

  /** How many groups have the same type and profile. */
  countGroupsLike(group: BlockGroup): number {
    this.world.touch(SPACE, 'read');
    let count = 0;
    for (const other of this.groups) if (other.flags === group.flags) count++;
    return count;
  }

  /** The group that holds `logical`. Throws EUCLEAN where there is none. */
  groupAt(logical: LogicalAddress): BlockGroup {
    const group = this.findGroup(logical);
    if (group === null) throw new FsError('EUCLEAN', `no block group holds logical ${logical}`);
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
    group.info.reserved -= length;
    group.used += length;
    group.info.used += length;
    this.markDirty(group);
  }

  /** Reserved space turned out not to be needed. */
  releaseReserved(logical: LogicalAddress, length: ByteCount): void {
    const group = this.touched(logical);
    assert(group.reserved >= length, 'only a reservation is released', { logical, length });
    group.reserved -= length;
    group.info.reserved -= length;
    if (group.readOnlyHolders > 0) group.info.readOnly += length;
    group.free.add(logical, length);
    if (group.isEmpty) this.lists.markUnused(group);
  }

  /** An extent lost its last reference: nobody may have it until its transaction is durable (R1). */
  pinUsed(logical: LogicalAddress, length: ByteCount): void {
    const group = this.touched(logical);
    assert(group.used >= length, 'only a used extent is freed', { logical, length });
    group.used -= length;
    group.info.used -= length;
    group.pinned += length;
    group.info.pinned += length;
    this.markDirty(group);
    if (group.used === 0 && group.reserved === 0) this.lists.markUnused(group);
  }

  /** As `pinUsed` for an extent that came and went before its item was inserted. */
  pinReserved(logical: LogicalAddress, length: ByteCount): void {
    const group = this.touched(logical);
    assert(group.reserved >= length, 'only a reserved extent is pinned', { logical, length });
    group.reserved -= length;
    group.info.reserved -= length;
    group.pinned += length;
    group.info.pinned += length;
  }

  unpin(logical: LogicalAddress, length: ByteCount): void {
    const group = this.touched(logical);
    assert(group.pinned >= length, 'only a pinned extent is unpinned', { logical, length });
    group.pinned -= length;
    group.info.pinned -= length;
    if (group.readOnlyHolders > 0) group.info.readOnly += length;
    group.free.add(logical, length);
    if (group.isEmpty) this.lists.markUnused(group);
  }

  /**
   * A trim takes a free range of the group, so that nobody gets it meanwhile. Returns whether it counts as reserved: not
   * in a group that is held read-only, where nobody can get it.
   */
  takeForTrim(group: BlockGroup, start: LogicalAddress, length: ByteCount): boolean {
    this.world.touch(group.resource, 'write');
    group.free.take(start, length);
    if (group.readOnlyHolders > 0) return false;
    group.reserved += length;
    group.info.reserved += length;
    return true;
  }

  /** The trim is done with the range. `wasReserved`: what `takeForTrim` returned. */
  giveBackFromTrim(group: BlockGroup, start: LogicalAddress, length: ByteCount, wasReserved: boolean): void {
    this.world.touch(group.resource, 'write');
    if (!group.isRemoved) group.free.add(start, length);
    if (!wasReserved) return;
    group.reserved -= length;
    group.info.reserved -= length;
    if (group.readOnlyHolders > 0) group.info.readOnly += length;
    // The cleaner may have passed it over for the reservation.
    if (group.isEmpty && !group.isRemoved) this.lists.markUnused(group);
  }

  /**
   * One more holds the group read-only. False when the first of them would take away space that the other groups of the
   * type could not make up for: what they have in use and have promised, and what a commit may need. `force` does it
   * all the same.
   */
  tryHoldReadOnly(group: BlockGroup, force: boolean): boolean {
    this.world.touch(SPACE, 'write');
    this.world.touch(group.resource, 'write');
    const { info } = group;
    if (group.readOnlyHolders === 0) {
      if (!force && info.free - group.freeBytes < info.mayUse + this.bytesKept(info.type)) return false;
      info.readOnly += group.freeBytes;
    }
    group.readOnlyHolders++;
    return true;
  }

  /** One fewer holds it read-only; the last one gives back what is free at this moment. */
  dropReadOnly(group: BlockGroup): void {
    this.world.touch(SPACE, 'write');
    this.world.touch(group.resource, 'write');
    group.readOnlyHolders--;
    if (group.readOnlyHolders === 0) group.info.readOnly -= group.freeBytes;
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
    for (const info of this.infos) used += info.used;
    return used;
  }

  pinnedBytes(): ByteCount {
    let pinned = 0;
    for (const info of this.infos) pinned += info.pinned;
    return pinned;
  }

  /** Data bytes that are free now, in whatever pieces. */
  freeDataBytes(): ByteCount {
    return this.infoFor(BLOCK_GROUP_FLAG.DATA).free;
  }

  /**
   * Promises `bytes` of metadata to a handle. False when that would touch what the commit needs, or, for deletions
   * (`mayUseReserve`), when there is simply no room. `commitBytes`: what pending delayed references will need.
   */
  promiseMetadata(bytes: ByteCount, commitBytes: ByteCount, mayUseReserve: boolean): boolean {
    const info = this.infoFor(BLOCK_GROUP_FLAG.METADATA);
    const kept = mayUseReserve ? this.globalReserve() / 4 : this.globalReserve();
    const margin = info.free - info.promisedMetadata - this.dataShare(info) - commitBytes - bytes - kept;
    this.world.touch(SPACE, margin < COMMUTING_BLOCKS_MIN * this.nodeSize ? 'write' : 'update');
    if (margin < 0) return false;
    info.promisedMetadata += bytes;
    return true;
  }

  returnPromise(bytes: ByteCount): void {
    this.world.touch(SPACE, 'update');
    const info = this.infoFor(BLOCK_GROUP_FLAG.METADATA);
    assert(info.promisedMetadata >= bytes, 'a promise is returned once', { bytes });
    info.promisedMetadata -= bytes;
  }

  /** Promises `bytes` of data space to a write. False when less than that is free and promised to nobody. */
  promiseData(bytes: ByteCount): boolean {
    const info = this.infoFor(BLOCK_GROUP_FLAG.DATA);
    const isMixed = (info.type & BLOCK_GROUP_FLAG.METADATA) !== 0;
    const forMetadata = isMixed ? info.promisedMetadata + this.globalReserve() : 0;
    const margin = info.free - info.promisedData - forMetadata - bytes;
    this.world.touch(SPACE, margin < COMMUTING_DATA_BYTES_MIN ? 'write' : 'update');
    if (margin < 0) return false;
    info.promisedData += bytes;
    return true;
  }

  /** The data has its place now, or needs none any more. */
  returnDataPromise(bytes: ByteCount): void {
    this.world.touch(SPACE, 'update');
    const info = this.infoFor(BLOCK_GROUP_FLAG.DATA);
    assert(info.promisedData >= bytes, 'a promise is returned once', { bytes });
    info.promisedData -= bytes;
  }

  /** Data that was promised space or given it, and has no extent item yet. */
  unplacedDataBytes(): ByteCount {
    const { promisedData, reserved } = this.infoFor(BLOCK_GROUP_FLAG.DATA);
    return promisedData + reserved;
  }

  usedMetadataBytes(): ByteCount {
    return this.infoFor(BLOCK_GROUP_FLAG.METADATA).used;
  }

  /** In mixed groups, what is promised to data is not there for metadata. */
  private dataShare(info: SpaceInfo): ByteCount {
    return (info.type & BLOCK_GROUP_FLAG.DATA) !== 0 ? info.promisedData : 0;
  }

  /** What commits and deletions may need, and nobody else gets. */
  globalReserve(): ByteCount {
    const { total } = this.infoFor(BLOCK_GROUP_FLAG.METADATA);
    const share = Math.max(total / GLOBAL_RESERVE_DIVISOR, GLOBAL_RESERVE_BLOCKS_MIN * this.nodeSize);
    return Math.min(share, total / 2);
  }

  /** What must stay writable of a type besides all promises (the kernel counts its reserves as promises). */
  private bytesKept(type: number): ByteCount {
    if ((type & BLOCK_GROUP_FLAG.METADATA) !== 0) return this.globalReserve();
    return (type & BLOCK_GROUP_FLAG.SYSTEM) !== 0 ? SYSTEM_RESERVE_BLOCKS * this.nodeSize : 0;
  }

  /** In a mixed group, data may not eat what metadata was promised. */
  private leavesMetadataRoom(group: BlockGroup, length: ByteCount): boolean {
    if ((group.flags & BLOCK_GROUP_FLAG.METADATA) === 0) return true;
    const { free, promisedMetadata } = this.infoFor(BLOCK_GROUP_FLAG.METADATA);
    return free - promisedMetadata - length >= this.globalReserve();
  }

  private isOpenFor(group: BlockGroup, type: number): boolean {
    return (group.flags & type) !== 0 && group.readOnlyHolders === 0;
  }

  private reserved(group: BlockGroup, logical: LogicalAddress, length: ByteCount) {
    this.world.touch(group.resource, 'write');
    this.world.touch(SPACE, 'update');
    group.reserved += length;
    group.info.reserved += length;
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
