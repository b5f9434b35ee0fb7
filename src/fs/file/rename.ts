import { sameBytes } from '../../base/bytes.ts';
import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { dirTypeOfMode } from '../format/directory.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import { addName, checkNameFits, findName, isEmptyDirectory, removeName } from './directory-items.ts';
import { FILE_END } from './file-extent-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { writeInodeItem } from './inode-items.ts';
import { checkReferenceFits } from './inode-references.ts';
import { checkAlive, isWithin, leadsTo, lockInodes, lookUp, type Place, releaseAll, walkToPlace } from './namespace.ts';
import type { ParsedPath } from './path.ts';
import { checkMayRemove, checkMayWrite } from './permission.ts';
import { giveAnyName, takeAnyName, writeInode } from './subvolume-names.ts';
import { checkTakesNames, isStub, isSubvolumeRoot } from './subvolume-root.ts';
import { dropLink } from './unlink.ts';
import { startWriteback } from './writeback.ts';

const RENAME = { items: 14 } as const;
const EXCHANGE = { items: 18 } as const;
const AMONG_SUBVOLUMES = { items: 26 } as const;

/** Both ends of a rename; what they lead to is held and locked. */
interface RenameEnds {
  readonly from: Place & { readonly name: Uint8Array };
  readonly to: Place & { readonly name: Uint8Array };
  readonly source: Inode;
  /** What had the new name. */
  readonly victim: Inode | null;
  readonly how: RenameHow;
}

interface RenameHow {
  readonly exchange: boolean;
  readonly noReplace: boolean;
}

interface RenamePaths {
  readonly from: ParsedPath;
  readonly to: ParsedPath;
}

/**
 * Gives a file or directory another name, in place of what has that name; or exchanges two. Throws ENOENT, ENOTDIR,
 * EISDIR, ENOTEMPTY, EEXIST, EINVAL for a directory into itself, EBUSY for the root, `.` and `..`, EXDEV, EMLINK,
 * EOVERFLOW, ENOSPC, EROFS. `parseTo`: what is wrong with the first path shows before what is wrong with the second.
 */
export function* renameNode(files: Files, fromPath: ParsedPath, parseTo: () => ParsedPath, how: RenameHow): Task<void> {
  const renames = yield* files.renameLock.acquire();
  const holds: Inode[] = [];
  try {
    const from = yield* walkToPlace(files, fromPath);
    holds.push(from.directory);
    const toPath = parseTo();
    const to = yield* walkToPlace(files, toPath);
    holds.push(to.directory);
    yield* renameBetween(files, from, to, { from: fromPath, to: toPath }, how);
  } finally {
    for (const inode of holds) files.inodes.put(inode);
    renames.release();
  }
}

function* renameBetween(files: Files, from: Place, to: Place, paths: RenamePaths, how: RenameHow): Task<void> {
  if (from.name === null) throw new FsError('EBUSY', `${paths.from.text} cannot be renamed`);
  if (to.name === null) {
    throw new FsError(how.noReplace ? 'EEXIST' : 'EBUSY', `${paths.to.text} cannot be replaced`);
  }
  for (;;) {
    const held: Held[] = [];
    const holds: Inode[] = [];
    try {
      const source = yield* lookUp(files, from.directory, from.name);
      if (source === null) throw new FsError('ENOENT', `${paths.from.text} does not exist`);
      holds.push(source);
      const victim = yield* lookUp(files, to.directory, to.name);
      if (victim !== null) holds.push(victim);
      yield* lockInodes([from.directory, to.directory, source, victim], held);
      const sourceNow = yield* findName(files, from.directory, from.name);
      const victimNow = yield* findName(files, to.directory, to.name);
      if (!leadsTo(from.directory, sourceNow, source) || !leadsTo(to.directory, victimNow, victim)) continue;
      const ends: RenameEnds = {
        from: { directory: from.directory, name: from.name },
        to: { directory: to.directory, name: to.name },
        source,
        victim,
        how,
      };
      checkNewName(ends, paths);
      checkTrailingSlash(ends, paths);
      if (source === victim || isSamePlace(ends)) return;
      yield* checkRename(files, ends, paths);
      yield* writeOutReplacement(files, ends);
      if (involvesSubvolumes(ends)) yield* applyAmongSubvolumes(files, ends);
      else if (how.exchange) yield* applyExchange(files, { ...ends, victim: victim! });
      else yield* applyRename(files, ends);
      return;
    } finally {
      releaseAll(held);
      for (const inode of holds) files.inodes.put(inode);
    }
  }
}

