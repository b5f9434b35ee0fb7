import { viewOf } from '../../base/bytes.ts';
import type { Range } from '../../base/range.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { COMPAT_RO } from '../format/feature-flags.ts';
import { FREE_SPACE_INFO } from '../format/free-space.ts';
import { KEY_TYPE } from '../format/key.ts';
import { SUPERBLOCK } from '../format/superblock.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import { abortTransaction } from './abort.ts';
import type { FsInfo } from './fs-info.ts';
import { leaveTransaction, startTransaction } from './handle.ts';

const EMPTY = new Uint8Array(0);

/** What the free space tree should say of a group. */
interface GroupSpace {
  readonly start: number;
  readonly length: number;
  readonly free: readonly Range[];
}

/**
 * A free space tree without the bit that says that it is valid, as `btrfs check --repair` leaves it, is made anew from the
 * extent tree before the first change, as by Linux. The next commit makes it valid. Throws ENOSPC, EIO.
 */
export function* rebuildFreeSpaceTree(fs: FsInfo): Task<void> {
  const tree = fs.staleFreeSpaceTree;
  if (tree === null) return;
  const items = groupSpaces(fs).reduce((sum, { free }) => sum + 1 + free.length, 0);
  const handle = yield* startTransaction(fs, { items: Math.ceil(items / ITEMS_PER_PROMISE) });
  // Now, for the start may have made a group; before the first allocation, for what comes after is told to the tree.
  const groups = groupSpaces(fs);
  fs.staleFreeSpaceTree = null;
  fs.trees = { ...fs.trees, freeSpace: tree };
  try {
    const cursor = yield* openForChange(handle, tree);
    try {
      yield* removeAllItems(cursor);
      for (const group of groups) yield* insertGroup(cursor, group);
    } finally {
      cursor.release();
    }
    setValid(fs);
  } catch (error) {
    if (error instanceof FsError) abortTransaction(fs, error.code, 'rebuilding the free space tree');
    throw error;
  } finally {
    leaveTransaction(handle);
  }
}

function groupSpaces(fs: FsInfo): GroupSpace[] {
  return fs.space.allGroups().map(({ start, length, free }) => ({ start, length, free: [...free.all()] }));
}

/** Many items share a path: it is copied once. */
const ITEMS_PER_PROMISE = 50;

function* removeAllItems(cursor: ChangeCursor): Task<void> {
  for (;;) {
    yield* cursor.seek(0, 0, 0);
    if (!cursor.isValid) return;
    cursor.removeItems(cursor.leaf.count);
  }
}

function* insertGroup(cursor: ChangeCursor, { start, length, free }: GroupSpace): Task<void> {
  yield* cursor.seek(start, KEY_TYPE.FREE_SPACE_INFO, length);
  const info = FREE_SPACE_INFO.encode({ extentCount: free.length, flags: 0 });
  cursor.insert({ objectid: start, type: KEY_TYPE.FREE_SPACE_INFO, offset: length }, info);
  for (const range of free) {
    yield* cursor.seek(range.start, KEY_TYPE.FREE_SPACE_EXTENT, range.length);
    cursor.insert({ objectid: range.start, type: KEY_TYPE.FREE_SPACE_EXTENT, offset: range.length }, EMPTY);
  }
}

function setValid(fs: FsInfo): void {
  const bytes = fs.superblockBytes.slice();
  const view = viewOf(bytes);
  const { at } = SUPERBLOCK.fields.compatRoFlags;
  view.setUint32(at, (view.getUint32(at, true) | COMPAT_RO.FREE_SPACE_TREE_VALID) >>> 0, true);
  fs.superblockBytes = bytes;
}
