import { sameBytes } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import type { DiskImage } from '../../record/image.ts';
import { SECTOR } from '../structure/layout.ts';
import { type LiveSpace, liveSpaceOf } from '../structure/live-space.ts';
import { isSealedBlock } from '../structure/tree-block.ts';

/** What a copy of something live should have been. */
export type CopyKind = 'tree-block' | 'data' | 'data-without-checksum';

/** A stretch of one copy that is not what the trees say, or not what the other copies say. */
export interface BadCopy {
  readonly kind: CopyKind;
  readonly logical: number;
  readonly length: number;
  /** From 0. */
  readonly copy: number;
  /** Index of the image, and id of the device on it. */
  readonly image: number;
  readonly device: number;
  readonly offset: number;
}

/** Something live that is judged as a whole: a tree block, or a sector of data. */
export interface LiveUnit {
  readonly kind: CopyKind;
  readonly logical: number;
  readonly length: number;
  /** Whether these bytes are right; null where nothing but other copies can tell. */
  readonly verify: ((bytes: Uint8Array) => boolean) | null;
}

/** Every tree block, every sector with a checksum, every written sector without one that files lead to. */
export function* liveUnits(live: LiveSpace, isWanted: (logical: number) => boolean): Iterable<LiveUnit> {
  for (const { start, length, generation, isTree } of live.extents) {
    if (!isTree || !isWanted(start)) continue;
    const verify = (bytes: Uint8Array) => isSealedBlock(bytes, start, generation);
    yield { kind: 'tree-block', logical: start, length, verify };
  }
  for (const run of live.csums.runs) {
    for (let logical = run.start; logical < run.end; logical += SECTOR) {
      if (!isWanted(logical)) continue;
      const expected = run.view.getUint32(run.at + ((logical - run.start) / SECTOR) * 4, true);
      yield { kind: 'data', logical, length: SECTOR, verify: (bytes) => crc32c(bytes) === expected };
    }
  }
  const { written, csums } = live;
  for (let i = 0; i < written.length; i += 2) {
    for (let logical = written[i]!; logical < written[i + 1]!; logical += SECTOR) {
      if (!isWanted(logical) || csums.at(logical) !== null) continue;
      yield { kind: 'data-without-checksum', logical, length: SECTOR, verify: null };
    }
  }
}

const REMEMBERED_MAX = 256;
const remembered = new Map<string, readonly BadCopy[]>();

/**
 * All bad copies on these disks, of chunks that keep several: where there is one only, the law `structure` has read
 * it. Copies on missing devices are none. Remembered by the fingerprints of the images.
 */
export function badCopies(images: readonly DiskImage[]): readonly BadCopy[] {
  const key = images.map((image) => image.fingerprint).join();
  let found = remembered.get(key);
  if (found === undefined) {
    found = findBadCopies(images);
    if (remembered.size >= REMEMBERED_MAX) remembered.delete(remembered.keys().next().value!);
    remembered.set(key, found);
  }
  return found;
}

function findBadCopies(images: readonly DiskImage[]): BadCopy[] {
  const live = liveSpaceOf(images);
  if (live === null || live.chunks.chunks.every((chunk) => chunk.copies < 2)) return [];
  const bad: BadCopy[] = [];
  const hasCopies = (logical: number) => live.chunks.copiesAt(logical) > 1;
  for (const unit of liveUnits(live, hasCopies)) judgeCopies(unit, live, bad);
  return bad;
}

/** Equal copies are right if one is, and whether one is, the law `structure` says: checksums are for unequal ones. */
function judgeCopies(unit: LiveUnit, live: LiveSpace, bad: BadCopy[]): void {
  const { chunks } = live;
  const { logical, length, verify } = unit;
  const copies = Array.from({ length: chunks.copiesAt(logical) }, (_, copy) => chunks.read(logical, length, copy));
  const first = copies.find((bytes) => bytes !== null);
  if (first === undefined || first === null) return;
  if (copies.every((bytes) => bytes === null || sameBytes(bytes, first))) return;
  for (const [copy, bytes] of copies.entries()) {
    if (bytes === null) continue;
    const isGood = verify === null ? bytes === first : verify(bytes);
    if (!isGood) addBad(unit, copy, live, bad);
  }
}

function addBad(unit: LiveUnit, copy: number, live: LiveSpace, bad: BadCopy[]): void {
  live.eachPiece(unit.logical, unit.length, (piece) => {
    const image = live.imageOf.get(piece.device);
    if (piece.copy !== copy || image === undefined) return;
    const { kind } = unit;
    const { logical, length, device, offset } = piece;
    bad.push({ kind, logical, length, copy, image, device, offset });
  });
}

/** Neighbouring bad copies as one, for messages. */
export function joinNeighbours(bad: readonly BadCopy[]): BadCopy[] {
  const joined: BadCopy[] = [];
  const sorted = [...bad].sort((a, b) => a.image - b.image || a.copy - b.copy || a.offset - b.offset);
  for (const next of sorted) {
    const last = joined.at(-1);
    const continues =
      last !== undefined &&
      last.image === next.image &&
      last.copy === next.copy &&
      last.kind === next.kind &&
      last.offset + last.length === next.offset &&
      last.logical + last.length === next.logical;
    if (continues) joined[joined.length - 1] = { ...last, length: last.length + next.length };
    else joined.push(next);
  }
  return joined;
}
