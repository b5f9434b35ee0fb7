import { expect, test } from 'vitest';
import { KIB, MIB } from '../../base/units.ts';
import { runAtomically } from '../../task/task.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { decodeSystemChunkArray } from '../format/chunk.ts';
import { KEY_TYPE } from '../format/key.ts';
import { decodeSuperblock, SUPERBLOCK_OFFSETS } from '../format/superblock.ts';
import { unmountCore } from '../mount.ts';
import { addChunkOf, inHandle, mountOn, unallocatedBytes, worldWith } from '../testing/chunk-bench.ts';
import { makeFile, writeExtent } from '../testing/hand-made-files.ts';
import { visitItems } from '../tree/cursor.ts';
import type { Tree } from '../tree/tree.ts';
import { markUnused } from './block-group-holds.ts';
import { allocateChunk, allocateChunkOnDemand, createPendingBlockGroups } from './chunk-allocation.ts';
import { commitTransaction } from './commit.ts';
import type { FsInfo } from './fs-info.ts';

const { DATA, METADATA, SYSTEM } = BLOCK_GROUP_FLAG;

/** Objectids or offsets of all items of a type. */
function itemsOf(fs: FsInfo, tree: Tree, type: number, part: 'objectid' | 'offset'): number[] {
  const found: number[] = [];
  runAtomically(
    visitItems(fs, tree, { objectid: 0, type: 0, offset: 0 }, (cursor) => {
      if (cursor.type === type) found.push(cursor[part]);
      return true;
    }),
  );
  return found;
}

test('the space of a new chunk can be used before any tree knows of it', () => {
  const fs = mountOn(worldWith());
  inHandle(fs, (handle) => {
    const group = runAtomically(allocateChunk(handle, DATA));
    expect(group).toMatchObject({ isNew: true, list: 'new', references: 1, length: MIB });
    expect(fs.space.findGroup(group.start)).toBe(group);
    expect(fs.volume.chunkAt(group.start)?.logical).toBe(group.start);
    const old = fs.space.allGroups().find((other) => other !== group && (other.flags & DATA) !== 0)!;
    expect(fs.space.allocateData(old.length, old.length)!.logical).toBe(old.start);
    const inNew = fs.space.allocateData(4096, 4096)!;
    expect(fs.space.findGroup(inNew.logical)).toBe(group);

    expect(itemsOf(fs, fs.trees.extent, KEY_TYPE.BLOCK_GROUP_ITEM, 'objectid')).not.toContain(group.start);
    expect(itemsOf(fs, fs.trees.chunk, KEY_TYPE.CHUNK_ITEM, 'offset')).not.toContain(group.start);
    runAtomically(createPendingBlockGroups(handle));
    expect(group).toMatchObject({ isNew: false, list: 'unused', references: 2 });
    expect(itemsOf(fs, fs.trees.extent, KEY_TYPE.BLOCK_GROUP_ITEM, 'objectid')).toContain(group.start);
    expect(itemsOf(fs, fs.trees.chunk, KEY_TYPE.CHUNK_ITEM, 'offset')).toContain(group.start);
    const { physical } = fs.volume.chunkAt(group.start)!.stripes[0]!;
    expect(itemsOf(fs, fs.trees.dev, KEY_TYPE.DEV_EXTENT, 'offset')).toContain(physical);
    fs.space.releaseReserved(inNew.logical, 4096);
    fs.space.releaseReserved(old.start, old.length);
  });
});

test('a chunk takes its bytes from the device and its address from behind the last chunk', () => {
  const fs = mountOn(worldWith());
  const device = fs.volume.devices()[0]!;
  const { bytesUsed } = device;
  const unallocated = unallocatedBytes(fs);
  const end = fs.volume.endOfLastChunk();
  const first = addChunkOf(fs);
  const second = addChunkOf(fs, METADATA);
  expect([first.start, second.start]).toEqual([end, end + MIB]);
  expect(device.bytesUsed).toBe(bytesUsed + 2 * MIB);
  expect(unallocatedBytes(fs)).toBe(unallocated - 2 * MIB);
  expect(device.committedBytesUsed).toBe(bytesUsed);
  runAtomically(commitTransaction(fs));
  expect(device.committedBytesUsed).toBe(bytesUsed + 2 * MIB);
});

test('what a mount finds is what was allocated', () => {
  const world = worldWith();
  const fs = mountOn(world);
  for (const type of [DATA, METADATA, SYSTEM]) addChunkOf(fs, type);
  const described = (info: FsInfo) =>
    info.space.allGroups().map(({ start, length, flags, used, free }) => [start, length, flags, used, free.bytes]);
  runAtomically(commitTransaction(fs));
  const again = mountOn(world);
  expect(described(again)).toEqual(described(fs));
  expect(unallocatedBytes(again)).toBe(unallocatedBytes(fs));
  expect(again.volume.devices()[0]!.bytesUsed).toBe(fs.volume.devices()[0]!.bytesUsed);
});

