import { sameBytes } from '../../base/bytes.ts';
import type { ByteCount } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import {
  DIR_ENTRY_HEAD_SIZE,
  DIR_TYPE,
  type DirEntry,
  decodeDirEntries,
  dirEntrySize,
  encodeDirEntries,
  nameHash,
} from '../format/directory.ts';
import { KEY_TYPE } from '../format/key.ts';
import { ITEM_SIZE, leafCapacity } from '../format/tree-block.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import type { TransactionHandle } from '../transaction/handle.ts';
import type { ChangeCursor } from '../tree/change-cursor.ts';
import { findItem, visitItems } from '../tree/cursor.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';

/** An extended attribute: its full name, such as `user.mime`, without a zero byte. */
export interface Xattr {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

const NOWHERE = { objectid: 0, type: 0, offset: 0 } as const;

/** Bytes of name and value together that an attribute may have. */
export function xattrSizeMax(fs: FsInfo): ByteCount {
  return leafCapacity(fs.nodeSize) - ITEM_SIZE - DIR_ENTRY_HEAD_SIZE;
}

/** All attributes of an inode whose names have the hash of `name`. */
export function* xattrsLike(files: Files, inode: Inode, name: Uint8Array): Task<readonly Xattr[]> {
  const item = yield* findItem(files.fs, inode.tree, keyOf(inode, name));
  return item === null ? [] : decodeDirEntries(item).map(xattrOf);
}

export function* findXattr(files: Files, inode: Inode, name: Uint8Array): Task<Uint8Array | null> {
  const alike = yield* xattrsLike(files, inode, name);
  return alike.find((xattr) => sameBytes(xattr.name, name))?.value ?? null;
}

/** In the order of their hashes. */
export function* listXattrItems(files: Files, inode: Inode): Task<Xattr[]> {
  const xattrs: Xattr[] = [];
  const from = { objectid: inode.number, type: KEY_TYPE.XATTR_ITEM, offset: 0 };
  yield* visitItems(files.fs, inode.tree, from, (cursor) => {
    if (!cursor.isAt(inode.number, KEY_TYPE.XATTR_ITEM)) return false;
    for (const entry of decodeDirEntries(cursor.data)) xattrs.push(xattrOf(entry));
    return true;
  });
  return xattrs;
}

/** Whether an attribute has room beside `others` of its hash, in place of the one that has its name. */
export function xattrFits(fs: FsInfo, alike: readonly Xattr[], { name, value }: Xattr): boolean {
  if (name.length + value.length > xattrSizeMax(fs)) return false;
  const others = alike.filter((xattr) => !sameBytes(xattr.name, name));
  if (others.length === 0) return true;
  const size = others.reduce((sum, xattr) => sum + dirEntrySize(xattr.name.length, xattr.value.length), 0);
  return size + dirEntrySize(name.length, value.length) + 2 * ITEM_SIZE <= leafCapacity(fs.nodeSize);
}

/** Sets an attribute, which fits, in place of one with its name; among others with its hash it comes last then. */
export function* putXattr(cursor: ChangeCursor, handle: TransactionHandle, inode: Inode, xattr: Xattr): Task<void> {
  const key = keyOf(inode, xattr.name);
  yield* cursor.seek(key.objectid, key.type, key.offset);
  const { name, value } = xattr;
  const entry: DirEntry = { location: NOWHERE, transid: handle.generation, type: DIR_TYPE.XATTR, name, data: value };
  if (cursor.found) cursor.replace(encodeDirEntries([...othersAt(cursor, name), entry]));
  else cursor.insert(key, encodeDirEntries([entry]));
}

/** False when there is none with this name. */
export function* dropXattr(cursor: ChangeCursor, inode: Inode, name: Uint8Array): Task<boolean> {
  const key = keyOf(inode, name);
  yield* cursor.seek(key.objectid, key.type, key.offset);
  if (!cursor.found) return false;
  const all = decodeDirEntries(cursor.data);
  const others = othersAt(cursor, name);
  if (others.length === all.length) return false;
  if (others.length === 0) cursor.remove();
  else cursor.replace(encodeDirEntries(others));
  return true;
}

function othersAt(cursor: ChangeCursor, name: Uint8Array): DirEntry[] {
  return decodeDirEntries(cursor.data).filter((entry) => !sameBytes(entry.name, name));
}

function keyOf(inode: Inode, name: Uint8Array) {
  return { objectid: inode.number, type: KEY_TYPE.XATTR_ITEM, offset: nameHash(name) };
}

function xattrOf({ name, data }: DirEntry): Xattr {
  return { name, value: data };
}
