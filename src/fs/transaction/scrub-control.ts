import { assert } from '../../base/assert.ts';
import type { DeviceId, PhysicalAddress } from '../../base/units.ts';
import { resource } from '../../task/resource.ts';
import type { Task } from '../../task/task.ts';
import type { WaitQueue, World } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import type { Device } from '../volume/device.ts';
import type { FsInfo } from './fs-info.ts';

/** Which scrubs run, and who wants them to pause or to stop. */
export const SCRUB = resource('scrub', 0);

/** A scrub, or the copying part of a device replace, under way on one device. */
export interface RunningScrub {
  /** Counts the scrubs of this mount, from 1. */
  readonly number: number;
  readonly device: Device;
  readonly isReplace: boolean;
  /** Somebody wants this one to stop, the others may go on. */
  isCancelled: boolean;
}

/** What a cancelled scrub leaves for `resume`; a finished one leaves nothing. */
export interface ScrubProgress {
  /** The device extent that holds this byte of the device has not been visited to its end. */
  readonly position: PhysicalAddress;
  readonly end: PhysicalAddress | null;
  /** Figures so far, by name. */
  readonly counts: Readonly<Record<string, number>>;
}

/**
 * Running scrubs, and who wants them to pause or to stop. A scrub reads commit roots without a lock, so a commit lets
 * all scrubs stand still before it switches them, and until what it freed may be reused (§ c5 to c16 of a commit).
 */
export class ScrubControl {
  readonly world: World;
  /** Started and not yet ended, paused ones among them. */
  running = 0;
  /** Standing still: they read no commit root and have no I/O under way. */
  paused = 0;
  pauseRequests = 0;
  cancelRequests = 0;
  /** For all changes of the above. */
  readonly changed: WaitQueue;
  private readonly byDevice = new Map<Device, RunningScrub>();
  private readonly progress = new Map<DeviceId, ScrubProgress>();
  private started = 0;

  constructor(world: World) {
    this.world = world;
    this.changed = world.waitQueue('scrub', 0);
  }

  /** The scrub of this device, or null. */
  of(device: Device): RunningScrub | null {
    this.world.touch(SCRUB, 'read');
    return this.byDevice.get(device) ?? null;
  }

  register(device: Device, isReplace: boolean): RunningScrub {
    this.world.touch(SCRUB, 'write');
    assert(!this.byDevice.has(device), 'a device is scrubbed once at a time', { devid: device.id });
    const scrub = { number: ++this.started, device, isReplace, isCancelled: false };
    this.byDevice.set(device, scrub);
    return scrub;
  }

  unregister(scrub: RunningScrub): void {
    this.world.touch(SCRUB, 'write');
    this.byDevice.delete(scrub.device);
    this.changed.wakeAll();
  }

  change(counter: 'running' | 'paused' | 'pauseRequests' | 'cancelRequests', by: 1 | -1): void {
    this.world.touch(SCRUB, 'write');
    this[counter] += by;
    assert(this[counter] >= 0, 'scrubs and requests are counted down once', { counter });
    this.changed.wakeAll();
  }

  wantsPause(): boolean {
    this.world.touch(SCRUB, 'read');
    return this.pauseRequests > 0;
  }

  wantsCancel(scrub: RunningScrub): boolean {
    this.world.touch(SCRUB, 'read');
    return this.cancelRequests > 0 || scrub.isCancelled;
  }

  /** Where the last scrub of the device was cancelled, or null. */
  progressOf(devid: DeviceId): ScrubProgress | null {
    this.world.touch(SCRUB, 'read');
    return this.progress.get(devid) ?? null;
  }

  keepProgress(devid: DeviceId, progress: ScrubProgress | null): void {
    this.world.touch(SCRUB, 'write');
    if (progress === null) this.progress.delete(devid);
    else this.progress.set(devid, progress);
  }
}

/** Waits until every running scrub stands still; they go on with `continueScrubs`, which must follow. */
export function* pauseScrubs(fs: FsInfo): Task<void> {
  const { scrubs } = fs;
  // Commits exclude each other here, so with no scrub about there is nobody who could tell two of them apart.
  fs.world.touch(SCRUB, scrubs.running > 0 ? 'write' : 'update');
  scrubs.pauseRequests++;
  while (scrubs.paused < scrubs.running) {
    yield* scrubs.changed.wait();
    fs.world.touch(SCRUB, 'write');
  }
}

/** Plain, so that an aborted commit can call it from a `finally`. */
export function continueScrubs(fs: FsInfo): void {
  const { scrubs } = fs;
  fs.world.touch(SCRUB, scrubs.running > 0 ? 'write' : 'update');
  assert(scrubs.pauseRequests > 0, 'a pause of scrubs ends once');
  scrubs.pauseRequests--;
  // Scrubs that wait for their start are not counted as running yet.
  scrubs.changed.wakeAll();
}

/** Registers a scrub once no commit wants scrubs to pause. The caller checked that the device is not being scrubbed. */
export function* beginScrub(fs: FsInfo, device: Device, isReplace: boolean): Task<RunningScrub> {
  const scrub = fs.scrubs.register(device, isReplace);
  yield* waitWhilePauseIsWanted(fs);
  fs.scrubs.change('running', 1);
  return scrub;
}

/** Plain. The scrub is not paused. */
export function endScrub(fs: FsInfo, scrub: RunningScrub): void {
  fs.scrubs.change('running', -1);
  fs.scrubs.unregister(scrub);
}

/** From here to `pauseEnds` the scrub counts as standing still: it may wait for a commit, or commit itself. */
export function pauseBegins(fs: FsInfo): void {
  fs.scrubs.change('paused', 1);
}

/** Waits until no commit wants a pause, then goes on. Nothing read from a commit root before is true after it. */
export function* pauseEnds(fs: FsInfo): Task<void> {
  yield* waitWhilePauseIsWanted(fs);
  fs.scrubs.change('paused', -1);
}

/**
 * Where a scrub would stand still if somebody wanted it: commits may pass while it is at the point, as if it had come
 * there just after their request.
 */
export function* pausePoint(fs: FsInfo, point: string): Task<void> {
  pauseBegins(fs);
  yield* fs.world.point(point);
  yield* pauseEnds(fs);
}

function* waitWhilePauseIsWanted(fs: FsInfo): Task<void> {
  while (fs.scrubs.wantsPause()) yield* fs.scrubs.changed.wait();
}

/** Cancels all running scrubs, and the copy of a device replace, and waits for their end. ENOTCONN: none is running. */
export function* cancelAllScrubs(fs: FsInfo): Task<void> {
  const { scrubs } = fs;
  fs.world.touch(SCRUB, 'read');
  if (scrubs.running === 0) throw new FsError('ENOTCONN', 'scrub cancel: no scrub is running');
  scrubs.change('cancelRequests', 1);
  for (;;) {
    fs.world.touch(SCRUB, 'read');
    if (scrubs.running === 0) break;
    yield* scrubs.changed.wait();
  }
  scrubs.change('cancelRequests', -1);
}

/** As `cancelAllScrubs` for one device, for whoever takes it away. ENOTCONN: it is not being scrubbed. */
export function* cancelDeviceScrub(fs: FsInfo, device: Device): Task<void> {
  const scrub = fs.scrubs.of(device);
  if (scrub === null) throw new FsError('ENOTCONN', `scrub cancel: device ${device.id} is not being scrubbed`);
  fs.world.touch(SCRUB, 'write');
  scrub.isCancelled = true;
  while (fs.scrubs.of(device) === scrub) yield* fs.scrubs.changed.wait();
}
