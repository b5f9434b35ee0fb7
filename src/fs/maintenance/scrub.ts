import type { DeviceId, PhysicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import type { Files } from '../file/files.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { beginScrub, cancelAllScrubs, endScrub } from '../transaction/scrub-control.ts';
import type { Device } from '../volume/device.ts';
import type { ScrubContext, ScrubOptions, ScrubRange } from './scrub-context.ts';
import { visitDeviceExtents } from './scrub-device-extents.ts';
import { addScrubStatistics, errorsFound, newScrubStatistics, type ScrubStatistics } from './scrub-statistics.ts';
import { rewriteSuperblocks, scrubSuperblocks } from './scrub-superblocks.ts';

export type { ScrubOptions, ScrubRange };

/**
 * Scrubs one device, or all that are present, one after the other. After a cancellation `resume` goes on where the
 * scrub of each device stood, and its figures include those from before; with nothing to resume it does nothing.
 *
 * Throws ENODEV: no such device, or it is missing. EROFS: repairs are wanted on a read-only file system, or the device is
 * being removed. EINPROGRESS: the device is being scrubbed, or a device replace runs. ECANCELED.
 */
export function* scrubDevices(files: Files, options: ScrubOptions): Task<ScrubStatistics> {
  const total = newScrubStatistics();
  const ids = deviceIdsOf(files.fs, options.devid);
  for (const [index, devid] of ids.entries()) {
    try {
      const statistics = yield* scrubDevice(files, devid, options);
      addScrubStatistics(total, statistics);
      total.last_physical = statistics.last_physical;
    } catch (error) {
      if (error instanceof FsError && error.code === 'ECANCELED')
        keepUnvisited(files.fs, ids.slice(index + 1), options);
      throw error;
    }
  }
  return total;
}

/** Cancels all running scrubs, and the copy of a device replace, and waits for their end. Throws ENOTCONN. */
export function cancelScrub(fs: FsInfo): Task<void> {
  return cancelAllScrubs(fs);
}

/**
 * Visits the device extents of one device, and counts as a running scrub for as long. For a device replace (`device` is
 * its source and may be missing) it also copies to the target and moves the cursors; a copy that fails leaves the
 * cursor at the device extent it was in.
 *
 * Throws EINPROGRESS: the device is being scrubbed. ECANCELED. EROFS: a transaction was aborted. EINVAL: a block group
 * has no chunk map. ENOSPC: a replace cannot set a block group read-only. EIO: the trees cannot be read, or a replace
 * met metadata that no copy can repair, or its target failed.
 */
export function* scrubDeviceExtents(
  files: Files,
  device: Device,
  range: ScrubRange,
  statistics: ScrubStatistics,
): Task<void> {
  const { fs } = files;
  if (fs.scrubs.of(device) !== null) throw new FsError('EINPROGRESS', `scrub: device ${device.id} is being scrubbed`);
  const running = yield* beginScrub(fs, device, range.replace);
  const context: ScrubContext = { fs, files, device, range, statistics, running };
  observeStart(context);
  let isComplete = false;
  try {
    if (!range.replace) yield* scrubSuperblocks(context);
    yield* visitDeviceExtents(context);
    isComplete = true;
  } finally {
    observeEnd(context, isComplete);
    endScrub(fs, running);
  }
}

function deviceIdsOf(fs: FsInfo, devid: DeviceId | null): readonly DeviceId[] {
  if (devid !== null) return [devid];
  return fs.volume
    .devices()
    .filter((device) => !device.isMissing)
    .map(({ id }) => id);
}

/** A whole scrub was cancelled before it came to these. */
function keepUnvisited(fs: FsInfo, ids: readonly DeviceId[], options: ScrubOptions): void {
  for (const devid of ids) {
    if (options.resume) continue;
    fs.scrubs.keepProgress(devid, { position: options.start, end: options.end, counts: {} });
  }
}

function* scrubDevice(files: Files, devid: DeviceId, options: ScrubOptions): Task<ScrubStatistics> {
  const { fs } = files;
  const device = scrubbableDevice(fs, devid, options);
  const statistics = newScrubStatistics();
  const progress = options.resume ? fs.scrubs.progressOf(devid) : null;
  if (options.resume && progress === null) return statistics;
  const start = progress?.position ?? options.start;
  const end = progress === null ? options.end : progress.end;
  addScrubStatistics(statistics, progress?.counts ?? {});
  statistics.last_physical = start;
  try {
    yield* scrubDeviceExtents(files, device, { start, end, readOnly: options.readOnly, replace: false }, statistics);
  } catch (error) {
    if (error instanceof FsError && error.code === 'ECANCELED') keepProgress(fs, devid, end, statistics);
    throw error;
  }
  fs.scrubs.keepProgress(devid, null);
  // Not before the scrub has ended: a commit waits until all that run stand still.
  if (statistics.super_errors > 0 && !options.readOnly) yield* rewriteSuperblocks(fs);
  return statistics;
}

function keepProgress(fs: FsInfo, devid: DeviceId, end: PhysicalAddress | null, counts: ScrubStatistics): void {
  fs.scrubs.keepProgress(devid, { position: counts.last_physical, end, counts: { ...counts } });
}

function scrubbableDevice(fs: FsInfo, devid: DeviceId, options: ScrubOptions): Device {
  if (!options.readOnly && fs.isReadOnly) {
    throw new FsError('EROFS', `scrub on devid ${devid}: the file system is not writable`);
  }
  const device = fs.volume.findDevice(devid);
  if (device === null) throw new FsError('ENODEV', `scrub: no device has the id ${devid}`);
  if (device.isMissing) throw new FsError('ENODEV', `scrub: device ${devid} is missing`);
  // It is being removed: once that has cancelled what ran, nothing new may begin, for its superblocks grow old.
  if (!device.isWritable) throw new FsError('EROFS', `scrub on devid ${devid}: the device is not writable`);
  const { phase } = fs.volume.replace;
  if (phase === 'started' || phase === 'suspended') {
    throw new FsError('EINPROGRESS', `scrub on devid ${devid}: a device replace is under way`);
  }
  return device;
}

/** A missing device has nothing that could be read, so nobody can ask whether it was. */
function observeStart({ fs, device, range, running }: ScrubContext): void {
  if (!fs.world.observed || device.block === null) return;
  fs.world.observe({
    kind: 'scrub-started',
    scrub: running.number,
    isReplace: range.replace,
    device: device.block.index,
    devid: device.id,
    start: range.start,
    end: Math.min(range.end ?? device.block.size, device.block.size),
  });
}

function observeEnd({ fs, device, statistics, running }: ScrubContext, isComplete: boolean): void {
  if (!fs.world.observed || device.block === null) return;
  fs.world.observe({ kind: 'scrub-ended', scrub: running.number, isComplete, errorsFound: errorsFound(statistics) });
}
