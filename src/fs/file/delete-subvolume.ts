import { sameBytes, viewOf } from '../../base/bytes.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { decodeDirEntries, encodeName, nameHash } from '../format/directory.ts';
import { KEY_TYPE, OBJECT_ID } from '../format/key.ts';
import { markRootItemDead, rootItemUuids } from '../format/root-item.ts';
import { decodeUuidItem, encodeUuidItem, uuidKey } from '../format/uuid.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { insertItem, openForChange, updateItem } from '../tree/change-cursor.ts';
import { findItem } from '../tree/cursor.ts';
import type { Tree } from '../tree/tree.ts';
import { KeyWords } from '../tree/tree-block.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { type NamePlace, takeAnyName, writeInode } from './subvolume-names.ts';

const DELETION = { items: 16, releasesSpace: true } as const;
const DEFAULT_NAME = encodeName('default');
const EMPTY = new Uint8Array(0);

/**
 * Deletes an empty subvolume by its root directory, as rmdir does since Linux 4.18: its name goes, and its root item says
 * that it is dead. What its tree has on disk is given back by the next mount of Linux, not by this engine. The caller holds
 * the locks of both directories. Throws EPERM for the default subvolume, ENOSPC, EROFS.
 */
export function* deleteSubvolume(files: Files, place: NamePlace, root: Inode): Task<void> {
  const { tree } = root;
  if ((yield* defaultSubvolume(files)) === tree.id) {
    throw new FsError('EPERM', `subvolume ${tree.id} is the default one`);
  }
  yield* change(files, place, function* apply(handle) {
    yield* takeAnyName(handle, place, root);
    yield* markDead(handle, tree);
    yield* forgetUuids(handle, tree);
  });
  root.setLinks(0);
}

/** Takes away the name that a snapshot has of a subvolume which is not in it. */
export function* removeStub(files: Files, place: NamePlace, stub: Inode): Task<void> {
  yield* change(files, place, (handle) => takeAnyName(handle, place, stub));
}

function* change(files: Files, { directory }: NamePlace, apply: (handle: TransactionHandle) => Task<void>): Task<void> {
  const handle = yield* startTransaction(files.fs, DELETION);
  try {
    yield* apply(handle);
    directory.touchTimes(true);
    yield* writeInode(handle, directory);
  } catch (error) {
    if (error instanceof FsError)
      abortTransaction(files.fs, error.code, `removal of a subvolume from directory inode ${directory.number}`);
    throw error;
  } finally {
    leaveTransaction(handle);
  }
}

/** Null: the top-level one. */
function* defaultSubvolume(files: Files): Task<number | null> {
  const { fs } = files;
  const key = { objectid: fs.superblock.rootDirObjectid, type: KEY_TYPE.DIR_ITEM, offset: nameHash(DEFAULT_NAME) };
  const item = yield* findItem(fs, fs.trees.root, key);
  const entry = item === null ? null : decodeDirEntries(item).find(({ name }) => sameBytes(name, DEFAULT_NAME));
  return entry?.location.objectid ?? null;
}

function* markDead(handle: TransactionHandle, tree: Tree): Task<void> {
  const item = tree.rootItem.slice();
  markRootItemDead(viewOf(item), 0);
  tree.rootItem = item;
  const { root } = handle.fs.trees;
  const key = { objectid: tree.id, type: KEY_TYPE.ROOT_ITEM, offset: tree.rootKeyOffset };
  yield* updateItem(handle, root, key, item);
  const orphan = { objectid: OBJECT_ID.ORPHAN, type: KEY_TYPE.ORPHAN_ITEM, offset: tree.id };
  yield* insertItem(handle, root, orphan, EMPTY);
}

function* forgetUuids(handle: TransactionHandle, tree: Tree): Task<void> {
  const { uuid: uuids } = handle.fs.trees;
  if (uuids === null) return;
  const { uuid, receivedUuid } = rootItemUuids(tree.rootItem);
  for (const [id, type] of [
    [uuid, KEY_TYPE.UUID_KEY_SUBVOL],
    [receivedUuid, KEY_TYPE.UUID_KEY_RECEIVED_SUBVOL],
  ] as const) {
    if (id.every((byte) => byte === 0)) continue;
    yield* forgetUuid(handle, uuids, id, type, tree.id);
  }
}

/** The item of a uuid lists all subvolumes that have it. */
function* forgetUuid(handle: TransactionHandle, uuids: Tree, uuid: Uint8Array, type: number, id: number): Task<void> {
  const { objectid, offset } = uuidKey(uuid, type);
  const key = new KeyWords();
  key.setExact(high(objectid), low(objectid), type, high(offset), low(offset));
  const cursor = yield* openForChange(handle, uuids);
  try {
    yield* cursor.seekExact(key);
    if (!cursor.found) return;
    const others = decodeUuidItem(cursor.data).filter((other) => other !== id);
    if (others.length === 0) cursor.remove();
    else cursor.replace(encodeUuidItem(others));
  } finally {
    cursor.release();
  }
}

function high(value: bigint): number {
  return Number(value >> 32n);
}

function low(value: bigint): number {
  return Number(value & 0xffffffffn);
}
