import { viewOf } from '../../base/bytes.ts';
import { type ByteCount, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import {
  COMPRESSION,
  encodeFileExtent,
  FILE_EXTENT_INLINE_HEAD_SIZE,
  FILE_EXTENT_TYPE,
  fileExtentCompression,
  fileExtentType,
} from '../format/file-extent.ts';
import { KEY_TYPE } from '../format/key.ts';
import { ITEM_SIZE, leafCapacity } from '../format/tree-block.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import type { TransactionHandle } from '../transaction/handle.ts';
import type { ChangeCursor } from '../tree/change-cursor.ts';
import { findItem } from '../tree/cursor.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { PATH_LENGTH_MAX } from './path.ts';

/** The target of a symbolic link: its bytes lie in an inline extent, and never change. Throws EINVAL for another inode. */
export function* readSymlink(files: Files, inode: Inode): Task<Uint8Array> {
  if (!inode.isSymlink) throw new FsError('EINVAL', `inode ${inode.number} is no symbolic link`);
  const item = yield* findItem(files.fs, inode.tree, { objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset: 0 });
  const view = item === null || item.length < FILE_EXTENT_INLINE_HEAD_SIZE ? null : viewOf(item);
  const isPlain =
    view !== null &&
    fileExtentType(view, 0) === FILE_EXTENT_TYPE.INLINE &&
    fileExtentCompression(view, 0) === COMPRESSION.NONE;
  if (item === null || !isPlain) {
    throw new FsError('EUCLEAN', `symbolic link, inode ${inode.number}: it has no plain inline extent`);
  }
  return item.subarray(FILE_EXTENT_INLINE_HEAD_SIZE, FILE_EXTENT_INLINE_HEAD_SIZE + inode.size);
}

/** The longest target: it must fit into a leaf of its own, and be less than a sector. */
export function symlinkLengthMax(fs: FsInfo): ByteCount {
  const roomInLeaf = leafCapacity(fs.nodeSize) - ITEM_SIZE - FILE_EXTENT_INLINE_HEAD_SIZE;
  return Math.min(roomInLeaf, SECTOR_SIZE - 1);
}

/** What is wrong with any target, whatever the path. Throws ENOENT for an empty one, ENAMETOOLONG. */
export function checkSymlinkTarget(target: Uint8Array): void {
  if (target.length === 0) throw new FsError('ENOENT', 'the target of a symbolic link is empty');
  if (target.length <= PATH_LENGTH_MAX) return;
  throw new FsError('ENAMETOOLONG', `the target of a symbolic link has ${target.length} bytes of ${PATH_LENGTH_MAX}`);
}

/** Asked last, when the name is known to be free. Throws ENAMETOOLONG. */
export function checkTargetFits(fs: FsInfo, target: Uint8Array): void {
  const most = symlinkLengthMax(fs);
  if (target.length <= most) return;
  throw new FsError('ENAMETOOLONG', `the target of a symbolic link has ${target.length} bytes of ${most}`);
}

/** Inserts the inline extent with the target; size and bytes of the inode are the caller's to set. */
export function* insertSymlinkTarget(
  cursor: ChangeCursor,
  handle: TransactionHandle,
  inode: Inode,
  target: Uint8Array,
): Task<void> {
  yield* cursor.seek(inode.number, KEY_TYPE.EXTENT_DATA, 0);
  const item = encodeFileExtent({
    generation: handle.generation,
    ramBytes: target.length,
    compression: COMPRESSION.NONE,
    encryption: 0,
    otherEncoding: 0,
    type: FILE_EXTENT_TYPE.INLINE,
    data: target,
  });
  cursor.insert({ objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset: 0 }, item);
}
