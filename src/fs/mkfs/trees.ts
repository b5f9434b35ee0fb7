import { type ByteCount, type LogicalAddress, SECTOR_SIZE, type TreeId } from '../../base/units.ts';
import { BLOCK_GROUP_ITEM } from '../format/block-group.ts';
import { type ChunkItem, encodeChunk, STRIPE_LENGTH } from '../format/chunk.ts';
import { DEVICE_EXTENT, DEVICE_ITEM, type DeviceItem } from '../format/device.ts';
import { DIR_TYPE, encodeDirEntries, encodeName, nameHash } from '../format/directory.ts';
import { EXTENT_FLAG, encodeExtentItem } from '../format/extent-item.ts';
import { FREE_SPACE_INFO } from '../format/free-space.ts';
import { encodeInodeRefs, INODE_FLAG, INODE_ITEM, type InodeItem, MODE_TYPE } from '../format/inode.ts';
import { KEY_TYPE, type Key, OBJECT_ID, TREE_ID } from '../format/key.ts';
import type { LeafItem } from '../format/leaf-packing.ts';
import { ROOT_ITEM } from '../format/root-item.ts';
import { TIME_ZERO, type Timestamp, timestampOf } from '../format/timestamp.ts';
import { encodeUuidItem, UUID_ZERO, uuidKey } from '../format/uuid.ts';
import type { PlacedChunk, PlacedChunks } from './chunk-placement.ts';
import type { Identity } from './identity.ts';
import type { CheckedOptions } from './options.ts';

/** The transaction that a new file system says it was made in. */
export const FIRST_GENERATION = 1;

const ROOT_DIRECTORY_MODE = MODE_TYPE.DIRECTORY | 0o755;
const CHUNK_OWNER = TREE_ID.EXTENT_TREE;
const DEFAULT_SUBVOLUME_NAME = encodeName('default');
const DOT_DOT = encodeName('..');

/** A new file system: every tree is one leaf. */
export interface Plan {
  readonly options: CheckedOptions;
  readonly identity: Identity;
  readonly chunks: PlacedChunks;
  readonly leaves: readonly PlannedLeaf[];
}

export interface PlannedLeaf {
  readonly tree: TreeId;
  readonly address: LogicalAddress;
  readonly chunk: PlacedChunk;
}

/** The chunk tree lies at the start of the system chunk, the others in a row at the start of the metadata chunk. */
export function planLeaves(options: CheckedOptions, chunks: PlacedChunks): PlannedLeaf[] {
  const [system, metadata] = chunks;
  const trees: TreeId[] = [
    TREE_ID.ROOT_TREE,
    TREE_ID.EXTENT_TREE,
    TREE_ID.DEV_TREE,
    TREE_ID.FS_TREE,
    TREE_ID.CSUM_TREE,
    TREE_ID.UUID_TREE,
    ...(options.freeSpaceTree ? [TREE_ID.FREE_SPACE_TREE] : []),
    ...(options.blockGroupTree ? [TREE_ID.BLOCK_GROUP_TREE] : []),
    TREE_ID.DATA_RELOC_TREE,
  ];
  const inMetadata = trees.map((tree, index) => {
    return { tree, address: metadata.logical + index * options.nodeSize, chunk: metadata };
  });
  return [{ tree: TREE_ID.CHUNK_TREE, address: system.logical, chunk: system }, ...inMetadata];
}

export function leafOf(plan: Plan, tree: TreeId): PlannedLeaf {
  return plan.leaves.find((leaf) => leaf.tree === tree)!;
}

export function usedBytes(plan: Plan, chunk: PlacedChunk): ByteCount {
  return plan.leaves.filter((leaf) => leaf.chunk === chunk).length * plan.options.nodeSize;
}

export function itemsOf(plan: Plan, tree: TreeId): LeafItem[] {
  switch (tree) {
    case TREE_ID.ROOT_TREE:
      return rootTreeItems(plan);
    case TREE_ID.EXTENT_TREE:
      return extentTreeItems(plan);
    case TREE_ID.BLOCK_GROUP_TREE:
      return blockGroupItems(plan);
    case TREE_ID.CHUNK_TREE:
      return chunkTreeItems(plan);
    case TREE_ID.DEV_TREE:
      return deviceTreeItems(plan);
    case TREE_ID.FS_TREE:
    case TREE_ID.DATA_RELOC_TREE:
      return directoryItems(plan, OBJECT_ID.FIRST_FREE);
    case TREE_ID.UUID_TREE:
      return uuidTreeItems(plan);
    case TREE_ID.FREE_SPACE_TREE:
      return freeSpaceTreeItems(plan);
    default:
      return [];
  }
}

