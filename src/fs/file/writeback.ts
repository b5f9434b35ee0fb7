import { SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { reserveDataExtent } from '../space/data-reservation.ts';
import { type PendingWrite, submitLogicalWrite } from '../volume/volume.ts';
import { checksumsOf } from './data-checksum.ts';
import { insertNewExtentMap } from './extent-map-access.ts';
import { DATA } from './file-limits.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { finishOrderedExtent, waitForOrderedRange } from './ordered-completion.ts';
import { OrderedExtent } from './ordered-extent.ts';
import { PAGE_SIZE, type Page } from './page-cache.ts';

/** The largest piece that writeback allocates at once. */
const PAGES_PER_EXTENT_MAX = 256;
/** More dirty data than this starts a writeback task. */
export const DIRTY_BYTES_MAX = 1024 * 1024;

/** Starts writing every dirty page of [start, end): each run gets its place on disk and a task that ends it. */
export function* startWriteback(files: Files, inode: Inode, start: number, end: number): Task<void> {
  let from = Math.floor(start / PAGE_SIZE);
  const last = Math.ceil(end / PAGE_SIZE);
  for (;;) {
    const run = inode.pages.nextDirtyRun(from, last, PAGES_PER_EXTENT_MAX);
    if (run === null) return;
    from = yield* writeRun(files, inode, run.start, run.end);
  }
}

/** Writes out [start, end) and waits until its items are in the trees. Errors stay with the inode. */
export function* flushRange(files: Files, inode: Inode, start: number, end: number): Task<void> {
  yield* startWriteback(files, inode, start, end);
  yield* waitForOrderedRange(inode, start, end);
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
  let ordered: OrderedExtent;
  let pages: Page[];
  let data: Uint8Array;
  try {
    // The run may have been written, or cut by a truncate, before the range was ours.
    const run = inode.pages.nextDirtyRun(first, end, end - first);
    if (run === null || run.start !== first) return run === null ? end : run.start;
    const reserved = yield* reserveForRun(files, inode, run.start, run.end);
    if (reserved === null) return run.end;
    files.fs.space.returnDataPromise(reserved.length);
    yield* insertNewExtentMap(files, inode, start, reserved.length, reserved.logical);
    ordered = new OrderedExtent(start, reserved.length, reserved.logical, false);
    pages = inode.pages.within(first, first + reserved.length / PAGE_SIZE);
    data = takeDirtyBytes(inode, pages, reserved.length);
    inode.ordered.add(ordered);
  } finally {
    range.release();
  }
  ordered.checksums = checksumsOf(data);
  const io = yield* submitLogicalWrite(files.fs, ordered.diskStart, data, DATA);
  const body = endWriteback(files, inode, ordered, pages, io);
  files.world.spawn(`ordered-extent ${inode.number} ${ordered.start}`, body);
  return ordered.end / PAGE_SIZE;
}

/** Space for a run of dirty pages, or null when there is none: then the pages are clean and the inode has an error. */
function* reserveForRun(
  files: Files,
  inode: Inode,
  first: number,
  end: number,
): Task<{ readonly logical: number; readonly length: number } | null> {
  try {
    return yield* reserveDataExtent(files.fs, (end - first) * PAGE_SIZE, SECTOR_SIZE);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    for (const page of inode.pages.within(first, end)) {
      if (!page.isDirty) continue;
      dropDirty(files, inode, page);
      inode.pages.remove(page);
    }
    inode.noteWriteError(error.code);
    return null;
  }
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
  files.fs.space.returnDataPromise(PAGE_SIZE);
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
