import { readU64, viewOf, writeU64 } from '../../base/bytes.ts';
import type { Errno } from '../../base/errno.ts';
import type { Generation, InodeNumber } from '../../base/units.ts';
import { type ResourceId, resource } from '../../task/resource.ts';
import type { Counter, RangeLock, RwSemaphore, World } from '../../task/world.ts';
import { INODE_FLAG, INODE_TIME_AT, MODE_TYPE } from '../format/inode.ts';
import { readNanoseconds, writeNanoseconds } from '../format/timestamp.ts';
import type { Tree } from '../tree/tree.ts';
import type { ExtentMapRules } from './extent-map-rules.ts';
import { ExtentMapTree } from './extent-map-tree.ts';
import { OrderedExtents } from './ordered-extent.ts';
import { PageCache } from './page-cache.ts';
import type { PendingItems } from './pending-items.ts';

/** Where the fields of an INODE_ITEM lie that change while it is in memory. */
const GENERATION_AT = 0;
const TRANSID_AT = 8;
const SIZE_AT = 16;
const NBYTES_AT = 24;
const NLINK_AT = 40;
const UID_AT = 44;
const GID_AT = 48;
const MODE_AT = 52;
const RDEV_AT = 56;
const FLAGS_AT = 64;
const SEQUENCE_AT = 72;
const { ctime: CTIME_AT, mtime: MTIME_AT } = INODE_TIME_AT;

export type InodeTime = keyof typeof INODE_TIME_AT;

/** Values of attributes that new nodes of a directory get; null where it has none. */
export interface Heritage {
  readonly defaultAcl: Uint8Array | null;
  readonly compression: Uint8Array | null;
}

/** An id for locks and resources that tells inodes of different subvolumes apart; of the default one, its number. */
export function inodeId(tree: Tree, number: InodeNumber): number {
  return tree.id === 5 ? number : (tree.id % 2 ** 14) * 2 ** 28 + number;
}

/**
 * An inode in memory. Attributes change under `lock` held exclusively, but for the disk size, the bytes and the times,
 * which the completion of ordered extents changes in one step with the inode item.
 */
export class Inode {
  readonly number: InodeNumber;
  readonly tree: Tree;
  /** The kernel's inode rwsem. */
  readonly lock: RwSemaphore;
  /** The kernel's extent lock: whoever maps, fills or drops file data holds its range. */
  readonly ranges: RangeLock;
  readonly mapsLock: RwSemaphore;
  /** Direct writes under way without `lock`, and direct reads: a truncate waits for none. */
  readonly directIo: Counter;
  readonly ordered: OrderedExtents;
  readonly pages: PageCache;
  /** Whoever keeps the inode: open files and operations. */
  references = 0;
  /** Removed from the last directory, and its orphan item is there: gone with the last reference. */
  isOrphan = false;
  /** It was made without a name and may get one. */
  isLinkable = false;
  /** It was cut to nothing since it was last closed: the next close writes it out. */
  isWrittenOutOnClose = false;
  /** It may have the attribute `security.capability`, which goes when the file is written to. */
  hasCapability = false;
  /** What a directory passes on to what is made in it, from its attributes; null while that is not known. */
  heritage: Heritage | null = null;
  /** An orphan that nobody holds any more: its items are being removed. */
  isDoomed = false;
  /** Next free DIR_INDEX of a directory; 0 while it is not known. */
  nextIndex = 0;
  /** Somebody asked for it since the cache of inodes last looked. */
  wasUsed = false;
  /** Kept by `PendingItems`: it is on its list, and what is counted there for it. */
  isListedUnwritten = false;
  pendingItemBytes = 0;
  private pending: PendingItems | null = null;
  private readonly world: World;
  /** What points about extent maps are `on`. */
  readonly mapsId: ResourceId;
  /** What everything shared about the inode is known by. */
  readonly id: ResourceId;
  private readonly extentMaps: ExtentMapTree;
  private readonly item: Uint8Array;
  private readonly view: DataView;
  private sizeNow: number;
  private changedSinceWritten = false;
  private changedBy: Generation = 0;
  /** Counts failed writes of data: an open file that saw fewer has one to report. */
  private writeErrors = 0;
  private reportedErrors = 0;
  private lastWriteError: Errno | null = null;

