import { EXTENT_MAP_DELALLOC, EXTENT_MAP_HOLE, EXTENT_MAP_INLINE } from '../../task/observation.ts';
import type { ImageChunk, ImageContents, ImageExtent } from '../image-contents.ts';
import type { Violation } from '../law.ts';
import { type KeptMap, type KeptMaps, showMap } from './kept-maps.ts';

/** The maps that an inode had at the end, against the file extent items and chunks on disk. */
export function compareWithDisk(kept: KeptMaps, contents: ImageContents): Violation[] {
  const extents = contents.extentsOf(kept.tree, kept.inode);
  if (extents === null) return [];
  const violations: Violation[] = [];
  const chunks = contents.chunks();
  for (const map of kept.maps()) {
    // In-flight maps describe what is not on disk yet; broken shapes have been reported when they were seen.
    if (map.isPinned || map.blockStart === EXTENT_MAP_DELALLOC || !(map.length > 0)) continue;
    const place = disagreement(map, extents);
    if (place !== null) violations.push(disagrees(kept, map, place));
    else if (map.blockStart >= 0 && !liesInChunks(map, chunks)) violations.push(outsideChunks(kept, map));
  }
  return violations;
}

interface Disagreement {
  readonly at: number;
  readonly extent: ImageExtent | null;
}

/** The first place where the map says other than the items. */
function disagreement(map: KeptMap, extents: readonly ImageExtent[]): Disagreement | null {
  const end = map.start + map.length;
  let at = map.start;
  for (const extent of extents) {
    if (extent.start + extent.length <= at) continue;
    if (extent.start >= end) break;
    if (extent.start > at && map.blockStart !== EXTENT_MAP_HOLE) return { at, extent: null };
    at = Math.max(at, extent.start);
    if (!agrees(map, at, extent)) return { at, extent };
    at = extent.start + extent.length;
  }
  return at < end && map.blockStart !== EXTENT_MAP_HOLE && map.blockStart !== EXTENT_MAP_INLINE
    ? { at, extent: null }
    : null;
}

function agrees(map: KeptMap, at: number, extent: ImageExtent): boolean {
  if (map.blockStart === EXTENT_MAP_HOLE) return extent.kind === 'hole';
  if (map.blockStart === EXTENT_MAP_INLINE) return extent.kind === 'inline';
  // A map that says preallocated reads as zeroes, whatever is on disk; one that does not shows what was never written.
  if (extent.kind !== (map.isPrealloc ? 'prealloc' : 'regular')) return false;
  if (map.isCompressed !== extent.isCompressed) return false;
  if (map.isCompressed) return map.blockStart === extent.diskStart && map.blockLength === extent.diskLength;
  return map.blockStart + (at - map.start) === extent.diskStart + extent.offset + (at - extent.start);
}

/** Extents that touch each other may be merged into one map although a chunk ends between them. */
function liesInChunks(map: KeptMap, chunks: readonly ImageChunk[]): boolean {
  const end = map.blockStart + map.blockLength;
  let covered = map.blockStart;
  for (const { isData, logical, length } of chunks) {
    if (isData && logical <= covered) covered = Math.max(covered, logical + length);
  }
  return covered >= end;
}

function disagrees(kept: KeptMaps, map: KeptMap, place: Disagreement): Violation {
  return {
    law: 'extent-maps',
    message: `inode ${kept.inode}: map ${showMap(map)} disagrees with the disk at offset ${place.at}`,
    expected: showExtent(place.extent, place.at),
    observed: `map ${showMap(map)}, there since step ${map.since}`,
    evidence: [map.since],
  };
}

function outsideChunks(kept: KeptMaps, map: KeptMap): Violation {
  return {
    law: 'extent-maps',
    message: `inode ${kept.inode}: map ${showMap(map)} does not lie in data chunks`,
    expected: 'an address range inside data chunks',
    observed: `map ${showMap(map)}, there since step ${map.since}`,
    evidence: [map.since],
  };
}

function showExtent(extent: ImageExtent | null, at: number): string {
  if (extent === null) return `no file extent item covers offset ${at}`;
  const range = `[${extent.start}, ${extent.start + extent.length})`;
  if (extent.kind === 'inline' || extent.kind === 'hole') return `file extent item ${range} ${extent.kind}`;
  const compressed = extent.isCompressed ? ', compressed' : '';
  return `file extent item ${range} ${extent.kind} at ${extent.diskStart + (extent.isCompressed ? 0 : extent.offset)}${compressed}`;
}
