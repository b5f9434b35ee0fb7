import { expect, test } from 'vitest';
import { viewOf } from '../../base/bytes.ts';
import { MIB } from '../../base/units.ts';
import { runAtomically } from '../../task/task.ts';
import { SUPERBLOCK } from '../format/superblock.ts';
import { mountOn, worldWith } from '../testing/chunk-bench.ts';
import type { MemoryWorld } from '../testing/memory-world.ts';
import { commitTransaction } from './commit.ts';
import { noteDeviceUpdated, updateDeviceItem } from './device-items.ts';
import type { FsInfo } from './fs-info.ts';
import { joinTransaction, leaveTransaction, startTransaction } from './handle.ts';

const OPTIONS = { devices: [16 * MIB, 16 * MIB], metadataProfile: 'raid1', dataProfile: 'raid1' } as const;

function commitSomething(fs: FsInfo): void {
  const handle = runAtomically(startTransaction(fs));
  runAtomically(updateDeviceItem(handle, fs.volume.device(1)));
  noteDeviceUpdated(fs, fs.volume.device(1));
  fs.volume.device(1).totalBytes -= 4096;
  runAtomically(updateDeviceItem(handle, fs.volume.device(1)));
  leaveTransaction(handle);
  runAtomically(commitTransaction(fs));
}

function superblockItem(world: MemoryWorld, index: number) {
  const bytes = world.devices[index]!.read(65536, 4096);
  return SUPERBLOCK.fields.deviceItem.read(viewOf(bytes), SUPERBLOCK.fields.deviceItem.at);
}

test('error counters of devices are written with the next commit and go on after a mount', () => {
  const world = worldWith(OPTIONS);
  const fs = mountOn(world);
  const second = fs.volume.device(2);
  second.errors.write = 3;
  second.errors.corruption = 1;
  commitSomething(fs);
  const again = mountOn(world);
  expect(again.volume.device(1).errors).toEqual({ write: 0, read: 0, flush: 0, corruption: 0, generation: 0 });
  expect(again.volume.device(2).errors).toEqual({ write: 3, read: 0, flush: 0, corruption: 1, generation: 0 });
  again.volume.device(2).errors.read++;
  commitSomething(again);
  expect(mountOn(world).volume.device(2).errors).toMatchObject({ write: 3, read: 1 });
});

test('counters alone are no reason to commit', () => {
  const world = worldWith(OPTIONS);
  const fs = mountOn(world);
  fs.volume.device(1).errors.read++;
  leaveTransaction(runAtomically(joinTransaction(fs)));
  runAtomically(commitTransaction(fs));
  expect(fs.lastCommitted).toBe(fs.superblock.generation);
});

test('each device has its own item in its superblocks, with sizes of the last commit', () => {
  const world = worldWith(OPTIONS);
  const fs = mountOn(world);
  commitSomething(fs);
  expect(superblockItem(world, 0)).toMatchObject({ devid: 1, totalBytes: 16 * MIB - 4096 });
  expect(superblockItem(world, 1)).toMatchObject({ devid: 2, totalBytes: 16 * MIB });
  expect(superblockItem(world, 0).uuid).not.toEqual(superblockItem(world, 1).uuid);
  const again = mountOn(world);
  expect(again.superblock.totalBytes).toBe(32 * MIB - 4096);
  expect(again.volume.device(1).committedTotalBytes).toBe(16 * MIB - 4096);
  expect(fs.updatedDevices).toEqual([]);
  expect(fs.volume.device(1).isUpdated).toBe(false);
});
