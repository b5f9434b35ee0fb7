import { expect, test } from 'vitest';
import { MIB } from '../../base/units.ts';
import { runAtomically } from '../../task/task.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import type { BlockGroup } from '../space/block-group.ts';
import {
  addChunkOf,
  type BenchOptions,
  inHandle,
  mountOn,
  unallocatedBytes,
  worldWith,
} from '../testing/chunk-bench.ts';
import type { MemoryWorld } from '../testing/memory-world.ts';
import { freezeGroup, getGroup, increaseReadOnlyPlain, putGroup, unfreezeGroup } from './block-group-holds.ts';
import { removeChunk } from './chunk-removal.ts';
import { commitTransaction } from './commit.ts';
import type { FsInfo } from './fs-info.ts';

const { DATA } = BLOCK_GROUP_FLAG;
const MODERN = ['chunk-remove-device-extents', 'block-group-erase', 'block-group-remove', 'chunk-map-erase'] as const;

interface Prepared {
  readonly world: MemoryWorld;
  readonly fs: FsInfo;
  /** Empty, held read-only, off the list of unused ones, with a reference of the test. */
  readonly group: BlockGroup;
}

function prepare(options: BenchOptions = {}): Prepared {
  const world = worldWith();
  const fs = mountOn(world, options);
  const group = addChunkOf(fs);
  runAtomically(commitTransaction(fs));
  fs.space.lists.takeOff(group);
  expect(group.references).toBe(2);
  increaseReadOnlyPlain(fs, group, true);
  world.points.length = 0;
  return { world, fs, group };
}

function remove({ fs, group }: Prepared): void {
  inHandle(fs, (handle) => runAtomically(removeChunk(handle, group)));
}

test('a group of one stripe passes each step of its removal once, in the order of Linux 5.8', () => {
  const prepared = prepare();
  remove(prepared);
  expect(prepared.world.points).toEqual(MODERN);
});

test('before, the item of a removed group was deleted last', () => {
  const prepared = prepare({ off: ['delete-item-before-removed'] });
  remove(prepared);
  expect(prepared.world.points).toEqual([...MODERN, 'block-group-remove-item']);
});

test('the mutation erases the chunk map before the group is marked as removed', () => {
  const prepared = prepare({ mutations: ['erase-chunk-map-before-removed'] });
  remove(prepared);
  expect(prepared.world.points.slice(-2)).toEqual(['chunk-map-erase', 'block-group-remove']);
  expect(prepared.group.isRemoved).toBe(true);
});

test('a removed group is found by nobody, and gives back what it had', () => {
  const prepared = prepare();
  const { fs, group } = prepared;
  const unallocated = unallocatedBytes(fs);
  const { bytesUsed } = fs.volume.devices()[0]!;
  const info = fs.space.infoFor(DATA);
  const { total } = info;
  remove(prepared);
  expect(group).toMatchObject({ isRemoved: true, references: 1 });
  expect(fs.space.findGroup(group.start)).toBe(null);
  expect(fs.volume.chunkAt(group.start)).toBe(null);
  expect(info).toMatchObject({ total: total - MIB, readOnly: 0 });
  expect(fs.volume.devices()[0]!.bytesUsed).toBe(bytesUsed - MIB);
  // The commit root of the device tree lists its place still.
  expect(unallocatedBytes(fs)).toBe(unallocated);
  runAtomically(commitTransaction(fs));
  expect(unallocatedBytes(fs)).toBe(unallocated + MIB);
  putGroup(fs, group);
  expect(fs.space.lists.allLive()).not.toContain(group);
});

test('the mutation leaves the bytes of a removed group in the total', () => {
  const prepared = prepare({ mutations: ['leak-unused-space-total'] });
  const { total } = prepared.fs.space.infoFor(DATA);
  remove(prepared);
  expect(prepared.fs.space.infoFor(DATA).total).toBe(total);
});

test('the address of a removed group is given out again if it was the last, else not', () => {
  const prepared = prepare();
  const { fs, group } = prepared;
  remove(prepared);
  const successor = addChunkOf(fs);
  expect(successor.start).toBe(group.start);
  expect(successor).not.toBe(group);
  // Its place on the device is another one until the commit.
  const last = addChunkOf(fs);
  fs.space.lists.takeOff(successor);
  increaseReadOnlyPlain(fs, successor, true);
  inHandle(fs, (handle) => runAtomically(removeChunk(handle, successor)));
  expect(addChunkOf(fs).start).toBe(last.start + MIB);
  runAtomically(commitTransaction(fs));
  expect(fs.aborted).toBe(null);
});

test('a frozen group keeps its addresses, logical and physical, until it is unfrozen', () => {
  const prepared = prepare();
  const { fs, group, world } = prepared;
  freezeGroup(fs, group);
  remove(prepared);
  expect(world.points).toEqual(MODERN.slice(0, -1));
  const unallocated = unallocatedBytes(fs);
  runAtomically(commitTransaction(fs));
  expect(unallocatedBytes(fs)).toBe(unallocated);
  expect(addChunkOf(fs).start).toBe(group.start + MIB);
  unfreezeGroup(fs, group);
  expect(fs.volume.chunkAt(group.start)).toBe(null);
  expect(unallocatedBytes(fs)).toBe(unallocated);
});

for (const isFixed of [true, false]) {
  test(`a removal that fails half way aborts and ${isFixed ? 'drops' : 'leaks'} the reference of the set`, () => {
    const prepared = prepare({ off: isFixed ? [] : ['drop-reference-on-failed-removal'] });
    const { fs, group, world } = prepared;
    getGroup(fs, group);
    world.failure = (site) => (site === 'remove-block-group' ? 'ENOMEM' : null);
    expect(() => remove(prepared)).toThrow(/ENOMEM/);
    expect(fs.aborted).toBe('ENOMEM');
    expect(group.references).toBe(isFixed ? 2 : 3);
  });

  test(`${isFixed ? 'the' : 'without the fix no'} lock keeps devices as they are while device extents are deleted`, () => {
    const { world, fs, group } = prepare({ off: isFixed ? [] : ['lock-devices-while-removing-chunk'] });
    const held: boolean[] = [];
    const { point } = world;
    world.point = (name) => {
      if (name === 'chunk-remove-device-extents') held.push(fs.deviceListMutex.isHeld);
      return point.call(world, name);
    };
    inHandle(fs, (handle) => runAtomically(removeChunk(handle, group)));
    expect(held).toEqual([isFixed]);
    expect(fs.deviceListMutex.isHeld).toBe(false);
  });
}

test('a stripe whose device has another id than its device extent cannot be removed: the transaction aborts', () => {
  const prepared = prepare();
  const [device] = prepared.fs.volume.devices();
  device!.id = 0;
  expect(() => remove(prepared)).toThrow(/ENOENT/);
  expect(prepared.fs.aborted).toBe('ENOENT');
});
