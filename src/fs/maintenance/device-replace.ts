import type { DeviceId } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { BlockDevice } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { FILE_END } from '../file/file-extent-items.ts';
import type { Files } from '../file/files.ts';
import { waitForOrderedRange } from '../file/ordered-completion.ts';
import { commitTransaction } from '../transaction/commit.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';
import { addTarget } from '../transaction/replace-item.ts';
import { scratchSuperblocks } from '../transaction/scratch-superblocks.ts';
import { Device, REPLACE_TARGET_ID } from '../volume/device.ts';
import { DEVICE_REPLACE } from '../volume/replace-state.ts';
import { isReplaceUnderWay } from './device-clearing.ts';
import { abandonReplace, commitReplaceState } from './device-replace-end.ts';
import { runReplace, spawnReplace } from './device-replace-run.ts';
import { writeTargetSuperblocks } from './device-replace-target.ts';
import { newDeviceUuid } from './device-uuid.ts';

export { resumeReplace, suspendReplace } from './device-replace-run.ts';

export interface ReplaceOptions {
  /** The member to be replaced; it may be missing. */
  readonly devid: DeviceId;
  /** Index of the device that takes its place. */
  readonly target: number;
  /** Return when the copy has begun; the task `device-replace` does the rest. */
  readonly background: boolean;
  readonly avoidSource: boolean;
}

/**
 * Puts a blank device in the place of a member (`btrfs replace start`): from the commit of the start on, every write to
 * the member goes to both; a copy brings over what is there; then they change places. As in Linux it also ends with
 * success when an unmount or a read-only remount suspends it.
 *
 * Throws, in the words of Linux or btrfs-progs: EROFS; EINPROGRESS (a replace is under way, or the source is being
 * scrubbed: then this one is over); ENOENT (no such member, no such device); EEXIST (the target is a member); EINVAL (it
 * is too small, or devid 0); ECANCELED; EIO (metadata that no copy can repair, or a failed write to the target; then too this one is
 * over, and the file system is as before).
 */
export function* startReplace(files: Files, options: ReplaceOptions): Task<void> {
  const run = yield* beginReplace(files, options);
  if (options.background) spawnReplace(files, run);
  else yield* runReplace(files, run);
}

/** Cancels the replace that runs, or is suspended, and waits for its end. Throws EROFS, ENOTCONN. */
export function* cancelReplace(files: Files): Task<void> {
  const { running } = files.fs.volume.replace;
  // A remount may suspend a copy that is to stop, and resume it: what it has not finished is still to be cancelled.
  for (let isFirst = true; !(yield* cancelOnce(files.fs, isFirst)); isFirst = false) yield* running.waitZero();
}

/** False when a task copies, which has to stop before it is known what has become of the replace. */
function* cancelOnce(fs: FsInfo, isFirst: boolean): Task<boolean> {
  const { replace } = fs.volume;
  throwIfReadOnly(fs);
  const held = yield* fs.replaceFinishMutex.acquire();
  try {
    const { phase } = replace;
    if (phase !== 'started' && phase !== 'suspended') {
      if (isFirst) throw new FsError('ENOTCONN', 'replace cancel: not started');
      return true;
    }
    if (phase === 'started') requestStop(fs);
    if (replace.running.value > 0) return false;
    replace.running.add(1);
    try {
      yield* abandonReplace(fs);
    } finally {
      replace.running.add(-1);
    }
    return true;
  } finally {
    held.release();
  }
}

/** The task that copies stops at its next step. */
function requestStop(fs: FsInfo): void {
  fs.world.touch(DEVICE_REPLACE, 'write');
  fs.volume.replace.cancelRequested = true;
}

