import { readU64 } from '../../base/bytes.ts';
import type { DiskImage } from '../../record/image.ts';
import { GROUP, STRIPE_LENGTH, STRIPE_SIZE, SUPER_OFFSETS } from './layout.ts';

const COPIES_MAX = 4;

/** A stretch of one device that holds consecutive logical bytes. */
export interface Place {
  device: number;
  offset: number;
  /** How many logical bytes follow contiguously. */
  length: number;
}

/** A chunk: a range of logical addresses and the stripes on devices that hold it. Read from its item, unchecked. */
export class Chunk {
  readonly start: number;
  readonly view: DataView;
  /** Where the chunk item begins in `view`. */
  readonly at: number;
  readonly length: number;
  readonly type: number;
  readonly stripes: number;
  readonly subStripes: number;

  constructor(start: number, view: DataView, at: number, stripes: number) {
    this.start = start;
    this.view = view;
    this.at = at;
    this.length = readU64(view, at);
    this.type = readU64(view, at + 24);
    this.stripes = stripes;
    this.subStripes = view.getUint16(at + 46, true);
  }

  get end(): number {
    return this.start + this.length;
  }

  deviceOf(stripe: number): number {
    return readU64(this.view, this.at + 48 + stripe * STRIPE_SIZE);
  }

  offsetOf(stripe: number): number {
    return readU64(this.view, this.at + 56 + stripe * STRIPE_SIZE);
  }

  /** How many stripes hold data of their own, neither copies nor parity; 0 if the profile is malformed. */
  get dataStripes(): number {
    if (this.type & GROUP.RAID0) return this.stripes;
    if (this.type & GROUP.RAID10) return Math.floor(this.stripes / Math.max(this.subStripes, 1));
    if (this.type & GROUP.RAID5) return this.stripes - 1;
    if (this.type & GROUP.RAID6) return this.stripes - 2;
    return 1;
  }

  /** How many whole copies of each byte exist. */
  get copies(): number {
    if (this.type & (GROUP.RAID0 | GROUP.RAID5 | GROUP.RAID6)) return 1;
    // Malformed profiles may claim thousands; no real one has more than four.
    return Math.min(this.type & GROUP.RAID10 ? Math.max(this.subStripes, 1) : this.stripes, COPIES_MAX);
  }

  /** Bytes that each stripe takes on its device. */
  get stripeBytes(): number {
    return this.dataStripes > 0 ? this.length / this.dataStripes : 0;
  }

  /** Fills `place` with where copy `copy` of `logical` is stored. */
  locate(logical: number, copy: number, place: Place): void {
    const within = logical - this.start;
    if ((this.type & (GROUP.RAID0 | GROUP.RAID10 | GROUP.RAID5 | GROUP.RAID6)) === 0) {
      place.device = this.deviceOf(copy);
      place.offset = this.offsetOf(copy) + within;
      place.length = this.length - within;
      return;
    }
    const number = Math.floor(within / STRIPE_LENGTH);
    const data = Math.max(this.dataStripes, 1);
    const row = Math.floor(number / data);
    let stripe = number % data;
    if (this.type & GROUP.RAID10) stripe = stripe * Math.max(this.subStripes, 1) + copy;
    if (this.type & (GROUP.RAID5 | GROUP.RAID6)) stripe = (stripe + row) % this.stripes;
    stripe %= this.stripes;
    place.device = this.deviceOf(stripe);
    place.offset = this.offsetOf(stripe) + row * STRIPE_LENGTH + (within % STRIPE_LENGTH);
    place.length = STRIPE_LENGTH - (within % STRIPE_LENGTH);
  }

  /** Logical ranges whose bytes would overwrite a superblock mirror, as `[start, end)` pairs appended to `ranges`. */
  addSuperRanges(ranges: number[]): void {
    const size = this.stripeBytes;
    for (let stripe = 0; stripe < this.stripes; stripe++) {
      const offset = this.offsetOf(stripe);
      for (const mirror of SUPER_OFFSETS) {
        const from = Math.max(mirror, offset);
        const to = Math.min(mirror + STRIPE_LENGTH, offset + size);
        if (from >= to) continue;
        this.#addRange(stripe, from - offset, to - offset, ranges);
      }
    }
  }

