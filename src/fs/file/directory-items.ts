import { readU64, sameBytes } from '../../base/bytes.ts';
import type { InodeNumber, TreeId } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import {
  type DirEntry,
  decodeDirEntries,
  dirEntrySize,
  encodeDirEntries,
  findDirEntry,
  nameHash,
} from '../format/directory.ts';
import { KEY_TYPE, type Key } from '../format/key.ts';
import { ITEM_SIZE, leafCapacity } from '../format/tree-block.ts';
import type { TransactionHandle } from '../transaction/handle.ts';
import type { ChangeCursor } from '../tree/change-cursor.ts';
import { type Cursor, searchTree, visitItems } from '../tree/cursor.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { addReference, appendAt, removeReference } from './inode-references.ts';
import { checkNameLength, showName } from './path.ts';

/** The root directory of a subvolume. */
export const ROOT_DIRECTORY = 256;
const NO_DATA = new Uint8Array(0);
/** 0 and 1 stand for `.` and `..`, which have no items. */
const FIRST_INDEX = 2;

/** What a name in a directory leads to. */
export interface NameTarget {
  /** The subvolume of the inode, when it is not that of the directory; else null. */
  readonly subvolume: TreeId | null;
  /** Of a subvolume, its root directory. */
  readonly inode: InodeNumber;
  readonly type: number;
}

/** The entry called `name`, or null. The caller holds the directory's lock. */
export function* findName(files: Files, directory: Inode, name: Uint8Array): Task<NameTarget | null> {
  checkNameLength(name);
  const key = { objectid: directory.number, type: KEY_TYPE.DIR_ITEM, offset: nameHash(name) };
  const cursor = yield* searchTree(files.fs, directory.tree, key);
  try {
    if (!cursor.found) return null;
    const { view } = cursor;
    const entry = findDirEntry(view, cursor.dataOffset, cursor.dataSize, name);
    if (entry < 0) return null;
    const objectid = readU64(view, entry);
    const type = view.getUint8(entry + 29);
    const isSubvolume = view.getUint8(entry + 8) === KEY_TYPE.ROOT_ITEM;
    return isSubvolume
      ? { subvolume: objectid, inode: ROOT_DIRECTORY, type }
      : { subvolume: null, inode: objectid, type };
  } finally {
    cursor.release();
  }
}

/** All names of a directory in the order of their index. */
export function* listNames(files: Files, directory: Inode): Task<Uint8Array[]> {
  const names: Uint8Array[] = [];
  const from = { objectid: directory.number, type: KEY_TYPE.DIR_INDEX, offset: 0 };
  yield* visitItems(files.fs, directory.tree, from, (cursor) => {
    if (!cursor.isAt(directory.number, KEY_TYPE.DIR_INDEX)) return false;
    for (const entry of decodeDirEntries(cursor.data)) names.push(entry.name);
    return true;
  });
  return names;
}

/** True when the directory has no name at all. */
export function* isEmptyDirectory(files: Files, directory: Inode): Task<boolean> {
  const key = { objectid: directory.number, type: KEY_TYPE.DIR_INDEX, offset: 0 };
  const cursor = yield* searchTree(files.fs, directory.tree, key);
  const isEmpty = !cursor.isAt(directory.number, KEY_TYPE.DIR_INDEX);
  cursor.release();
  return isEmpty;
}

/** The directory that a directory lies in; itself for the root. */
export function* findParent(files: Files, directory: Inode): Task<InodeNumber> {
  const key = { objectid: directory.number, type: KEY_TYPE.INODE_REF, offset: 0 };
  const cursor = yield* searchTree(files.fs, directory.tree, key);
  try {
    if (!cursor.isAt(directory.number, KEY_TYPE.INODE_REF)) {
      throw new FsError('ENOENT', `directory inode ${directory.number} is in no directory any more`);
    }
    return cursor.offset;
  } finally {
    cursor.release();
  }
}

