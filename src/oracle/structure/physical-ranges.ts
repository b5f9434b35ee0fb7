import { type LiveSpace, superblockRanges } from './live-space.ts';

/** A live stretch of a disk. */
export interface PhysicalRange {
  readonly start: number;
  readonly end: number;
  /** Logical address of its first byte; −1 of a superblock. */
  readonly logical: number;
  readonly isTree: boolean;
}

const known = new WeakMap<LiveSpace, ReadonlyMap<number, readonly PhysicalRange[]>>();

/**
 * By index of the image, ascending: all extents that the committed roots hold, and the superblocks. The disk that a
 * device replace copies to counts as its source does.
 */
export function physicalRanges(live: LiveSpace): ReadonlyMap<number, readonly PhysicalRange[]> {
  let ranges = known.get(live);
  if (ranges === undefined) {
    ranges = readRanges(live);
    known.set(live, ranges);
  }
  return ranges;
}

function readRanges(live: LiveSpace): Map<number, PhysicalRange[]> {
  const ranges = new Map<number, PhysicalRange[]>();
  for (const [device, image] of live.imageOf) {
    const own: PhysicalRange[] = [];
    ranges.set(image, own);
    addSuperblocks(live.sizes.get(device) ?? 0, own);
  }
  for (const { start, length, isTree } of live.extents) {
    live.eachPiece(start, length, (piece) => {
      const image = live.imageOf.get(piece.device);
      if (image === undefined) return;
      const { offset, logical } = piece;
      ranges.get(image)!.push({ start: offset, end: offset + piece.length, logical, isTree });
    });
  }
  addTarget(live, ranges);
  for (const own of ranges.values()) own.sort((a, b) => a.start - b.start);
  return ranges;
}

function addTarget(live: LiveSpace, ranges: Map<number, PhysicalRange[]>): void {
  const { replace, target } = live;
  if (replace === null || target === null || ranges.has(target)) return;
  const sourceImage = live.imageOf.get(replace.source);
  const own = sourceImage === undefined ? [] : [...ranges.get(sourceImage)!];
  if (own.length === 0) addSuperblocks(live.sizes.get(replace.source) ?? 0, own);
  ranges.set(target, own);
}

function addSuperblocks(size: number, ranges: PhysicalRange[]): void {
  const pairs = superblockRanges(size);
  for (let i = 0; i < pairs.length; i += 2) {
    ranges.push({ start: pairs[i]!, end: pairs[i + 1]!, logical: -1, isTree: false });
  }
}

/** The first of `ranges` that [start, end) touches; null when there is none. */
export function firstTouched(ranges: readonly PhysicalRange[], start: number, end: number): PhysicalRange | null {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.end <= start) low = middle + 1;
    else high = middle;
  }
  const found = ranges[low];
  return found !== undefined && found.start < end ? found : null;
}
