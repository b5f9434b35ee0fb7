import { viewOf } from '../../base/bytes.ts';
import type { ByteCount, FileOffset, InodeNumber, LogicalAddress } from '../../base/units.ts';
import { alignUp, SECTOR_SIZE } from '../../base/units.ts';
import { EXTENT_MAP_HOLE, EXTENT_MAP_INLINE } from '../../task/observation.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { decompressData } from '../format/compression.ts';
import {
  COMPRESSION,
  FILE_EXTENT_INLINE_HEAD_SIZE,
  FILE_EXTENT_SIZE,
  FILE_EXTENT_TYPE,
  fileExtentCompression,
  fileExtentDiskBytenr,
  fileExtentDiskNumBytes,
  fileExtentGeneration,
  fileExtentNumBytes,
  fileExtentOffset,
  fileExtentRamBytes,
  fileExtentType,
  setFileExtentDiskBytenr,
  setFileExtentDiskNumBytes,
  setFileExtentGeneration,
  setFileExtentNumBytes,
  setFileExtentOffset,
  setFileExtentRamBytes,
  setFileExtentType,
} from '../format/file-extent.ts';
import { KEY_TYPE } from '../format/key.ts';
import type { DataOwner } from '../transaction/delayed-references.ts';
import type { TransactionHandle } from '../transaction/handle.ts';
import { addDataReference, dropDataReference } from '../transaction/run-delayed-references.ts';
import type { ChangeCursor } from '../tree/change-cursor.ts';
import { type Cursor, findItem, searchTree, visitItems } from '../tree/cursor.ts';
import { COMPRESSED, ExtentMap, PREALLOC, VACANCY } from './extent-map.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';

/** Past every file offset. */
export const FILE_END = Number.MAX_SAFE_INTEGER;

/**
 * The file offset where the item at the cursor ends; inline data fills its sector. Throws EUCLEAN for an item that is cut
 * short, or ends before it begins.
 */
export function itemEnd(cursor: Cursor): FileOffset {
  checkExtentItem(cursor);
  const { view, dataOffset, offset } = cursor;
  const isInline = fileExtentType(view, dataOffset) === FILE_EXTENT_TYPE.INLINE;
  const length = isInline
    ? alignUp(fileExtentRamBytes(view, dataOffset), SECTOR_SIZE)
    : fileExtentNumBytes(view, dataOffset);
  if (length >= 0) return offset + length;
  throw new FsError('EUCLEAN', `the extent item of inode ${cursor.objectid} at ${offset} has ${length} bytes`);
}

/** Throws EUCLEAN unless what reads the item at the cursor stays inside it. */
export function checkExtentItem({ view, dataOffset, dataSize, objectid, offset }: Cursor): void {
  const isHead = dataSize >= FILE_EXTENT_INLINE_HEAD_SIZE;
  if (isHead && fileExtentType(view, dataOffset) === FILE_EXTENT_TYPE.INLINE) return;
  if (isHead && dataSize >= FILE_EXTENT_SIZE) return;
  throw new FsError('EUCLEAN', `the extent item of inode ${objectid} at ${offset} is cut short: ${dataSize} bytes`);
}

/** Goes to the first extent item of the inode that ends after `offset`; false when there is none. */
export function* seekExtentItem(cursor: Cursor, inode: InodeNumber, offset: FileOffset): Task<boolean> {
  yield* cursor.seek(inode, KEY_TYPE.EXTENT_DATA, offset);
  if (!cursor.found) {
    const hasBefore = yield* cursor.previous();
    if (hasBefore && cursor.isAt(inode, KEY_TYPE.EXTENT_DATA) && itemEnd(cursor) > offset) return true;
    yield* cursor.next();
  }
  if (!cursor.isAt(inode, KEY_TYPE.EXTENT_DATA)) return false;
  checkExtentItem(cursor);
  return true;
}

/**
 * Reads what the tree says about `start` into a new extent map that covers it: the whole file extent item, or the hole
 * up to the next item but no further than `length` bytes.
 */
export function* readExtentMap(files: Files, inode: Inode, start: FileOffset, length: number): Task<ExtentMap> {
  const cursor = yield* searchExtentItem(files, inode, start);
  try {
    const isNone = !cursor.isAt(inode.number, KEY_TYPE.EXTENT_DATA);
    if (!isNone && cursor.offset <= start) return mapOfItem(cursor);
    return holeMap(start, Math.min((isNone ? FILE_END : cursor.offset) - start, length));
  } finally {
    cursor.release();
  }
}

