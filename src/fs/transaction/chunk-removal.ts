import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { KEY_TYPE } from '../format/key.ts';
import type { BlockGroup } from '../space/block-group.ts';
import { SPACE } from '../space/space.ts';
import { removeItem } from '../tree/change-cursor.ts';
import type { Chunk } from '../volume/chunk-map.ts';
import { deviceExtentLength } from '../volume/profiles.ts';
import { abortTransaction } from './abort.ts';
import { putGroup } from './block-group-holds.ts';
import { ensureSystemSpace } from './chunk-allocation.ts';
import { removeBlockGroupItems, removeChunkItem } from './chunk-items.ts';
import { eraseChunkMap } from './chunk-map-erase.ts';
import { noteDeviceUpdated, updateDeviceItem } from './device-items.ts';
import type { TransactionHandle } from './handle.ts';

/**
 * Removes an empty block group and its chunk: device extents, chunk item, block group, and, unless somebody has frozen
 * it, the chunk map. The caller has set it read-only, and holds a reference of its own. What fails aborts the transaction.
 */
export function* removeChunk(handle: TransactionHandle, group: BlockGroup): Task<void> {
  const { fs } = handle;
  try {
    const chunk = fs.volume.chunkAt(group.start);
    if (chunk === null || chunk.logical !== group.start) {
      throw new FsError('EINVAL', `no chunk map at ${group.start}`);
    }
    yield* ensureSystemSpace(handle);
    yield* removeDeviceExtents(handle, chunk);
    yield* removeChunkItem(handle, chunk);
    yield* removeBlockGroup(handle, group);
  } catch (error) {
    if (error instanceof FsError) {
      abortTransaction(fs, error.code, `removal of block group ${group.start}: ${error.where}`);
    }
    throw error;
  }
}

/**
 * The device of a stripe, and its id, are what they are when the stripe's turn comes. The end of a device replace changes
 * both: the lock keeps it out.
 */
function* removeDeviceExtents(handle: TransactionHandle, chunk: Chunk): Task<void> {
  const { fs } = handle;
  const isLocked = fs.fixes.isOn('lock-devices-while-removing-chunk');
  const held = isLocked ? yield* fs.deviceListMutex.acquire() : null;
  try {
    const length = deviceExtentLength(chunk);
    for (const stripe of chunk.stripes) {
      yield* fs.world.point('chunk-remove-device-extents');
      const { device } = stripe;
      fs.world.touch(device.resource, 'read');
      const key = { objectid: device.id, type: KEY_TYPE.DEV_EXTENT, offset: stripe.physical };
      yield* removeItem(handle, fs.trees.dev, key);
      fs.world.touch(device.resource, 'write');
      device.bytesUsed -= length;
      noteDeviceUpdated(fs, device);
      yield* updateDeviceItem(handle, stripe.device);
    }
  } finally {
    held?.release();
  }
}

/** Steps e to l of a removal; which of them others can see, and in which order, is what the switches are about. */
function* removeBlockGroup(handle: TransactionHandle, group: BlockGroup): Task<void> {
  const { fs } = handle;
  yield* fs.world.point('block-group-erase', group.resource);
  fs.space.eraseGroup(group);
  const dropsAtOnce = fs.fixes.isOn('drop-reference-on-failed-removal');
  if (dropsAtOnce) putGroup(fs, group);
  const failure = fs.world.mayFail('remove-block-group');
  if (failure !== null) throw new FsError(failure, `removal of block group ${group.start} from its lists`);
  forgetSpace(handle, group);
  if (fs.fixes.isOn('delete-item-before-removed')) {
    yield* removeBlockGroupItems(handle, group);
    yield* publishRemoved(handle, group);
  } else {
    yield* publishRemoved(handle, group);
    yield* fs.world.point('block-group-remove-item', group.resource);
    yield* removeBlockGroupItems(handle, group);
  }
  if (!dropsAtOnce) putGroup(fs, group);
}

/** Its free space is nobody's any more, and the totals of its type shrink. */
function forgetSpace({ fs }: TransactionHandle, group: BlockGroup): void {
  fs.world.touch(SPACE, 'write');
  fs.world.touch(group.resource, 'write');
  group.free.exclude(group.start, group.length);
  group.info.remove(group, { keepsTotal: fs.mutations.has('leak-unused-space-total') });
}

/** First the mark, then the map: whoever finds no map can rely on the mark. */
function* publishRemoved(handle: TransactionHandle, group: BlockGroup): Task<void> {
  const { fs, transaction } = handle;
  group.removedBy = transaction;
  if (fs.mutations.has('erase-chunk-map-before-removed')) {
    yield* fs.world.point('chunk-map-erase', group.resource);
    if (group.frozen === 0) eraseChunkMap(fs, group);
    yield* fs.world.point('block-group-remove', group.resource);
    fs.world.touch(group.resource, 'write');
    group.isRemoved = true;
    return;
  }
  yield* fs.world.point('block-group-remove', group.resource);
  fs.world.touch(group.resource, 'write');
  group.isRemoved = true;
  // Whoever has frozen it erases the map when he lets go; from here on nobody freezes it any more.
  if (group.frozen > 0) return;
  yield* fs.world.point('chunk-map-erase', group.resource);
  eraseChunkMap(fs, group);
}
