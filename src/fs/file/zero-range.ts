import { alignDown, alignUp, type FileOffset, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { zeroWithinPage } from './buffered-io.ts';
import { growToWish, reachWish, sizeMaxOf, type Wish } from './fallocate.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { dropPages } from './page-drop.ts';
import { lockSettled, preallocateRuns, type SectorRun } from './preallocate-range.ts';
import { type Space, spaceAt } from './space-kind.ts';
import { flushRange } from './writeback.ts';

/**
 * Makes the wish read as zeroes, in preallocated space as far as whole sectors go: what was written there loses its place
 * to a new extent without data, what is preallocated from the start on is kept, parts of written sectors are zeroed. The
 * file grows to the end of the range unless `keepSize`. As btrfs_zero_range of Linux 6.18. Throws ENOSPC, EROFS, EIO.
 */
export function* zeroRange(files: Files, inode: Inode, wish: Wish): Task<void> {
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    inode.touchTimes(true);
    yield* reachWish(files, inode, wish);
    const sectors = { start: alignDown(wish.start, SECTOR_SIZE), end: alignUp(wish.end, SECTOR_SIZE) };
    yield* flushRange(files, inode, sectors.start, sectors.end);
    const start = yield* endOfPreallocated(files, inode, wish.start, sectors);
    if (start < sectors.end) {
      const run = yield* zeroEdges(files, inode, start, wish.end);
      if (run.start < run.end) yield* replaceSectors(files, inode, run, wish);
    }
    yield* growToWish(files, inode, wish);
  } finally {
    lock.release();
  }
}

/** Where the wish goes on behind the preallocated space that it begins in, if it does. */
function* endOfPreallocated(files: Files, inode: Inode, start: FileOffset, sectors: SectorRun): Task<FileOffset> {
  const space = yield* askSpace(files, inode, sectors.start, sectors.end);
  return space.kind === 'prealloc' ? space.end : start;
}

/** Zeroes the parts of written sectors at both ends. The whole sectors that are to become preallocated. */
function* zeroEdges(files: Files, inode: Inode, start: FileOffset, end: FileOffset): Task<SectorRun> {
  const first = alignDown(start, SECTOR_SIZE);
  if (first === alignDown(end - 1, SECTOR_SIZE)) return yield* zeroInOneSector(files, inode, start, end);
  let innerStart = alignUp(start, SECTOR_SIZE);
  if (innerStart > start) {
    const { kind } = yield* askSpace(files, inode, first, innerStart);
    if (kind === 'data') yield* zeroWithinPage(files, inode, start, innerStart);
    else if (kind === 'hole') innerStart = first;
  }
  let innerEnd = alignDown(end, SECTOR_SIZE);
  if (innerEnd < end) {
    const { kind } = yield* askSpace(files, inode, innerEnd, innerEnd + SECTOR_SIZE);
    if (kind === 'data') yield* zeroWithinPage(files, inode, innerEnd, end);
    else if (kind === 'hole') innerEnd += SECTOR_SIZE;
  }
  return { start: innerStart, end: innerEnd };
}

function* zeroInOneSector(files: Files, inode: Inode, start: FileOffset, end: FileOffset): Task<SectorRun> {
  const sector = { start: alignDown(start, SECTOR_SIZE), end: alignDown(start, SECTOR_SIZE) + SECTOR_SIZE };
  const { kind } = yield* askSpace(files, inode, sector.start, sector.end);
  if (kind === 'hole' || (kind === 'data' && end - start === SECTOR_SIZE)) return sector;
  if (kind === 'data') yield* zeroWithinPage(files, inode, start, end);
  return { start: sector.start, end: sector.start };
}

function* askSpace(files: Files, inode: Inode, start: FileOffset, end: FileOffset): Task<Space> {
  const range = yield* inode.ranges.acquire(start, end - start, 'exclusive');
  try {
    return yield* spaceAt(files, inode, start, end);
  } finally {
    range.release();
  }
}

function* replaceSectors(files: Files, inode: Inode, run: SectorRun, wish: Wish): Task<void> {
  const range = yield* lockSettled(inode, run);
  try {
    dropPages(files, inode, run.start, run.end);
    yield* preallocateRuns(files, inode, [run], sizeMaxOf(wish));
  } finally {
    range.release();
  }
}
