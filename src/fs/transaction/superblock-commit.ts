import { viewOf, writeU64 } from '../../base/bytes.ts';
import type { ByteCount, Generation, LogicalAddress } from '../../base/units.ts';
import { FsError } from '../errors.ts';
import { type ChunkItem, decodeSystemChunkArray, encodeSystemChunkArray, type SystemChunk } from '../format/chunk.ts';
import { DEVICE_ITEM } from '../format/device.ts';
import { KEY_TYPE, OBJECT_ID } from '../format/key.ts';
import {
  BACKUP_ROOT,
  BACKUP_ROOT_COUNT,
  SUPERBLOCK,
  SYSTEM_CHUNK_ARRAY_SIZE,
  sealSuperblock,
  superblockOffsets,
} from '../format/superblock.ts';
import type { Tree } from '../tree/tree.ts';
import { REPLACE_TARGET_ID } from '../volume/device.ts';
import type { DeviceSuperblocks } from '../volume/superblock-write.ts';
import { deviceItemOf } from './device-items.ts';
import type { FsInfo } from './fs-info.ts';

const { fields } = SUPERBLOCK;
const { fields: backup } = BACKUP_ROOT;

/**
 * The superblock of a commit, but for what each device says of itself: roots and sizes of the state that was just
 * switched to. `commitDeviceSizes` comes before. Plain.
 */
export function prepareSuperblock(fs: FsInfo, generation: Generation): Uint8Array {
  const bytes = fs.superblockBytes.slice();
  patch(fs, viewOf(bytes), generation);
  // Those who come after the commit go on changing theirs: by another array.
  fs.superblockBytes = bytes;
  return bytes;
}

/**
 * A prepared superblock for every device that is there now, the target of a device replace too, ready to write. Asked
 * for when the tree blocks are written: the devices may have changed since the roots switched, and one that a replace
 * has taken out by then lacks some of them. Plain.
 */
export function superblocksOfDevices(fs: FsInfo, prepared: Uint8Array): DeviceSuperblocks[] {
  // One that was added after the roots switched has no committed size yet: its own commit comes next.
  const present = fs.volume.allDevices().filter((device) => !device.isMissing && device.committedTotalBytes > 0);
  return present.map((device) => ({
    device,
    isMember: device.id !== REPLACE_TARGET_ID,
    copies: superblockOffsets(device.committedTotalBytes).map((offset) => {
      const copy = prepared.slice();
      const view = viewOf(copy);
      writeU64(view, fields.bytenr.at, offset);
      DEVICE_ITEM.write(view, fields.deviceItem.at, deviceItemOf(fs, device, 'committed'));
      sealSuperblock(copy);
      return { offset, bytes: copy };
    }),
  }));
}

/**
 * Adds a chunk to the system chunk array that the next commit writes. Throws EFBIG when it is full: what Linux aborts
 * with. Plain.
 */
export function addSystemChunk(fs: FsInfo, logical: LogicalAddress, chunk: ChunkItem): void {
  const key = { objectid: OBJECT_ID.FIRST_CHUNK_TREE, type: KEY_TYPE.CHUNK_ITEM, offset: logical };
  setSystemChunks(fs, [...systemChunksOf(fs), { key, chunk }]);
}

/** Takes a chunk out of the system chunk array that the next commit writes. Plain. */
export function dropSystemChunk(fs: FsInfo, logical: LogicalAddress): void {
  setSystemChunks(
    fs,
    systemChunksOf(fs).filter(({ key }) => key.offset !== logical),
  );
}

function systemChunksOf(fs: FsInfo): SystemChunk[] {
  const view = viewOf(fs.superblockBytes);
  return decodeSystemChunkArray(fields.systemChunkArray.read(view, fields.systemChunkArray.at));
}

function setSystemChunks(fs: FsInfo, chunks: readonly SystemChunk[]): void {
  const array = encodeSystemChunkArray(chunks);
  if (array.length > SYSTEM_CHUNK_ARRAY_SIZE) {
    throw new FsError('EFBIG', `the system chunk array of the superblock has no room for ${chunks.length} chunks`);
  }
  const bytes = fs.superblockBytes.slice();
  fields.systemChunkArray.write(viewOf(bytes), fields.systemChunkArray.at, array);
  fs.superblockBytes = bytes;
}

function patch(fs: FsInfo, view: DataView, generation: Generation): void {
  const { root, chunk, uuid, freeSpace } = fs.trees;
  writeU64(view, fields.generation.at, generation);
  writeU64(view, fields.root.at, root.root.address);
  view.setUint8(fields.rootLevel.at, root.root.level);
  writeU64(view, fields.chunkRoot.at, chunk.root.address);
  view.setUint8(fields.chunkRootLevel.at, chunk.root.level);
  writeU64(view, fields.chunkRootGeneration.at, chunk.root.generation);
  writeU64(view, fields.totalBytes.at, totalBytes(fs));
  writeU64(view, fields.bytesUsed.at, fs.space.usedBytes());
  writeU64(view, fields.numDevices.at, fs.volume.devices().length);
  // A tree that some commit was not sure of stays so, until Linux has looked through it.
  const { uuidTreeGeneration, generation: mounted } = fs.superblock;
  if (uuid !== null && uuidTreeGeneration === mounted) writeU64(view, fields.uuidTreeGeneration.at, generation);
  // Without a free space tree there may be a cache of the older kind, which is stale from now on.
  if (freeSpace === null) writeU64(view, fields.cacheGeneration.at, -1);
  patchBackupRoot(fs, view, fields.backupRoots.at + (generation % BACKUP_ROOT_COUNT) * BACKUP_ROOT.size, generation);
}

/** Missing devices count: they are members. */
function totalBytes(fs: FsInfo): ByteCount {
  let total = 0;
  for (const device of fs.volume.devices()) total += device.committedTotalBytes;
  return total;
}

function patchBackupRoot(fs: FsInfo, view: DataView, at: number, generation: Generation): void {
  const { root, chunk, extent, fs: top, dev, csum } = fs.trees;
  patchTree(view, at, backup.treeRoot.at, backup.treeRootGeneration.at, backup.treeRootLevel.at, root);
  writeU64(view, at + backup.treeRootGeneration.at, generation);
  patchTree(view, at, backup.chunkRoot.at, backup.chunkRootGeneration.at, backup.chunkRootLevel.at, chunk);
  patchTree(view, at, backup.extentRoot.at, backup.extentRootGeneration.at, backup.extentRootLevel.at, extent);
  patchTree(view, at, backup.fsRoot.at, backup.fsRootGeneration.at, backup.fsRootLevel.at, top);
  patchTree(view, at, backup.devRoot.at, backup.devRootGeneration.at, backup.devRootLevel.at, dev);
  patchTree(view, at, backup.csumRoot.at, backup.csumRootGeneration.at, backup.csumRootLevel.at, csum);
  writeU64(view, at + backup.totalBytes.at, totalBytes(fs));
  writeU64(view, at + backup.bytesUsed.at, fs.space.usedBytes());
  writeU64(view, at + backup.numDevices.at, fs.volume.devices().length);
}

function patchTree(view: DataView, base: number, at: number, generationAt: number, levelAt: number, tree: Tree): void {
  writeU64(view, base + at, tree.root.address);
  writeU64(view, base + generationAt, tree.root.generation);
  view.setUint8(base + levelAt, tree.root.level);
}
