import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { dirTypeOfMode } from '../format/directory.ts';
import { MODE_TYPE } from '../format/inode.ts';
import { KEY_TYPE } from '../format/key.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import { addName, checkNameFits, findName } from './directory-items.ts';
import type { Files } from './files.ts';
import { heirOf, heritageOf, insertXattrs, itemsOfHeritage } from './heritage.ts';
import { Inode } from './inode.ts';
import { findFirstFreeNumber, writeInodeItem } from './inode-items.ts';
import { checkAlive, getTarget, placeOf } from './namespace.ts';
import { type NewNode, newInodeItem } from './new-inode-item.ts';
import type { ParsedPath } from './path.ts';
import { followLink, type PathWalk, startWalk, stopWalk } from './path-walk.ts';
import { checkMayWrite } from './permission.ts';
import { checkTakesNames, isStub } from './subvolume-root.ts';
import { checkTargetFits, insertSymlinkTarget } from './symlink.ts';

const CREATION_ITEMS = 6;

/** How the way to a new name answers what is there already, as the call of Linux that it stands for. */
export interface NewName {
  /** What is there already is returned as it is, also behind a symbolic link, as `open` with O_CREAT. */
  readonly mayExist?: boolean;
  /** A symbolic link that is there already is itself what is returned. */
  readonly noFollow?: boolean;
  /** For a new name with a slash at its end that is to be no directory: `open` says EISDIR, all others ENOENT. */
  readonly slashError?: 'EISDIR' | 'ENOENT';
}

/**
 * Makes a node where there is nothing yet, and holds it for the caller; with `mayExist`, what is there already, as it is.
 * Throws EEXIST, ENOENT, ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, EOVERFLOW, ENOSPC, EROFS.
 */
export function* makeNode(files: Files, path: ParsedPath, node: NewNode, how: NewName = {}): Task<Inode> {
  const walking = yield* startWalk(files, path);
  try {
    for (;;) {
      const made = yield* makeAtPlace(files, path, walking, node, how);
      if (made !== 'followed') return made;
    }
  } finally {
    stopWalk(walking);
  }
}

function* makeAtPlace(
  files: Files,
  path: ParsedPath,
  walking: PathWalk,
  node: NewNode,
  { mayExist = false, noFollow = false, slashError = 'EISDIR' }: NewName,
): Task<Inode | 'followed'> {
  const { directory, name } = yield* placeOf(walking);
  try {
    if (name === null) throw new FsError(mayExist ? 'EISDIR' : 'EEXIST', `${path.text} is a directory that exists`);
    const mustBeDirectory = walking.wantsDirectory && (node.mode & MODE_TYPE.MASK) !== MODE_TYPE.DIRECTORY;
    if (mustBeDirectory && slashError === 'EISDIR') throw new FsError('EISDIR', `${path.text} names a directory`);
    const lock = yield* directory.lock.acquire('exclusive');
    let existing: Inode;
    try {
      const entry = yield* findName(files, directory, name);
      if (entry !== null && !mayExist) throw new FsError('EEXIST', `${path.text} exists`);
      if (entry === null) {
        if (mustBeDirectory) throw new FsError('ENOENT', `${path.text} does not exist`);
        checkAlive(directory, path);
        checkMayCreate(directory, node);
        yield* checkNameFits(files, directory, name);
        if (node.target !== undefined) checkTargetFits(files.fs, node.target);
        return yield* insertNode(files, directory, name, node);
      }
      existing = yield* getTarget(files, directory, entry);
    } finally {
      lock.release();
    }
    if (!existing.isSymlink || noFollow) return existing;
    walking.pending.pop();
    yield* followLink(walking, existing);
    return 'followed';
  } finally {
    files.inodes.put(directory);
  }
}

function checkMayCreate(directory: Inode, node: NewNode): void {
  const isFile = (node.mode & MODE_TYPE.MASK) === MODE_TYPE.REGULAR;
  if (isFile && isStub(directory))
    throw new FsError('EACCES', 'a directory that stands for a subvolume takes no files');
  checkTakesNames(directory);
  checkMayWrite(directory);
}

function* insertNode(files: Files, directory: Inode, name: Uint8Array, node: NewNode): Task<Inode> {
  const { tree } = directory;
  if (!files.inodes.knowsFreeNumbers(tree)) yield* findFirstFreeNumber(files, tree);
  const handle = yield* startTransaction(files.fs, { items: CREATION_ITEMS + itemsOfHeritage(directory, node) });
  let isChanging = false;
  try {
    const cursor = yield* openForChange(handle, tree);
    try {
      const heir = heirOf(node, directory, yield* heritageOf(cursor, directory), files.fs.newFileFlags);
      const item = newInodeItem(heir.node, directory, handle.generation, files.world.now());
      const inode = new Inode(files.world, tree, files.inodes.takeNumber(tree), item, files.rules);
      isChanging = true;
      yield* insertItems(cursor, handle, directory, name, inode);
      if (node.target !== undefined) yield* insertSymlinkTarget(cursor, handle, inode, node.target);
      yield* insertXattrs(cursor, handle, inode, heir.xattrs);
      files.inodes.add(inode);
      return inode;
    } finally {
      cursor.release();
    }
  } catch (error) {
    if (error instanceof FsError && isChanging)
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
  // The search for free numbers did not come by it: the tree is out of order.
  if (cursor.found) throw new FsError('EUCLEAN', `inode ${inode.number} of tree ${inode.tree.id} is there already`);
  cursor.insert({ objectid: inode.number, type: KEY_TYPE.INODE_ITEM, offset: 0 }, inode.itemFor(handle.generation));
  yield* addName(cursor, handle, directory, name, inode.number, dirTypeOfMode(inode.mode));
  directory.touchTimes(true);
  yield* writeInodeItem(cursor, handle, directory);
}
