import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { dirTypeOfMode } from '../format/directory.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction } from '../transaction/handle.ts';
import { openForChange } from '../tree/change-cursor.ts';
import { addName, checkNameFits, findName, isEmptyDirectory, removeName } from './directory-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { writeInodeItem } from './inode-items.ts';
import { checkAlive, isWithin, leadsTo, lockInodes, lookUp, type Place, releaseAll, walkToPlace } from './namespace.ts';
import type { ParsedPath } from './path.ts';
import { dropLink } from './unlink.ts';

const RENAME = { items: 14 } as const;

/** Both ends of a rename; what they lead to is held and locked. */
interface RenameEnds {
  readonly from: Place & { readonly name: Uint8Array };
  readonly to: Place & { readonly name: Uint8Array };
  readonly source: Inode;
  /** What had the new name. */
  readonly victim: Inode | null;
  readonly fromPath: ParsedPath;
  readonly toPath: ParsedPath;
}

/**
 * Gives a file or directory another name, in place of what has that name. Throws ENOENT, ENOTDIR, EISDIR, ENOTEMPTY,
 * EINVAL for a directory into itself, EBUSY for the root, `.` and `..`, EOVERFLOW, ENOSPC, EROFS.
 */
export function* renameNode(files: Files, fromPath: ParsedPath, toPath: ParsedPath): Task<void> {
  const renames = yield* files.renameLock.acquire();
  const holds: Inode[] = [];
  try {
    const from = yield* walkToPlace(files, fromPath);
    holds.push(from.directory);
    const to = yield* walkToPlace(files, toPath);
    holds.push(to.directory);
    yield* renameBetween(files, from, to, fromPath, toPath);
  } finally {
    for (const inode of holds) files.inodes.put(inode);
    renames.release();
  }
}

function* renameBetween(files: Files, from: Place, to: Place, fromPath: ParsedPath, toPath: ParsedPath): Task<void> {
  if (from.name === null || to.name === null) {
    throw new FsError('EBUSY', `${from.name === null ? fromPath.text : toPath.text} cannot be renamed`);
  }
  for (;;) {
    const held: Held[] = [];
    const holds: Inode[] = [];
    try {
      const source = yield* lookUp(files, from.directory, from.name);
      if (source === null) throw new FsError('ENOENT', `${fromPath.text} does not exist`);
      holds.push(source);
      const victim = yield* lookUp(files, to.directory, to.name);
      if (victim !== null) holds.push(victim);
      yield* lockInodes([from.directory, to.directory, source, victim], held);
      const sourceNow = yield* findName(files, from.directory, from.name);
      const victimNow = yield* findName(files, to.directory, to.name);
      if (!leadsTo(from.directory, sourceNow, source) || !leadsTo(to.directory, victimNow, victim)) continue;
      checkTrailingSlash(source, fromPath, toPath);
      if (source === victim) return;
      const ends: RenameEnds = {
        from: { directory: from.directory, name: from.name },
        to: { directory: to.directory, name: to.name },
        source,
        victim,
        fromPath,
        toPath,
      };
      yield* checkRename(files, ends);
      yield* applyRename(files, ends);
      return;
    } finally {
      releaseAll(held);
      for (const inode of holds) files.inodes.put(inode);
    }
  }
}

function checkTrailingSlash(source: Inode, fromPath: ParsedPath, toPath: ParsedPath): void {
  if (source.isDirectory || (!fromPath.wantsDirectory && !toPath.wantsDirectory)) return;
  throw new FsError('ENOTDIR', `${fromPath.text} is no directory`);
}

/** In the order of Linux, which sees before all else that one end lies within the other. */
function* checkRename(files: Files, ends: RenameEnds): Task<void> {
  const { source, victim, from, to, fromPath, toPath } = ends;
  checkAlive(to.directory, toPath);
  if (source.isDirectory && (yield* isWithin(files, to.directory, source))) {
    throw new FsError('EINVAL', `${toPath.text} lies within ${fromPath.text}`);
  }
  if (victim?.isDirectory && (yield* isWithin(files, from.directory, victim))) {
    throw new FsError('ENOTEMPTY', `${fromPath.text} lies within ${toPath.text}`);
  }
  if (victim === null) {
    yield* checkNameFits(files, to.directory, to.name);
    return;
  }
  if (source.isDirectory && !victim.isDirectory) throw new FsError('ENOTDIR', `${toPath.text} is no directory`);
  if (!source.isDirectory && victim.isDirectory) throw new FsError('EISDIR', `${toPath.text} is a directory`);
  if (victim.isDirectory && !(yield* isEmptyDirectory(files, victim))) {
    throw new FsError('ENOTEMPTY', `${toPath.text} is not empty`);
  }
}

function* applyRename(files: Files, ends: RenameEnds): Task<void> {
  const { from, to, source, victim } = ends;
  const handle = yield* startTransaction(files.fs, RENAME);
  try {
    const cursor = yield* openForChange(handle, source.tree);
    try {
      yield* removeName(cursor, from.directory, from.name, source.number);
      if (victim !== null) {
        yield* removeName(cursor, to.directory, to.name, victim.number);
        yield* dropLink(cursor, handle, victim);
      }
      yield* addName(cursor, handle, to.directory, to.name, source.number, dirTypeOfMode(source.mode));
      source.touchTimes(false);
      yield* writeInodeItem(cursor, handle, source);
      from.directory.touchTimes(true);
      yield* writeInodeItem(cursor, handle, from.directory);
      if (to.directory !== from.directory) {
        to.directory.touchTimes(true);
        yield* writeInodeItem(cursor, handle, to.directory);
      }
    } finally {
      cursor.release();
    }
  } catch (error) {
    if (error instanceof FsError) abortTransaction(files.fs, error.code, `rename of inode ${source.number}`);
    throw error;
  } finally {
    leaveTransaction(handle);
  }
}
