import { ExtentMap, wrapUnsigned } from './extent-map.ts';

/** What lies of a map before `end`. */
export function leftPiece(map: ExtentMap, end: number, flags: number): ExtentMap {
  const length = end - map.start;
  if (!map.isReal) return virtualPiece(map, map.start, length, flags);
  const blockLength = map.isCompressed ? map.blockLength : length;
  return realPiece(map, map.start, length, map.blockStart, blockLength, flags, blockLength);
}

/** What lies of a map, which ends at `mapEnd`, from `start` on; a start beyond that makes a length that wraps. */
export function rightPiece(map: ExtentMap, start: number, mapEnd: number, flags: number): ExtentMap {
  const length = wrapUnsigned(mapEnd - start);
  if (!map.isReal) return virtualPiece(map, start, length, flags);
  if (map.isCompressed) return realPiece(map, start, length, map.blockStart, map.blockLength, flags, map.blockLength);
  return realPiece(map, start, length, map.blockStart + (start - map.start), length, flags, map.blockLength);
}

function virtualPiece(map: ExtentMap, start: number, length: number, flags: number): ExtentMap {
  const { blockStart, generation } = map;
  return new ExtentMap({ start, length, blockStart, blockLength: 0, ramBytes: length, generation, flags });
}

function realPiece(
  map: ExtentMap,
  start: number,
  length: number,
  blockStart: number,
  blockLength: number,
  flags: number,
  originalBlockLengthMin: number,
): ExtentMap {
  const piece = new ExtentMap({
    start,
    length,
    blockStart,
    blockLength,
    originalStart: map.originalStart,
    originalBlockLength: Math.max(originalBlockLengthMin, map.originalBlockLength),
    ramBytes: map.ramBytes,
    compression: map.compression,
    generation: map.generation,
    flags,
  });
  piece.diskStart = map.diskStart;
  piece.diskLength = map.diskLength;
  piece.offsetLag = map.offsetLag;
  return piece;
}

/** New layout: the merged map's extent spans both extents. */
export function uniteDisk(survivor: ExtentMap, previous: ExtentMap, next: ExtentMap): void {
  if (!previous.isReal) return;
  const start = Math.min(previous.diskStart, next.diskStart);
  const end = Math.max(previous.diskStart + previous.diskLength, next.diskStart + next.diskLength);
  survivor.diskStart = start;
  survivor.diskLength = end - start;
}
