import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { bufferedRead, bufferedWrite } from '../file/buffered-io.ts';
import { directRead, directWrite } from '../file/direct-io.ts';
import { evictDoomed } from '../file/evict.ts';
import type { Inode } from '../file/inode.ts';
import { loadMapped, storeMapped } from '../file/mapped-io.ts';
import { PAGE_SIZE } from '../file/page-cache.ts';
import { truncateFile } from '../file/truncate.ts';
import type { MountedFilesystem } from '../filesystem.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';
import { fdatasync } from './durability.ts';
import {
  checkOffset,
  checkRegular,
  closeUnlessOpen,
  type FileTarget,
  hold,
  holdToWrite,
  openFileOf,
} from './target.ts';

/** What reads and writes the bytes of files. */

export interface TransferOptions {
  /** Default: as the handle was opened. */
  readonly direct?: boolean;
  readonly append?: boolean;
}

export function* truncate(fs: MountedFilesystem, target: FileTarget, size: number): Task<void> {
  throwIfReadOnly(fs.info);
  const inode = yield* holdToWrite(fs, target, { isTruncate: true });
  try {
    checkRegular(inode, 'truncate');
    yield* truncateFile(fs.files, inode, size, { isOpen: typeof target === 'number' });
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
}

/**
 * `offset` null: append. Returns how many bytes were written; fewer than given when space ran out in the middle. Direct
 * writes hand the array itself to the device: do not change it afterwards.
 */
export function* write(
  fs: MountedFilesystem,
  target: FileTarget,
  offset: number | null,
  bytes: Uint8Array,
  options: TransferOptions = {},
): Task<number> {
  throwIfReadOnly(fs.info);
  checkOffset(offset ?? 0, 'write');
  const file = openFileOf(fs, target);
  const at = (options.append ?? file?.append ?? false) ? null : offset;
  const inode = yield* holdToWrite(fs, target, { isAppend: at === null });
  let written: number;
  try {
    checkRegular(inode, 'write');
    written =
      (options.direct ?? file?.direct ?? false)
        ? yield* directWrite(fs.files, inode, at, bytes)
        : yield* bufferedWrite(fs.files, inode, at, bytes);
    yield* closeUnlessOpen(fs, target, inode);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
  return written;
}

/** Fewer bytes than asked for at the end of the file. The bytes are not to be changed. */
export function* read(
  fs: MountedFilesystem,
  target: FileTarget,
  offset: number,
  length: number,
  options: TransferOptions = {},
): Task<Uint8Array> {
  checkOffset(offset, 'read');
  checkOffset(length, 'read');
  const file = openFileOf(fs, target);
  if (file?.isReadable === false) throw new FsError('EBADF', `handle ${target} is not open to read`);
  const inode = yield* hold(fs, target);
  let bytes: Uint8Array;
  try {
    checkRegular(inode, 'read');
    bytes =
      (options.direct ?? file?.direct ?? false)
        ? yield* directRead(fs.files, inode, offset, length)
        : yield* bufferedRead(fs.files, inode, offset, length);
    yield* closeUnlessOpen(fs, target, inode);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
  return bytes;
}

/**
 * Stores bytes through a shared mapping: open, mmap, store, munmap. The file does not grow, and what lies behind its end on
 * its last page is lost. Throws EFAULT for what Linux answers by SIGBUS: a page beyond the end of the file, or one that
 * cannot be read or has no space to go to; the pages before it are stored. EACCES, EISDIR, ENODEV, EINVAL as mmap(2).
 */
export function* mapWrite(fs: MountedFilesystem, target: FileTarget, offset: number, bytes: Uint8Array): Task<void> {
  throwIfReadOnly(fs.info);
  checkOffset(offset, 'mapped write');
  checkHandleMaps(fs, target, true);
  const inode = yield* holdToWrite(fs, target);
  try {
    if (inode.isDirectory) throw new FsError('EISDIR', `mmap: inode ${inode.number} is a directory`);
    checkMappable(inode, bytes.length);
    if (inode.isAppendOnly) throw new FsError('EACCES', `mmap: inode ${inode.number} is append-only`);
    yield* storeMapped(fs.files, inode, offset, bytes);
    yield* closeUnlessOpen(fs, target, inode);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
}

/** Loads bytes through a shared mapping, as many as asked for: zeroes behind the end of the file on its last page. */
export function* mapRead(fs: MountedFilesystem, target: FileTarget, offset: number, length: number): Task<Uint8Array> {
  checkOffset(offset, 'mapped read');
  checkOffset(length, 'mapped read');
  checkHandleMaps(fs, target, false);
  const inode = yield* hold(fs, target);
  let bytes: Uint8Array;
  try {
    checkMappable(inode, length);
    checkAppendOnlyMaps(fs, target, inode);
    bytes = yield* loadMapped(fs.files, inode, offset, length);
    yield* closeUnlessOpen(fs, target, inode);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
  return bytes;
}

/** Makes a range of a mapping durable (MS_SYNC): Linux syncs the file, and so does this. Throws EINVAL where `offset` is no page's. */
export function* msync(fs: MountedFilesystem, target: FileTarget, offset: number, length: number): Task<void> {
  checkOffset(offset, 'msync');
  checkOffset(length, 'msync');
  if (offset % PAGE_SIZE !== 0) throw new FsError('EINVAL', `msync: ${offset} is no multiple of ${PAGE_SIZE}`);
  if (length === 0) return;
  checkHandleMaps(fs, target, false);
  const inode = yield* hold(fs, target);
  try {
    checkMappable(inode, length);
    checkAppendOnlyMaps(fs, target, inode);
  } finally {
    fs.files.inodes.put(inode);
  }
  // Through a handle that may not write no mapping is shared.
  if (openFileOf(fs, target)?.isWritable === false) return;
  yield* fdatasync(fs, target);
}

/** Every mapping needs a handle that may read, a shared one to store into also one that may write. */
function checkHandleMaps(fs: MountedFilesystem, target: FileTarget, isToWrite: boolean): void {
  const file = openFileOf(fs, target);
  if (file === null || (file.isReadable && (file.isWritable || !isToWrite))) return;
  throw new FsError('EACCES', `mmap: handle ${target} was not opened for that`);
}

/** Through a handle that may write, not even a mapping for reading. */
function checkAppendOnlyMaps(fs: MountedFilesystem, target: FileTarget, inode: Inode): void {
  if (!inode.isAppendOnly || openFileOf(fs, target)?.isWritable !== true) return;
  throw new FsError('EACCES', `mmap: inode ${inode.number} is append-only`);
}

function checkMappable(inode: Inode, length: number): void {
  if (!inode.isRegular) throw new FsError('ENODEV', `mmap: inode ${inode.number} is no regular file`);
  if (length === 0) throw new FsError('EINVAL', `mmap: no bytes of inode ${inode.number}`);
}