  /** `item`: the INODE_ITEM, whose bytes the inode keeps. */
  constructor(world: World, tree: Tree, number: InodeNumber, item: Uint8Array, rules: ExtentMapRules) {
    const id = inodeId(tree, number);
    this.world = world;
    this.tree = tree;
    this.number = number;
    this.id = resource('inode', id);
    this.mapsId = resource('extent-maps', id);
    this.lock = world.rwSemaphore('inode', id);
    this.ranges = world.rangeLock('file-range', id);
    this.mapsLock = world.rwSemaphore('extent-maps', id);
    this.directIo = world.counter('direct-io', id);
    this.ordered = new OrderedExtents(world, id, this);
    this.pages = new PageCache(world, id, this);
    this.extentMaps = new ExtentMapTree(rules);
    this.item = item;
    this.view = viewOf(item);
    this.sizeNow = readU64(this.view, SIZE_AT);
  }

  /** It is in memory for all from now on. */
  joinPending(pending: PendingItems): void {
    this.pending = pending;
    pending.note(this);
  }

  leavePending(): void {
    this.pending?.forget(this);
    this.pending = null;
  }

  /** There may be more, or less, to write out than before. */
  noteUnwritten(): void {
    this.pending?.note(this);
  }

  /** The extent maps, for a reader that holds `mapsLock`. */
  readMaps(): ExtentMapTree {
    this.world.touch(this.mapsId, 'read');
    return this.extentMaps;
  }

  /** The extent maps, for a holder of `mapsLock` in exclusive mode. */
  changeMaps(): ExtentMapTree {
    this.world.touch(this.mapsId, 'write');
    return this.extentMaps;
  }

  /** Without a lock, as a holder of a map reads it. */
  touchMaps(): void {
    this.world.touch(this.mapsId, 'read');
  }

  /** What `stat` says. */
  get size(): number {
    this.world.touch(this.id, 'read');
    return this.sizeNow;
  }

  /** As `size`, without a trace in the footprint. */
  get sizeInMemory(): number {
    return this.sizeNow;
  }

  setSize(size: number): void {
    this.world.touch(this.id, 'write');
    this.sizeNow = size;
    this.noteUnwritten();
  }

  /** The size in the inode item: it never reaches past data that is not on disk yet. */
  get diskSize(): number {
    this.world.touch(this.id, 'read');
    return readU64(this.view, SIZE_AT);
  }

  setDiskSize(size: number): void {
    this.world.touch(this.id, 'write');
    writeU64(this.view, SIZE_AT, size);
    this.noteUnwritten();
  }

  /** Both sizes at once, for directories. */
  changeSize(change: number): void {
    this.world.touch(this.id, 'write');
    this.sizeNow += change;
    writeU64(this.view, SIZE_AT, this.sizeNow);
  }

  /** Bytes of file extents that are no holes. */
  get allocatedBytes(): number {
    this.world.touch(this.id, 'read');
    return readU64(this.view, NBYTES_AT);
  }

  changeAllocatedBytes(change: number): void {
    this.world.touch(this.id, 'write');
    writeU64(this.view, NBYTES_AT, readU64(this.view, NBYTES_AT) + change);
  }

  get links(): number {
    this.world.touch(this.id, 'read');
    return this.view.getUint32(NLINK_AT, true);
  }

  setLinks(links: number): void {
    this.world.touch(this.id, 'write');
    this.view.setUint32(NLINK_AT, links, true);
  }

  get mode(): number {
    return this.view.getUint32(MODE_AT, true);
  }

  setMode(mode: number): void {
    this.world.touch(this.id, 'write');
    this.view.setUint32(MODE_AT, mode, true);
  }

  get uid(): number {
    return this.view.getUint32(UID_AT, true);
  }

  get gid(): number {
    return this.view.getUint32(GID_AT, true);
  }

  setOwner(uid: number, gid: number): void {
    this.world.touch(this.id, 'write');
    this.view.setUint32(UID_AT, uid, true);
    this.view.setUint32(GID_AT, gid, true);
  }

  /** Of a device: 2^20 times its major number and its minor number. */
  get device(): number {
    return readU64(this.view, RDEV_AT);
  }

  /** The transaction that made it: tells apart inodes that had the same number one after the other. */
  get generation(): Generation {
    return readU64(this.view, GENERATION_AT);
  }

  /** Nanoseconds since 1970, rounded as doubles are. */
  time(which: InodeTime): number {
    this.world.touch(this.id, 'read');
    return readNanoseconds(this.view, INODE_TIME_AT[which]);
  }

  /** For what sets times; changes of content and attributes call `touchTimes`. */
  setTime(which: InodeTime, nanoseconds: number): void {
    this.world.touch(this.id, 'write');
    this.changedSinceWritten = true;
    writeNanoseconds(this.view, INODE_TIME_AT[which], nanoseconds);
    this.noteUnwritten();
  }

