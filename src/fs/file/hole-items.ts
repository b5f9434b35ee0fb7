import type { FileOffset } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { INCOMPAT } from '../format/feature-flags.ts';
import {
  FILE_EXTENT_SIZE,
  FILE_EXTENT_TYPE,
  fileExtentDiskBytenr,
  fileExtentType,
  setFileExtentGeneration,
  setFileExtentNumBytes,
  setFileExtentOffset,
  setFileExtentRamBytes,
  setFileExtentType,
} from '../format/file-extent.ts';
import { KEY_TYPE } from '../format/key.ts';
import { abortTransaction } from '../transaction/abort.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import type { Cursor } from '../tree/cursor.ts';
import { dropExtentMaps } from './extent-map-access.ts';
import { checkExtentItem, itemEnd, seekExtentItem } from './file-extent-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';

/**
 * Holes as items. Without the feature NO_HOLES each sector of a file, up to its size on disk, lies in a file extent item;
 * those of holes name no place on disk.
 */

const PLUGGING = { items: 3, joins: true, releasesSpace: true } as const;

export function needsHoleItems(fs: FsInfo): boolean {
  return (fs.superblock.incompatFlags & INCOMPAT.NO_HOLES) === 0;
}

/** As `insertHoleItems` in a transaction of its own; the caller holds the range. Throws ENOSPC, EROFS, EIO. */
export function* plugHoles(files: Files, inode: Inode, start: FileOffset, end: FileOffset): Task<void> {
  if (!needsHoleItems(files.fs) || start >= end) return;
  const handle = yield* startTransaction(files.fs, PLUGGING);
  try {
    yield* dropExtentMaps(files, inode, start, end, true);
    const cursor = yield* openForChange(handle, inode.tree);
    try {
      yield* insertHoleItems(cursor, handle, inode, start, end);
    } finally {
      cursor.release();
    }
  } catch (error) {
    if (error instanceof FsError) abortTransaction(files.fs, error.code, `holes of inode ${inode.number}`);
    throw error;
  } finally {
    leaveTransaction(handle);
  }
}

/**
 * Where data was lost before it had an item, the size on disk must be able to move on. No error: without the items there
 * is no going on, so the file system is read-only then. The caller holds the range.
 */
export function* plugLostData(files: Files, inode: Inode, start: FileOffset, end: FileOffset): Task<void> {
  if (files.fs.isReadOnly) return;
  try {
    yield* plugHoles(files, inode, start, end);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    abortTransaction(files.fs, error.code, `a hole for lost data of inode ${inode.number}`);
  }
}

/** Gives every sector of [start, end) that has no item one of a hole, and joins it with the holes beside it. */
export function* insertHoleItems(
  cursor: ChangeCursor,
  handle: TransactionHandle,
  inode: Inode,
  start: FileOffset,
  end: FileOffset,
): Task<void> {
  for (let at = start; at < end; ) {
    const isThere = yield* seekExtentItem(cursor, inode.number, at);
    if (isThere && cursor.offset <= at) {
      const itemStop = itemEnd(cursor);
      if (itemStop <= at) throw new FsError('EUCLEAN', `the extent item of inode ${inode.number} at ${at} is empty`);
      at = itemStop;
      continue;
    }
    const gapEnd = isThere ? Math.min(cursor.offset, end) : end;
    yield* insertHole(cursor, handle, inode, at, gapEnd);
    at = gapEnd;
  }
}

function* insertHole(
  cursor: ChangeCursor,
  handle: TransactionHandle,
  inode: Inode,
  start: FileOffset,
  gapEnd: FileOffset,
): Task<void> {
  let end = gapEnd;
  yield* cursor.seek(inode.number, KEY_TYPE.EXTENT_DATA, gapEnd);
  if (cursor.found && isHoleItem(cursor, inode)) {
    end = itemEnd(cursor);
    cursor.remove();
  }
  yield* cursor.seek(inode.number, KEY_TYPE.EXTENT_DATA, start);
  const hasBefore = yield* cursor.previous();
  if (hasBefore && isHoleItem(cursor, inode) && itemEnd(cursor) === start) {
    cursor.prepare();
    writeHole(cursor.view, cursor.dataOffset, handle.generation, end - cursor.offset);
    return;
  }
  yield* cursor.seek(inode.number, KEY_TYPE.EXTENT_DATA, start);
  const at = cursor.open({ objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset: start }, FILE_EXTENT_SIZE);
  cursor.data.fill(0);
  writeHole(cursor.view, at, handle.generation, end - start);
}

function isHoleItem(cursor: Cursor, inode: Inode): boolean {
  if (!cursor.isAt(inode.number, KEY_TYPE.EXTENT_DATA)) return false;
  checkExtentItem(cursor);
  const { view, dataOffset: at } = cursor;
  return fileExtentType(view, at) === FILE_EXTENT_TYPE.REGULAR && fileExtentDiskBytenr(view, at) === 0;
}

function writeHole(view: DataView, at: number, generation: number, length: number): void {
  setFileExtentGeneration(view, at, generation);
  setFileExtentType(view, at, FILE_EXTENT_TYPE.REGULAR);
  setFileExtentOffset(view, at, 0);
  setFileExtentRamBytes(view, at, length);
  setFileExtentNumBytes(view, at, length);
}
