import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { KEY_TYPE, OBJECT_ID } from '../format/key.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import { deleteSubvolume, removeStub } from './delete-subvolume.ts';
import { findName, isEmptyDirectory, removeName } from './directory-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { writeInodeItem } from './inode-items.ts';
import { checkAlive, leadsTo, lockInodes, lookUp, releaseAll, walkToPlace } from './namespace.ts';
import { isDot, type ParsedPath } from './path.ts';
import { checkMayRemove } from './permission.ts';
import { isStub, isSubvolumeRoot } from './subvolume-root.ts';

const REMOVAL = { items: 8, releasesSpace: true } as const;
const EMPTY = new Uint8Array(0);

/** Removes a name of a file. Its data stays until nobody has it open. Throws ENOENT, EISDIR, ENOTDIR, EROFS. */
export function unlinkFile(files: Files, path: ParsedPath): Task<void> {
  return removeNode(files, path, false);
}

/** Removes an empty directory. Throws ENOENT, ENOTDIR, ENOTEMPTY, EBUSY for the root, EINVAL for `.`. */
export function removeDirectory(files: Files, path: ParsedPath): Task<void> {
  return removeNode(files, path, true);
}

function* removeNode(files: Files, path: ParsedPath, wantsDirectory: boolean): Task<void> {
  const { directory, name } = yield* walkToPlace(files, path);
  try {
    if (name === null) throw namelessError(path, wantsDirectory);
    for (;;) {
      const inode = yield* lookUp(files, directory, name);
      if (inode === null) throw new FsError('ENOENT', `${path.text} does not exist`);
      const held: Held[] = [];
      try {
        yield* lockInodes([directory, inode], held);
        const now = yield* findName(files, directory, name);
        if (!leadsTo(directory, now, inode)) continue;
        checkAlive(directory, path);
        checkUnlinkSlash(inode, path, wantsDirectory);
        checkMayRemove(directory, inode);
        yield* checkRemovable(files, inode, path, wantsDirectory);
        if (isSubvolumeRoot(inode)) yield* deleteSubvolume(files, { directory, name }, inode);
        else if (isStub(inode)) yield* removeStub(files, { directory, name }, inode);
        else yield* removeLocked(files, directory, name, inode);
        return;
      } finally {
        releaseAll(held);
        files.inodes.put(inode);
      }
    }
  } finally {
    files.inodes.put(directory);
  }
}

function namelessError(path: ParsedPath, wantsDirectory: boolean): FsError {
  const last = path.names[path.names.length - 1];
  if (!wantsDirectory) return new FsError('EISDIR', `${path.text} is a directory`);
  if (last === undefined) return new FsError('EBUSY', 'the root directory cannot be removed');
  if (isDot(last)) return new FsError('EINVAL', `${path.text} ends in .`);
  return new FsError('ENOTEMPTY', `${path.text} ends in ..`);
}

/** A slash after the name of what is to be unlinked is refused before all else. */
function checkUnlinkSlash(inode: Inode, path: ParsedPath, wantsDirectory: boolean): void {
  if (wantsDirectory || !path.wantsDirectory) return;
  throw new FsError(inode.isDirectory ? 'EISDIR' : 'ENOTDIR', `${path.text} is not to end in a slash`);
}

function* checkRemovable(files: Files, inode: Inode, path: ParsedPath, wantsDirectory: boolean): Task<void> {
  if (!wantsDirectory) {
    if (inode.isDirectory) throw new FsError('EISDIR', `${path.text} is a directory`);
    return;
  }
  if (!inode.isDirectory) throw new FsError('ENOTDIR', `${path.text} is no directory`);
  if (!(yield* isEmptyDirectory(files, inode))) throw new FsError('ENOTEMPTY', `${path.text} is not empty`);
}

function* removeLocked(files: Files, directory: Inode, name: Uint8Array, inode: Inode): Task<void> {
  const handle = yield* startTransaction(files.fs, REMOVAL);
  try {
    const cursor = yield* openForChange(handle, inode.tree);
    try {
      yield* removeName(cursor, directory, name, inode.number);
      yield* dropLink(cursor, handle, inode);
      directory.touchTimes(true);
      yield* writeInodeItem(cursor, handle, directory);
    } finally {
      cursor.release();
    }
  } catch (error) {
    if (error instanceof FsError)
      abortTransaction(files.fs, error.code, `removal from directory inode ${directory.number}`);
    throw error;
  } finally {
    leaveTransaction(handle);
  }
}

/** One name less. With the last one the inode becomes an orphan: a crash must not leave it without anybody to free it. */
export function* dropLink(cursor: ChangeCursor, handle: TransactionHandle, inode: Inode): Task<void> {
  inode.setLinks(inode.links - 1);
  inode.touchTimes(false);
  yield* writeInodeItem(cursor, handle, inode);
  if (inode.links > 0) return;
  yield* cursor.seek(OBJECT_ID.ORPHAN, KEY_TYPE.ORPHAN_ITEM, inode.number);
  if (!cursor.found) {
    cursor.insert({ objectid: OBJECT_ID.ORPHAN, type: KEY_TYPE.ORPHAN_ITEM, offset: inode.number }, EMPTY);
  }
  inode.isOrphan = true;
}
