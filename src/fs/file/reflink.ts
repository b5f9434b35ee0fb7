import { alignDown, alignUp, type ByteCount, type FileOffset, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FILE_EXTENT_TYPE, fileExtentType } from '../format/file-extent.ts';
import { KEY_TYPE } from '../format/key.ts';
import { expandFile, writePages } from './buffered-io.ts';
import { cloneExtents } from './clone-extents.ts';
import { readInlineData, searchExtentItem } from './file-extent-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { lockInodes, releaseAll } from './namespace.ts';
import {
  bytesToRemap,
  checkRemapKinds,
  lockSettledRanges,
  type Remap,
  withoutPartOfBlock,
  writeOutToRemap,
} from './remap-range.ts';
import { flushRange } from './writeback.ts';

/**
 * Lets the target share what the source has on disk (FICLONERANGE). Returns for how many bytes; fewer than asked for only
 * where the request allows it. Throws EINVAL for ranges that Linux refuses, EISDIR, EPERM, EFBIG, ENOSPC, EIO, EROFS.
 */
export function* reflinkFile(files: Files, remap: Remap): Task<ByteCount> {
  const { source, target } = remap;
  checkRemapKinds(source, target);
  const held: Held[] = [];
  try {
    yield* lockInodes([source, target], held);
    yield* writeOutToRemap(files, remap);
    const length = withoutPartOfBlock(remap, bytesToRemap(remap));
    if (length > 0) yield* shareRange(files, remap, length);
    return length;
  } finally {
    releaseAll(held);
  }
}

/** The checked request: both inodes are locked, `length` ends at a sector or with the source. */
export function* shareRange(files: Files, remap: Remap, length: ByteCount): Task<void> {
  const { source, sourceOffset, target, targetOffset } = remap;
  if (targetOffset > target.size) yield* settleTail(files, target, targetOffset);
  const done = sourceOffset === 0 ? yield* copyInlineData(files, remap, length) : 0;
  const covered = alignUp(length, SECTOR_SIZE);
  if (done >= covered) return;
  const from = { start: sourceOffset + done, end: sourceOffset + covered };
  const to = { start: targetOffset + done, end: targetOffset + covered };
  const held = yield* lockSettledRanges(files, source, from, target, to);
  try {
    yield* cloneExtents(files, source, from, {
      inode: target,
      start: to.start,
      sizeMin: targetOffset + length,
      keepsTimes: remap.isDedupe,
    });
  } finally {
    releaseAll(held);
  }
}

/** What lies behind the old end on its page becomes part of the file: zeroes, and on disk while the file still ends there. */
function* settleTail(files: Files, target: Inode, end: FileOffset): Task<void> {
  yield* expandFile(files, target, end);
  yield* flushRange(files, target, alignDown(target.size, SECTOR_SIZE), end);
}

/**
 * Inline data has no place that could be shared. Where the target cannot have it as its own inline extent, it is written
 * like any data, and is on its way to the disk when this returns. Returns how many bytes of the range are done by that.
 */
function* copyInlineData(files: Files, remap: Remap, length: ByteCount): Task<ByteCount> {
  const { source, target, targetOffset, isDedupe } = remap;
  yield* flushRange(files, source, 0, SECTOR_SIZE);
  const data = yield* readInlineData(files, source);
  if (data === null) return 0;
  yield* flushRange(files, target, targetOffset, targetOffset + SECTOR_SIZE);
  if (targetOffset === 0 && (yield* takesInlineData(files, target, data.length))) return 0;
  const bytes = new Uint8Array(Math.min(length, SECTOR_SIZE));
  bytes.set(data.subarray(0, bytes.length));
  yield* writePages(files, target, targetOffset, bytes);
  if (!isDedupe) target.touchTimes(true);
  yield* flushRange(files, target, targetOffset, targetOffset + SECTOR_SIZE);
  return SECTOR_SIZE;
}

/** Whether the target's first extent may become an inline one of `size` bytes: it has none, or a smaller inline one. */
function* takesInlineData(files: Files, target: Inode, size: ByteCount): Task<boolean> {
  if (target.size > size) return false;
  const cursor = yield* searchExtentItem(files, target, 0);
  try {
    if (!cursor.isAt(target.number, KEY_TYPE.EXTENT_DATA)) return true;
    return cursor.offset === 0 && fileExtentType(cursor.view, cursor.dataOffset) === FILE_EXTENT_TYPE.INLINE;
  } finally {
    cursor.release();
  }
}
