import { assert } from '../../base/assert.ts';
import {
  addUnsigned,
  COMPRESSED,
  type ExtentMap,
  endOfMap,
  FILE_OFFSET_LIMIT,
  FILLING,
  LOGGING,
  MERGED,
  PINNED,
  wrapUnsigned,
} from './extent-map.ts';
import { leftPiece, rightPiece, uniteDisk } from './extent-map-pieces.ts';
import type { ExtentMapRules } from './extent-map-rules.ts';

/** Flags that forbid merging, whichever of the two maps has one. */
const UNMERGEABLE = PINNED | COMPRESSED | LOGGING;

/** Says whether an allocation fails; the tree asks it for each piece of a split. */
export type MayAllocate = () => boolean;

/**
 * One inode's extent maps: sorted by file offset, never overlapping (unless a switched-off fix breaks that), with the
 * list of those that a fast fsync must log. A pure data structure: whoever calls holds the tree's lock.
 *
 * Semantics: Linux's extent_map.c in the classic layout. Methods that hand a map out take no reference for the caller.
 */
export class ExtentMapTree {
  readonly rules: ExtentMapRules;
  private readonly sorted: ExtentMap[] = [];
  private readonly modified: ExtentMap[] = [];
  /** Set when a modified map was lost to a failed allocation: the next fsync must log the whole inode. */
  needsFullSync = false;

  constructor(rules: ExtentMapRules) {
    this.rules = rules;
  }

  /** In file order; live. */
  get maps(): readonly ExtentMap[] {
    return this.sorted;
  }

  /** In the order of modification; live. */
  get modifiedMaps(): readonly ExtentMap[] {
    return this.modified;
  }

  /** The first map that intersects [start, start + length), or null. */
  lookup(start: number, length: number): ExtentMap | null {
    const map = this.sorted[this.firstEndingAfter(start)];
    if (map === undefined || map.start >= endOfMap(start, length)) return null;
    return map;
  }

  /** The map that covers `start`; else the next one after it; else the last one before it; null when there is none. */
  search(start: number): ExtentMap | null {
    const sorted = this.sorted;
    return sorted[this.firstEndingAfter(start)] ?? sorted[sorted.length - 1] ?? null;
  }

  predecessorOf(map: ExtentMap): ExtentMap | null {
    return this.sorted[this.indexOf(map) - 1] ?? null;
  }

  successorOf(map: ExtentMap): ExtentMap | null {
    return this.sorted[this.indexOf(map) + 1] ?? null;
  }

  /**
   * Puts a map in and takes a reference for the tree. A modified one goes on the modified list as it is; another is
   * merged with its neighbours. False (EEXIST) when it intersects a map that is there; nothing changed then.
   */
  insert(map: ExtentMap, isModified: boolean): boolean {
    const index = this.firstEndingAfter(map.start);
    const next = this.sorted[index];
    // The first test alone refuses an empty map inside another.
    if (next !== undefined && (next.start <= map.start || next.start < map.end)) return false;
    this.sorted.splice(index, 0, map);
    this.settle(map, isModified);
    return true;
  }

  /**
   * What a lookup for `start` does with the candidate that it read from the tree: inserts it, or resolves the conflict
   * with what others inserted meanwhile, by the rule of `rules.resolution`.
   *
   * Returns the map to use: the candidate (perhaps fitted into a gap) or one that was there; `EEXIST` when the old
   * rules find no way out; `EINVAL` when `start` lies outside the candidate.
   */
  addOrResolve(candidate: ExtentMap, start: number): ExtentMap | 'EEXIST' | 'EINVAL' {
    if (this.insert(candidate, false)) return candidate;
    const existing = this.search(start)!;
    if (this.usesExisting(existing, candidate, start)) return existing;
    return this.fitIntoGap(existing, candidate, start);
  }

