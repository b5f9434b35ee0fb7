import { alignUp, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FILE_EXTENT_TYPE, fileExtentDiskBytenr, fileExtentType } from '../format/file-extent.ts';
import { KEY_TYPE } from '../format/key.ts';
import type { Cursor } from '../tree/cursor.ts';
import { itemEnd, searchExtentItem } from './file-extent-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { PAGE_SIZE } from './page-cache.ts';

const BLOCK_SIZE = 512;

/** Blocks of 512 bytes, as `stat` counts them: what the items have, and what is on the way to holes. */
export function* countBlocks(files: Files, inode: Inode): Task<number> {
  let coming = 0;
  for (const [start, end] of unwrittenRanges(inode)) coming += yield* countHoleBytes(files, inode, start, end);
  return (alignUp(inode.allocatedBytes, SECTOR_SIZE) + coming) / BLOCK_SIZE;
}

/** Ranges of buffered data that no item knows of yet, ascending, apart from each other. */
function unwrittenRanges(inode: Inode): [number, number][] {
  const ranges: [number, number][] = [];
  if (inode.pages.dirtyCount > 0) {
    for (const page of inode.pages.within(0, Number.POSITIVE_INFINITY)) {
      if (page.isDirty) ranges.push([page.index * PAGE_SIZE, (page.index + 1) * PAGE_SIZE]);
    }
  }
  for (const ordered of inode.ordered.withoutItem()) {
    if (!ordered.isDirect && ordered.kind !== 'nocow') ranges.push([ordered.start, ordered.end]);
  }
  ranges.sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [start, end] of ranges) {
    const last = merged[merged.length - 1];
    if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged;
}

function* countHoleBytes(files: Files, inode: Inode, start: number, end: number): Task<number> {
  const cursor = yield* searchExtentItem(files, inode, start);
  try {
    let hole = end - start;
    while (cursor.isAt(inode.number, KEY_TYPE.EXTENT_DATA) && cursor.offset < end) {
      const itemStop = Math.min(end, itemEnd(cursor));
      if (isAllocated(cursor)) hole -= itemStop - Math.max(start, cursor.offset);
      yield* cursor.next();
    }
    return hole;
  } finally {
    cursor.release();
  }
}

function isAllocated(cursor: Cursor): boolean {
  const { view, dataOffset: at } = cursor;
  return fileExtentType(view, at) === FILE_EXTENT_TYPE.INLINE || fileExtentDiskBytenr(view, at) !== 0;
}
