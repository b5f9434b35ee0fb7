import { type ByteCount, type LogicalAddress, type PhysicalAddress, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { BlockDevice, IoResult } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { DEVICE_REPLACE } from '../volume/replace-state.ts';
import { mirrorCount, readMirror } from '../volume/volume.ts';
import { SCRUB_PURPOSE, type ScrubContext } from './scrub-context.ts';
import { type CommittedExtent, findCommittedChecksums } from './scrub-extents.ts';
import { type Fault, findFaults } from './scrub-verify.ts';

/** A run of the device that stands for a run of logical addresses: at most 64 KiB. */
export interface Row {
  readonly physical: PhysicalAddress;
  readonly logical: LogicalAddress;
  readonly length: ByteCount;
}

/** What one row holds of one extent. */
export interface Piece {
  readonly extent: CommittedExtent;
  readonly logical: LogicalAddress;
  readonly length: ByteCount;
  readonly physical: PhysicalAddress;
  /** By sector, null where there is none; null for a tree block, which has its own. */
  readonly sums: readonly (number | null)[] | null;
  /** Which copy the scrubbed device holds, from 0. */
  readonly mirror: number;
}

/** One copy as it was read, and what is wrong with each of its sectors; both change as it is mended. */
interface Copy {
  bytes: Uint8Array;
  faults: (Fault | null)[];
}

/** Sectors [from, to) of a piece. */
interface SectorRun {
  readonly from: number;
  readonly to: number;
}

/**
 * Reads the scrubbed device's copy of a piece, checks it, and mends what is wrong from other copies; a device replace
 * writes what is good to its target. Throws EIO where a device replace cannot go on.
 */
export function* scrubPiece(context: ScrubContext, stripeIndex: number, row: Row, extent: CommittedExtent): Task<void> {
  const piece = yield* pieceOf(context, stripeIndex, row, extent);
  countPiece(context, piece);
  yield* context.fs.world.point('scrub-read-extent');
  const first = firstMirror(context, piece);
  const copy = yield* readCopy(context, piece, first);
  yield* context.fs.world.point('scrub-verify');
  countFaults(context, copy, first === piece.mirror);
  const broken = copy.faults.map((fault) => fault !== null);
  if (broken.includes(true)) {
    yield* mend(context, piece, copy, first);
    // A replace leaves its source as it is: what is good goes to the target, wherever it came from.
    const isRepaired = first === piece.mirror && !context.range.readOnly && !context.range.replace;
    if (isRepaired) yield* writeBack(context, piece, copy, broken);
    countMended(context, copy, broken);
  }
  if (context.range.replace) yield* copyToTarget(context, piece, copy);
}

function* pieceOf({ fs }: ScrubContext, stripeIndex: number, row: Row, extent: CommittedExtent): Task<Piece> {
  const logical = Math.max(extent.start, row.logical);
  const length = Math.min(extent.start + extent.length, row.logical + row.length) - logical;
  const sums = extent.isTreeBlock ? null : yield* findCommittedChecksums(fs, logical, length / SECTOR_SIZE);
  const mirror = mirrorCount(fs, logical) > 1 ? stripeIndex : 0;
  return { extent, logical, length, physical: row.physical + logical - row.logical, sums, mirror };
}

function countPiece({ statistics }: ScrubContext, { sums, length }: Piece): void {
  if (sums === null) {
    statistics.tree_extents_scrubbed++;
    statistics.tree_bytes_scrubbed += length;
    return;
  }
  statistics.data_extents_scrubbed++;
  statistics.data_bytes_scrubbed += length;
  for (const sum of sums) if (sum === null) statistics.no_csum++;
}

/** The device's own, unless it is missing, or a replace was asked to spare it. */
function firstMirror({ fs, device, range }: ScrubContext, piece: Piece): number {
  const spares = range.replace && fs.volume.replace.readsFromSourceOnlyIfNoMirror;
  if (!device.isMissing && !spares) return piece.mirror;
  return (piece.mirror + 1) % Math.max(1, mirrorCount(fs, piece.logical));
}

/** Reads and checks one copy; where the whole cannot be read, sector by sector. */
function* readCopy(context: ScrubContext, piece: Piece, mirror: number): Task<Copy> {
  const { fs } = context;
  const { length } = piece;
  const whole = yield* readRange(context, piece, mirror, 0, length);
  if (whole.error === null) return { bytes: whole.bytes, faults: findFaults(fs, piece, whole.bytes, NONE) };
  const bytes = new Uint8Array(length);
  const unread = new Set<number>();
  for (let offset = 0; offset < length; offset += SECTOR_SIZE) {
    const result = length === SECTOR_SIZE ? whole : yield* readRange(context, piece, mirror, offset, SECTOR_SIZE);
    if (result.error === null) bytes.set(result.bytes, offset);
    else unread.add(offset / SECTOR_SIZE);
  }
  return { bytes, faults: findFaults(fs, piece, bytes, unread) };
}

const NONE: ReadonlySet<number> = new Set();

/** The own copy lies where the device extent says, whatever the chunk map says by now. */
function readRange(
  { fs, device }: ScrubContext,
  piece: Piece,
  mirror: number,
  offset: ByteCount,
  length: ByteCount,
): Task<IoResult> {
  const logical = piece.logical + offset;
  if (mirror !== piece.mirror || device.block === null) return readMirror(fs, logical, length, mirror, SCRUB_PURPOSE);
  const request = {
    operation: 'read',
    offset: piece.physical + offset,
    length,
    purpose: SCRUB_PURPOSE,
    logical,
  } as const;
  return device.block.perform(request);
}

/** Errors of the first copy read; those of a copy that was only asked for help count nowhere. */
function countFaults({ fs, statistics, device }: ScrubContext, { faults }: Copy, isOwn: boolean): void {
  let isOtherGeneration = false;
  for (const fault of faults) {
    if (fault === 'unread') statistics.read_errors++;
    else if (fault === 'checksum') statistics.csum_errors++;
    else if (fault !== null) statistics.verify_errors++;
    isOtherGeneration ||= fault === 'generation';
    if (isOwn && fault === 'unread') fs.volume.countError(device, 'read');
    if (isOwn && fault === 'checksum') fs.volume.countError(device, 'corruption');
  }
  if (isOwn && isOtherGeneration) fs.volume.countError(device, 'generation');
}

/** Replaces bad sectors by good ones of other copies; a tree block is good as a whole or not at all. */
function* mend(context: ScrubContext, piece: Piece, copy: Copy, first: number): Task<void> {
  const copies = mirrorCount(context.fs, piece.logical);
  for (let step = 1; step < copies && isBad(copy); step++) {
    const other = yield* readCopy(context, piece, (first + step) % copies);
    // What a device has handed out belongs to it.
    const bytes = copy.bytes.slice();
    copy.faults = copy.faults.map((fault, sector) => {
      if (fault === null || other.faults[sector] !== null) return fault;
      bytes.set(sectorsOf(other.bytes, { from: sector, to: sector + 1 }), sector * SECTOR_SIZE);
      return null;
    });
    copy.bytes = bytes;
  }
}

/** Writes mended sectors to the scrubbed device and reads them again: what is bad still is bad for good. */
function* writeBack(context: ScrubContext, piece: Piece, copy: Copy, broken: readonly boolean[]): Task<void> {
  const { fs, device } = context;
  if (device.block === null) return;
  for (const run of runsWhere(broken, (sector) => copy.faults[sector] === null)) {
    yield* fs.world.point('scrub-write');
    const error = yield* writeRun(device.block, piece, copy, run);
    if (error !== null) fs.volume.countError(device, 'write');
    const again = yield* readCopy(context, piece, piece.mirror);
    for (let sector = run.from; sector < run.to; sector++) copy.faults[sector] = again.faults[sector]!;
  }
}

/** A sector that another copy could mend counts as corrected in a read-only scrub too, as Linux counts. */
function countMended({ fs, statistics, range }: ScrubContext, copy: Copy, broken: readonly boolean[]): void {
  for (const [sector, wasBroken] of broken.entries()) {
    if (!wasBroken) continue;
    if (copy.faults[sector] === null) statistics.corrected_errors++;
    else statistics.uncorrectable_errors++;
    if (!range.replace || copy.faults[sector] === null) continue;
    fs.world.touch(DEVICE_REPLACE, 'update');
    fs.volume.replace.uncorrectableReadErrors++;
  }
}

/** Throws EIO for metadata that no copy has intact: a replace must not bring it to the target. */
function* copyToTarget(context: ScrubContext, piece: Piece, copy: Copy): Task<void> {
  const { fs } = context;
  const { target } = fs.volume.replace;
  if (piece.sums === null && isBad(copy)) {
    throw new FsError('EIO', `device replace: no good copy of the tree block at logical ${piece.logical}`);
  }
  if (target === null || target.block === null) return;
  const copied = copy.faults.map((fault, sector) => fault === null && isToBeCopied(context, piece, sector));
  for (const run of runsWhere(copied, () => true)) {
    yield* fs.world.point('scrub-write');
    const error = yield* writeRun(target.block, piece, copy, run);
    if (error === null) continue;
    fs.volume.countError(target, 'write');
    fs.world.touch(DEVICE_REPLACE, 'update');
    fs.volume.replace.writeErrors++;
  }
}

function isToBeCopied({ fs }: ScrubContext, { extent, logical }: Piece, sector: number): boolean {
  if (!fs.mutations.has('copy-first-half')) return true;
  return logical + sector * SECTOR_SIZE < extent.start + extent.length / 2;
}

function* writeRun(block: BlockDevice, piece: Piece, copy: Copy, run: SectorRun): Task<string | null> {
  const at = run.from * SECTOR_SIZE;
  const bytes = sectorsOf(copy.bytes, run).slice();
  const result = yield* block.perform({
    operation: 'write',
    offset: piece.physical + at,
    length: bytes.length,
    bytes,
    purpose: SCRUB_PURPOSE,
    logical: piece.logical + at,
  });
  return result.error;
}

function sectorsOf(bytes: Uint8Array, { from, to }: SectorRun): Uint8Array {
  return bytes.subarray(from * SECTOR_SIZE, to * SECTOR_SIZE);
}

function isBad({ faults }: Copy): boolean {
  return faults.some((fault) => fault !== null);
}

/** The longest runs of sectors that are set in `chosen` and meet the condition now. */
function runsWhere(chosen: readonly boolean[], condition: (sector: number) => boolean): SectorRun[] {
  const runs: SectorRun[] = [];
  let from = -1;
  for (let sector = 0; sector <= chosen.length; sector++) {
    const isIn = sector < chosen.length && chosen[sector]! && condition(sector);
    if (isIn && from < 0) from = sector;
    if (isIn || from < 0) continue;
    runs.push({ from, to: sector });
    from = -1;
  }
  return runs;
}
