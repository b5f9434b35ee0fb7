import { alignDown, alignUp, type FileOffset, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { PAGE_SIZE } from './page-cache.ts';
import { spaceAt } from './space-kind.ts';

/** What SEEK_DATA and SEEK_HOLE look for. */
export type SeekKind = 'data' | 'hole';

/**
 * Where the next data or hole of a regular file begins, from `offset` on. Data is what was written, on disk or not yet;
 * preallocated space is a hole, and so is what follows the end of the file. An offset before the file is its start; but
 * there Linux finds no data that is on disk. Throws ENXIO for an offset behind the file and where no data follows.
 */
export function* seekFile(files: Files, inode: Inode, asked: FileOffset, kind: SeekKind): Task<FileOffset> {
  const offset = Math.max(0, asked);
  const lock = yield* inode.lock.acquire('shared');
  try {
    const { size } = inode;
    checkInside(inode, offset, size);
    // Linux' short cut, which is wrong where preallocated space came by a reflink: that does not set the flag.
    if (kind === 'hole' && !inode.hasPreallocation && inode.allocatedBytes === size) return size;
    const start = alignDown(offset, SECTOR_SIZE);
    const end = alignUp(size, SECTOR_SIZE);
    const range = yield* inode.ranges.acquire(start, end - start, 'exclusive');
    try {
      for (let at = start; at < end; ) {
        const stretch = yield* stretchAt(files, inode, at, end);
        if (stretch.kind === kind) {
          if (asked < 0 && stretch.isOnDisk) throw new FsError('ENXIO', `seek: ${asked} of inode ${inode.number}`);
          return Math.max(offset, at);
        }
        at = stretch.end;
      }
    } finally {
      range.release();
    }
    if (kind === 'hole') return size;
    throw new FsError('ENXIO', `seek: no data from ${offset} of inode ${inode.number}`);
  } finally {
    lock.release();
  }
}

/** As `seekFile` for what is no regular file: all of it is data. */
export function seekPlain(inode: Inode, offset: FileOffset, kind: SeekKind): FileOffset {
  checkInside(inode, offset, inode.size);
  return kind === 'data' ? offset : inode.size;
}

function checkInside(inode: Inode, offset: FileOffset, size: FileOffset): void {
  if (offset >= 0 && offset < size) return;
  throw new FsError('ENXIO', `seek: ${offset} is outside the ${size} bytes of inode ${inode.number}`);
}

interface Stretch {
  readonly kind: SeekKind;
  readonly end: FileOffset;
  readonly isOnDisk: boolean;
}

function* stretchAt(files: Files, inode: Inode, at: FileOffset, end: FileOffset): Task<Stretch> {
  const space = yield* spaceAt(files, inode, at, end);
  if (space.kind === 'data') return { kind: 'data', end: space.end, isOnDisk: true };
  // Pages over space without data hold data that has no place yet.
  const dirty = inode.pages.nextDirtyRun(at / PAGE_SIZE, space.end / PAGE_SIZE, Number.POSITIVE_INFINITY);
  if (dirty === null) return { kind: 'hole', end: space.end, isOnDisk: false };
  const dirtyStart = dirty.start * PAGE_SIZE;
  if (dirtyStart > at) return { kind: 'hole', end: dirtyStart, isOnDisk: false };
  return { kind: 'data', end: dirty.end * PAGE_SIZE, isOnDisk: false };
}
