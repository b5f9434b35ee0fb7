import { type ByteCount, type FileOffset, KIB } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { INODE_FLAG } from '../format/inode.ts';
import { bufferedRead, bufferedWrite } from './buffered-io.ts';
import { FILE_SIZE_MAX } from './file-limits.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { reflinkFile } from './reflink.ts';
import { checkRemapKinds } from './remap-range.ts';

/** No system call transfers more (MAX_RW_COUNT). */
const TRANSFER_BYTES_MAX = 0x7ffff000;
/** What a pipe of the kernel holds: so much is read and written at a time. */
const PIPE_BYTES = 64 * KIB;

/**
 * As copy_file_range(2): shares extents where it can, copies through the page cache where not. Returns how many bytes were
 * copied, none beyond the end of the source. Throws EISDIR, EINVAL for ranges of one file that overlap, EPERM, EFBIG,
 * ENOSPC, EIO, EROFS, each only when nothing was copied.
 */
export function* copyFileRange(
  files: Files,
  source: Inode,
  sourceOffset: FileOffset,
  target: Inode,
  targetOffset: FileOffset,
  length: ByteCount,
): Task<ByteCount> {
  checkRemapKinds(source, target);
  if ((target.flags & INODE_FLAG.IMMUTABLE) !== 0) {
    throw new FsError('EPERM', `copy to inode ${target.number}: it is immutable`);
  }
  let wanted = Math.max(0, Math.min(length, source.size - sourceOffset));
  if (targetOffset >= FILE_SIZE_MAX) throw new FsError('EFBIG', `copy to ${targetOffset} of inode ${target.number}`);
  wanted = Math.min(wanted, FILE_SIZE_MAX - targetOffset);
  if (source === target && targetOffset + wanted > sourceOffset && targetOffset < sourceOffset + wanted) {
    throw new FsError('EINVAL', `copy within inode ${source.number}: the ranges overlap`);
  }
  wanted = Math.min(wanted, TRANSFER_BYTES_MAX);
  if (wanted === 0) return 0;
  const shared = yield* tryToShare(files, source, sourceOffset, target, targetOffset, wanted);
  if (shared > 0) return shared;
  return yield* copyBytes(files, source, sourceOffset, target, targetOffset, wanted);
}

function* tryToShare(
  files: Files,
  source: Inode,
  sourceOffset: FileOffset,
  target: Inode,
  targetOffset: FileOffset,
  length: ByteCount,
): Task<ByteCount> {
  const remap = { source, sourceOffset, target, targetOffset, length, isDedupe: false, mayShorten: true };
  try {
    return yield* reflinkFile(files, remap);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    return 0;
  }
}

/** As splice: no lock on both files at once, so what others write meanwhile may be copied in part. */
function* copyBytes(
  files: Files,
  source: Inode,
  sourceOffset: FileOffset,
  target: Inode,
  targetOffset: FileOffset,
  length: ByteCount,
): Task<ByteCount> {
  let done = 0;
  while (done < length) {
    try {
      const bytes = yield* bufferedRead(files, source, sourceOffset + done, Math.min(PIPE_BYTES, length - done));
      if (bytes.length === 0) return done;
      const written = yield* bufferedWrite(files, target, targetOffset + done, bytes);
      done += written;
      if (written < bytes.length) return done;
    } catch (error) {
      if (error instanceof FsError && done > 0) return done;
      throw error;
    }
  }
  return done;
}