  /** Data has checksums unless the inode says otherwise. */
  get hasChecksums(): boolean {
    return (this.flags & INODE_FLAG.NODATASUM) === 0;
  }

  /** Data is overwritten in place, as long as nothing else refers to it. */
  get isNodatacow(): boolean {
    return (this.flags & INODE_FLAG.NODATACOW) !== 0;
  }

  /** It has had preallocated space; there may be some left, also beyond its size. */
  get hasPreallocation(): boolean {
    this.world.touch(this.id, 'read');
    return (this.flags & INODE_FLAG.PREALLOC) !== 0;
  }

  /** Some of its data may be written where it lies already: worth asking before space is allocated. */
  get mayWriteInPlace(): boolean {
    this.world.touch(this.id, 'read');
    return (this.flags & (INODE_FLAG.NODATACOW | INODE_FLAG.PREALLOC)) !== 0;
  }

  /** The item says from now on that the file has preallocated space. */
  notePreallocation(): void {
    this.world.touch(this.id, 'write');
    writeU64(this.view, FLAGS_AT, this.flags | INODE_FLAG.PREALLOC);
  }

  /** Bits of `INODE_FLAG`. */
  get flags(): number {
    return readU64(this.view, FLAGS_AT);
  }

  setFlags(flags: number): void {
    this.world.touch(this.id, 'write');
    writeU64(this.view, FLAGS_AT, flags);
  }

  get isDirectory(): boolean {
    return (this.mode & MODE_TYPE.MASK) === MODE_TYPE.DIRECTORY;
  }

  get isRegular(): boolean {
    return (this.mode & MODE_TYPE.MASK) === MODE_TYPE.REGULAR;
  }

  get isSymlink(): boolean {
    return (this.mode & MODE_TYPE.MASK) === MODE_TYPE.SYMLINK;
  }

  get isAppendOnly(): boolean {
    return (this.flags & INODE_FLAG.APPEND) !== 0;
  }

  get isFifo(): boolean {
    return (this.mode & MODE_TYPE.MASK) === MODE_TYPE.FIFO;
  }

  /** The transaction that wrote the item last since the mount, or 0. */
  get lastTransaction(): Generation {
    this.world.touch(this.id, 'read');
    return this.changedBy;
  }

  /** The item on disk is older than what is in memory. */
  get isUnwritten(): boolean {
    this.world.touch(this.id, 'read');
    return this.changedSinceWritten || this.sizeNow !== readU64(this.view, SIZE_AT);
  }

  /** All of it is on disk, or will be with the running transaction, and it stays: it may leave memory. */
  get isAtRest(): boolean {
    return this.ordered.isEmpty && this.pages.dirtyCount === 0 && !this.isUnwritten && !this.isOrphan;
  }

  /** Content changed, or attributes only. */
  touchTimes(content: boolean): void {
    this.world.touch(this.id, 'write');
    this.changedSinceWritten = true;
    this.noteUnwritten();
    const now = this.world.now();
    writeNanoseconds(this.view, CTIME_AT, now);
    if (!content) return;
    writeNanoseconds(this.view, MTIME_AT, now);
    writeU64(this.view, SEQUENCE_AT, readU64(this.view, SEQUENCE_AT) + 1);
  }

  /** The bytes of the inode item as the running transaction writes them: to be copied at once, not kept. */
  itemFor(generation: Generation): Uint8Array {
    this.world.touch(this.id, 'write');
    writeU64(this.view, TRANSID_AT, generation);
    this.changedSinceWritten = false;
    this.changedBy = generation;
    return this.item;
  }

  /** How many writes of data failed since the inode is in memory. */
  get failedWrites(): number {
    this.world.touch(this.id, 'read');
    return this.writeErrors;
  }

  noteWriteError(error: Errno): void {
    this.world.touch(this.id, 'write');
    this.writeErrors++;
    this.lastWriteError = error;
  }

  /** How many failed writes somebody was told of: a new open is told of the others. */
  get reportedWriteErrors(): number {
    this.world.touch(this.id, 'read');
    return this.reportedErrors;
  }

  /** All failed writes so far count as told. Returns their number. */
  reportWriteErrors(): number {
    this.world.touch(this.id, 'write');
    this.reportedErrors = this.writeErrors;
    return this.writeErrors;
  }

  /** The error of the last failed write, if any failed since the count was `seen`. */
  writeErrorSince(seen: number): Errno | null {
    this.world.touch(this.id, 'read');
    return this.writeErrors > seen ? this.lastWriteError : null;
  }
}
