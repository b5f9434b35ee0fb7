import { readU64, writeU64 } from '../../base/bytes.ts';
import type { ByteCount } from '../../base/units.ts';
import { Layout, u64, type ValueOf } from './layout.ts';

/** Type and profile bits of chunks and block groups. */
export const BLOCK_GROUP_FLAG = {
  DATA: 1,
  SYSTEM: 2,
  METADATA: 4,
  RAID0: 8,
  RAID1: 0x10,
  DUP: 0x20,
  RAID10: 0x40,
  RAID5: 0x80,
  RAID6: 0x100,
  RAID1C3: 0x200,
  RAID1C4: 0x400,
} as const;

export const BLOCK_GROUP_TYPE_MASK = 7;
export const BLOCK_GROUP_PROFILE_MASK = 0x7f8;

/** The use of a chunk (BLOCK_GROUP_ITEM, 24 bytes); its key is (logical, BLOCK_GROUP_ITEM, length). */
export const BLOCK_GROUP_ITEM = new Layout('block group item', 24, {
  used: u64(0),
  chunkObjectid: u64(8),
  flags: u64(16),
});
export type BlockGroupItem = ValueOf<typeof BLOCK_GROUP_ITEM>;
export const BLOCK_GROUP_ITEM_SIZE = 24;

/** In place; `at` is where the item's data begins. */
export function blockGroupUsed(view: DataView, at: number): ByteCount {
  return readU64(view, at);
}

export function setBlockGroupUsed(view: DataView, at: number, used: ByteCount): void {
  writeU64(view, at, used);
}

export function blockGroupFlags(view: DataView, at: number): number {
  return readU64(view, at + 16);
}

/** `METADATA|DUP`, `DATA|single` */
export function showBlockGroupFlags(flags: number): string {
  const names = Object.entries(BLOCK_GROUP_FLAG).filter(([, bit]) => hasBit(flags, bit));
  const known = names.reduce((sum, [, bit]) => sum + bit, 0);
  const texts = names.map(([name]) => name);
  if (!hasBit(flags, BLOCK_GROUP_PROFILE_MASK)) texts.push('single');
  if (flags !== known) texts.push(`unknown(${flags - known})`);
  return texts.join('|');
}

function hasBit(flags: number, mask: number): boolean {
  return (flags & mask) !== 0;
}