/** At the first extent item of the inode that ends after `offset`; else at or behind whatever follows its items. */
export function* searchExtentItem(files: Files, inode: Inode, offset: FileOffset): Task<Cursor> {
  const key = { objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset };
  const cursor = yield* searchTree(files.fs, inode.tree, key);
  try {
    if (!cursor.found) {
      const hasBefore = yield* cursor.previous();
      const isBefore = hasBefore && cursor.isAt(inode.number, KEY_TYPE.EXTENT_DATA) && itemEnd(cursor) > offset;
      if (!isBefore) yield* cursor.next();
    }
    if (cursor.isAt(inode.number, KEY_TYPE.EXTENT_DATA)) checkExtentItem(cursor);
    return cursor;
  } catch (error) {
    cursor.release();
    throw error;
  }
}

function holeMap(start: FileOffset, length: number): ExtentMap {
  return new ExtentMap({ start, length, blockStart: EXTENT_MAP_HOLE, flags: VACANCY });
}

/** The map of the extent item at the cursor. */
function mapOfItem(cursor: Cursor): ExtentMap {
  const { view, dataOffset: at, offset: start } = cursor;
  const type = fileExtentType(view, at);
  const generation = fileExtentGeneration(view, at);
  const compression = fileExtentCompression(view, at);
  const isCompressed = compression !== COMPRESSION.NONE;
  const ramBytes = fileExtentRamBytes(view, at);
  if (type === FILE_EXTENT_TYPE.INLINE) {
    const length = alignUp(ramBytes, SECTOR_SIZE);
    const flags = isCompressed ? COMPRESSED : 0;
    return new ExtentMap({ start, length, blockStart: EXTENT_MAP_INLINE, ramBytes, compression, generation, flags });
  }
  const length = fileExtentNumBytes(view, at);
  const address = fileExtentDiskBytenr(view, at);
  const offset = fileExtentOffset(view, at);
  if (address === 0) {
    return new ExtentMap({ start, length, blockStart: EXTENT_MAP_HOLE, originalStart: start - offset, generation });
  }
  const diskLength = fileExtentDiskNumBytes(view, at);
  return new ExtentMap({
    start,
    length,
    blockStart: isCompressed ? address : address + offset,
    blockLength: isCompressed ? diskLength : length,
    originalStart: start - offset,
    originalBlockLength: diskLength,
    ramBytes,
    compression,
    generation,
    flags: (isCompressed ? COMPRESSED : 0) | (type === FILE_EXTENT_TYPE.PREALLOC ? PREALLOC : 0),
  });
}

/**
 * Takes [start, end) out of the inode's extent items: cuts or splits those that reach beyond it, and keeps the back
 * references of their extents right. Accounts the inode's bytes; its item is the caller's to write.
 */
export function* dropFileExtents(
  cursor: ChangeCursor,
  handle: TransactionHandle,
  inode: Inode,
  start: FileOffset,
  end: FileOffset,
): Task<void> {
  let from = start;
  while (from < end && (yield* seekExtentItem(cursor, inode.number, from))) {
    const itemStart = cursor.offset;
    if (itemStart >= end) return;
    from = itemEnd(cursor);
    yield* cutItem(cursor, handle, inode, start, end, from);
    if (from > end) return;
  }
}

