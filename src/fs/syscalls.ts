import type { Task } from '../task/task.ts';
import { FsError } from './errors.ts';
import { bufferedRead, bufferedWrite } from './file/buffered-io.ts';
import { corruptFile } from './file/corrupt.ts';
import { makeNode, NEW_DIRECTORY_MODE, NEW_FILE_MODE, NODATACOW_FLAGS } from './file/create.ts';
import { directRead, directWrite } from './file/direct-io.ts';
import { listNames } from './file/directory-items.ts';
import { dropCaches as dropAllCaches, evictDoomed } from './file/evict.ts';
import { FILE_OFFSET_LIMIT } from './file/extent-map.ts';
import { dropExtentMaps } from './file/extent-map-access.ts';
import { preallocateFile } from './file/fallocate.ts';
import { mapFileExtents, type ReportedExtent } from './file/fiemap.ts';
import type { Inode } from './file/inode.ts';
import { walk } from './file/namespace.ts';
import { parsePath } from './file/path.ts';
import { renameNode } from './file/rename.ts';
import { syncAll, syncFile } from './file/sync.ts';
import { truncateFile } from './file/truncate.ts';
import { removeDirectory, unlinkFile } from './file/unlink.ts';
import type { MountedFilesystem, OpenFile } from './filesystem.ts';
import { throwIfReadOnly } from './transaction/handle.ts';

/**
 * The operations of a mounted file system. Each takes plain arguments and throws FsError with the errno that Linux
 * would return. A file is named by its path or by a handle of `open`.
 */

/** From the root, `/`-separated; text is UTF-8, other names are given as bytes. */
export type Path = string | Uint8Array;
/** What `open` returned. */
export type Handle = number;
export type FileTarget = Path | Handle;

export interface CreateOptions {
  /** Data of the new file is overwritten in place and has no checksums (`chattr +C`). */
  readonly nodatacow?: boolean;
}

/** `nodatacow` is for the file that `create` makes; one that is there stays as it is. */
export interface OpenOptions extends CreateOptions {
  /** Make an empty file where there is none. */
  readonly create?: boolean;
  /** With `create`: EEXIST where there is one. */
  readonly exclusive?: boolean;
  readonly truncate?: boolean;
  readonly direct?: boolean;
  readonly append?: boolean;
}

export interface TransferOptions {
  /** Default: as the handle was opened. */
  readonly direct?: boolean;
  readonly append?: boolean;
}

/** As FIEMAP reports: bytes; `physical` is btrfs's logical address; flags are FIEMAP_EXTENT_* names without prefix. */
export interface FiemapExtent {
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
  readonly flags: readonly string[];
}

export interface FileStatus {
  readonly inode: number;
  readonly kind: 'file' | 'directory' | 'other';
  readonly mode: number;
  readonly size: number;
  /** Bytes of extents that the file refers to. */
  readonly allocatedBytes: number;
  readonly links: number;
}

/** What an operation is called in workloads, and what it does. */
export const OPERATIONS = [
  { name: 'mkdir', title: 'make a directory' },
  { name: 'create', title: 'make an empty file' },
  { name: 'open', title: 'open a file for reading and writing' },
  { name: 'close', title: 'close an open file' },
  { name: 'unlink', title: 'remove a name of a file' },
  { name: 'rmdir', title: 'remove an empty directory' },
  { name: 'rename', title: 'give a file or directory another name' },
  { name: 'fallocate', title: 'preallocate space for a range of a file' },
  { name: 'truncate', title: 'change the size of a file' },
  { name: 'write', title: 'write, through the page cache or around it' },
  { name: 'read', title: 'read, through the page cache or around it' },
  { name: 'fsync', title: 'make a file durable' },
  { name: 'fdatasync', title: 'make the data of a file durable' },
  { name: 'sync', title: 'make everything durable' },
  { name: 'drop-caches', title: 'forget what can be read again' },
  { name: 'fiemap', title: 'list the extents of a file' },
  { name: 'stat', title: 'size and kind of a file' },
  { name: 'readdir', title: 'list the names of a directory' },
  { name: 'corrupt', title: 'damage one copy of a range of a file on its device' },
] as const;

export function* mkdir(fs: MountedFilesystem, path: Path): Task<void> {
  throwIfReadOnly(fs.info);
  const inode = yield* makeNode(fs.files, parsePath(path), NEW_DIRECTORY_MODE, false);
  fs.files.inodes.put(inode);
}

/** Makes an empty file; EEXIST when the name is taken. */
export function* create(fs: MountedFilesystem, path: Path, options: CreateOptions = {}): Task<void> {
  throwIfReadOnly(fs.info);
  const inode = yield* makeNode(fs.files, parsePath(path), NEW_FILE_MODE, false, flagsOf(options));
  fs.files.inodes.put(inode);
}

export function* open(fs: MountedFilesystem, path: Path, options: OpenOptions = {}): Task<Handle> {
  const inode = yield* findOrMake(fs, path, options);
  try {
    // An open is for reading and writing, which Linux refuses for a directory.
    if (inode.isDirectory) throw new FsError('EISDIR', `open: inode ${inode.number} is a directory`);
    if (options.truncate === true) {
      checkRegular(inode, 'open');
      throwIfReadOnly(fs.info);
      yield* truncateFile(fs.files, inode, 0);
    }
  } catch (error) {
    fs.files.inodes.put(inode);
    throw error;
  }
  const { direct = false, append = false } = options;
  return fs.addOpenFile({ inode, direct, append, errorsSeen: inode.reportedWriteErrors });
}