  private usesExisting(existing: ExtentMap, candidate: ExtentMap, start: number): boolean {
    const level = this.rules.resolution;
    if (level === 3) return existing.start <= start && start < existing.end;
    if (level > 0 && existing.start === candidate.start && existing.blockStart === candidate.blockStart) {
      if (existing.end === candidate.end) return true;
      if (level === 2 && existing.end > candidate.end) return true;
    }
    return existing.start < start && start < existing.end;
  }

  /** Cuts the candidate down to the gap beside `existing` that should hold `start`, and inserts that. */
  private fitIntoGap(existing: ExtentMap, candidate: ExtentMap, start: number): ExtentMap | 'EEXIST' | 'EINVAL' {
    if (start < candidate.start || start >= candidate.end) return 'EINVAL';
    const index = this.indexOf(existing);
    const isAfter = existing.start > start;
    const previous = isAfter ? this.sorted[index - 1] : existing;
    const next = isAfter ? existing : this.sorted[index + 1];

    const gapStart = Math.max(previous === undefined ? candidate.start : previous.end, candidate.start);
    const gapEnd = Math.min(next === undefined ? candidate.end : next.start, candidate.end);
    const cut = gapStart - candidate.start;
    candidate.start = gapStart;
    candidate.length = wrapUnsigned(gapEnd - gapStart);
    if (candidate.isReal && !candidate.isCompressed) {
      if (!this.rules.keepsGapAddress) candidate.blockStart += cut;
      candidate.blockLength = this.rules.exactBlockLength
        ? candidate.length
        : wrapUnsigned(candidate.blockLength - cut);
    } else if (candidate.isCompressed && !this.rules.advanceCompressedOffset) {
      candidate.offsetLag += cut;
    }
    return this.insert(candidate, false) ? candidate : 'EEXIST';
  }

  /** Takes a map out. Off the modified list too, unless an fsync is logging it. */
  remove(map: ExtentMap): void {
    assert(map.isInTree, 'only a map of the tree is removed');
    this.sorted.splice(this.indexOf(map), 1);
    map.isInTree = false;
    if ((map.flags & LOGGING) === 0) this.unlist(map);
    map.references--;
  }

  /** Puts `replacement` at the place of `current`, without looking whether it intersects others. */
  replace(current: ExtentMap, replacement: ExtentMap, isModified: boolean): void {
    assert(current.isInTree, 'only a map of the tree is replaced');
    this.sorted[this.indexOf(current)] = replacement;
    current.isInTree = false;
    if ((current.flags & LOGGING) === 0) this.unlist(current);
    current.references--;
    this.settle(replacement, isModified);
  }

  /** Whether two neighbours may become one. */
  isMergeable(previous: ExtentMap, next: ExtentMap): boolean {
    if (((previous.flags | next.flags) & UNMERGEABLE) !== 0) return false;
    if (previous.isModified || next.isModified) return false;
    if (previous.end !== next.start) return false;
    if ((previous.flags & ~MERGED) !== (next.flags & ~MERGED)) return false;
    if (!next.isReal) return previous.blockStart === next.blockStart;
    return previous.isReal && next.blockStart === previous.blockStart + previous.blockLength;
  }

  /** Merges a map of the tree with both neighbours where that is allowed. */
  merge(map: ExtentMap): void {
    if (!this.mayGrow(map)) return;
    const previous = this.beginMergeWithPredecessor(map);
    if (previous !== null) this.finishMergeWithPredecessor(map, previous);
    this.mergeWithSuccessor(map);
  }

  /** False when somebody beside the tree and the one who merges holds the map: they read its fields without the tree's lock (ac05ca913e9f). */
  mayGrow(map: ExtentMap): boolean {
    return !this.rules.mergeOnlyUnshared || map.references <= 2;
  }

