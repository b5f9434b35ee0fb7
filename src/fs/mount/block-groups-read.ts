import type { ByteCount, LogicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { BLOCK_GROUP_ITEM } from '../format/block-group.ts';
import { KEY_TYPE } from '../format/key.ts';
import { BlockGroup } from '../space/block-group.ts';
import { excludeSuperblocks } from '../space/superblock-stripes.ts';
import { markUnused } from '../transaction/block-group-holds.ts';
import { loadFreeSpace } from '../transaction/free-space-tree.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { searchTree } from '../tree/cursor.ts';

/** One group per chunk; each has its item in the extent tree or, with that feature, in the block group tree. */
export function* readBlockGroups(fs: FsInfo): Task<void> {
  const tree = fs.trees.blockGroup ?? fs.trees.extent;
  const chunks = fs.volume.chunks();
  const cursor = yield* searchTree(fs, tree, {
    objectid: chunks[0]!.logical,
    type: KEY_TYPE.BLOCK_GROUP_ITEM,
    offset: chunks[0]!.length,
  });
  try {
    for (const { logical, length } of chunks) {
      yield* cursor.seek(logical, KEY_TYPE.BLOCK_GROUP_ITEM, length);
      if (!cursor.found)
        throw new FsError('EUCLEAN', `mount: chunk ${logical} of ${length} bytes has no block group item`);
      const { used, flags } = BLOCK_GROUP_ITEM.decode(cursor.data);
      if (used < 0 || used > length)
        throw new FsError('EUCLEAN', `mount: block group ${logical} uses ${used} of ${length} bytes`);
      fs.space.addGroup(new BlockGroup(fs.world, logical, length, flags, used));
    }
  } finally {
    cursor.release();
  }
}

/** Fills every group's free ranges, from the free space tree if there is one, else from the extent tree. */
export function* readFreeSpace(fs: FsInfo): Task<void> {
  const { freeSpace } = fs.trees;
  if (freeSpace === null) yield* findFreeSpaceByExtents(fs);
  else {
    const first = fs.space.allGroups()[0]!;
    const cursor = yield* searchTree(fs, freeSpace, {
      objectid: first.start,
      type: KEY_TYPE.FREE_SPACE_INFO,
      offset: first.length,
    });
    try {
      for (const group of fs.space.allGroups()) yield* loadFreeSpace(cursor, group);
    } finally {
      cursor.release();
    }
  }
  for (const group of fs.space.allGroups()) {
    const { free, length, used, start } = group;
    if (freeSpace !== null && free.bytes + used > length) {
      const problem = `uses ${used} of ${length} bytes while ${free.bytes} are free`;
      throw new FsError('EUCLEAN', `mount: block group ${start} ${problem}`);
    }
    group.info.superblockBytes += excludeSuperblocks(group, fs.volume.chunkAt(start)!);
    // For the cleaner, which finds out whether it is the last of its kind.
    if (used === 0) markUnused(fs, group);
  }
}

/** Without a free space tree: free is what no extent item covers. */
function* findFreeSpaceByExtents(fs: FsInfo): Task<void> {
  for (const group of fs.space.allGroups()) group.free.add(group.start, group.length);
  const from = { objectid: 0, type: 0, offset: 0 };
  const cursor = yield* searchTree(fs, fs.trees.extent, from);
  try {
    let end = 0;
    while (cursor.isValid) {
      const { type, objectid, offset } = cursor;
      if (type === KEY_TYPE.EXTENT_ITEM || type === KEY_TYPE.METADATA_ITEM) {
        const length = type === KEY_TYPE.EXTENT_ITEM ? offset : fs.nodeSize;
        takeExtent(fs, objectid, length, end);
        end = objectid + length;
      }
      yield* cursor.next();
    }
  } finally {
    cursor.release();
  }
}

/** An extent lies in one group, behind the `end` of the one before it. */
function takeExtent(fs: FsInfo, start: LogicalAddress, length: ByteCount, end: LogicalAddress): void {
  const group = fs.space.findGroup(start);
  if (length <= 0 || start < end || group === null || start + length > group.start + group.length)
    throw new FsError('EUCLEAN', `mount: the extent of ${length} bytes at ${start} does not fit where it lies`);
  group.free.take(start, length);
}
