import type { Errno } from '../../base/errno.ts';
import { type ResourceId, resource } from '../../task/resource.ts';
import type { WaitQueue, World } from '../../task/world.ts';
import type { UnwrittenOwner } from './page-cache.ts';

/**
 * What its place on disk is: newly allocated; a preallocated extent that gets its first data; or where the file's old
 * data was.
 */
export type OrderedKind = 'regular' | 'prealloc' | 'nocow';

/** How compressed data lies on disk. */
export interface PackedPlace {
  readonly diskLength: number;
  readonly compression: number;
}

/**
 * Data of a file that has its place on disk but is not yet described by the file's items. It lives from the moment its
 * extent map is inserted, pinned (data written in place keeps the map it has), until its completion has changed the
 * trees or given up.
 */
export class OrderedExtent {
  /** Bytes in the file. */
  readonly start: number;
  readonly length: number;
  readonly diskStart: number;
  /** As many bytes as in the file, unless the data is compressed. */
  readonly diskLength: number;
  /** One of `COMPRESSION`. */
  readonly compression: number;
  readonly isDirect: boolean;
  readonly kind: OrderedKind;
  /** One per sector, set before the write is submitted; none where the inode's data has none. */
  checksums: Uint32Array = NO_CHECKSUMS;
  /** Why the write failed, if it did: then no item is made. */
  error: Errno | null = null;
  /** Its file extent item is written: nothing of it is missing on disk once that transaction is. */
  hasItem = false;
  isDone = false;

  constructor(
    start: number,
    length: number,
    diskStart: number,
    isDirect: boolean,
    kind: OrderedKind = 'regular',
    packed: PackedPlace | null = null,
  ) {
    this.start = start;
    this.length = length;
    this.diskStart = diskStart;
    this.isDirect = isDirect;
    this.kind = kind;
    this.diskLength = packed?.diskLength ?? length;
    this.compression = packed?.compression ?? 0;
  }

  get end(): number {
    return this.start + this.length;
  }

  get diskEnd(): number {
    return this.diskStart + this.diskLength;
  }
}

const NO_CHECKSUMS = new Uint32Array(0);

/** The ordered extents of one inode by file offset; they may overlap only while a failed one waits for its end. */
export class OrderedExtents {
  private readonly sorted: OrderedExtent[] = [];
  private readonly world: World;
  private readonly id: ResourceId;
  private readonly finished: WaitQueue;
  private readonly owner: UnwrittenOwner;

  constructor(world: World, id: number, owner: UnwrittenOwner) {
    this.world = world;
    this.owner = owner;
    this.id = resource('ordered-extents', id);
    this.finished = world.waitQueue('ordered-extents', id);
  }

  get isEmpty(): boolean {
    this.world.touch(this.id, 'read');
    return this.sorted.length === 0;
  }

  get count(): number {
    this.world.touch(this.id, 'read');
    return this.sorted.length;
  }

  /** As `count`, without a trace in the footprint. */
  get length(): number {
    return this.sorted.length;
  }

  add(ordered: OrderedExtent): void {
    this.world.touch(this.id, 'write');
    let index = this.sorted.length;
    while (index > 0 && this.sorted[index - 1]!.start > ordered.start) index--;
    this.sorted.splice(index, 0, ordered);
    this.owner.noteUnwritten();
  }

  /** The first one that intersects [start, end), or null. */
  find(start: number, end: number): OrderedExtent | null {
    this.world.touch(this.id, 'read');
    for (const ordered of this.sorted) {
      if (ordered.start >= end) return null;
      if (ordered.end > start) return ordered;
    }
    return null;
  }

  /** All whose place on disk intersects the logical range [start, end), by file offset. */
  onDisk(start: number, end: number): OrderedExtent[] {
    this.world.touch(this.id, 'read');
    return this.sorted.filter((ordered) => ordered.diskStart < end && ordered.diskEnd > start);
  }

  /** Not over yet. */
  has(ordered: OrderedExtent): boolean {
    this.world.touch(this.id, 'read');
    return !ordered.isDone;
  }

  /** Those whose items are not written yet, by file offset. */
  withoutItem(): readonly OrderedExtent[] {
    this.world.touch(this.id, 'read');
    return this.sorted.filter((ordered) => !ordered.hasItem);
  }

  /** Where the first one without an item begins; Infinity when there is none. */
  firstUnwrittenByte(): number {
    this.world.touch(this.id, 'read');
    for (const ordered of this.sorted) if (!ordered.hasItem) return ordered.start;
    return Number.POSITIVE_INFINITY;
  }

  /** The transaction that is open now has its item; whoever changes the inode's item knows from here on. */
  noteItem(ordered: OrderedExtent): void {
    this.world.touch(this.id, 'write');
    ordered.hasItem = true;
  }

  /** It is over: wakes everybody who waits for one of this inode. */
  finish(ordered: OrderedExtent): void {
    this.world.touch(this.id, 'write');
    ordered.isDone = true;
    this.sorted.splice(this.sorted.indexOf(ordered), 1);
    this.owner.noteUnwritten();
    this.finished.wakeAll();
  }

  /** Waits until some ordered extent finishes; look again afterwards. */
  waitForOne(): ReturnType<WaitQueue['wait']> {
    return this.finished.wait();
  }
}
