import { expect, test } from 'vitest';
import { MIB } from '../../base/units.ts';
import { runAtomically } from '../../task/task.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import type { BlockGroup } from '../space/block-group.ts';
import { addChunkOf, mountOn, worldWith } from '../testing/chunk-bench.ts';
import {
  decreaseReadOnly,
  freezeGroup,
  getGroup,
  increaseReadOnly,
  increaseReadOnlyPlain,
  markUnused,
  putGroup,
  unfreezeGroup,
} from './block-group-holds.ts';
import type { FsInfo } from './fs-info.ts';

const { DATA, METADATA } = BLOCK_GROUP_FLAG;

/** Every total is the sum over the groups. */
function expectTotalsToAgree(fs: FsInfo): void {
  for (const info of fs.space.spaces()) {
    const groups = fs.space.allGroups().filter(({ type }) => type === info.type);
    const sum = (of: (group: BlockGroup) => number) => groups.reduce((total, group) => total + of(group), 0);
    expect({ ...info, free: info.free }).toMatchObject({
      total: sum(({ length }) => length),
      used: sum(({ used }) => used),
      reserved: sum(({ reserved }) => reserved),
      pinned: sum(({ pinned }) => pinned),
      readOnly: sum((group) => (group.readOnlyHolders > 0 ? group.freeBytes : 0)),
      superblockBytes: sum(({ superblockBytes }) => superblockBytes),
      free: sum((group) => (group.readOnlyHolders > 0 ? 0 : group.free.bytes)),
    });
  }
}

function dataGroup(fs: FsInfo): BlockGroup {
  return fs.space.allGroups().find(({ flags }) => (flags & DATA) !== 0)!;
}

test('a group is read-only until as many have let go as have taken hold, and totals follow', () => {
  const fs = mountOn(worldWith());
  const first = dataGroup(fs);
  addChunkOf(fs);
  expect(increaseReadOnlyPlain(fs, first, false)).toBe(true);
  expect(increaseReadOnlyPlain(fs, first, false)).toBe(true);
  expectTotalsToAgree(fs);
  expect(fs.space.allocateData(4096, 4096)!.logical).toBeGreaterThan(first.start);
  decreaseReadOnly(fs, first);
  expect(first.readOnlyHolders).toBe(1);
  expectTotalsToAgree(fs);
  decreaseReadOnly(fs, first);
  expect(fs.space.infoFor(DATA).readOnly).toBe(0);
  expect(fs.space.allocateData(4096, 4096)!.logical).toBe(first.start);
  expectTotalsToAgree(fs);
});

test('totals stay right whatever happens in a read-only group: used, freed, pinned, unpinned, released', () => {
  const fs = mountOn(worldWith());
  const group = dataGroup(fs);
  addChunkOf(fs);
  const [a, b, c] = [8192, 8192, 8192].map((length) => fs.space.allocateData(length, length)!.logical);
  fs.space.extentInserted(a!, 8192);
  increaseReadOnlyPlain(fs, group, false);
  const steps = [
    () => fs.space.extentInserted(b!, 8192),
    () => fs.space.pinUsed(a!, 8192),
    () => fs.space.releaseReserved(c!, 8192),
    () => fs.space.unpin(a!, 8192),
    () => fs.space.pinUsed(b!, 8192),
    () => decreaseReadOnly(fs, group),
    () => fs.space.unpin(b!, 8192),
  ];
  for (const step of steps) {
    step();
    expectTotalsToAgree(fs);
  }
  expect(group.isEmpty).toBe(true);
});

