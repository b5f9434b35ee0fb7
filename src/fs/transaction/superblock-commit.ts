import { viewOf, writeU64 } from '../../base/bytes.ts';
import type { Generation } from '../../base/units.ts';
import { BACKUP_ROOT, BACKUP_ROOT_COUNT, SUPERBLOCK, sealSuperblock, superblockOffsets } from '../format/superblock.ts';
import type { Tree } from '../tree/tree.ts';
import type { DeviceSuperblocks } from '../volume/superblock-write.ts';
import type { FsInfo } from './fs-info.ts';

const { fields } = SUPERBLOCK;
const { fields: backup } = BACKUP_ROOT;

/** The superblocks of a commit, ready to write: roots, sizes and checksum of the state that was just switched to. */
export function prepareSuperblocks(fs: FsInfo, generation: Generation): DeviceSuperblocks[] {
  const superblocks: DeviceSuperblocks[] = [];
  for (const device of fs.volume.deviceIds()) {
    const bytes = fs.superblockBytes.get(device)!.slice();
    patch(fs, viewOf(bytes), generation);
    fs.superblockBytes.set(device, bytes);
    const copies = superblockOffsets(fs.volume.device(device).size).map((offset) => {
      const copy = bytes.slice();
      writeU64(viewOf(copy), fields.bytenr.at, offset);
      sealSuperblock(copy);
      return { offset, bytes: copy };
    });
    superblocks.push({ device, copies });
  }
  return superblocks;
}

function patch(fs: FsInfo, view: DataView, generation: Generation): void {
  const { root, chunk, uuid, freeSpace } = fs.trees;
  writeU64(view, fields.generation.at, generation);
  writeU64(view, fields.root.at, root.root.address);
  view.setUint8(fields.rootLevel.at, root.root.level);
  writeU64(view, fields.chunkRoot.at, chunk.root.address);
  view.setUint8(fields.chunkRootLevel.at, chunk.root.level);
  writeU64(view, fields.chunkRootGeneration.at, chunk.root.generation);
  writeU64(view, fields.bytesUsed.at, fs.space.usedBytes());
  if (uuid !== null) writeU64(view, fields.uuidTreeGeneration.at, generation);
  // Without a free space tree there may be a cache of the older kind, which is stale from now on.
  if (freeSpace === null) writeU64(view, fields.cacheGeneration.at, -1);
  patchBackupRoot(fs, view, fields.backupRoots.at + (generation % BACKUP_ROOT_COUNT) * BACKUP_ROOT.size, generation);
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
  writeU64(view, at + backup.totalBytes.at, fs.superblock.totalBytes);
  writeU64(view, at + backup.bytesUsed.at, fs.space.usedBytes());
  writeU64(view, at + backup.numDevices.at, fs.superblock.numDevices);
}

function patchTree(view: DataView, base: number, at: number, generationAt: number, levelAt: number, tree: Tree): void {
  writeU64(view, base + at, tree.root.address);
  writeU64(view, base + generationAt, tree.root.generation);
  view.setUint8(base + levelAt, tree.root.level);
}
