import type { Task } from '../../task/task.ts';
import { dropCaches as dropAllCaches, evictDoomed } from '../file/evict.ts';
import { syncAll, syncFile } from '../file/sync.ts';
import type { MountedFilesystem } from '../filesystem.ts';
import { type FileTarget, hold, openFileOf } from './target.ts';

/** What makes changes durable, and what forgets what is. */

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
