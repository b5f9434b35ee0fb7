import type { Range } from '../../base/range.ts';
import type { ByteCount, LogicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import { deleteChecksums } from './checksums.ts';
import type { DataOwner, DelayedHead } from './delayed-references.ts';
import { changeExtent, insertExtent } from './extent-references.ts';
import { applyFreeSpaceChanges, type FreeSpaceChange, noteFreeSpaceChange } from './free-space-tree.ts';
import type { TransactionHandle } from './handle.ts';
import { DELAYED_REFERENCES } from './shared-state.ts';

/**
 * A file extent item now refers to the data extent: `new` when the extent was just allocated (its reservation becomes
 * an extent item), `add` when others refer to it already. Plain in effect: the extent tree follows at commit.
 */
export function addDataReference(
  handle: TransactionHandle,
  extent: { readonly logical: LogicalAddress; readonly length: ByteCount },
  owner: DataOwner,
  kind: 'new' | 'add',
): void {
  const { logical, length } = extent;
  handle.delayed.addData(logical, length, owner, handle.generation, 1, kind === 'new');
}

/** A file extent item no longer refers to the data extent; with its last reference the extent is freed. */
export function dropDataReference(
  handle: TransactionHandle,
  logical: LogicalAddress,
  length: ByteCount,
  owner: DataOwner,
): void {
  handle.delayed.addData(logical, length, owner, handle.generation, -1, false);
}

/** What one batch did to space, for the trees that are updated after the extent tree is unlocked. */
interface BatchEffects {
  readonly freedData: Range[];
  readonly freeSpace: FreeSpaceChange[];
}

/**
 * Brings extent tree, checksums, free space tree and block group counters up to date, until nothing is pending: each
 * round changes those trees too. Throws EUCLEAN when the trees contradict each other.
 */
export function* runDelayedReferences(handle: TransactionHandle): Task<void> {
  const { fs, transaction } = handle;
  while (transaction.delayedReferences.size > 0) {
    const effects: BatchEffects = { freedData: [], freeSpace: [] };
    const cursor = yield* openForChange(handle, fs.trees.extent);
    try {
      // Under the lock: whoever asks who refers to an extent finds each reference pending or in its item.
      fs.world.touch(DELAYED_REFERENCES, 'write');
      const batch = transaction.delayedReferences.take();
      for (const head of batch) yield* runHead(handle, cursor, head, effects);
    } finally {
      cursor.release();
    }
    for (const { start, length } of effects.freedData) yield* deleteChecksums(handle, start, length);
    yield* applyFreeSpaceChanges(handle, effects.freeSpace);
  }
}

function* runHead(
  handle: TransactionHandle,
  cursor: ChangeCursor,
  head: DelayedHead,
  effects: BatchEffects,
): Task<void> {
  const { fs } = handle;
  if (head.isNew) {
    if (totalChange(head) === 0) {
      // Came and went within the transaction; data may still be on its way to the disk, so it is pinned all the same.
      fs.space.pinReserved(head.logical, head.length);
      pin(handle, head);
      if (head.isData) effects.freedData.push({ start: head.logical, length: head.length });
      return;
    }
    yield* insertExtent(fs, cursor, head);
    fs.space.extentInserted(head.logical, head.length);
    noteFreeSpaceChange(fs, effects.freeSpace, head.logical, head.length, false);
    return;
  }
  if (head.newFlags === 0 && head.references.every((reference) => reference.change === 0)) return;
  const outcome = yield* changeExtent(fs, cursor, head);
  if (outcome === 'kept') return;
  if (head.isData) effects.freedData.push({ start: head.logical, length: head.length });
  const group = fs.space.groupAt(head.logical);
  if (group.used < head.length) {
    const freed = `extent ${head.logical} of ${head.length} bytes`;
    throw new FsError('EUCLEAN', `${freed} is freed, but its block group says that ${group.used} are in use`);
  }
  fs.space.pinUsed(head.logical, head.length);
  if (fs.mutations.has('leak-free-space-range')) return;
  noteFreeSpaceChange(fs, effects.freeSpace, head.logical, head.length, true);
  pin(handle, head);
}

function totalChange(head: DelayedHead): number {
  let total = 0;
  for (const reference of head.references) total += reference.change;
  if (total < 0) throw new FsError('EUCLEAN', `extent ${head.logical} would have ${total} references`);
  return total;
}

/** Keeps a freed extent from being allocated until the end of the commit (R1). */
function pin(handle: TransactionHandle, head: DelayedHead): void {
  const { fs, transaction } = handle;
  if (fs.mutations.has('skip-unpin-wait')) fs.space.unpin(head.logical, head.length);
  else transaction.pin(head.logical, head.length);
}
