import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { FREE_SPACE_INFO } from '../format/free-space.ts';
import { KEY_TYPE } from '../format/key.ts';
import type { BlockGroup } from '../space/block-group.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import type { TransactionHandle } from './handle.ts';

const EMPTY = new Uint8Array(0);

/** The free space tree learns of a new group: all of it is free, until delayed references say otherwise. */
export function* insertFreeSpaceOf(handle: TransactionHandle, group: BlockGroup): Task<void> {
  const tree = handle.fs.trees.freeSpace;
  if (tree === null || !group.needsFreeSpaceItems) return;
  const cursor = yield* openForChange(handle, tree);
  try {
    // A commit that ran delayed references meanwhile has been here.
    if (group.needsFreeSpaceItems) yield* insertWhole(cursor, group);
  } finally {
    cursor.release();
  }
}

/** The same for whoever has the tree open. */
export function* insertWhole(cursor: ChangeCursor, group: BlockGroup): Task<void> {
  group.needsFreeSpaceItems = false;
  const { start, length } = group;
  yield* cursor.seek(start, KEY_TYPE.FREE_SPACE_INFO, length);
  if (cursor.found) throw groupIsThere(group);
  cursor.insert(
    { objectid: start, type: KEY_TYPE.FREE_SPACE_INFO, offset: length },
    FREE_SPACE_INFO.encode({ extentCount: 1, flags: 0 }),
  );
  yield* cursor.seek(start, KEY_TYPE.FREE_SPACE_EXTENT, length);
  if (cursor.found) throw groupIsThere(group);
  cursor.insert({ objectid: start, type: KEY_TYPE.FREE_SPACE_EXTENT, offset: length }, EMPTY);
}

/** The free space tree forgets a group, whatever it knew of it. */
export function* removeFreeSpaceOf(handle: TransactionHandle, group: BlockGroup): Task<void> {
  const tree = handle.fs.trees.freeSpace;
  if (tree === null || group.needsFreeSpaceItems) return;
  const end = group.start + group.length;
  const cursor = yield* openForChange(handle, tree);
  try {
    for (;;) {
      yield* cursor.seek(group.start, 0, 0);
      const isThere = cursor.isValid || (yield* cursor.next());
      if (!isThere || cursor.objectid >= end) return;
      cursor.remove();
    }
  } finally {
    cursor.release();
  }
}

function groupIsThere({ start }: BlockGroup): FsError {
  return new FsError('EEXIST', `free space tree: it knows a block group ${start} already`);
}
