import type { Errno } from '../../base/errno.ts';
import { SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { hasMetadataRoom } from '../transaction/metadata-promise.ts';
import { type PendingWrite, submitLogicalWrite } from '../volume/volume.ts';
import { expandFile } from './buffered-io.ts';
import { type CompressedPlace, compressedPlace, readCompressed } from './compressed-read.ts';
import { checksumsOf, readVerified } from './data-checksum.ts';
import { type CountedReservation, placeCopied, placeInPlace, reserveCounted } from './data-placement.ts';
import { promiseDataSpace } from './data-promise.ts';
import type { ExtentMap } from './extent-map.ts';
import { getExtentMap, putExtentMap } from './extent-map-access.ts';
import { readInlineData } from './file-extent-items.ts';
import { checkWriteEnd, DATA, zerosUpTo } from './file-limits.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { COMPLETION, finishOrderedExtent, waitForOrderedExtent } from './ordered-completion.ts';
import type { OrderedExtent } from './ordered-extent.ts';
import { PAGE_SIZE } from './page-cache.ts';
import { findPlaceInPlace } from './write-in-place.ts';
import { flushRange } from './writeback.ts';

const NOTHING = new Uint8Array(0);

/**
 * Locks a range for direct I/O once no ordered extent lies in it; for a write, also once no page does: pages that came
 * back after the write began are written out and dropped, so that no reader is left with old bytes.
 */
function* lockForDirectIo(files: Files, inode: Inode, start: number, length: number, isWrite: boolean): Task<Held> {
  const end = start + length;
  for (;;) {
    const held = yield* inode.ranges.acquire(start, length, 'exclusive');
    const ordered = inode.ordered.find(start, end);
    if (ordered !== null && !files.mutations.has('skip-ordered-wait')) {
      held.release();
      yield* waitForOrderedExtent(inode, ordered);
    } else if (isWrite && !dropCleanPages(files, inode, start, end)) {
      held.release();
      yield* flushRange(files, inode, start, end);
    } else {
      return held;
    }
  }
}

/** Drops the pages of a locked range; false when one is dirty or being written, and so must be flushed first. */
function dropCleanPages(files: Files, inode: Inode, start: number, end: number): boolean {
  if (inode.pages.isEmpty || files.mutations.has('stale-read')) return true;
  const pages = inode.pages.within(Math.floor(start / PAGE_SIZE), Math.ceil(end / PAGE_SIZE));
  if (pages.some((page) => page.isDirty || page.isUnderWriteback)) return false;
  for (const page of pages) inode.pages.remove(page);
  return true;
}

function checkAligned(what: string, inode: Inode, offset: number, length: number): void {
  if (offset % SECTOR_SIZE === 0 && length % SECTOR_SIZE === 0) return;
  const range = `${length} bytes at ${offset} of inode ${inode.number}`;
  throw new FsError('EINVAL', `direct ${what} of ${range}: both must be multiples of ${SECTOR_SIZE}`);
}

/**
 * Reads without the page cache and without the inode's lock. The range lock is taken one sector at a time and held until
 * the sector's bytes are there, so a read that overlaps a write may see any mixture of whole sectors. Returns fewer
 * bytes at the end of the file. Throws EINVAL where not aligned, EIO.
 */
export function* directRead(files: Files, inode: Inode, offset: number, length: number): Task<Uint8Array> {
  checkAligned('read', inode, offset, length);
  if (!inode.pages.isEmpty) yield* flushRange(files, inode, offset, offset + length);
  inode.directIo.add(1);
  try {
    if (offset === 0 && files.mutations.has('wrong-errno')) throw new FsError('ENODATA', 'a seeded bug');
    const size = inode.size;
    if (length === 0 || offset >= size) return NOTHING;
    const end = Math.min(offset + length, size);
    if (end - offset <= SECTOR_SIZE) return (yield* readSector(files, inode, offset)).subarray(0, end - offset);
    const bytes = new Uint8Array(end - offset);
    for (let at = offset; at < end; at += SECTOR_SIZE) {
      const sector = yield* readSector(files, inode, at);
      bytes.set(end - at < SECTOR_SIZE ? sector.subarray(0, end - at) : sector, at - offset);
    }
    return bytes;
  } finally {
    inode.directIo.add(-1);
  }
}

function* readSector(files: Files, inode: Inode, at: number): Task<Uint8Array> {
  const lock = yield* lockForDirectIo(files, inode, at, SECTOR_SIZE, false);
  try {
    const map = yield* getExtentMap(files, inode, at, SECTOR_SIZE, false);
    let logical: number;
    let packed: CompressedPlace | null;
    try {
      logical = addressIn(inode, map, at);
      packed = logical === COMPRESSED_DATA ? compressedPlace(map, at) : null;
    } finally {
      putExtentMap(inode, map);
    }
    if (logical >= 0) return yield* readVerified(files, inode, logical, SECTOR_SIZE);
    if (packed !== null) return padded(yield* readCompressed(files, inode, packed));
    if (logical === IN_ITEM) return padded((yield* readInlineData(files, inode)) ?? NOTHING);
    return zerosUpTo(SECTOR_SIZE);
  } finally {
    lock.release();
  }
}

/** Instead of an address: nothing on disk, bytes in the extent item, or in a compressed extent. */
const NOWHERE = -1;
const IN_ITEM = -2;
const COMPRESSED_DATA = -3;

function padded(bytes: Uint8Array): Uint8Array {
  if (bytes.length === SECTOR_SIZE) return bytes;
  const sector = new Uint8Array(SECTOR_SIZE);
  sector.set(bytes.subarray(0, SECTOR_SIZE));
  return sector;
}

/** Where the byte at `at` lies by a map that a holder reads without any lock: the kernel's arithmetic. */
function addressIn(inode: Inode, map: ExtentMap, at: number): number {
  inode.touchMaps();
  if (map.end <= at) {
    const range = `[${map.start}, ${map.end})`;
    throw new FsError(
      'EUCLEAN',
      `the extent map ${range} of inode ${inode.number} ends before the ${at} it was asked for`,
    );
  }
  if (map.isHole || map.isPrealloc) return NOWHERE;
  if (!map.isReal) return IN_ITEM;
  if (map.isCompressed) return COMPRESSED_DATA;
  return map.blockStart + (at - map.start);
}

/**
 * Writes around the page cache, `offset` null at the end of the file. Holds the inode's lock only while it must: not
 * during the transfer when the range lies inside the file. Returns once the bytes are on the device; the file's items
 * follow in a task of their own. Throws EINVAL where not aligned, EFBIG, ENOSPC, EIO.
 */
export function* directWrite(files: Files, inode: Inode, offset: number | null, bytes: Uint8Array): Task<number> {
  let lock: Held | null = yield* inode.lock.acquire('exclusive');
  let counted = false;
  try {
    const start = offset ?? inode.size;
    checkAligned('write', inode, start, bytes.length);
    if (bytes.length === 0) return 0;
    const end = start + bytes.length;
    checkWriteEnd(inode, end);
    inode.touchTimes(true);
    // The old last page becomes part of the middle: an inline extent must be the whole file.
    if (start > inode.size) yield* expandFile(files, inode, start);
    const mayBeInPlace = inode.mayWriteInPlace;
    if (end <= inode.size) {
      inode.directIo.add(1);
      counted = true;
      lock.release();
      lock = null;
    }
    if (!inode.pages.isEmpty) yield* flushRange(files, inode, start, end);
    // What can be written in place needs no space: then it is asked for extent by extent.
    if (!mayBeInPlace) yield* promiseDataSpace(files, inode, bytes.length);
    else if (!hasMetadataRoom(files.fs, COMPLETION.items)) yield* promiseDataSpace(files, inode, 0);
    return yield* writeExtents(files, inode, start, bytes, { isOverwrite: counted, mayBeInPlace });
  } finally {
    if (counted) inode.directIo.add(-1);
    if (lock !== null) lock.release();
  }
}

interface DirectWriteTerms {
  /** The range lay inside the file when the inode's lock was given up, so the size is not ours to move. */
  readonly isOverwrite: boolean;
  /** Some of it might be written where it lies; if not, data space is promised for all of it. */
  readonly mayBeInPlace: boolean;
}

function* writeExtents(
  files: Files,
  inode: Inode,
  start: number,
  bytes: Uint8Array,
  terms: DirectWriteTerms,
): Task<number> {
  const end = start + bytes.length;
  const submitted: DirectExtent[] = [];
  let at = start;
  let failure: unknown = null;
  while (at < end && failure === null) {
    try {
      const ordered = yield* placeExtent(files, inode, at, end - at, terms);
      const data = ordered.length === bytes.length ? bytes : bytes.subarray(at - start, ordered.end - start);
      if (inode.hasChecksums) ordered.checksums = checksumsOf(data);
      submitted.push({ ordered, io: yield* submitLogicalWrite(files.fs, ordered.diskStart, data, DATA) });
      at = ordered.end;
    } catch (error) {
      failure = error;
    }
  }
  if (!terms.mayBeInPlace) files.fs.space.returnDataPromise(end - at);
  const error = yield* finishExtents(files, inode, submitted);
  if (error !== null) {
    throw new FsError(error, `direct write of ${bytes.length} bytes at ${start} of inode ${inode.number}`);
  }
  if (failure !== null && !(failure instanceof FsError && at > start)) throw failure;
  return at - start;
}

interface DirectExtent {
  readonly ordered: OrderedExtent;
  readonly io: PendingWrite;
}

/** Gives as much of the range its place as one extent takes. */
function* placeExtent(
  files: Files,
  inode: Inode,
  start: number,
  length: number,
  { isOverwrite, mayBeInPlace }: DirectWriteTerms,
): Task<OrderedExtent> {
  const range = yield* lockForDirectIo(files, inode, start, length, true);
  try {
    // Where all writes copy, the old place of the data decides nothing, but the kernel asks all the same.
    const old = yield* getExtentMap(files, inode, start, length, false);
    const isCandidate = mayBeInPlace && (old.isPrealloc || (inode.isNodatacow && old.isReal));
    const oldEnd = old.end;
    putExtentMap(inode, old);
    const place = isCandidate ? yield* findPlaceInPlace(files, inode, start, start + length) : null;
    let ordered: OrderedExtent;
    if (place !== null) {
      ordered = yield* placeInPlace(files, inode, place, true);
    } else {
      // What follows the old map may be preallocated: it must not need space because of what comes before it.
      const isCut = mayBeInPlace && oldEnd > start && oldEnd < start + length;
      const reserved = yield* reserveForCopy(files, inode, isCut ? oldEnd - start : length, !mayBeInPlace);
      ordered = yield* placeCopied(files, inode, start, reserved, true);
    }
    // A truncate may have cut the file under an overwrite: it waits for us, and then takes away what we wrote.
    if (!isOverwrite && ordered.end > inode.size) inode.setSize(ordered.end);
    return ordered;
  } finally {
    if (!files.mutations.has('forget-range-unlock')) range.release();
  }
}

function* reserveForCopy(files: Files, inode: Inode, length: number, isPromised: boolean): Task<CountedReservation> {
  if (!isPromised) yield* promiseDataSpace(files, inode, length);
  let returned = isPromised ? 0 : length;
  try {
    const reserved = yield* reserveCounted(files, length);
    if (isPromised) returned = reserved.length;
    return reserved;
  } finally {
    files.fs.space.returnDataPromise(returned);
  }
}

/** Waits for the transfers and leaves the rest to a task for each. The first error, or null. */
function* finishExtents(files: Files, inode: Inode, submitted: readonly DirectExtent[]): Task<Errno | null> {
  let firstError: Errno | null = null;
  for (const { ordered, io } of submitted) {
    ordered.error = yield* io.wait();
    firstError ??= ordered.error;
    files.world.spawn(`ordered-extent ${inode.number} ${ordered.start}`, finishOrderedExtent(files, inode, ordered));
  }
  return firstError;
}
