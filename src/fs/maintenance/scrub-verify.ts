import { sameBytes, viewOf } from '../../base/bytes.ts';
import { SECTOR_SIZE } from '../../base/units.ts';
import { dataChecksum } from '../format/checksum.ts';
import {
  blockAddress,
  blockChunkTreeUuid,
  blockFsid,
  blockGeneration,
  treeBlockChecksumMatches,
} from '../format/tree-block.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import type { Piece } from './scrub-piece.ts';

/**
 * What is wrong with a sector: it could not be read; data does not match its checksum; the tree block it belongs to is
 * not what its address says, or does not match its own checksum; or that block is of another transaction than its
 * extent item.
 */
export type Fault = 'unread' | 'checksum' | 'header' | 'generation';

/** By sector. Data without a checksum is taken for good once it can be read; one fault condemns a whole tree block. */
export function findFaults(
  fs: FsInfo,
  piece: Pick<Piece, 'logical' | 'length' | 'sums' | 'extent'>,
  bytes: Uint8Array,
  unread: ReadonlySet<number>,
): (Fault | null)[] {
  const { sums, length } = piece;
  const faults = new Array<Fault | null>(length / SECTOR_SIZE).fill(null);
  const blockFault = sums !== null ? null : unread.size > 0 ? 'header' : treeBlockFault(fs, piece, bytes);
  for (let sector = 0; sector < faults.length; sector++) {
    if (unread.has(sector)) faults[sector] = 'unread';
    else if (sums === null) faults[sector] = blockFault;
    else if (!matches(bytes, sector, sums[sector]!)) faults[sector] = 'checksum';
  }
  return faults;
}

function matches(bytes: Uint8Array, sector: number, sum: number | null): boolean {
  return sum === null || dataChecksum(bytes.subarray(sector * SECTOR_SIZE, (sector + 1) * SECTOR_SIZE)) === sum;
}

function treeBlockFault(
  fs: FsInfo,
  { logical, extent }: Pick<Piece, 'logical' | 'extent'>,
  bytes: Uint8Array,
): Fault | null {
  const view = viewOf(bytes);
  if (blockAddress(view) !== logical) return 'header';
  if (!sameBytes(blockFsid(view), fs.fsid)) return 'header';
  if (!sameBytes(blockChunkTreeUuid(view), fs.chunkTreeUuid)) return 'header';
  if (!treeBlockChecksumMatches(bytes)) return 'header';
  return blockGeneration(view) === extent.generation ? null : 'generation';
}
