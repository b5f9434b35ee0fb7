import type { ByteCount } from '../../base/units.ts';
import { SECTOR_SIZE } from '../../base/units.ts';

/**
 * LZO data as btrfs stores it, for reading: the length of all of it, then each sector as a segment of its own behind its
 * length. No length crosses the edge of a sector; what is left before the edge is padding. The instructions inside a
 * segment are those of LZO1X, after the kernel's description of the stream (Documentation/staging/lzo.rst).
 */

const LENGTH_SIZE = 4;

/** The first `length` bytes, zeroes behind their end; null when the data is damaged. */
export function unpackLzo(bytes: Uint8Array, length: ByteCount, isInline: boolean): Uint8Array | null {
  if (bytes.length < 2 * LENGTH_SIZE) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const total = view.getUint32(0, true);
  if (total < 2 * LENGTH_SIZE || total > bytes.length || (isInline && total !== bytes.length)) return null;
  const result = new Uint8Array(length);
  let at = LENGTH_SIZE;
  for (let done = 0; at < total && done < length; done += SECTOR_SIZE) {
    if (at + LENGTH_SIZE > total) return null;
    const end = at + LENGTH_SIZE + view.getUint32(at, true);
    if (end > total) return null;
    const sector = new Segment(bytes.subarray(at + LENGTH_SIZE, end), Math.min(SECTOR_SIZE, length - done)).unpack();
    if (sector === null) return null;
    result.set(sector, done);
    at = end;
    const left = SECTOR_SIZE - (at % SECTOR_SIZE);
    if (left < LENGTH_SIZE) at += left;
  }
  return result;
}

/** How many literals the last instruction copied; 4: a long run of them. */
type State = 0 | 1 | 2 | 3 | 4;

/** One LZO1X stream. */
class Segment {
  private readonly source: Uint8Array;
  private readonly target: Uint8Array;
  private from = 0;
  private to = 0;
  private isBroken = false;

  constructor(source: Uint8Array, length: ByteCount) {
    this.source = source;
    this.target = new Uint8Array(length);
  }

  /** Null when the stream is damaged or has more bytes than asked for. */
  unpack(): Uint8Array | null {
    let state: State = 0;
    const first = this.source[0] ?? 0;
    if (first > 17) {
      this.from = 1;
      this.copyLiterals(first - 17);
      state = first - 17 < 4 ? ((first - 17) as State) : 4;
    }
    while (!this.isBroken) {
      const next = this.step(this.byte(), state);
      if (next === 'end') return this.isBroken ? null : this.target;
      state = next;
    }
    return null;
  }

  private step(code: number, state: State): State | 'end' {
    if (code >= 64) {
      const length = code >= 128 ? 5 + ((code >> 5) & 3) : 3 + ((code >> 5) & 1);
      const distance = (this.byte() << 3) + ((code >> 2) & 7) + 1;
      return this.copyMatch(distance, length, code & 3);
    }
    if (code >= 32) {
      const length = 2 + this.lengthOf(code & 31, 31);
      const word = this.word();
      return this.copyMatch((word >> 2) + 1, length, word & 3);
    }
    if (code >= 16) {
      const length = 2 + this.lengthOf(code & 7, 7);
      const word = this.word();
      const distance = 16384 + ((code & 8) << 11) + (word >> 2);
      return distance === 16384 ? 'end' : this.copyMatch(distance, length, word & 3);
    }
    if (state === 0) {
      this.copyLiterals(3 + this.lengthOf(code, 15));
      return 4;
    }
    const distance = (this.byte() << 2) + (code >> 2) + (state === 4 ? 2049 : 1);
    return this.copyMatch(distance, state === 4 ? 3 : 2, code & 3);
  }

  /** The bits of the instruction, or when they are zero: 255 for each zero byte, `base`, and the byte after those. */
  private lengthOf(bits: number, base: number): number {
    if (bits !== 0) return bits;
    let length = base;
    let byte = this.byte();
    while (byte === 0 && !this.isBroken) {
      length += 255;
      byte = this.byte();
    }
    return length + byte;
  }

  private copyMatch(distance: number, length: number, literals: number): State {
    if (distance > this.to || this.to + length > this.target.length) {
      this.isBroken = true;
      return 0;
    }
    // Byte by byte: a match may overlap what it makes.
    for (let n = 0; n < length; n++, this.to++) this.target[this.to] = this.target[this.to - distance]!;
    this.copyLiterals(literals);
    return literals as State;
  }

  private copyLiterals(length: number): void {
    if (this.from + length > this.source.length || this.to + length > this.target.length) {
      this.isBroken = true;
      return;
    }
    this.target.set(this.source.subarray(this.from, this.from + length), this.to);
    this.from += length;
    this.to += length;
  }

  private byte(): number {
    if (this.from >= this.source.length) this.isBroken = true;
    return this.source[this.from++] ?? 0;
  }

  private word(): number {
    const low = this.byte();
    return low | (this.byte() << 8);
  }
}
