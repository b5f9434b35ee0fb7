import type { Task } from '../../task/task.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { type Device, REPLACE_TARGET_ID } from '../volume/device.ts';
import { DEVICE_REPLACE } from '../volume/replace-state.ts';

/**
 * Source and target change places while no I/O is under way. The caller holds the locks of the devices and of chunk
 * allocation, and a handle. False, and nothing has changed, when a write to the target has failed.
 */
export function* swapDevices(fs: FsInfo, source: Device, target: Device): Task<boolean> {
  const { volume } = fs;
  const { replace } = volume;
  replace.isBlockingIo = true;
  yield* volume.ioUnderWay.waitZero();
  const held = yield* replace.lock.acquire('exclusive');
  const isPossible = replace.writeErrors === 0;
  if (isPossible) {
    moveStripes(fs, source, target);
    yield* fs.world.point('replace-swap-ids');
    exchangeIdentities(fs, source, target);
    observe(fs, source, target);
  }
  held.release();
  replace.isBlockingIo = false;
  replace.unblocked.wakeAll();
  return isPossible;
}

function moveStripes({ volume }: FsInfo, source: Device, target: Device): void {
  for (const chunk of volume.chunks()) {
    for (const [index, { device }] of chunk.stripes.entries()) {
      if (device === source) volume.moveStripe(chunk, index, target);
    }
  }
}

function exchangeIdentities(fs: FsInfo, source: Device, target: Device): void {
  const { volume } = fs;
  const { replace } = volume;
  fs.world.touch(DEVICE_REPLACE, 'write');
  fs.world.touch(source.resource, 'write');
  fs.world.touch(target.resource, 'write');
  target.id = source.id;
  source.id = REPLACE_TARGET_ID;
  [target.uuid, source.uuid] = [source.uuid, target.uuid];
  target.totalBytes = source.totalBytes;
  target.bytesUsed = source.bytesUsed;
  target.committedTotalBytes = source.committedTotalBytes;
  target.committedBytesUsed = source.committedBytesUsed;
  if (fs.fixes.isOn('transfer-allocation-state')) takeOverUnallocated(source, target);
  target.isWritable = true;
  source.isWritable = false;
  volume.removeDevice(source);
  replace.phase = 'finished';
  replace.source = null;
  replace.target = null;
  replace.newcomer = target;
  replace.timeStopped = fs.world.now();
  replace.needsWriteback = true;
}

function takeOverUnallocated(source: Device, target: Device): void {
  target.unallocated.exclude(0, target.totalBytes);
  for (const { start, length } of [...source.unallocated.all()]) target.unallocated.add(start, length);
}

function observe(fs: FsInfo, source: Device, target: Device): void {
  if (!fs.world.observed) return;
  fs.world.observe({
    kind: 'device-replaced',
    source: source.block?.index ?? null,
    target: target.block!.index,
    devid: target.id,
  });
}
