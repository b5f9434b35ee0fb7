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

/**
 * The extent maps of one inode as last observed, copied into two flat arrays that take turns: an observation costs no
 * allocation once the arrays have grown.
 */
export class KeptMaps {
  readonly tree: number;
  readonly inode: number;
  /** The step of its eviction; null while it is in memory. */
  evicted: Step | null = null;
  private fields = new Float64Array(8 * FIELDS);
  private previous = new Float64Array(8 * FIELDS);
  private count = 0;
  private previousCount = 0;
  private cursor = 0;

  constructor(tree: number, inode: number) {
    this.tree = tree;
    this.inode = inode;
  }

  /** Begins a new observation: what was kept becomes what new maps are compared with. */
  begin(): void {
    const fields = this.previous;
    this.previous = this.fields;
    this.previousCount = this.count;
    this.fields = fields;
    this.count = 0;
    this.cursor = 0;
    this.evicted = null;
  }

  add(map: ExtentMapView, step: Step): void {
    const at = this.count * FIELDS;
    if (at === this.fields.length) this.grow();
    const fields = this.fields;
    const flags = (map.isPinned ? PINNED : 0) | (map.isCompressed ? COMPRESSED : 0) | (map.isPrealloc ? PREALLOC : 0);
    fields[at + START] = map.start;
    fields[at + LENGTH] = map.length;
    fields[at + BLOCK_START] = map.blockStart;
    fields[at + BLOCK_LENGTH] = map.blockLength;
    fields[at + ORIGINAL_START] = map.originalStart;
    fields[at + FLAGS] = flags;
    fields[at + SINCE] = this.sinceOf(at, step);
    this.count++;
  }

  *maps(): Generator<KeptMap, void, undefined> {
    for (let i = 0; i < this.count; i++) yield this.mapAt(i);
  }

  /** Two uncompressed maps whose disk ranges overlap; null when there are none. */
  firstSharedPlace(): readonly [KeptMap, KeptMap] | null {
    const { fields } = this;
    const end = this.count * FIELDS;
    if (this.count > SCAN_MAX) return this.firstSharedPlaceOfMany();
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

  /** Both observations are in file order, so one pass finds what has stayed. */
  private sinceOf(at: number, step: Step): Step {
    const { fields, previous } = this;
    const end = this.previousCount * FIELDS;
    const start = fields[at + START]!;
    while (this.cursor < end && previous[this.cursor + START]! < start) this.cursor += FIELDS;
    const old = this.cursor;
    if (old >= end || previous[old + START] !== start) return step;
    const isSame =
      previous[old + LENGTH] === fields[at + LENGTH] && previous[old + BLOCK_START] === fields[at + BLOCK_START];
    return isSame ? previous[old + SINCE]! : step;
  }

  private grow(): void {
    const larger = new Float64Array(this.fields.length * 2);
    larger.set(this.fields);
    this.fields = larger;
  }
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
