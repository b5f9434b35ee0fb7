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
 * stays. As btrfs_punch_hole of Linux 6.18, which however looks at the first cached extent map only, and so may leave a
 * sector of zeroes in a hole that lies in two maps. Throws ENOSPC (for the parts), EROFS, EIO.
 */
export function* punchHole(files: Files, inode: Inode, start: FileOffset, end: FileOffset): Task<void> {
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    yield* flushRange(files, inode, alignDown(start, SECTOR_SIZE), alignUp(end, SECTOR_SIZE));
    const first = yield* firstInSpace(files, inode, start, end);
    if (first === null) return;
    inode.touchTimes(true);
    const inner = yield* zeroEdges(files, inode, first, end);
    if (inner === null || inner.start >= inner.end) yield* updateInode(files, inode);
    else yield* removeSectors(files, inode, inner);
  } finally {
    lock.release();
  }
}

/** Zeroes the parts of sectors at both ends. The whole sectors between them, or null where there is nothing more to do. */
function* zeroEdges(files: Files, inode: Inode, start: FileOffset, end: FileOffset): Task<SectorRun | null> {
  const lastByte = alignUp(inode.size, SECTOR_SIZE);
  const isOneSector = alignDown(start, SECTOR_SIZE) === alignDown(end - 1, SECTOR_SIZE);
  if (isOneSector && end - start < SECTOR_SIZE) {
    if (start < lastByte) yield* zeroWithinPage(files, inode, start, end);
    return null;
  }
  const innerEnd = alignDown(end, SECTOR_SIZE);
  let innerStart = alignUp(start, SECTOR_SIZE);
  if (innerStart > start) {
    if (start < lastByte) yield* zeroWithinPage(files, inode, start, innerStart);
    const next = yield* firstInSpace(files, inode, innerStart, end);
    if (next === null) return null;
    innerStart = next;
  }
  if (innerEnd < end && innerEnd < lastByte) {
    const tail = yield* firstInSpace(files, inode, Math.max(innerEnd, innerStart), end);
    if (tail !== null) yield* zeroWithinPage(files, inode, innerEnd, end);
  }
  return { start: innerStart, end: innerEnd };
}

/** The first byte of [start, end) that has a place on disk, written or not; null when all is a hole. */
function* firstInSpace(files: Files, inode: Inode, start: FileOffset, end: FileOffset): Task<FileOffset | null> {
  const from = alignDown(start, SECTOR_SIZE);
  const limit = alignUp(end, SECTOR_SIZE);
  const range = yield* inode.ranges.acquire(from, limit - from, 'exclusive');
  try {
    for (let at = from; at < limit; ) {
      const space = yield* spaceAt(files, inode, at, limit);
      if (space.kind !== 'hole') return Math.max(start, at);
      at = space.end;
    }
    return null;
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
