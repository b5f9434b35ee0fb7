import { assert } from '../../base/assert.ts';
import type { ByteCount, LogicalAddress, PhysicalAddress } from '../../base/units.ts';
import type { Device } from './device.ts';

/** Where one copy (or, with striping, one column) of a chunk lies. A device replace gives it another device. */
export interface Stripe {
  device: Device;
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

/** Chunks by logical address. Chunks never overlap. */
export class ChunkMap {
  private readonly chunks: Chunk[] = [];
  private last: Chunk | null = null;

  insert(chunk: Chunk): void {
    const index = this.indexAfter(chunk.logical);
    const previous = this.chunks[index - 1];
    const next = this.chunks[index];
    const { logical, length } = chunk;
    if (previous) {
      assert(endOf(previous) <= logical, 'chunks never overlap', { previous: previous.logical, logical, length });
    }
    if (next) assert(endOf(chunk) <= next.logical, 'chunks never overlap', { next: next.logical, logical, length });
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
    if (last !== null && logical >= last.logical && logical < endOf(last)) return last;
    const chunk = this.chunks[this.indexAfter(logical) - 1];
    if (chunk === undefined || logical >= endOf(chunk)) return null;
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

/** The first address after the chunk. */
export function endOf(chunk: Pick<Chunk, 'logical' | 'length'>): LogicalAddress {
  return chunk.logical + chunk.length;
}