  #addRange(stripe: number, from: number, to: number, ranges: number[]): void {
    const data = this.dataStripes;
    if (data === 1) {
      ranges.push(this.start + from, this.start + to);
      return;
    }
    const firstRow = Math.floor(from / STRIPE_LENGTH);
    const lastRow = Math.floor((to - 1) / STRIPE_LENGTH);
    for (let row = firstRow; row <= lastRow; row++) {
      if (this.type & (GROUP.RAID5 | GROUP.RAID6)) {
        // Which stripe of a row holds parity turns with the row; the kernel keeps off the whole row.
        ranges.push(this.start + row * data * STRIPE_LENGTH, this.start + (row + 1) * data * STRIPE_LENGTH);
        continue;
      }
      const index = this.type & GROUP.RAID10 ? Math.floor(stripe / Math.max(this.subStripes, 1)) : stripe;
      const base = this.start + (row * data + index) * STRIPE_LENGTH;
      const low = Math.max(from - row * STRIPE_LENGTH, 0);
      const high = Math.min(to - row * STRIPE_LENGTH, STRIPE_LENGTH);
      ranges.push(base + low, base + high);
    }
  }
}

/** Translates logical addresses to bytes of the images. Bounded by the images' sizes whatever the chunks claim. */
export class ChunkMap {
  /** Images by device id. */
  devices: ReadonlyMap<number, DiskImage>;
  #chunks: Chunk[] = [];
  #last: Chunk | null = null;
  readonly #place: Place = { device: 0, offset: 0, length: 0 };

  constructor(devices: ReadonlyMap<number, DiskImage>) {
    this.devices = devices;
  }

  /** In ascending order of `start`. */
  get chunks(): readonly Chunk[] {
    return this.#chunks;
  }

  replaceChunks(chunks: Chunk[]): void {
    this.#chunks = chunks.sort((a, b) => a.start - b.start);
    this.#last = null;
  }

  find(logical: number): Chunk | null {
    const last = this.#last;
    if (last !== null && logical >= last.start && logical < last.start + last.length) return last;
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#chunks[middle]!.start <= logical) low = middle + 1;
      else high = middle;
    }
    const found = low > 0 ? this.#chunks[low - 1]! : null;
    if (found === null || logical >= found.start + found.length) return null;
    this.#last = found;
    return found;
  }

  /** `length` bytes of one copy; null where no chunk or no device holds them. The bytes are not to be changed. */
  read(logical: number, length: number, copy: number): Uint8Array | null {
    const chunk = this.find(logical);
    if (chunk === null || logical + length > chunk.start + chunk.length || copy >= chunk.copies) return null;
    const place = this.#place;
    chunk.locate(logical, copy, place);
    if (place.length >= length) return this.#readPlace(place.device, place.offset, length);
    const whole = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      chunk.locate(logical + done, copy, place);
      const part = Math.min(place.length, length - done);
      const bytes = this.#readPlace(place.device, place.offset, part);
      if (bytes === null) return null;
      whole.set(bytes, done);
      done += part;
    }
    return whole;
  }

  /** Whether the device of this copy of the address is among the images. */
  isPresent(logical: number, copy: number): boolean {
    const chunk = this.find(logical);
    if (chunk === null) return false;
    chunk.locate(logical, copy, this.#place);
    return this.devices.has(this.#place.device);
  }

  copiesAt(logical: number): number {
    return this.find(logical)?.copies ?? 0;
  }

  /** For messages: `device 1 at 5242880`. */
  describe(logical: number, copy: number): string {
    const chunk = this.find(logical);
    if (chunk === null) return 'no chunk';
    chunk.locate(logical, copy, this.#place);
    return `device ${this.#place.device} at ${this.#place.offset}`;
  }

  #readPlace(device: number, offset: number, length: number): Uint8Array | null {
    const image = this.devices.get(device);
    if (image === undefined || offset < 0 || offset + length > image.size) return null;
    return image.read(offset, length);
  }
}
