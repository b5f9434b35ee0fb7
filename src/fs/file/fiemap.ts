import { alignUp, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { ExtentMap } from './extent-map.ts';
import { getExtentMap, putExtentMap } from './extent-map-access.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { PAGE_SIZE } from './page-cache.ts';
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
 * The extents of a file in order, holes left out, neighbours merged that lie in a row on disk. Data without a place on
 * disk yet is reported as delayed allocation where the file has a hole below it; `sync` writes it out first.
 */
export function* mapFileExtents(files: Files, inode: Inode, sync: boolean): Task<ReportedExtent[]> {
  if (sync) yield* flushRange(files, inode, 0, Number.MAX_SAFE_INTEGER);
  const lock = yield* inode.lock.acquire('shared');
  try {
    const end = alignUp(inode.size, SECTOR_SIZE);
    if (end === 0) return [];
    const range = yield* inode.ranges.acquire(0, end, 'exclusive');
    try {
      return yield* reportExtents(files, inode, end);
    } finally {
      range.release();
    }
  } finally {
    lock.release();
  }
}

function* reportExtents(files: Files, inode: Inode, end: number): Task<ReportedExtent[]> {
  const extents: ReportedExtent[] = [];
  let at = 0;
  while (at < end) {
    const map = yield* getExtentMap(files, inode, at, end - at, false);
    const mapEnd = Math.min(map.end, end);
    if (map.isHole) reportDelayed(inode, at, mapEnd, extents);
    else report(extents, extentOf(map, at, mapEnd));
    putExtentMap(inode, map);
    // A map that a bug left behind must not keep the caller here for ever.
    at = mapEnd > at ? mapEnd : at + SECTOR_SIZE;
  }
  extents[extents.length - 1]?.flags.unshift('LAST');
  return extents;
}

function extentOf(map: ExtentMap, start: number, end: number): ReportedExtent {
  const flags: string[] = [];
  if (map.isCompressed) flags.push('ENCODED');
  if (!map.isReal) flags.push('NOT_ALIGNED', 'DATA_INLINE');
  if (map.isPrealloc) flags.push('UNWRITTEN');
  const address = map.isCompressed ? map.blockStart : map.blockStart + (start - map.start);
  return { logical: start, physical: map.isReal ? address : 0, length: end - start, flags };
}

function reportDelayed(inode: Inode, start: number, end: number, extents: ReportedExtent[]): void {
  for (const page of inode.pages.within(Math.floor(start / PAGE_SIZE), Math.ceil(end / PAGE_SIZE))) {
    if (!page.isDirty) continue;
    report(extents, {
      logical: page.index * PAGE_SIZE,
      physical: 0,
      length: PAGE_SIZE,
      flags: ['UNKNOWN', 'DELALLOC'],
    });
  }
}

/** Adds an extent, or makes the last one longer where both say the same. */
function report(extents: ReportedExtent[], extent: ReportedExtent): void {
  const last = extents[extents.length - 1];
  if (last !== undefined && last.logical + last.length === extent.logical && sameFlags(last, extent)) {
    const isDelayed = extent.flags.includes('DELALLOC');
    if (isDelayed || (extent.flags.length === 0 && last.physical + last.length === extent.physical)) {
      last.length += extent.length;
      return;
    }
  }
  extents.push(extent);
}

function sameFlags(a: ReportedExtent, b: ReportedExtent): boolean {
  return a.flags.length === b.flags.length && a.flags.every((flag, index) => flag === b.flags[index]);
}
