import { alignUp } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { bufferedRead, checkNeedsNoSpace, lockPages, promisePage, readPage } from './buffered-io.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { PAGE_SIZE } from './page-cache.ts';

/**
 * Loads and stores through a shared mapping of a file, page by page as faults come. Where a program gets SIGBUS, EFAULT
 * is thrown: for a page that begins beyond the end of the file, one that cannot be read, or one without space to go to.
 */

/** Stores bytes. The size stays: what is stored on the last page behind the end of the file is lost, as at writeback. */
export function* storeMapped(files: Files, inode: Inode, offset: number, bytes: Uint8Array): Task<void> {
  for (let at = offset; at < offset + bytes.length; ) {
    const pageEnd = (Math.floor(at / PAGE_SIZE) + 1) * PAGE_SIZE;
    const end = Math.min(offset + bytes.length, pageEnd);
    // The inode's lock in place of the kernel's lock of mappings: no truncate and no fallocate comes between.
    const lock = yield* inode.lock.acquire('shared');
    try {
      yield* storeOnPage(files, inode, at, bytes.subarray(at - offset, end - offset));
    } catch (error) {
      throw asBusError(error, inode, at);
    } finally {
      lock.release();
    }
    at = end;
  }
}

function* storeOnPage(files: Files, inode: Inode, at: number, bytes: Uint8Array): Task<void> {
  const index = Math.floor(at / PAGE_SIZE);
  checkMapped(inode, index);
  const hasPromise = yield* promisePage(files, inode);
  let isPromiseUsed = false;
  let held: Held | null = null;
  try {
    held = yield* lockPages(inode, index, index + 1);
    let page = inode.pages.find(index);
    if (!hasPromise && page?.isDirty !== true) yield* checkNeedsNoSpace(files, inode, index);
    page ??= yield* readPage(files, inode, index);
    inode.pages.touchBytes();
    page.bytes.set(bytes.subarray(0, Math.max(0, inode.size - at)), at - index * PAGE_SIZE);
    // The first store through a mapping tells the times, also where the page is dirty already; and each call is one.
    inode.touchTimes(true);
    isPromiseUsed = inode.pages.markDirty(page, hasPromise);
  } finally {
    if (hasPromise && !isPromiseUsed) files.fs.space.returnDataPromise(PAGE_SIZE);
    held?.release();
  }
}

/** Loads bytes; behind the end of the file, on its last page, they are zero. */
export function* loadMapped(files: Files, inode: Inode, offset: number, length: number): Task<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = offset; at < offset + length; ) {
    const index = Math.floor(at / PAGE_SIZE);
    const end = Math.min(offset + length, (index + 1) * PAGE_SIZE);
    checkMapped(inode, index);
    try {
      bytes.set(yield* bufferedRead(files, inode, at, end - at), at - offset);
    } catch (error) {
      throw asBusError(error, inode, at);
    }
    at = end;
  }
  return bytes;
}

function checkMapped(inode: Inode, index: number): void {
  if (index * PAGE_SIZE < alignUp(inode.size, PAGE_SIZE)) return;
  throw new FsError('EFAULT', `SIGBUS: page ${index} of inode ${inode.number} lies beyond the end of the file`);
}

function asBusError(error: unknown, inode: Inode, at: number): unknown {
  if (!(error instanceof FsError) || error.code === 'EFAULT') return error;
  return new FsError('EFAULT', `SIGBUS: the page at ${at} of inode ${inode.number}: ${error.message}`);
}
