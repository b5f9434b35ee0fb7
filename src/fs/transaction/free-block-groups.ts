import type { BlockGroup } from '../space/block-group.ts';
import { copyOfGroup, snapshotOfGroups } from './block-group-observation.ts';
import { releaseDeletedGroups } from './extent-commit.ts';
import type { FsInfo } from './fs-info.ts';

/**
 * The end of a mount: the set of block groups and the lists give their references back, and whoever judges is told what
 * is left, which after a clean unmount is nothing. Plain; the caller has committed and waited for everybody.
 */
export function freeBlockGroups(fs: FsInfo): void {
  // Only an abort leaves transactions behind.
  for (const transaction of [fs.committingTransaction, fs.runningTransaction]) {
    if (transaction !== null) releaseDeletedGroups(fs, transaction);
  }
  const { observed } = fs.world;
  const before = observed ? snapshotOfGroups(fs) : null;
  const counters = observed ? countersOf(fs, fs.space.allGroups()) : [];
  const { lists } = fs.space;
  for (let group = lists.takeUnused(); group !== null; group = lists.takeUnused()) lists.put(group);
  for (const group of fs.space.allGroups().slice()) {
    fs.space.eraseGroup(group);
    lists.put(group);
  }
  if (before === null) return;
  fs.world.observe({
    kind: 'unmounted',
    isAborted: fs.aborted !== null,
    groups: lists.allLive().map(copyOfGroup),
    spaces: before.spaces,
    groupsBefore: before.groups,
    counters,
  });
}

function countersOf(fs: FsInfo, groups: readonly BlockGroup[]) {
  const handles = (fs.committingTransaction?.writers ?? 0) + (fs.runningTransaction?.writers ?? 0);
  const counters = [
    { name: 'open handles', value: handles },
    { name: 'I/O under way', value: fs.volume.ioUnderWay.value },
    { name: 'running scrubs', value: fs.scrubs.running },
    { name: 'paused scrubs', value: fs.scrubs.paused },
  ];
  for (const { start, nocowWriters, reservations } of groups) {
    counters.push({ name: `writers in place in block group ${start}`, value: nocowWriters.value });
    counters.push({ name: `reservations in block group ${start}`, value: reservations.value });
  }
  return counters;
}