/** A file that takes the place of another is written out first, as in Linux: programs replace files so. */
function* writeOutReplacement(files: Files, { source, victim, how }: RenameEnds): Task<void> {
  if (how.exchange || victim === null || victim.size === 0 || !source.isRegular) return;
  if (source.pages.dirtyCount > 0) yield* startWriteback(files, source, 0, FILE_END);
}

function isSamePlace({ from, to }: RenameEnds): boolean {
  return from.directory === to.directory && sameBytes(from.name, to.name);
}

function checkNewName({ victim, how }: RenameEnds, { to }: RenamePaths): void {
  if (victim !== null && how.noReplace) throw new FsError('EEXIST', `${to.text} exists`);
  if (victim === null && how.exchange) throw new FsError('ENOENT', `${to.text} does not exist`);
}

function checkTrailingSlash({ source, victim, how }: RenameEnds, { from, to }: RenamePaths): void {
  if (how.exchange && !victim!.isDirectory && to.wantsDirectory) {
    throw new FsError('ENOTDIR', `${to.text} is no directory`);
  }
  if (source.isDirectory || (!from.wantsDirectory && (how.exchange || !to.wantsDirectory))) return;
  throw new FsError('ENOTDIR', `${from.text} is no directory`);
}

/** In the order of Linux, which sees before all else that one end lies within the other. */
function* checkRename(files: Files, ends: RenameEnds, paths: RenamePaths): Task<void> {
  const { source, victim, from, to, how } = ends;
  if (source.isDirectory && (yield* isWithin(files, to.directory, source))) {
    throw new FsError('EINVAL', `${paths.to.text} lies within ${paths.from.text}`);
  }
  if (victim?.isDirectory && (yield* isWithin(files, from.directory, victim))) {
    throw new FsError(how.exchange ? 'EINVAL' : 'ENOTEMPTY', `${paths.from.text} lies within ${paths.to.text}`);
  }
  checkMayRemove(from.directory, source);
  if (victim !== null) checkMayRemove(to.directory, victim);
  else checkMayWrite(to.directory);
  checkAlive(to.directory, paths.to);
  if (victim !== null && !how.exchange) checkReplaceable(source, victim, paths.to);
  checkParentsMayChange(ends);
  checkSubvolumes(ends, paths);
  if (victim?.isDirectory && !how.exchange && !(yield* isEmptyDirectory(files, victim))) {
    throw new FsError('ENOTEMPTY', `${paths.to.text} is not empty`);
  }
  // In place of one that is there a name always fits; a new one must do so while the old one is still there.
  if (victim === null) yield* checkNameFits(files, to.directory, to.name);
  if (!isSubvolumeRoot(source)) yield* checkReferenceFits(files, source, to.directory, to.name);
  if (how.exchange && !isSubvolumeRoot(victim!)) yield* checkReferenceFits(files, victim!, from.directory, from.name);
}

function checkReplaceable(source: Inode, victim: Inode, path: ParsedPath): void {
  if (source.isDirectory && !victim.isDirectory) throw new FsError('ENOTDIR', `${path.text} is no directory`);
  if (!source.isDirectory && victim.isDirectory) throw new FsError('EISDIR', `${path.text} is a directory`);
}

/** A directory that moves to another one must take another `..`. */
function checkParentsMayChange({ source, victim, from, to, how }: RenameEnds): void {
  if (from.directory === to.directory) return;
  if (source.isDirectory) checkMayWrite(source);
  if (how.exchange && victim!.isDirectory) checkMayWrite(victim!);
}

