import { alignDown, type ByteCount, type DeviceId, MIB, type PhysicalAddress, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import type { Files } from '../file/files.ts';
import { BLOCK_GROUP_TYPE_MASK, showBlockGroupFlags } from '../format/block-group.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { markUnused } from '../transaction/block-group-holds.ts';
import { allocateChunkOnDemand, createPendingBlockGroups, ensureSystemSpace } from '../transaction/chunk-allocation.ts';
import { commitTransaction } from '../transaction/commit.ts';
import {
  insertDeviceItem,
  noteDeviceUpdated,
  removeDeviceItem,
  updateDeviceItem,
} from '../transaction/device-items.ts';
import { addUnallocated, excludeUnallocated, restoreUnallocated } from '../transaction/device-space.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { leaveTransaction, startTransaction, type TransactionHandle, throwIfReadOnly } from '../transaction/handle.ts';
import { scratchSuperblocks } from '../transaction/scratch-superblocks.ts';
import { cancelDeviceScrub } from '../transaction/scrub-control.ts';
import type { Chunk } from '../volume/chunk-map.ts';
import { Device, REPLACE_TARGET_ID } from '../volume/device.ts';
import { deviceExtentsOf, PROFILES } from '../volume/profiles.ts';
import { deleteUnusedBlockGroups } from './cleaner.ts';
import { newDeviceUuid } from './device-uuid.ts';

/** Linux refuses to make a device smaller than this. Devices that always were are exempt here: the bench's are small. */
const RESIZED_BYTES_MIN: ByteCount = 256 * MIB;

/**
 * Makes the device with this index of the world a member (`btrfs device add`); it is empty, and new chunks may lie on it.
 * What it bore before is lost. Throws EROFS, ENOENT (no such device), EEXIST (a member already), EINPROGRESS (a device
 * replace is under way), ENOSPC, and what aborts the commit.
 */
export function* addDevice(files: Files, index: number): Task<void> {
  const { fs } = files;
  const held = yield* beginChange(fs, 'device add');
  try {
    const block = fs.world.devices[index];
    if (block === undefined) throw new FsError('ENOENT', `device add: there is no device ${index}`);
    if (fs.volume.findDeviceByIndex(index) !== null) {
      throw new FsError('EEXIST', `device add: device ${index} is a member already`);
    }
    const id = nextDeviceId(fs);
    const size = alignDown(block.size, SECTOR_SIZE);
    const device = new Device(id, block, newDeviceUuid(fs, id, block.index), size, 0);
    yield* makeMember(fs, device);
    yield* commitTransaction(fs);
    fs.volume.replace.newcomer = null;
  } finally {
    held.release();
  }
}

function* makeMember(fs: FsInfo, device: Device): Task<void> {
  const handle = yield* startTransaction(fs);
  try {
    yield* ensureSystemSpace(handle);
    yield* createPendingBlockGroups(handle);
    const devices = yield* fs.deviceListMutex.acquire();
    try {
      yield* insertDeviceItem(handle, device);
      addUnallocated(device, 0, device.totalBytes);
      fs.volume.addDevice(device);
      // Its superblock comes first, which Linux does not see to: a power cut in the commit could leave the others with a
      // member that nobody finds.
      fs.volume.replace.newcomer = device;
    } finally {
      devices.release();
    }
  } finally {
    leaveTransaction(handle);
  }
}

function nextDeviceId(fs: FsInfo): DeviceId {
  return fs.volume.devices().reduce((highest, { id }) => Math.max(highest, id), 0) + 1;
}

/**
 * Lets a member go (`btrfs device remove`), and wipes its superblocks. `missing`: the first one that is missing. Unused
 * block groups on it are deleted; what is left would have to be relocated.
 *
 * Throws EROFS; EINPROGRESS (a device replace is under way); EINVAL, with the words of `btrfs`, where Linux answers with
 * a code of its own: too few devices would be left for a profile, none is missing, it is the only one that can be
 * written; ENOENT (no such member); EOPNOTSUPP (a chunk is left on it); what aborts the commit.
 */
export function* removeDevice(files: Files, devid: DeviceId | 'missing'): Task<void> {
  const { fs } = files;
  const held = yield* beginChange(fs, 'device remove');
  try {
    const device = deviceToRemove(fs, devid);
    yield* evacuate(fs, device);
    if (fs.scrubs.of(device) !== null) yield* cancelDeviceScrub(fs, device);
    yield* letGo(fs, device);
    yield* commitTransaction(fs);
    yield* scratchSuperblocks(fs, device);
  } finally {
    held.release();
  }
}

/** In the order in which Linux asks. */
function deviceToRemove(fs: FsInfo, devid: DeviceId | 'missing'): Device {
  const refuse = (words: string): never => {
    const which = devid === 'missing' ? "device 'missing'" : `devid ${devid}`;
    throw new FsError('EINVAL', `error removing ${which}: ${words}`);
  };
  const devices = fs.volume.devices();
  const tooFew = tooFewWithout(fs, devices.length - 1);
  if (tooFew !== null) return refuse(tooFew);
  const device = devices.find(({ id, isMissing }) => (devid === 'missing' ? isMissing : id === devid)) ?? null;
  if (device === null) {
    if (devid === 'missing') return refuse('no missing devices found to remove');
    throw new FsError('ENOENT', `error removing devid ${devid}: No such file or directory`);
  }
  const writable = devices.filter(({ isWritable }) => isWritable);
  if (device.isWritable && writable.length === 1) return refuse('unable to remove the only writeable device');
  return device;
}

/** What `btrfs` says when a profile that is in use needs more than `left` devices, or null. */
function tooFewWithout(fs: FsInfo, left: number): string | null {
  const groups = fs.space.allGroups();
  for (const { bit, devicesMin, tooFewDevices } of PROFILES) {
    if (tooFewDevices === null || left >= devicesMin) continue;
    if (groups.some(({ flags }) => (flags & bit) !== 0)) return tooFewDevices;
  }
  return null;
}

/** Nothing is on the device afterwards, and nothing new gets there. On a failure all is as before. */
function* evacuate(fs: FsInfo, device: Device): Task<void> {
  const wasWritable = device.isWritable;
  yield* setWritable(fs, device, false);
  try {
    const chunk = yield* clearOut(fs, device, 0);
    if (chunk !== null) throw needsRelocation(`error removing devid ${device.id}`, chunk);
  } catch (error) {
    device.isWritable = wasWritable;
    throw error;
  }
}

function* setWritable(fs: FsInfo, device: Device, isWritable: boolean): Task<void> {
  const held = yield* fs.chunkMutex.acquire();
  device.isWritable = isWritable;
  held.release();
}

function* letGo(fs: FsInfo, device: Device): Task<void> {
  const handle = yield* startTransaction(fs, { releasesSpace: true });
  try {
    const devices = yield* fs.deviceListMutex.acquire();
    try {
      yield* removeDeviceItem(handle, device);
      fs.volume.removeDevice(device);
      forgetSizes(fs, device);
    } finally {
      devices.release();
    }
  } catch (error) {
    abortOn(fs, error);
    throw error;
  } finally {
    leaveTransaction(handle);
  }
}

function forgetSizes(fs: FsInfo, device: Device): void {
  const at = fs.updatedDevices.indexOf(device);
  if (at >= 0) fs.updatedDevices.splice(at, 1);
  device.isUpdated = false;
}

/**
 * Gives a member another size (`btrfs filesystem resize`). Beyond a smaller size, unused block groups are deleted; what
 * is left there would have to be relocated.
 *
 * Throws EROFS; EINPROGRESS (a device replace is under way); ENODEV (no such member); EPERM (it is missing); EINVAL (no
 * size, or below 256 MiB, which Linux does not do); EFBIG (larger than the device is); EOPNOTSUPP (a chunk lies beyond
 * the new size); what aborts the commit.
 */
export function* resizeDevice(files: Files, devid: DeviceId, size: ByteCount | 'max'): Task<void> {
  const { fs } = files;
  const held = yield* beginChange(fs, 'resize');
  try {
    const device = deviceToResize(fs, devid);
    const newSize = newSizeOf(device, size);
    if (newSize > device.totalBytes) yield* grow(fs, device, newSize);
    else if (newSize < device.totalBytes) yield* shrink(fs, device, newSize);
  } finally {
    held.release();
  }
}

function deviceToResize(fs: FsInfo, devid: DeviceId): Device {
  if (devid === REPLACE_TARGET_ID) throw new FsError('EINVAL', 'unable to resize devid 0: Invalid argument');
  const device = fs.volume.findDevice(devid);
  if (device === null) throw new FsError('ENODEV', `unable to resize devid ${devid}: No such device`);
  if (!device.isWritable) throw new FsError('EPERM', `unable to resize devid ${devid}: Operation not permitted`);
  return device;
}

function newSizeOf(device: Device, size: ByteCount | 'max'): ByteCount {
  const deviceSize = device.block!.size;
  const wanted = size === 'max' ? deviceSize : size;
  const least = Math.min(RESIZED_BYTES_MIN, alignDown(device.totalBytes, RESIZED_BYTES_MIN));
  if (!Number.isSafeInteger(wanted) || wanted < Math.max(least, MIB)) {
    throw new FsError('EINVAL', `unable to resize devid ${device.id} to ${wanted} bytes: Invalid argument`);
  }
  if (wanted > deviceSize) {
    throw new FsError('EFBIG', `unable to resize devid ${device.id} to ${wanted} bytes: no enough free space`);
  }
  return alignDown(wanted, SECTOR_SIZE);
}

function* grow(fs: FsInfo, device: Device, size: ByteCount): Task<void> {
  const handle = yield* startTransaction(fs);
  try {
    const chunks = yield* fs.chunkMutex.acquire();
    addUnallocated(device, device.totalBytes, size);
    device.totalBytes = size;
    noteDeviceUpdated(fs, device);
    chunks.release();
    yield* writeSize(handle, device);
  } finally {
    leaveTransaction(handle);
  }
  yield* commitTransaction(fs);
}

function* shrink(fs: FsInfo, device: Device, size: ByteCount): Task<void> {
  const oldSize = device.totalBytes;
  const chunks = yield* fs.chunkMutex.acquire();
  excludeUnallocated(device, size, oldSize);
  chunks.release();
  try {
    const chunk = yield* clearOut(fs, device, size);
    if (chunk !== null) throw needsRelocation(`unable to resize devid ${device.id} to ${size} bytes`, chunk);
    yield* shrinkEmpty(fs, device, size);
  } catch (error) {
    if (device.totalBytes === oldSize) restoreUnallocated(fs.volume, device, size, oldSize);
    throw error;
  }
  yield* commitTransaction(fs);
}

/** No chunk lies beyond the new size, and none is allocated there. */
function* shrinkEmpty(fs: FsInfo, device: Device, size: ByteCount): Task<void> {
  const handle = yield* startTransaction(fs, { releasesSpace: true });
  try {
    const chunks = yield* fs.chunkMutex.acquire();
    // A chunk that was erased since gave back what it had there.
    excludeUnallocated(device, size, device.totalBytes);
    device.totalBytes = size;
    noteDeviceUpdated(fs, device);
    chunks.release();
    yield* writeSize(handle, device);
  } finally {
    leaveTransaction(handle);
  }
}

function* writeSize(handle: TransactionHandle, device: Device): Task<void> {
  try {
    yield* updateDeviceItem(handle, device);
  } catch (error) {
    abortOn(handle.fs, error);
    throw error;
  }
}

/** Memory says already what the trees could not be told. */
function abortOn(fs: FsInfo, error: unknown): void {
  if (error instanceof FsError) abortTransaction(fs, error.code, error.where);
}

/** The volume-change mutex: one at a time, and none while a device replace is under way. Throws EROFS, EINPROGRESS. */
function* beginChange(fs: FsInfo, what: 'device add' | 'device remove' | 'resize'): Task<Held> {
  throwIfReadOnly(fs);
  const held = yield* fs.volumeChangeMutex.acquire();
  try {
    throwIfReadOnly(fs);
    const { phase } = fs.volume.replace;
    if (phase === 'started' || phase === 'suspended') {
      const other = "another exclusive operation 'device replace' in progress";
      throw new FsError('EINPROGRESS', `unable to start ${what}, ${other}`);
    }
    return held;
  } catch (error) {
    held.release();
    throw error;
  }
}

/**
 * Deletes what is unused on the device at or after `start`; where that is all there is of its kind, after another chunk
 * was allocated elsewhere. Returns a chunk that is left there, or null.
 */
function* clearOut(fs: FsInfo, device: Device, start: PhysicalAddress): Task<Chunk | null> {
  yield* deleteUnusedBlockGroups(fs);
  let before: Chunk | null = null;
  for (;;) {
    const chunk = yield* chunkBehind(fs, device, start);
    if (chunk === null || chunk === before) return chunk;
    before = chunk;
    const group = fs.space.findGroup(chunk.logical);
    if (group === null || !group.isEmpty) return chunk;
    // What was deleted just now can be had again after the commit only.
    yield* commitTransaction(fs);
    if (fs.space.findGroup(chunk.logical) !== group) continue;
    // Before the new one, which is unused too: the cleaner keeps the last that it comes to.
    markUnused(fs, group);
    if (fs.space.countGroupsLike(group) === 1) yield* allocateChunkOnDemand(fs, group.flags & BLOCK_GROUP_TYPE_MASK);
    yield* deleteUnusedBlockGroups(fs);
  }
}

/** The first chunk with a byte on the device at or after `start`, or null. */
function* chunkBehind(fs: FsInfo, device: Device, start: PhysicalAddress): Task<Chunk | null> {
  const held = yield* fs.chunkMutex.acquire();
  const isBehind = (chunk: Chunk) =>
    deviceExtentsOf(chunk).some((extent) => extent.device === device && extent.physical + extent.length > start);
  const chunk = fs.volume.chunks().find(isBehind) ?? null;
  held.release();
  return chunk;
}

function needsRelocation(what: string, chunk: Chunk): FsError {
  const type = showBlockGroupFlags(chunk.flags);
  return new FsError('EOPNOTSUPP', `${what}: chunk ${chunk.logical} (${type}) would have to be relocated`);
}
