import { alignDown, alignUp, type FileOffset, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction } from '../transaction/handle.ts';
import { openForChange } from '../tree/change-cursor.ts';
import { zeroWithinPage } from './buffered-io.ts';
import { FILE_OFFSET_LIMIT } from './extent-map.ts';
import { dropExtentMaps } from './extent-map-access.ts';
import { dropFileExtents } from './file-extent-items.ts';
import type { Files } from './files.ts';
import { insertHoleItems, needsHoleItems } from './hole-items.ts';
import type { Inode } from './inode.ts';
import { updateDiskSize, updateInode, writeInodeItem } from './inode-items.ts';
import { waitForOrderedExtent } from './ordered-completion.ts';
import { dropPages } from './page-drop.ts';
import type { SectorRun } from './preallocate-range.ts';
import { spaceAt } from './space-kind.ts';
import { flushRange } from './writeback.ts';

const PUNCHING = { items: 4, releasesSpace: true } as const;

/**
 * Takes [start, end) out of a file: whole sectors lose their place on disk, preallocated ones too, also beyond the end of
 * the file; parts of sectors are zeroed. Where there is a hole already nothing happens, not even to the times. The size
 * stays. As btrfs_punch_hole of Linux 6.18. Throws ENOSPC (for the parts), EROFS, EIO.
 */
export function* punchHole(files: Files, inode: Inode, start: FileOffset, end: FileOffset): Task<void> {
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    yield* flushRange(files, inode, alignDown(start, SECTOR_SIZE), alignUp(end, SECTOR_SIZE));
    const { rest } = yield* skipHole(files, inode, start, end);
    if (rest >= end) return;
    inode.touchTimes(true);
    const inner = yield* zeroEdges(files, inode, rest, end, rest === start);
    if (inner === null || inner.start >= inner.end) yield* updateInode(files, inode);
    else yield* removeSectors(files, inode, inner);
  } finally {
    lock.release();
  }
}

/** Zeroes the parts of sectors at both ends. The whole sectors between them, or null where there is nothing more to do. */
function* zeroEdges(
  files: Files,
  inode: Inode,
  start: FileOffset,
  end: FileOffset,
  isWhole: boolean,
): Task<SectorRun | null> {
  const sizeUp = alignUp(inode.size, SECTOR_SIZE);
  const isOneSector = alignDown(start, SECTOR_SIZE) === alignDown(end - 1, SECTOR_SIZE);
  if (isOneSector && end - start < SECTOR_SIZE) {
    if (start < sizeUp) yield* zeroWithinPage(files, inode, start, end);
    return null;
  }
  const innerEnd = alignDown(end, SECTOR_SIZE);
  let innerStart = alignUp(start, SECTOR_SIZE);
  if (innerStart > start && start < sizeUp) yield* zeroWithinPage(files, inode, start, innerStart);
  if (isWhole && innerStart < end) {
    const { rest } = yield* skipHole(files, inode, innerStart, end);
    if (rest >= end) return null;
    innerStart = rest;
  }
  if (innerEnd < end && end < sizeUp) {
    const { isHole } = yield* skipHole(files, inode, innerEnd, end);
    if (!isHole) yield* zeroWithinPage(files, inode, innerEnd, end);
  }
  return { start: innerStart, end: innerEnd };
}

/**
 * Where [start, end) goes on behind the hole that it begins in, if it does. As in Linux only the first extent map counts,
 * and it is asked for as many sectors as there are bytes: of a range that begins and ends within sectors, the last sector
 * may be missing, and is then zeroed although it is a hole.
 */
function* skipHole(
  files: Files,
  inode: Inode,
  start: FileOffset,
  end: FileOffset,
): Task<{ readonly isHole: boolean; readonly rest: FileOffset }> {
  const first = alignDown(start, SECTOR_SIZE);
  const length = alignUp(end - start, SECTOR_SIZE);
  const range = yield* inode.ranges.acquire(first, length, 'exclusive');
  try {
    const space = yield* spaceAt(files, inode, first, first + length);
    return space.kind === 'hole' ? { isHole: true, rest: space.end } : { isHole: false, rest: start };
  } finally {
    range.release();
  }
}

/** Pages, maps and items of whole sectors go, in one transaction. */
function* removeSectors(files: Files, inode: Inode, run: SectorRun): Task<void> {
  const range = yield* lockFile(inode, run);
  try {
    dropPages(files, inode, run.start, run.end);
    const handle = yield* startTransaction(files.fs, PUNCHING);
    try {
      yield* dropExtentMaps(files, inode, run.start, run.end, false);
      const cursor = yield* openForChange(handle, inode.tree);
      try {
        yield* dropFileExtents(cursor, handle, inode, run.start, run.end);
        const holeEnd = Math.min(run.end, alignUp(inode.size, SECTOR_SIZE));
        if (needsHoleItems(files.fs)) yield* insertHoleItems(cursor, handle, inode, run.start, holeEnd);
        updateDiskSize(files, inode);
        yield* writeInodeItem(cursor, handle, inode);
      } finally {
        cursor.release();
      }
    } catch (error) {
      if (error instanceof FsError) abortTransaction(files.fs, error.code, `punch of inode ${inode.number}`);
      throw error;
    } finally {
      leaveTransaction(handle);
    }
  } finally {
    range.release();
  }
}

/**
 * The whole file, so that no lookup beside the hole brings back the map of an item that reached into it, once no ordered
 * extent lies in the hole.
 */
function* lockFile(inode: Inode, { start, end }: SectorRun): Task<Held> {
  for (;;) {
    const held = yield* inode.ranges.acquire(0, FILE_OFFSET_LIMIT, 'exclusive');
    const ordered = inode.ordered.find(start, end);
    if (ordered === null) return held;
    held.release();
    yield* waitForOrderedExtent(inode, ordered);
  }
}
