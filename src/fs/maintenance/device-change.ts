import { alignDown, type DeviceId, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import type { Files } from '../file/files.ts';
import { createPendingBlockGroups, ensureSystemSpace } from '../transaction/chunk-allocation.ts';
import { commitTransaction } from '../transaction/commit.ts';
import { insertDeviceItem, noteDeviceUpdated, removeDeviceItem } from '../transaction/device-items.ts';
import { addUnallocated } from '../transaction/device-space.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { leaveTransaction, startTransaction } from '../transaction/handle.ts';
import { scratchSuperblocks } from '../transaction/scratch-superblocks.ts';
import { cancelDeviceScrub } from '../transaction/scrub-control.ts';
import { Device } from '../volume/device.ts';
import { PROFILES } from '../volume/profiles.ts';
import { abortOn, beginChange, clearOut, needsRelocation } from './device-clearing.ts';
import { newDeviceUuid } from './device-uuid.ts';

export { resizeDevice } from './device-resize.ts';

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
      // No superblock before the commit of its item: one that is being written now does not know of it.
      device.committedTotalBytes = 0;
      noteDeviceUpdated(fs, device);
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
    yield* takeOut(fs, device);
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

/** The device is no member afterwards, in memory and in the running transaction; where that fails, all is as before. */
function* takeOut(fs: FsInfo, device: Device): Task<void> {
  const wasWritable = device.isWritable;
  yield* setWritable(fs, device, false);
  try {
    const chunk = yield* clearOut(fs, device, 0);
    if (chunk !== null) throw needsRelocation(`error removing devid ${device.id}`, chunk);
    if (fs.scrubs.of(device) !== null) yield* cancelDeviceScrub(fs, device);
    yield* letGo(fs, device);
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
