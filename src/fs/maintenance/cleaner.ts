import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import type { BlockGroup } from '../space/block-group.ts';
import {
  decreaseReadOnly,
  freezeGroup,
  getGroup,
  increaseReadOnlyPlain,
  markUnused,
  putGroup,
  unfreezeGroup,
} from '../transaction/block-group-holds.ts';
import { createPendingBlockGroups } from '../transaction/chunk-allocation.ts';
import { removeChunk } from '../transaction/chunk-removal.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';

/** Device extents, device items, chunk item, block group item and free space. */
const ITEMS_PER_REMOVAL = 6;

/**
 * Deletes the block groups on the list of unused ones that are still unused: one run of the kernel's cleaner. Returns how
 * many; none on a read-only file system. A group that is in use again, read-only or the last of its kind leaves the list;
 * one whose space may be needed soon stays. Throws what aborted the transaction.
 */
export function* deleteUnusedBlockGroups(fs: FsInfo): Task<number> {
  if (fs.isReadOnly || !fs.space.lists.hasUnused) return 0;
  const cleaner = yield* fs.cleanerMutex.acquire();
  try {
    const deletion = yield* fs.deleteUnusedMutex.acquire();
    try {
      return yield* deleteAll(fs);
    } finally {
      deletion.release();
    }
  } finally {
    cleaner.release();
  }
}

function* deleteAll(fs: FsInfo): Task<number> {
  const needed: BlockGroup[] = [];
  let deleted = 0;
  while (fs.space.lists.hasUnused) {
    yield* fs.world.point('cleaner-pick');
    const group = fs.space.lists.takeUnused();
    if (group === null) break;
    const decision = pick(fs, group);
    if (decision === 'delete') {
      if (yield* deleteGroup(fs, group)) deleted++;
      else needed.push(group);
    } else if (decision === 'keep') needed.push(group);
    putGroup(fs, group);
  }
  for (const group of needed) markUnused(fs, group);
  return deleted;
}

/** Decides about a group, and holds it read-only when it is to be deleted: in one step, so that nobody gets in between. */
function pick(fs: FsInfo, group: BlockGroup): 'delete' | 'keep' | 'forget' {
  fs.world.touch(group.resource, 'write');
  const isMixed = (group.flags & BLOCK_GROUP_FLAG.DATA) !== 0 && (group.flags & BLOCK_GROUP_FLAG.METADATA) !== 0;
  if (isMixed || !group.isEmpty || group.readOnlyHolders > 0 || fs.space.countGroupsLike(group) === 1) return 'forget';
  return increaseReadOnlyPlain(fs, group, false) ? 'delete' : 'keep';
}

/** False when there is no metadata space for it: it stays. */
function* deleteGroup(fs: FsInfo, group: BlockGroup): Task<boolean> {
  let handle: TransactionHandle;
  try {
    handle = yield* startTransaction(fs, { items: ITEMS_PER_REMOVAL, releasesSpace: true });
  } catch (error) {
    decreaseReadOnly(fs, group);
    if (error instanceof FsError && error.code === 'ENOSPC') return false;
    putGroup(fs, group);
    throw error;
  }
  try {
    yield* removeWith(handle, group);
    yield* createPendingBlockGroups(handle);
    return true;
  } catch (error) {
    putGroup(fs, group);
    throw error;
  } finally {
    leaveTransaction(handle);
  }
}

/** With `discard`, its place stays taken until the commit is durable and its bytes are discarded. */
function* removeWith(handle: TransactionHandle, group: BlockGroup): Task<void> {
  const { fs, transaction } = handle;
  const discards = fs.discard;
  if (discards) freezeGroup(fs, group);
  try {
    yield* removeChunk(handle, group);
  } catch (error) {
    if (discards) unfreezeGroup(fs, group);
    throw error;
  }
  if (!discards) return;
  // A scrub may have put it back on the list of unused ones meanwhile.
  fs.space.lists.takeOff(group);
  group.list = 'deleted';
  getGroup(fs, group);
  transaction.deletedGroups.push(group);
}
