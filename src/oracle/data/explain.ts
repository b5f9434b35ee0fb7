import { alignDown, alignUp, type ByteCount, type FileOffset, SECTOR_SIZE } from '../../base/units.ts';
import { areConcurrent, type Call, precedes } from '../history/calls.ts';
import type { Change } from './history.ts';

/** More concurrent changes of one sector than this are not judged. */
const CONCURRENT_MAX = 15;

/** Bytes that somebody saw at one place of a file. */
export interface Sighting {
  /** Who looked; null: the run's end, when all is over. */
  readonly reader: Call | null;
  readonly offset: FileOffset;
  readonly bytes: Uint8Array;
}

export interface Unexplained {
  readonly start: FileOffset;
  readonly end: FileOffset;
  /** Changes of which the last one could have been seen here, in no order. */
  readonly candidates: readonly Change[];
}

/** Working space of one search: changes of one segment, relations as bit masks. */
interface Segment {
  readonly start: FileOffset;
  readonly end: FileOffset;
  readonly changes: readonly Change[];
  /** Those that a change comes before. */
  readonly successors: readonly number[];
  /** Happened before the reader looked, all of it. */
  readonly isCertain: readonly boolean[];
  /** May not have happened, or be hidden, on its own account. */
  readonly isOptional: readonly boolean[];
}

/**
 * The parts of a sighting that no legal order of the changes explains, adjacent sectors joined. Each sector is judged
 * alone: concurrent changes may mix at sector granularity and nothing finer. `initial` null: anything may have been
 * there before.
 */
export function findUnexplained(
  changes: readonly Change[],
  initial: Uint8Array | null,
  sighting: Sighting,
  sectorSize: ByteCount,
): Unexplained[] {
  const { reader, offset, bytes } = sighting;
  const end = offset + bytes.length;
  const seen: Change[] = [];
  for (const change of changes) {
    if (change.start >= end || change.end <= offset || change.kind === 'fallocate') continue;
    // What a call itself puts there it has not seen before.
    if (reader === null || (change.call !== reader && !precedes(reader, change.call))) seen.push(change);
  }
  if (seen.length === 0) {
    if (initial === null || matchesInitial(initial, sighting, offset, end)) return [];
  }
  const found: Unexplained[] = [];
  const cuts = cutsOf(seen, offset, end, sectorSize);
  for (let i = 0; i + 1 < cuts.length; i++) {
    explainSegment(found, seen, initial, sighting, cuts[i]!, cuts[i + 1]!, sectorSize);
  }
  return joined(found);
}

/** Sector boundaries between which the same changes apply, all of them wholly or within one sector. */
function cutsOf(seen: readonly Change[], from: FileOffset, to: FileOffset, sectorSize: ByteCount): FileOffset[] {
  const cuts = [from, to];
  const add = (position: FileOffset) => {
    if (position > from && position < to) cuts.push(position);
  };
  for (const change of seen) {
    add(alignDown(change.start, sectorSize));
    add(alignUp(change.start, sectorSize));
    if (change.end !== Number.POSITIVE_INFINITY) {
      add(alignDown(change.end, sectorSize));
      add(alignUp(change.end, sectorSize));
    }
  }
  cuts.sort((a, b) => a - b);
  return cuts.filter((cut, index) => index === 0 || cut !== cuts[index - 1]);
}

function explainSegment(
  found: Unexplained[],
  seen: readonly Change[],
  initial: Uint8Array | null,
  sighting: Sighting,
  start: FileOffset,
  end: FileOffset,
  sectorSize: ByteCount,
): void {
  const segment = makeSegment(seen, sighting.reader, start, end, sectorSize);
  if (segment.changes.length > CONCURRENT_MAX || isExplained(segment, initial, sighting)) return;
  const firstCut = alignDown(start, sectorSize) + sectorSize;
  if (end <= firstCut) {
    found.push({ start, end, candidates: segment.changes });
    return;
  }
  // As a whole it is not one change's; each sector may still be.
  for (let at = start; at < end; ) {
    const next = Math.min(end, alignDown(at, sectorSize) + sectorSize);
    const sector = { ...segment, start: at, end: next };
    if (!isExplained(sector, initial, sighting)) found.push({ start: at, end: next, candidates: segment.changes });
    at = next;
  }
}

function makeSegment(
  seen: readonly Change[],
  reader: Call | null,
  start: FileOffset,
  end: FileOffset,
  sectorSize: ByteCount,
): Segment {
  const touching = seen.filter((change) => change.start < end && change.end > start);
  const optional = new Set(
    touching.filter((change) => change.isOptional || isHidable(change, touching, start, sectorSize)),
  );
  const isCertain = (change: Change) => reader === null || precedes(change.call, reader);

  // What was certainly and wholly overwritten, in real time, cannot show any more.
  const covers = touching.filter(
    (change) => change.start <= start && change.end >= end && isCertain(change) && !optional.has(change),
  );
  const changes = touching.filter((change) => !covers.some((cover) => cover !== change && comesBefore(change, cover)));
  return {
    start,
    end,
    changes,
    successors: changes.map((change) => {
      let mask = 0;
      for (const [index, other] of changes.entries()) if (comesBefore(change, other)) mask |= 1 << index;
      return mask;
    }),
    isCertain: changes.map(isCertain),
    isOptional: changes.map((change) => optional.has(change)),
  };
}

/** One call's own parts (a short write and what it left out) never overlap and need no order. */
function comesBefore(a: Change, b: Change): boolean {
  return a.call !== b.call && precedes(a.call, b.call);
}

/**
 * A buffered write of part of a sector may have read the sector before a concurrent direct write and put it back after:
 * Linux promises nothing when both are mixed on one page.
 */
