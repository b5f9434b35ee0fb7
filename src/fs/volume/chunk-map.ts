import { assert } from '../../base/assert.ts';
import type { ByteCount, DeviceId, LogicalAddress, PhysicalAddress } from '../../base/units.ts';
import { BLOCK_GROUP_FLAG, BLOCK_GROUP_PROFILE_MASK } from '../format/block-group.ts';

/** Where one copy (or, with striping, one column) of a chunk lies. */
export interface Stripe {
  readonly device: DeviceId;
  readonly physical: PhysicalAddress;
}

/** A run of the logical address space and the device ranges behind it. */
export interface Chunk {
  readonly logical: LogicalAddress;
  readonly length: ByteCount;
  /** Block group type and profile bits, as on disk. */
  readonly flags: number;
  readonly stripeLength: ByteCount;
  readonly stripes: readonly Stripe[];
}

/** One device range that holds (a copy of) a logical range. */
export interface Mapping {
  readonly device: DeviceId;
  readonly physical: PhysicalAddress;
  readonly length: ByteCount;
}

/** Profiles whose stripes are all full copies: single, DUP, RAID1 and its kin. Striped profiles come with their issue. */
const COPY_PROFILES_MASK =
  BLOCK_GROUP_FLAG.RAID1 | BLOCK_GROUP_FLAG.DUP | BLOCK_GROUP_FLAG.RAID1C3 | BLOCK_GROUP_FLAG.RAID1C4;
const STRIPED_PROFILES_MASK = BLOCK_GROUP_PROFILE_MASK - COPY_PROFILES_MASK;

/** Chunks by logical address. Chunks never overlap. */
export class ChunkMap {
  private readonly chunks: Chunk[] = [];
  private last: Chunk | null = null;

  insert(chunk: Chunk): void {
    const index = this.indexAfter(chunk.logical);
    const previous = this.chunks[index - 1];
    const next = this.chunks[index];
    if (previous)
      assert(previous.logical + previous.length <= chunk.logical, 'chunks never overlap', { previous, chunk });
    if (next) assert(chunk.logical + chunk.length <= next.logical, 'chunks never overlap', { next, chunk });
    this.chunks.splice(index, 0, chunk);
    this.last = null;
  }

  remove(logical: LogicalAddress): void {
    const index = this.indexAfter(logical) - 1;
    assert(this.chunks[index]?.logical === logical, 'only a mapped chunk is removed', { logical });
    this.chunks.splice(index, 1);
    this.last = null;
  }

  /** The chunk that holds `logical`, or null where nothing is mapped. */
  find(logical: LogicalAddress): Chunk | null {
    const last = this.last;
    if (last !== null && logical >= last.logical && logical < last.logical + last.length) return last;
    const chunk = this.chunks[this.indexAfter(logical) - 1];
    if (chunk === undefined || logical >= chunk.logical + chunk.length) return null;
    this.last = chunk;
    return chunk;
  }

  /** All chunks in logical order. */
  all(): readonly Chunk[] {
    return this.chunks;
  }

  /** Index of the first chunk that starts after `logical`. */
  private indexAfter(logical: LogicalAddress): number {
    let low = 0;
    let high = this.chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.chunks[middle]!.logical <= logical) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** True where every stripe of the chunk is a full copy. */
export function isCopyProfile(flags: number): boolean {
  return (flags & STRIPED_PROFILES_MASK) === 0;
}

/** How many copies of each byte the chunk keeps. */
export function copiesOf(chunk: Chunk): number {
  return (chunk.flags & COPY_PROFILES_MASK) !== 0 ? chunk.stripes.length : 1;
}

/**
 * How many copies of a write may fail without the write failing: what the profile can lose of its devices. None of DUP,
 * whose copies lie on one device: Linux aborts the transaction there too.
 */
export function failedCopiesTolerated(chunk: Chunk): number {
  return (chunk.flags & BLOCK_GROUP_FLAG.DUP) !== 0 ? 0 : copiesOf(chunk) - 1;
}

/** The device range that holds copy `mirror` (from 0) of a range that lies inside the chunk. */
export function mapToStripe(chunk: Chunk, logical: LogicalAddress, length: ByteCount, mirror: number): Mapping {
  const offset = logical - chunk.logical;
  assert(offset >= 0 && offset + length <= chunk.length, 'an I/O stays inside its chunk', { chunk, logical, length });
  const stripe = chunk.stripes[mirror]!;
  return { device: stripe.device, physical: stripe.physical + offset, length };
}
