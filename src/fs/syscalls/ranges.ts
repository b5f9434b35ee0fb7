import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { corruptFile } from '../file/corrupt.ts';
import { evictDoomed } from '../file/evict.ts';
import { FILE_OFFSET_LIMIT } from '../file/extent-map.ts';
import { dropExtentMaps } from '../file/extent-map-access.ts';
import { checkFallocate, preallocateFile, type Wish } from '../file/fallocate.ts';
import { mapFileExtents, type ReportedExtent } from '../file/fiemap.ts';
import type { Inode } from '../file/inode.ts';
import { checkNotImmutable } from '../file/permission.ts';
import { punchHole } from '../file/punch-hole.ts';
import { type SeekKind, seekFile, seekPlain } from '../file/seek.ts';
import { zeroRange } from '../file/zero-range.ts';
import type { MountedFilesystem } from '../filesystem.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';
import {
  checkOffset,
  checkRegular,
  closeUnlessOpen,
  type FileTarget,
  hold,
  holdToWrite,
  openFileOf,
} from './target.ts';

/** What changes or tells where the ranges of files lie. */

/** As FIEMAP reports: bytes; `physical` is btrfs's logical address; flags are FIEMAP_EXTENT_* names without prefix. */
export interface FiemapExtent {
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
  readonly flags: readonly string[];
}

/** The modes of fallocate(2) that Linux knows; what btrfs refuses is refused. */
export type FallocateMode =
  | 'allocate'
  | 'keep-size'
  | 'punch-hole'
  | 'zero-range'
  | 'zero-range-keep-size'
  | 'collapse-range'
  | 'insert-range';

export interface FallocateOptions {
  /** Default `allocate`. */
  readonly mode?: FallocateMode;
  /** `allocate` and `zero-range` leave the size as it is. */
  readonly keepSize?: boolean;
}

/**
 * Changes what [offset, offset + length) has on disk. `allocate`: whole sectors without a place get one without data, and
 * the file grows to the end of the range. `punch-hole`: they lose their place. `zero-range`: they get a new place without
 * data. `-keep-size` and `punch-hole` leave the size as it is. Throws EINVAL, EFBIG, ENOSPC, EISDIR, ENODEV for no regular file,
 * EPERM, EBADF, EOPNOTSUPP for collapsing and inserting, EROFS, EIO.
 */
export function* fallocate(
  fs: MountedFilesystem,
  target: FileTarget,
  offset: number,
  length: number,
  { mode = 'allocate', keepSize = false }: FallocateOptions = {},
): Task<void> {
  throwIfReadOnly(fs.info);
  // With an open file Linux looks at the range before the mode of the open.
  if (openFileOf(fs, target) !== null && length === 0) throw new FsError('EINVAL', 'fallocate: no bytes');
  const inode = yield* holdToWrite(fs, target);
  try {
    // Named by its path, a file is opened for writing first, which a directory cannot be.
    if (openFileOf(fs, target) === null && inode.isDirectory)
      throw new FsError('EISDIR', `fallocate: inode ${inode.number} is a directory`);
    checkFallocate(inode, offset, length);
    checkNotImmutable(inode);
    const changesData = mode !== 'allocate' && mode !== 'keep-size';
    if (changesData && inode.isAppendOnly)
      throw new FsError('EPERM', `fallocate: ${mode} of append-only ${inode.number}`);
    const wish = { start: offset, end: offset + length, keepSize: keepSize || mode.endsWith('keep-size') };
    yield* grantWish(fs, inode, mode, wish);
    yield* closeUnlessOpen(fs, target, inode);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
}

function grantWish({ files }: MountedFilesystem, inode: Inode, mode: FallocateMode, wish: Wish): Task<void> {
  switch (mode) {
    case 'allocate':
    case 'keep-size':
      return preallocateFile(files, inode, wish);
    case 'zero-range':
    case 'zero-range-keep-size':
      return zeroRange(files, inode, wish);
    case 'punch-hole':
      return punchHole(files, inode, wish.start, wish.end);
    default:
      throw new FsError('EOPNOTSUPP', `fallocate: ${mode} of inode ${inode.number}`);
  }
}

/**
 * Where data or a hole begins at or after `offset`, as lseek(2) with SEEK_DATA and SEEK_HOLE; the end of the file is a
 * hole. Throws ENXIO outside the file and where no data follows, EIO.
 */
export function* seek(fs: MountedFilesystem, target: FileTarget, offset: number, kind: SeekKind): Task<number> {
  const inode = yield* hold(fs, target);
  let found: number;
  try {
    found = inode.isRegular ? yield* seekFile(fs.files, inode, offset, kind) : seekPlain(inode, offset, kind);
    yield* closeUnlessOpen(fs, target, inode);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
  return found;
}

/** `sync`: write out dirty data first, as FIEMAP_FLAG_SYNC. */
export function* fiemap(
  fs: MountedFilesystem,
  target: FileTarget,
  options: { readonly sync?: boolean } = {},
): Task<readonly FiemapExtent[]> {
  const inode = yield* hold(fs, target);
  let extents: ReportedExtent[];
  try {
    if (!inode.isRegular) throw new FsError('EOPNOTSUPP', `fiemap: inode ${inode.number} is no regular file`);
    extents = yield* mapFileExtents(fs.files, inode, options.sync === true);
    yield* closeUnlessOpen(fs, target, inode);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
  return extents;
}

/**
 * Drops the extent maps of [offset, offset + length) of one file but the pinned ones, under the lock of that range, as
 * relocation does for the files whose extents it moves.
 */
export function* dropUnpinnedExtentMaps(
  fs: MountedFilesystem,
  target: FileTarget,
  offset: number,
  length: number,
): Task<void> {
  const inode = yield* hold(fs, target);
  try {
    checkRegular(inode, 'drop caches');
    // The whole range, as for `dropCaches`: nobody may hold an item that he read before a write and insert it after.
    const range = yield* inode.ranges.acquire(0, FILE_OFFSET_LIMIT, 'exclusive');
    yield* dropExtentMaps(fs.files, inode, offset, offset + length, true);
    range.release();
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
}

/**
 * Damages [offset, offset + length) of the file in the copy `mirror` (from 1): each byte on the device becomes its
 * complement, durably and behind the file system's back. Holes and preallocated space are passed over. Throws EINVAL
 * where there is no such copy, EOPNOTSUPP for data inside an item, EIO.
 */
export function* corrupt(
  fs: MountedFilesystem,
  target: FileTarget,
  offset: number,
  length: number,
  mirror: number,
): Task<void> {
  checkOffset(offset, 'corrupt');
  checkOffset(length, 'corrupt');
  const inode = yield* hold(fs, target);
  try {
    checkRegular(inode, 'corrupt');
    yield* corruptFile(fs.files, inode, offset, length, mirror);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
}