function rootTreeItems(plan: Plan): LeafItem[] {
  const trees = plan.leaves.filter(({ tree }) => tree !== TREE_ID.ROOT_TREE && tree !== TREE_ID.CHUNK_TREE);
  const location = key(TREE_ID.FS_TREE, KEY_TYPE.ROOT_ITEM, -1);
  const entry = {
    location,
    transid: 0,
    type: DIR_TYPE.DIRECTORY,
    name: DEFAULT_SUBVOLUME_NAME,
    data: new Uint8Array(0),
  };
  return [
    ...trees.map((leaf) => ({ key: key(leaf.tree, KEY_TYPE.ROOT_ITEM, 0), data: rootItem(plan, leaf) })),
    ...directoryItems(plan, TREE_ID.ROOT_TREE_DIR),
    {
      key: key(TREE_ID.ROOT_TREE_DIR, KEY_TYPE.DIR_ITEM, nameHash(DEFAULT_SUBVOLUME_NAME)),
      data: encodeDirEntries([entry]),
    },
    {
      key: key(TREE_ID.FS_TREE, KEY_TYPE.INODE_REF, TREE_ID.ROOT_TREE_DIR),
      data: encodeInodeRefs([{ index: 0, name: DEFAULT_SUBVOLUME_NAME }]),
    },
  ];
}

function rootItem(plan: Plan, leaf: PlannedLeaf): Uint8Array {
  const hasFiles = leaf.tree === TREE_ID.FS_TREE || leaf.tree === TREE_ID.DATA_RELOC_TREE;
  const isSubvolume = leaf.tree === TREE_ID.FS_TREE;
  const now = isSubvolume ? timestampOf(plan.options.now) : TIME_ZERO;
  return ROOT_ITEM.encode({
    inode: directoryInode({
      time: TIME_ZERO,
      size: 3,
      nbytes: plan.options.nodeSize,
      flags: INODE_FLAG.ROOT_ITEM_INIT,
    }),
    generation: FIRST_GENERATION,
    rootDirid: hasFiles ? OBJECT_ID.FIRST_FREE : 0,
    bytenr: leaf.address,
    byteLimit: 0,
    bytesUsed: plan.options.nodeSize,
    lastSnapshot: 0,
    flags: 0,
    refs: 1,
    dropProgress: key(0, 0, 0),
    dropLevel: 0,
    level: 0,
    generationV2: FIRST_GENERATION,
    uuid: isSubvolume ? plan.identity.subvolumeUuid : UUID_ZERO,
    parentUuid: UUID_ZERO,
    receivedUuid: UUID_ZERO,
    ctransid: 0,
    otransid: 0,
    stransid: 0,
    rtransid: 0,
    ctime: now,
    otime: now,
    stime: TIME_ZERO,
    rtime: TIME_ZERO,
  });
}

/** An empty directory that is its own parent. */
function directoryItems(plan: Plan, inode: number): LeafItem[] {
  const time = timestampOf(plan.options.now);
  return [
    {
      key: key(inode, KEY_TYPE.INODE_ITEM, 0),
      data: INODE_ITEM.encode(directoryInode({ time, size: 0, nbytes: 0, flags: 0 })),
    },
    { key: key(inode, KEY_TYPE.INODE_REF, inode), data: encodeInodeRefs([{ index: 0, name: DOT_DOT }]) },
  ];
}

function directoryInode(differences: {
  readonly time: Timestamp;
  readonly size: ByteCount;
  readonly nbytes: ByteCount;
  readonly flags: number;
}): InodeItem {
  const { time, size, nbytes, flags } = differences;
  return {
    generation: FIRST_GENERATION,
    transid: 0,
    size,
    nbytes,
    blockGroup: 0,
    nlink: 1,
    uid: 0,
    gid: 0,
    mode: ROOT_DIRECTORY_MODE,
    rdev: 0,
    flags,
    sequence: 0,
    atime: time,
    ctime: time,
    mtime: time,
    otime: time,
  };
}

function extentTreeItems(plan: Plan): LeafItem[] {
  const blocks = plan.leaves.map(({ tree, address }) => ({
    key: key(address, KEY_TYPE.METADATA_ITEM, 0),
    data: encodeExtentItem({
      refs: 1,
      generation: FIRST_GENERATION,
      flags: EXTENT_FLAG.TREE_BLOCK,
      treeBlockInfo: null,
      inlineRefs: [{ type: KEY_TYPE.TREE_BLOCK_REF, root: tree }],
    }),
  }));
  return plan.options.blockGroupTree ? blocks : [...blocks, ...blockGroupItems(plan)];
}

