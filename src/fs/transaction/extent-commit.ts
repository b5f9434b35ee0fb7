import type { Task } from '../../task/task.ts';
import type { BlockGroup } from '../space/block-group.ts';
import { type PendingWrite, submitDiscard } from '../volume/volume.ts';
import { putGroup, unfreezeGroup } from './block-group-holds.ts';
import type { FsInfo } from './fs-info.ts';
import type { Transaction } from './transaction.ts';

/**
 * No durable superblock leads any more to what the transaction freed: it is discarded where that is wanted, and can be
 * allocated again. A discard that fails is no error: it is advice.
 */
export function* finishExtentCommit(fs: FsInfo, transaction: Transaction): Task<void> {
  if (fs.discard) yield* discardPinned(fs, transaction);
  for (const { start, length } of transaction.pinned) fs.space.unpin(start, length);
  transaction.pinned.length = 0;
  if (transaction.deletedGroups.length === 0) return;
  const groups = transaction.deletedGroups.slice();
  yield* waitForDiscards(yield* submitAll(fs, groups));
  releaseDeletedGroups(fs, transaction);
}

export function* discardPinned(fs: FsInfo, transaction: Transaction): Task<void> {
  const ranges = transaction.pinned.map(({ start, length }) => ({ start, length }));
  ranges.sort((a, b) => a.start - b.start);
  yield* waitForDiscards(yield* submitAll(fs, ranges));
}

function* submitAll(
  fs: FsInfo,
  ranges: readonly { readonly start: number; readonly length: number }[],
): Task<PendingWrite[]> {
  const pending: PendingWrite[] = [];
  for (const { start, length } of ranges) pending.push(yield* submitDiscard(fs, start, length));
  return pending;
}

function* waitForDiscards(pending: readonly PendingWrite[]): Task<void> {
  for (const discard of pending) yield* discard.wait();
}

/** The places of groups that the transaction deleted are free from now on. Also after an abort, with nothing discarded. */
export function releaseDeletedGroups(fs: FsInfo, transaction: Transaction): void {
  for (const group of transaction.deletedGroups.splice(0)) release(fs, group);
}

function release(fs: FsInfo, group: BlockGroup): void {
  fs.space.lists.takeOff(group);
  unfreezeGroup(fs, group);
  putGroup(fs, group);
}
