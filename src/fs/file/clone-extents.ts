import { viewOf } from '../../base/bytes.ts';
import type { FileOffset } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import {
  FILE_EXTENT_TYPE,
  fileExtentDiskBytenr,
  fileExtentDiskNumBytes,
  fileExtentNumBytes,
  fileExtentOffset,
  fileExtentRamBytes,
  fileExtentType,
  setFileExtentNumBytes,
  setFileExtentOffset,
} from '../format/file-extent.ts';
import { KEY_TYPE } from '../format/key.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { addDataReference } from '../transaction/run-delayed-references.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import { dropExtentMaps } from './extent-map-access.ts';
import { dropFileExtents, itemEnd, ownerOf, searchExtentItem } from './file-extent-items.ts';
import type { Files } from './files.ts';
import { insertHoleItems, needsHoleItems } from './hole-items.ts';
import type { Inode } from './inode.ts';
import { updateDiskSize, writeInodeItem } from './inode-items.ts';
import { PAGE_SIZE } from './page-cache.ts';
import type { SectorRange } from './remap-range.ts';

/** What was cut in two, the new item, the inode. */
const CLONING = { items: 4 } as const;

/** An extent item of the source as the target shall have it: half-open bytes of the target, and the item's bytes. */
interface ClonedItem extends SectorRange {
  readonly bytes: Uint8Array;
}

/** Where extents go, and what becomes of the target besides. */
export interface CloneTarget {
  readonly inode: Inode;
  readonly start: FileOffset;
  /** The target is at least that large once its range is done: never in whole sectors more than was cloned. */
  readonly sizeMin: FileOffset;
  /** A dedupe changes nothing that a program could see. */
  readonly keepsTimes: boolean;
}

/**
 * Gives the target the extents of the source's range, each in a transaction of its own as Linux does: a power cut may
 * leave a front part cloned. What the target had there goes; the holes of the source become holes. The caller holds both
 * inodes, the range, and all of the target. Throws ENOSPC, EIO, EROFS.
 */
export function* cloneExtents(files: Files, source: Inode, range: SectorRange, target: CloneTarget): Task<void> {
  const items = yield* readItems(files, source, range, target.start - range.start);
  let done = target.start;
  for (const item of items) {
    yield* replaceRange(files, target, { start: done, end: item.end }, item);
    done = item.end;
  }
  const end = target.start + range.end - range.start;
  if (done < end) yield* replaceRange(files, target, { start: done, end }, null);
}

/** The items of the range, cut to it and moved by `shift` bytes. */
function* readItems(files: Files, source: Inode, range: SectorRange, shift: number): Task<ClonedItem[]> {
  const items: ClonedItem[] = [];
  const cursor = yield* searchExtentItem(files, source, range.start);
  try {
    while (cursor.isAt(source.number, KEY_TYPE.EXTENT_DATA) && cursor.offset < range.end) {
      const start = Math.max(cursor.offset, range.start);
      const end = Math.min(itemEnd(cursor), range.end);
      const bytes = cursor.data.slice();
      if (fileExtentType(viewOf(bytes), 0) !== FILE_EXTENT_TYPE.INLINE)
        cutItem(bytes, start - cursor.offset, end - start);
      items.push({ start: start + shift, end: end + shift, bytes });
      yield* cursor.next();
    }
    return items;
  } finally {
    cursor.release();
  }
}

function cutItem(bytes: Uint8Array, skipped: number, length: number): void {
  const view = viewOf(bytes);
  // A hole's item says nothing of where in an extent it lies.
  if (fileExtentDiskBytenr(view, 0) !== 0) setFileExtentOffset(view, 0, fileExtentOffset(view, 0) + skipped);
  setFileExtentNumBytes(view, 0, length);
}

/** Takes [start, end) away from the target, puts `item` at its end, and lets the file grow over it. */
function* replaceRange(
  files: Files,
  target: CloneTarget,
  { start, end }: SectorRange,
  item: ClonedItem | null,
): Task<void> {
  const { inode } = target;
  const handle = yield* startTransaction(files.fs, CLONING);
  try {
    yield* dropExtentMaps(files, inode, start, end, false);
    const cursor = yield* openForChange(handle, inode.tree);
    try {
      yield* dropFileExtents(cursor, handle, inode, start, end);
      if (item !== null) yield* insertItem(cursor, handle, inode, item);
      if (needsHoleItems(files.fs)) yield* insertHoleItems(cursor, handle, inode, start, end);
      if (!target.keepsTimes) inode.touchTimes(true);
      const size = Math.min(end, target.sizeMin);
      if (size > inode.size) inode.setSize(size);
      updateDiskSize(files, inode);
      yield* writeInodeItem(cursor, handle, inode);
    } finally {
      cursor.release();
    }
  } catch (error) {
    if (error instanceof FsError) abortTransaction(files.fs, error.code, `reflink to inode ${inode.number}`);
    throw error;
  } finally {
    leaveTransaction(handle);
  }
  // They are clean: nothing of the range is on its way to the disk.
  for (const page of inode.pages.within(start / PAGE_SIZE, end / PAGE_SIZE)) inode.pages.remove(page);
}

/** The item comes with the source's generation, as Linux leaves it; a place on disk gets one reference more. */
function* insertItem(cursor: ChangeCursor, handle: TransactionHandle, inode: Inode, item: ClonedItem): Task<void> {
  const { start, bytes } = item;
  const view = viewOf(bytes);
  yield* cursor.seek(inode.number, KEY_TYPE.EXTENT_DATA, start);
  cursor.insert({ objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset: start }, bytes);
  if (fileExtentType(view, 0) === FILE_EXTENT_TYPE.INLINE) {
    inode.changeAllocatedBytes(fileExtentRamBytes(view, 0));
    return;
  }
  const logical = fileExtentDiskBytenr(view, 0);
  if (logical === 0) return;
  inode.changeAllocatedBytes(fileExtentNumBytes(view, 0));
  const extent = { logical, length: fileExtentDiskNumBytes(view, 0) };
  addDataReference(handle, extent, ownerOf(inode, start - fileExtentOffset(view, 0)), 'add');
}
