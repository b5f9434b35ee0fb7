import type { Task } from '../../task/task.ts';
import { copyFileRange } from '../file/copy-range.ts';
import { dedupeFile } from '../file/dedupe.ts';
import { evictDoomed } from '../file/evict.ts';
import type { Inode } from '../file/inode.ts';
import { reflinkFile } from '../file/reflink.ts';
import type { MountedFilesystem } from '../filesystem.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';
import { checkOffset, type FileTarget, hold, holdToWrite } from './target.ts';

/** What lets files share their data. */

export interface ReflinkRange {
  readonly sourceOffset?: number;
  /** 0, the default: to the end of the source. */
  readonly length?: number;
  readonly targetOffset?: number;
}

/**
 * FICLONERANGE; with all defaults FICLONE. Offsets are multiples of the block size, and so is the length unless it ends
 * with the source and not before the end of the target. Throws EINVAL, EISDIR, EPERM, EFBIG, ENOSPC, EIO, EROFS.
 */
export function* reflink(
  fs: MountedFilesystem,
  source: FileTarget,
  target: FileTarget,
  { sourceOffset = 0, length = 0, targetOffset = 0 }: ReflinkRange = {},
): Task<void> {
  for (const value of [sourceOffset, length, targetOffset]) checkOffset(value, 'reflink');
  yield* withBoth(fs, source, target, (from, to) =>
    reflinkFile(fs.files, {
      source: from,
      sourceOffset,
      target: to,
      targetOffset,
      length,
      isDedupe: false,
      mayShorten: false,
    }),
  );
}

/**
 * FIDEDUPERANGE with one target. Returns the bytes deduped, or that the ranges differ. Throws EINVAL where either range
 * does not lie within its file or begins in the middle of a block, and for ranges of one file that overlap; EISDIR, EPERM,
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
  return yield* withBoth(fs, source, target, (from, to) =>
    dedupeFile(fs.files, from, sourceOffset, length, to, targetOffset),
  );
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
  return yield* withBoth(fs, source, target, (from, to) =>
    copyFileRange(fs.files, from, sourceOffset, to, targetOffset, length),
  );
}

function* withBoth<T>(
  fs: MountedFilesystem,
  source: FileTarget,
  target: FileTarget,
  body: (source: Inode, target: Inode) => Task<T>,
): Task<T> {
  throwIfReadOnly(fs.info);
  const from = yield* hold(fs, source);
  let result: T;
  try {
    const to = yield* holdToWrite(fs, target);
    try {
      result = yield* body(from, to);
    } finally {
      fs.files.inodes.put(to);
    }
  } finally {
    fs.files.inodes.put(from);
  }
  yield* evictDoomed(fs.files);
  return result;
}
