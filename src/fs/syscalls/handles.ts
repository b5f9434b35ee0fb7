import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { makeNode } from '../file/create.ts';
import { evictDoomed } from '../file/evict.ts';
import type { Inode } from '../file/inode.ts';
import { walk } from '../file/namespace.ts';
import { type ParsedPath, parsePath } from '../file/path.ts';
import { checkMayWrite } from '../file/permission.ts';
import { type DirectoryEntry, readEntries, startPosition } from '../file/read-directory.ts';
import { makeTemporaryFile } from '../file/temporary-file.ts';
import { truncateFile } from '../file/truncate.ts';
import { writeOutOnClose } from '../file/writeback.ts';
import type { MountedFilesystem } from '../filesystem.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';
import { type CreateOptions, newFileOf } from './names.ts';
import { checkOffset, type Handle, type Path } from './target.ts';

export type { DirectoryEntry };

/** What opens and closes files. */

/** What is for a new file has no effect on one that is there. */
export interface OpenOptions extends CreateOptions {
  /** Neither: to read and write. Of `directory`: to read. */
  readonly read?: boolean;
  readonly write?: boolean;
  /** Make an empty file where there is none. */
  readonly create?: boolean;
  /** With `create`: EEXIST where there is one. With `tmpfile`: no link gives it a name later. */
  readonly exclusive?: boolean;
  readonly truncate?: boolean;
  readonly direct?: boolean;
  readonly append?: boolean;
  /** ELOOP for a symbolic link at the end of the path. */
  readonly noFollow?: boolean;
  /** ENOTDIR for anything but a directory. */
  readonly directory?: boolean;
  /** A file without a name in the directory that the path leads to. */
  readonly tmpfile?: boolean;
}

/**
 * Opens a file, or a directory to read its names. Throws EINVAL for options that exclude each other, EISDIR for a
 * directory to write, ENXIO for sockets and devices, ETXTBSY never.
 */
export function* open(fs: MountedFilesystem, path: Path, options: OpenOptions = {}): Task<Handle> {
  const access = accessOf(options);
  const inode = yield* findOrMake(fs, path, options, access.isWritable);
  try {
    if (options.tmpfile !== true) checkOpenable(inode, options, access.isWritable);
    if (options.truncate === true && inode.isRegular) {
      throwIfReadOnly(fs.info);
      yield* truncateFile(fs.files, inode, 0);
    }
    const position = inode.isDirectory ? yield* startPosition(fs.files, inode) : null;
    const { direct = false, append = false } = options;
    return fs.addOpenFile({ inode, direct, append, ...access, position, errorsSeen: inode.reportedWriteErrors });
  } catch (error) {
    fs.files.inodes.put(inode);
    throw error;
  }
}

function accessOf({ read = false, write = false, directory = false }: OpenOptions) {
  if (!read && !write) return { isReadable: true, isWritable: !directory };
  return { isReadable: read, isWritable: write };
}

function* findOrMake(fs: MountedFilesystem, path: Path, options: OpenOptions, isWritable: boolean): Task<Inode> {
  const { create = false, tmpfile = false, directory = false, exclusive = false, noFollow = false } = options;
  if (create && (directory || tmpfile)) throw new FsError('EINVAL', 'open: create goes with no directory');
  if (tmpfile && !isWritable) throw new FsError('EINVAL', 'open: a file without a name is for writing');
  const parsed = parsePath(path);
  if (tmpfile) return yield* makeWithoutName(fs, parsed, options);
  if (!create) return yield* walk(fs.files, parsed, !noFollow);
  throwIfReadOnly(fs.info);
  return yield* makeNode(fs.files, parsed, newFileOf(options), { mayExist: !exclusive, noFollow });
}

function* makeWithoutName(fs: MountedFilesystem, path: ParsedPath, options: OpenOptions): Task<Inode> {
  throwIfReadOnly(fs.info);
  const directory = yield* walk(fs.files, path, options.noFollow !== true);
  try {
    if (!directory.isDirectory) throw new FsError('ENOTDIR', `open: ${path.text} is no directory`);
    checkMayWrite(directory);
    const inode = yield* makeTemporaryFile(fs.files, directory, newFileOf(options));
    if (options.exclusive === true) inode.isLinkable = false;
    return inode;
  } finally {
    fs.files.inodes.put(directory);
  }
}

/** In the order of Linux. */
function checkOpenable(inode: Inode, options: OpenOptions, isWritable: boolean): void {
  const { create = false, directory = false, truncate = false, append = false } = options;
  const where = `open: inode ${inode.number}`;
  if (create && inode.isDirectory) throw new FsError('EISDIR', `${where} is a directory`);
  if (directory && !inode.isDirectory) throw new FsError('ENOTDIR', `${where} is no directory`);
  if (inode.isSymlink) throw new FsError('ELOOP', `${where} is a symbolic link`);
  const changes = isWritable || truncate;
  if (changes && inode.isDirectory) throw new FsError('EISDIR', `${where} is a directory`);
  if (options.direct === true && inode.isDirectory) throw new FsError('EINVAL', `${where} is a directory`);
  if (changes) checkMayWrite(inode);
  if (inode.isAppendOnly && (truncate || (isWritable && !append)))
    throw new FsError('EPERM', `${where} is append-only`);
  if (inode.isRegular || inode.isDirectory) return;
  // With nobody to read it, a fifo is opened at once by those alone who may read it themselves.
  if (inode.isFifo && (options.read === true || !isWritable || options.write !== true)) return;
  throw new FsError('ENXIO', `${where}: nothing answers for this socket or device`);
}

/**
 * The next entries of an open directory, `.` and `..` first, at most `count`; none at its end. Names made since the open
 * or the last rewind are not among them; names removed since are not either. Throws ENOTDIR, EBADF, ENOENT for a
 * directory that was removed.
 */
export function* readDirectory(fs: MountedFilesystem, handle: Handle, count: number): Task<DirectoryEntry[]> {
  const { inode, position } = fs.openFile(handle);
  if (position === null) throw new FsError('ENOTDIR', `handle ${handle} is of no directory`);
  fs.files.inodes.hold(inode);
  try {
    const lock = yield* inode.lock.acquire('shared');
    try {
      if (inode.links === 0) throw new FsError('ENOENT', `directory inode ${inode.number} was removed`);
      return yield* readEntries(fs.files, inode, position, count);
    } finally {
      lock.release();
    }
  } finally {
    fs.files.inodes.put(inode);
  }
}

/** Goes on after the entry that had this cursor; 0 begins again, and sees what was made meanwhile. */
export function* seekDirectory(fs: MountedFilesystem, handle: Handle, cursor: number): Task<void> {
  const { inode, position } = fs.openFile(handle);
  if (position === null) throw new FsError('ENOTDIR', `handle ${handle} is of no directory`);
  checkOffset(cursor, 'seek in a directory');
  // Not only a rewind: measured with Linux 6.18.
  position.lastIndex = (yield* startPosition(fs.files, inode)).lastIndex;
  position.cursor = cursor;
}

export function* close(fs: MountedFilesystem, handle: Handle): Task<void> {
  const file = fs.removeOpenFile(handle);
  yield* writeOutOnClose(fs.files, file.inode);
  fs.files.inodes.put(file.inode);
  yield* evictDoomed(fs.files);
}
