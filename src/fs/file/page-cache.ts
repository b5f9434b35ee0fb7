import { SECTOR_SIZE } from '../../base/units.ts';
import { type ResourceId, resource } from '../../task/resource.ts';
import type { World } from '../../task/world.ts';

/** One page of a file, as large as a sector. */
export const PAGE_SIZE = SECTOR_SIZE;

/** A page in memory; it is always up to date. Its bytes change in place, so what goes to a device is a copy. */
export interface Page {
  readonly index: number;
  readonly bytes: Uint8Array;
  /** Changed since it was last handed to writeback (delayed allocation). */
  isDirty: boolean;
  /** Its last write is under way. */
  isUnderWriteback: boolean;
  /** Dirty, and data space is promised for it; what will be written in place may have none. */
  hasPromise: boolean;
}

/** A run of pages, half-open, in page numbers. */
export interface PageRun {
  readonly start: number;
  readonly end: number;
}

/** The cached pages of one inode. Whoever fills or drops pages holds the file range lock over them. */
export class PageCache {
  private readonly pages = new Map<number, Page>();
  private readonly world: World;
  private readonly id: ResourceId;
  private dirty = 0;
  private runs = 0;

  constructor(world: World, id: number) {
    this.world = world;
    this.id = resource('page-cache', id);
  }

  get dirtyCount(): number {
    this.world.touch(this.id, 'read');
    return this.dirty;
  }

  /** Runs of dirty pages that lie side by side. */
  get dirtyRunCount(): number {
    this.world.touch(this.id, 'read');
    return this.runs;
  }

  get isEmpty(): boolean {
    this.world.touch(this.id, 'read');
    return this.pages.size === 0;
  }

  find(index: number): Page | null {
    this.world.touch(this.id, 'read');
    return this.pages.get(index) ?? null;
  }

  add(index: number, bytes: Uint8Array): Page {
    this.world.touch(this.id, 'write');
    const page: Page = { index, bytes, isDirty: false, isUnderWriteback: false, hasPromise: false };
    this.pages.set(index, page);
    return page;
  }

  /** The page takes over the promise of space that its writer got, if any. True when the page was clean. */
  markDirty(page: Page, hasPromise: boolean): boolean {
    this.world.touch(this.id, 'write');
    if (page.isDirty) return false;
    page.isDirty = true;
    page.hasPromise = hasPromise;
    this.countDirty(page, 1);
    return true;
  }

  /** The pages need their promises no more: returns for how many bytes the caller returns them. */
  takePromises(pages: readonly Page[]): number {
    this.world.touch(this.id, 'write');
    let bytes = 0;
    for (const page of pages) {
      if (page.hasPromise) bytes += PAGE_SIZE;
      page.hasPromise = false;
    }
    return bytes;
  }

  markClean(page: Page): void {
    this.world.touch(this.id, 'write');
    if (!page.isDirty) return;
    page.isDirty = false;
    this.countDirty(page, -1);
  }

  remove(page: Page): void {
    this.world.touch(this.id, 'write');
    if (this.pages.get(page.index) !== page) return;
    this.pages.delete(page.index);
    if (page.isDirty) this.countDirty(page, -1);
  }

  /** Between two dirty pages, one joins their runs or parts them. */
  private countDirty({ index }: Page, change: 1 | -1): void {
    this.dirty += change;
    const before = this.pages.get(index - 1)?.isDirty === true ? 1 : 0;
    const behind = this.pages.get(index + 1)?.isDirty === true ? 1 : 0;
    this.runs += change * (1 - before - behind);
  }

  /** Announces a change of a page's bytes. */
  touchBytes(): void {
    this.world.touch(this.id, 'write');
  }

  /** Pages of [start, end), by ascending index. */
  within(start: number, end: number): Page[] {
    this.world.touch(this.id, 'read');
    const found: Page[] = [];
    if (end - start <= this.pages.size) {
      for (let index = start; index < end; index++) {
        const page = this.pages.get(index);
        if (page !== undefined) found.push(page);
      }
      return found;
    }
    for (const page of this.pages.values()) if (page.index >= start && page.index < end) found.push(page);
    return found.sort((a, b) => a.index - b.index);
  }

  /** The first dirty run that begins at or after page `from` and before `end`, at most `pagesMax` long; or null. */
  nextDirtyRun(from: number, end: number, pagesMax: number): PageRun | null {
    this.world.touch(this.id, 'read');
    if (this.dirty === 0) return null;
    let first = -1;
    for (const page of this.pages.values()) {
      if (page.isDirty && page.index >= from && page.index < end && (first < 0 || page.index < first))
        first = page.index;
    }
    if (first < 0) return null;
    let after = first + 1;
    while (after < end && after - first < pagesMax && this.pages.get(after)?.isDirty === true) after++;
    return { start: first, end: after };
  }

  /** Where the first dirty page begins, whose data has no place on disk yet; Infinity when there is none. */
  firstUnwrittenByte(): number {
    const run = this.nextDirtyRun(0, Number.POSITIVE_INFINITY, 1);
    return run === null ? Number.POSITIVE_INFINITY : run.start * PAGE_SIZE;
  }
}
