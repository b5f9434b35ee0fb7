import { sameBytes } from '../../base/bytes.ts';
import { type ByteCount, type FileOffset, KIB, MIB } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { bufferedRead } from './buffered-io.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { lockInodes, releaseAll } from './namespace.ts';
import { shareRange } from './reflink.ts';
import { bytesToRemap, checkRemapKinds, type Remap, withoutPartOfBlock, writeOutToRemap } from './remap-range.ts';

/** btrfs dedupes so much in one go. */
const PIECE_BYTES = 16 * MIB;
const COMPARED_BYTES = 64 * KIB;

/**
 * Lets the target share the source's extents where both have the same bytes (FIDEDUPERANGE); no time changes. Returns the
 * length that was asked for, also where a part of a block at its end was left as it was: so says Linux.
 * Throws EINVAL for ranges that Linux refuses, EISDIR, EPERM, ENOSPC, EIO, EROFS.
 */
export function* dedupeFile(
  files: Files,
  source: Inode,
  sourceOffset: FileOffset,
  length: ByteCount,
  target: Inode,
  targetOffset: FileOffset,
): Task<ByteCount | 'differs'> {
  checkRemapKinds(source, source);
  if (sourceOffset + length > source.size) {
    throw new FsError('EINVAL', `dedupe: inode ${source.number} ends before ${sourceOffset + length}`);
  }
  checkRemapKinds(source, target);
  if (length === 0) return 0;
  const remap = { source, sourceOffset, target, targetOffset, length, isDedupe: true, mayShorten: true };
  const held: Held[] = [];
  try {
    yield* lockInodes([source, target], held);
    // What is compared must not change before it is shared: no direct write may be under way, and none begins now.
    yield* source.directIo.waitZero();
    yield* target.directIo.waitZero();
    yield* writeOutToRemap(files, remap);
    const compared = bytesToRemap(remap);
    if (!(yield* isSame(files, remap, compared))) return 'differs';
    yield* shareInPieces(files, remap, withoutPartOfBlock(remap, compared));
    return length;
  } finally {
    releaseAll(held);
  }
}

function* shareInPieces(files: Files, remap: Remap, length: ByteCount): Task<void> {
  for (let done = 0; done < length; done += PIECE_BYTES) {
    const piece = {
      ...remap,
      sourceOffset: remap.sourceOffset + done,
      targetOffset: remap.targetOffset + done,
    };
    yield* shareRange(files, piece, Math.min(PIECE_BYTES, length - done));
  }
}

function* isSame(files: Files, remap: Remap, length: ByteCount): Task<boolean> {
  const { source, sourceOffset, target, targetOffset } = remap;
  for (let done = 0; done < length; done += COMPARED_BYTES) {
    const size = Math.min(COMPARED_BYTES, length - done);
    const ours = yield* bufferedRead(files, source, sourceOffset + done, size);
    const theirs = yield* bufferedRead(files, target, targetOffset + done, size);
    if (!sameBytes(ours, theirs)) return false;
  }
  return true;
}