function blockGroupItems(plan: Plan): LeafItem[] {
  return plan.chunks.map((chunk) => ({
    key: key(chunk.logical, KEY_TYPE.BLOCK_GROUP_ITEM, chunk.length),
    data: BLOCK_GROUP_ITEM.encode({
      used: usedBytes(plan, chunk),
      chunkObjectid: OBJECT_ID.FIRST_CHUNK_TREE,
      flags: chunk.flags,
    }),
  }));
}

function chunkTreeItems(plan: Plan): LeafItem[] {
  const devices = plan.options.devices.map((_, device) => ({
    key: key(OBJECT_ID.DEV_ITEMS, KEY_TYPE.DEV_ITEM, device + 1),
    data: DEVICE_ITEM.encode(deviceItem(plan, device)),
  }));
  const chunks = plan.chunks.map((chunk) => ({ key: chunkKey(chunk), data: encodeChunk(chunkItem(plan, chunk)) }));
  return [...devices, ...chunks];
}

/** Also the part of the superblock that differs between devices. */
export function deviceItem(plan: Plan, device: number): DeviceItem {
  const used = plan.chunks.map(
    (chunk) => chunk.stripeBytes * chunk.stripes.filter((stripe) => stripe.device === device).length,
  );
  return {
    devid: device + 1,
    totalBytes: plan.options.devices[device]!,
    bytesUsed: used.reduce((sum, bytes) => sum + bytes, 0),
    ioAlign: SECTOR_SIZE,
    ioWidth: SECTOR_SIZE,
    sectorSize: SECTOR_SIZE,
    type: 0,
    generation: 0,
    startOffset: 0,
    deviceGroup: 0,
    seekSpeed: 0,
    bandwidth: 0,
    uuid: plan.identity.deviceUuids[device]!,
    fsid: plan.identity.fsid,
  };
}

export function chunkKey(chunk: PlacedChunk): Key {
  return key(OBJECT_ID.FIRST_CHUNK_TREE, KEY_TYPE.CHUNK_ITEM, chunk.logical);
}

export function chunkItem(plan: Plan, chunk: PlacedChunk): ChunkItem {
  return {
    length: chunk.length,
    owner: CHUNK_OWNER,
    stripeLength: STRIPE_LENGTH,
    type: chunk.flags,
    ioAlign: STRIPE_LENGTH,
    ioWidth: STRIPE_LENGTH,
    sectorSize: SECTOR_SIZE,
    subStripes: 1,
    stripes: chunk.stripes.map(({ device, physical }) => ({
      devid: device + 1,
      offset: physical,
      deviceUuid: plan.identity.deviceUuids[device]!,
    })),
  };
}

function deviceTreeItems(plan: Plan): LeafItem[] {
  const extents = plan.chunks.flatMap((chunk) =>
    chunk.stripes.map(({ device, physical }) => ({
      key: key(device + 1, KEY_TYPE.DEV_EXTENT, physical),
      data: DEVICE_EXTENT.encode({
        chunkTree: TREE_ID.CHUNK_TREE,
        chunkObjectid: OBJECT_ID.FIRST_CHUNK_TREE,
        chunkOffset: chunk.logical,
        length: chunk.stripeBytes,
        chunkTreeUuid: plan.identity.chunkTreeUuid,
      }),
    })),
  );
  // A leaf lists its items by key: by device, then by place.
  return extents.sort((a, b) => a.key.objectid - b.key.objectid || a.key.offset - b.key.offset);
}

function uuidTreeItems(plan: Plan): LeafItem[] {
  const uuid = plan.identity.subvolumeUuid;
  return [{ key: uuidKey(uuid, KEY_TYPE.UUID_KEY_SUBVOL), data: encodeUuidItem([TREE_ID.FS_TREE]) }];
}

function freeSpaceTreeItems(plan: Plan): LeafItem[] {
  return plan.chunks.flatMap((chunk) => {
    const used = usedBytes(plan, chunk);
    const isFull = used === chunk.length;
    const info = {
      key: key(chunk.logical, KEY_TYPE.FREE_SPACE_INFO, chunk.length),
      data: FREE_SPACE_INFO.encode({ extentCount: isFull ? 0 : 1, flags: 0 }),
    };
    if (isFull) return [info];
    const free = key(chunk.logical + used, KEY_TYPE.FREE_SPACE_EXTENT, chunk.length - used);
    return [info, { key: free, data: new Uint8Array(0) }];
  });
}

function key(objectid: number, type: number, offset: number): Key {
  return { objectid, type, offset };
}
