import type { FileOffset } from '../../base/units.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { PAGE_SIZE } from './page-cache.ts';
import { dropDirty } from './writeback.ts';

/** Forgets the pages of [start, end), dirty ones too; the caller holds the range, and no ordered extent lies in it. */
export function dropPages(files: Files, inode: Inode, start: FileOffset, end: FileOffset): void {
  for (const page of inode.pages.within(start / PAGE_SIZE, end / PAGE_SIZE)) {
    dropDirty(files, inode, page);
    inode.pages.remove(page);
  }
}
