import { crc32c } from '../../base/crc32c.ts';
import { type InodeNumber, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { DIR_TYPE, encodeDirEntries, encodeName, nameHash } from '../format/directory.ts';
import { encodeFileExtent } from '../format/file-extent.ts';
import { encodeInodeRefs, INODE_ITEM, inodeSize, setInodeSize } from '../format/inode.ts';
import { KEY_TYPE, OBJECT_ID } from '../format/key.ts';
import { TIME_ZERO } from '../format/timestamp.ts';
import { reserveDataExtent } from '../space/data-reservation.ts';
import { insertChecksums } from '../transaction/checksums.ts';
import type { TransactionHandle } from '../transaction/handle.ts';
import { addDataReference, dropDataReference } from '../transaction/run-delayed-references.ts';
import { insertItem, removeItem, searchForChange } from '../tree/change-cursor.ts';
import { writeLogical } from '../volume/volume.ts';

/**
 * Files made item by item, below the file layer: what the tests of trees, transactions and space put on a disk so that
 * outside judges accept it.
 */
export interface HandMadeFile {
  readonly inode: InodeNumber;
  readonly name: string;
  readonly extents: readonly HandMadeExtent[];
}

export interface HandMadeExtent {
  readonly fileOffset: number;
  readonly logical: number;
  readonly length: number;
}

const ROOT_DIRECTORY = OBJECT_ID.FIRST_FREE;
const DATA_PURPOSE = { kind: 'data' } as const;

/** Writes one extent of data and gives back where it went; the caller makes files of it. Throws ENOSPC. */
export function* writeExtent(handle: TransactionHandle, length: number, fill: number): Task<HandMadeExtent> {
  const { fs } = handle;
  const { logical } = yield* reserveDataExtent(fs, length, length);
  const bytes = new Uint8Array(length).fill(fill);
  yield* writeLogical(fs, logical, bytes, DATA_PURPOSE);
  const sums = new Uint32Array(length / SECTOR_SIZE).fill(crc32c(bytes.subarray(0, SECTOR_SIZE)));
  yield* insertChecksums(handle, logical, sums);
  return { fileOffset: 0, logical, length };
}

/** A file in the top directory with these extents; `kind` says whether they are new or shared with other files. */
export function* makeFile(
  handle: TransactionHandle,
  file: HandMadeFile,
  kindOf: (extent: HandMadeExtent) => 'new' | 'add',
): Task<void> {
  const { fs } = handle;
  const tree = fs.trees.fs;
  const size = file.extents.reduce((sum, extent) => sum + extent.length, 0);
  const inodeItem = INODE_ITEM.encode({
    generation: handle.generation,
    transid: handle.generation,
    size,
    nbytes: size,
    blockGroup: 0,
    nlink: 1,
    uid: 0,
    gid: 0,
    mode: 0o100644,
    rdev: 0,
    flags: 0,
    sequence: 0,
    atime: TIME_ZERO,
    ctime: TIME_ZERO,
    mtime: TIME_ZERO,
    otime: TIME_ZERO,
  });
  const index = file.inode;
  const name = encodeName(file.name);
  yield* insertItem(handle, tree, { objectid: file.inode, type: KEY_TYPE.INODE_ITEM, offset: 0 }, inodeItem);
  const reference = encodeInodeRefs([{ index, name }]);
  yield* insertItem(
    handle,
    tree,
    { objectid: file.inode, type: KEY_TYPE.INODE_REF, offset: ROOT_DIRECTORY },
    reference,
  );
  const location = { objectid: file.inode, type: KEY_TYPE.INODE_ITEM, offset: 0 };
  const entry = { location, transid: handle.generation, type: DIR_TYPE.REGULAR, name, data: new Uint8Array(0) };
  const entryBytes = encodeDirEntries([entry]);
  yield* insertItem(
    handle,
    tree,
    { objectid: ROOT_DIRECTORY, type: KEY_TYPE.DIR_ITEM, offset: nameHash(name) },
    entryBytes,
  );
  yield* insertItem(handle, tree, { objectid: ROOT_DIRECTORY, type: KEY_TYPE.DIR_INDEX, offset: index }, entryBytes);
  yield* growRootDirectory(handle, 2 * name.length);
  for (const extent of file.extents) {
    const item = encodeFileExtent({
      type: 1,
      generation: handle.generation,
      ramBytes: extent.length,
      compression: 0,
      encryption: 0,
      otherEncoding: 0,
      diskBytenr: extent.logical,
      diskNumBytes: extent.length,
      offset: 0,
      numBytes: extent.length,
    });
    const key = { objectid: file.inode, type: KEY_TYPE.EXTENT_DATA, offset: extent.fileOffset };
    yield* insertItem(handle, tree, key, item);
    addDataReference(handle, extent, ownerOf(handle, file, extent), kindOf(extent));
  }
}

export function* removeFile(handle: TransactionHandle, file: HandMadeFile): Task<void> {
  const tree = handle.fs.trees.fs;
  const name = encodeName(file.name);
  for (const extent of file.extents) {
    yield* removeItem(handle, tree, { objectid: file.inode, type: KEY_TYPE.EXTENT_DATA, offset: extent.fileOffset });
    dropDataReference(handle, extent.logical, extent.length, ownerOf(handle, file, extent));
  }
  yield* removeItem(handle, tree, { objectid: file.inode, type: KEY_TYPE.INODE_ITEM, offset: 0 });
  yield* removeItem(handle, tree, { objectid: file.inode, type: KEY_TYPE.INODE_REF, offset: ROOT_DIRECTORY });
  yield* removeItem(handle, tree, { objectid: ROOT_DIRECTORY, type: KEY_TYPE.DIR_ITEM, offset: nameHash(name) });
  yield* removeItem(handle, tree, { objectid: ROOT_DIRECTORY, type: KEY_TYPE.DIR_INDEX, offset: file.inode });
  yield* growRootDirectory(handle, -2 * name.length);
}

function ownerOf(handle: TransactionHandle, file: HandMadeFile, extent: HandMadeExtent) {
  return { tree: handle.fs.trees.fs.id, inode: file.inode, offset: extent.fileOffset };
}

function* growRootDirectory(handle: TransactionHandle, change: number): Task<void> {
  const key = { objectid: ROOT_DIRECTORY, type: KEY_TYPE.INODE_ITEM, offset: 0 };
  const cursor = yield* searchForChange(handle, handle.fs.trees.fs, key, 0);
  setInodeSize(cursor.view, cursor.dataOffset, inodeSize(cursor.view, cursor.dataOffset) + change);
  cursor.release();
}
