import { alignUp, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction } from '../transaction/handle.ts';
import { openForChange } from '../tree/change-cursor.ts';
import { expandFile, lockPages, zeroToPageEnd } from './buffered-io.ts';
import { FILE_OFFSET_LIMIT } from './extent-map.ts';
import { dropExtentMaps, getExtentMap, putExtentMap } from './extent-map-access.ts';
import { dropFileExtents, FILE_END } from './file-extent-items.ts';
import { FILE_SIZE_MAX } from './file-limits.ts';
import type { Files } from './files.ts';
import { needsHoleItems } from './hole-items.ts';
import { truncateInlineExtent } from './inline-extent.ts';
import type { Inode } from './inode.ts';
import { updateDiskSize, updateInode, writeInodeItem } from './inode-items.ts';
import { waitForOrderedRange } from './ordered-completion.ts';
import { PAGE_SIZE } from './page-cache.ts';
import { dropPages } from './page-drop.ts';
import { startWriteback } from './writeback.ts';

const SHRINKING = { items: 4, releasesSpace: true } as const;

/**
 * Gives a regular file another size. The same size again takes away what was preallocated beyond it; the times tell of it
 * only with `isOpen`, as of ftruncate(2) and open(2). Throws EINVAL for a negative size, EFBIG, ENOSPC, EIO.
 */
export function* truncateFile(
  files: Files,
  inode: Inode,
  size: number,
  { isOpen = true }: { readonly isOpen?: boolean } = {},
): Task<void> {
  if (size < 0 || !Number.isInteger(size)) throw new FsError('EINVAL', `truncate of inode ${inode.number} to ${size}`);
  if (size > FILE_SIZE_MAX) throw new FsError('EFBIG', `truncate of inode ${inode.number} to ${size}`);
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    const oldSize = inode.size;
    if (size > oldSize) {
      yield* expandFile(files, inode, alignUp(size, SECTOR_SIZE));
      inode.touchTimes(true);
      yield* updateInode(files, inode, size);
      return;
    }
    if (isOpen || size !== oldSize) inode.touchTimes(true);
    if (size === 0) inode.isWrittenOutOnClose = true;
    if (size < oldSize || inode.hasPreallocation) yield* shrinkFile(files, inode, size, oldSize);
    else if (isOpen) yield* updateInode(files, inode);
  } finally {
    lock.release();
  }
}

/** The order of the kernel: size, page cache, direct I/O under way, the last page where it is dirty, ordered extents, the items. */
function* shrinkFile(files: Files, inode: Inode, size: number, oldSize: number): Task<void> {
  const firstGone = alignUp(size, SECTOR_SIZE);
  const hasDirtyEnd = size < oldSize && (yield* zeroLastPage(files, inode, size));
  inode.setSize(size);
  yield* inode.directIo.waitZero();
  yield* files.world.point('truncate-pages', inode.mapsId);
  yield* dropPagesFrom(files, inode, firstGone);
  if (hasDirtyEnd) yield* startWriteback(files, inode, firstGone - SECTOR_SIZE, firstGone);
  yield* waitForOrderedRange(inode, hasDirtyEnd ? firstGone - SECTOR_SIZE : firstGone, FILE_END);
  yield* files.world.point('truncate-items', inode.mapsId);
  try {
    yield* removeExtentsFrom(files, inode, firstGone);
  } catch (error) {
    // The extents are still there: with the new size they would lie beyond the end of the file. What was not on disk is
    // gone: where a hole needs an item, the file ends before it, as in Linux.
    if (error instanceof FsError) inode.setSize(needsHoleItems(files.fs) ? Math.max(size, inode.diskSize) : oldSize);
    throw error;
  }
}

/**
 * What is cut off on the last page must not come back when the file grows. Whoever lets it grow zeroes that page again,
 * as in Linux, which does it only then; here it is written now too where it can be, so that a power cut between the two
 * brings nothing back. Inline data is cut with its item, unless it is compressed. Returns whether the page was dirty before.
 */
function* zeroLastPage(files: Files, inode: Inode, size: number): Task<boolean> {
  if (size % PAGE_SIZE === 0) return false;
  const index = Math.floor(size / PAGE_SIZE);
  const range = yield* lockPages(inode, index, index + 1);
  let wasDirty: boolean;
  let isStale: boolean;
  let isInline: boolean;
  try {
    const page = inode.pages.find(index);
    inode.pages.touchBytes();
    page?.bytes.fill(0, size % PAGE_SIZE);
    const map = yield* getExtentMap(files, inode, index * PAGE_SIZE, PAGE_SIZE, true);
    wasDirty = page?.isDirty === true && !page.isTrimmed;
    isStale = page?.isDirty !== true && (map.isReal ? !map.isPrealloc : map.isCompressed);
    isInline = !map.isReal;
    putExtentMap(inode, map);
  } finally {
    range.release();
  }
  if (!isStale) return wasDirty;
  try {
    yield* zeroToPageEnd(files, inode, size);
    const page = inode.pages.find(index);
    // Compressed inline data Linux too writes anew.
    if (page?.isDirty === true && !isInline) page.isTrimmed = true;
  } catch (error) {
    // A file may be cut also where there is no space, and where its last page cannot be read.
    if (!(error instanceof FsError)) throw error;
  }
  return false;
}

/** Forgets all pages from `start` on, dirty ones too. */
export function* dropPagesFrom(files: Files, inode: Inode, start: number): Task<void> {
  if (inode.pages.isEmpty) return;
  const range = yield* inode.ranges.acquire(start, FILE_OFFSET_LIMIT - start, 'exclusive');
  dropPages(files, inode, start, Number.POSITIVE_INFINITY);
  range.release();
}

/** Takes all extents from `start` on out of the file, maps and items, and writes the inode. */
function* removeExtentsFrom(files: Files, inode: Inode, start: number): Task<void> {
  // The whole range, so that no lookup in the part that stays brings back a map of the part that goes.
  const range = yield* inode.ranges.acquire(0, FILE_OFFSET_LIMIT, 'exclusive');
  try {
    // Pages may have come back while the ordered extents were awaited; by the new size they are zero.
    dropPages(files, inode, start, Number.POSITIVE_INFINITY);
    const handle = yield* startTransaction(files.fs, SHRINKING);
    try {
      yield* dropExtentMaps(files, inode, start, FILE_OFFSET_LIMIT, false);
      let isInlineCut: boolean;
      const cursor = yield* openForChange(handle, inode.tree);
      try {
        yield* dropFileExtents(cursor, handle, inode, start, FILE_END);
        isInlineCut = yield* truncateInlineExtent(cursor, inode, inode.size);
        if (inode.diskSize > inode.size) inode.setDiskSize(inode.size);
        updateDiskSize(files, inode);
        yield* writeInodeItem(cursor, handle, inode);
      } finally {
        cursor.release();
      }
      if (isInlineCut) yield* dropExtentMaps(files, inode, 0, SECTOR_SIZE, false);
    } catch (error) {
      if (error instanceof FsError) abortTransaction(files.fs, error.code, `truncate of inode ${inode.number}`);
      throw error;
    } finally {
      leaveTransaction(handle);
    }
  } finally {
    range.release();
  }
}