/** The next free index of the directory. */
function* takeIndex(cursor: Cursor, directory: Inode): Task<number> {
  if (directory.nextIndex === 0) {
    yield* cursor.seek(directory.number, KEY_TYPE.DIR_INDEX, Number.MAX_SAFE_INTEGER);
    const hasItem = yield* cursor.previous();
    const isIndex = hasItem && cursor.isAt(directory.number, KEY_TYPE.DIR_INDEX);
    directory.nextIndex = isIndex ? cursor.offset + 1 : FIRST_INDEX;
  }
  return directory.nextIndex++;
}

/** Throws EOVERFLOW when too many names of the directory share the name's hash for one more to fit into their item. */
export function* checkNameFits(files: Files, directory: Inode, name: Uint8Array): Task<void> {
  const key = { objectid: directory.number, type: KEY_TYPE.DIR_ITEM, offset: nameHash(name) };
  const cursor = yield* searchTree(files.fs, directory.tree, key);
  const size = cursor.found ? cursor.dataSize : 0;
  cursor.release();
  if (size + dirEntrySize(name.length) + 2 * ITEM_SIZE > leafCapacity(files.fs.nodeSize)) {
    throw new FsError('EOVERFLOW', `${showName(name)}: too many names of this directory have the same hash`);
  }
}

/**
 * Gives `inode` a name: DIR_ITEM, DIR_INDEX and INODE_REF, and the directory's new size in memory. The caller holds the
 * directory's lock, knows that the name is free and that it fits, and writes the directory's item.
 */
export function* addName(
  cursor: ChangeCursor,
  handle: TransactionHandle,
  directory: Inode,
  name: Uint8Array,
  inode: InodeNumber,
  type: number,
): Task<void> {
  const location: Key = { objectid: inode, type: KEY_TYPE.INODE_ITEM, offset: 0 };
  const index = yield* addEntry(cursor, handle, directory, name, location, type);
  yield* addReference(cursor, inode, directory.number, { index, name });
}

/** The part of `addName` that lies in the directory. Returns the index of the name. */
export function* addEntry(
  cursor: ChangeCursor,
  handle: TransactionHandle,
  directory: Inode,
  name: Uint8Array,
  location: Key,
  type: number,
): Task<number> {
  const index = yield* takeIndex(cursor, directory);
  const entry: DirEntry = { location, transid: handle.generation, type, name, data: NO_DATA };
  const bytes = encodeDirEntries([entry]);
  const hash = nameHash(name);
  yield* cursor.seek(directory.number, KEY_TYPE.DIR_ITEM, hash);
  appendAt(cursor, directory.number, KEY_TYPE.DIR_ITEM, hash, bytes);
  yield* cursor.seek(directory.number, KEY_TYPE.DIR_INDEX, index);
  appendAt(cursor, directory.number, KEY_TYPE.DIR_INDEX, index, bytes);
  directory.changeSize(2 * name.length);
  return index;
}

/** Takes a name away from `inode`: the reverse of `addName`. Throws EUCLEAN when its items are not all there. */
export function* removeName(cursor: ChangeCursor, directory: Inode, name: Uint8Array, inode: InodeNumber): Task<void> {
  const index = yield* removeReference(cursor, inode, directory.number, name);
  if (index === null) throw missing('INODE_REF', directory, name);
  yield* removeEntry(cursor, directory, name, index);
}

/** The reverse of `addEntry`. */
export function* removeEntry(cursor: ChangeCursor, directory: Inode, name: Uint8Array, index: number): Task<void> {
  yield* cursor.seek(directory.number, KEY_TYPE.DIR_INDEX, index);
  if (!cursor.found) throw missing('DIR_INDEX', directory, name);
  cursor.remove();
  yield* cursor.seek(directory.number, KEY_TYPE.DIR_ITEM, nameHash(name));
  if (!cursor.found) throw missing('DIR_ITEM', directory, name);
  const others = decodeDirEntries(cursor.data).filter((entry) => !sameBytes(entry.name, name));
  if (others.length === 0) cursor.remove();
  else cursor.replace(encodeDirEntries(others));
  directory.changeSize(-2 * name.length);
}

export function missing(item: string, directory: Inode, name: Uint8Array): FsError {
  return new FsError('EUCLEAN', `${item} of ${showName(name)} in directory inode ${directory.number} is not there`);
}
