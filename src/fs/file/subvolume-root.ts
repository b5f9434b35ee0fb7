import { viewOf } from '../../base/bytes.ts';
import type { InodeNumber, TreeId } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { INODE_ITEM, INODE_ITEM_SIZE, INODE_TIME_AT, MODE_TYPE, setInodeMode, setInodeNlink } from '../format/inode.ts';
import { KEY_TYPE, OBJECT_ID } from '../format/key.ts';
import { decodeRootRef, type RootRef } from '../format/root-item.ts';
import { writeNanoseconds } from '../format/timestamp.ts';
import { openSubvolumeTree } from '../transaction/open-tree.ts';
import { searchTree } from '../tree/cursor.ts';
import { findParent, ROOT_DIRECTORY } from './directory-items.ts';
import type { Files } from './files.ts';
import { Inode } from './inode.ts';
import { getInode } from './inode-items.ts';

/** Where a subvolume hangs: the name that leads to it, and the subvolume that has the name. */
export interface SubvolumePlace extends RootRef {
  readonly parent: TreeId;
}

/** The root directory of a subvolume: it has no name of its own in it, but may have one in another subvolume. */
export function isSubvolumeRoot(inode: Inode): boolean {
  return inode.number === ROOT_DIRECTORY;
}

/** What stands in a snapshot where the origin has a subvolume: an empty directory that nobody can write into. */
const STUB_NUMBER = OBJECT_ID.EMPTY_SUBVOL_DIR;

/** A stub has no items that could tell. */
const stubParents = new WeakMap<Inode, InodeNumber>();

export function isStub(inode: Inode): boolean {
  return inode.number === STUB_NUMBER;
}

/** Throws EPERM. */
export function checkTakesNames(directory: Inode): void {
  if (isStub(directory)) throw new FsError('EPERM', 'a directory that stands for a subvolume takes no names');
}

/** Two looks at one stub give two inodes. */
export function isSameInode(a: Inode, b: Inode): boolean {
  return a === b || (isStub(a) && isStub(b) && stubParents.get(a) === stubParents.get(b) && a.tree === b.tree);
}

/** Held for the caller; it is in memory alone, and each look finds another one. Owner and times are the directory's. */
export function makeStub(files: Files, directory: Inode): Inode {
  const item = new Uint8Array(INODE_ITEM_SIZE);
  const view = viewOf(item);
  setInodeNlink(view, 0, 1);
  setInodeMode(view, 0, MODE_TYPE.DIRECTORY | 0o755);
  view.setUint32(INODE_ITEM.fields.uid.at, directory.uid, true);
  view.setUint32(INODE_ITEM.fields.gid.at, directory.gid, true);
  for (const which of ['atime', 'mtime', 'ctime', 'otime'] as const) {
    writeNanoseconds(view, INODE_TIME_AT[which], directory.time(which));
  }
  const stub = new Inode(files.world, directory.tree, STUB_NUMBER, item, files.rules);
  stub.references = 1;
  stubParents.set(stub, directory.number);
  return stub;
}

/** The name of a subvolume; null for the topmost one, and for one that was deleted. */
export function* findSubvolumePlace(files: Files, subvolume: TreeId): Task<SubvolumePlace | null> {
  const key = { objectid: subvolume, type: KEY_TYPE.ROOT_BACKREF, offset: 0 };
  const cursor = yield* searchTree(files.fs, files.fs.trees.root, key);
  try {
    if (!cursor.isAt(subvolume, KEY_TYPE.ROOT_BACKREF)) return null;
    return { ...decodeRootRef(cursor.data), parent: cursor.offset };
  } finally {
    cursor.release();
  }
}

/** What `..` leads to, held for the caller: also out of a subvolume, but never above where paths start. */
export function* findParentDirectory(files: Files, directory: Inode): Task<Inode> {
  const { tree } = directory;
  const stubParent = stubParents.get(directory);
  if (stubParent !== undefined) return yield* getInode(files, tree, stubParent);
  if (!isSubvolumeRoot(directory)) return yield* getInode(files, tree, yield* findParent(files, directory));
  if (tree === files.tree) return files.inodes.hold(directory);
  const place = yield* findSubvolumePlace(files, tree.id);
  if (place === null) throw new FsError('ENOENT', `subvolume ${tree.id} is in no directory any more`);
  const parent = yield* openSubvolumeTree(files.fs, place.parent);
  if (parent === null) throw new FsError('ENOENT', `subvolume ${place.parent} is not there`);
  return yield* getInode(files, parent, place.dirid);
}
