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
  const counters = observed ? countersLeft(fs) : [];
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

/** The counters that are not back at 0. */
function countersLeft(fs: FsInfo): { readonly name: string; readonly value: number }[] {
  const counters: { readonly name: string; readonly value: number }[] = [];
  const note = (value: number, name: string) => {
    if (value !== 0) counters.push({ name, value });
  };
  note((fs.committingTransaction?.writers ?? 0) + (fs.runningTransaction?.writers ?? 0), 'open handles');
  note(fs.volume.ioUnderWay.value, 'I/O under way');
  note(fs.scrubs.running, 'running scrubs');
  note(fs.scrubs.paused, 'paused scrubs');
  for (const group of fs.space.allGroups()) {
    if (group.hasNocowCounter) note(group.nocowWriters.value, `writers in place in block group ${group.start}`);
    if (group.hasReservationCounter) note(group.reservations.value, `reservations in block group ${group.start}`);
  }
  return counters;
}
