import { viewOf, writeU64 } from '../../base/bytes.ts';
import type { Task } from '../../task/task.ts';
import { INCOMPAT } from '../format/feature-flags.ts';
import { COMPRESSION, encodeFileExtent, FILE_EXTENT_TYPE } from '../format/file-extent.ts';
import { KEY_TYPE } from '../format/key.ts';
import { SUPERBLOCK } from '../format/superblock.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import type { TransactionHandle } from '../transaction/handle.ts';
import { addDataReference } from '../transaction/run-delayed-references.ts';
import type { ChangeCursor } from '../tree/change-cursor.ts';
import { ownerOf } from './file-extent-items.ts';
import type { Inode } from './inode.ts';
import type { OrderedExtent } from './ordered-extent.ts';

/** Adds the item of a new compressed extent, with its back reference; its range of the file holds no item. */
export function* insertCompressedExtent(
  cursor: ChangeCursor,
  handle: TransactionHandle,
  inode: Inode,
  { start, length, diskStart, diskLength, compression }: OrderedExtent,
): Task<void> {
  noteCompression(handle.fs, compression);
  const item = encodeFileExtent({
    generation: handle.generation,
    ramBytes: length,
    compression,
    encryption: 0,
    otherEncoding: 0,
    type: FILE_EXTENT_TYPE.REGULAR,
    diskBytenr: diskStart,
    diskNumBytes: diskLength,
    offset: 0,
    numBytes: length,
  });
  yield* cursor.seek(inode.number, KEY_TYPE.EXTENT_DATA, start);
  cursor.insert({ objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset: start }, item);
  inode.changeAllocatedBytes(length);
  addDataReference(handle, { logical: diskStart, length: diskLength }, ownerOf(inode, start), 'new');
}

/** The superblock of the next commit names the feature without which nobody may read such data. Plain. */
export function noteCompression(fs: FsInfo, compression: number): void {
  if (compression !== COMPRESSION.ZSTD) return;
  const { incompatFlags } = SUPERBLOCK.fields;
  const flags = incompatFlags.read(viewOf(fs.superblockBytes), incompatFlags.at);
  if (Math.floor(flags / INCOMPAT.COMPRESS_ZSTD) % 2 === 1) return;
  const bytes = fs.superblockBytes.slice();
  writeU64(viewOf(bytes), incompatFlags.at, flags + INCOMPAT.COMPRESS_ZSTD);
  fs.superblockBytes = bytes;
}
