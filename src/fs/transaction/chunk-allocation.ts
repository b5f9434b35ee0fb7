import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { BLOCK_GROUP_FLAG, BLOCK_GROUP_PROFILE_MASK, showBlockGroupFlags } from '../format/block-group.ts';
import { STRIPE_LENGTH } from '../format/chunk.ts';
import { BlockGroup } from '../space/block-group.ts';
import {
  type ChunkLimits,
  type ChunkPlaces,
  fixedLimits,
  kernelLimits,
  placeChunk,
  profileForNewChunk,
} from '../space/chunk-places.ts';
import { SPACE } from '../space/space.ts';
import { excludeSuperblocks } from '../space/superblock-stripes.ts';
import type { Device } from '../volume/device.ts';
import { deviceExtentLength } from '../volume/profiles.ts';
import { abortTransaction } from './abort.ts';
import { insertBlockGroupItems, insertChunkItems } from './chunk-items.ts';
import { noteDeviceUpdated } from './device-items.ts';
import type { FsInfo } from './fs-info.ts';
import { joinTransaction, leaveTransaction, type TransactionHandle } from './handle.ts';

/** Blocks of the chunk tree that the items of a chunk may take, per level: wanted, and what there must be at least. */
const SYSTEM_BLOCKS_PER_LEVEL = 3;
const SYSTEM_BLOCKS_PER_LEVEL_MIN = 2;

/**
 * Phase 1 of a chunk allocation: places on the devices, chunk map and block group, whose space can be used at once. Its
 * items are in no tree before phase 2, `createPendingBlockGroups`, which the handle owes. `type`: DATA, METADATA or
 * SYSTEM; profile and size follow from the file system. Throws ENOSPC with nothing changed.
 */
export function* allocateChunk(handle: TransactionHandle, type: number): Task<BlockGroup> {
  if (type !== BLOCK_GROUP_FLAG.SYSTEM) yield* ensureSystemSpace(handle);
  const group = yield* allocateUnlessDone(handle, type, null);
  return group!;
}

/**
 * Makes room for data, metadata or the chunk tree: joins a transaction, allocates a chunk with both phases, leaves. True
 * when there is more space now, whoever added it; false when the devices have no room, or on a read-only file system.
 * The caller holds no handle and none of the locks from `device-list` on.
 */
export function* allocateChunkOnDemand(fs: FsInfo, type: number): Task<boolean> {
  if (fs.isReadOnly || findPlaces(fs, type) === null) return false;
  const info = fs.space.infoFor(type);
  const chunksBefore = info.chunksAdded;
  // Outside the transaction: who stands here keeps no commit from going on.
  yield* fs.world.point('chunk-allocate');
  const handle = yield* joinTransaction(fs);
  try {
    if (yield* allocateFor(handle, type, chunksBefore)) yield* createPendingBlockGroups(handle);
    fs.world.touch(SPACE, 'read');
    return info.chunksAdded !== chunksBefore;
  } finally {
    leaveTransaction(handle);
  }
}

/** True when this handle made the chunk. */
function* allocateFor(handle: TransactionHandle, type: number, chunksBefore: number): Task<boolean> {
  try {
    if (type !== BLOCK_GROUP_FLAG.SYSTEM) yield* ensureSystemSpace(handle);
    yield* allocateUnlessDone(handle, type, chunksBefore);
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== 'ENOSPC') throw error;
  }
  return handle.newGroups !== null;
}

/**
 * The chunk tree must have room for what phase 2 inserts, so a new system chunk comes first where it is short. Where no
 * room is left for one, the chunk tree makes do.
 */
export function* ensureSystemSpace(handle: TransactionHandle): Task<void> {
  const { fs } = handle;
  if (hasSystemBlocks(fs, SYSTEM_BLOCKS_PER_LEVEL)) return;
  yield* allocateFor(handle, BLOCK_GROUP_FLAG.SYSTEM, fs.space.infoFor(BLOCK_GROUP_FLAG.SYSTEM).chunksAdded);
}

/** Whether the chunk tree can take the items of one more chunk, or of one less. */
export function hasSystemSpace(fs: FsInfo): boolean {
  return hasSystemBlocks(fs, SYSTEM_BLOCKS_PER_LEVEL_MIN);
}

function hasSystemBlocks(fs: FsInfo, perLevel: number): boolean {
  const levels = fs.trees.chunk.root.level + 1;
  return fs.space.hasTreeBlocks(BLOCK_GROUP_FLAG.SYSTEM, levels * perLevel);
}

/** Null when somebody else added a chunk since the type had `chunksBefore`. */
function* allocateUnlessDone(
  handle: TransactionHandle,
  type: number,
  chunksBefore: number | null,
): Task<BlockGroup | null> {
  const { fs } = handle;
  const held = yield* fs.chunkMutex.acquire();
  try {
    fs.world.touch(SPACE, 'read');
    if (chunksBefore !== null && fs.space.infoFor(type).chunksAdded !== chunksBefore) return null;
    return addChunk(handle, type);
  } finally {
    held.release();
  }
}

