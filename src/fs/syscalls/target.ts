import { Completed, type Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import type { Inode } from '../file/inode.ts';
import { walk } from '../file/namespace.ts';
import { parsePath } from '../file/path.ts';
import { checkMayWrite } from '../file/permission.ts';
import { writeOutOnClose } from '../file/writeback.ts';
import { dropCapability } from '../file/xattr.ts';
import type { MountedFilesystem, OpenFile } from '../filesystem.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';

/** From the root, `/`-separated; text is UTF-8, other names are given as bytes. */
export type Path = string | Uint8Array;
/** What `open` returned. */
export type Handle = number;
export type FileTarget = Path | Handle;

export interface FollowOption {
  /** Whether a symbolic link at the end of the path stands for what it leads to. */
  readonly follow?: boolean;
}

/** The inode behind a path or handle, held for the caller. */
export function hold(fs: MountedFilesystem, target: FileTarget, follow = true): Task<Inode> {
  if (typeof target !== 'number') return walk(fs.files, parsePath(target), follow);
  return new Completed(fs.files.inodes.hold(fs.openFile(target).inode));
}

/** What a write is, for handles and inodes that allow only some. */
export interface WriteKind {
  /** Nothing that is there changes: an append-only file takes it. */
  readonly isAppend?: boolean;
  readonly isTruncate?: boolean;
}

/**
 * To change data: from here to the end of the hold, nobody makes the file system read-only by a remount. Throws EROFS,
 * EPERM, EBADF for a handle that was not opened to write (EINVAL to truncate).
 */
export function* holdToWrite(fs: MountedFilesystem, target: FileTarget, kind: WriteKind = {}): Task<Inode> {
  const { isAppend = false, isTruncate = false } = kind;
  const isHandle = typeof target === 'number';
  if (isHandle && !fs.openFile(target).isWritable) {
    throw new FsError(isTruncate ? 'EINVAL' : 'EBADF', `handle ${target} is not open to write`);
  }
  const inode = yield* holdToChange(fs, target);
  try {
    if (!inode.isRegular) return inode;
    if (!isHandle) checkMayWrite(inode);
    if (inode.isAppendOnly && (isTruncate || (!isHandle && !isAppend))) {
      throw new FsError('EPERM', `inode ${inode.number} is append-only`);
    }
    if (inode.hasCapability) yield* dropCapability(fs.files, inode);
    return inode;
  } catch (error) {
    fs.files.inodes.put(inode);
    throw error;
  }
}

/** To change attributes: as `holdToWrite`, but any handle will do. */
export function* holdToChange(fs: MountedFilesystem, target: FileTarget, follow = true): Task<Inode> {
  const inode = yield* hold(fs, target, follow);
  try {
    throwIfReadOnly(fs.info);
    return inode;
  } catch (error) {
    fs.files.inodes.put(inode);
    throw error;
  }
}

/** A file that is named by its path was opened for the operation, and is closed at its end. */
export function closeUnlessOpen(fs: MountedFilesystem, target: FileTarget, inode: Inode): Task<void> {
  const isClosed = typeof target !== 'number' && inode.isWrittenOutOnClose;
  return isClosed ? writeOutOnClose(fs.files, inode) : new Completed(undefined);
}

export function openFileOf(fs: MountedFilesystem, target: FileTarget): OpenFile | null {
  return typeof target === 'number' ? fs.openFile(target) : null;
}

export function checkRegular(inode: Inode, what: string): void {
  if (inode.isDirectory) throw new FsError('EISDIR', `${what}: inode ${inode.number} is a directory`);
  if (!inode.isRegular) throw new FsError('EINVAL', `${what}: inode ${inode.number} is no regular file`);
}

export function checkOffset(value: number, what: string): void {
  if (value < 0 || !Number.isInteger(value)) throw new FsError('EINVAL', `${what}: ${value} is no offset or length`);
}
