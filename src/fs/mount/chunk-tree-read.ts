import { type LogicalAddress, SECTOR_SIZE, type TreeId } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { type ChunkItem, decodeChunk, STRIPE_LENGTH } from '../format/chunk.ts';
import { DEVICE_ITEM, type DeviceItem } from '../format/device.ts';
import { KEY_TYPE, OBJECT_ID, TREE_ID } from '../format/key.ts';
import { blockChunkTreeUuid } from '../format/tree-block.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { openTree } from '../transaction/open-tree.ts';
import { searchTree } from '../tree/cursor.ts';
import type { Tree } from '../tree/tree.ts';
import type { Chunk } from '../volume/chunk-map.ts';
import { deviceExtentLength, profileOf, stripeCountProblem } from '../volume/profiles.ts';
import type { MemberDevices } from './member-devices.ts';

export function* openChunkTree(fs: FsInfo): Task<Tree> {
  const { chunkRoot, chunkRootGeneration, chunkRootLevel } = fs.superblock;
  const id: TreeId = TREE_ID.CHUNK_TREE;
  const tree = yield* openTree(fs, id, chunkRoot, chunkRootGeneration, chunkRootLevel);
  fs.chunkTreeUuid = blockChunkTreeUuid(tree.root.view).slice();
  return tree;
}

/**
 * Reads the items of all members, then those of all chunks. Throws ENOENT for a missing device (unless degraded),
 * EINVAL where a device is smaller than its item says, EUCLEAN for a chunk that cannot be.
 */
export function* readChunkTree(fs: FsInfo, tree: Tree, members: MemberDevices): Task<void> {
  const from = { objectid: OBJECT_ID.DEV_ITEMS, type: KEY_TYPE.DEV_ITEM, offset: 0 };
  const cursor = yield* searchTree(fs, tree, from);
  let lastDevice = 0;
  try {
    while (cursor.isAt(OBJECT_ID.DEV_ITEMS, KEY_TYPE.DEV_ITEM)) {
      readDeviceItem(DEVICE_ITEM.decode(cursor.data), members);
      lastDevice = cursor.offset;
      yield* cursor.next();
    }
    checkDevices(fs, lastDevice);
    yield* cursor.seek(OBJECT_ID.FIRST_CHUNK_TREE, KEY_TYPE.CHUNK_ITEM, 0);
    while (cursor.isAt(OBJECT_ID.FIRST_CHUNK_TREE, KEY_TYPE.CHUNK_ITEM)) {
      const logical = cursor.offset;
      if (fs.volume.chunkAt(logical)?.logical !== logical) addChunk(fs, members, logical, decodeChunk(cursor.data));
      yield* cursor.next();
    }
  } finally {
    cursor.release();
  }
}

function readDeviceItem(item: DeviceItem, members: MemberDevices): void {
  const device = members.member(item.devid, item.uuid);
  const { block } = device;
  if (block !== null && item.totalBytes > block.size) {
    const sizes = `total_bytes should be at most ${block.size} but found ${item.totalBytes}`;
    throw new FsError('EINVAL', `mount: devid ${item.devid} on device ${block.index}: ${sizes}`);
  }
  device.totalBytes = item.totalBytes;
  device.committedTotalBytes = item.totalBytes;
  device.bytesUsed = item.bytesUsed;
  device.committedBytesUsed = item.bytesUsed;
}

/** Linux repairs a wrong number of devices with the next commit, but refuses a total that is too small. */
function checkDevices(fs: FsInfo, lastDevice: number): void {
  if (lastDevice === 0) throw new FsError('EUCLEAN', 'mount: the chunk tree has no device item');
  let writableBytes = 0;
  for (const { block, totalBytes } of fs.volume.devices()) if (block !== null) writableBytes += totalBytes;
  if (fs.superblock.totalBytes >= writableBytes) return;
  const mismatch = `super_total_bytes ${fs.superblock.totalBytes} mismatch with fs_devices total_rw_bytes ${writableBytes}`;
  throw new FsError('EINVAL', `mount: ${mismatch}`);
}

/** Of the superblock's array, or of the chunk tree. Throws EUCLEAN, EINVAL, ENOENT. */
export function addChunk(fs: FsInfo, members: MemberDevices, logical: LogicalAddress, item: ChunkItem): void {
  const profile = profileOf(item.type);
  if (!profile.isSupported) {
    throw new FsError('EINVAL', `mount: chunk ${logical} is ${profile.name}, which is not supported yet`);
  }
  const problems = problemsOf(fs, logical, item);
  if (problems.length > 0) throw new FsError('EUCLEAN', `mount: chunk ${logical} has ${problems.join(', ')}`);
  const chunk: Chunk = {
    logical,
    length: item.length,
    flags: item.type,
    stripeLength: item.stripeLength,
    stripes: item.stripes.map(({ devid, offset, deviceUuid }) => ({
      device: members.member(devid, deviceUuid),
      physical: offset,
    })),
  };
  const length = deviceExtentLength(chunk);
  for (const { device, physical } of chunk.stripes) {
    if (device.block === null || physical + length <= device.block.size) continue;
    const end = `a stripe that ends at ${physical + length}, past the end of devid ${device.id}`;
    throw new FsError('EUCLEAN', `mount: chunk ${logical} has ${end}`);
  }
  fs.volume.addChunk(chunk);
}

function problemsOf(fs: FsInfo, logical: LogicalAddress, chunk: ChunkItem): string[] {
  const problems: string[] = [];
  if (chunk.length <= 0 || chunk.length % SECTOR_SIZE !== 0) problems.push(`length ${chunk.length}`);
  if (logical % SECTOR_SIZE !== 0) problems.push('unaligned start');
  if (chunk.stripeLength !== STRIPE_LENGTH)
    problems.push(`stripe length ${chunk.stripeLength}, expect ${STRIPE_LENGTH}`);
  const countProblem = stripeCountProblem(chunk.type, chunk.stripes.length);
  if (countProblem !== null) problems.push(countProblem);
  else if ((chunk.type & BLOCK_GROUP_FLAG.RAID0) !== 0 && chunk.length % (STRIPE_LENGTH * chunk.stripes.length) !== 0)
    problems.push(`length ${chunk.length}, expect whole rows of ${chunk.stripes.length} stripes`);
  if (chunk.stripes.some(({ offset }) => offset < 0)) problems.push('a stripe before the start of its device');
  if (chunk.stripes.some(({ offset }) => offset % SECTOR_SIZE !== 0)) problems.push('a stripe at an unaligned offset');
  const overlap = fs.volume
    .chunks()
    .find((other) => other.logical < logical + chunk.length && logical < other.logical + other.length);
  if (overlap !== undefined) problems.push(`an overlap with chunk ${overlap.logical}`);
  return problems;
}
