import { alignUp, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction } from '../transaction/handle.ts';
import { openForChange } from '../tree/change-cursor.ts';
import { zeroToPageEnd } from './buffered-io.ts';
import { FILE_OFFSET_LIMIT } from './extent-map.ts';
import { dropExtentMaps } from './extent-map-access.ts';
import { dropFileExtents, FILE_END } from './file-extent-items.ts';
import { FILE_SIZE_MAX } from './file-limits.ts';
import type { Files } from './files.ts';
import { truncateInlineExtent } from './inline-extent.ts';
import type { Inode } from './inode.ts';
import { updateDiskSize, updateInode, writeInodeItem } from './inode-items.ts';
import { waitForOrderedRange } from './ordered-completion.ts';
import { PAGE_SIZE } from './page-cache.ts';
import { dropDirty } from './writeback.ts';

const SHRINKING = { items: 4, releasesSpace: true } as const;

/** Gives a regular file another size. Throws EINVAL for a negative size, EFBIG, ENOSPC, EIO. */
export function* truncateFile(files: Files, inode: Inode, size: number): Task<void> {
  if (size < 0 || !Number.isInteger(size)) throw new FsError('EINVAL', `truncate of inode ${inode.number} to ${size}`);
  if (size > FILE_SIZE_MAX) throw new FsError('EFBIG', `truncate of inode ${inode.number} to ${size}`);
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    const oldSize = inode.size;
    inode.touchTimes(size !== oldSize);
    // The same size again takes away what was preallocated beyond it.
    const isShrinking = size < oldSize || (size === oldSize && inode.hasPreallocation);
    if (!isShrinking) {
      if (size > oldSize) yield* zeroToPageEnd(files, inode, oldSize);
      inode.setSize(size);
      yield* updateInode(files, inode);
    } else {
      yield* shrinkFile(files, inode, size, oldSize);
    }
  } finally {
    lock.release();
  }
}

/** The order of the kernel: size, page cache, direct I/O under way, ordered extents, the last page, the items. */
function* shrinkFile(files: Files, inode: Inode, size: number, oldSize: number): Task<void> {
  const firstGone = alignUp(size, SECTOR_SIZE);
  yield* zeroToPageEnd(files, inode, size);
  inode.setSize(size);
  yield* inode.directIo.waitZero();
  yield* files.world.point('truncate-pages', inode.mapsId);
  yield* dropPagesFrom(files, inode, firstGone);
  yield* waitForOrderedRange(inode, firstGone - (firstGone % PAGE_SIZE), FILE_END);
  yield* files.world.point('truncate-items', inode.mapsId);
  try {
    yield* removeExtentsFrom(files, inode, firstGone);
  } catch (error) {
    // The extents are still there: with the new size they would lie beyond the end of the file.
    if (error instanceof FsError) inode.setSize(oldSize);
    throw error;
  }
}

/** Forgets all pages from `start` on, dirty ones too. */
export function* dropPagesFrom(files: Files, inode: Inode, start: number): Task<void> {
  if (inode.pages.isEmpty) return;
  const range = yield* inode.ranges.acquire(start, FILE_OFFSET_LIMIT - start, 'exclusive');
  for (const page of inode.pages.within(start / PAGE_SIZE, Number.POSITIVE_INFINITY)) {
    dropDirty(files, inode, page);
    inode.pages.remove(page);
  }
  range.release();
}

/** Takes all extents from `start` on out of the file, maps and items, and writes the inode. */
function* removeExtentsFrom(files: Files, inode: Inode, start: number): Task<void> {
  // The whole range, so that no lookup in the part that stays brings back a map of the part that goes.
  const range = yield* inode.ranges.acquire(0, FILE_OFFSET_LIMIT, 'exclusive');
  try {
    // Pages may have come back while the ordered extents were awaited; by the new size they are zero.
    for (const page of inode.pages.within(start / PAGE_SIZE, Number.POSITIVE_INFINITY)) {
      dropDirty(files, inode, page);
      inode.pages.remove(page);
    }
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
