import { alignDown, type ByteCount, type DeviceId, MIB, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import type { Files } from '../file/files.ts';
import { commitTransaction } from '../transaction/commit.ts';
import { noteDeviceUpdated, updateDeviceItem } from '../transaction/device-items.ts';
import { addUnallocated, excludeUnallocated, restoreUnallocated } from '../transaction/device-space.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { type Device, REPLACE_TARGET_ID } from '../volume/device.ts';
import { abortOn, beginChange, clearOut, needsRelocation } from './device-clearing.ts';

/** Linux refuses to make a device smaller than this. Devices that always were are exempt here: the bench's are small. */
const RESIZED_BYTES_MIN: ByteCount = 256 * MIB;

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
  if (!Number.isInteger(wanted) || wanted < Math.max(least, MIB)) {
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
