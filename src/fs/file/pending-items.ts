import { type ByteCount, KIB } from '../../base/units.ts';
import { BYTES_PER_DATA_EXTENT } from '../transaction/metadata-promise.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { PAGE_SIZE } from './page-cache.ts';

/** Writeback may cut a run of pages so small: what one compressed extent holds. */
const RUN_PAGES = (128 * KIB) / PAGE_SIZE;

/**
 * By how much the trees may grow for all data in memory that has no items yet: dirty pages, and ordered extents under
 * way. It was accepted, so whoever comes later must leave it room.
 */
export function pendingItemBytes(files: Files): ByteCount {
  let bytes = 0;
  for (const inode of files.inodes.all()) {
    if (!inode.isRegular) continue;
    bytes += (dirtyExtents(inode) + inode.ordered.count) * BYTES_PER_DATA_EXTENT;
    if (inode.pages.dirtyCount > 0 && inode.size <= files.fs.maxInline) bytes += inode.size;
  }
  return bytes;
}

function dirtyExtents({ pages }: Inode): number {
  return pages.dirtyRunCount + Math.floor(pages.dirtyCount / RUN_PAGES);
}
