import type { BlockGroup } from './block-group-list.ts';
import type { ChunkMap } from './chunk-map.ts';
import type { ExtentLedger } from './extent-ledger.ts';
import type { FaultCollector, FaultPlace } from './fault-report.ts';
import { SECTOR, showKey, TYPE } from './layout.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';

interface FreeSpaceInfo {
  readonly start: number;
  readonly length: number;
  readonly extentCount: number;
  readonly usesBitmaps: boolean;
  readonly place: FaultPlace;
  /** Free ranges as `start, end` pairs, neighbours in bitmaps joined. */
  readonly ranges: number[];
  /** Runs of free space, the number that `extent_count` states. */
  runs: number;
  /** Where the bitmaps read so far end. */
  bitmapEnd: number;
}

const BITMAP_BITS = 256 * 8;

/** Reads free ranges, from extents and bitmaps alike. */
export class FreeSpaceVisitor implements ItemVisitor {
  readonly infos: FreeSpaceInfo[] = [];
  readonly #faults: FaultCollector;
  #current: FreeSpaceInfo | null = null;
  #followsGap = false;

  constructor(faults: FaultCollector) {
    this.#faults = faults;
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void {
    if (type === TYPE.FREE_SPACE_INFO) {
      this.#info(block, slot, objectid, offset, at, size);
      return;
    }
    if (type !== TYPE.FREE_SPACE_EXTENT && type !== TYPE.FREE_SPACE_BITMAP) {
      this.#faults.item(block, slot, 'unexpected-item', `${showKey(objectid, type, offset)} does not belong here`);
      return;
    }
    const info = this.#current;
    if (this.#followsGap) return;
    if (info === null || objectid < info.start || objectid + offset > info.start + info.length) {
      this.#faults.item(block, slot, 'free-space-outside-group', 'free space beyond its block group', objectid);
      return;
    }
    if (offset <= 0 || objectid % SECTOR !== 0 || offset % SECTOR !== 0) {
      const what = 'free space is not made of sectors';
      this.#faults.item(block, slot, 'free-space-alignment', what, showKey(objectid, type, offset));
      return;
    }
    const isBitmap = type === TYPE.FREE_SPACE_BITMAP;
    if (isBitmap !== info.usesBitmaps) {
      const what = 'the block group is said to use the other representation';
      this.#faults.item(block, slot, 'free-space-flags', what, isBitmap ? 'a bitmap' : 'an extent');
    }
    if (isBitmap) this.#bitmap(block, slot, info, objectid, offset, at, size);
    else this.#extent(block, slot, info, objectid, offset, size);
  }

  gap(): void {
    this.#current = null;
    this.#followsGap = true;
  }

  #info(block: TreeBlock, slot: number, start: number, length: number, at: number, size: number): void {
    this.#current = null;
    this.#followsGap = false;
    if (size !== 8) {
      this.#faults.item(block, slot, 'item-size', 'size of a free space info is wrong', size, 8);
      return;
    }
    const flags = block.view.getUint32(at + 4, true);
    if (start < 0 || start % SECTOR !== 0 || length <= 0 || length % SECTOR !== 0) {
      const what = 'a block group that is not made of sectors';
      this.#faults.item(block, slot, 'free-space-alignment', what, showKey(start, TYPE.FREE_SPACE_INFO, length));
    }
    if ((flags & ~1) !== 0) this.#faults.item(block, slot, 'free-space-flags', 'unknown flags', flags, '0 or 1');
    const place = { start, tree: block.tree, block: block.logical, slot };
    const extentCount = block.view.getUint32(at, true);
    this.#current = {
      start,
      length,
      extentCount,
      usesBitmaps: (flags & 1) !== 0,
      place,
      ranges: [],
      runs: 0,
      bitmapEnd: start,
    };
    this.infos.push(this.#current);
  }

  #extent(block: TreeBlock, slot: number, info: FreeSpaceInfo, start: number, length: number, size: number): void {
    if (size !== 0) this.#faults.item(block, slot, 'item-size', 'a free space extent has no data', size, 0);
    const lastEnd = info.ranges.at(-1);
    if (lastEnd !== undefined && lastEnd > start) {
      this.#faults.item(block, slot, 'free-space-overlap', 'overlaps the free space before', start, `≥ ${lastEnd}`);
    } else if (lastEnd === start) {
      this.#faults.item(block, slot, 'free-space-not-merged', 'touches the free space before', start);
    }
    info.ranges.push(start, start + length);
    info.runs++;
  }

