import { type ByteCount, type LogicalAddress, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import {
  decodeFreeSpaceBitmap,
  FREE_SPACE_FLAG,
  FREE_SPACE_INFO,
  freeSpaceExtentCount,
  setFreeSpaceExtentCount,
} from '../format/free-space.ts';
import { KEY_TYPE } from '../format/key.ts';
import type { BlockGroup } from '../space/block-group.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import type { Cursor } from '../tree/cursor.ts';
import { insertWhole } from './free-space-groups.ts';
import type { FsInfo } from './fs-info.ts';
import type { TransactionHandle } from './handle.ts';

/** One change of what is free on disk, inside one block group. */
export interface FreeSpaceChange {
  start: LogicalAddress;
  length: ByteCount;
  readonly becomesFree: boolean;
}

const INFO = KEY_TYPE.FREE_SPACE_INFO;
const EXTENT = KEY_TYPE.FREE_SPACE_EXTENT;
const BITMAP = KEY_TYPE.FREE_SPACE_BITMAP;
const EMPTY = new Uint8Array(0);

/** Adds a change to a list; where it continues the last one in the same group, they become one. */
export function noteFreeSpaceChange(
  fs: FsInfo,
  changes: FreeSpaceChange[],
  start: LogicalAddress,
  length: ByteCount,
  becomesFree: boolean,
): void {
  const last = changes[changes.length - 1];
  if (last !== undefined && last.becomesFree === becomesFree && last.start + last.length === start) {
    if (fs.space.groupAt(last.start) === fs.space.groupAt(start)) {
      last.length += length;
      return;
    }
  }
  changes.push({ start, length, becomesFree });
}

/** Applies the changes in order; the tree is locked once for all of them. Throws EUCLEAN when it disagrees. */
export function* applyFreeSpaceChanges(handle: TransactionHandle, changes: readonly FreeSpaceChange[]): Task<void> {
  const { fs } = handle;
  const tree = fs.trees.freeSpace;
  if (tree === null || changes.length === 0) return;
  const cursor = yield* openForChange(handle, tree);
  try {
    for (const { start, length, becomesFree } of changes) {
      const group = fs.space.groupAt(start);
      if (group.needsFreeSpaceItems) yield* insertWhole(cursor, group);
      if (group.usesBitmaps) yield* turnIntoExtents(cursor, group);
      const added = becomesFree
        ? yield* addRange(cursor, group, start, length)
        : yield* removeRange(cursor, start, length);
      if (added !== 0) yield* changeExtentCount(cursor, group, added);
    }
  } finally {
    cursor.release();
  }
}

/** Returns by how many the number of free extents grew. */
function* removeRange(cursor: ChangeCursor, start: LogicalAddress, length: ByteCount): Task<number> {
  yield* seekLastNotAfter(cursor, start);
  if (!cursor.isValid || cursor.type !== EXTENT || cursor.objectid + cursor.offset < start + length) {
    throw new FsError('EUCLEAN', `free space tree: ${length} bytes at ${start} are taken but not free`);
  }
  const freeStart = cursor.objectid;
  const freeEnd = freeStart + cursor.offset;
  const end = start + length;
  if (freeStart < start) {
    cursor.rekey({ objectid: freeStart, type: EXTENT, offset: start - freeStart });
    if (freeEnd === end) return 0;
    yield* cursor.seek(end, EXTENT, freeEnd - end);
    cursor.insert({ objectid: end, type: EXTENT, offset: freeEnd - end }, EMPTY);
    return 1;
  }
  if (freeEnd === end) {
    cursor.remove();
    return -1;
  }
  cursor.rekey({ objectid: end, type: EXTENT, offset: freeEnd - end });
  return 0;
}

function* addRange(cursor: ChangeCursor, group: BlockGroup, start: LogicalAddress, length: ByteCount): Task<number> {
  const end = start + length;
  let newStart = start;
  let newEnd = end;
  let merged = 0;
  yield* seekLastNotAfter(cursor, start);
  if (cursor.isValid && cursor.type === EXTENT && cursor.objectid >= group.start) {
    const previousEnd = cursor.objectid + cursor.offset;
    if (previousEnd > start)
      throw new FsError('EUCLEAN', `free space tree: ${length} bytes at ${start} are freed twice`);
    if (previousEnd === start) {
      newStart = cursor.objectid;
      merged++;
    }
  }
  if (end < group.start + group.length) {
    yield* cursor.seek(end, EXTENT, 0);
    const isThere = cursor.isValid || (yield* cursor.next());
    if (isThere && cursor.type === EXTENT && cursor.objectid === end) {
      newEnd = end + cursor.offset;
      merged++;
      cursor.remove();
    }
  }
  const key = { objectid: newStart, type: EXTENT, offset: newEnd - newStart };
  if (newStart < start) {
    yield* seekLastNotAfter(cursor, newStart);
    cursor.rekey(key);
  } else {
    yield* cursor.seek(newStart, EXTENT, newEnd - newStart);
    cursor.insert(key, EMPTY);
  }
  return 1 - merged;
}

/** To the last item that begins at or before `start`. */
function* seekLastNotAfter(cursor: ChangeCursor, start: LogicalAddress): Task<void> {
  yield* cursor.seek(start, 255, -1);
  yield* cursor.previous();
}

function* changeExtentCount(cursor: ChangeCursor, group: BlockGroup, change: number): Task<void> {
  yield* seekInfo(cursor, group);
  cursor.prepare();
  setFreeSpaceExtentCount(
    cursor.view,
    cursor.dataOffset,
    freeSpaceExtentCount(cursor.view, cursor.dataOffset) + change,
  );
}

function* seekInfo(cursor: ChangeCursor, group: BlockGroup): Task<void> {
  yield* cursor.seek(group.start, INFO, group.length);
  if (!cursor.found) throw new FsError('EUCLEAN', `free space tree: block group ${group.start} has no info item`);
}

/** Foreign images keep badly fragmented groups as bitmaps. The engine keeps ranges: either form is right. */
function* turnIntoExtents(cursor: ChangeCursor, group: BlockGroup): Task<void> {
  const ranges: { readonly start: number; readonly length: number }[] = [];
  let position = group.start;
  for (;;) {
    yield* cursor.seek(position, BITMAP, 0);
    const isThere = cursor.isValid || (yield* cursor.next());
    if (!isThere || cursor.objectid >= group.start + group.length) break;
    position = cursor.objectid + 1;
    if (cursor.type !== BITMAP) continue;
    for (const range of decodeFreeSpaceBitmap(cursor.objectid, cursor.offset, cursor.data)) joinRange(ranges, range);
    cursor.remove();
  }
  for (const { start, length } of ranges) {
    yield* cursor.seek(start, EXTENT, length);
    cursor.insert({ objectid: start, type: EXTENT, offset: length }, EMPTY);
  }
  yield* seekInfo(cursor, group);
  const info = FREE_SPACE_INFO.decode(cursor.data);
  cursor.replace(
    FREE_SPACE_INFO.encode({ extentCount: ranges.length, flags: info.flags & ~FREE_SPACE_FLAG.USING_BITMAPS }),
  );
  group.usesBitmaps = false;
}

function joinRange(
  ranges: { readonly start: number; readonly length: number }[],
  range: { readonly start: number; readonly length: number },
): void {
  const last = ranges[ranges.length - 1];
  if (last !== undefined && last.start + last.length === range.start) {
    ranges[ranges.length - 1] = { start: last.start, length: last.length + range.length };
  } else ranges.push(range);
}

/**
 * Fills the group's free ranges from its items in the free space tree; the cursor may be anywhere in the tree.
 * Throws EUCLEAN when the tree does not know the group.
 */
export function* loadFreeSpace(cursor: Cursor, group: BlockGroup): Task<void> {
  yield* cursor.seek(group.start, INFO, group.length);
  if (!cursor.found) throw new FsError('EUCLEAN', `free space tree: block group ${group.start} has no info item`);
  group.usesBitmaps = (FREE_SPACE_INFO.decode(cursor.data).flags & FREE_SPACE_FLAG.USING_BITMAPS) !== 0;
  const end = group.start + group.length;
  let lastEnd = group.start;
  while ((yield* cursor.next()) && cursor.objectid < end && cursor.type !== INFO) {
    if (cursor.type === EXTENT) lastEnd = addFree(group, cursor.objectid, cursor.offset, lastEnd);
    else if (cursor.type === BITMAP) {
      for (const range of decodeFreeSpaceBitmap(cursor.objectid, cursor.offset, cursor.data)) {
        lastEnd = addFree(group, range.start, range.length, lastEnd);
      }
    }
  }
}

/** @returns where the range ends. Throws EUCLEAN for one that is not free space of this group behind the one before. */
function addFree(group: BlockGroup, start: number, length: number, lastEnd: number): number {
  const end = start + length;
  const isAligned = start % SECTOR_SIZE === 0 && length % SECTOR_SIZE === 0;
  if (!isAligned || length <= 0 || start < lastEnd || end > group.start + group.length) {
    throw new FsError('EUCLEAN', `free space tree: [${start}, ${end}) in block group ${group.start} cannot be`);
  }
  group.free.add(start, length);
  return end;
}
