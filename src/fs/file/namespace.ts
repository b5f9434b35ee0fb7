import type { InodeNumber, TreeId } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { KEY_TYPE } from '../format/key.ts';
import { decodeRootRef } from '../format/root-item.ts';
import { openSubvolumeTree } from '../transaction/open-tree.ts';
import { findItem } from '../tree/cursor.ts';
import { findName, type NameTarget } from './directory-items.ts';
import { cleanUpOrphans } from './evict.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { getInode } from './inode-items.ts';
import type { ParsedPath } from './path.ts';
import { isRelative, type PathWalk, startWalk, stopWalk, walkOn } from './path-walk.ts';
import { findParentDirectory, isSameInode, isStub, isSubvolumeRoot, makeStub } from './subvolume-root.ts';

/** A directory, held for the caller, and the last name of a path, which may or may not be in it. */
export interface Place {
  readonly directory: Inode;
  /** Null for a path without a name of its own: the root, `.` or `..` at the end. */
  readonly name: Uint8Array | null;
}

/**
 * What a path leads to, held for the caller. A symbolic link at the end is followed, unless `follow` is false and no `/`
 * comes after it. Throws ENOENT, ENOTDIR, ELOOP.
 */
export function* walk(files: Files, path: ParsedPath, follow = true): Task<Inode> {
  const walking = yield* startWalk(files, path);
  try {
    yield* walkOn(walking, 0, follow);
    if (walking.wantsDirectory && !walking.at.isDirectory) throw new FsError('ENOTDIR', `${path.text} is no directory`);
    return files.inodes.hold(walking.at);
  } finally {
    stopWalk(walking);
  }
}

/** The directory that a path's last name belongs into. Throws ENOENT, ENOTDIR, ELOOP. */
export function* walkToPlace(files: Files, path: ParsedPath): Task<Place> {
  const walking = yield* startWalk(files, path);
  try {
    return yield* placeOf(walking);
  } finally {
    stopWalk(walking);
  }
}

/** Walks up to the last name. */
export function* placeOf(walking: PathWalk): Task<Place> {
  const { files, pending } = walking;
  const isNameless = pending.length === 0 || isRelative(pending[0]!);
  yield* walkOn(walking, isNameless ? 0 : 1);
  const { at } = walking;
  if (isNameless) return { directory: files.inodes.hold(at), name: null };
  if (!at.isDirectory) throw new FsError('ENOTDIR', `what ${walking.text} should lie in is no directory`);
  return { directory: files.inodes.hold(at), name: pending[0]! };
}

/**
 * What a name leads to, held for the caller, or null. Name and inode are read under one hold of the directory's lock: a
 * rename in between would delete the inode, and the name would seem to be missing although it never was.
 */
export function* lookUp(files: Files, directory: Inode, name: Uint8Array): Task<Inode | null> {
  const lock = yield* directory.lock.acquire('shared');
  try {
    const target = yield* findName(files, directory, name);
    return target === null ? null : yield* getTarget(files, directory, target);
  } finally {
    lock.release();
  }
}

/**
 * What an entry of the directory leads to, held for the caller; a subvolume is entered at its root directory. A snapshot
 * has the names of subvolumes too, but not the subvolumes: each is an empty directory there.
 */
export function getTarget(files: Files, directory: Inode, target: NameTarget): Task<Inode> {
  const { subvolume, inode } = target;
  return subvolume === null
    ? getInode(files, directory.tree, inode)
    : enterSubvolume(files, directory, subvolume, inode);
}

function* enterSubvolume(files: Files, directory: Inode, subvolume: TreeId, root: InodeNumber): Task<Inode> {
  const key = { objectid: directory.tree.id, type: KEY_TYPE.ROOT_REF, offset: subvolume };
  const reference = yield* findItem(files.fs, files.fs.trees.root, key);
  const isHere = reference !== null && decodeRootRef(reference).dirid === directory.number;
  const tree = isHere ? yield* openSubvolumeTree(files.fs, subvolume) : null;
  if (tree === null) return makeStub(files, directory);
  if (files.entersFirst(tree)) yield* cleanUpOrphans(files, tree);
  return yield* getInode(files, tree, root);
}

/** Exclusive locks of several inodes, taken by ascending number so that nobody can wait in a circle. */
export function* lockInodes(inodes: readonly (Inode | null)[], held: Held[]): Task<void> {
  const sorted = inodes.filter((inode) => inode !== null).sort((a, b) => a.id - b.id);
  for (let i = 0; i < sorted.length; i++) {
    if (i > 0 && sorted[i - 1] === sorted[i]) continue;
    held.push(yield* sorted[i]!.lock.acquire('exclusive'));
  }
}

export function releaseAll(held: Held[]): void {
  while (held.length > 0) held.pop()!.release();
}

/** Whether a name still leads to what it led to before that was locked too. */
export function leadsTo(directory: Inode, target: NameTarget | null, inode: Inode | null): boolean {
  if (target === null || inode === null) return target === inode;
  if (isStub(inode)) return target.subvolume !== null;
  return target.inode === inode.number && (target.subvolume ?? directory.tree.id) === inode.tree.id;
}

/** Throws ENOENT when the directory was removed while it was being locked, EROFS in a read-only subvolume. */
export function checkAlive(directory: Inode, path: ParsedPath): void {
  if (directory.links === 0) throw new FsError('ENOENT', `${path.text}: its directory was removed`);
  if (directory.tree.isReadOnly) throw new FsError('EROFS', `${path.text}: its subvolume is read-only`);
}

/**
 * True when `directory` lies under `ancestor`, or is it, also by way of subvolumes. The caller keeps renames away. Throws
 * EUCLEAN where damage has made a directory its own ancestor.
 */
export function* isWithin(files: Files, directory: Inode, ancestor: Inode): Task<boolean> {
  let at = files.inodes.hold(directory);
  const passed = new Set<string>();
  try {
    for (;;) {
      if (isSameInode(at, ancestor)) return true;
      const place = `${at.tree.id}/${at.number}`;
      if (passed.has(place)) throw new FsError('EUCLEAN', `directory inode ${at.number} lies within itself`);
      passed.add(place);
      if (isSubvolumeRoot(at) && at.tree === files.tree) return false;
      const parent = yield* findParentDirectory(files, at);
      files.inodes.put(at);
      at = parent;
    }
  } finally {
    files.inodes.put(at);
  }
}
