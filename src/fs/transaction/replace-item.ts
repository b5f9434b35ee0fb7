import type { DeviceId, PhysicalAddress, VirtualNanoseconds } from '../../base/units.ts';
import { DONE, type Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { type DeviceReplace, DEVICE_REPLACE as REPLACE_ITEM } from '../format/device.ts';
import { KEY_TYPE, type Key, OBJECT_ID } from '../format/key.ts';
import { openForChange } from '../tree/change-cursor.ts';
import { findItem } from '../tree/cursor.ts';
import type { Device } from '../volume/device.ts';
import { deviceExtentLength } from '../volume/profiles.ts';
import { DEVICE_REPLACE, REPLACE_STATES } from '../volume/replace-state.ts';
import { addUnallocated } from './device-space.ts';
import type { FsInfo } from './fs-info.ts';
import type { TransactionHandle } from './handle.ts';
import { scratchSuperblocks } from './scratch-superblocks.ts';

/** In the device tree; at most one. */
const KEY: Key = { objectid: OBJECT_ID.DEV_STATS, type: KEY_TYPE.DEV_REPLACE, offset: 0 };
/** In place of the id of a source, once there is none. */
const NO_SOURCE: DeviceId = -1;
const NANOSECONDS_PER_SECOND = 1e9;

/** For the commit: brings the item of the device replace up to date, and notes where a mount would resume from it. */
export function writeReplaceItem(handle: TransactionHandle): Task<void> {
  const { fs } = handle;
  fs.world.touch(DEVICE_REPLACE, 'read');
  return fs.volume.replace.needsWriteback ? writeItem(handle) : DONE;
}

function* writeItem(handle: TransactionHandle): Task<void> {
  const cursor = yield* openForChange(handle, handle.fs.trees.dev);
  try {
    yield* cursor.seek(KEY.objectid, KEY.type, KEY.offset);
    const bytes = takeItem(handle.fs);
    if (cursor.found) cursor.replace(bytes);
    else cursor.insert(KEY, bytes);
  } finally {
    cursor.release();
  }
}

function takeItem(fs: FsInfo): Uint8Array {
  fs.world.touch(DEVICE_REPLACE, 'write');
  const { replace } = fs.volume;
  replace.needsWriteback = false;
  replace.hasItem = true;
  replace.cursorLeftLastWrite = replace.cursorLeft;
  return REPLACE_ITEM.encode({
    sourceDevid: replace.source?.id ?? NO_SOURCE,
    cursorLeft: replace.cursorLeft,
    cursorRight: replace.cursorRight,
    continueReadingFromSource: replace.readsFromSourceOnlyIfNoMirror ? 1 : 0,
    state: REPLACE_STATES.indexOf(replace.phase),
    timeStarted: secondsOf(replace.timeStarted),
    timeStopped: secondsOf(replace.timeStopped),
    writeErrors: replace.writeErrors,
    uncorrectableReadErrors: replace.uncorrectableReadErrors,
  });
}

function secondsOf(time: VirtualNanoseconds): number {
  return Math.floor(time / NANOSECONDS_PER_SECOND);
}

/** The commit that wrote the item is durable: a mount would resume from what it says. Plain. */
export function replaceItemCommitted(fs: FsInfo): void {
  const { replace } = fs.volume;
  if (replace.committedCursorLeft === replace.cursorLeftLastWrite) return;
  fs.world.touch(DEVICE_REPLACE, 'write');
  replace.committedCursorLeft = replace.cursorLeftLastWrite;
}

/**
 * At mount, with all members known: takes over the state of the device replace. `target`: the device whose superblock
 * says that it is the target of one. Throws EIO where source or target of a replace that is under way are missing, unless
 * the mount is degraded.
 */
export function* loadReplaceState(fs: FsInfo, target: Device | null): Task<void> {
  const bytes = yield* findItem(fs, fs.trees.dev, KEY);
  const item = bytes !== null && bytes.length === REPLACE_ITEM.size ? REPLACE_ITEM.decode(bytes) : null;
  if (item !== null) takeOver(fs, item);
  const { phase } = fs.volume.replace;
  if (item !== null && (phase === 'started' || phase === 'suspended')) takeOverDevices(fs, item.sourceDevid, target);
  // A power cut came before the commit that starts a replace, or after the one that ends it and before its target was
  // wiped. Linux refuses such a device with EUCLEAN until it is made to forget it.
  else if (target !== null && !fs.isReadOnly) yield* scratchSuperblocks(fs, target);
}

function takeOverDevices(fs: FsInfo, sourceDevid: DeviceId, target: Device | null): void {
  const { replace } = fs.volume;
  const source = fs.volume.findDevice(sourceDevid);
  if (source === null || source.isMissing) refuseUnlessDegraded(fs, `srcdev (devid ${sourceDevid})`);
  if (target === null) refuseUnlessDegraded(fs, 'tgtdev (devid 0)');
  replace.source = source;
  replace.target = target;
  if (source !== null && target !== null) addTarget(fs, source, target);
  else if (!fs.isReadOnly) startOver(fs);
}

/** What is written in this mount does not reach the target: once it is back, the copy begins anew. */
function startOver(fs: FsInfo): void {
  const { replace } = fs.volume;
  fs.world.touch(DEVICE_REPLACE, 'write');
  replace.cursorLeft = 0;
  replace.cursorRight = 0;
  replace.needsWriteback = true;
}

function takeOver(fs: FsInfo, item: DeviceReplace): void {
  const { replace } = fs.volume;
  fs.world.touch(DEVICE_REPLACE, 'write');
  const phase = REPLACE_STATES[item.state];
  if (phase === undefined) throw new FsError('EUCLEAN', `mount: the state of the device replace is ${item.state}`);
  replace.phase = phase;
  replace.hasItem = true;
  const copiedTo = phase === 'suspended' ? surelyCopiedTo(fs, item) : item.cursorLeft;
  replace.cursorLeft = copiedTo;
  replace.cursorRight = item.cursorRight;
  replace.cursorLeftLastWrite = copiedTo;
  replace.committedCursorLeft = copiedTo;
  replace.readsFromSourceOnlyIfNoMirror = item.continueReadingFromSource === 1;
  replace.timeStarted = item.timeStarted * NANOSECONDS_PER_SECOND;
  replace.timeStopped = item.timeStopped * NANOSECONDS_PER_SECOND;
  replace.writeErrors = item.writeErrors;
  replace.uncorrectableReadErrors = item.uncorrectableReadErrors;
}

/**
 * Linux (measured: 6.18) suspends a replace in the middle of a device extent with the cursor at that extent's end, and
 * itself never copies the rest: whatever extent ends at the cursor is copied again.
 */
function surelyCopiedTo(fs: FsInfo, { sourceDevid, cursorLeft }: DeviceReplace): PhysicalAddress {
  for (const chunk of fs.volume.chunks()) {
    const length = deviceExtentLength(chunk);
    for (const { device, physical } of chunk.stripes) {
      if (device.id === sourceDevid && physical + length === cursorLeft) return physical;
    }
  }
  return cursorLeft;
}

function refuseUnlessDegraded(fs: FsInfo, what: string): void {
  if (fs.degraded) return;
  const why = `cannot mount because device replace operation is ongoing and ${what} is missing`;
  throw new FsError('EIO', `mount: ${why}, need to run 'btrfs dev scan'?`);
}

/** Makes the device part of the volume, as large as the source, and closed to new chunks. Plain. */
export function addTarget(fs: FsInfo, source: Device, target: Device): void {
  target.totalBytes = source.totalBytes;
  target.committedTotalBytes = source.committedTotalBytes;
  target.bytesUsed = source.bytesUsed;
  target.committedBytesUsed = source.committedBytesUsed;
  target.isWritable = false;
  // Nothing of it is known to be allocated: chunks lie on the source.
  addUnallocated(target, 0, target.totalBytes);
  fs.volume.addDevice(target);
}
