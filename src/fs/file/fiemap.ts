import { alignUp, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { type ExtentMap, FILE_OFFSET_LIMIT } from './extent-map.ts';
import { getExtentMap, putExtentMap } from './extent-map-access.ts';
import { listExtentItems } from './file-extent-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { PAGE_SIZE } from './page-cache.ts';
import { findSharedRanges } from './shared-extents.ts';
import { flushRange } from './writeback.ts';

/** One extent as FIEMAP reports it, in bytes; `physical` is btrfs's logical address. */
export interface ReportedExtent {
  logical: number;
  physical: number;
  length: number;
  /** FIEMAP_EXTENT_* without the prefix, in the order of their bits. */
  flags: string[];
}

/**
 * The extents of a file in order, holes left out, neighbours merged that lie in a row on disk; preallocated ones also
 * beyond the file's end. Data without a place on disk yet is reported as delayed allocation where the file has a hole or
 * preallocated space below it; `sync` writes it out first.
 */
export function* mapFileExtents(files: Files, inode: Inode, sync: boolean): Task<ReportedExtent[]> {
  if (sync) yield* flushRange(files, inode, 0, Number.MAX_SAFE_INTEGER);
  const lock = yield* inode.lock.acquire('shared');
  try {
    const end = alignUp(inode.size, SECTOR_SIZE);
    const mayReachFurther = inode.hasPreallocation;
    if (end === 0 && !mayReachFurther) return [];
    const range = yield* inode.ranges.acquire(0, mayReachFurther ? FILE_OFFSET_LIMIT : end, 'exclusive');
    try {
      const lastEnd = mayReachFurther ? yield* endOfItems(files, inode) : 0;
      return yield* reportExtents(files, inode, Math.max(end, lastEnd));
    } finally {
      range.release();
    }
  } finally {
    lock.release();
  }
}

function* endOfItems(files: Files, inode: Inode): Task<number> {
  const items = yield* listExtentItems(files, inode);
  return items[items.length - 1]?.[1] ?? 0;
}

function* reportExtents(files: Files, inode: Inode, end: number): Task<ReportedExtent[]> {
  const extents: ReportedExtent[] = [];
  let at = 0;
  while (at < end) {
    const map = yield* getExtentMap(files, inode, at, end - at, false);
    const mapEnd = Math.min(map.end, end);
    if (map.isHole || map.isPrealloc) reportUnwritten(inode, map, at, mapEnd, extents);
    else report(extents, extentOf(map, at, mapEnd));
    putExtentMap(inode, map);
    // A map that a bug left behind must not keep the caller here for ever.
    at = mapEnd > at ? mapEnd : at + SECTOR_SIZE;
  }
  return yield* withSharing(files, inode, extents);
}

/** Cut where an extent that others refer to as well begins or ends. */
function* withSharing(files: Files, inode: Inode, extents: readonly ReportedExtent[]): Task<ReportedExtent[]> {
  const shared = yield* findSharedRanges(files, inode);
  const result: ReportedExtent[] = [];
  let next = 0;
  for (const extent of extents) {
    const end = extent.logical + extent.length;
    const isPlaced = extent.physical > 0;
    for (let at = extent.logical; at < end; ) {
      while (next < shared.length && shared[next]!.end <= at) next++;
      const range = shared[next];
      const isShared = isPlaced && range !== undefined && range.start <= at;
      const until = isShared ? range.end : Math.max(at + 1, range?.start ?? end);
      const stop = isPlaced ? Math.min(end, until) : end;
      const physical = extent.flags.includes('ENCODED') ? extent.physical : extent.physical + (at - extent.logical);
      const flags = isShared ? [...extent.flags, 'SHARED'] : [...extent.flags];
      report(result, { logical: at, physical: isPlaced ? physical : extent.physical, length: stop - at, flags });
      at = stop;
    }
  }
  result[result.length - 1]?.flags.unshift('LAST');
  return result;
}

function extentOf(map: ExtentMap, start: number, end: number): ReportedExtent {
  const flags: string[] = [];
  if (map.isCompressed) flags.push('ENCODED');
  if (!map.isReal) flags.push('NOT_ALIGNED', 'DATA_INLINE');
  if (map.isPrealloc) flags.push('UNWRITTEN');
  const address = map.isCompressed ? map.blockStart : map.blockStart + (start - map.start);
  return { logical: start, physical: map.isReal ? address : 0, length: end - start, flags };
}

/** Dirty pages over a hole or preallocated space, and what of that space lies between them. */
function reportUnwritten(inode: Inode, map: ExtentMap, start: number, end: number, extents: ReportedExtent[]): void {
  let at = start;
  for (const page of inode.pages.within(Math.floor(start / PAGE_SIZE), Math.ceil(end / PAGE_SIZE))) {
    if (!page.isDirty) continue;
    const logical = page.index * PAGE_SIZE;
    if (map.isPrealloc && logical > at) report(extents, extentOf(map, at, logical));
    report(extents, { logical, physical: 0, length: PAGE_SIZE, flags: ['UNKNOWN', 'DELALLOC'] });
    at = logical + PAGE_SIZE;
  }
  if (map.isPrealloc && at < end) report(extents, extentOf(map, at, end));
}

/** Adds an extent, or makes the last one longer where both say the same. */
function report(extents: ReportedExtent[], extent: ReportedExtent): void {
  const last = extents[extents.length - 1];
  if (last !== undefined && last.logical + last.length === extent.logical && sameFlags(last, extent)) {
    const isDelayed = extent.flags.includes('DELALLOC');
    const isWhole = extent.flags.every((flag) => flag === 'UNWRITTEN' || flag === 'SHARED');
    if (isDelayed || (isWhole && last.physical + last.length === extent.physical)) {
      last.length += extent.length;
      return;
    }
  }
  extents.push(extent);
}

function sameFlags(a: ReportedExtent, b: ReportedExtent): boolean {
  return a.flags.length === b.flags.length && a.flags.every((flag, index) => flag === b.flags[index]);
}
