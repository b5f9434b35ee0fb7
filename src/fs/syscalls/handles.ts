import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { makeNode } from '../file/create.ts';
import { evictDoomed } from '../file/evict.ts';
import type { Inode } from '../file/inode.ts';
import { walk } from '../file/namespace.ts';
import { parsePath } from '../file/path.ts';
import { truncateFile } from '../file/truncate.ts';
import type { MountedFilesystem } from '../filesystem.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';
import { type CreateOptions, newFileOf } from './names.ts';
import { checkRegular, type Handle, type Path } from './target.ts';

/** What opens and closes files. */

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
  const inode = yield* makeNode(fs.files, parsed, newFileOf(options), { mayExist: options.exclusive !== true });
  if (!inode.isDirectory) return inode;
  fs.files.inodes.put(inode);
  throw new FsError('EISDIR', `open: ${parsed.text} is a directory`);
}

export function* close(fs: MountedFilesystem, handle: Handle): Task<void> {
  const file = fs.removeOpenFile(handle);
  fs.files.inodes.put(file.inode);
  yield* evictDoomed(fs.files);
}
