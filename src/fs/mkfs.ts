import { type ByteCount, type LogicalAddress, type PhysicalAddress, SECTOR_SIZE } from '../base/units.ts';
import { BLOCK_GROUP_FLAG } from './format/block-group.ts';
import { encodeSystemChunkArray, STRIPE_LENGTH } from './format/chunk.ts';
import { encodeName } from './format/directory.ts';
import { COMPAT_RO, COMPAT_RO_DEFAULT, INCOMPAT, INCOMPAT_DEFAULT } from './format/feature-flags.ts';
import { TREE_ID } from './format/key.ts';
import { packLeaf } from './format/leaf-packing.ts';
import {
  type BackupRoot,
  CHECKSUM_TYPE,
  encodeBackupRoots,
  encodeSuperblock,
  SUPERBLOCK_FLAG,
  SUPERBLOCK_MAGIC,
  superblockOffsets,
} from './format/superblock.ts';
import { UUID_ZERO } from './format/uuid.ts';
import { type PlacedChunk, placeChunks } from './mkfs/chunk-placement.ts';
import { identityOf } from './mkfs/identity.ts';
import { checkOptions, type MakeFilesystemOptions } from './mkfs/options.ts';

export { MAKE_PROFILE_NAMES, type MakeProfileName } from './mkfs/profiles.ts';

import {
  chunkItem,
  chunkKey,
  deviceItem,
  FIRST_GENERATION,
  itemsOf,
  leafOf,
  type Plan,
  planLeaves,
} from './mkfs/trees.ts';

export {
  MakeFilesystemError,
  type MakeFilesystemOptions,
  type OptionProblem,
} from './mkfs/options.ts';

/** Bytes to put on a blank device. Two writes may share one array, which nobody is to change. */
export interface DiskWrite {
  /** Index of the device: 0 is devid 1. */
  readonly device: number;
  readonly offset: PhysicalAddress;
  readonly bytes: Uint8Array;
}

/** Without a space cache of version 1, a generation that no commit reaches. */
const NO_SPACE_CACHE_GENERATION = -1;

/**
 * An empty file system for blank devices: the smallest set of trees that `btrfs check` and Linux accept, each of one
 * leaf, in three chunks, on up to sixteen devices. Equal options give equal bytes. Throws MakeFilesystemError, which lists all that is wrong with
 * the options. The superblocks come last.
 */
export function makeFilesystem(options: MakeFilesystemOptions): DiskWrite[] {
  const checked = checkOptions(options);
  const chunks = placeChunks(checked).chunks!;
  const plan: Plan = {
    options: checked,
    identity: identityOf(checked.seed, checked.devices.length),
    chunks,
    leaves: planLeaves(checked, chunks),
  };
  return [...treeWrites(plan), ...superblockWrites(plan)];
}

function treeWrites(plan: Plan): DiskWrite[] {
  const { fsid, chunkTreeUuid } = plan.identity;
  return plan.leaves.flatMap(({ tree, address, chunk }) => {
    const header = { fsid, chunkTreeUuid, address, generation: FIRST_GENERATION, owner: tree, level: 0 };
    const bytes = packLeaf(plan.options.nodeSize, header, itemsOf(plan, tree));
    return placesOf(chunk, address).map((place) => ({ ...place, bytes }));
  });
}

/** Where each copy of a tree block lies; a block never crosses a stripe. */
function placesOf(chunk: PlacedChunk, address: LogicalAddress): { device: number; offset: PhysicalAddress }[] {
  const within = address - chunk.logical;
  const { stripes } = chunk;
  if ((chunk.flags & BLOCK_GROUP_FLAG.RAID0) === 0) {
    return stripes.map(({ device, physical }) => ({ device, offset: physical + within }));
  }
  const unit = Math.floor(within / STRIPE_LENGTH);
  const { device, physical } = stripes[unit % stripes.length]!;
  const row = Math.floor(unit / stripes.length);
  return [{ device, offset: physical + row * STRIPE_LENGTH + (within % STRIPE_LENGTH) }];
}

function superblockWrites(plan: Plan): DiskWrite[] {
  return plan.options.devices.flatMap((size, device) =>
    superblockOffsets(size).map((offset) => ({ device, offset, bytes: superblock(plan, device, offset) })),
  );
}

