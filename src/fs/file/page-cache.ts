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
  /** Dirty for nothing but zeroes behind the file's new end. */
  isTrimmed: boolean;
}

/** A run of pages, half-open, in page numbers. */
export interface PageRun {
  readonly start: number;
  readonly end: number;
}

/** Hears of each change of how much there is to write out. */
export interface UnwrittenOwner {
  noteUnwritten(): void;
}

/** The cached pages of one inode. Whoever fills or drops pages holds the file range lock over them. */
export class PageCache {
  private readonly pages = new Map<number, Page>();
  private readonly world: World;
  private readonly id: ResourceId;
  private readonly owner: UnwrittenOwner;
  /** Numbers of dirty pages, ascending. */
  private readonly dirty: number[] = [];
  private runs = 0;

  constructor(world: World, id: number, owner: UnwrittenOwner) {
    this.world = world;
    this.owner = owner;
    this.id = resource('page-cache', id);
  }

  get dirtyCount(): number {
    this.world.touch(this.id, 'read');
    return this.dirty.length;
  }

  /** As `dirtyCount`, without a trace in the footprint. */
  get dirtyPages(): number {
    return this.dirty.length;
  }

  /** As `dirtyRunCount`, without a trace in the footprint. */
  get dirtyRuns(): number {
    return this.runs;
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
    const page: Page = { index, bytes, isDirty: false, isUnderWriteback: false, hasPromise: false, isTrimmed: false };
    this.pages.set(index, page);
    return page;
  }

  /** The page takes over the promise of space that its writer got, if any. True when the page was clean. */
  markDirty(page: Page, hasPromise: boolean): boolean {
    this.world.touch(this.id, 'write');
    page.isTrimmed = false;
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
    const at = this.firstDirtyFrom(index);
    if (change === 1) this.dirty.splice(at, 0, index);
    else if (this.dirty[at] === index) this.dirty.splice(at, 1);
    const before = this.pages.get(index - 1)?.isDirty === true ? 1 : 0;
    const behind = this.pages.get(index + 1)?.isDirty === true ? 1 : 0;
    const joined = before + behind;
    this.runs += change === 1 ? 1 - joined : joined - 1;
    this.owner.noteUnwritten();
  }

  /** Where in `dirty` the first page at or after `index` is. */
  private firstDirtyFrom(index: number): number {
    const { dirty } = this;
    let low = 0;
    let high = dirty.length;
    // Files are mostly written from front to end.
    if (high === 0 || dirty[high - 1]! < index) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (dirty[middle]! < index) low = middle + 1;
      else high = middle;
    }
    return low;
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
    const { dirty } = this;
    const at = this.firstDirtyFrom(from);
    const first = dirty[at];
    if (first === undefined || first >= end) return null;
    let after = first + 1;
    while (after < end && after - first < pagesMax && dirty[at + after - first] === after) after++;
    return { start: first, end: after };
  }

  /** Where the first dirty page begins, whose data has no place on disk yet; Infinity when there is none. */
  firstUnwrittenByte(): number {
    const run = this.nextDirtyRun(0, Number.POSITIVE_INFINITY, 1);
    return run === null ? Number.POSITIVE_INFINITY : run.start * PAGE_SIZE;
  }
}
