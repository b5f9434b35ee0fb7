import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { cleanUpOrphans } from '../file/evict.ts';
import type { Files } from '../file/files.ts';
import { findFirstFreeNumber } from '../file/inode-items.ts';
import { flushAll } from '../file/sync.ts';
import { commitTransaction } from '../transaction/commit.ts';
import { rebuildFreeSpaceTree } from '../transaction/free-space-rebuild.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { tooManyMissing } from '../transaction/missing-devices.ts';
import { cancelAllScrubs } from '../transaction/scrub-control.ts';
import { READ_ONLY } from '../transaction/shared-state.ts';
import { resumeReplace, suspendReplace } from './device-replace.ts';

export interface ReconfigureOptions {
  readonly readOnly: boolean | null;
  readonly discard: boolean | null;
}

/**
 * `mount -o remount`: what is null stays. Towards read-only, everything is written out and committed, scrubs are
 * cancelled and a device replace is suspended; whoever comes later to write gets EROFS. Back again, the replace goes on.
 *
 * Throws EBUSY (a file is open, or an operation is under way), EINVAL (no way back to writing after an abort), EACCES
 * (too many devices are missing to write), and what the commit throws: then it stays as it was.
 */
export function* reconfigureMount(files: Files, { readOnly, discard }: ReconfigureOptions): Task<void> {
  const { fs } = files;
  // One that fails lets the replace go on, which another that succeeds has just suspended.
  const held = yield* fs.remountMutex.acquire();
  try {
    if (readOnly === true && !fs.isReadOnly) yield* becomeReadOnly(files);
    if (readOnly === false && fs.isReadOnly) yield* becomeWritable(files);
    if (discard !== null) fs.discard = discard;
  } finally {
    held.release();
  }
}

/**
 * Tasks of the file system's own first. Linux lets no writer in meanwhile; here what comes in is written out and
 * committed too, until nothing is left in the one step that makes it read-only.
 */
function* becomeReadOnly(files: Files): Task<void> {
  const { fs } = files;
  if (isInUse(files)) throw busy();
  yield* suspendReplace(files);
  try {
    yield* comeToRest(files);
  } catch (error) {
    // It stays writable.
    if (error instanceof FsError && fs.aborted === null) yield* resumeReplace(files);
    throw error;
  }
}

function* comeToRest(files: Files): Task<void> {
  const { fs } = files;
  for (;;) {
    if (fs.scrubs.running > 0) yield* cancelAllScrubs(fs);
    yield* flushAll(files);
    yield* commitTransaction(fs);
    if (isInUse(files)) throw busy();
    if (fs.runningTransaction !== null || fs.committingTransaction !== null || hasUnwritten(files)) continue;
    // One that had to wait for a commit before it could begin.
    if (fs.scrubs.running > 0) continue;
    setReadOnly(fs, true);
    return;
  }
}

/** Somebody has a file open, all opens being for writing, or is in the middle of an operation. */
function isInUse({ inodes }: Files): boolean {
  return inodes.all().some(({ references }) => references > 0);
}

function hasUnwritten({ inodes }: Files): boolean {
  return inodes
    .unwritten()
    .some((inode) => inode.isRegular && (inode.pages.dirtyCount > 0 || !inode.ordered.isEmpty || inode.isUnwritten));
}

function busy(): FsError {
  return new FsError('EBUSY', 'remount: mount point is busy');
}

function* becomeWritable(files: Files): Task<void> {
  const { fs } = files;
  if (fs.aborted !== null) {
    throw new FsError('EINVAL', `remount: the file system aborted with ${fs.aborted} at ${fs.abortedWhere}`);
  }
  if (fs.whyNotWritable !== null) throw new FsError('EINVAL', `remount: superblock: ${fs.whyNotWritable}`);
  const problem = tooManyMissing(fs.volume);
  if (problem !== null) {
    throw new FsError('EACCES', `remount: ${problem}; too many missing devices, writable remount is not allowed`);
  }
  const isFirstTime = !files.inodes.knowsFreeNumbers(files.tree);
  if (isFirstTime) yield* findFirstFreeNumber(files, files.tree);
  setReadOnly(fs, false);
  yield* rebuildFreeSpaceTree(fs);
  if (isFirstTime) yield* cleanUpOrphans(files, files.tree);
  yield* resumeReplace(files);
}

function setReadOnly(fs: FsInfo, isReadOnly: boolean): void {
  fs.world.touch(READ_ONLY, 'write');
  fs.mountedReadOnly = isReadOnly;
}
