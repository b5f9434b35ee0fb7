import { type ByteCount, type Generation, type LogicalAddress, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { checksumAt, DATA_CHECKSUM_SIZE } from '../format/checksum.ts';
import { EXTENT_FLAG, extentFlags, extentGeneration } from '../format/extent-item.ts';
import { KEY_TYPE, OBJECT_ID } from '../format/key.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { type Cursor, searchCommitRoot } from '../tree/cursor.ts';
import type { Chunk } from '../volume/chunk-map.ts';

/** An extent as the last commit has it. */
export interface CommittedExtent {
  readonly start: LogicalAddress;
  readonly length: ByteCount;
  readonly isTreeBlock: boolean;
  readonly generation: Generation;
}

/**
 * The extents that overlap [start, start + length) of a chunk, and where more of them, or the next one, comes after
 * that; null when there is nothing more in the chunk. Reads the commit root of the extent tree without a lock: the caller does not pause.
 */
export function* findCommittedExtents(
  fs: FsInfo,
  chunk: Chunk,
  start: LogicalAddress,
  length: ByteCount,
): Task<{ readonly extents: readonly CommittedExtent[]; readonly next: LogicalAddress | null }> {
  const extents: CommittedExtent[] = [];
  const end = start + length;
  const cursor = yield* searchCommitRoot(fs, fs.trees.extent, { objectid: start, type: 0, offset: 0 });
  const before = start > chunk.logical ? yield* extentBefore(fs, cursor, chunk) : null;
  if (before !== null && before.start + before.length > start) extents.push(before);
  yield* cursor.seek(start, 0, 0);
  while (cursor.isValid && cursor.objectid < chunk.logical + chunk.length && cursor.objectid >= 0) {
    const extent = extentAt(fs, cursor);
    if (extent !== null && extent.start >= end) return { extents, next: endOfLast(extents) > end ? end : extent.start };
    if (extent !== null) extents.push(extent);
    yield* cursor.next();
  }
  return { extents, next: endOfLast(extents) > end ? end : null };
}

function endOfLast(extents: readonly CommittedExtent[]): LogicalAddress {
  const last = extents.at(-1);
  return last === undefined ? 0 : last.start + last.length;
}

/** The last extent of the chunk before the cursor. */
function* extentBefore(fs: FsInfo, cursor: Cursor, chunk: Chunk): Task<CommittedExtent | null> {
  while ((yield* cursor.previous()) && cursor.objectid >= chunk.logical) {
    const extent = extentAt(fs, cursor);
    if (extent !== null) return extent;
  }
  return null;
}

function extentAt(fs: FsInfo, cursor: Cursor): CommittedExtent | null {
  const { type } = cursor;
  if (type !== KEY_TYPE.EXTENT_ITEM && type !== KEY_TYPE.METADATA_ITEM) return null;
  const { view, dataOffset } = cursor;
  return {
    start: cursor.objectid,
    length: type === KEY_TYPE.METADATA_ITEM ? fs.nodeSize : cursor.offset,
    isTreeBlock: (extentFlags(view, dataOffset) & EXTENT_FLAG.TREE_BLOCK) !== 0,
    generation: extentGeneration(view, dataOffset),
  };
}

/** The checksum of each sector from `logical` on in the commit root of the checksum tree; null for one without. */
export function* findCommittedChecksums(
  fs: FsInfo,
  logical: LogicalAddress,
  sectorCount: number,
): Task<(number | null)[]> {
  const sums: (number | null)[] = new Array<number | null>(sectorCount).fill(null);
  const object = OBJECT_ID.EXTENT_CSUM;
  const type = KEY_TYPE.EXTENT_CSUM;
  const cursor = yield* searchCommitRoot(fs, fs.trees.csum, { objectid: object, type, offset: logical });
  const isInside = cursor.found || ((yield* cursor.previous()) && cursor.isAt(object, type));
  if (!isInside) yield* cursor.seek(object, type, logical);
  while (cursor.isAt(object, type) && cursor.offset < logical + sectorCount * SECTOR_SIZE) {
    const first = (cursor.offset - logical) / SECTOR_SIZE;
    const count = cursor.dataSize / DATA_CHECKSUM_SIZE;
    for (let index = Math.max(0, -first); index < count && first + index < sectorCount; index++) {
      sums[first + index] = checksumAt(cursor.view, cursor.dataOffset, index);
    }
    yield* cursor.next();
  }
  return sums;
}