/** Returns the number of the run, which counts as running from here on. When this fails, no replace is under way. */
function* beginReplace(files: Files, options: ReplaceOptions): Task<number> {
  const { fs } = files;
  const { replace } = fs.volume;
  throwIfReadOnly(fs);
  const changes = yield* fs.volumeChangeMutex.acquire();
  try {
    throwIfReadOnly(fs);
    const source = sourceOf(fs, options.devid);
    const block = targetOf(fs, options.target, source);
    // The sizes that superblocks tell, the target's too, are those of the last commit.
    yield* commitTransaction(fs);
    const target = new Device(REPLACE_TARGET_ID, block, newDeviceUuid(fs, REPLACE_TARGET_ID, block.index), 0, 0);
    yield* enterStarted(fs, source, target, options);
  } finally {
    changes.release();
  }
  const { run } = replace;
  replace.running.add(1);
  try {
    // Who mapped a write to the source alone is through with it before the copy reads.
    yield* waitForAllOrderedExtents(files);
    yield* commitReplaceState(fs);
    return run;
  } catch (error) {
    if (error instanceof FsError) yield* forgetReplace(fs);
    replace.running.add(-1);
    throw error;
  }
}

function sourceOf(fs: FsInfo, devid: DeviceId): Device {
  if (isReplaceUnderWay(fs)) throw new FsError('EINPROGRESS', 'replace start: device replace already started');
  // The id of a target; Linux takes it to mean that the source is named by its path, and there is none.
  if (devid === REPLACE_TARGET_ID) throw new FsError('EINVAL', 'replace start: Invalid argument');
  const source = fs.volume.devices().find(({ id }) => id === devid);
  if (source === undefined) throw new FsError('ENOENT', `replace start: '${devid}' is not a valid devid`);
  return source;
}

function targetOf(fs: FsInfo, index: number, source: Device): BlockDevice {
  const block = fs.world.devices[index];
  if (block === undefined) throw new FsError('ENOENT', `replace start: target device ${index} is invalid`);
  if (fs.volume.findDeviceByIndex(index) !== null) {
    throw new FsError('EEXIST', `replace start: target device ${index} is in the filesystem`);
  }
  if (block.size < source.totalBytes) {
    const need = `required ${source.totalBytes} bytes`;
    throw new FsError('EINVAL', `replace start: target device smaller than source device (${need})`);
  }
  return block;
}

/** From here on, writes to the source go to the target too; no item says so yet. */
function* enterStarted(fs: FsInfo, source: Device, target: Device, options: ReplaceOptions): Task<void> {
  yield* writeTargetSuperblocks(fs, source, target);
  const devices = yield* fs.deviceListMutex.acquire();
  try {
    const held = yield* fs.volume.replace.lock.acquire('exclusive');
    addTarget(fs, source, target);
    setStarted(fs, source, target, options);
    held.release();
  } finally {
    devices.release();
  }
}

function setStarted(fs: FsInfo, source: Device, target: Device, options: ReplaceOptions): void {
  const { replace } = fs.volume;
  fs.world.touch(DEVICE_REPLACE, 'write');
  replace.source = source;
  replace.target = target;
  replace.phase = 'started';
  replace.run++;
  replace.readsFromSourceOnlyIfNoMirror = options.avoidSource;
  replace.timeStarted = fs.world.now();
  replace.timeStopped = 0;
  replace.cursorLeft = 0;
  replace.cursorRight = 0;
  replace.cursorLeftLastWrite = 0;
  replace.committedCursorLeft = 0;
  replace.writeErrors = 0;
  replace.uncorrectableReadErrors = 0;
  replace.cancelRequested = false;
  replace.needsWriteback = true;
}

function* waitForAllOrderedExtents(files: Files): Task<void> {
  const inodes = files.inodes.holdUnwritten();
  try {
    for (const inode of inodes) if (inode.isRegular) yield* waitForOrderedRange(inode, 0, FILE_END);
  } finally {
    for (const inode of inodes) files.inodes.put(inode);
  }
}

/**
 * The commit of the start failed: the file system is aborted, or was made read-only meanwhile, and takes no more writes.
 * Nothing tells of the target but its own superblocks.
 */
function* forgetReplace(fs: FsInfo): Task<void> {
  const { volume } = fs;
  const { target } = volume.replace;
  fs.world.touch(DEVICE_REPLACE, 'write');
  volume.replace.phase = 'never-started';
  volume.replace.source = null;
  volume.replace.target = null;
  volume.replace.needsWriteback = false;
  if (target === null) return;
  volume.removeDevice(target);
  if (fs.aborted === null) yield* scratchSuperblocks(fs, target);
}
