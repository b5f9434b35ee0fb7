import type { Task } from '../../task/task.ts';
import { BLOCK_GROUP_FLAG, BLOCK_GROUP_ITEM } from '../format/block-group.ts';
import { type ChunkItem, encodeChunk } from '../format/chunk.ts';
import { DEVICE_EXTENT } from '../format/device.ts';
import { KEY_TYPE, OBJECT_ID, TREE_ID } from '../format/key.ts';
import type { BlockGroup } from '../space/block-group.ts';
import { insertItem, removeItem } from '../tree/change-cursor.ts';
import type { Chunk } from '../volume/chunk-map.ts';
import { deviceExtentLength } from '../volume/profiles.ts';
import { updateDeviceItem } from './device-items.ts';
import { insertFreeSpaceOf, removeFreeSpaceOf } from './free-space-groups.ts';
import type { FsInfo } from './fs-info.ts';
import type { TransactionHandle } from './handle.ts';
import { addSystemChunk, dropSystemChunk } from './superblock-commit.ts';

/** Chunk items say that the extent tree owns them. */
const CHUNK_OWNER = TREE_ID.EXTENT_TREE;
const SUB_STRIPES = 1;

/** Block group item and free space of a new group. Throws EEXIST when the address has an item still. */
export function* insertBlockGroupItems(handle: TransactionHandle, group: BlockGroup): Task<void> {
  const { fs } = handle;
  const item = { used: group.used, chunkObjectid: OBJECT_ID.FIRST_CHUNK_TREE, flags: group.flags };
  const tree = fs.trees.blockGroup ?? fs.trees.extent;
  yield* insertItem(handle, tree, groupKey(group), BLOCK_GROUP_ITEM.encode(item));
  yield* insertFreeSpaceOf(handle, group);
}

/** Takes them away again. Throws ENOENT when there is no item. */
export function* removeBlockGroupItems(handle: TransactionHandle, group: BlockGroup): Task<void> {
  const { fs } = handle;
  yield* removeFreeSpaceOf(handle, group);
  yield* removeItem(handle, fs.trees.blockGroup ?? fs.trees.extent, groupKey(group));
}

function groupKey({ start, length }: BlockGroup) {
  return { objectid: start, type: KEY_TYPE.BLOCK_GROUP_ITEM, offset: length };
}

/**
 * Device extents, device items and chunk item of a new group; throws EFBIG when the superblocks cannot list another
 * system chunk. Under the lock of the devices: the end of a device replace
 * changes their ids.
 */
export function* insertChunkItems(handle: TransactionHandle, group: BlockGroup): Task<void> {
  const { fs } = handle;
  const held = yield* fs.deviceListMutex.acquire();
  try {
    const chunk = fs.volume.chunkAt(group.start)!;
    for (const { device, physical } of chunk.stripes) {
      const key = { objectid: device.id, type: KEY_TYPE.DEV_EXTENT, offset: physical };
      yield* insertItem(handle, fs.trees.dev, key, deviceExtentItem(fs, chunk));
    }
    for (const device of new Set(chunk.stripes.map((stripe) => stripe.device))) {
      yield* updateDeviceItem(handle, device);
    }
    const item = chunkItemOf(fs, chunk);
    yield* insertItem(handle, fs.trees.chunk, chunkKey(chunk), encodeChunk(item));
    if (isSystem(chunk)) addSystemChunk(fs, chunk.logical, item);
  } finally {
    held.release();
  }
}

/** Throws ENOENT when there is none. */
export function* removeChunkItem(handle: TransactionHandle, chunk: Chunk): Task<void> {
  yield* removeItem(handle, handle.fs.trees.chunk, chunkKey(chunk));
  if (isSystem(chunk)) dropSystemChunk(handle.fs, chunk.logical);
}

/** The superblocks repeat those. */
function isSystem({ flags }: Chunk): boolean {
  return (flags & BLOCK_GROUP_FLAG.SYSTEM) !== 0;
}

function deviceExtentItem(fs: FsInfo, chunk: Chunk): Uint8Array {
  return DEVICE_EXTENT.encode({
    chunkTree: TREE_ID.CHUNK_TREE,
    chunkObjectid: OBJECT_ID.FIRST_CHUNK_TREE,
    chunkOffset: chunk.logical,
    length: deviceExtentLength(chunk),
    chunkTreeUuid: fs.chunkTreeUuid,
  });
}

function chunkKey({ logical }: Pick<Chunk, 'logical'>) {
  return { objectid: OBJECT_ID.FIRST_CHUNK_TREE, type: KEY_TYPE.CHUNK_ITEM, offset: logical };
}

/** A chunk as the chunk tree describes it, with the ids that its devices have now. */
function chunkItemOf(fs: FsInfo, chunk: Chunk): ChunkItem {
  return {
    length: chunk.length,
    owner: CHUNK_OWNER,
    stripeLength: chunk.stripeLength,
    type: chunk.flags,
    ioAlign: chunk.stripeLength,
    ioWidth: chunk.stripeLength,
    sectorSize: fs.sectorSize,
    subStripes: SUB_STRIPES,
    stripes: chunk.stripes.map(({ device, physical }) => ({
      devid: device.id,
      offset: physical,
      deviceUuid: device.uuid,
    })),
  };
}