  /**
   * First half of a merge, as the kernel orders its stores: where the map starts, while its length is still the old
   * one. Returns the predecessor to finish with, or null when there is nothing to merge.
   */
  beginMergeWithPredecessor(map: ExtentMap): ExtentMap | null {
    if (map.start === 0) return null;
    const previous = this.predecessorOf(map);
    if (previous === null || !this.isMergeable(previous, map)) return null;
    uniteDisk(map, previous, map);
    map.start = previous.start;
    map.originalStart = previous.originalStart;
    map.blockStart = previous.blockStart;
    return previous;
  }

  /** Second half: lengths, the range to log, and the end of the predecessor. */
  finishMergeWithPredecessor(map: ExtentMap, previous: ExtentMap): void {
    map.length = addUnsigned(map.length, previous.length);
    map.blockLength = addUnsigned(map.blockLength, previous.blockLength);
    map.modLength = addUnsigned(map.modLength, map.modStart - previous.modStart);
    map.modStart = previous.modStart;
    map.generation = Math.max(map.generation, previous.generation);
    map.flags |= MERGED;
    this.discard(previous, map);
  }

  mergeWithSuccessor(map: ExtentMap): void {
    const next = this.successorOf(map);
    if (next === null || !this.isMergeable(map, next)) return;
    uniteDisk(map, map, next);
    map.length = addUnsigned(map.length, next.length);
    map.blockLength = addUnsigned(map.blockLength, next.blockLength);
    map.modLength = addUnsigned(next.modLength, next.modStart - map.modStart);
    map.generation = Math.max(map.generation, next.generation);
    map.flags |= MERGED;
    this.discard(next, map);
  }

  /** `dying` shares its start with `survivor` while they merge, so it is found by identity beside it. */
  private discard(dying: ExtentMap, survivor: ExtentMap): void {
    const index = this.sorted.indexOf(survivor);
    this.sorted.splice(this.sorted[index - 1] === dying ? index - 1 : index + 1, 1);
    dying.isInTree = false;
    dying.references--;
  }

  /**
   * The ordered extent behind [start, start + length) has finished in transaction `generation`. Returns the map, not
   * yet merged and held for the caller, or null when no map starts at `start` (the kernel warns).
   */
  beginUnpin(start: number, length: number, generation: number): ExtentMap | null {
    const map = this.lookup(start, length);
    if (map === null || map.start !== start) return null;
    map.generation = generation;
    map.flags &= ~PINNED;
    map.modStart = map.start;
    map.modLength = map.length;
    map.references++;
    return map;
  }

  /** `beginUnpin` and the merge that follows, in one step. */
  unpin(start: number, length: number, generation: number): ExtentMap | null {
    const map = this.beginUnpin(start, length, generation);
    if (map === null) return null;
    const wasFilling = takeFilling(map);
    this.merge(map);
    if (wasFilling) logWhole(map);
    map.references--;
    return map;
  }

  /** The fsync that logged the map, and still holds it, is done. Merging follows, if the map is still in the tree. */
  clearLogging(map: ExtentMap): void {
    map.flags &= ~LOGGING;
    if (map.isInTree) this.merge(map);
  }

  /** Takes the modified maps that are on disk off the list and marks them as being logged; the caller holds each. */
  takeModifiedForLogging(): ExtentMap[] {
    const taken = this.modified.filter((map) => !map.isPinned);
    for (const map of taken) {
      this.unlist(map);
      map.flags |= LOGGING;
      map.references++;
    }
    return taken;
  }

  /** Drops maps that nobody needs: neither pinned, nor being logged, nor modified, nor held. Returns how many went. */
  shrink(): number {
    const needless = this.sorted.filter(
      (map) => (map.flags & (PINNED | LOGGING)) === 0 && !map.isModified && map.references === 1,
    );
    for (const map of needless) this.remove(map);
    return needless.length;
  }

  /** Puts a map in with no check at all: only a mutation does that. */
  insertUnchecked(map: ExtentMap): void {
    this.sorted.splice(this.firstEndingAfter(map.start), 0, map);
    map.references++;
    map.isInTree = true;
  }

