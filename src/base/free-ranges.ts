import { assert } from './assert.ts';
import { alignUp, type ByteCount, type LogicalAddress } from './units.ts';

/** Free ranges of an address space (of a block group, of a device): sorted, disjoint, never touching (neighbours are merged). */
export class FreeRanges {
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  private total = 0;

  get bytes(): ByteCount {
    return this.total;
  }

  get count(): number {
    return this.starts.length;
  }

  /** Adds a range that does not overlap any. */
  add(start: LogicalAddress, length: ByteCount): void {
    const end = start + length;
    const index = this.indexAfter(start);
    const joinsPrevious = index > 0 && this.ends[index - 1] === start;
    const joinsNext = index < this.starts.length && this.starts[index] === end;
    assert(index === 0 || this.ends[index - 1]! <= start, 'space is freed once', { start, length });
    assert(index === this.starts.length || this.starts[index]! >= end, 'space is freed once', { start, length });
    this.total += length;
    if (joinsPrevious && joinsNext) {
      this.ends[index - 1] = this.ends[index]!;
      this.starts.splice(index, 1);
      this.ends.splice(index, 1);
    } else if (joinsPrevious) this.ends[index - 1] = end;
    else if (joinsNext) this.starts[index] = start;
    else {
      this.starts.splice(index, 0, start);
      this.ends.splice(index, 0, end);
    }
  }

  /** Takes away whatever of [start, start + length) is free. */
  exclude(start: LogicalAddress, length: ByteCount): void {
    const end = start + length;
    let index = Math.max(0, this.indexAfter(start) - 1);
    while (index < this.starts.length && this.starts[index]! < end) {
      const from = Math.max(start, this.starts[index]!);
      const to = Math.min(end, this.ends[index]!);
      const isWhole = from === this.starts[index] && to === this.ends[index];
      if (from < to) this.take(from, to - from);
      if (!isWhole) index++;
    }
  }

  /** Takes a range that is free. */
  take(start: LogicalAddress, length: ByteCount): void {
    const index = this.indexAfter(start) - 1;
    const end = start + length;
    assert(index >= 0 && this.ends[index]! >= end, 'only free space is taken', { start, length });
    this.total -= length;
    const rangeEnd = this.ends[index]!;
    if (this.starts[index] === start && rangeEnd === end) {
      this.starts.splice(index, 1);
      this.ends.splice(index, 1);
    } else if (this.starts[index] === start) this.starts[index] = end;
    else if (rangeEnd === end) this.ends[index] = start;
    else {
      this.ends[index] = start;
      this.starts.splice(index + 1, 0, end);
      this.ends.splice(index + 1, 0, rangeEnd);
    }
  }

  /** Takes the first `length` bytes, aligned, that are free in one piece; −1 when there are none. */
  takeFirst(length: ByteCount, alignment: number): LogicalAddress {
    for (let index = 0; index < this.starts.length; index++) {
      const start = alignUp(this.starts[index]!, alignment);
      if (start + length > this.ends[index]!) continue;
      this.take(start, length);
      return start;
    }
    return -1;
  }

  /** The length of the longest range. */
  longest(): ByteCount {
    let longest = 0;
    for (let index = 0; index < this.starts.length; index++) {
      longest = Math.max(longest, this.ends[index]! - this.starts[index]!);
    }
    return longest;
  }

  /** How many aligned pieces of `size` bytes can be taken, counted up to `enough`. */
  countPieces(size: ByteCount, alignment: number, enough: number): number {
    let count = 0;
    for (let index = 0; index < this.starts.length && count < enough; index++) {
      const start = alignUp(this.starts[index]!, alignment);
      count += Math.max(0, Math.floor((this.ends[index]! - start) / size));
    }
    return count;
  }

  *all(): Iterable<{ readonly start: LogicalAddress; readonly length: ByteCount }> {
    for (let index = 0; index < this.starts.length; index++) {
      yield { start: this.starts[index]!, length: this.ends[index]! - this.starts[index]! };
    }
  }

  /** Index of the first range that starts after `position`. */
  private indexAfter(position: number): number {
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle]! <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
