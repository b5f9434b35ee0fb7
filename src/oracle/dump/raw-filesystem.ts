import type { DiskImage } from '../../record/image.ts';
import { ChunkMap } from '../structure/chunk-map.ts';
import { ChunkTreeVisitor, readSystemChunks } from '../structure/chunk-tree.ts';
import { ExtentLedger } from '../structure/extent-ledger.ts';
import { FaultCollector } from '../structure/fault-report.ts';
import { findMembers, presumedMembers, readSuperblocks } from '../structure/members.ts';
import { checkDeviceFsids } from '../structure/seed-devices.ts';
import { checkSuperblock, readSuperblockCopy, type Superblock } from '../structure/superblock.ts';
import { TreeWalker } from '../structure/tree-walk.ts';
import { chunkTreeOf } from '../structure/trees-to-walk.ts';

const MIRRORS = [1, 2] as const;

/** As much of a file system as can be opened, however damaged it is. */
export interface RawFilesystem {
  readonly superblock: Superblock;
  readonly chunks: ChunkMap;
  /** What stood in the way, one line each: addresses may lead nowhere because of it. */
  readonly problems: readonly string[];
}

/**
 * Opens raw images, one per device in any order: the newest superblock, a mirror where the primary is lost, and the
 * chunks that can be read. Without a superblock of usable sizes, only the problems.
 */
export function openRawFilesystem(
  images: readonly DiskImage[],
): RawFilesystem | { readonly problems: readonly string[] } {
  const faults = new FaultCollector();
  const found = findSuperblocks(images, faults);
  const superblock = found[0];
  if (superblock === undefined || !checkSuperblock(superblock, faults)) return { problems: problemsOf(faults) };
  const chunks = new ChunkMap(presumedMembers(found, images).images);
  chunks.replaceChunks(readSystemChunks(superblock, faults));
  const chunkTree = new ChunkTreeVisitor(superblock, faults);
  const walker = new TreeWalker(superblock, chunks, new ExtentLedger(), faults, { verifyCopies: false });
  walker.walk(chunkTreeOf(superblock, chunkTree));
  // Without a chunk tree, the system chunks of the superblock still lead to what is left of it.
  if (chunkTree.chunks.length > 0) chunks.replaceChunks(chunkTree.chunks);
  checkDeviceFsids(chunkTree.devices.values(), found, faults);
  if (chunkTree.devices.size > 0) {
    chunks.devices = findMembers(found, chunkTree.devices, images, { crashed: true }, faults).images;
  }
  return { superblock, chunks, problems: problemsOf(faults) };
}

/** Newest first. */
function findSuperblocks(images: readonly DiskImage[], faults: FaultCollector): readonly Superblock[] {
  const { supers } = readSuperblocks(images, { crashed: true }, faults);
  if (supers.length > 0) return supers;
  return images
    .flatMap((image, index) => {
      // Their own damage is no news where the primaries are lost.
      const copies = MIRRORS.map((mirror) => readSuperblockCopy(image, index, mirror, new FaultCollector()));
      return copies.filter((copy) => copy !== null).slice(0, 1);
    })
    .sort((a, b) => b.generation - a.generation);
}

function problemsOf(faults: FaultCollector): string[] {
  return [...faults.errors.map(({ message }) => message), ...faults.unsupported.map((name) => `unsupported: ${name}`)];
}
