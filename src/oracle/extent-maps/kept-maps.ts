import type { Step } from '../../record/run-record.ts';
import { EXTENT_MAP_DELALLOC, EXTENT_MAP_HOLE, EXTENT_MAP_INLINE, type ExtentMapView } from '../../task/observation.ts';

const FIELDS = 7;
const START = 0;
const LENGTH = 1;
const BLOCK_START = 2;
const BLOCK_LENGTH = 3;
const ORIGINAL_START = 4;
const FLAGS = 5;
/** The step since which the map has been there unchanged. */
const SINCE = 6;

/** Up to this many maps, comparing each with each is quicker than sorting. */
const SCAN_MAX = 24;

const PINNED = 1;
const COMPRESSED = 2;
const PREALLOC = 4;

/** One map as it was last seen. */
export interface KeptMap {
  readonly start: number;
  readonly length: number;
  readonly blockStart: number;
  readonly blockLength: number;
  readonly originalStart: number;
  readonly isPinned: boolean;
  readonly isCompressed: boolean;
  readonly isPrealloc: boolean;
  readonly since: Step;
}

/** A part of the maps, by index. */
export interface MapRange {
  readonly from: number;
  readonly to: number;
}

/** What `KeptMaps.observe` replaces, while it looks for maps that were there before; one is enough for all inodes. */
const replaced: number[] = [];

/**
 * The extent maps of one inode as last observed. Most of a large file stays as it was from one observation to the next:
 * each is compared with all maps, but copies and makes the caller look at only what is not the same as before.
 */
export class KeptMaps {
  readonly tree: number;
  readonly inode: number;
  /** The step of its eviction; null while it is in memory. */
  evicted: Step | null = null;
  /** An array of numbers and no `Float64Array`: most inodes have few maps, and making one of those takes longer. */
  private readonly fields: number[] = [];
  private count = 0;
  /** In the last observation two maps claimed one place. */
  private hasClash = false;

  constructor(tree: number, inode: number) {
    this.tree = tree;
    this.inode = inode;
  }

  /** Takes over the maps as they are now. Returns which of them were not there before, or not in this form. */
  observe(maps: readonly ExtentMapView[], step: Step): MapRange {
    this.evicted = null;
    const least = Math.min(this.count, maps.length);
    let from = 0;
    while (from < least && this.isSame(from, maps[from]!)) from++;
    let tail = 0;
    while (tail < least - from && this.isSame(this.count - 1 - tail, maps[maps.length - 1 - tail]!)) tail++;
    const to = maps.length - tail;
    const replacedEnd = this.replace(from, this.count - tail, to);
    let cursor = 0;
    for (let i = from; i < to; i++) cursor = this.put(i, maps[i]!, step, cursor, replacedEnd);
    return { from, to };
  }

  /** Makes room for maps [from, to) in place of [from, end), which move to `replaced`; returns the end of those there. */
  private replace(from: number, end: number, to: number): number {
    const { fields } = this;
    const size = (end - from) * FIELDS;
    for (let i = 0; i < size; i++) replaced[i] = fields[from * FIELDS + i]!;
    const count = this.count + to - end;
    if (to < end) {
      for (let i = end * FIELDS; i < this.count * FIELDS; i++) fields[i + (to - end) * FIELDS] = fields[i]!;
    } else if (to > end) {
      while (fields.length < count * FIELDS) fields.push(0);
      for (let i = this.count * FIELDS - 1; i >= end * FIELDS; i--) fields[i + (to - end) * FIELDS] = fields[i]!;
    }
    this.count = count;
    return size;
  }

  private put(index: number, map: ExtentMapView, step: Step, cursor: number, replacedEnd: number): number {
    const { fields } = this;
    const at = index * FIELDS;
    fields[at + START] = map.start;
    fields[at + LENGTH] = map.length;
    fields[at + BLOCK_START] = map.blockStart;
    fields[at + BLOCK_LENGTH] = map.blockLength;
    fields[at + ORIGINAL_START] = map.originalStart;
    fields[at + FLAGS] = flagsOf(map);
    // Both observations are in file order, so one pass finds what has stayed.
    let old = cursor;
    while (old < replacedEnd && replaced[old + START]! < map.start) old += FIELDS;
    const isOld =
      old < replacedEnd &&
      replaced[old + START] === map.start &&
      replaced[old + LENGTH] === map.length &&
      replaced[old + BLOCK_START] === map.blockStart;
    fields[at + SINCE] = isOld ? replaced[old + SINCE]! : step;
    return old;
  }

  private isSame(index: number, map: ExtentMapView): boolean {
    const { fields } = this;
    const at = index * FIELDS;
    return (
      fields[at + START] === map.start &&
      fields[at + LENGTH] === map.length &&
      fields[at + BLOCK_START] === map.blockStart &&
      fields[at + BLOCK_LENGTH] === map.blockLength &&
      fields[at + ORIGINAL_START] === map.originalStart &&
      fields[at + FLAGS] === flagsOf(map)
    );
  }

