import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { BLOCK_GROUP_FLAG, showBlockGroupFlags } from '../format/block-group.ts';
import type { BlockGroup } from '../space/block-group.ts';
import { SPACE } from '../space/space.ts';
import { allocateChunk, createPendingBlockGroups } from './chunk-allocation.ts';
import { eraseChunkMap } from './chunk-map-erase.ts';
import { waitUntilCompleted } from './commit.ts';
import type { FsInfo } from './fs-info.ts';
import { joinTransaction, leaveTransaction, type TransactionHandle } from './handle.ts';
import { GROUP_ITEMS } from './shared-state.ts';

/** Takes a reference: the group stays in memory, wherever else it goes. */
export function getGroup(fs: FsInfo, group: BlockGroup): void {
  fs.space.lists.get(group);
}

/** Gives a reference back. Nothing checks that there is one: a group freed twice must show in its counter. */
export function putGroup(fs: FsInfo, group: BlockGroup): void {
  fs.space.lists.put(group);
}

/** The group that holds `logical`, with a reference, or null. */
export function findAndGetGroup(fs: FsInfo, logical: number): BlockGroup | null {
  fs.world.touch(SPACE, 'read');
  const group = fs.space.findGroup(logical);
  if (group !== null) getGroup(fs, group);
  return group;
}

/** Puts the group on the list for the cleaner, unless it is on one. */
export function markUnused(fs: FsInfo, group: BlockGroup): void {
  fs.space.lists.markUnused(group);
}

/** Keeps the chunk where it is, logically and on the devices, even when the group is removed. Plain. */
export function freezeGroup(fs: FsInfo, group: BlockGroup): void {
  fs.world.touch(group.resource, 'write');
  group.frozen++;
}

/** Whoever is the last to let go of a removed group erases its chunk map. Plain. */
export function unfreezeGroup(fs: FsInfo, group: BlockGroup): void {
  fs.world.touch(group.resource, 'write');
  group.frozen--;
  if (group.frozen === 0 && group.isRemoved) eraseChunkMap(fs, group);
}

export interface ReadOnlyOptions {
  /** When the rest of the space would not do, allocate a chunk and try again: who needs the group read-only. */
  readonly mayAllocateChunk: boolean;
}

/**
 * One more holds the group read-only: no space of it is given out until `decreaseReadOnly`. Waits for a commit that
 * writes block group items already. Throws ENOSPC when the rest of the space would not hold what is promised, EROFS on
 * an aborted file system. The caller holds no handle and lets scrub pauses pass.
 */
export function* increaseReadOnly(fs: FsInfo, group: BlockGroup, options: ReadOnlyOptions): Task<void> {
  // Without writers there is no transaction to enter, and nobody to wait for.
  if (fs.mountedReadOnly) return holdOrThrow(fs, group);
  for (;;) {
    const handle = yield* joinTransaction(fs);
    let isCommitted = true;
    try {
      const held = yield* fs.readOnlyGroupsMutex.acquire();
      try {
        fs.world.touch(GROUP_ITEMS, 'read');
        isCommitted = handle.transaction.writesGroupItems;
        if (!isCommitted) {
          if (yield* holdWithChunk(fs, group, handle, options)) return;
          throw noSpace(group);
        }
      } finally {
        held.release();
      }
    } finally {
      leaveTransaction(handle);
    }
    yield* waitUntilCompleted(fs, handle.transaction);
  }
}

function* holdWithChunk(
  fs: FsInfo,
  group: BlockGroup,
  handle: TransactionHandle,
  { mayAllocateChunk }: ReadOnlyOptions,
): Task<boolean> {
  const failure = fs.world.mayFail('set-read-only');
  if (failure !== null) throw new FsError(failure, `setting block group ${group.start} read-only`);
  if (increaseReadOnlyPlain(fs, group, false)) return true;
  if (!mayAllocateChunk) return false;
  try {
    yield* allocateChunk(handle, group.type);
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOSPC') return false;
    throw error;
  }
  yield* createPendingBlockGroups(handle);
  return increaseReadOnlyPlain(fs, group, false);
}

function holdOrThrow(fs: FsInfo, group: BlockGroup): void {
  const failure = fs.world.mayFail('set-read-only');
  if (failure !== null) throw new FsError(failure, `setting block group ${group.start} read-only`);
  if (!increaseReadOnlyPlain(fs, group, false)) throw noSpace(group);
}

function noSpace(group: BlockGroup): FsError {
  const kind = showBlockGroupFlags(group.flags);
  return new FsError('ENOSPC', `setting block group ${group.start} (${kind}) read-only: too little would be left`);
}

/**
 * As `increaseReadOnly` without a transaction, and at once. False when the rest of the space would not hold what is
 * promised; `force` does not ask.
 */
export function increaseReadOnlyPlain(fs: FsInfo, group: BlockGroup, force: boolean): boolean {
  return fs.space.tryHoldReadOnly(group, force);
}

/** One fewer holds the group read-only. Plain. */
export function decreaseReadOnly(fs: FsInfo, group: BlockGroup): void {
  fs.space.dropReadOnly(group);
}

/** Until no data reservation of before is without its ordered extent. Only data groups have any. */
export function* waitForReservations(group: BlockGroup): Task<void> {
  if ((group.flags & BLOCK_GROUP_FLAG.DATA) !== 0) yield* group.reservations.waitZero();
}

/** Until no writer in place that found the group writable is without its ordered extent. */
export function* waitForNocowWriters(group: BlockGroup): Task<void> {
  yield* group.nocowWriters.waitZero();
}
