import type { DeviceId, PhysicalAddress } from '../../base/units.ts';
import { FsError } from '../errors.ts';
import type { Files } from '../file/files.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import type { RunningScrub } from '../transaction/scrub-control.ts';
import type { Device } from '../volume/device.ts';
import type { ScrubStatistics } from './scrub-statistics.ts';

/** What a user may ask of a scrub. */
export interface ScrubOptions {
  /** Null: all devices, in the order of their ids. */
  readonly devid: DeviceId | null;
  /** Half-open range of the device; `end` null: its end. */
  readonly start: PhysicalAddress;
  readonly end: PhysicalAddress | null;
  /** Find, but do not repair. */
  readonly readOnly: boolean;
  /** Begin where the last scrub of the device was cancelled. */
  readonly resume: boolean;
}

/** What of a device is to be visited, and to which end. */
export interface ScrubRange {
  /** Half-open; `end` null: to the end of the device. A device extent that overlaps it is visited whole. */
  readonly start: PhysicalAddress;
  readonly end: PhysicalAddress | null;
  /** Find, but do not repair. */
  readonly readOnly: boolean;
  /** Copy what is found to the target of the device replace that runs. */
  readonly replace: boolean;
}

/** One scrub, or the copying part of a device replace. */
export interface ScrubContext {
  readonly fs: FsInfo;
  readonly files: Files;
  readonly device: Device;
  readonly range: ScrubRange;
  readonly statistics: ScrubStatistics;
  readonly running: RunningScrub;
}

export const SCRUB_PURPOSE = { kind: 'scrub' } as const;

/** Throws ECANCELED, and EROFS once a transaction was aborted, or where repairs are wanted but nobody may write any more. */
export function throwIfStopped({ fs, device, range, running }: ScrubContext): void {
  const name = `${range.replace ? 'device replace' : 'scrub'} of device ${device.id}`;
  if (fs.scrubs.wantsCancel(running)) throw new FsError('ECANCELED', `${name}: cancelled`);
  if (range.replace && fs.volume.replace.cancelRequested) throw new FsError('ECANCELED', `${name}: cancelled`);
  if (fs.aborted !== null) throw new FsError('EROFS', `${name}: aborted with ${fs.aborted} at ${fs.abortedWhere}`);
  if (!range.readOnly && fs.isReadOnly) throw new FsError('EROFS', `${name}: the file system is not writable`);
}
