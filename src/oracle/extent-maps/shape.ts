import type { ByteCount } from '../../base/units.ts';
import type { ExtentMapView } from '../../task/observation.ts';

const FILE_END_MAX = 2 ** 64;

/** What is wrong with one map by itself. */
export interface ShapeFault {
  readonly fault: string;
  readonly expected: string;
}

/** Null when the map is sound. Checked for every map of every observation: no allocation on the way there. */
export function shapeFault(map: ExtentMapView, sectorSize: ByteCount): ShapeFault | null {
  const { start, length } = map;
  if (!(length > 0)) {
    return length === 0
      ? { fault: 'has zero length', expected: 'a map that covers at least one sector' }
      : { fault: 'has a length that wrapped below zero', expected: 'a length above zero' };
  }
  if (!(start >= 0) || start + length > FILE_END_MAX) {
    return { fault: 'ends beyond 2^64 − 1', expected: 'a map that ends where files can end' };
  }
  if (map.blockStart >= 0) return realFault(map, sectorSize);
  return map.isPrealloc
    ? { fault: 'is preallocated but has no address', expected: 'preallocated space with a place on disk' }
    : null;
}

function realFault(map: ExtentMapView, sectorSize: ByteCount): ShapeFault | null {
  const { start, length, blockStart, blockLength, originalStart } = map;
  if (start % sectorSize !== 0 || length % sectorSize !== 0 || blockStart % sectorSize !== 0) {
    return { fault: 'is not made of whole sectors', expected: `multiples of ${sectorSize}` };
  }
  if (!map.isCompressed && blockLength !== length) {
    return {
      fault: `has block length ${blockLength}`,
      expected: `block length ${length}: an uncompressed map takes as much disk as file`,
    };
  }
  if (map.isCompressed && !(blockLength > 0)) {
    return { fault: `has block length ${blockLength}`, expected: 'the size of the compressed extent' };
  }
  if (map.isCompressed && map.isPrealloc) {
    return { fault: 'is both preallocated and compressed', expected: 'preallocated space without data' };
  }
  if (originalStart > start) {
    return {
      fault: `has original start ${originalStart}, after its start`,
      expected: 'the file offset of byte 0 of the on-disk extent, which no map of it starts before',
    };
  }
  if (!map.isCompressed && blockStart - (start - originalStart) < 0) {
    return {
      fault: `has original start ${originalStart}, which puts the on-disk extent below address 0`,
      expected: 'an original start within reach of the disk address',
    };
  }
  return null;
}
