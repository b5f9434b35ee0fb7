import { resource } from '../../task/resource.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { commitTransaction } from '../transaction/commit.ts';
import { evictDoomed } from './evict.ts';
import { settleModifiedMaps } from './extent-map-access.ts';
import { FILE_END } from './file-extent-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { updateInode } from './inode-items.ts';
import { waitForOrderedRange } from './ordered-completion.ts';
import { flushRange, startWriteback } from './writeback.ts';

/** Files whose writes are under way together: each of them costs memory, and time to choose among them. */
const FLUSHED_AT_ONCE = 256;

/**
 * Makes a file durable, for now by a full commit: writes out its pages, waits for its ordered extents, commits. An
 * error of writeback since the count was `errorsSeen` is thrown once the rest is done. Throws EIO, ENOSPC, EROFS.
 */
export function* syncFile(files: Files, inode: Inode, errorsSeen: number): Task<void> {
  if (inode.isRegular) yield* flushRange(files, inode, 0, FILE_END);
  const error = inode.writeErrorSince(errorsSeen);
  if (error !== null) throw new FsError(error, `writeback of inode ${inode.number} failed`);
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    // Changes that no ordered extent brought to the disk, such as a write of nothing but times.
    if (inode.isUnwritten) yield* updateInode(files, inode);
    if (isUncommitted(files, inode)) yield* commitTransaction(files.fs);
    if (inode.isRegular) yield* settleModifiedMaps(files, inode);
  } finally {
    lock.release();
  }
}

function isUncommitted(files: Files, inode: Inode): boolean {
  files.world.touch(resource('transaction', 0), 'read');
  if (files.mutations.has('skip-fsync-commit')) return false;
  return inode.lastTransaction > files.fs.lastCommitted || files.fs.isReadOnly;
}

/** Writes out all files and commits, as syncfs(2). Throws the errno of a commit that fails. */
export function* syncAll(files: Files): Task<void> {
  yield* flushAll(files);
  yield* commitTransaction(files.fs);
}

/** Writes out all files and waits for their ordered extents. Errors stay with the inodes. */
export function* flushAll(files: Files): Task<void> {
  const inodes = files.inodes.holdUnwritten();
  try {
    for (let from = 0; from < inodes.length; from += FLUSHED_AT_ONCE) {
      yield* flushSome(files, inodes.slice(from, from + FLUSHED_AT_ONCE));
    }
  } finally {
    for (const inode of inodes) files.inodes.put(inode);
  }
  yield* evictDoomed(files);
}

function* flushSome(files: Files, inodes: readonly Inode[]): Task<void> {
  for (const inode of inodes) {
    if (inode.isRegular && inode.pages.dirtyCount > 0) yield* startWriteback(files, inode, 0, FILE_END);
  }
  for (const inode of inodes) {
    if (!inode.isRegular) continue;
    yield* waitForOrderedRange(inode, 0, FILE_END);
    if (inode.isUnwritten && !files.fs.isReadOnly) yield* updateInode(files, inode);
  }
}
