import type { ByteCount, FileOffset } from '../../base/units.ts';
import { SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import {
  COMPRESSION,
  FILE_EXTENT_INLINE_HEAD_SIZE,
  FILE_EXTENT_TYPE,
  fileExtentCompression,
  fileExtentRamBytes,
  fileExtentType,
  setFileExtentCompression,
  setFileExtentGeneration,
  setFileExtentRamBytes,
  setFileExtentType,
} from '../format/file-extent.ts';
import { KEY_TYPE } from '../format/key.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import { noteCompression } from './compressed-items.ts';
import { dropExtentMaps } from './extent-map-access.ts';
import { checkExtentItem, dropFileExtents } from './file-extent-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { writeInodeItem } from './inode-items.ts';

/**
 * Small files whose bytes lie inside their extent item: made at writeback, by the rules of Linux 6.18. The item is the
 * whole file, at offset 0, and never one sector or more unless compressed. What grows beyond is written out anew.
 */

/** What an inline extent item is to hold. */
export interface InlineForm {
  /** As they are stored. */
  readonly bytes: Uint8Array;
  /** All of the file. */
  readonly ramBytes: ByteCount;
  readonly compression: number;
}

const WRITE = { items: 4, joins: true, releasesSpace: true } as const;

/** The first page as inline data; null when the file is too large for that, or keeps the places that its data has. */
export function plainForm(files: Files, inode: Inode, page: Uint8Array): InlineForm | null {
  const { size } = inode;
  if (size === 0 || size >= SECTOR_SIZE || size > files.fs.maxInline || inode.mayWriteInPlace) return null;
  return { bytes: page.subarray(0, size), ramBytes: size, compression: COMPRESSION.NONE };
}

/**
 * Writes the file's first page into an inline extent, in place of all that its first sector had. The caller holds that
 * range, and nothing is on its way to the disk there. `formOf` is asked again where nobody can come between answer and
 * item. False: not to be inline, or no space for the item; nothing changed. Throws EIO and what ends a transaction.
 */
export function* writeInlineExtent(files: Files, inode: Inode, formOf: () => InlineForm | null): Task<boolean> {
  if (formOf() === null) return false;
  let handle: TransactionHandle;
  try {
    handle = yield* startTransaction(files.fs, WRITE);
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOSPC') return false;
    throw error;
  }
  try {
    const isWritten = yield* replaceByInline(handle, inode, formOf);
    if (isWritten) yield* dropExtentMaps(files, inode, 0, SECTOR_SIZE, false);
    return isWritten;
  } catch (error) {
    if (error instanceof FsError) abortTransaction(files.fs, error.code, `inline extent of inode ${inode.number}`);
    throw error;
  } finally {
    leaveTransaction(handle);
  }
}

function* replaceByInline(handle: TransactionHandle, inode: Inode, formOf: () => InlineForm | null): Task<boolean> {
  const cursor = yield* openForChange(handle, inode.tree);
  try {
    // The size may have changed until the tree was ours; from here on a change of it has its own item to come.
    const form = formOf();
    if (form === null) return false;
    yield* dropFileExtents(cursor, handle, inode, 0, SECTOR_SIZE);
    yield* insertInlineExtent(cursor, handle, inode, form);
    inode.setDiskSize(form.ramBytes);
    yield* writeInodeItem(cursor, handle, inode);
    return true;
  } finally {
    cursor.release();
  }
}

/** Adds the item; there is none in the first sector. Accounts the inode's bytes; its item is the caller's to write. */
export function* insertInlineExtent(
  cursor: ChangeCursor,
  handle: TransactionHandle,
  inode: Inode,
  { bytes, ramBytes, compression }: InlineForm,
): Task<void> {
  noteCompression(handle.fs, compression);
  yield* cursor.seek(inode.number, KEY_TYPE.EXTENT_DATA, 0);
  const key = { objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset: 0 };
  const at = cursor.open(key, FILE_EXTENT_INLINE_HEAD_SIZE + bytes.length);
  const { view, data } = cursor;
  data.fill(0, 0, FILE_EXTENT_INLINE_HEAD_SIZE);
  setFileExtentGeneration(view, at, handle.generation);
  setFileExtentRamBytes(view, at, ramBytes);
  setFileExtentCompression(view, at, compression);
  setFileExtentType(view, at, FILE_EXTENT_TYPE.INLINE);
  data.set(bytes, FILE_EXTENT_INLINE_HEAD_SIZE);
  inode.changeAllocatedBytes(ramBytes);
}

/**
 * Cuts inline data that reaches beyond the file's new size; compressed data stays whole until its page is written out.
 * True when it did: the cached map of it is then out of date. The inode's item is the caller's to write.
 */
export function* truncateInlineExtent(cursor: ChangeCursor, inode: Inode, size: FileOffset): Task<boolean> {
  if (size === 0 || size >= SECTOR_SIZE) return false;
  yield* cursor.seek(inode.number, KEY_TYPE.EXTENT_DATA, 0);
  if (!cursor.found) return false;
  checkExtentItem(cursor);
  const { view, dataOffset: at } = cursor;
  if (fileExtentType(view, at) !== FILE_EXTENT_TYPE.INLINE) return false;
  const ramBytes = fileExtentRamBytes(view, at);
  if (fileExtentCompression(view, at) !== COMPRESSION.NONE || ramBytes <= size) return false;
  cursor.resize(FILE_EXTENT_INLINE_HEAD_SIZE + size);
  setFileExtentRamBytes(cursor.view, cursor.dataOffset, size);
  inode.changeAllocatedBytes(size - ramBytes);
  return true;
}