function* findOrMake(fs: MountedFilesystem, path: Path, options: OpenOptions): Task<Inode> {
  const parsed = parsePath(path);
  if (options.create !== true) return yield* walk(fs.files, parsed);
  throwIfReadOnly(fs.info);
  const inode = yield* makeNode(fs.files, parsed, NEW_FILE_MODE, options.exclusive !== true, flagsOf(options));
  if (!inode.isDirectory) return inode;
  fs.files.inodes.put(inode);
  throw new FsError('EISDIR', `open: ${parsed.text} is a directory`);
}

function flagsOf({ nodatacow = false }: CreateOptions): number {
  return nodatacow ? NODATACOW_FLAGS : 0;
}

export function* close(fs: MountedFilesystem, handle: Handle): Task<void> {
  const file = fs.removeOpenFile(handle);
  fs.files.inodes.put(file.inode);
  yield* evictDoomed(fs.files);
}

export function* unlink(fs: MountedFilesystem, path: Path): Task<void> {
  throwIfReadOnly(fs.info);
  yield* unlinkFile(fs.files, parsePath(path));
  yield* evictDoomed(fs.files);
}

export function* rmdir(fs: MountedFilesystem, path: Path): Task<void> {
  throwIfReadOnly(fs.info);
  yield* removeDirectory(fs.files, parsePath(path));
  yield* evictDoomed(fs.files);
}

export function* rename(fs: MountedFilesystem, from: Path, to: Path): Task<void> {
  throwIfReadOnly(fs.info);
  yield* renameNode(fs.files, parsePath(from), parsePath(to));
  yield* evictDoomed(fs.files);
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

export function* truncate(fs: MountedFilesystem, target: FileTarget, size: number): Task<void> {
  throwIfReadOnly(fs.info);
  const inode = yield* holdToWrite(fs, target);
  try {
    checkRegular(inode, 'truncate');
    yield* truncateFile(fs.files, inode, size);
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
  const inode = yield* holdToWrite(fs, target);
  let written: number;
  try {
    checkRegular(inode, 'write');
    written =
      (options.direct ?? file?.direct ?? false)
        ? yield* directWrite(fs.files, inode, at, bytes)
        : yield* bufferedWrite(fs.files, inode, at, bytes);
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
  const inode = yield* hold(fs, target);
  let bytes: Uint8Array;
  try {
    checkRegular(inode, 'read');
    bytes =
      (options.direct ?? file?.direct ?? false)
        ? yield* directRead(fs.files, inode, offset, length)
        : yield* bufferedRead(fs.files, inode, offset, length);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
  return bytes;
}

export function* fsync(fs: MountedFilesystem, target: FileTarget): Task<void> {
  const file = openFileOf(fs, target);
  const inode = yield* hold(fs, target);
  // Without a handle it is as if the file had been opened for this alone.
  const seen = file?.errorsSeen ?? inode.reportedWriteErrors;
  try {
    yield* syncFile(fs.files, inode, seen);
  } finally {
    const told = inode.reportWriteErrors();
    if (file !== null) fs.noteErrorsSeen(file, told);
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
}

/** Does what `fsync` does, as btrfs. */
export function fdatasync(fs: MountedFilesystem, target: FileTarget): Task<void> {
  return fsync(fs, target);
}

export function sync(fs: MountedFilesystem): Task<void> {
  return syncAll(fs.files);
}

export function dropCaches(fs: MountedFilesystem): Task<void> {
  return dropAllCaches(fs.files);
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

export function* stat(fs: MountedFilesystem, target: FileTarget): Task<FileStatus> {
  const inode = yield* hold(fs, target);
  try {
    const kind = inode.isDirectory ? 'directory' : inode.isRegular ? 'file' : 'other';
    const { number, mode, size, allocatedBytes, links } = inode;
    return { inode: number, kind, mode, size, allocatedBytes, links };
  } finally {
    fs.files.inodes.put(inode);
  }
}

/** Names in the order of their directory index, without `.` and `..`. */
export function* readdir(fs: MountedFilesystem, path: Path): Task<Uint8Array[]> {
  const inode = yield* walk(fs.files, parsePath(path));
  try {
    if (!inode.isDirectory) throw new FsError('ENOTDIR', `readdir: inode ${inode.number} is no directory`);
    const lock = yield* inode.lock.acquire('shared');
    try {
      return yield* listNames(fs.files, inode);
    } finally {
      lock.release();
    }
  } finally {
    fs.files.inodes.put(inode);
  }
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

/** The inode behind a path or handle, held for the caller. */
function* hold(fs: MountedFilesystem, target: FileTarget): Task<Inode> {
  if (typeof target !== 'number') return yield* walk(fs.files, parsePath(target));
  return fs.files.inodes.hold(fs.openFile(target).inode);
}

/** From here to the end of the hold, nobody makes the file system read-only by a remount. Throws EROFS. */
function* holdToWrite(fs: MountedFilesystem, target: FileTarget): Task<Inode> {
  const inode = yield* hold(fs, target);
  try {
    throwIfReadOnly(fs.info);
    return inode;
  } catch (error) {
    fs.files.inodes.put(inode);
    throw error;
  }
}

function openFileOf(fs: MountedFilesystem, target: FileTarget): OpenFile | null {
  return typeof target === 'number' ? fs.openFile(target) : null;
}

function checkRegular(inode: Inode, what: string): void {
  if (inode.isDirectory) throw new FsError('EISDIR', `${what}: inode ${inode.number} is a directory`);
  if (!inode.isRegular) throw new FsError('EINVAL', `${what}: inode ${inode.number} is no regular file`);
}

function checkOffset(value: number, what: string): void {
  if (value < 0 || !Number.isSafeInteger(value))
    throw new FsError('EINVAL', `${what}: ${value} is no offset or length`);
}
