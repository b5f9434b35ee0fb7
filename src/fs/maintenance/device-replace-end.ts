import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import type { Files } from '../file/files.ts';
import { flushAll } from '../file/sync.ts';
import { commitTransaction, waitUntilCompleted } from '../transaction/commit.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { joinTransaction, leaveTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { scratchSuperblocks } from '../transaction/scratch-superblocks.ts';
import type { Device } from '../volume/device.ts';
import { DEVICE_REPLACE } from '../volume/replace-state.ts';
import { swapDevices } from './device-replace-swap.ts';

/**
 * The end of a run: the target takes the place of the source, or, after `failure`, leaves the file system again. Nothing
 * when the replace was suspended or has ended meanwhile. Throws the failure, and what a failing commit throws.
 */
export function* finishReplace(files: Files, run: number, failure: FsError | null): Task<void> {
  const { fs } = files;
  const held = yield* fs.replaceFinishMutex.acquire();
  try {
    fs.world.touch(DEVICE_REPLACE, 'read');
    const { replace } = fs.volume;
    if (replace.phase !== 'started' || replace.run !== run) return;
    const reason = failure ?? reasonToGiveUp(fs) ?? (yield* tryToFinish(files));
    if (reason === null) return;
    yield* abandonReplace(fs);
    throw reason;
  } finally {
    held.release();
  }
}

/**
 * Linux finishes after failed writes to the target, and what they were to bring is lost (measured with 6.18; kernels
 * before 6.4 count them). Here the source stays.
 */
function reasonToGiveUp(fs: FsInfo): FsError | null {
  const { cancelRequested, writeErrors } = fs.volume.replace;
  if (cancelRequested) return new FsError('ECANCELED', 'device replace: cancelled');
  if (writeErrors > 0) return new FsError('EIO', `device replace: ${writeErrors} writes to the target failed`);
  return null;
}

/**
 * As `finish`, also where something cannot be written out, for want of space say: then nobody is left to go on with the
 * replace. After an abort nothing can say any more that it is over, and the next mount goes on.
 */
function* tryToFinish(files: Files): Task<FsError | null> {
  try {
    return yield* finish(files);
  } catch (error) {
    const { aborted, volume } = files.fs;
    if (!(error instanceof FsError) || aborted !== null || volume.replace.phase !== 'started') throw error;
    return error;
  }
}

/** Null when the target has taken over for good, else why it could not. */
function* finish(files: Files): Task<FsError | null> {
  const { fs } = files;
  const { source, target } = fs.volume.replace;
  yield* fs.world.point('replace-finish');
  yield* flushAll(files);
  const failure = yield* swapWhenNothingIsPending(fs, source!, target!);
  if (failure !== null) return failure;
  yield* commitReplaceState(fs);
  fs.volume.replace.newcomer = null;
  // Linux does this before the commit. A power cut between the two would leave a file system without either device.
  yield* scratchSuperblocks(fs, source!);
  return null;
}

/**
 * Commits until no chunk was allocated on the source since the commit, then swaps. The handle keeps commits out of the
 * swap: the item and the superblocks of one commit tell the same story.
 */
function* swapWhenNothingIsPending(fs: FsInfo, source: Device, target: Device): Task<FsError | null> {
  let isFirst = true;
  for (;;) {
    yield* commitReplaceState(fs);
    if (isFirst) yield* fs.world.point('replace-swap');
    isFirst = false;
    yield* fs.world.point('replace-lock');
    const handle = yield* joinBetweenCommits(fs);
    try {
      const devices = yield* fs.deviceListMutex.acquire();
      try {
        const chunks = yield* fs.chunkMutex.acquire();
        try {
          if (isPending(fs, source)) continue;
          return (yield* swapDevices(fs, source, target)) ? null : reasonToGiveUp(fs);
        } finally {
          chunks.release();
        }
      } finally {
        devices.release();
      }
    } finally {
      leaveTransaction(handle);
    }
  }
}

/**
 * Joins, with no commit under way: one that is being written tells of a replace that runs. Its superblocks must not know
 * of the swap, and what it writes must reach the target still.
 */
function* joinBetweenCommits(fs: FsInfo): Task<TransactionHandle> {
  const handle = yield* joinTransaction(fs);
  try {
    const { committingTransaction } = fs;
    // Its own may be waiting for it already, and has not written anything yet.
    if (committingTransaction !== null && committingTransaction !== handle.transaction) {
      yield* waitUntilCompleted(fs, committingTransaction);
    }
    return handle;
  } catch (error) {
    leaveTransaction(handle);
    throw error;
  }
}

function isPending(fs: FsInfo, source: Device): boolean {
  fs.world.touch(source.resource, 'read');
  return source.isUpdated && fs.fixes.isOn('repeat-finishing-commit');
}

/** A commit, even where nothing but the state of the replace has changed. */
export function* commitReplaceState(fs: FsInfo): Task<void> {
  leaveTransaction(yield* joinTransaction(fs));
  yield* commitTransaction(fs);
}

/**
 * The target leaves the file system, and the commit says so before its superblocks are wiped. The caller holds the mutex
 * for finishing. After an abort nothing is written.
 */
export function* abandonReplace(fs: FsInfo): Task<void> {
  const { replace } = fs.volume;
  const { target } = replace;
  const handle = yield* joinUnlessAborted(fs);
  const devices = yield* fs.deviceListMutex.acquire();
  const held = yield* replace.lock.acquire('exclusive');
  setCanceled(fs);
  held.release();
  devices.release();
  if (handle !== null) leaveTransaction(handle);
  if (fs.isReadOnly) return;
  yield* commitReplaceState(fs);
  if (target === null) return;
  yield* waitForIoUnderWay(fs);
  yield* scratchSuperblocks(fs, target);
}

/** As `joinBetweenCommits`; null after an abort, when there is no commit any more that could tell of the replace. */
function* joinUnlessAborted(fs: FsInfo): Task<TransactionHandle | null> {
  try {
    return yield* joinBetweenCommits(fs);
  } catch (error) {
    if (error instanceof FsError) return null;
    throw error;
  }
}

/** Whoever gets the device next must not be met by a late write. */
function* waitForIoUnderWay({ volume }: FsInfo): Task<void> {
  volume.replace.isBlockingIo = true;
  yield* volume.ioUnderWay.waitZero();
  volume.replace.isBlockingIo = false;
  volume.replace.unblocked.wakeAll();
}

function setCanceled(fs: FsInfo): void {
  const { volume } = fs;
  const { replace } = volume;
  const { target } = replace;
  fs.world.touch(DEVICE_REPLACE, 'write');
  replace.phase = 'canceled';
  replace.source = null;
  replace.target = null;
  replace.timeStopped = fs.world.now();
  replace.cancelRequested = false;
  replace.needsWriteback = true;
  if (target !== null && volume.allDevices().includes(target)) volume.removeDevice(target);
}
