import { viewOf } from '../base/bytes.ts';
import type { Generation, LogicalAddress, TreeId } from '../base/units.ts';
import { SECTOR_SIZE } from '../base/units.ts';
import type { Task } from '../task/task.ts';
import type { BlockDevice, World } from '../task/world.ts';
import { FsError } from './errors.ts';
import { BLOCK_GROUP_ITEM } from './format/block-group.ts';
import { type ChunkItem, decodeChunk, STRIPE_LENGTH } from './format/chunk.ts';
import { COMPAT_RO, INCOMPAT } from './format/feature-flags.ts';
import { FormatError } from './format/format-error.ts';
import { KEY_TYPE, OBJECT_ID, TREE_ID } from './format/key.ts';
import {
  ROOT_ITEM_SIZE,
  rootItemBytenr,
  rootItemGeneration,
  rootItemLevel,
} from './format/root-item.ts';
import {
  CHECKSUM_TYPE,
  decodeSuperblock,
  hasSuperblockMagic,
  SUPERBLOCK,
  SUPERBLOCK_OFFSETS,
  SUPERBLOCK_RESERVED_LENGTH,
  SUPERBLOCK_SIZE,
  type Superblock,
  superblockChecksumMatches,
  superblockFeatures,
  systemChunks,
} from './format/superblock.ts';
import { blockChunkTreeUuid, LEVEL_MAX, NODE_SIZE_MAX, NODE_SIZE_MIN } from './format/tree-block.ts';
import { BlockGroup } from './space/block-group.ts';
import { commitTransaction } from './transaction/commit.ts';
import { loadFreeSpace } from './transaction/free-space-tree.ts';
import { FsInfo, type FsOptions } from './transaction/fs-info.ts';
import { Cursor, searchTree } from './tree/cursor.ts';
import { readTreeBlock } from './tree/tree-block-read.ts';
import { Tree } from './tree/tree.ts';
import { isCopyProfile } from './volume/chunk-map.ts';

export type MountOptions = FsOptions;

const SUPPORTED_INCOMPAT = new Set([
  'MIXED_BACKREF',
  'DEFAULT_SUBVOL',
  'MIXED_GROUPS',
  'BIG_METADATA',
  'EXTENDED_IREF',
  'SKINNY_METADATA',
  'NO_HOLES',
  'METADATA_UUID',
]);
const SUPPORTED_COMPAT_RO = new Set(['FREE_SPACE_TREE', 'FREE_SPACE_TREE_VALID', 'BLOCK_GROUP_TREE']);

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
    addSystemChunks(fs);
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

interface FoundSuperblock {
  readonly device: BlockDevice;
  readonly bytes: Uint8Array;
  readonly superblock: Superblock;
}

function* readSuperblocks(world: World): Task<FoundSuperblock[]> {
  const found: FoundSuperblock[] = [];
  const problems: string[] = [];
  for (const device of world.devices) {
    const result = yield* device.perform({
      operation: 'read',
      offset: SUPERBLOCK_OFFSETS[0]!,
      length: SUPERBLOCK_SIZE,
      purpose: { kind: 'superblock' },
    });
    if (result.error !== null) {
      problems.push(`device ${device.index}: read of the superblock failed with ${result.error}`);
      continue;
    }
    const { bytes } = result;
    if (!hasSuperblockMagic(bytes)) problems.push(`device ${device.index}: no btrfs superblock at ${SUPERBLOCK_OFFSETS[0]}`);
    else if (viewOf(bytes).getUint16(196, true) === CHECKSUM_TYPE.CRC32C && !superblockChecksumMatches(bytes)) {
      problems.push(`device ${device.index}: superblock checksum mismatch`);
    } else found.push({ device, bytes, superblock: decodeSuperblock(bytes) });
  }
  if (found.length > 0) return found;
  const isUnread = problems.some((problem) => problem.includes('failed with'));
  throw new FsError(isUnread ? 'EIO' : 'EINVAL', `mount: ${problems.length === 0 ? 'no device' : problems.join('; ')}`);
}

function newestOf(found: readonly FoundSuperblock[]): FoundSuperblock {
  return found.reduce((best, next) => (next.superblock.generation > best.superblock.generation ? next : best));
}

