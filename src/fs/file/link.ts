import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { dirTypeOfMode } from '../format/directory.ts';
import { KEY_TYPE, OBJECT_ID } from '../format/key.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction } from '../transaction/handle.ts';
import { openForChange } from '../tree/change-cursor.ts';
import { addName, checkNameFits, findName } from './directory-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { writeInodeItem } from './inode-items.ts';
import { checkReferenceFits } from './inode-references.ts';
import { checkAlive, lockInodes, releaseAll, walkToPlace } from './namespace.ts';
import type { ParsedPath } from './path.ts';
import { checkMayChange, checkMayWrite } from './permission.ts';
import { checkTakesNames } from './subvolume-root.ts';

/** Names that a file may have. */
export const LINKS_MAX = 65535;

const LINK = { items: 9 } as const;

/**
 * Gives the inode, which the caller holds, another name. A file that was opened without a name gets its first. Throws
 * EEXIST, ENOENT also for an inode whose names are all gone, EPERM for a directory, EXDEV into another subvolume,
 * EMLINK, EOVERFLOW, ENOSPC, EROFS.
 */
export function* linkInode(files: Files, inode: Inode, path: ParsedPath): Task<void> {
  const { directory, name } = yield* walkToPlace(files, path);
  const held: Held[] = [];
  try {
    if (name === null) throw new FsError('EEXIST', `${path.text} is a directory that exists`);
    yield* lockInodes([directory, inode], held);
    const existing = yield* findName(files, directory, name);
    if (existing !== null) throw new FsError('EEXIST', `${path.text} exists`);
    if (path.wantsDirectory) throw new FsError('ENOENT', `${path.text} does not exist`);
    checkAlive(directory, path);
    checkMayWrite(directory);
    checkMayChange(inode);
    checkTakesNames(directory);
    if (inode.isDirectory) throw new FsError('EPERM', `link of inode ${inode.number}, a directory`);
    if (inode.links === 0 && !inode.isLinkable) throw new FsError('ENOENT', `inode ${inode.number} has no name left`);
    if (inode.tree !== directory.tree) throw new FsError('EXDEV', `${path.text} lies in another subvolume`);
    if (inode.links >= LINKS_MAX) throw new FsError('EMLINK', `inode ${inode.number} has ${inode.links} names`);
    yield* checkNameFits(files, directory, name);
    yield* checkReferenceFits(files, inode, directory, name);
    yield* addLink(files, inode, directory, name);
  } finally {
    releaseAll(held);
    files.inodes.put(directory);
  }
}

function* addLink(files: Files, inode: Inode, directory: Inode, name: Uint8Array): Task<void> {
  const handle = yield* startTransaction(files.fs, LINK);
  try {
    const cursor = yield* openForChange(handle, inode.tree);
    try {
      yield* addName(cursor, handle, directory, name, inode.number, dirTypeOfMode(inode.mode));
      inode.setLinks(inode.links + 1);
      inode.touchTimes(false);
      yield* writeInodeItem(cursor, handle, inode);
      directory.touchTimes(true);
      yield* writeInodeItem(cursor, handle, directory);
      if (inode.isOrphan) {
        yield* cursor.seek(OBJECT_ID.ORPHAN, KEY_TYPE.ORPHAN_ITEM, inode.number);
        if (cursor.found) cursor.remove();
      }
    } finally {
      cursor.release();
    }
    inode.isOrphan = false;
    inode.isLinkable = false;
  } catch (error) {
    if (error instanceof FsError) abortTransaction(files.fs, error.code, `link of inode ${inode.number}`);
    throw error;
  } finally {
    leaveTransaction(handle);
  }
}
