import type { ByteCount, DeviceId } from '../base/units.ts';
import type { Task } from '../task/task.ts';
import type { MountedFilesystem } from './filesystem.ts';
import { deleteUnusedBlockGroups } from './maintenance/cleaner.ts';
import { addDevice, removeDevice, resizeDevice } from './maintenance/device-change.ts';
import { cancelReplace, type ReplaceOptions, startReplace } from './maintenance/device-replace.ts';
import { type ReconfigureOptions, reconfigureMount } from './maintenance/reconfigure.ts';
import { cancelScrub, scrubDevices } from './maintenance/scrub.ts';
import type { ScrubOptions } from './maintenance/scrub-context.ts';
import type { ScrubStatistics } from './maintenance/scrub-statistics.ts';
import { type TrimOptions, trimFilesystem } from './maintenance/trim.ts';

export type { ReconfigureOptions, ReplaceOptions, ScrubOptions, TrimOptions };

/**
 * What administrators do to a mounted file system. Each throws FsError with the errno, and the words, that a user of
 * btrfs gets.
 */

/** ENODEV: no such device. EINPROGRESS: it is being scrubbed. ECANCELED: somebody cancelled it. */
export function scrub(fs: MountedFilesystem, options: ScrubOptions): Task<ScrubStatistics> {
  return scrubDevices(fs.files, options);
}

/** Cancels all running scrubs and waits for their end. ENOTCONN: none is running. */
export function scrubCancel(fs: MountedFilesystem): Task<void> {
  return cancelScrub(fs.info);
}

/** ENOENT: no such member. EINVAL: the target is too small. EEXIST: it is a member. EINPROGRESS: another runs. */
export function replace(fs: MountedFilesystem, options: ReplaceOptions): Task<void> {
  return startReplace(fs.files, options);
}

/** ENOTCONN: none is running. */
export function replaceCancel(fs: MountedFilesystem): Task<void> {
  return cancelReplace(fs.files);
}

/** Adds the blank device with this index. EEXIST: it is a member already. */
export function deviceAdd(fs: MountedFilesystem, index: number): Task<void> {
  return addDevice(fs.files, index);
}

export function deviceRemove(fs: MountedFilesystem, devid: DeviceId | 'missing'): Task<void> {
  return removeDevice(fs.files, devid);
}

export function deviceResize(fs: MountedFilesystem, devid: DeviceId, size: ByteCount | 'max'): Task<void> {
  return resizeDevice(fs.files, devid, size);
}

/** Returns how many bytes were discarded. */
export function trim(fs: MountedFilesystem, options: TrimOptions): Task<ByteCount> {
  return trimFilesystem(fs.info, options);
}

/** One run of the cleaner. Returns how many block groups it deleted. */
export function clean(fs: MountedFilesystem): Task<number> {
  return deleteUnusedBlockGroups(fs.info);
}

/** `mount -o remount`. */
export function reconfigure(fs: MountedFilesystem, options: ReconfigureOptions): Task<void> {
  return reconfigureMount(fs.files, options);
}