/** Plain: whoever sees any of it sees all of it. */
function addChunk(handle: TransactionHandle, type: number): BlockGroup {
  const { fs } = handle;
  const failure = fs.world.mayFail('allocate-chunk');
  if (failure !== null) throw new FsError(failure, 'allocation of a chunk');
  const flags = flagsOfNewChunk(fs, type);
  const places = findPlaces(fs, type);
  if (places === null) {
    throw new FsError('ENOSPC', `allocation of a chunk of ${showBlockGroupFlags(flags)}: no device has room for it`);
  }
  if (type !== BLOCK_GROUP_FLAG.SYSTEM && !hasSystemSpace(fs)) {
    throw new FsError('ENOSPC', 'allocation of a chunk: the chunk tree has no room for its items');
  }
  const logical = fs.volume.endOfLastChunk();
  const stripes = places.stripes.map(({ device, physical }) => ({ device, physical }));
  const chunk = { logical, length: places.length, flags, stripeLength: STRIPE_LENGTH, stripes };
  const stripeBytes = deviceExtentLength(chunk);
  for (const { device, physical } of stripes) {
    fs.world.touch(device.resource, 'write');
    device.unallocated.take(physical, stripeBytes);
    device.bytesUsed += stripeBytes;
    noteDeviceUpdated(fs, device);
  }
  fs.volume.addChunk(chunk);
  const group = new BlockGroup(fs.world, logical, places.length, flags, 0);
  group.free.add(logical, places.length);
  excludeSuperblocks(group, chunk);
  group.isNew = true;
  group.needsFreeSpaceItems = true;
  group.list = 'new';
  fs.space.addGroup(group);
  group.info.chunksAdded++;
  handle.newGroups ??= [];
  handle.newGroups.push(group);
  return group;
}

/**
 * Phase 2: block group item, free space, device extents, device items and chunk item of every group that the handle made.
 * A group that has left the list of new ones meanwhile is passed over, as in the kernel. What fails aborts the
 * transaction.
 */
export function* createPendingBlockGroups(handle: TransactionHandle): Task<void> {
  const { fs } = handle;
  while (handle.newGroups !== null) {
    const group = handle.newGroups.shift();
    if (group === undefined) {
      handle.newGroups = null;
      break;
    }
    yield* fs.world.point('chunk-insert-items', group.resource);
    if (group.list !== 'new') continue;
    try {
      yield* insertBlockGroupItems(handle, group);
      yield* insertChunkItems(handle, group);
    } catch (error) {
      if (error instanceof FsError) abortTransaction(fs, error.code, `creation of block group ${group.start}`);
      throw error;
    }
    finishCreation(fs, group);
  }
}

function finishCreation(fs: FsInfo, group: BlockGroup): void {
  fs.world.touch(group.resource, 'write');
  fs.space.lists.takeOff(group);
  group.isNew = false;
  // Made for somebody who had a promise and has not allocated yet, or never will: the cleaner finds out which.
  if (group.used === 0) fs.space.lists.markUnused(group);
}

/** Type bits as the file system combines them, and the profile. */
function flagsOfNewChunk(fs: FsInfo, type: number): number {
  const info = fs.space.infoFor(type);
  let profiles = 0;
  for (const group of fs.space.allGroups()) {
    if (group.type === info.type) profiles |= group.flags & BLOCK_GROUP_PROFILE_MASK;
  }
  return info.type | profileForNewChunk(profiles, writableDevices(fs).length);
}

/** Where the next chunk of the type would go; null when the devices have no room. Changes nothing. */
function findPlaces(fs: FsInfo, type: number): ChunkPlaces | null {
  const devices = writableDevices(fs);
  const flags = flagsOfNewChunk(fs, type);
  return placeChunk(devices, flags, limitsFor(fs, flags, devices));
}

function limitsFor(fs: FsInfo, flags: number, devices: readonly Device[]): ChunkLimits {
  const { system, metadata, data } = fs.chunkSizes;
  const isData = (flags & BLOCK_GROUP_FLAG.DATA) !== 0;
  const size = (flags & BLOCK_GROUP_FLAG.SYSTEM) !== 0 ? system : isData ? data : metadata;
  if (size !== null) return fixedLimits(size);
  const writableBytes = devices.reduce((sum, device) => sum + device.totalBytes, 0);
  return kernelLimits(flags, writableBytes);
}

/** Neither missing ones nor the target of a replace. */
function writableDevices(fs: FsInfo): Device[] {
  const devices: Device[] = [];
  for (const device of fs.volume.devices()) {
    fs.world.touch(device.resource, 'read');
    if (device.isWritable) devices.push(device);
  }
  return devices;
}
