import { sameBytes } from '../../base/bytes.ts';
import type { TreeId } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { DIR_TYPE, decodeDirEntries, dirTypeOfMode } from '../format/directory.ts';
import { KEY_TYPE, type Key } from '../format/key.ts';
import { decodeRootRef, encodeRootRef } from '../format/root-item.ts';
import type { TransactionHandle } from '../transaction/handle.ts';
import { openForChange } from '../tree/change-cursor.ts';
import { addEntry, addName, missing, removeEntry, removeName } from './directory-items.ts';
import type { Inode } from './inode.ts';
import { writeInodeItem } from './inode-items.ts';
import { isStub, isSubvolumeRoot } from './subvolume-root.ts';

/**
 * Names of subvolumes: an entry in the directory that leads to a tree, and a ROOT_REF and a ROOT_BACKREF in the root tree
 * instead of an INODE_REF. Only one tree is locked at a time; all is one transaction.
 */

/** As a directory entry says where a subvolume is: whatever its newest root item is. */
const ANY_OFFSET = -1;

/** A directory and a name in it. */
export interface NamePlace {
  readonly directory: Inode;
  readonly name: Uint8Array;
}

/** Takes a name away from an inode or a subvolume, wherever it lies. The caller writes the directory's item. */
export function* takeAnyName(handle: TransactionHandle, { directory, name }: NamePlace, inode: Inode): Task<void> {
  const isOfSubvolume = isSubvolumeRoot(inode) || isStub(inode);
  const index = isSubvolumeRoot(inode) ? yield* dropRootReference(handle, { directory, name }, inode.tree.id) : null;
  const cursor = yield* openForChange(handle, directory.tree);
  try {
    if (!isOfSubvolume) yield* removeName(cursor, directory, name, inode.number);
    else yield* removeEntry(cursor, directory, name, index ?? (yield* findIndex(cursor, { directory, name })));
  } finally {
    cursor.release();
  }
}

/** Gives a name to an inode of the directory's subvolume, or to any subvolume. The caller writes the directory's item. */
export function* giveAnyName(handle: TransactionHandle, { directory, name }: NamePlace, inode: Inode): Task<void> {
  const isSubvolume = isSubvolumeRoot(inode);
  let index = 0;
  const cursor = yield* openForChange(handle, directory.tree);
  try {
    if (isSubvolume) {
      const location: Key = { objectid: inode.tree.id, type: KEY_TYPE.ROOT_ITEM, offset: ANY_OFFSET };
      index = yield* addEntry(cursor, handle, directory, name, location, DIR_TYPE.DIRECTORY);
    } else {
      yield* addName(cursor, handle, directory, name, inode.number, dirTypeOfMode(inode.mode));
    }
  } finally {
    cursor.release();
  }
  if (isSubvolume) yield* addRootReference(handle, { directory, name }, index, inode.tree.id);
}

export function* writeInode(handle: TransactionHandle, inode: Inode): Task<void> {
  const cursor = yield* openForChange(handle, inode.tree);
  try {
    yield* writeInodeItem(cursor, handle, inode);
  } finally {
    cursor.release();
  }
}

/** Returns the index of the name; null where the root tree does not know it, as of a snapshot that went with another. */
function* dropRootReference(
  handle: TransactionHandle,
  { directory, name }: NamePlace,
  subvolume: TreeId,
): Task<number | null> {
  const parent = directory.tree.id;
  const cursor = yield* openForChange(handle, handle.fs.trees.root);
  try {
    yield* cursor.seek(parent, KEY_TYPE.ROOT_REF, subvolume);
    if (!cursor.found) return null;
    const ref = decodeRootRef(cursor.data);
    if (ref.dirid !== directory.number || !sameBytes(ref.name, name)) return null;
    cursor.remove();
    yield* cursor.seek(subvolume, KEY_TYPE.ROOT_BACKREF, parent);
    if (cursor.found) cursor.remove();
    return ref.sequence;
  } finally {
    cursor.release();
  }
}

function* addRootReference(
  handle: TransactionHandle,
  { directory, name }: NamePlace,
  index: number,
  subvolume: TreeId,
): Task<void> {
  const parent = directory.tree.id;
  const bytes = encodeRootRef({ dirid: directory.number, sequence: index, name });
  const cursor = yield* openForChange(handle, handle.fs.trees.root);
  try {
    for (const [objectid, type, offset] of [
      [parent, KEY_TYPE.ROOT_REF, subvolume],
      [subvolume, KEY_TYPE.ROOT_BACKREF, parent],
    ] as const) {
      yield* cursor.seek(objectid, type, offset);
      cursor.insert({ objectid, type, offset }, bytes);
    }
  } finally {
    cursor.release();
  }
}

/** By reading the names of the directory. */
function* findIndex(cursor: Parameters<typeof removeEntry>[0], { directory, name }: NamePlace): Task<number> {
  yield* cursor.seek(directory.number, KEY_TYPE.DIR_INDEX, 0);
  if (!cursor.isValid) yield* cursor.next();
  while (cursor.isAt(directory.number, KEY_TYPE.DIR_INDEX)) {
    const [entry] = decodeDirEntries(cursor.data);
    if (entry !== undefined && sameBytes(entry.name, name)) return cursor.offset;
    yield* cursor.next();
  }
  throw missing('DIR_INDEX', directory, name);
}
