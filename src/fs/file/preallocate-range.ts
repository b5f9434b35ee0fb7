import type { FileOffset } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { FILE_EXTENT_TYPE } from '../format/file-extent.ts';
import { releaseDataReservation } from '../space/data-reservation.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { openForChange } from '../tree/change-cursor.ts';
import { type CountedReservation, reserveCounted } from './data-placement.ts';
import { promiseDataSpace } from './data-promise.ts';
import { PREALLOC } from './extent-map.ts';
import { replaceExtentMaps } from './extent-map-access.ts';
import { dropFileExtents, insertFileExtent } from './file-extent-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { updateDiskSize, writeInodeItem } from './inode-items.ts';
import { waitForOrderedExtent } from './ordered-completion.ts';

const PREALLOCATION = { items: 3 } as const;
/** The largest preallocated extent (btrfs' limit for one turn of its loop). */
const PREALLOCATED_BYTES_MAX = 256 * 1024 * 1024;

/** A run of the file, half-open, in whole sectors. */
export interface SectorRun {
  readonly start: FileOffset;
  readonly end: FileOffset;
}

/** Locks the range once no ordered extent lies in it: direct writes need no inode lock. */
export function* lockSettled(inode: Inode, { start, end }: SectorRun): Task<Held> {
  for (;;) {
    const held = yield* inode.ranges.acquire(start, end - start, 'exclusive');
    const ordered = inode.ordered.find(start, end);
    if (ordered === null) return held;
    held.release();
    yield* waitForOrderedExtent(inode, ordered);
  }
}

/**
 * Puts new preallocated extents into the runs, in place of what is there, and lets the file grow over them, but not past
 * `sizeMax`. Space for all is promised before anything changes. The caller holds the range of the runs, and there are no
 * pages in them that anybody wants. Throws ENOSPC, EROFS, EIO.
 */
export function* preallocateRuns(
  files: Files,
  inode: Inode,
  runs: readonly SectorRun[],
  sizeMax: FileOffset,
): Task<void> {
  let promised = runs.reduce((sum, run) => sum + run.end - run.start, 0);
  if (promised > 0) yield* promiseDataSpace(files, inode, promised);
  try {
    for (const run of runs) {
      for (let at = run.start; at < run.end; ) {
        const reserved = yield* reserveCounted(files, Math.min(run.end - at, PREALLOCATED_BYTES_MAX));
        files.fs.space.returnDataPromise(reserved.length);
        promised -= reserved.length;
        yield* preallocate(files, inode, at, reserved, sizeMax);
        at += reserved.length;
      }
    }
  } finally {
    files.fs.space.returnDataPromise(promised);
  }
}

/** One preallocated extent at `start`, in a transaction of its own. */
function* preallocate(
  files: Files,
  inode: Inode,
  start: FileOffset,
  reserved: CountedReservation,
  sizeMax: FileOffset,
): Task<void> {
  let hasReference = false;
  try {
    const handle = yield* startTransaction(files.fs, PREALLOCATION);
    try {
      hasReference = true;
      yield* insertPreallocated(files, handle, inode, start, reserved, sizeMax);
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
  sizeMax: FileOffset,
): Task<void> {
  const end = start + length;
  const cursor = yield* openForChange(handle, inode.tree);
  try {
    yield* dropFileExtents(cursor, handle, inode, start, end);
    yield* insertFileExtent(cursor, handle, inode, start, length, logical, FILE_EXTENT_TYPE.PREALLOC);
    inode.notePreallocation();
    if (Math.min(end, sizeMax) > inode.size) inode.setSize(Math.min(end, sizeMax));
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
