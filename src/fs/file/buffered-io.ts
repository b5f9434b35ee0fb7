import { alignDown, alignUp, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { hasMetadataRoom } from '../transaction/metadata-promise.ts';
import { compressedPlace, readCompressed } from './compressed-read.ts';
import { readVerified } from './data-checksum.ts';
import { promiseDataSpace } from './data-promise.ts';
import type { ExtentMap } from './extent-map.ts';
import { getExtentMap, putExtentMap } from './extent-map-access.ts';
import { readInlineData } from './file-extent-items.ts';
import { checkWriteEnd, zerosUpTo } from './file-limits.ts';
import type { Files } from './files.ts';
import { needsHoleItems, plugHoles } from './hole-items.ts';
import type { Inode } from './inode.ts';
import { COMPLETION, waitForOrderedExtent } from './ordered-completion.ts';
import { PAGE_SIZE, type Page } from './page-cache.ts';
import { mayBeWrittenInPlace } from './write-in-place.ts';
import { DIRTY_BYTES_MAX, writeBackFile } from './writeback.ts';

const NOTHING = new Uint8Array(0);

/** Locks the range of pages once no ordered extent lies in it. */
export function* lockPages(inode: Inode, first: number, end: number): Task<Held> {
  for (;;) {
    const held = yield* inode.ranges.acquire(first * PAGE_SIZE, (end - first) * PAGE_SIZE, 'exclusive');
    const ordered = inode.ordered.find(first * PAGE_SIZE, end * PAGE_SIZE);
    if (ordered === null) return held;
    held.release();
    yield* waitForOrderedExtent(inode, ordered);
  }
}

/** Reads through the page cache. Returns fewer bytes at the end of the file. Throws EIO. */
export function* bufferedRead(files: Files, inode: Inode, offset: number, length: number): Task<Uint8Array> {
  const end = Math.min(offset + length, inode.size);
  if (end <= offset) return NOTHING;
  const bytes = new Uint8Array(end - offset);
  let at = offset;
  while (at < end) {
    const index = Math.floor(at / PAGE_SIZE);
    const pageStart = index * PAGE_SIZE;
    const pageEnd = Math.min(end, pageStart + PAGE_SIZE);
    const page = inode.pages.find(index) ?? (yield* fillPage(files, inode, index));
    bytes.set(page.bytes.subarray(at - pageStart, pageEnd - pageStart), at - offset);
    at = pageEnd;
  }
  // A truncate meanwhile: what it cut off is not handed out.
  const sizeNow = inode.size;
  return sizeNow >= end ? bytes : bytes.subarray(0, Math.max(0, sizeNow - offset));
}

/** The page, read from disk if nobody else does it first. */
function* fillPage(files: Files, inode: Inode, index: number): Task<Page> {
  const held = yield* lockPages(inode, index, index + 1);
  try {
    return inode.pages.find(index) ?? (yield* readPage(files, inode, index));
  } finally {
    held.release();
  }
}

/** Reads a page that is not there into the cache; its range is locked. Beyond the end of the file it is zero. */
export function* readPage(files: Files, inode: Inode, index: number): Task<Page> {
  yield* files.world.point('page-read', inode.mapsId);
  const start = index * PAGE_SIZE;
  const bytes = new Uint8Array(PAGE_SIZE);
  const used = Math.min(PAGE_SIZE, inode.size - start);
  if (used > 0) {
    const map = yield* getExtentMap(files, inode, start, PAGE_SIZE, true);
    try {
      const data = yield* readMapped(files, inode, map, start);
      bytes.set(data.subarray(0, used));
    } finally {
      putExtentMap(inode, map);
    }
  }
  return inode.pages.add(index, bytes);
}

/** The sector at `start` by a map that the caller holds. */
function* readMapped(files: Files, inode: Inode, map: ExtentMap, start: number): Task<Uint8Array> {
  inode.touchMaps();
  if (map.end <= start) {
    const range = `[${map.start}, ${map.end})`;
    const problem = `the extent map ${range} of inode ${inode.number} ends before the ${start} it was asked for`;
    throw new FsError('EUCLEAN', problem);
  }
  if (map.isHole || map.isPrealloc) return zerosUpTo(PAGE_SIZE);
  if (!map.isReal) return (yield* readInlineData(files, inode)) ?? NOTHING;
  if (map.isCompressed) return yield* readCompressed(files, inode, compressedPlace(map, start));
  return yield* readVerified(files, inode, map.blockStart + (start - map.start), SECTOR_SIZE);
}

/**
 * Writes into the page cache, `offset` null at the end of the file; the bytes are copied. The data gets its place on
 * disk at writeback. Throws EFBIG, ENOSPC before anything changed on the page, EIO when a page must be read and cannot.
 */
export function* bufferedWrite(files: Files, inode: Inode, offset: number | null, bytes: Uint8Array): Task<number> {
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    const start = offset ?? inode.size;
    if (bytes.length === 0) return 0;
    const end = start + bytes.length;
    checkWriteEnd(inode, end);
    if (start > inode.size) yield* expandFile(files, inode, alignDown(start, PAGE_SIZE));
    const written = yield* writePages(files, inode, start, bytes);
    inode.touchTimes(true);
    if (inode.pages.dirtyCount * PAGE_SIZE > DIRTY_BYTES_MAX) spawnWriteback(files, inode);
    return written;
  } finally {
    lock.release();
  }
}

