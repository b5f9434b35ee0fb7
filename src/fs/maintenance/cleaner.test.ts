import { expect, test } from 'vitest';
import { MIB } from '../../base/units.ts';
import type { Observation } from '../../task/observation.ts';
import { runAtomically } from '../../task/task.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { unmountCore } from '../mount.ts';
import {
  addChunkOf,
  type BenchOptions,
  inHandle,
  mountOn,
  unallocatedBytes,
  worldWith,
} from '../testing/chunk-bench.ts';
import { makeFile, removeFile, writeExtent } from '../testing/hand-made-files.ts';
import { decreaseReadOnly, increaseReadOnlyPlain } from '../transaction/block-group-holds.ts';
import { commitTransaction } from '../transaction/commit.ts';
import { freeBlockGroups } from '../transaction/free-block-groups.ts';
import { deleteUnusedBlockGroups } from './cleaner.ts';

const { DATA, METADATA } = BLOCK_GROUP_FLAG;

function prepare(options: BenchOptions = {}) {
  const world = worldWith();
  const fs = mountOn(world, options);
  const [data] = fs.space.allGroups().filter(({ flags }) => (flags & DATA) !== 0);
  const group = addChunkOf(fs);
  runAtomically(commitTransaction(fs));
  world.points.length = 0;
  return { world, fs, data: data!, group, clean: () => runAtomically(deleteUnusedBlockGroups(fs)) };
}

test('the cleaner deletes all unused groups but the last of their kind', () => {
  const { fs, data, group, clean, world } = prepare();
  expect(clean()).toBe(1);
  expect(fs.space.allGroups()).toContain(group);
  expect(data).toMatchObject({ isRemoved: true, references: 0, list: null });
  expect(world.points.filter((point) => point === 'cleaner-pick')).toHaveLength(2);
  expect(world.points.slice(0, 5)).toEqual([
    'cleaner-pick',
    'chunk-remove-device-extents',
    'block-group-erase',
    'block-group-remove',
    'chunk-map-erase',
  ]);
  // The last of its kind left the list.
  expect(group).toMatchObject({ list: null, references: 1 });
  expect(clean()).toBe(0);
});

test('a group that is in use, pinned, read-only or the last of its kind is not deleted', () => {
  const { fs, data, group, clean } = prepare();
  const file = inHandle(fs, (handle) => {
    const extents = [runAtomically(writeExtent(handle, 8192, 1))];
    const made = { inode: 257, name: 'f', extents };
    runAtomically(makeFile(handle, made, () => 'new'));
    return made;
  });
  increaseReadOnlyPlain(fs, group, true);
  expect(data.reserved).toBe(8192);
  expect(clean()).toBe(0);
  decreaseReadOnly(fs, group);
  expect([data.list, group.list]).toEqual([null, null]);

  runAtomically(commitTransaction(fs));
  inHandle(fs, (handle) => runAtomically(removeFile(handle, file)));
  runAtomically(commitTransaction(fs));
  expect(data).toMatchObject({ used: 0, pinned: 0, list: 'unused' });
  expect(clean()).toBe(1);
  expect(data.isRemoved).toBe(true);
});

test('a group whose space is promised stays on the list', () => {
  const { fs, data, group, clean } = prepare();
  fs.space.promiseData(2 * MIB);
  expect(clean()).toBe(0);
  expect([data.list, group.list]).toEqual(['unused', 'unused']);
  fs.space.returnDataPromise(2 * MIB);
  expect(clean()).toBe(1);
});

test('metadata groups go too when the rest suffices', () => {
  const { fs, clean } = prepare();
  const group = addChunkOf(fs, METADATA);
  runAtomically(commitTransaction(fs));
  // The commit may have put its first blocks anywhere; an empty one goes.
  const wasEmpty = group.used === 0;
  clean();
  expect(group.isRemoved).toBe(wasEmpty);
  expect(fs.aborted).toBe(null);
});