/** Refuses with all reasons at once. */
function refuseUnsupported({ superblock, bytes, device }: FoundSuperblock, isReadOnly: boolean): void {
  const problems: string[] = [];
  const { nodeSize, sectorSize, leafSize } = superblock;
  const features = superblockFeatures(bytes);
  const unsupported = features.incompat.filter((name) => !SUPPORTED_INCOMPAT.has(name));
  if (unsupported.length > 0) problems.push(`unsupported incompat features: ${unsupported.join(', ')}`);
  const unsupportedRo = features.compatRo.filter((name) => !SUPPORTED_COMPAT_RO.has(name));
  if (unsupportedRo.length > 0 && !isReadOnly) {
    problems.push(`unsupported compat_ro features (a read-only mount would do): ${unsupportedRo.join(', ')}`);
  }
  const { checksumType } = superblock;
  if (checksumType !== CHECKSUM_TYPE.CRC32C) problems.push(`checksum type ${checksumType}, expect ${CHECKSUM_TYPE.CRC32C} (crc32c)`);
  if (sectorSize !== SECTOR_SIZE) problems.push(`sectorsize ${sectorSize}, expect ${SECTOR_SIZE}`);
  const isPowerOfTwo = (nodeSize & (nodeSize - 1)) === 0;
  if (nodeSize < NODE_SIZE_MIN || nodeSize > NODE_SIZE_MAX || !isPowerOfTwo) {
    problems.push(`nodesize ${nodeSize}, expect a power of two in [${NODE_SIZE_MIN}, ${NODE_SIZE_MAX}]`);
  }
  if (leafSize !== nodeSize) problems.push(`leafsize ${leafSize}, expect the nodesize ${nodeSize}`);
  for (const [name, address] of [['root', superblock.root], ['chunk_root', superblock.chunkRoot]] as const) {
    if (address <= 0 || address % SECTOR_SIZE !== 0) problems.push(`${name} ${address}, expect a multiple of ${SECTOR_SIZE}`);
  }
  for (const [name, level] of [['root_level', superblock.rootLevel], ['chunk_root_level', superblock.chunkRootLevel]] as const) {
    if (level > LEVEL_MAX) problems.push(`${name} ${level}, expect at most ${LEVEL_MAX}`);
  }
  if (superblock.bytenr !== SUPERBLOCK_OFFSETS[0]) problems.push(`bytenr ${superblock.bytenr}, expect ${SUPERBLOCK_OFFSETS[0]}`);
  if (superblock.systemChunkArray.length === 0) problems.push('sys_chunk_array is empty');
  if (superblock.logRoot !== 0) problems.push('it has a log tree to replay, which is not supported yet');
  if (superblock.deviceItem.totalBytes > device.size) {
    problems.push(`the device has ${device.size} bytes, expect at least ${superblock.deviceItem.totalBytes}`);
  }
  if ((superblock.incompatFlags & INCOMPAT.MIXED_GROUPS) !== 0 && nodeSize !== sectorSize) {
    problems.push(`mixed block groups with nodesize ${nodeSize}, expect the sectorsize ${sectorSize}`);
  }
  if (problems.length > 0) throw new FsError('EINVAL', `mount: superblock: ${problems.join('; ')}`);
}

function metadataFsid(superblock: Superblock): Uint8Array {
  return (superblock.incompatFlags & INCOMPAT.METADATA_UUID) !== 0 ? superblock.metadataUuid : superblock.fsid;
}

