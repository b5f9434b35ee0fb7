import type { Range } from '../../base/range.ts';
import { type ByteCount, type LogicalAddress, SECTOR_SIZE } from '../../base/units.ts';
import { needBytes } from './format-error.ts';
import { Layout, u32, type ValueOf } from './layout.ts';

/**
 * The free space tree: per block group one (start, FREE_SPACE_INFO, length) and then either empty items
 * (start, FREE_SPACE_EXTENT, length), one per free range, or bitmaps (start, FREE_SPACE_BITMAP, length).
 */
export const FREE_SPACE_INFO = new Layout('free space info', 8, { extentCount: u32(0), flags: u32(4) });
export type FreeSpaceInfo = ValueOf<typeof FREE_SPACE_INFO>;
export const FREE_SPACE_INFO_SIZE = 8;

export const FREE_SPACE_FLAG = { USING_BITMAPS: 1 } as const;

/** In place; `at` is where the item's data begins. */
export function freeSpaceExtentCount(view: DataView, at: number): number {
  return view.getUint32(at, true);
}

export function setFreeSpaceExtentCount(view: DataView, at: number, count: number): void {
  view.setUint32(at, count, true);
}

export function freeSpaceFlags(view: DataView, at: number): number {
  return view.getUint32(at + 4, true);
}

/** Bytes of a bitmap of `length` bytes of space: a bit per sector, bit 0 of byte 0 first. */
export function freeSpaceBitmapSize(length: ByteCount): ByteCount {
  return Math.ceil(length / SECTOR_SIZE / 8);
}

/** The free ranges, merged within the bitmap. Throws FormatError when the bitmap is too short for `length`. */
export function decodeFreeSpaceBitmap(start: LogicalAddress, length: ByteCount, bitmap: Uint8Array): Range[] {
  needBytes('free space bitmap', bitmap.length, freeSpaceBitmapSize(length));
  const ranges: Range[] = [];
  const sectors = Math.floor(length / SECTOR_SIZE);
  let freeFrom = -1;
  for (let sector = 0; sector <= sectors; sector++) {
    const isFree = sector < sectors && ((bitmap[sector >> 3]! >> (sector & 7)) & 1) === 1;
    if (isFree && freeFrom < 0) freeFrom = sector;
    if (isFree || freeFrom < 0) continue;
    ranges.push({ start: start + freeFrom * SECTOR_SIZE, length: (sector - freeFrom) * SECTOR_SIZE });
    freeFrom = -1;
  }
  return ranges;
}

/** The ranges lie inside [start, start + length) and are whole sectors. */
export function encodeFreeSpaceBitmap(start: LogicalAddress, length: ByteCount, free: readonly Range[]): Uint8Array {
  const bitmap = new Uint8Array(freeSpaceBitmapSize(length));
  for (const range of free) {
    const from = (range.start - start) / SECTOR_SIZE;
    for (let sector = from; sector < from + range.length / SECTOR_SIZE; sector++) {
      bitmap[sector >> 3]! |= 1 << (sector & 7);
    }
  }
  return bitmap;
}