test('the last writable space of a type is not set read-only, unless a chunk may be added or it is forced', () => {
  const fs = mountOn(worldWith());
  const group = dataGroup(fs);
  fs.space.promiseData(4096);
  expect(() => runAtomically(increaseReadOnly(fs, group, { mayAllocateChunk: false }))).toThrow(/ENOSPC/);
  expect(group.readOnlyHolders).toBe(0);
  runAtomically(increaseReadOnly(fs, group, { mayAllocateChunk: true }));
  expect(group.readOnlyHolders).toBe(1);
  expect(fs.space.countGroupsLike(group)).toBe(2);
  // The chunk that was added is the last one now.
  const added = fs.space.allGroups().at(-1)!;
  expect(increaseReadOnlyPlain(fs, added, false)).toBe(false);
  expect(increaseReadOnlyPlain(fs, added, true)).toBe(true);
  fs.space.returnDataPromise(4096);
  expectTotalsToAgree(fs);
});

test('metadata keeps what a commit may need', () => {
  const fs = mountOn(worldWith());
  const group = fs.space.allGroups().find(({ flags }) => (flags & METADATA) !== 0)!;
  expect(increaseReadOnlyPlain(fs, group, false)).toBe(false);
  addChunkOf(fs, METADATA);
  expect(increaseReadOnlyPlain(fs, group, false)).toBe(true);
  expectTotalsToAgree(fs);
});

test('setting read-only can be made to fail', () => {
  const world = worldWith();
  const fs = mountOn(world);
  addChunkOf(fs);
  world.failure = (site) => (site === 'set-read-only' ? 'ENOSPC' : null);
  expect(() => runAtomically(increaseReadOnly(fs, dataGroup(fs), { mayAllocateChunk: true }))).toThrow(/ENOSPC/);
  expect(fs.runningTransaction?.writers ?? 0).toBe(0);
});

test('an unused group is listed once, with a reference of the list', () => {
  const fs = mountOn(worldWith());
  const group = dataGroup(fs);
  expect(group).toMatchObject({ list: 'unused', references: 2 });
  markUnused(fs, group);
  expect(group.references).toBe(2);
  expect(fs.space.lists.takeUnused()).toBe(group);
  expect(group).toMatchObject({ list: null, references: 2 });
  putGroup(fs, group);
  markUnused(fs, group);
  expect(group).toMatchObject({ list: 'unused', references: 2 });
});

test('a group whose last extent goes is listed, and again when its last pinned byte goes', () => {
  const fs = mountOn(worldWith());
  const group = dataGroup(fs);
  putGroup(fs, fs.space.lists.takeUnused()!);
  const { logical } = fs.space.allocateData(8192, 8192)!;
  fs.space.extentInserted(logical, 8192);
  expect(group.list).toBe(null);
  fs.space.pinUsed(logical, 8192);
  expect(group).toMatchObject({ list: 'unused', references: 2 });
  putGroup(fs, fs.space.lists.takeUnused()!);
  fs.space.unpin(logical, 8192);
  expect(group).toMatchObject({ list: 'unused', references: 2 });
});

test('references are counted below zero too', () => {
  const fs = mountOn(worldWith());
  const group = dataGroup(fs);
  getGroup(fs, group);
  for (let put = 0; put < 3; put++) putGroup(fs, group);
  expect(group.references).toBe(0);
  expect(fs.space.lists.allLive()).not.toContain(group);
  putGroup(fs, group);
  expect(group.references).toBe(-1);
  expect(fs.space.lists.allLive()).toContain(group);
});

test('the last to unfreeze a removed group erases its chunk map, nobody else does', () => {
  const fs = mountOn(worldWith());
  const group = addChunkOf(fs);
  freezeGroup(fs, group);
  freezeGroup(fs, group);
  unfreezeGroup(fs, group);
  freezeGroup(fs, group);
  group.isRemoved = true;
  unfreezeGroup(fs, group);
  expect(fs.volume.chunkAt(group.start)).not.toBe(null);
  unfreezeGroup(fs, group);
  expect(fs.volume.chunkAt(group.start)).toBe(null);
  expect(fs.volume.devices()[0]!.unallocated.bytes % MIB).toBe(768 * 1024);
});