/** Only subvolumes move between subvolumes, and none is replaced by a rename. */
function checkSubvolumes({ source, victim, from, to, how }: RenameEnds, { to: path }: RenamePaths): void {
  checkTakesNames(to.directory);
  const staysInTree = from.directory.tree === to.directory.tree;
  const areMovable = isSubvolumeRoot(source) && (!how.exchange || isSubvolumeRoot(victim!));
  if (!staysInTree && !areMovable) throw new FsError('EXDEV', `${path.text} lies in another subvolume`);
  const isStubMoved = isStub(source) || (how.exchange && isStub(victim!));
  const isSubvolumeReplaced = victim !== null && !how.exchange && isSubvolumeRoot(victim);
  if (isStubMoved || isSubvolumeReplaced) throw new FsError('ENOTEMPTY', `${path.text}: a subvolume is in the way`);
}

function involvesSubvolumes({ source, victim }: RenameEnds): boolean {
  return isSubvolumeRoot(source) || (victim !== null && (isSubvolumeRoot(victim) || isStub(victim)));
}

/** As the other two, one tree after the other. */
function* applyAmongSubvolumes(files: Files, { from, to, source, victim, how }: RenameEnds): Task<void> {
  const handle = yield* startTransaction(files.fs, AMONG_SUBVOLUMES);
  try {
    yield* takeAnyName(handle, from, source);
    if (victim !== null) yield* takeAnyName(handle, to, victim);
    yield* giveAnyName(handle, to, source);
    if (victim !== null && how.exchange) yield* giveAnyName(handle, from, victim);
    else if (victim !== null && !isStub(victim)) yield* dropLinkOf(handle, victim);
    for (const inode of how.exchange ? [source, victim!] : [source]) {
      if (isSubvolumeRoot(inode)) continue;
      inode.touchTimes(false);
      yield* writeInode(handle, inode);
    }
    for (const directory of new Set([from.directory, to.directory])) {
      directory.touchTimes(true);
      yield* writeInode(handle, directory);
    }
  } catch (error) {
    if (error instanceof FsError) abortTransaction(files.fs, error.code, `rename of subvolume ${source.tree.id}`);
    throw error;
  } finally {
    leaveTransaction(handle);
  }
}

function* dropLinkOf(handle: TransactionHandle, inode: Inode): Task<void> {
  const cursor = yield* openForChange(handle, inode.tree);
  try {
    yield* dropLink(cursor, handle, inode);
  } finally {
    cursor.release();
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
      yield* writeDirectories(cursor, handle, ends);
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

function* applyExchange(files: Files, ends: RenameEnds & { readonly victim: Inode }): Task<void> {
  const { from, to, source, victim } = ends;
  const handle = yield* startTransaction(files.fs, EXCHANGE);
  try {
    const cursor = yield* openForChange(handle, source.tree);
    try {
      yield* removeName(cursor, from.directory, from.name, source.number);
      yield* removeName(cursor, to.directory, to.name, victim.number);
      yield* addName(cursor, handle, to.directory, to.name, source.number, dirTypeOfMode(source.mode));
      yield* addName(cursor, handle, from.directory, from.name, victim.number, dirTypeOfMode(victim.mode));
      for (const inode of [source, victim]) {
        inode.touchTimes(false);
        yield* writeInodeItem(cursor, handle, inode);
      }
      yield* writeDirectories(cursor, handle, ends);
    } finally {
      cursor.release();
    }
  } catch (error) {
    if (error instanceof FsError) abortTransaction(files.fs, error.code, `exchange of inode ${source.number}`);
    throw error;
  } finally {
    leaveTransaction(handle);
  }
}

function* writeDirectories(cursor: ChangeCursor, handle: TransactionHandle, { from, to }: RenameEnds): Task<void> {
  from.directory.touchTimes(true);
  yield* writeInodeItem(cursor, handle, from.directory);
  if (to.directory === from.directory) return;
  to.directory.touchTimes(true);
  yield* writeInodeItem(cursor, handle, to.directory);
}