  *maps(): Generator<KeptMap, void, undefined> {
    for (let i = 0; i < this.count; i++) yield this.mapAt(i);
  }

  /** Two uncompressed maps whose disk ranges overlap; null when there are none. `changed`: since the last call. */
  firstSharedPlace(changed: MapRange): readonly [KeptMap, KeptMap] | null {
    if (this.count <= SCAN_MAX) return this.sharedPlaceOfFew();
    const isQuick = !this.hasClash && changed.to - changed.from <= SCAN_MAX;
    if (isQuick && !this.sharesPlace(changed)) return null;
    const clash = this.firstSharedPlaceOfMany();
    this.hasClash = clash !== null;
    return clash;
  }

  /** Whether one of [from, to) shares its place with any other map. */
  private sharesPlace({ from, to }: MapRange): boolean {
    const { fields } = this;
    const end = this.count * FIELDS;
    for (let a = from * FIELDS; a < to * FIELDS; a += FIELDS) {
      const start = fields[a + BLOCK_START]!;
      if (start < 0 || (fields[a + FLAGS]! & COMPRESSED) !== 0) continue;
      const stop = start + fields[a + LENGTH]!;
      for (let b = 0; b < end; b += FIELDS) {
        const other = fields[b + BLOCK_START]!;
        if (other < 0 || other >= stop || other + fields[b + LENGTH]! <= start || a === b) continue;
        if ((fields[b + FLAGS]! & COMPRESSED) === 0) return true;
      }
    }
    return false;
  }

  private sharedPlaceOfFew(): readonly [KeptMap, KeptMap] | null {
    const { fields } = this;
    const end = this.count * FIELDS;
    this.hasClash = true;
    for (let a = FIELDS; a < end; a += FIELDS) {
      const start = fields[a + BLOCK_START]!;
      if (start < 0 || (fields[a + FLAGS]! & COMPRESSED) !== 0) continue;
      const stop = start + fields[a + LENGTH]!;
      for (let b = 0; b < a; b += FIELDS) {
        const other = fields[b + BLOCK_START]!;
        if (other < 0 || other >= stop || other + fields[b + LENGTH]! <= start) continue;
        if ((fields[b + FLAGS]! & COMPRESSED) === 0) return [this.mapAt(b / FIELDS), this.mapAt(a / FIELDS)];
      }
    }
    this.hasClash = false;
    return null;
  }

  private firstSharedPlaceOfMany(): readonly [KeptMap, KeptMap] | null {
    const real = [...this.maps()].filter((map) => map.blockStart >= 0 && !map.isCompressed);
    real.sort((a, b) => a.blockStart - b.blockStart);
    for (let i = 1; i < real.length; i++) {
      const before = real[i - 1]!;
      if (before.blockStart + before.length > real[i]!.blockStart) return [before, real[i]!];
    }
    return null;
  }

  private mapAt(index: number): KeptMap {
    const at = index * FIELDS;
    const fields = this.fields;
    const flags = fields[at + FLAGS]!;
    return {
      start: fields[at + START]!,
      length: fields[at + LENGTH]!,
      blockStart: fields[at + BLOCK_START]!,
      blockLength: fields[at + BLOCK_LENGTH]!,
      originalStart: fields[at + ORIGINAL_START]!,
      isPinned: (flags & PINNED) !== 0,
      isCompressed: (flags & COMPRESSED) !== 0,
      isPrealloc: (flags & PREALLOC) !== 0,
      since: fields[at + SINCE]!,
    };
  }
}

function flagsOf(map: ExtentMapView): number {
  return (map.isPinned ? PINNED : 0) | (map.isCompressed ? COMPRESSED : 0) | (map.isPrealloc ? PREALLOC : 0);
}

/** `[0, 8192) at 1048576`, `[0, 4096) hole`, for people. */
export function showMap(
  map: Pick<KeptMap, 'start' | 'length' | 'blockStart' | 'blockLength'> & { readonly isPrealloc?: boolean },
): string {
  const range = `[${map.start}, ${map.start + map.length})`;
  if (map.blockStart === EXTENT_MAP_HOLE) return `${range} hole`;
  if (map.blockStart === EXTENT_MAP_INLINE) return `${range} inline`;
  if (map.blockStart === EXTENT_MAP_DELALLOC) return `${range} delayed allocation`;
  const block = map.blockLength === map.length ? '' : ` (${map.blockLength} bytes on disk)`;
  return `${range}${map.isPrealloc === true ? ' preallocated' : ''} at ${map.blockStart}${block}`;
}