function spawnWriteback(files: Files, inode: Inode): void {
  files.world.spawn(`writeback ${inode.number}`, writeBackFile(files, files.inodes.hold(inode)));
}

/** As `bufferedWrite` for a caller who holds the inode's lock, without times and limits. */
export function* writePages(files: Files, inode: Inode, start: number, bytes: Uint8Array): Task<number> {
  const end = start + bytes.length;
  let at = start;
  while (at < end) {
    const index = Math.floor(at / PAGE_SIZE);
    const pageEnd = Math.min(end, (index + 1) * PAGE_SIZE);
    try {
      yield* writePage(files, inode, index, at, bytes.subarray(at - start, pageEnd - start));
    } catch (error) {
      // As Linux: what is in is in, and the caller learns how much that is.
      if (error instanceof FsError && at > start) return at - start;
      throw error;
    }
    at = pageEnd;
  }
  return bytes.length;
}

/** Puts bytes that lie within one page into it, and makes it dirty. */
function* writePage(files: Files, inode: Inode, index: number, at: number, bytes: Uint8Array): Task<void> {
  const hasPromise = yield* promisePage(files, inode);
  let isPromiseUsed = false;
  let held: Held | null = null;
  try {
    held = yield* lockPages(inode, index, index + 1);
    let page = inode.pages.find(index);
    if (!hasPromise && page?.isDirty !== true) yield* checkNeedsNoSpace(files, inode, index);
    if (page === null) {
      if (bytes.length === PAGE_SIZE) page = inode.pages.add(index, new Uint8Array(PAGE_SIZE));
      else page = yield* readPage(files, inode, index);
    }
    inode.pages.touchBytes();
    page.bytes.set(bytes, at - index * PAGE_SIZE);
    // A page that was dirty already has its promise.
    isPromiseUsed = inode.pages.markDirty(page, hasPromise);
    if (at + bytes.length > inode.size) inode.setSize(at + bytes.length);
  } finally {
    if (hasPromise && !isPromiseUsed) files.fs.space.returnDataPromise(PAGE_SIZE);
    held?.release();
  }
}

/** Promises space for a page. False: there is none, but the page might not need any. Throws ENOSPC. */
export function* promisePage(files: Files, inode: Inode): Task<boolean> {
  try {
    yield* promiseDataSpace(files, inode, PAGE_SIZE);
    return true;
  } catch (error) {
    const isFull = error instanceof FsError && error.code === 'ENOSPC';
    if (isFull && inode.mayWriteInPlace && hasMetadataRoom(files.fs, COMPLETION.items)) return false;
    throw error;
  }
}

/** Throws ENOSPC unless the page, which is locked, can be written in place. */
export function* checkNeedsNoSpace(files: Files, inode: Inode, index: number): Task<void> {
  const start = index * PAGE_SIZE;
  if (yield* mayBeWrittenInPlace(files, inode, start, start + PAGE_SIZE)) return;
  throw new FsError('ENOSPC', `no space for the page at ${start} of inode ${inode.number}`);
}

/**
 * Zeroes [start, end), which lie in one page, as a punched hole, a zeroed range and a file that grows past its last page
 * must. The page is written in any case, as in Linux: a cached page cannot be trusted to be zero on disk, and a hole or
 * preallocated space gets a block of zeroes. The caller holds the inode's lock. Throws ENOSPC, EIO.
 */
export function* zeroWithinPage(files: Files, inode: Inode, start: number, end: number): Task<void> {
  const index = Math.floor(start / PAGE_SIZE);
  const hasPromise = yield* promisePage(files, inode);
  let isPromiseUsed = false;
  let held: Held | null = null;
  try {
    held = yield* lockPages(inode, index, index + 1);
    let page = inode.pages.find(index);
    if (!hasPromise && page?.isDirty !== true) yield* checkNeedsNoSpace(files, inode, index);
    page ??= yield* readPage(files, inode, index);
    inode.pages.touchBytes();
    page.bytes.fill(0, start - index * PAGE_SIZE, end - index * PAGE_SIZE);
    isPromiseUsed = inode.pages.markDirty(page, hasPromise);
  } finally {
    if (hasPromise && !isPromiseUsed) files.fs.space.returnDataPromise(PAGE_SIZE);
    held?.release();
  }
}

/** Zeroes the rest of the page that holds `offset`; nothing to do at a page's edge. */
export function* zeroToPageEnd(files: Files, inode: Inode, offset: number): Task<void> {
  if (offset % PAGE_SIZE !== 0) yield* zeroWithinPage(files, inode, offset, alignUp(offset, PAGE_SIZE));
}

/**
 * What lies between the old end of the file and `end`, at a page's edge, is zero from now on and stays so when the size
 * moves, which is the caller's to do. He holds the inode's lock. Throws ENOSPC, EIO.
 */
export function* expandFile(files: Files, inode: Inode, end: number): Task<void> {
  yield* zeroToPageEnd(files, inode, inode.size);
  const start = alignUp(inode.size, PAGE_SIZE);
  if (start >= end || !needsHoleItems(files.fs)) return;
  const range = yield* inode.ranges.acquire(start, end - start, 'exclusive');
  try {
    yield* plugHoles(files, inode, start, end);
  } finally {
    range.release();
  }
}
