import { viewOf } from '../../base/bytes.ts';
import type { FileOffset } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import {
  COMPRESSION,
  FILE_EXTENT_TYPE,
  fileExtentCompression,
  fileExtentDiskBytenr,
  fileExtentDiskNumBytes,
  fileExtentOffset,
  fileExtentType,
  setFileExtentGeneration,
  setFileExtentNumBytes,
  setFileExtentOffset,
  setFileExtentType,
} from '../format/file-extent.ts';
import { KEY_TYPE } from '../format/key.ts';
import type { TransactionHandle } from '../transaction/handle.ts';
import { addDataReference, dropDataReference } from '../transaction/run-delayed-references.ts';
import type { ChangeCursor } from '../tree/change-cursor.ts';
import { checkExtentItem, itemEnd, ownerOf, seekExtentItem } from './file-extent-items.ts';
import type { Inode } from './inode.ts';

/** A run of a file, half-open, and how its item says it is stored. */
interface Piece {
  readonly start: FileOffset;
  readonly end: FileOffset;
  readonly type: number;
}

/**
 * [start, end) of a preallocated extent holds data now: its item is cut so that the written part has one of its own, or
 * grows the written neighbour that lies beside it in the same extent. Every item is a reference to the extent; they are
 * counted. Throws EUCLEAN when no preallocated item covers the range.
 */
export function* markExtentWritten(
  cursor: ChangeCursor,
  handle: TransactionHandle,
  inode: Inode,
  start: FileOffset,
  end: FileOffset,
): Task<void> {
  const isThere = yield* seekExtentItem(cursor, inode.number, start);
  if (!isThere || !isPreallocated(cursor) || cursor.offset > start || itemEnd(cursor) < end) {
    const range = `[${start}, ${end}) of inode ${inode.number}`;
    throw new FsError('EUCLEAN', `${range} was written as preallocated space, but its items do not say so`);
  }
  const whole: Piece = { start: cursor.offset, end: itemEnd(cursor), type: FILE_EXTENT_TYPE.PREALLOC };
  const item = cursor.data.slice();
  const origin = whole.start - fileExtentOffset(viewOf(item), 0);
  const left = start === whole.start ? yield* writtenBefore(cursor, inode, item, whole) : null;
  const right = end === whole.end ? yield* writtenBehind(cursor, inode, item, whole) : null;

  const before = [left, whole, right].filter((piece) => piece !== null);
  const written = { start: left?.start ?? start, end: right?.end ?? end, type: FILE_EXTENT_TYPE.REGULAR };
  const after = [{ ...whole, end: start }, written, { ...whole, start: end }].filter(
    (piece) => piece.start < piece.end,
  );
  for (const piece of before) {
    yield* cursor.seek(inode.number, KEY_TYPE.EXTENT_DATA, piece.start);
    cursor.remove();
  }
  for (const piece of after) yield* insertPiece(cursor, handle, inode, item, origin, piece);

  const extent = { logical: fileExtentDiskBytenr(viewOf(item), 0), length: fileExtentDiskNumBytes(viewOf(item), 0) };
  const owner = ownerOf(inode, origin);
  for (let more = before.length; more < after.length; more++) addDataReference(handle, extent, owner, 'add');
  for (let fewer = after.length; fewer < before.length; fewer++) {
    dropDataReference(handle, extent.logical, extent.length, owner);
  }
}

function isPreallocated(cursor: ChangeCursor): boolean {
  return fileExtentType(cursor.view, cursor.dataOffset) === FILE_EXTENT_TYPE.PREALLOC;
}

/** The written item that ends where the preallocated one begins, in file and extent; or null. */
function* writtenBefore(cursor: ChangeCursor, inode: Inode, item: Uint8Array, whole: Piece): Task<Piece | null> {
  yield* cursor.seek(inode.number, KEY_TYPE.EXTENT_DATA, whole.start);
  if (!(yield* cursor.previous())) return null;
  const piece = writtenPiece(cursor, inode, item, whole);
  return piece !== null && piece.end === whole.start ? piece : null;
}

function* writtenBehind(cursor: ChangeCursor, inode: Inode, item: Uint8Array, whole: Piece): Task<Piece | null> {
  yield* cursor.seek(inode.number, KEY_TYPE.EXTENT_DATA, whole.start);
  if (!(yield* cursor.next())) return null;
  const piece = writtenPiece(cursor, inode, item, whole);
  return piece !== null && piece.start === whole.end ? piece : null;
}

/** The item at the cursor if it is data of the same extent, at the same offset between file and extent. */
function writtenPiece(cursor: ChangeCursor, inode: Inode, item: Uint8Array, whole: Piece): Piece | null {
  if (!cursor.isAt(inode.number, KEY_TYPE.EXTENT_DATA)) return null;
  checkExtentItem(cursor);
  const { view, dataOffset: at, offset: start } = cursor;
  if (fileExtentType(view, at) !== FILE_EXTENT_TYPE.REGULAR) return null;
  if (fileExtentCompression(view, at) !== COMPRESSION.NONE) return null;
  if (fileExtentDiskBytenr(view, at) !== fileExtentDiskBytenr(viewOf(item), 0)) return null;
  if (fileExtentOffset(view, at) - start !== fileExtentOffset(viewOf(item), 0) - whole.start) return null;
  return { start, end: itemEnd(cursor), type: FILE_EXTENT_TYPE.REGULAR };
}

function* insertPiece(
  cursor: ChangeCursor,
  handle: TransactionHandle,
  inode: Inode,
  item: Uint8Array,
  origin: FileOffset,
  piece: Piece,
): Task<void> {
  const bytes = item.slice();
  const view = viewOf(bytes);
  setFileExtentGeneration(view, 0, handle.generation);
  setFileExtentType(view, 0, piece.type);
  setFileExtentOffset(view, 0, piece.start - origin);
  setFileExtentNumBytes(view, 0, piece.end - piece.start);
  yield* cursor.seek(inode.number, KEY_TYPE.EXTENT_DATA, piece.start);
  cursor.insert({ objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset: piece.start }, bytes);
}
