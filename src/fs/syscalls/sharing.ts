import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { copyFileRange } from '../file/copy-range.ts';
import { dedupeFile } from '../file/dedupe.ts';
import { evictDoomed } from '../file/evict.ts';
import type { Inode } from '../file/inode.ts';
import { reflinkFile } from '../file/reflink.ts';
import { checkRemapKinds } from '../file/remap-range.ts';
import type { MountedFilesystem } from '../filesystem.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';
import {
  checkOffset,
  closeUnlessOpen,
  type FileTarget,
  hold,
  holdToChange,
  holdToWrite,
  openFileOf,
} from './target.ts';

/** What lets files share their data. */

export interface ReflinkRange {
  readonly sourceOffset?: number;
  /** 0, the default: to the end of the source. */
  readonly length?: number;
  readonly targetOffset?: number;
}

/**
 * FICLONERANGE; with all defaults FICLONE. Offsets are multiples of the block size, and so is the length unless it ends
 * with the source and not before the end of the target. Throws EINVAL, EISDIR, EBADF for a handle that does not allow it, EPERM, EFBIG, ENOSPC, EIO, EROFS.
 */
export function* reflink(
  fs: MountedFilesystem,
  source: FileTarget,
  target: FileTarget,
  { sourceOffset = 0, length = 0, targetOffset = 0 }: ReflinkRange = {},
): Task<void> {
  for (const value of [sourceOffset, length, targetOffset]) checkOffset(value, 'reflink');
  yield* withBoth(fs, source, target, holdToWrite, (from, to) => {
    checkRemapKinds(from, to);
    checkHandles(fs, source, target);
    return reflinkFile(fs.files, {
      source: from,
      sourceOffset,
      target: to,
      targetOffset,
      length,
      isDedupe: false,
      mayShorten: false,
    });
  });
}

/**
 * FIDEDUPERANGE with one target. Returns the bytes deduped, or that the ranges differ. Throws EINVAL where either range
 * does not lie within its file or begins in the middle of a block, for ranges of one file that overlap, and for a source
 * that is not open to read; the target may be open for reading only. EISDIR, EPERM,
 * ENOSPC, EIO, EROFS.
 */
export function* dedupe(
  fs: MountedFilesystem,
  source: FileTarget,
  sourceOffset: number,
  length: number,
  target: FileTarget,
  targetOffset: number,
): Task<number | 'differs'> {
  for (const value of [sourceOffset, length, targetOffset]) checkOffset(value, 'dedupe');
  return yield* withBoth(fs, source, target, holdToChange, (from, to) => {
    if (openFileOf(fs, source)?.isReadable === false) {
      throw new FsError('EINVAL', `dedupe: handle ${source} is not open to read`);
    }
    return dedupeFile(fs.files, from, sourceOffset, length, to, targetOffset);
  });
}

/** copy_file_range(2). Returns how many bytes were copied: fewer than asked for at the end of the source. */
export function* copyRange(
  fs: MountedFilesystem,
  source: FileTarget,
  sourceOffset: number,
  target: FileTarget,
  targetOffset: number,
  length: number,
): Task<number> {
  for (const value of [sourceOffset, targetOffset, length]) checkOffset(value, 'copy_file_range');
  return yield* withBoth(fs, source, target, holdToWrite, (from, to) => {
    checkRemapKinds(from, to);
    checkHandles(fs, source, target);
    return copyFileRange(fs.files, from, sourceOffset, to, targetOffset, length);
  });
}

function checkHandles(fs: MountedFilesystem, source: FileTarget, target: FileTarget): void {
  if (openFileOf(fs, source)?.isReadable === false) {
    throw new FsError('EBADF', `handle ${source} is not open to read`);
  }
  if (openFileOf(fs, target)?.append === true) throw new FsError('EBADF', `handle ${target} is open to append`);
}

/** A file that is named by its path is opened before Linux looks at either handle. */
function* withBoth<T>(
  fs: MountedFilesystem,
  source: FileTarget,
  target: FileTarget,
  holdTarget: (fs: MountedFilesystem, target: FileTarget) => Task<Inode>,
  body: (source: Inode, target: Inode) => Task<T>,
): Task<T> {
  throwIfReadOnly(fs.info);
  const from = yield* hold(fs, source);
  let result: T;
  try {
    // What kind of files they are counts before what the handles were opened for.
    if (holdTarget === holdToWrite && typeof target === 'number') checkRemapKinds(from, fs.openFile(target).inode);
    const to = yield* holdTarget(fs, target);
    try {
      result = yield* body(from, to);
      yield* closeUnlessOpen(fs, target, to);
      yield* closeUnlessOpen(fs, source, from);
    } finally {
      fs.files.inodes.put(to);
    }
  } finally {
    fs.files.inodes.put(from);
  }
  yield* evictDoomed(fs.files);
  return result;
}
