import type { ByteCount, LogicalAddress, PhysicalAddress } from '../../base/units.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import type { Chunk, ChunkMap } from './chunk-map.ts';
import type { Device } from './device.ts';
import { dataStripesOf, deviceExtentLength } from './profiles.ts';

/** The logical addresses of one chunk that a device address stands for. */
export interface ReverseMapping {
  readonly chunk: Chunk;
  /** No address twice; in the order of the stripes that hold them. Of RAID5 and RAID6, counted from the full stripe's start. */
  readonly addresses: readonly LogicalAddress[];
  /** How much of the logical address space one stripe of the chunk takes: with RAID5 and RAID6, a full stripe. */
  readonly stripeLength: ByteCount;
}

/**
 * Reverse mapping, which finds the superblock copies that lie inside chunks (Linux since 5.6, `btrfs_rmap_block`).
 *
 * `device` null: on any. `stripeSize`: how many bytes of a device each stripe of the chunk takes.
 */
export function logicalAddressesIn(
  chunk: Chunk,
  physical: PhysicalAddress,
  device: Device | null = null,
  stripeSize: ByteCount = deviceExtentLength(chunk),
): ReverseMapping {
  const stripeLength =
    chunk.stripeLength * (isParityProfile(chunk) ? dataStripesOf(chunk.flags, chunk.stripes.length) : 1);
  const addresses: LogicalAddress[] = [];
  for (const [index, stripe] of chunk.stripes.entries()) {
    const offset = physical - stripe.physical;
    if (offset < 0 || offset >= stripeSize) continue;
    if (device !== null && stripe.device !== device) continue;
    const row = Math.floor(offset / chunk.stripeLength);
    const address = chunk.logical + stripeNumber(chunk, row, index) * stripeLength + (offset % chunk.stripeLength);
    if (!addresses.includes(address)) addresses.push(address);
  }
  return { chunk, addresses, stripeLength };
}

/** `logicalAddressesIn` each chunk that has any, in logical order. Empty where the device address belongs to no chunk. */
export function logicalAddressesOf(
  chunks: ChunkMap,
  physical: PhysicalAddress,
  device: Device | null = null,
): readonly ReverseMapping[] {
  return chunks
    .all()
    .map((chunk) => logicalAddressesIn(chunk, physical, device))
    .filter(({ addresses }) => addresses.length > 0);
}

/** Every second stripe of RAID10 is the copy of the one before it. */
const RAID10_COPIES = 2;

function stripeNumber({ flags, stripes }: Chunk, row: number, index: number): number {
  if ((flags & BLOCK_GROUP_FLAG.RAID0) !== 0) return row * stripes.length + index;
  if ((flags & BLOCK_GROUP_FLAG.RAID10) !== 0) return Math.floor((row * stripes.length + index) / RAID10_COPIES);
  return row;
}

function isParityProfile({ flags }: Chunk): boolean {
  return (flags & (BLOCK_GROUP_FLAG.RAID5 | BLOCK_GROUP_FLAG.RAID6)) !== 0;
}
