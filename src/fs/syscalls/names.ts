import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { makeNode, NEW_DIRECTORY_MODE, NEW_FILE_MODE, NODATACOW_FLAGS } from '../file/create.ts';
import { listNames } from '../file/directory-items.ts';
import { evictDoomed } from '../file/evict.ts';
import { walk } from '../file/namespace.ts';
import { parsePath } from '../file/path.ts';
import { renameNode } from '../file/rename.ts';
import { removeDirectory, unlinkFile } from '../file/unlink.ts';
import type { MountedFilesystem } from '../filesystem.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';
import type { Path } from './target.ts';

/** What makes, removes and lists names. */

export interface CreateOptions {
  /** Data of the new file is overwritten in place and has no checksums (`chattr +C`). */
  readonly nodatacow?: boolean;
}

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

export function flagsOf({ nodatacow = false }: CreateOptions): number {
  return nodatacow ? NODATACOW_FLAGS : 0;
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
