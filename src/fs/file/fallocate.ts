import { alignDown, alignUp, type ByteCount, type FileOffset, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { FILE_EXTENT_TYPE } from '../format/file-extent.ts';
import { releaseDataReservation } from '../space/data-reservation.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { openForChange } from '../tree/change-cursor.ts';
import { zeroToPageEnd } from './buffered-io.ts';
import { type CountedReservation, reserveCounted } from './data-placement.ts';
import { promiseDataSpace } from './data-promise.ts';
import { PREALLOC } from './extent-map.ts';
import { getExtentMap, putExtentMap, replaceExtentMaps } from './extent-map-access.ts';
import { dropFileExtents, insertFileExtent } from './file-extent-items.ts';
import { FILE_SIZE_MAX } from './file-limits.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { updateDiskSize, updateInode, writeInodeItem } from './inode-items.ts';
import { waitForOrderedExtent } from './ordered-completion.ts';
import { flushRange } from './writeback.ts';

const PREALLOCATION = { items: 3 } as const;
/** The largest preallocated extent (btrfs' limit for one turn of its loop). */
const PREALLOCATED_BYTES_MAX = 256 * 1024 * 1024;

/** What fallocate(2) was asked for: half-open bytes of the file. */
interface Wish {
  readonly start: FileOffset;
  readonly end: FileOffset;
  readonly keepSize: boolean;
}

/** A run of the file, half-open, in whole sectors. */
interface Hole {
  readonly start: FileOffset;
  readonly end: FileOffset;
}

/**
 * Gives every sector of [offset, offset + length) a place on disk where it has none, without data: it reads as zeroes,
 * and writing it later takes no more space. The file grows to the end of the range unless `keepSize`. Throws EINVAL for
 * an empty or negative range, EFBIG, ENOSPC (before anything changed, unless space was lost meanwhile), EROFS, EIO.
 */
export function* preallocateFile(
  files: Files,
  inode: Inode,
  offset: FileOffset,
  length: ByteCount,
  keepSize: boolean,
): Task<void> {
  if (offset < 0 || length <= 0 || !Number.isInteger(offset) || !Number.isInteger(length)) {
    throw new FsError('EINVAL', `fallocate of ${length} bytes at ${offset} of inode ${inode.number}`);
  }
  const end = offset + length;
  if (end > FILE_SIZE_MAX) throw new FsError('EFBIG', `fallocate of inode ${inode.number} would end at ${end}`);
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    // What lies behind the old end on its page becomes part of the file.
    if (end > inode.size && !keepSize) yield* zeroToPageEnd(files, inode, inode.size);
    yield* fillHoles(files, inode, { start: offset, end, keepSize });
    if (!keepSize && end > inode.size) yield* growTo(files, inode, end);
  } finally {
    lock.release();
  }
}

/** Preallocates every hole of the wish; its range is locked, and nothing in it is on its way to the disk. */
function* fillHoles(files: Files, inode: Inode, wish: Wish): Task<void> {
  const start = alignDown(wish.start, SECTOR_SIZE);
  const end = alignUp(wish.end, SECTOR_SIZE);
  yield* flushRange(files, inode, start, end);
  const range = yield* lockSettled(inode, start, end);
  try {
    const holes = yield* findHoles(files, inode, start, end);
    let promised = holes.reduce((sum, hole) => sum + hole.end - hole.start, 0);
    if (promised > 0) yield* promiseDataSpace(files, inode, promised);
    try {
      for (const hole of holes) {
        for (let at = hole.start; at < hole.end; ) {
          const reserved = yield* reserveCounted(files, Math.min(hole.end - at, PREALLOCATED_BYTES_MAX));
          files.fs.space.returnDataPromise(reserved.length);
          promised -= reserved.length;
          yield* preallocate(files, inode, at, reserved, wish);
          at += reserved.length;
        }
      }
    } finally {
      files.fs.space.returnDataPromise(promised);
    }
  } finally {
    range.release();
  }
}

/** Locks the range once no ordered extent lies in it: direct writes need no inode lock. */
function* lockSettled(inode: Inode, start: FileOffset, end: FileOffset): Task<Held> {
  for (;;) {
    const held = yield* inode.ranges.acquire(start, end - start, 'exclusive');
    const ordered = inode.ordered.find(start, end);
    if (ordered === null) return held;
    held.release();
    yield* waitForOrderedExtent(inode, ordered);
  }
}

function* findHoles(files: Files, inode: Inode, start: FileOffset, end: FileOffset): Task<Hole[]> {
  const holes: Hole[] = [];
  for (let at = start; at < end; ) {
    const map = yield* getExtentMap(files, inode, at, end - at, false);
    inode.touchMaps();
    const mapEnd = Math.min(map.end, end);
    const isHole = map.isHole;
    putExtentMap(inode, map);
    if (mapEnd <= at) {
      throw new FsError('EUCLEAN', `the extent map of inode ${inode.number} ends before the ${at} it was asked for`);
    }
    const last = holes[holes.length - 1];
    if (isHole && last?.end === at) holes[holes.length - 1] = { start: last.start, end: mapEnd };
    else if (isHole) holes.push({ start: at, end: mapEnd });
    at = mapEnd;
  }
  return holes;
}

/** One preallocated extent at `start`, in a transaction of its own. */
function* preallocate(
  files: Files,
  inode: Inode,
  start: FileOffset,
  reserved: CountedReservation,
  wish: Wish,
): Task<void> {
  let hasReference = false;
  try {
    const handle = yield* startTransaction(files.fs, PREALLOCATION);
    try {
      hasReference = true;
      yield* insertPreallocated(files, handle, inode, start, reserved, wish);
    } catch (error) {
      if (error instanceof FsError) abortTransaction(files.fs, error.code, `fallocate of inode ${inode.number}`);
      throw error;
    } finally {
      leaveTransaction(handle);
    }
  } catch (error) {
    if (error instanceof FsError && !hasReference) yield* releaseDataReservation(files.fs, reserved);
    throw error;
  } finally {
    reserved.count.add(-1);
  }
}

function* insertPreallocated(
  files: Files,
  handle: TransactionHandle,
  inode: Inode,
  start: FileOffset,
  { logical, length }: CountedReservation,
  wish: Wish,
): Task<void> {
  const end = start + length;
  const cursor = yield* openForChange(handle, inode.tree);
  try {
    // Without NO_HOLES a hole may have an item.
    yield* dropFileExtents(cursor, handle, inode, start, end);
    yield* insertFileExtent(cursor, handle, inode, start, length, logical, FILE_EXTENT_TYPE.PREALLOC);
    inode.notePreallocation();
    inode.touchTimes(true);
    if (!wish.keepSize && Math.min(end, wish.end) > inode.size) inode.setSize(Math.min(end, wish.end));
    updateDiskSize(files, inode);
    yield* writeInodeItem(cursor, handle, inode);
  } finally {
    cursor.release();
  }
  yield* replaceExtentMaps(files, inode, {
    start,
    length,
    blockStart: logical,
    generation: handle.generation,
    flags: PREALLOC,
  });
}

/** The end of the range had its place already, but the file did not reach there. */
function* growTo(files: Files, inode: Inode, size: FileOffset): Task<void> {
  inode.touchTimes(true);
  inode.setSize(size);
  yield* updateInode(files, inode);
}
