import type { ScrubStarted } from '../../task/observation.ts';
import { SECTOR } from '../structure/layout.ts';
import type { LiveSpace } from '../structure/live-space.ts';

/** Something on the scrubbed device that the scrub had to read. */
export interface ScrubDuty {
  readonly start: number;
  readonly end: number;
  readonly logical: number;
  readonly isTree: boolean;
}

/**
 * What lay in the scrubbed range, at the same place and as the same extent, in the roots committed when the scrub
 * began and in those committed when it ended: tree blocks, and data that has checksums or that files lead to. An extent
 * that went and came back has another generation. Preallocated space holds nothing to be read.
 *
 * A scrub follows device extents: what reaches out of its range (both ends are cut at device extents) is no duty.
 */
export function scrubDuties(before: LiveSpace, after: LiveSpace, scrub: ScrubStarted): ScrubDuty[] {
  const duties: ScrubDuty[] = [];
  const extents = new Map(before.extents.map((extent) => [extent.start, extent]));
  const add = (logical: number, length: number, isTree: boolean) => {
    before.eachPiece(logical, length, (piece) => {
      if (piece.device !== scrub.devid || !isWithin(before, piece.chunk.start, piece.offset, scrub)) return;
      if (!staysThere(after, piece.logical, piece.length, piece.device, piece.offset)) return;
      duties.push({ start: piece.offset, end: piece.offset + piece.length, logical: piece.logical, isTree });
    });
  };
  for (const extent of after.extents) {
    const old = extents.get(extent.start);
    if (old === undefined || old.length !== extent.length || old.generation !== extent.generation) continue;
    if (extent.isTree) add(extent.start, extent.length, true);
    else
      for (const [start, end] of contents(before, after, extent.start, extent.length)) add(start, end - start, false);
  }
  return duties;
}

/** The parts of a data extent that held something at both ends. */
function contents(before: LiveSpace, after: LiveSpace, start: number, length: number): [number, number][] {
  const parts: [number, number][] = [];
  for (let logical = start; logical < start + length; logical += SECTOR) {
    if (!holdsSomething(before, logical) || !holdsSomething(after, logical)) continue;
    const last = parts.at(-1);
    if (last !== undefined && last[1] === logical) last[1] = logical + SECTOR;
    else parts.push([logical, logical + SECTOR]);
  }
  return parts;
}

function holdsSomething(live: LiveSpace, logical: number): boolean {
  return live.csums.at(logical) !== null || isInside(live.written, logical);
}

/** Whether one of the `start, end` pairs holds the address. */
function isInside(pairs: readonly number[], position: number): boolean {
  let low = 0;
  let high = pairs.length >>> 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (pairs[middle * 2 + 1]! <= position) low = middle + 1;
    else high = middle;
  }
  const start = pairs[low * 2];
  return start !== undefined && start <= position;
}

/** Whether the device extent that holds this offset lies wholly in the range that is scrubbed. */
function isWithin(live: LiveSpace, chunk: number, offset: number, scrub: ScrubStarted): boolean {
  return live.deviceExtents.some(
    (extent) =>
      extent.device === scrub.devid &&
      extent.chunk === chunk &&
      extent.offset <= offset &&
      offset < extent.offset + extent.length &&
      extent.offset >= scrub.start &&
      extent.offset + extent.length <= scrub.end,
  );
}

/** Whether the same bytes are still at the same place of the same device. */
function staysThere(live: LiveSpace, logical: number, length: number, device: number, offset: number): boolean {
  let stays = false;
  live.eachPiece(logical, length, (piece) => {
    if (piece.device === device && piece.offset === offset && piece.length === length) stays = true;
  });
  return stays;
}