  /**
   * Drops [start, end) from the tree, splitting maps that reach beyond it. `end` may be `FILE_OFFSET_LIMIT`: open.
   * With `skipPinned`, pinned maps stay whole. Pieces keep the flags but LOGGING, the generation, and whether they are
   * modified; where no piece can be allocated the whole map goes.
   */
  drop(start: number, end: number, skipPinned: boolean, mayAllocate: MayAllocate = always): void {
    if (end <= start) return;
    if (start === 0 && end >= FILE_OFFSET_LIMIT && !skipPinned) {
      this.clear();
      return;
    }
    const length = end - start;
    // The open range has no end to get wrong.
    const fault = end >= FILE_OFFSET_LIMIT ? null : this.rules.skipPinnedFault;
    let from = start;
    let to = end;
    let map = this.lookup(from, length);
    while (map !== null) {
      if (skipPinned && map.isPinned) {
        if (map.end >= to) return;
        from = map.end;
        if (fault === 'over-drop') to = from + length;
      } else {
        this.cut(map, from, to, fault === 'late-right-piece' ? from + length : to, mayAllocate);
      }
      map = this.lookup(from, to - from);
    }
  }

  /** Leaves of `map` what lies before `from` and after `to`. */
  private cut(map: ExtentMap, from: number, to: number, rightStart: number, mayAllocate: MayAllocate): void {
    const mapEnd = map.end;
    const isModified = map.isModified;
    const flags = map.flags & ~LOGGING;
    map.flags &= ~(PINNED | LOGGING);
    const left = map.start < from && mayAllocate() ? leftPiece(map, from, flags) : null;
    const right = mapEnd > to && mayAllocate() ? rightPiece(map, rightStart, mapEnd, flags) : null;
    const isLost = (map.start < from && left === null) || (mapEnd > to && right === null);
    if (isLost && isModified) this.needsFullSync = true;

    if (left !== null) this.replace(map, left, isModified);
    if (right !== null) {
      if (map.isInTree) this.replace(map, right, isModified);
      else if (!this.insert(right, isModified)) {
        if (isModified) this.needsFullSync = true;
        right.references--;
        return;
      }
    }
    if (map.isInTree) this.remove(map);
    if (left !== null) left.references--;
    if (right !== null) right.references--;
  }

  /** Forgets every map, pinned ones too. */
  clear(): void {
    for (const map of this.sorted) {
      map.isInTree = false;
      map.isModified = false;
      map.flags &= ~(PINNED | LOGGING);
      map.references--;
    }
    this.sorted.length = 0;
    this.modified.length = 0;
  }

  private settle(map: ExtentMap, isModified: boolean): void {
    map.references++;
    map.isInTree = true;
    map.modStart = map.start;
    map.modLength = map.length;
    if (isModified) {
      this.unlist(map);
      this.modified.push(map);
      map.isModified = true;
    } else {
      this.merge(map);
    }
  }

  private unlist(map: ExtentMap): void {
    if (!map.isModified) return;
    map.isModified = false;
    const index = this.modified.indexOf(map);
    if (index >= 0) this.modified.splice(index, 1);
  }

  /** Index of the first map whose end lies after `offset`; the number of maps when there is none. */
  private firstEndingAfter(offset: number): number {
    const sorted = this.sorted;
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sorted[middle]!.end > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  private indexOf(map: ExtentMap): number {
    const index = this.firstEndingAfter(map.start);
    // A wrapped or empty map, or two halves of a merge, are not where their start says.
    return this.sorted[index] === map ? index : this.sorted.indexOf(map);
  }
}

/** Ends the state of a write into a preallocated extent; true when the map was in it. */
export function takeFilling(map: ExtentMap): boolean {
  const wasFilling = (map.flags & FILLING) !== 0;
  map.flags &= ~FILLING;
  return wasFilling;
}

/** The next fast fsync logs all of the map. */
export function logWhole(map: ExtentMap): void {
  map.modStart = map.start;
  map.modLength = map.length;
}

function always(): boolean {
  return true;
}