function isHidable(change: Change, touching: readonly Change[], start: FileOffset, sectorSize: ByteCount): boolean {
  if (!change.isDirect) return false;
  const sector = alignDown(start, sectorSize);
  return touching.some(
    (other) =>
      other.kind === 'write' &&
      !other.isDirect &&
      (other.start > sector || other.end < sector + sectorSize) &&
      areConcurrent(change.call, other.call),
  );
}

function isExplained(segment: Segment, initial: Uint8Array | null, sighting: Sighting): boolean {
  return search(segment, initial, sighting, 0, 0, [segment.start, segment.end], new Set());
}

/**
 * Undoes time from the sighting backwards: picks the change that came last, whose bytes must be seen wherever nothing
 * later covers them, then the one before it. What the picked ones cover does not depend on their order, so a state is
 * the two masks alone.
 */
function search(
  segment: Segment,
  initial: Uint8Array | null,
  sighting: Sighting,
  placed: number,
  excluded: number,
  uncovered: readonly FileOffset[],
  tried: Set<number>,
): boolean {
  if (uncovered.length === 0) return true;
  const state = placed * 2 ** 16 + excluded;
  if (tried.has(state)) return false;
  tried.add(state);

  const count = segment.changes.length;
  const gone = placed | excluded;
  let isEnd = true;
  for (let i = count - 1; i >= 0; i--) {
    const bit = 1 << i;
    if ((gone & bit) !== 0) continue;
    isEnd = false;
    const successors = segment.successors[i]!;
    if ((successors & ~gone) !== 0) continue;
    const change = segment.changes[i]!;
    if (matchesChange(change, sighting, uncovered)) {
      const rest = without(uncovered, change.start, change.end);
      if (search(segment, initial, sighting, placed | bit, excluded, rest, tried)) return true;
    }
    // Not yet happened when the reader looked (then nothing after it had either), or never happened.
    const mayBeLater = !segment.isCertain[i]! && (successors & ~excluded) === 0;
    if (mayBeLater || segment.isOptional[i]!) {
      if (search(segment, initial, sighting, placed, excluded | bit, uncovered, tried)) return true;
    }
  }
  if (!isEnd) return false;
  if (initial === null) return true;
  for (let i = 0; i < uncovered.length; i += 2) {
    if (!matchesInitial(initial, sighting, uncovered[i]!, uncovered[i + 1]!)) return false;
  }
  return true;
}

function matchesChange(change: Change, sighting: Sighting, ranges: readonly FileOffset[]): boolean {
  for (let i = 0; i < ranges.length; i += 2) {
    const start = Math.max(ranges[i]!, change.start);
    const end = Math.min(ranges[i + 1]!, change.end);
    if (start >= end) continue;
    const { bytes, offset } = sighting;
    const at = start - offset;
    if (change.kind === 'copy') {
      if (!mayBeCopied(change, start, bytes.subarray(at, end - offset))) return false;
    } else if (change.kind === 'write') {
      if (!sameRange(bytes, at, change.bytes, start - change.start, end - start)) return false;
    } else if (!isZero(bytes, at, end - offset)) return false;
  }
  return true;
}

/** Copies that are being explained, so that none explains itself. */
const underWay = new Set<Change>();

/** Whether a source of the copy may have held these bytes, found at `start` of the target, when the copy looked at it. */
function mayBeCopied(copy: Change, start: FileOffset, bytes: Uint8Array): boolean {
  if (underWay.has(copy)) return false;
  underWay.add(copy);
  try {
    const offset = start - copy.start + (copy.sourceOffset ?? 0);
    return (copy.sources ?? []).some(({ changes, initial }) => {
      // Where appends went is not known here.
      if (changes.some((change) => change.isAppend)) return true;
      return findUnexplained(changes, initial, { reader: copy.call, offset, bytes }, SECTOR_SIZE).length === 0;
    });
  } finally {
    underWay.delete(copy);
  }
}

function matchesInitial(initial: Uint8Array, sighting: Sighting, start: FileOffset, end: FileOffset): boolean {
  const { bytes, offset } = sighting;
  const known = Math.max(start, Math.min(end, initial.length));
  return sameRange(bytes, start - offset, initial, start, known - start) && isZero(bytes, known - offset, end - offset);
}

function sameRange(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, length: ByteCount): boolean {
  if (length <= 0) return true;
  // Most foreign data differs in its first cell: no need to call into the library for it.
  if (a[aStart] !== b[bStart] || a[aStart + length - 1] !== b[bStart + length - 1]) return false;
  const left = Buffer.from(a.buffer, a.byteOffset + aStart, length);
  return left.compare(b, bStart, bStart + length, 0, length) === 0;
}

const ZEROES = new Uint8Array(65536);

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; ) {
    const length = Math.min(end - at, ZEROES.length);
    if (!sameRange(bytes, at, ZEROES, 0, length)) return false;
    at += length;
  }
  return true;
}

function without(ranges: readonly FileOffset[], start: FileOffset, end: FileOffset): FileOffset[] {
  const rest: FileOffset[] = [];
  for (let i = 0; i < ranges.length; i += 2) {
    const from = ranges[i]!;
    const to = ranges[i + 1]!;
    if (end <= from || start >= to) {
      rest.push(from, to);
      continue;
    }
    if (from < start) rest.push(from, start);
    if (end < to) rest.push(end, to);
  }
  return rest;
}

function joined(found: readonly Unexplained[]): Unexplained[] {
  const runs: Unexplained[] = [];
  for (const part of found) {
    const last = runs.at(-1);
    if (last !== undefined && last.end === part.start) {
      const candidates = [...new Set([...last.candidates, ...part.candidates])];
      runs[runs.length - 1] = { start: last.start, end: part.end, candidates };
    } else runs.push(part);
  }
  return runs;
}