/** Leaves of the item at the cursor what lies outside [start, end). */
function* cutItem(
  cursor: ChangeCursor,
  handle: TransactionHandle,
  inode: Inode,
  start: FileOffset,
  end: FileOffset,
  itemEndOffset: FileOffset,
): Task<void> {
  const itemStart = cursor.offset;
  cursor.prepare();
  const { view, dataOffset: at } = cursor;
  if (fileExtentType(view, at) === FILE_EXTENT_TYPE.INLINE) {
    inode.changeAllocatedBytes(-fileExtentRamBytes(view, at));
    cursor.remove();
    return;
  }
  const address = fileExtentDiskBytenr(view, at);
  const diskLength = fileExtentDiskNumBytes(view, at);
  const offset = fileExtentOffset(view, at);
  const keepsLeft = itemStart < start;
  const keepsRight = itemEndOffset > end;
  if (address !== 0) inode.changeAllocatedBytes(Math.max(itemStart, start) - Math.min(itemEndOffset, end));
  if (keepsLeft && keepsRight) {
    const bytes = cursor.data.slice();
    setFileExtentNumBytes(view, at, start - itemStart);
    setFileExtentOffset(viewOf(bytes), 0, offset + end - itemStart);
    setFileExtentNumBytes(viewOf(bytes), 0, itemEndOffset - end);
    yield* cursor.seek(inode.number, KEY_TYPE.EXTENT_DATA, end);
    cursor.insert({ objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset: end }, bytes);
    if (address !== 0)
      addDataReference(handle, extentAt(address, diskLength), ownerOf(inode, itemStart - offset), 'add');
  } else if (keepsLeft) {
    setFileExtentNumBytes(view, at, start - itemStart);
  } else if (keepsRight) {
    setFileExtentOffset(view, at, offset + end - itemStart);
    setFileExtentNumBytes(view, at, itemEndOffset - end);
    cursor.rekey({ objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset: end });
  } else {
    cursor.remove();
    if (address !== 0) dropDataReference(handle, address, diskLength, ownerOf(inode, itemStart - offset));
  }
}

/** Adds the item of a new, whole extent, written or preallocated, with its back reference; the range holds no item. */
export function* insertFileExtent(
  cursor: ChangeCursor,
  handle: TransactionHandle,
  inode: Inode,
  start: FileOffset,
  length: number,
  address: LogicalAddress,
  type: typeof FILE_EXTENT_TYPE.REGULAR | typeof FILE_EXTENT_TYPE.PREALLOC = FILE_EXTENT_TYPE.REGULAR,
): Task<void> {
  yield* cursor.seek(inode.number, KEY_TYPE.EXTENT_DATA, start);
  const at = cursor.open({ objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset: start }, FILE_EXTENT_SIZE);
  const { view } = cursor;
  cursor.data.fill(0);
  setFileExtentGeneration(view, at, handle.generation);
  setFileExtentRamBytes(view, at, length);
  setFileExtentType(view, at, type);
  setFileExtentDiskBytenr(view, at, address);
  setFileExtentDiskNumBytes(view, at, length);
  setFileExtentNumBytes(view, at, length);
  inode.changeAllocatedBytes(length);
  addDataReference(handle, extentAt(address, length), ownerOf(inode, start), 'new');
}

/** Where each of the inode's extent items begins and ends, in file order. */
export function* listExtentItems(files: Files, inode: Inode): Task<[start: FileOffset, end: FileOffset][]> {
  const ranges: [FileOffset, FileOffset][] = [];
  const from = { objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset: 0 };
  yield* visitItems(files.fs, inode.tree, from, (cursor) => {
    if (!cursor.isAt(inode.number, KEY_TYPE.EXTENT_DATA)) return false;
    ranges.push([cursor.offset, itemEnd(cursor)]);
    return true;
  });
  return ranges;
}

/** A copy of the inode's inline data, or null when its first extent is none. */
export function* readInlineData(files: Files, inode: Inode): Task<Uint8Array | null> {
  const item = yield* findItem(files.fs, inode.tree, { objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset: 0 });
  if (item === null) return null;
  if (item.length < FILE_EXTENT_INLINE_HEAD_SIZE) {
    throw new FsError('EUCLEAN', `the extent item of inode ${inode.number} at 0 is cut short: ${item.length} bytes`);
  }
  if (fileExtentType(viewOf(item), 0) !== FILE_EXTENT_TYPE.INLINE) return null;
  const data = item.slice(FILE_EXTENT_INLINE_HEAD_SIZE);
  const compression = fileExtentCompression(viewOf(item), 0);
  if (compression === COMPRESSION.NONE) return data;
  const ramBytes = Math.min(fileExtentRamBytes(viewOf(item), 0), SECTOR_SIZE);
  const bytes = ramBytes < 0 ? null : decompressData(compression, data, ramBytes, true);
  if (bytes === null) throw new FsError('EIO', `compressed inline data of inode ${inode.number} is damaged`);
  return bytes;
}

/** The file as the owner of an extent whose byte 0 corresponds to file offset `offset`. */
export function ownerOf(inode: Inode, offset: FileOffset): DataOwner {
  return { tree: inode.tree.id, inode: inode.number, offset };
}

function extentAt(logical: LogicalAddress, length: ByteCount): { logical: LogicalAddress; length: ByteCount } {
  return { logical, length };
}
