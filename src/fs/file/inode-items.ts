import { assert } from '../../base/assert.ts';
import { viewOf } from '../../base/bytes.ts';
import type { FileOffset, InodeNumber } from '../../base/units.ts';
import { Completed, type Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { encodeName, nameHash } from '../format/directory.ts';
import { INCOMPAT } from '../format/feature-flags.ts';
import { INODE_ITEM_SIZE, inodeMode, MODE_TYPE } from '../format/inode.ts';
import { KEY_TYPE, OBJECT_ID } from '../format/key.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import { searchTree } from '../tree/cursor.ts';
import type { Tree } from '../tree/tree.ts';
import type { Files } from './files.ts';
import { Inode } from './inode.ts';

const CAPABILITY_HASH = nameHash(encodeName('security.capability'));

/** The inode, read if it is not in memory, and held for the caller. Throws ENOENT when there is none, EIO. */
export function getInode(files: Files, tree: Tree, number: InodeNumber): Task<Inode> {
  const cached = files.inodes.find(tree, number);
  return cached === null ? getFromTree(files, tree, number) : new Completed(cached);
}

function* getFromTree(files: Files, tree: Tree, number: InodeNumber): Task<Inode> {
  const { item, hasCapability } = yield* readInode(files, tree, number);
  // Another task may have read it meanwhile.
  const already = files.inodes.find(tree, number);
  if (already !== null) return already;
  if (item === null) throw new FsError('ENOENT', `inode ${number} of tree ${tree.id} is not there`);
  if (item.length < INODE_ITEM_SIZE) throw new FsError('EUCLEAN', `inode ${number}: its item has ${item.length} bytes`);
  const inode = new Inode(files.world, tree, number, item, files.rules);
  inode.hasCapability = hasCapability;
  files.inodes.add(inode);
  return inode;
}

/** The inode's item, null where there is none, and whether it has an attribute that a write must take away. */
function* readInode(files: Files, tree: Tree, number: InodeNumber) {
  const cursor = yield* searchTree(files.fs, tree, { objectid: number, type: KEY_TYPE.INODE_ITEM, offset: 0 });
  try {
    if (!cursor.found) return { item: null, hasCapability: false };
    const item = cursor.data.slice();
    if (!isRegularItem(item)) return { item, hasCapability: false };
    yield* cursor.seek(number, KEY_TYPE.XATTR_ITEM, CAPABILITY_HASH);
    return { item, hasCapability: cursor.found };
  } finally {
    cursor.release();
  }
}

function isRegularItem(item: Uint8Array): boolean {
  return item.length >= INODE_ITEM_SIZE && (inodeMode(viewOf(item), 0) & MODE_TYPE.MASK) === MODE_TYPE.REGULAR;
}

/** Writes the inode's item, which is there. */
export function* writeInodeItem(cursor: ChangeCursor, handle: TransactionHandle, inode: Inode): Task<void> {
  yield* cursor.seek(inode.number, KEY_TYPE.INODE_ITEM, 0);
  assert(cursor.found, 'an inode in memory has its item', { inode: inode.number });
  // Only what reaches the leaf counts as written.
  cursor.prepare();
  cursor.replace(inode.itemFor(handle.generation));
}

/**
 * Sets the size that the next inode item says. With NO_HOLES that is the size in memory, as in Linux since 5.6: a range
 * without an item reads as zeroes anyway. Without, only as far as all data before it is on disk too, never backwards.
 * Called where the inode's tree is locked, so that the last of several completions sees all others done.
 */
export function updateDiskSize(files: Files, inode: Inode): void {
  if ((files.fs.superblock.incompatFlags & INCOMPAT.NO_HOLES) !== 0) {
    if (inode.diskSize !== inode.size) inode.setDiskSize(inode.size);
    return;
  }
  const firstUnwritten = Math.min(inode.ordered.firstUnwrittenByte(), inode.pages.firstUnwrittenByte());
  const size = Math.min(inode.size, Math.max(inode.diskSize, firstUnwritten));
  if (size !== inode.diskSize) inode.setDiskSize(size);
}

/** Writes the inode's item in a transaction of its own, with the new size if one is given: the old one stays if that fails. */
export function* updateInode(files: Files, inode: Inode, size: FileOffset | null = null): Task<void> {
  const handle = yield* startTransaction(files.fs);
  try {
    const cursor = yield* openForChange(handle, inode.tree);
    try {
      if (size === null) yield* writeWithDiskSize(files, cursor, handle, inode);
      else yield* writeWithSize(files, cursor, handle, inode, size);
    } finally {
      cursor.release();
    }
  } finally {
    leaveTransaction(handle);
  }
}

function* writeWithSize(
  files: Files,
  cursor: ChangeCursor,
  handle: TransactionHandle,
  inode: Inode,
  size: FileOffset,
): Task<void> {
  const oldSize = inode.size;
  inode.setSize(size);
  try {
    yield* writeWithDiskSize(files, cursor, handle, inode);
  } catch (error) {
    inode.setSize(oldSize);
    if (inode.diskSize > oldSize) inode.setDiskSize(oldSize);
    throw error;
  }
}

function* writeWithDiskSize(files: Files, cursor: ChangeCursor, handle: TransactionHandle, inode: Inode): Task<void> {
  updateDiskSize(files, inode);
  yield* writeInodeItem(cursor, handle, inode);
}

/** Higher numbers come from damage: counting on from one would end where numbers are no longer exact. */
const NUMBER_LIMIT = 2 ** 48;

/** New inodes of a subvolume get numbers above the highest there is, and no number twice while the mount lasts. */
export function* findFirstFreeNumber(files: Files, tree: Tree): Task<void> {
  const cursor = yield* searchTree(files.fs, tree, { objectid: NUMBER_LIMIT, type: 0, offset: 0 });
  try {
    const hasItem = yield* cursor.previous();
    const highest = hasItem ? cursor.objectid : OBJECT_ID.FIRST_FREE;
    files.inodes.setFirstFreeNumber(tree, Math.max(highest, OBJECT_ID.FIRST_FREE) + 1);
  } finally {
    cursor.release();
  }
}