test('superblocks list every system chunk', () => {
  const world = worldWith();
  const fs = mountOn(world);
  const system = addChunkOf(fs, SYSTEM);
  runAtomically(unmountCore(fs));
  const { systemChunkArray } = decodeSuperblock(world.devices[0]!.read(SUPERBLOCK_OFFSETS[0]!, 4096));
  expect(decodeSystemChunkArray(systemChunkArray).map(({ key }) => key.offset)).toContain(system.start);
});

test('a chunk tree without room gets a system chunk before the chunk that needs it', () => {
  const fs = mountOn(worldWith());
  while (fs.space.hasTreeBlocks(SYSTEM, 2)) fs.space.allocateTreeBlock(SYSTEM);
  inHandle(fs, (handle) => {
    runAtomically(allocateChunk(handle, DATA));
    expect(handle.newGroups!.map(({ type }) => type)).toEqual([SYSTEM, DATA]);
    runAtomically(createPendingBlockGroups(handle));
  });
  expect(fs.space.hasTreeBlocks(SYSTEM, 20)).toBe(true);
});

test('on demand, chunks are added until the devices are full, and then no more', () => {
  const fs = mountOn(worldWith({ devices: [8 * MIB] }));
  let added = 0;
  while (runAtomically(allocateChunkOnDemand(fs, DATA))) added++;
  // 8 MiB less the first one, 256 KiB of system, 1 MiB of metadata and 1 MiB of data: the last one is cut short.
  expect(added).toBe(5);
  expect(unallocatedBytes(fs)).toBe(0);
  expect(fs.space.allGroups().at(-1)!.length).toBe(768 * KIB);
  expect(runAtomically(allocateChunkOnDemand(fs, METADATA))).toBe(false);
});

test('data that does not fit into the chunks there are gets new ones', () => {
  const world = worldWith({ devices: [8 * MIB] });
  const fs = mountOn(world);
  let inode = 257;
  const write = () =>
    inHandle(fs, (handle) => {
      const extents = [runAtomically(writeExtent(handle, 256 * KIB, 1))];
      runAtomically(makeFile(handle, { inode, name: `f${inode++}`, extents }, () => 'new'));
    });
  for (let written = 0; written < 22; written++) write();
  expect(fs.space.freeDataBytes()).toBeLessThan(512 * KIB);
  expect(unallocatedBytes(fs)).toBe(0);
  while (fs.space.freeDataBytes() >= 256 * KIB) write();
  expect(write).toThrow(/ENOSPC/);
  runAtomically(commitTransaction(fs));
  expect(fs.aborted).toBe(null);
});

test('a failed allocation of a chunk changes nothing, and is no error while nobody needs it', () => {
  const world = worldWith();
  const fs = mountOn(world);
  world.failure = (site) => (site === 'allocate-chunk' ? 'ENOSPC' : null);
  const chunks = fs.volume.chunks().length;
  expect(runAtomically(allocateChunkOnDemand(fs, DATA))).toBe(false);
  expect(() => addChunkOf(fs)).toThrow(/ENOSPC/);
  expect(fs.volume.chunks().length).toBe(chunks);
  expect(fs.aborted).toBe(null);
});

test('a failure of the second phase aborts', () => {
  const world = worldWith();
  const fs = mountOn(world);
  inHandle(fs, (handle) => {
    runAtomically(allocateChunk(handle, DATA));
    world.failure = (site) => (site === 'allocate-tree-block' ? 'ENOSPC' : null);
    expect(() => runAtomically(createPendingBlockGroups(handle))).toThrow(/ENOSPC/);
  });
  expect(fs.aborted).toBe('ENOSPC');
});

for (const isFixed of [true, false]) {
  const outcome = isFixed ? 'is finished all the same' : 'is never finished, and the list has no reference to it';
  test(`a new group that becomes unused before its second phase ${outcome}`, () => {
    const fs = mountOn(worldWith(), { off: isFixed ? [] : ['mark-new-block-group'] });
    inHandle(fs, (handle) => {
      const group = runAtomically(allocateChunk(handle, DATA));
      markUnused(fs, group);
      expect(group).toMatchObject({ references: 1, list: isFixed ? 'new' : 'unused' });
      runAtomically(createPendingBlockGroups(handle));
      expect(group).toMatchObject({ isNew: !isFixed, references: isFixed ? 2 : 1, list: 'unused' });
      const items = itemsOf(fs, fs.trees.extent, KEY_TYPE.BLOCK_GROUP_ITEM, 'objectid');
      expect(items.includes(group.start)).toBe(isFixed);
    });
  });
}
