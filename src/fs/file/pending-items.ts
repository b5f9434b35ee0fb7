import { type ByteCount, KIB } from '../../base/units.ts';
import { resource } from '../../task/resource.ts';
import type { World } from '../../task/world.ts';
import { BYTES_PER_DATA_EXTENT } from '../transaction/metadata-promise.ts';
import type { Inode } from './inode.ts';
import { PAGE_SIZE } from './page-cache.ts';

/** Writeback may cut a run of pages so small: what one compressed extent holds. */
const RUN_PAGES = (128 * KIB) / PAGE_SIZE;
/** Beside the numbers that the cache of inodes has for itself. */
const UNWRITTEN = resource('inode', 2);
const ITEM_BYTES = resource('inode', 3);

/**
 * What in memory is not on disk yet: which inodes have some of it, and by how much the trees may grow for its items. Kept
 * up to date by each change of a page cache, of ordered extents or of a size, so that nobody has to look at all inodes.
 */
export class PendingItems {
  private readonly world: World;
  private readonly maxInline: ByteCount;
  /** Inodes that may have something unwritten; they leave when somebody looks and they have not. */
  private readonly inodes = new Set<Inode>();
  private total: ByteCount = 0;

  constructor(world: World, maxInline: ByteCount) {
    this.world = world;
    this.maxInline = maxInline;
  }

  /**
   * By how much the trees may grow for all data in memory that has no items yet: dirty pages, and ordered extents under
   * way. It was accepted, so whoever comes later must leave it room.
   */
  get bytes(): ByteCount {
    this.world.touch(ITEM_BYTES, 'read');
    return this.total;
  }

  /** Something of the inode changed that may have to be written out. */
  note(inode: Inode): void {
    if (!inode.isListedUnwritten) {
      this.world.touch(UNWRITTEN, 'update');
      inode.isListedUnwritten = true;
      this.inodes.add(inode);
    }
    this.count(inode, this.bytesFor(inode));
  }

  /** The inode leaves memory. */
  forget(inode: Inode): void {
    this.count(inode, 0);
    if (!inode.isListedUnwritten) return;
    this.world.touch(UNWRITTEN, 'update');
    inode.isListedUnwritten = false;
    this.inodes.delete(inode);
  }

  /** Inodes with dirty pages, ordered extents or an item that is older than what is in memory, by subvolume and number. */
  unwritten(): Inode[] {
    this.world.touch(UNWRITTEN, 'read');
    const found: Inode[] = [];
    for (const inode of this.inodes) {
      if (inode.pages.dirtyCount > 0 || !inode.ordered.isEmpty || inode.isUnwritten) {
        found.push(inode);
        continue;
      }
      inode.isListedUnwritten = false;
      this.inodes.delete(inode);
    }
    return found.sort((a, b) => a.tree.id - b.tree.id || a.number - b.number);
  }

  private count(inode: Inode, bytes: ByteCount): void {
    const change = bytes - inode.pendingItemBytes;
    if (change === 0) return;
    this.world.touch(ITEM_BYTES, 'update');
    this.total += change;
    inode.pendingItemBytes = bytes;
  }

  private bytesFor({ pages, ordered, sizeInMemory }: Inode): ByteCount {
    const { dirtyPages } = pages;
    if (dirtyPages === 0) return ordered.length * BYTES_PER_DATA_EXTENT;
    const extents = pages.dirtyRuns + Math.floor(dirtyPages / RUN_PAGES) + ordered.length;
    return extents * BYTES_PER_DATA_EXTENT + (sizeInMemory <= this.maxInline ? sizeInMemory : 0);
  }
}
