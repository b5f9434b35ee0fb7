import type { ByteCount, LogicalAddress, PhysicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { pausePoint } from '../transaction/scrub-control.ts';
import type { Chunk } from '../volume/chunk-map.ts';
import { type ScrubContext, throwIfStopped } from './scrub-context.ts';
import { findCommittedExtents } from './scrub-extents.ts';
import { type Row, scrubPiece } from './scrub-piece.ts';

/**
 * Scrubs what one stripe of a chunk holds, row by row: the extents that the commit root of the extent tree lists. Commit
 * roots may switch between two rows, never inside one.
 */
export function* scrubStripe(
  context: ScrubContext,
  chunk: Chunk,
  stripeIndex: number,
  extent: { readonly physical: PhysicalAddress; readonly length: ByteCount },
): Task<void> {
  const { fs, statistics } = context;
  const rowCount = Math.ceil(extent.length / chunk.stripeLength);
  let isEmpty = true;
  for (let index = 0; index < rowCount; ) {
    throwIfStopped(context);
    yield* pausePoint(fs, 'scrub-search-extents');
    const row = rowOf(chunk, stripeIndex, index, extent);
    const { extents, next } = yield* findCommittedExtents(fs, chunk, row.logical, row.length);
    for (const found of extents) yield* scrubPiece(context, stripeIndex, row, found);
    if (extents.length > 0) {
      isEmpty = false;
      statistics.last_physical = row.physical + chunk.stripeLength;
    }
    if (next === null) break;
    index = Math.max(index + 1, rowAt(chunk, next));
  }
  if (isEmpty) statistics.last_physical = extent.physical + extent.length;
}

function rowOf(
  chunk: Chunk,
  stripeIndex: number,
  index: number,
  extent: { readonly physical: PhysicalAddress; readonly length: ByteCount },
): Row {
  const offset = index * chunk.stripeLength;
  const column = columnsOf(chunk) === 1 ? index : index * chunk.stripes.length + stripeIndex;
  const length = Math.min(chunk.stripeLength, extent.length - offset);
  return { physical: extent.physical + offset, logical: chunk.logical + column * chunk.stripeLength, length };
}

/** The row that holds a logical address, whichever device that is on. */
function rowAt(chunk: Chunk, logical: LogicalAddress): number {
  return Math.floor((logical - chunk.logical) / (chunk.stripeLength * columnsOf(chunk)));
}

/** Over how many devices consecutive stripes are dealt out; every other profile keeps full copies. */
function columnsOf(chunk: Chunk): number {
  return (chunk.flags & BLOCK_GROUP_FLAG.RAID0) === 0 ? 1 : chunk.stripes.length;
}
