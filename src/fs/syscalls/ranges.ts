import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { corruptFile } from '../file/corrupt.ts';
import { evictDoomed } from '../file/evict.ts';
import { FILE_OFFSET_LIMIT } from '../file/extent-map.ts';
import { dropExtentMaps } from '../file/extent-map-access.ts';
import { preallocateFile } from '../file/fallocate.ts';
import { mapFileExtents, type ReportedExtent } from '../file/fiemap.ts';
import type { MountedFilesystem } from '../filesystem.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';
import { checkOffset, checkRegular, type FileTarget, hold, holdToWrite } from './target.ts';

/** What changes or tells where the ranges of files lie. */

/** As FIEMAP reports: bytes; `physical` is btrfs's logical address; flags are FIEMAP_EXTENT_* names without prefix. */
export interface FiemapExtent {
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
  readonly flags: readonly string[];
}

/**
 * Preallocates [offset, offset + length), in whole sectors: what has no place on disk yet gets one without data. The file
 * grows to the end of the range unless `keepSize`. Throws EINVAL, EFBIG, ENOSPC, EISDIR, ENODEV for no regular file.
 */
export function* fallocate(
  fs: MountedFilesystem,
  target: FileTarget,
  offset: number,
  length: number,
  { keepSize = false }: { readonly keepSize?: boolean } = {},
): Task<void> {
  throwIfReadOnly(fs.info);
  const inode = yield* holdToWrite(fs, target);
  try {
    if (inode.isDirectory) throw new FsError('EISDIR', `fallocate: inode ${inode.number} is a directory`);
    if (!inode.isRegular) throw new FsError('ENODEV', `fallocate: inode ${inode.number} is no regular file`);
    yield* preallocateFile(fs.files, inode, offset, length, keepSize);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
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