  #bitmap(
    block: TreeBlock,
    slot: number,
    info: FreeSpaceInfo,
    start: number,
    length: number,
    at: number,
    size: number,
  ): void {
    const bits = length / SECTOR;
    if (bits > BITMAP_BITS || size !== Math.ceil(bits / 8)) {
      const what = 'size of a bitmap does not fit its range';
      this.#faults.item(block, slot, 'free-space-bitmap-size', what, size, Math.ceil(Math.min(bits, BITMAP_BITS) / 8));
      return;
    }
    if (start !== info.bitmapEnd) {
      const what = 'bitmaps of a block group do not follow each other';
      this.#faults.item(block, slot, 'free-space-bitmap-gap', what, start, info.bitmapEnd);
    }
    info.bitmapEnd = start + length;
    const { ranges } = info;
    for (let bit = 0; bit < bits; bit++) {
      if ((block.bytes[at + (bit >>> 3)]! & (1 << (bit & 7))) === 0) continue;
      const position = start + bit * SECTOR;
      if (ranges.at(-1) === position) {
        ranges[ranges.length - 1] = position + SECTOR;
      } else {
        ranges.push(position, position + SECTOR);
        info.runs++;
      }
    }
  }
}

export interface FreeSpaceFacts {
  readonly groups: readonly BlockGroup[];
  readonly chunks: ChunkMap;
  readonly ledger: ExtentLedger;
}

/** The free space of every block group is what its extents leave over. */
export function checkFreeSpace(facts: FreeSpaceFacts, infos: readonly FreeSpaceInfo[], faults: FaultCollector): void {
  const byStart = new Map(infos.map((info) => [info.start, info]));
  const items = facts.ledger.items;
  let next = 0;
  for (const group of facts.groups) {
    while (next < items.length && items[next]!.start < group.start) next++;
    const info = byStart.get(group.start);
    if (info === undefined) {
      const what = 'the free space tree does not know this block group';
      faults.error('block group', group.place, 'free-space-info-missing', what);
      continue;
    }
    byStart.delete(group.start);
    if (info.length !== group.length) {
      const what = 'length is not that of the block group';
      faults.error('free space', info.place, 'free-space-info-length', what, info.length, group.length);
    }
    if (info.extentCount !== info.runs) {
      const what = 'extent_count is not the number of free ranges';
      faults.error('free space', info.place, 'free-space-count', what, info.extentCount, info.runs);
    }
    if (info.usesBitmaps && info.bitmapEnd !== info.start + info.length) {
      const what = 'bitmaps end before their block group';
      faults.error('free space', info.place, 'free-space-bitmap-gap', what, info.bitmapEnd, info.start + info.length);
    }
    const free: number[] = [];
    let position = group.start;
    const end = group.start + group.length;
    for (; next < items.length && items[next]!.start < end; next++) {
      const extent = items[next]!;
      if (extent.start > position) free.push(position, extent.start);
      position = Math.max(position, extent.start + extent.length);
    }
    if (position < end) free.push(position, end);
    compareRanges(info, free, facts.chunks, faults);
  }
  const firstGroup = facts.groups[0]?.start ?? 0;
  for (const info of byStart.values()) {
    // mkfs.btrfs forgets those of its temporary groups; addresses below the first group are never given out again.
    if (info.start + info.length <= firstGroup) continue;
    faults.error('free space', info.place, 'free-space-info-without-group', 'no block group starts here');
  }
}

function compareRanges(info: FreeSpaceInfo, expected: number[], chunks: ChunkMap, faults: FaultCollector): void {
  if (sameNumbers(info.ranges, expected)) return;
  // Whether the space under a superblock mirror is listed as free is left to the writer: Linux accepts both.
  const excluded: number[] = [];
  chunks.find(info.start)?.addSuperRanges(excluded);
  const have = excluded.length === 0 ? info.ranges : subtract(info.ranges, excluded);
  const expect = excluded.length === 0 ? expected : subtract(expected, excluded);
  for (const [start, end] of pairs(subtract(expect, have))) {
    const what = 'free space that the tree does not list';
    faults.error('free space', info.place, 'free-space-missing', what, 'nothing', `[${start}, ${end})`);
  }
  for (const [start, end] of pairs(subtract(have, expect))) {
    const what = 'the tree lists allocated space as free';
    faults.error('free space', info.place, 'free-space-allocated', what, `[${start}, ${end})`, 'nothing');
  }
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** What `ranges` has and `minus` has not; both `start, end` pairs, `ranges` ascending. */
function subtract(ranges: readonly number[], minus: readonly number[]): number[] {
  const sorted = pairs(minus).sort((a, b) => a[0] - b[0]);
  const result: number[] = [];
  let first = 0;
  for (const [start, end] of pairs(ranges)) {
    let position = start;
    while (first < sorted.length && sorted[first]![1] <= start) first++;
    for (let i = first; i < sorted.length && sorted[i]![0] < end; i++) {
      const [from, to] = sorted[i]!;
      if (from > position) result.push(position, from);
      position = Math.max(position, to);
    }
    if (position < end) result.push(position, end);
  }
  return result;
}

function pairs(flat: readonly number[]): [number, number][] {
  const result: [number, number][] = [];
  for (let i = 0; i < flat.length; i += 2) result.push([flat[i]!, flat[i + 1]!]);
  return result;
}
