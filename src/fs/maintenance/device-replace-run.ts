import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import type { Files } from '../file/files.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { joinTransaction, leaveTransaction } from '../transaction/handle.ts';
import { DEVICE_REPLACE } from '../volume/replace-state.ts';
import { finishReplace } from './device-replace-end.ts';
import { scrubDeviceExtents } from './scrub.ts';
import { newScrubStatistics } from './scrub-statistics.ts';

/**
 * Copies from where the last commit stands, and finishes; the run, counted as running by whoever made it, ends with
 * this. Throws what ends a replace early: see `startReplace`.
 */
export function* runReplace(files: Files, run: number): Task<void> {
  const { fs } = files;
  try {
    const failure = yield* copyOf(files, run);
    yield* finishReplace(files, run, failure);
  } finally {
    fs.volume.replace.running.add(-1);
  }
}

/** As a task of its own, which has nobody to tell of an error: the state of the replace does. */
export function spawnReplace(files: Files, run: number): void {
  files.world.spawn('device-replace', runInBackground(files, run));
}

function* runInBackground(files: Files, run: number): Task<void> {
  try {
    yield* runReplace(files, run);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
  }
}

/** Null, or why the copy is not complete. */
function* copyOf(files: Files, run: number): Task<FsError | null> {
  const { fs } = files;
  const { phase, source, run: current, committedCursorLeft } = fs.volume.replace;
  // Suspended or cancelled before the copy began.
  if (phase !== 'started' || source === null || current !== run) return null;
  const range = { start: committedCursorLeft, end: source.totalBytes, readOnly: false, replace: true };
  try {
    yield* scrubDeviceExtents(files, source, range, newScrubStatistics());
    return null;
  } catch (error) {
    if (error instanceof FsError) return error;
    throw error;
  }
}

/**
 * Lets the replace rest: the copy stops, and the next commit says that the replace is suspended. For an unmount, and for
 * a remount that makes the file system read-only. Waits for the tasks of the replace.
 */
export function* suspendReplace(files: Files): Task<void> {
  const { fs } = files;
  const { replace } = fs.volume;
  if (replace.phase === 'started') yield* suspend(fs);
  yield* replace.running.waitZero();
}

function* suspend(fs: FsInfo): Task<void> {
  const { replace } = fs.volume;
  // One that is finishing already is let finish.
  const finishing = yield* fs.replaceFinishMutex.acquire();
  const held = yield* replace.lock.acquire('exclusive');
  if (replace.phase === 'started') setSuspended(fs);
  held.release();
  finishing.release();
  if (replace.phase !== 'suspended' || fs.isReadOnly) return;
  // Something for the caller's commit to write.
  leaveTransaction(yield* joinTransaction(fs));
}

function setSuspended(fs: FsInfo): void {
  const { replace } = fs.volume;
  fs.world.touch(DEVICE_REPLACE, 'write');
  replace.phase = 'suspended';
  replace.timeStopped = fs.world.now();
  replace.cancelRequested = true;
  replace.needsWriteback = true;
}

/** At a mount, and a remount, that may write: a replace that an unmount or a power cut interrupted goes on by itself. */
export function* resumeReplace(files: Files): Task<void> {
  const { fs } = files;
  const { replace } = fs.volume;
  if (replace.phase !== 'started' && replace.phase !== 'suspended') return;
  const held = yield* replace.lock.acquire('exclusive');
  const run = setResumed(fs);
  held.release();
  if (run !== null) spawnReplace(files, run);
}

/** The number of the run; null where the target is missing, so that it stays suspended until it is cancelled, or it has ended. */
function setResumed(fs: FsInfo): number | null {
  const { replace } = fs.volume;
  fs.world.touch(DEVICE_REPLACE, 'write');
  // Ended while this waited for the lock.
  if (replace.phase !== 'started' && replace.phase !== 'suspended') return null;
  const isComplete = replace.source !== null && replace.target !== null && !replace.target.isMissing;
  replace.phase = isComplete ? 'started' : 'suspended';
  if (!isComplete) return null;
  replace.cancelRequested = false;
  replace.running.add(1);
  return ++replace.run;
}
