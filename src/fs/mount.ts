import { sameBytes } from '../base/bytes.ts';
import { type LogicalAddress, SECTOR_SIZE } from '../base/units.ts';
import type { Task } from '../task/task.ts';
import type { World } from '../task/world.ts';
import { FsError } from './errors.ts';
import { type ChunkItem, decodeChunk, STRIPE_LENGTH } from './format/chunk.ts';
import { INCOMPAT } from './format/feature-flags.ts';
import { FormatError } from './format/format-error.ts';
import { KEY_TYPE, OBJECT_ID, TREE_ID } from './format/key.ts';
import { SUPERBLOCK, type Superblock } from './format/superblock.ts';
import { blockChunkTreeUuid } from './format/tree-block.ts';
import { readBlockGroups, readFreeSpace } from './mount/block-groups-read.ts';
import { type FoundSuperblock, newestOf, readSuperblocks, refuseUnsupported } from './mount/superblock-read.ts';
import { commitTransaction } from './transaction/commit.ts';
import { FsInfo, type FsOptions } from './transaction/fs-info.ts';
import { openRootTrees, openTree } from './transaction/open-tree.ts';
import { searchTree } from './tree/cursor.ts';
import type { Tree } from './tree/tree.ts';
import { isCopyProfile } from './volume/chunk-map.ts';

export type MountOptions = FsOptions;

/**
 * Opens the file system on the world's devices: superblock, system chunks, chunk tree, roots, block groups, free space.
 * Throws EINVAL with every reason for which the superblock is refused, EIO where a block cannot be read, EUCLEAN where
 * structures contradict each other.
 */
export function* mount(world: World, options: MountOptions): Task<FsInfo> {
  try {
    const devices = yield* readSuperblocks(world);
    const newest = newestOf(devices);
    refuseUnsupported(newest, options.readOnly === true);
    const fs = new FsInfo(world, options, newest.superblock, metadataFsid(newest.superblock));
    addDevices(fs, devices, newest);
    for (const { key, chunk } of newest.systemChunks) addChunk(fs, key.offset, chunk);
    const chunk = yield* openChunkTree(fs);
    yield* readChunks(fs, chunk);
    yield* openRootTrees(fs, chunk);
    yield* readBlockGroups(fs);
    yield* readFreeSpace(fs);
    if (world.observed) world.observe({ kind: 'block-groups', groups: fs.space.allGroups() });
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
}

function metadataFsid(superblock: Superblock): Uint8Array {
  return (superblock.incompatFlags & INCOMPAT.METADATA_UUID) !== 0 ? superblock.metadataUuid : superblock.fsid;
}

function addDevices(fs: FsInfo, found: readonly FoundSuperblock[], newest: FoundSuperblock): void {
  for (const { device, bytes, superblock } of found) {
    const id = superblock.deviceItem.devid;
    if (!sameBytes(superblock.fsid, newest.superblock.fsid)) {
      throw new FsError(
        'EINVAL',
        `mount: device ${device.index} belongs to another file system than device ${newest.device.index}`,
      );
    }
    if (fs.volume.hasDevice(id)) throw new FsError('EINVAL', `mount: two devices say they are devid ${id}`);
    fs.volume.addDevice(id, device);
    fs.superblockBytes.set(id, superblockForDevice(newest.bytes, bytes));
  }
  const { numDevices } = fs.superblock;
  const present = fs.volume.deviceIds().length;
  if (present < numDevices) throw new FsError('EINVAL', `mount: ${present} of ${numDevices} devices are present`);
}

/** A device that missed the last commits gets the newest content, with its own device item. */
function superblockForDevice(newest: Uint8Array, own: Uint8Array): Uint8Array {
  if (newest === own) return own;
  const bytes = newest.slice();
  const { at, size } = SUPERBLOCK.fields.deviceItem;
  bytes.set(own.subarray(at, at + size), at);
  return bytes;
}

function addChunk(fs: FsInfo, logical: LogicalAddress, chunk: ChunkItem): void {
  const problems: string[] = [];
  if (chunk.length <= 0 || chunk.length % SECTOR_SIZE !== 0) problems.push(`length ${chunk.length}`);
  if (logical % SECTOR_SIZE !== 0) problems.push('unaligned start');
  if (chunk.stripeLength !== STRIPE_LENGTH)
    problems.push(`stripe length ${chunk.stripeLength}, expect ${STRIPE_LENGTH}`);
  if (!isCopyProfile(chunk.type)) problems.push(`a striped profile (type ${chunk.type}), which is not supported yet`);
  for (const stripe of chunk.stripes) {
    if (!fs.volume.hasDevice(stripe.devid)) {
      problems.push(`a stripe on devid ${stripe.devid}, which is missing`);
    } else if (stripe.offset < 0 || stripe.offset + chunk.length > fs.volume.device(stripe.devid).size) {
      problems.push(`a stripe that ends at ${stripe.offset + chunk.length}, past the end of its device`);
    }
  }
  const before = fs.volume
    .chunks()
    .find((other) => other.logical < logical + chunk.length && logical < other.logical + other.length);
  if (before !== undefined) problems.push(`an overlap with chunk ${before.logical}`);
  if (problems.length > 0) throw new FsError('EUCLEAN', `mount: chunk ${logical} has ${problems.join(', ')}`);
  fs.volume.addChunk({
    logical,
    length: chunk.length,
    flags: chunk.type,
    stripeLength: chunk.stripeLength,
    stripes: chunk.stripes.map((stripe) => ({ device: stripe.devid, physical: stripe.offset })),
  });
}

function* openChunkTree(fs: FsInfo): Task<Tree> {
  const { chunkRoot, chunkRootGeneration, chunkRootLevel } = fs.superblock;
  const tree = yield* openTree(fs, TREE_ID.CHUNK_TREE, chunkRoot, chunkRootGeneration, chunkRootLevel);
  fs.chunkTreeUuid = blockChunkTreeUuid(tree.root.view).slice();
  return tree;
}

function* readChunks(fs: FsInfo, tree: Tree): Task<void> {
  const from = { objectid: OBJECT_ID.FIRST_CHUNK_TREE, type: KEY_TYPE.CHUNK_ITEM, offset: 0 };
  const cursor = yield* searchTree(fs, tree, from);
  try {
    while (cursor.isAt(OBJECT_ID.FIRST_CHUNK_TREE, KEY_TYPE.CHUNK_ITEM)) {
      const logical = cursor.offset;
      if (fs.volume.chunkAt(logical)?.logical !== logical) addChunk(fs, logical, decodeChunk(cursor.data));
      yield* cursor.next();
    }
  } finally {
    cursor.release();
  }
}
