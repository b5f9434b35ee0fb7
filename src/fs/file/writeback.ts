import { alignUp, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { type PendingWrite, submitLogicalWrite } from '../volume/volume.ts';
import {
  compressionWish,
  endOfUnpacked,
  markIncompressible,
  type PackedPages,
  packedForm,
  packPages,
} from './compression-choice.ts';
import { checksumsOf } from './data-checksum.ts';
import {
  type CountedReservation,
  placeCompressed,
  placeCopied,
  placeInPlace,
  reserveCounted,
} from './data-placement.ts';
import { DATA } from './file-limits.ts';
import type { Files } from './files.ts';
import { plugLostData } from './hole-items.ts';
import { plainForm, writeInlineExtent } from './inline-extent.ts';
import type { Inode } from './inode.ts';
import { finishOrderedExtent, waitForOrderedRange } from './ordered-completion.ts';
import type { OrderedExtent } from './ordered-extent.ts';
import { PAGE_SIZE, type Page } from './page-cache.ts';
import { endOfCopied, findPlaceInPlace } from './write-in-place.ts';

/** The largest piece that writeback allocates at once. */
const PAGES_PER_EXTENT_MAX = 256;
/** More dirty data than this starts a writeback task. */
export const DIRTY_BYTES_MAX = 1024 * 1024;

/**
 * Starts writing every dirty page of [start, end): each run gets its place on disk and a task that ends it. A run that
 * begins there is written to its own end, as in Linux, which gives all of it its place at once.
 */
export function* startWriteback(files: Files, inode: Inode, start: number, end: number): Task<void> {
  let from = Math.floor(start / PAGE_SIZE);
  let last = Math.ceil(end / PAGE_SIZE);
  for (;;) {
    const run = inode.pages.nextDirtyRun(from, Number.POSITIVE_INFINITY, PAGES_PER_EXTENT_MAX);
    if (run === null || run.start >= last) return;
    from = yield* writeRun(files, inode, run.start, run.end);
    // What the piece left of its run.
    if (run.end - run.start === PAGES_PER_EXTENT_MAX) last = Math.max(last, run.end + 1);
  }
}

/** Writes out [start, end) and waits until its items are in the trees. Errors stay with the inode. */
export function* flushRange(files: Files, inode: Inode, start: number, end: number): Task<void> {
  yield* startWriteback(files, inode, start, end);
  yield* waitForOrderedRange(inode, start, end);
}

/** Starts to write out a file that is closed after it was cut to nothing, as Linux does: programs replace contents so. */
export function* writeOutOnClose(files: Files, inode: Inode): Task<void> {
  if (!inode.isWrittenOutOnClose) return;
  inode.isWrittenOutOnClose = false;
  if (inode.pages.dirtyCount > 0) yield* startWriteback(files, inode, 0, Number.POSITIVE_INFINITY);
}

/** Body of the `writeback` task: one file's dirty pages. */
export function* writeBackFile(files: Files, inode: Inode): Task<void> {
  yield* startWriteback(files, inode, 0, Number.POSITIVE_INFINITY);
  files.inodes.put(inode);
}

/** Writes the dirty pages at the front of [first, end), as many as one extent takes. Returns the page after them. */
function* writeRun(files: Files, inode: Inode, first: number, end: number): Task<number> {
  const start = first * PAGE_SIZE;
  yield* files.world.point('writeback-allocate', inode.mapsId);
  const range = yield* inode.ranges.acquire(start, (end - first) * PAGE_SIZE, 'exclusive');
  let ordered: OrderedExtent | null;
  let pages: Page[];
  let data: Uint8Array;
  try {
    // The run may have been written, or cut by a truncate, before the range was ours.
    const run = inode.pages.nextDirtyRun(first, end, end - first);
    if (run === null || run.start !== first) return run === null ? end : run.start;
    const wish = yield* compressionWish(files, inode);
    const packed = wish === null ? null : packPages(inode, wish, run.start, run.end);
    if (first === 0 && (yield* writeFirstPageInline(files, inode, packed))) return 1;
    if (packed?.savesSpace === false) markIncompressible(inode, wish!);
    ordered = packed?.savesSpace === true ? yield* placePacked(files, inode, first, packed) : null;
    const isPacked = ordered !== null;
    const plainEnd = endOfUnpacked(wish, run.start, run.end);
    ordered ??= yield* placeRun(files, inode, run.start, plainEnd);
    if (ordered === null) return plainEnd;
    pages = inode.pages.within(first, ordered.end / PAGE_SIZE);
    data = takeDirtyBytes(inode, pages, ordered.length);
    if (isPacked) data = paddedTo(packed!.bytes, ordered.diskLength);
  } finally {
    range.release();
  }
  if (inode.hasChecksums) ordered.checksums = checksumsOf(data);
  const io = yield* submitLogicalWrite(files.fs, ordered.diskStart, data, DATA);
  const body = endWriteback(files, inode, ordered, pages, io);
  files.world.spawn(`ordered-extent ${inode.number} ${ordered.start}`, body);
  return ordered.end / PAGE_SIZE;
}

/** True when the file's first page is dealt with: inside its extent item, or lost to an error. Its range is locked. */
function* writeFirstPageInline(files: Files, inode: Inode, packed: PackedPages | null): Task<boolean> {
  const page = inode.pages.find(0)!;
  // Linux does not write it: its extent stays where it is.
  if (page.isTrimmed) return false;
  const formOf = () =>
    (packed === null ? null : packedForm(files, inode, packed)) ?? plainForm(files, inode, page.bytes);
  try {
    if (!(yield* writeInlineExtent(files, inode, formOf))) return false;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    dropDirty(files, inode, page);
    inode.pages.remove(page);
    inode.noteWriteError(error.code);
    return true;
  }
  // Not before: whoever flushes looks for dirty pages and ordered extents, and this has none.
  dropDirty(files, inode, page);
  return true;
}

/**
 * A place for the front of a run of dirty pages: the one it has, where it may be written in place, or a new one. Null
 * when there is none: then the pages are gone and the inode has an error.
 */
function* placeRun(files: Files, inode: Inode, first: number, end: number): Task<OrderedExtent | null> {
  const start = first * PAGE_SIZE;
  let stop = end * PAGE_SIZE;
  try {
    if (inode.mayWriteInPlace) {
      const place = yield* findPlaceInPlace(files, inode, start, stop);
      if (place !== null) {
        returnPromises(files, inode, first, (start + place.length) / PAGE_SIZE);
        return yield* placeInPlace(files, inode, place, false);
      }
      stop = yield* endOfCopied(files, inode, start, stop);
    }
    const reserved = yield* reserveCounted(files, stop - start);
    returnPromises(files, inode, first, (start + reserved.length) / PAGE_SIZE);
    return yield* placeCopied(files, inode, start, reserved, false);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    for (const page of inode.pages.within(first, end)) {
      if (!page.isDirty) continue;
      dropDirty(files, inode, page);
      inode.pages.remove(page);
    }
    yield* plugLostData(files, inode, start, end * PAGE_SIZE);
    inode.noteWriteError(error.code);
    return null;
  }
}

/** One extent for compressed pages; null where there is no space for them in one piece. */
function* placePacked(files: Files, inode: Inode, first: number, packed: PackedPages): Task<OrderedExtent | null> {
  const diskLength = alignUp(packed.bytes.length, SECTOR_SIZE);
  let reserved: CountedReservation;
  try {
    reserved = yield* reserveCounted(files, diskLength, diskLength);
  } catch (error) {
    // Without compression it may fit, in pieces, or fail for the same reason.
    if (error instanceof FsError) return null;
    throw error;
  }
  returnPromises(files, inode, first, packed.end);
  const length = (packed.end - first) * PAGE_SIZE;
  return yield* placeCompressed(files, inode, first * PAGE_SIZE, length, reserved, packed.compression);
}

function paddedTo(bytes: Uint8Array, length: number): Uint8Array {
  const padded = new Uint8Array(length);
  padded.set(bytes);
  return padded;
}

/** The pages of [first, end) have their place. */
function returnPromises(files: Files, inode: Inode, first: number, end: number): void {
  files.fs.space.returnDataPromise(inode.pages.takePromises(inode.pages.within(first, end)));
}

/** A copy of the pages, which go on changing while the device has it. */
function takeDirtyBytes(inode: Inode, pages: readonly Page[], length: number): Uint8Array {
  const data = new Uint8Array(length);
  const start = pages[0]!.index;
  for (const page of pages) {
    data.set(page.bytes, (page.index - start) * PAGE_SIZE);
    inode.pages.markClean(page);
    page.isUnderWriteback = true;
  }
  return data;
}

/** The page is no longer dirty: its bytes never get a place. */
export function dropDirty(files: Files, inode: Inode, page: Page): void {
  if (!page.isDirty) return;
  inode.pages.markClean(page);
  files.fs.space.returnDataPromise(inode.pages.takePromises([page]));
}

/** Body of the task that sees a run of pages through: the transfer, then the items. */
function* endWriteback(
  files: Files,
  inode: Inode,
  ordered: OrderedExtent,
  pages: readonly Page[],
  io: PendingWrite,
): Task<void> {
  ordered.error = yield* io.wait();
  inode.pages.touchBytes();
  for (const page of pages) {
    page.isUnderWriteback = false;
    // What never reached the disk is not to be read again as if it had.
    if (ordered.error !== null && !page.isDirty) inode.pages.remove(page);
  }
  yield* finishOrderedExtent(files, inode, ordered);
}
