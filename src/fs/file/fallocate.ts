import { alignDown, alignUp, type ByteCount, type FileOffset, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { MODE_TYPE } from '../format/inode.ts';
import { expandFile } from './buffered-io.ts';
import { FILE_SIZE_MAX } from './file-limits.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { updateInode } from './inode-items.ts';
import { lockSettled, preallocateRuns, type SectorRun } from './preallocate-range.ts';
import { spaceAt } from './space-kind.ts';
import { flushRange } from './writeback.ts';

/** What a call of fallocate(2) is about: half-open bytes of the file. */
export interface Wish {
  readonly start: FileOffset;
  readonly end: FileOffset;
  readonly keepSize: boolean;
}

/** Throws EINVAL for an empty or negative range, EFBIG for one that ends beyond the largest file, EISDIR, ENODEV, ESPIPE. */
export function checkFallocate(inode: Inode, offset: FileOffset, length: ByteCount): void {
  const what = `fallocate of ${length} bytes at ${offset} of inode ${inode.number}`;
  if (offset < 0 || length <= 0 || !Number.isInteger(offset) || !Number.isInteger(length)) {
    throw new FsError('EINVAL', what);
  }
  if (inode.isDirectory) throw new FsError('EISDIR', `${what}: it is a directory`);
  if ((inode.mode & MODE_TYPE.MASK) === MODE_TYPE.FIFO) throw new FsError('ESPIPE', `${what}: it is a pipe`);
  if (!inode.isRegular) throw new FsError('ENODEV', `${what}: it is no regular file`);
  if (offset + length > FILE_SIZE_MAX) throw new FsError('EFBIG', what);
}

/**
 * Gives every sector of the wish a place on disk where it has none, without data: it reads as zeroes, and writing it
 * later takes no more space. The file grows to the end of the range unless `keepSize`. Throws ENOSPC (before anything
 * changed, unless space was lost meanwhile), EROFS, EIO.
 */
export function* preallocateFile(files: Files, inode: Inode, wish: Wish): Task<void> {
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    inode.touchTimes(true);
    yield* reachWish(files, inode, wish);
    const range = { start: alignDown(wish.start, SECTOR_SIZE), end: alignUp(wish.end, SECTOR_SIZE) };
    yield* flushRange(files, inode, range.start, range.end);
    const held = yield* lockSettled(inode, range);
    try {
      const holes = yield* findHoles(files, inode, range);
      yield* preallocateRuns(files, inode, holes, sizeMaxOf(wish));
    } finally {
      held.release();
    }
    yield* growToWish(files, inode, wish);
  } finally {
    lock.release();
  }
}

/** What lies behind the old end up to the wish reads as zeroes, even if the size stays as it is, as in Linux. */
export function* reachWish(files: Files, inode: Inode, { start, end }: Wish): Task<void> {
  if (end > inode.size) yield* expandFile(files, inode, alignDown(start, SECTOR_SIZE));
}

/** How far new extents may move the size. */
export function sizeMaxOf({ end, keepSize }: Wish): FileOffset {
  return keepSize ? 0 : end;
}

/** The end of the range may have had its place already, though the file did not reach there. */
export function* growToWish(files: Files, inode: Inode, { end, keepSize }: Wish): Task<void> {
  if (keepSize || end <= inode.size) return;
  yield* updateInode(files, inode, end);
}

function* findHoles(files: Files, inode: Inode, { start, end }: SectorRun): Task<SectorRun[]> {
  const holes: SectorRun[] = [];
  for (let at = start; at < end; ) {
    const space = yield* spaceAt(files, inode, at, end);
    const last = holes[holes.length - 1];
    const isHole = space.kind === 'hole';
    if (isHole && last?.end === at) holes[holes.length - 1] = { start: last.start, end: space.end };
    else if (isHole) holes.push({ start: at, end: space.end });
    at = space.end;
  }
  return holes;
}
