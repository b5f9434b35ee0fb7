/**
 * Units by name. All are whole numbers held in a double: exact up to 2^53, which covers every address and size that
 * fsquake's images use. The kernel's negative object ids (−5, −9, −10 …) stay negative and sort after all others.
 */

/** A count of bytes. */
export type ByteCount = number;
/** Bytes from the start of a file. */
export type FileOffset = number;
/** btrfs's logical address space, which chunks map to devices. */
export type LogicalAddress = number;
/** Bytes from the start of one device. */
export type PhysicalAddress = number;
/** btrfs device id: 1, 2 …; 0 is a replace target. */
export type DeviceId = number;
/** A tree (root) object id: 1 root, 2 extent, 3 chunk, 4 dev, 5 fs, 7 csum, 9 uuid, 10 free space, −9 data reloc. */
export type TreeId = number;
/** An inode number, unique within its subvolume. */
export type InodeNumber = number;
/** A transaction id, also called generation or transid. */
export type Generation = number;
/** Nanoseconds of virtual time. */
export type VirtualNanoseconds = number;

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;
/** btrfs's data block: the unit of checksums and of data allocation. */
export const SECTOR_SIZE = 4096;

export function alignDown(value: number, unit: number): number {
  return value - (value % unit);
}

export function alignUp(value: number, unit: number): number {
  return alignDown(value + unit - 1, unit);
}
