import { sameBytes } from '../../base/bytes.ts';
import type { InodeNumber } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { INCOMPAT } from '../format/feature-flags.ts';
import {
  decodeInodeExtrefs,
  decodeInodeRefs,
  encodeInodeExtrefs,
  encodeInodeRefs,
  extrefHash,
  INODE_EXTREF_HEAD_SIZE,
  INODE_REF_HEAD_SIZE,
  type InodeRef,
} from '../format/inode.ts';
import { KEY_TYPE } from '../format/key.ts';
import { ITEM_SIZE, leafCapacity } from '../format/tree-block.ts';
import type { ChangeCursor } from '../tree/change-cursor.ts';
import { searchTree } from '../tree/cursor.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';

/**
 * Which names an inode has: those in one directory share an INODE_REF item while it has room, the others are in
 * INODE_EXTREF items by the hash of directory and name.
 */

/** With fewer names, all fit into one item whatever their lengths: the smallest leaf has room for 14 of 255 bytes. */
const ALWAYS_FITS = 14;

/** As Linux, which counts the header of an item twice when it asks whether one can grow. */
function canGrow(nodeSize: number, size: number, growth: number): boolean {
  return size + growth + 2 * ITEM_SIZE <= leafCapacity(nodeSize);
}

/** Throws EMLINK when there is no room for one more name of the inode in `directory`. */
export function* checkReferenceFits(files: Files, inode: Inode, directory: Inode, name: Uint8Array): Task<void> {
  if (inode.links < ALWAYS_FITS) return;
  const { fs } = files;
  const hasExtrefs = (fs.superblock.incompatFlags & INCOMPAT.EXTENDED_IREF) !== 0;
  const key = hasExtrefs
    ? { objectid: inode.number, type: KEY_TYPE.INODE_EXTREF, offset: extrefHash(directory.number, name) }
    : { objectid: inode.number, type: KEY_TYPE.INODE_REF, offset: directory.number };
  const growth = name.length + (hasExtrefs ? INODE_EXTREF_HEAD_SIZE : INODE_REF_HEAD_SIZE);
  const cursor = yield* searchTree(fs, inode.tree, key);
  const size = cursor.found ? cursor.dataSize : 0;
  cursor.release();
  if (canGrow(fs.nodeSize, size, growth)) return;
  throw new FsError(
    'EMLINK',
    `inode ${inode.number}: no room for one more name in directory inode ${directory.number}`,
  );
}

/** The caller knows that the name fits. */
export function* addReference(
  cursor: ChangeCursor,
  inode: InodeNumber,
  directory: InodeNumber,
  ref: InodeRef,
): Task<void> {
  yield* cursor.seek(inode, KEY_TYPE.INODE_REF, directory);
  const bytes = encodeInodeRefs([ref]);
  if (!cursor.found || canGrow(cursor.fs.nodeSize, cursor.dataSize, bytes.length)) {
    appendAt(cursor, inode, KEY_TYPE.INODE_REF, directory, bytes);
    return;
  }
  const hash = extrefHash(directory, ref.name);
  yield* cursor.seek(inode, KEY_TYPE.INODE_EXTREF, hash);
  appendAt(cursor, inode, KEY_TYPE.INODE_EXTREF, hash, encodeInodeExtrefs([{ ...ref, parent: directory }]));
}

/** Adds bytes at the end of the item that was sought, or makes it. */
export function appendAt(
  cursor: ChangeCursor,
  objectid: number,
  type: number,
  offset: number,
  bytes: Uint8Array,
): void {
  if (!cursor.found) {
    cursor.insert({ objectid, type, offset }, bytes);
    return;
  }
  const size = cursor.dataSize;
  cursor.resize(size + bytes.length);
  cursor.data.set(bytes, size);
}

/** Returns the index of the name, or null when the inode does not have it. */
export function* removeReference(
  cursor: ChangeCursor,
  inode: InodeNumber,
  directory: InodeNumber,
  name: Uint8Array,
): Task<number | null> {
  yield* cursor.seek(inode, KEY_TYPE.INODE_REF, directory);
  if (cursor.found) {
    const refs = decodeInodeRefs(cursor.data);
    const mine = refs.find((ref) => sameBytes(ref.name, name));
    if (mine !== undefined) {
      const others = refs.filter((ref) => ref !== mine);
      if (others.length === 0) cursor.remove();
      else cursor.replace(encodeInodeRefs(others));
      return mine.index;
    }
  }
  yield* cursor.seek(inode, KEY_TYPE.INODE_EXTREF, extrefHash(directory, name));
  if (!cursor.found) return null;
  const extrefs = decodeInodeExtrefs(cursor.data);
  const mine = extrefs.find((ref) => ref.parent === directory && sameBytes(ref.name, name));
  if (mine === undefined) return null;
  const others = extrefs.filter((ref) => ref !== mine);
  if (others.length === 0) cursor.remove();
  else cursor.replace(encodeInodeExtrefs(others));
  return mine.index;
}
