import { viewOf } from '../../base/bytes.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { dirTypeOfMode } from '../format/directory.ts';
import {
  INODE_FLAG,
  INODE_ITEM_SIZE,
  INODE_TIME_AT,
  MODE_TYPE,
  setInodeFlags,
  setInodeGeneration,
  setInodeMode,
  setInodeNlink,
} from '../format/inode.ts';
import { KEY_TYPE } from '../format/key.ts';
import { writeNanoseconds } from '../format/timestamp.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import { addName, checkNameFits, findName } from './directory-items.ts';
import type { Files } from './files.ts';
import { Inode } from './inode.ts';
import { findFirstFreeNumber, writeInodeItem } from './inode-items.ts';
import { checkAlive, getTarget, walkToPlace } from './namespace.ts';
import type { ParsedPath } from './path.ts';

export const NEW_FILE_MODE = MODE_TYPE.REGULAR | 0o644;
export const NEW_DIRECTORY_MODE = MODE_TYPE.DIRECTORY | 0o755;
/** Inode flags of a file whose data is overwritten in place and has no checksums, as of an empty one after `chattr +C`. */
export const NODATACOW_FLAGS = INODE_FLAG.NODATACOW | INODE_FLAG.NODATASUM;

/** What is made, and what it is made for. */
const CREATION = { items: 6 } as const;

/**
 * Makes a file or directory where there is nothing yet, and holds it for the caller; with `mayExist`, what is there
 * already, as it is. `flags`: inode flags of a new one. Throws EEXIST, ENOENT, ENOTDIR, EISDIR, ENAMETOOLONG, EOVERFLOW, ENOSPC, EROFS.
 */
export function* makeNode(files: Files, path: ParsedPath, mode: number, mayExist: boolean, flags = 0): Task<Inode> {
  const place = yield* walkToPlace(files, path);
  const { directory, name } = place;
  try {
    if (name === null) throw new FsError(mayExist ? 'EISDIR' : 'EEXIST', `${path.text} is a directory that exists`);
    const isDirectory = (mode & MODE_TYPE.MASK) === MODE_TYPE.DIRECTORY;
    if (path.wantsDirectory && !isDirectory) throw new FsError('EISDIR', `${path.text} names a directory`);
    const lock = yield* directory.lock.acquire('exclusive');
    try {
      const existing = yield* findName(files, directory, name);
      if (existing !== null && !mayExist) throw new FsError('EEXIST', `${path.text} exists`);
      if (existing !== null) return yield* getTarget(files, directory, existing);
      checkAlive(directory, path);
      yield* checkNameFits(files, directory, name);
      return yield* insertNode(files, directory, name, mode, flags);
    } finally {
      lock.release();
    }
  } finally {
    files.inodes.put(directory);
  }
}

function* insertNode(files: Files, directory: Inode, name: Uint8Array, mode: number, flags: number): Task<Inode> {
  const { tree } = directory;
  if (!files.inodes.knowsFreeNumbers(tree)) yield* findFirstFreeNumber(files, tree);
  const handle = yield* startTransaction(files.fs, CREATION);
  try {
    const number = files.inodes.takeNumber(tree);
    const item = newInodeItem(files, handle, mode, flags);
    const inode = new Inode(files.world, tree, number, item, files.rules);
    const cursor = yield* openForChange(handle, tree);
    try {
      yield* insertItems(cursor, handle, directory, name, inode);
    } finally {
      cursor.release();
    }
    files.inodes.add(inode);
    return inode;
  } catch (error) {
    if (error instanceof FsError)
      abortTransaction(files.fs, error.code, `creation in directory inode ${directory.number}`);
    throw error;
  } finally {
    leaveTransaction(handle);
  }
}

function* insertItems(
  cursor: ChangeCursor,
  handle: TransactionHandle,
  directory: Inode,
  name: Uint8Array,
  inode: Inode,
): Task<void> {
  yield* cursor.seek(inode.number, KEY_TYPE.INODE_ITEM, 0);
  cursor.insert({ objectid: inode.number, type: KEY_TYPE.INODE_ITEM, offset: 0 }, inode.itemFor(handle.generation));
  yield* addName(cursor, handle, directory, name, inode.number, dirTypeOfMode(inode.mode));
  directory.touchTimes(true);
  yield* writeInodeItem(cursor, handle, directory);
}

function newInodeItem(files: Files, handle: TransactionHandle, mode: number, flags: number): Uint8Array {
  const item = new Uint8Array(INODE_ITEM_SIZE);
  const view = viewOf(item);
  const now = files.world.now();
  setInodeGeneration(view, 0, handle.generation);
  setInodeNlink(view, 0, 1);
  setInodeMode(view, 0, mode);
  setInodeFlags(view, 0, flags);
  for (const at of Object.values(INODE_TIME_AT)) writeNanoseconds(view, at, now);
  return item;
}