function addDevices(fs: FsInfo, found: readonly FoundSuperblock[], newest: FoundSuperblock): void {
  for (const { device, bytes, superblock } of found) {
    const id = superblock.deviceItem.devid;
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

function addSystemChunks(fs: FsInfo): void {
  for (const { key, chunk } of systemChunks(fs.superblock)) addChunk(fs, key.offset, chunk);
}

function addChunk(fs: FsInfo, logical: LogicalAddress, chunk: ChunkItem): void {
  const problems: string[] = [];
  if (chunk.length <= 0 || chunk.length % SECTOR_SIZE !== 0) problems.push(`length ${chunk.length}`);
  if (logical % SECTOR_SIZE !== 0) problems.push('unaligned start');
  if (chunk.stripeLength !== STRIPE_LENGTH) problems.push(`stripe length ${chunk.stripeLength}, expect ${STRIPE_LENGTH}`);
  if (!isCopyProfile(chunk.type)) problems.push(`a striped profile (type ${chunk.type}), which is not supported yet`);
  for (const stripe of chunk.stripes) {
    if (!fs.volume.hasDevice(stripe.devid)) {
      problems.push(`a stripe on devid ${stripe.devid}, which is missing`);
    } else if (stripe.offset < 0 || stripe.offset + chunk.length > fs.volume.device(stripe.devid).size) {
      problems.push(`a stripe that ends at ${stripe.offset + chunk.length}, past the end of its device`);
    }
  }
  const before = fs.volume.chunks().find((other) => other.logical < logical + chunk.length && logical < other.logical + other.length);
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
  const tree = yield* openTree(fs, TREE_ID.CHUNK_TREE, chunkRoot, chunkRootGeneration, chunkRootLevel, EMPTY);
  fs.chunkTreeUuid = blockChunkTreeUuid(tree.root.view).slice();
  return tree;
}

const EMPTY = new Uint8Array(0);

function* openTree(
  fs: FsInfo,
  id: TreeId,
  address: LogicalAddress,
  generation: Generation,
  level: number,
  rootItem: Uint8Array,
  rootKeyOffset = 0,
): Task<Tree> {
  const purpose = { kind: 'tree-block', tree: id } as const;
  const root = yield* readTreeBlock(fs, { id, purpose }, address, generation, level);
  return new Tree(fs.world, id, root, rootItem, rootKeyOffset);
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

function* openRootTrees(fs: FsInfo, chunk: Tree): Task<void> {
  const { superblock } = fs;
  const root = yield* openTree(fs, TREE_ID.ROOT_TREE, superblock.root, superblock.generation, superblock.rootLevel, EMPTY);
  const cursor = yield* searchTree(fs, root, { objectid: TREE_ID.EXTENT_TREE, type: KEY_TYPE.ROOT_ITEM, offset: 0 });
  try {
    const extent = yield* openByRootItem(fs, cursor, TREE_ID.EXTENT_TREE);
    const dev = yield* openByRootItem(fs, cursor, TREE_ID.DEV_TREE);
    const top = yield* openByRootItem(fs, cursor, TREE_ID.FS_TREE);
    const csum = yield* openByRootItem(fs, cursor, TREE_ID.CSUM_TREE);
    const uuid = yield* openOptional(fs, cursor, TREE_ID.UUID_TREE);
    const freeSpace = yield* openFreeSpaceTree(fs, cursor);
    const hasGroupTree = (superblock.compatRoFlags & COMPAT_RO.BLOCK_GROUP_TREE) !== 0;
    const blockGroup = hasGroupTree ? yield* openByRootItem(fs, cursor, TREE_ID.BLOCK_GROUP_TREE) : null;
    const dataReloc = yield* openOptional(fs, cursor, TREE_ID.DATA_RELOC_TREE);
    fs.trees = { root, extent, chunk, dev, fs: top, csum, uuid, freeSpace, blockGroup, dataReloc };
  } finally {
    cursor.release();
  }
}

/** Valid only with both bits: without the second one its content is stale. */
function* openFreeSpaceTree(fs: FsInfo, cursor: Cursor): Task<Tree | null> {
  const flags = fs.superblock.compatRoFlags;
  const isUsable = (flags & COMPAT_RO.FREE_SPACE_TREE) !== 0 && (flags & COMPAT_RO.FREE_SPACE_TREE_VALID) !== 0;
  if (isUsable) return yield* openByRootItem(fs, cursor, TREE_ID.FREE_SPACE_TREE);
  return null;
}

function* openByRootItem(fs: FsInfo, cursor: Cursor, id: TreeId): Task<Tree> {
  const tree = yield* openOptional(fs, cursor, id);
  if (tree === null) throw new FsError('EUCLEAN', `mount: the root tree has no item of tree ${id}`);
  return tree;
}

function* openOptional(fs: FsInfo, cursor: Cursor, id: TreeId): Task<Tree | null> {
  yield* cursor.seek(id, KEY_TYPE.ROOT_ITEM, 0);
  if (!cursor.isAt(id, KEY_TYPE.ROOT_ITEM)) return null;
  return yield* openTreeAt(fs, cursor);
}

/** Opens the tree whose root item the cursor of the root tree is at. */
function* openTreeAt(fs: FsInfo, cursor: Cursor): Task<Tree> {
  const id = cursor.objectid;
  const { offset } = cursor;
  const item = new Uint8Array(ROOT_ITEM_SIZE);
  if (cursor.dataSize > ROOT_ITEM_SIZE) throw new FormatError('root item', `has ${cursor.dataSize} bytes, expect ${ROOT_ITEM_SIZE}`);
  item.set(cursor.data);
  const view = viewOf(item);
  return yield* openTree(fs, id, rootItemBytenr(view, 0), rootItemGeneration(view, 0), rootItemLevel(view, 0), item, offset);
}

/** The tree of a subvolume, from memory or opened by its root item; null when there is none with this id. */
export function* openSubvolumeTree(fs: FsInfo, id: TreeId): Task<Tree | null> {
  if (id === TREE_ID.FS_TREE) return fs.trees.fs;
  const known = fs.subvolumes.get(id);
  if (known !== undefined) return known;
  const cursor = yield* searchTree(fs, fs.trees.root, { objectid: id, type: KEY_TYPE.ROOT_ITEM, offset: 0 });
  try {
    if (!cursor.isAt(id, KEY_TYPE.ROOT_ITEM)) return null;
    const tree = yield* openTreeAt(fs, cursor);
    const meanwhile = fs.subvolumes.get(id);
    if (meanwhile !== undefined) return meanwhile;
    fs.subvolumes.set(id, tree);
    return tree;
  } finally {
    cursor.release();
  }
}

/** One group per chunk; each has its item in the extent tree or, with that feature, in the block group tree. */
function* readBlockGroups(fs: FsInfo): Task<void> {
  const tree = fs.trees.blockGroup ?? fs.trees.extent;
  const chunks = fs.volume.chunks();
  const cursor = yield* searchTree(fs, tree, {
    objectid: chunks[0]!.logical,
    type: KEY_TYPE.BLOCK_GROUP_ITEM,
    offset: chunks[0]!.length,
  });
  try {
    for (const { logical, length } of chunks) {
      yield* cursor.seek(logical, KEY_TYPE.BLOCK_GROUP_ITEM, length);
      if (!cursor.found) throw new FsError('EUCLEAN', `mount: chunk ${logical} of ${length} bytes has no block group item`);
      const { used, flags } = BLOCK_GROUP_ITEM.decode(cursor.data);
      if (used < 0 || used > length) throw new FsError('EUCLEAN', `mount: block group ${logical} uses ${used} of ${length} bytes`);
      fs.space.addGroup(new BlockGroup(logical, length, flags, used));
    }
  } finally {
    cursor.release();
  }
}

function* readFreeSpace(fs: FsInfo): Task<void> {
  const { freeSpace } = fs.trees;
  if (freeSpace === null) yield* findFreeSpaceByExtents(fs);
  else {
    const first = fs.space.allGroups()[0]!;
    const cursor = yield* searchTree(fs, freeSpace, {
      objectid: first.start,
      type: KEY_TYPE.FREE_SPACE_INFO,
      offset: first.length,
    });
    try {
      for (const group of fs.space.allGroups()) yield* loadFreeSpace(cursor, group);
    } finally {
      cursor.release();
    }
  }
  for (const group of fs.space.allGroups()) {
    const { free, length, used, start } = group;
    if (freeSpace !== null && free.bytes + used > length) {
      const problem = `uses ${used} of ${length} bytes while ${free.bytes} are free`;
      throw new FsError('EUCLEAN', `mount: block group ${start} ${problem}`);
    }
    keepSuperblocksFree(fs, group);
  }
}

/** Without a free space tree: free is what no extent item covers. */
function* findFreeSpaceByExtents(fs: FsInfo): Task<void> {
  for (const group of fs.space.allGroups()) group.free.add(group.start, group.length);
  const from = { objectid: 0, type: 0, offset: 0 };
  const cursor = yield* searchTree(fs, fs.trees.extent, from);
  try {
    while (cursor.isValid) {
      const { type, objectid, offset } = cursor;
      if (type === KEY_TYPE.EXTENT_ITEM) fs.space.groupAt(objectid).free.take(objectid, offset);
      else if (type === KEY_TYPE.METADATA_ITEM) fs.space.groupAt(objectid).free.take(objectid, fs.nodeSize);
      yield* cursor.next();
    }
  } finally {
    cursor.release();
  }
}

/** Stripes of 64 KiB that hold a superblock copy are never given out. */
function keepSuperblocksFree(fs: FsInfo, group: BlockGroup): void {
  const chunk = fs.volume.chunkAt(group.start)!;
  for (const stripe of chunk.stripes) {
    for (const offset of SUPERBLOCK_OFFSETS) {
      const from = Math.max(offset, stripe.physical);
      const to = Math.min(offset + SUPERBLOCK_RESERVED_LENGTH, stripe.physical + chunk.length);
      if (from >= to) continue;
      const freeBefore = group.free.bytes;
      group.free.exclude(chunk.logical + from - stripe.physical, to - from);
      group.superblockBytes += freeBefore - group.free.bytes;
    }
  }
}