test('with discard, a deleted group is discarded after the commit, and keeps its place until then', () => {
  const { world, fs, data, clean } = prepare({ discard: true });
  const { physical } = fs.volume.chunkAt(data.start)!.stripes[0]!;
  const unallocated = unallocatedBytes(fs);
  world.devices[0]!.log.length = 0;
  expect(clean()).toBe(1);
  expect(data).toMatchObject({ list: 'deleted', frozen: 1, references: 1, isRemoved: true });
  expect(fs.volume.chunkAt(data.start)).not.toBe(null);
  runAtomically(commitTransaction(fs));
  expect(data).toMatchObject({ list: null, frozen: 0, references: 0 });
  expect(fs.volume.chunkAt(data.start)).toBe(null);
  expect(unallocatedBytes(fs)).toBe(unallocated + MIB);
  const log = world.devices[0]!.log;
  const superblock = log.findIndex(({ purpose, operation }) => purpose.kind === 'superblock' && operation === 'write');
  const discard = log.findIndex(({ operation, offset }) => operation === 'discard' && offset === physical);
  expect(log[discard]).toMatchObject({ length: MIB });
  expect(discard).toBeGreaterThan(superblock);
});

test('freed extents are discarded after the commit, with the mutation before', () => {
  for (const mutations of [[], ['discard-before-commit']]) {
    const { world, fs } = prepare({ discard: mutations.length === 0, mutations });
    world.devices[0]!.log.length = 0;
    addChunkOf(fs);
    runAtomically(commitTransaction(fs));
    const log = world.devices[0]!.log.map(({ operation, purpose }) => `${operation} ${purpose.kind}`);
    const discards = log.indexOf('discard data');
    expect(discards).toBeGreaterThanOrEqual(0);
    expect(discards < log.indexOf('write superblock')).toBe(mutations.length > 0);
  }
});

test('on a read-only file system the cleaner does nothing', () => {
  const { fs, clean } = prepare();
  fs.mountedReadOnly = true;
  expect(clean()).toBe(0);
});

test('a removal that fails reaches the caller', () => {
  const { world, fs, clean } = prepare();
  world.failure = (site) => (site === 'remove-block-group' ? 'ENOMEM' : null);
  expect(clean).toThrow(/ENOMEM/);
  expect(fs.aborted).toBe('ENOMEM');
  expect(fs.runningTransaction?.writers).toBe(0);
});

for (const isFixed of [true, false]) {
  test(`an unmount ${isFixed ? 'frees all groups' : 'shows the group whose reference a failed removal leaked'}`, () => {
    const { world, fs, clean } = prepare({ off: isFixed ? [] : ['drop-reference-on-failed-removal'] });
    world.failure = (site) => (site === 'remove-block-group' ? 'ENOMEM' : null);
    expect(clean).toThrow(/ENOMEM/);
    const seen: Observation[] = [];
    Object.assign(world, { observed: true, observe: (observation: Observation) => seen.push(observation) });
    freeBlockGroups(fs);
    const unmounted = seen.find((observation) => observation.kind === 'unmounted')!;
    expect(unmounted).toMatchObject({ kind: 'unmounted', isAborted: true });
    expect([...(unmounted as { groups: Iterable<unknown> }).groups]).toHaveLength(isFixed ? 0 : 1);
  });
}

test('a clean unmount leaves nothing', () => {
  const { world, fs, clean } = prepare();
  clean();
  const seen: Observation[] = [];
  Object.assign(world, { observed: true, observe: (observation: Observation) => seen.push(observation) });
  runAtomically(unmountCore(fs));
  if (!seen.some(({ kind }) => kind === 'unmounted')) freeBlockGroups(fs);
  const unmounted = seen.find((observation) => observation.kind === 'unmounted')!;
  expect(unmounted).toMatchObject({ isAborted: false, groups: [] });
  expect([...unmounted.counters].filter(({ value }) => value !== 0)).toEqual([]);
});