function superblock(plan: Plan, device: number, offset: PhysicalAddress): Uint8Array {
  const { options, identity } = plan;
  const [system] = plan.chunks;
  return encodeSuperblock({
    fsid: identity.fsid,
    bytenr: offset,
    flags: SUPERBLOCK_FLAG.WRITTEN,
    magic: SUPERBLOCK_MAGIC,
    generation: FIRST_GENERATION,
    root: leafOf(plan, TREE_ID.ROOT_TREE).address,
    chunkRoot: leafOf(plan, TREE_ID.CHUNK_TREE).address,
    logRoot: 0,
    totalBytes: totalBytes(plan),
    bytesUsed: plan.leaves.length * options.nodeSize,
    rootDirObjectid: TREE_ID.ROOT_TREE_DIR,
    numDevices: options.devices.length,
    sectorSize: SECTOR_SIZE,
    nodeSize: options.nodeSize,
    leafSize: options.nodeSize,
    stripeSize: SECTOR_SIZE,
    systemChunkArray: encodeSystemChunkArray([{ key: chunkKey(system), chunk: chunkItem(plan, system) }]),
    chunkRootGeneration: FIRST_GENERATION,
    compatFlags: 0,
    compatRoFlags: compatRoFlags(plan),
    incompatFlags: incompatFlags(plan),
    checksumType: CHECKSUM_TYPE.CRC32C,
    rootLevel: 0,
    chunkRootLevel: 0,
    logRootLevel: 0,
    deviceItem: deviceItem(plan, device),
    label: encodeName(options.label),
    cacheGeneration: options.freeSpaceTree ? 0 : NO_SPACE_CACHE_GENERATION,
    uuidTreeGeneration: FIRST_GENERATION,
    metadataUuid: UUID_ZERO,
    numGlobalRoots: 0,
    backupRoots: encodeBackupRoots([backupRoot(plan)]),
  });
}

function incompatFlags({ options, chunks }: Plan): number {
  const hasThreeCopies = chunks.some(
    ({ flags }) => (flags & (BLOCK_GROUP_FLAG.RAID1C3 | BLOCK_GROUP_FLAG.RAID1C4)) !== 0,
  );
  return (
    INCOMPAT_DEFAULT -
    (options.noHoles ? 0 : INCOMPAT.NO_HOLES) +
    (options.mixed ? INCOMPAT.MIXED_GROUPS : 0) +
    (options.nodeSize > SECTOR_SIZE ? INCOMPAT.BIG_METADATA : 0) +
    (hasThreeCopies ? INCOMPAT.RAID1C34 : 0)
  );
}

function compatRoFlags({ options }: Plan): number {
  return (options.freeSpaceTree ? COMPAT_RO_DEFAULT : 0) + (options.blockGroupTree ? COMPAT_RO.BLOCK_GROUP_TREE : 0);
}

function totalBytes(plan: Plan): ByteCount {
  return plan.options.devices.reduce((sum, size) => sum + size, 0);
}

function backupRoot(plan: Plan): BackupRoot {
  const address = (tree: number) => leafOf(plan, tree).address;
  return {
    treeRoot: address(TREE_ID.ROOT_TREE),
    treeRootGeneration: FIRST_GENERATION,
    chunkRoot: address(TREE_ID.CHUNK_TREE),
    chunkRootGeneration: FIRST_GENERATION,
    extentRoot: address(TREE_ID.EXTENT_TREE),
    extentRootGeneration: FIRST_GENERATION,
    fsRoot: address(TREE_ID.FS_TREE),
    fsRootGeneration: FIRST_GENERATION,
    devRoot: address(TREE_ID.DEV_TREE),
    devRootGeneration: FIRST_GENERATION,
    csumRoot: address(TREE_ID.CSUM_TREE),
    csumRootGeneration: FIRST_GENERATION,
    totalBytes: totalBytes(plan),
    bytesUsed: plan.leaves.length * plan.options.nodeSize,
    numDevices: plan.options.devices.length,
    treeRootLevel: 0,
    chunkRootLevel: 0,
    extentRootLevel: 0,
    fsRootLevel: 0,
    devRootLevel: 0,
    csumRootLevel: 0,
  };
}
