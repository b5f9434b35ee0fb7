import type { Task } from '../task/task.ts';
import type { World } from '../task/world.ts';
import { FsError } from './errors.ts';
import { INCOMPAT } from './format/feature-flags.ts';
import { FormatError } from './format/format-error.ts';
import type { Superblock } from './format/superblock.ts';
import { readBlockGroups, readFreeSpace } from './mount/block-groups-read.ts';
import { addChunk, openChunkTree, readChunkTree } from './mount/chunk-tree-read.ts';
import { readDeviceState } from './mount/device-tree-read.ts';
import { MemberDevices } from './mount/member-devices.ts';
import { newestOf, readSuperblocks, refuseUnsupported } from './mount/superblock-read.ts';
import { snapshotOfGroups } from './transaction/block-group-observation.ts';
import { commitTransaction } from './transaction/commit.ts';
import { fillUnallocated } from './transaction/device-space.ts';
import { freeBlockGroups } from './transaction/free-block-groups.ts';
import { rebuildFreeSpaceTree } from './transaction/free-space-rebuild.ts';
import { FsInfo, type FsOptions } from './transaction/fs-info.ts';
import { tooManyMissing } from './transaction/missing-devices.ts';
import { openRootTrees } from './transaction/open-tree.ts';
import { scratchSuperblocks } from './transaction/scratch-superblocks.ts';

export type MountOptions = FsOptions;

const LOG_NOT_REPLAYED =
  'the log tree was not replayed: what was written and fsynced after the last commit is not seen';

/**
 * Opens the file system on the world's devices: superblocks, system chunks, chunk tree, roots, block groups, free space.
 * Devices without a superblock are no members.
 *
 * Throws EINVAL with every reason for which the superblock is refused, ENOENT for a missing device unless `degraded`,
 * EINVAL when too many are missing for a mount that may write, EIO where a block cannot be read, EUCLEAN where
 * structures contradict each other.
 */
export function* mount(world: World, options: MountOptions): Task<FsInfo> {
  try {
    const found = yield* readSuperblocks(world);
    const newest = newestOf(found);
    const isReadOnly = options.readOnly === true;
    refuseUnsupported(newest, isReadOnly);
    const fs = new FsInfo(world, options, newest.superblock, metadataFsid(newest.superblock));
    if (newest.problemsOfWriting.length > 0) fs.whyNotWritable = newest.problemsOfWriting.join('; ');
    if (newest.superblock.logRoot !== 0) fs.notes.push(LOG_NOT_REPLAYED);
    fs.superblockBytes = newest.bytes;
    const members = new MemberDevices(fs, found, newest);
    for (const { key, chunk } of newest.systemChunks) addChunk(fs, members, key.offset, chunk);
    const chunk = yield* openChunkTree(fs);
    yield* readChunkTree(fs, chunk, members);
    fillUnallocated(fs.volume);
    yield* openRootTrees(fs, chunk);
    yield* readDeviceState(fs, members.replaceTarget());
    yield* scratchReplacedSource(fs, members);
    yield* readBlockGroups(fs);
    if (!isReadOnly) refuseTooManyMissing(fs);
    yield* readFreeSpace(fs);
    if (!isReadOnly) yield* rebuildFreeSpaceTree(fs);
    observeBlockGroups(fs);
    return fs;
  } catch (error) {
    if (error instanceof FormatError) throw new FsError('EUCLEAN', `mount: ${error.message}`);
    throw error;
  }
}

/**
 * Commits what is left, and lets go of everything. After an abort nothing is written. The caller has closed all files
 * and waited for its own tasks.
 */
export function* unmountCore(fs: FsInfo): Task<void> {
  if (!fs.isReadOnly) yield* commitTransaction(fs);
  freeBlockGroups(fs);
}

function metadataFsid(superblock: Superblock): Uint8Array {
  return (superblock.incompatFlags & INCOMPAT.METADATA_UUID) !== 0 ? superblock.metadataUuid : superblock.fsid;
}

/** Done with the end of a device replace, unless the power went before. */
function* scratchReplacedSource(fs: FsInfo, members: MemberDevices): Task<void> {
  if (fs.isReadOnly || fs.volume.replace.phase !== 'finished') return;
  for (const device of members.leftBehind()) yield* scratchSuperblocks(fs, device);
}

function refuseTooManyMissing(fs: FsInfo): void {
  const problem = tooManyMissing(fs.volume);
  if (problem === null) return;
  throw new FsError('EINVAL', `mount: ${problem}; writable mount is not allowed due to too many missing devices`);
}

function observeBlockGroups(fs: FsInfo): void {
  if (!fs.world.observed) return;
  fs.world.observe({ kind: 'block-groups', moment: 'mounted', ...snapshotOfGroups(fs) });
}
