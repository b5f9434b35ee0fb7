import { sameBytes } from '../../base/bytes.ts';
import { SECTOR_SIZE } from '../../base/units.ts';
import { resource } from '../../task/resource.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { DEVICE_ITEM, DEVICE_STATS, type DeviceItem, type DeviceStats } from '../format/device.ts';
import { KEY_TYPE, type Key, OBJECT_ID } from '../format/key.ts';
import { insertItem, openForChange, removeItem } from '../tree/change-cursor.ts';
import type { Device } from '../volume/device.ts';
import type { FsInfo } from './fs-info.ts';
import type { TransactionHandle } from './handle.ts';

/** Sizes of devices as transactions change them, and the list of those that changed. */
const DEVICE_SIZES = resource('device', 2 ** 41);

/** In the chunk tree. */
export function deviceItemKey(device: Device): Key {
  return { objectid: OBJECT_ID.DEV_ITEMS, type: KEY_TYPE.DEV_ITEM, offset: device.id };
}

/** The error counters of a device, in the device tree. */
export function deviceStatsKey(device: Device): Key {
  return { objectid: OBJECT_ID.DEV_STATS, type: KEY_TYPE.PERSISTENT_ITEM, offset: device.id };
}

/** What the chunk tree says of a device; the superblock says the same, with the sizes of the last commit. */
export function deviceItemOf(fs: FsInfo, device: Device, sizes: 'current' | 'committed'): DeviceItem {
  const isCurrent = sizes === 'current';
  return {
    devid: device.id,
    totalBytes: isCurrent ? device.totalBytes : device.committedTotalBytes,
    bytesUsed: isCurrent ? device.bytesUsed : device.committedBytesUsed,
    ioAlign: SECTOR_SIZE,
    ioWidth: SECTOR_SIZE,
    sectorSize: SECTOR_SIZE,
    type: 0,
    generation: 0,
    startOffset: 0,
    deviceGroup: 0,
    seekSpeed: 0,
    bandwidth: 0,
    uuid: device.uuid,
    fsid: fs.fsid,
  };
}

/** The sizes of the device changed in the running transaction: its superblock follows with the commit. */
export function noteDeviceUpdated(fs: FsInfo, device: Device): void {
  fs.world.touch(DEVICE_SIZES, 'update');
  if (device.isUpdated) return;
  device.isUpdated = true;
  fs.updatedDevices.push(device);
}

/** Writes the device's sizes into its item of the chunk tree. Throws ENOENT when there is none. */
export function* updateDeviceItem(handle: TransactionHandle, device: Device): Task<void> {
  const { fs } = handle;
  const key = deviceItemKey(device);
  const cursor = yield* openForChange(handle, fs.trees.chunk);
  try {
    yield* cursor.seek(key.objectid, key.type, key.offset);
    if (!cursor.found) throw new FsError('ENOENT', `device ${device.id} has no item in the chunk tree`);
    fs.world.touch(DEVICE_SIZES, 'read');
    const bytes = DEVICE_ITEM.encode(deviceItemOf(fs, device, 'current'));
    if (!sameBytes(cursor.data, bytes)) cursor.replace(bytes);
  } finally {
    cursor.release();
  }
}

/** Throws EEXIST. */
export function insertDeviceItem(handle: TransactionHandle, device: Device): Task<void> {
  const bytes = DEVICE_ITEM.encode(deviceItemOf(handle.fs, device, 'current'));
  return insertItem(handle, handle.fs.trees.chunk, deviceItemKey(device), bytes);
}

/** Throws ENOENT. */
export function removeDeviceItem(handle: TransactionHandle, device: Device): Task<void> {
  return removeItem(handle, handle.fs.trees.chunk, deviceItemKey(device));
}

/**
 * For the commit, while nobody else is in the transaction: writes the error counters that differ from what the device
 * tree says. Errors that come later wait for the next commit.
 */
export function* writeDeviceItems(handle: TransactionHandle): Task<void> {
  for (const device of handle.fs.volume.devices()) {
    if (statsDiffer(device, STORED.get(device))) yield* writeStats(handle, device);
  }
}

/** What the device tree has of each device's counters; absent: no item, so all are 0. */
const STORED = new WeakMap<Device, DeviceStats>();

/** At mount: the counters go on from here. */
export function setStoredStats(device: Device, stats: DeviceStats): void {
  STORED.set(device, stats);
  device.errors.write = stats.writeErrors;
  device.errors.read = stats.readErrors;
  device.errors.flush = stats.flushErrors;
  device.errors.corruption = stats.corruptionErrors;
  device.errors.generation = stats.generationErrors;
}

function statsDiffer({ errors }: Device, stored: DeviceStats | undefined): boolean {
  return (
    errors.write !== (stored?.writeErrors ?? 0) ||
    errors.read !== (stored?.readErrors ?? 0) ||
    errors.flush !== (stored?.flushErrors ?? 0) ||
    errors.corruption !== (stored?.corruptionErrors ?? 0) ||
    errors.generation !== (stored?.generationErrors ?? 0)
  );
}

function* writeStats(handle: TransactionHandle, device: Device): Task<void> {
  const { errors } = device;
  const stats: DeviceStats = {
    writeErrors: errors.write,
    readErrors: errors.read,
    flushErrors: errors.flush,
    corruptionErrors: errors.corruption,
    generationErrors: errors.generation,
  };
  const cursor = yield* openForChange(handle, handle.fs.trees.dev);
  try {
    const key = deviceStatsKey(device);
    yield* cursor.seek(key.objectid, key.type, key.offset);
    const bytes = DEVICE_STATS.encode(stats);
    if (cursor.found) cursor.replace(bytes);
    else cursor.insert(key, bytes);
    STORED.set(device, stats);
  } finally {
    cursor.release();
  }
}

/** With the roots of the transaction, its sizes become those that superblocks tell. Plain. */
export function commitDeviceSizes(fs: FsInfo): void {
  if (fs.updatedDevices.length === 0) return;
  fs.world.touch(DEVICE_SIZES, 'write');
  for (const device of fs.updatedDevices.splice(0)) {
    device.committedTotalBytes = device.totalBytes;
    device.committedBytesUsed = device.bytesUsed;
    device.isUpdated = false;
  }
}
