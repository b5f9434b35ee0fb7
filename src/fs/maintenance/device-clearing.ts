import type { PhysicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { BLOCK_GROUP_TYPE_MASK, showBlockGroupFlags } from '../format/block-group.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { markUnused } from '../transaction/block-group-holds.ts';
import { allocateChunkOnDemand } from '../transaction/chunk-allocation.ts';
import { commitTransaction } from '../transaction/commit.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';
import type { Chunk } from '../volume/chunk-map.ts';
import type { Device } from '../volume/device.ts';
import { deviceExtentsOf } from '../volume/profiles.ts';
import { deleteUnusedBlockGroups } from './cleaner.ts';

/** The volume-change mutex: one at a time, and none while a device replace is under way. Throws EROFS, EINPROGRESS. */
export function* beginChange(fs: FsInfo, what: 'device add' | 'device remove' | 'resize'): Task<Held> {
  throwIfReadOnly(fs);
  const held = yield* fs.volumeChangeMutex.acquire();
  try {
    throwIfReadOnly(fs);
    if (isReplaceUnderWay(fs)) {
      const other = "another exclusive operation 'device replace' in progress";
      throw new FsError('EINPROGRESS', `unable to start ${what}, ${other}`);
    }
    return held;
  } catch (error) {
    held.release();
    throw error;
  }
}

/**
 * To its very end: after the swap, or after a cancellation, the disk that is left over has yet to lose its superblocks,
 * and must not become a member before.
 */
export function isReplaceUnderWay({ volume: { replace } }: FsInfo): boolean {
  return replace.phase === 'started' || replace.phase === 'suspended' || replace.running.value > 0;
}

/**
 * Deletes what is unused on the device at or after `start`; where that is all there is of its kind, after another chunk
 * was allocated elsewhere. Returns a chunk that is left there, or null.
 */
export function* clearOut(fs: FsInfo, device: Device, start: PhysicalAddress): Task<Chunk | null> {
  yield* deleteUnusedBlockGroups(fs);
  let before: Chunk | null = null;
  for (;;) {
    const chunk = yield* chunkBehind(fs, device, start);
    if (chunk === null || chunk === before) return chunk;
    before = chunk;
    const group = fs.space.findGroup(chunk.logical);
    if (group === null || !group.isEmpty) return chunk;
    // What was deleted just now can be had again after the commit only.
    yield* commitTransaction(fs);
    if (fs.space.findGroup(chunk.logical) !== group) continue;
    // Before the new one, which is unused too: the cleaner keeps the last that it comes to.
    markUnused(fs, group);
    if (fs.space.countGroupsLike(group) === 1) yield* allocateChunkOnDemand(fs, group.flags & BLOCK_GROUP_TYPE_MASK);
    yield* deleteUnusedBlockGroups(fs);
  }
}

/** The first chunk with a byte on the device at or after `start`, or null. */
function* chunkBehind(fs: FsInfo, device: Device, start: PhysicalAddress): Task<Chunk | null> {
  const held = yield* fs.chunkMutex.acquire();
  const isBehind = (chunk: Chunk) =>
    deviceExtentsOf(chunk).some((extent) => extent.device === device && extent.physical + extent.length > start);
  const chunk = fs.volume.chunks().find(isBehind) ?? null;
  held.release();
  return chunk;
}

export function needsRelocation(what: string, chunk: Chunk): FsError {
  const type = showBlockGroupFlags(chunk.flags);
  return new FsError('EOPNOTSUPP', `${what}: chunk ${chunk.logical} (${type}) would have to be relocated`);
}

/** Memory says already what the trees could not be told. */
export function abortOn(fs: FsInfo, error: unknown): void {
  if (error instanceof FsError) abortTransaction(fs, error.code, error.where);
}
