import type { ExtentMapView } from '../../task/observation.ts';
import { EXTENT_MAP_HOLE } from '../../task/observation.ts';

/**
 * One extent map: which bytes of a file lie where on disk, in the classic layout of Linux ≤ 6.10, with the triple of
 * 6.11 (`diskStart`, `diskLength`, `diskOffset`) beside it.
 *
 * Arithmetic is the kernel's: unsigned 64 bits. The switched-off fixes can make lengths that wrap below zero; those
 * are stored as the unsigned value (2^64 − n), which a double holds exactly for every multiple of 2048.
 */

/** The end of a map that reaches past 2^64 − 1: the kernel saturates there, and 2^64 is the nearest double. */
export const FILE_OFFSET_LIMIT = 2 ** 64;

/** The generation of a map whose ordered extent is still in flight (−1 in the kernel). */
export const GENERATION_IN_FLIGHT = -1;

/** The ordered extent behind this map has not finished. */
export const PINNED = 1;
export const COMPRESSED = 2;
/** A hole without a file extent item. */
export const VACANCY = 4;
export const PREALLOC = 8;
/** An fsync is logging this map. */
export const LOGGING = 16;
/** A write into a preallocated extent is in flight. */
export const FILLING = 32;
/** Made by merging; never a reason not to merge again (a0f062539085). */
export const MERGED = 64;

/** What a new map is made of; what is left out follows from the rest for a whole, uncompressed extent. */
export interface ExtentMapFields {
  readonly start: number;
  readonly length: number;
  readonly blockStart: number;
  readonly blockLength?: number;
  readonly originalStart?: number;
  readonly originalBlockLength?: number;
  readonly ramBytes?: number;
  /** One of `COMPRESSION`; with the flag `COMPRESSED`. */
  readonly compression?: number;
  readonly generation?: number;
  readonly flags?: number;
}

export class ExtentMap implements ExtentMapView {
  start: number;
  length: number;
  blockStart: number;
  blockLength: number;
  originalStart: number;
  originalBlockLength: number;
  ramBytes: number;
  readonly compression: number;
  generation: number;
  flags: number;
  /** The part to log at the next fast fsync. */
  modStart: number;
  modLength: number;
  /** One for the tree and one for each holder. */
  references = 1;
  isInTree = false;
  /** On the tree's modified list: must be logged by a fast fsync. */
  isModified = false;
  /** New layout: address and length on disk of the whole extent (of all of them, once merged). */
  diskStart: number;
  diskLength: number;
  /** New layout: how far the offset into a compressed extent stayed behind when the map's start moved (before de9f46cb0044). */
  offsetLag = 0;

  constructor(fields: ExtentMapFields) {
    const isReal = isRealBlock(fields.blockStart);
    const flags = fields.flags ?? 0;
    this.start = fields.start;
    this.length = fields.length;
    this.blockStart = fields.blockStart;
    this.blockLength = fields.blockLength ?? (isReal ? fields.length : 0);
    this.originalStart = fields.originalStart ?? fields.start;
    this.originalBlockLength = fields.originalBlockLength ?? this.wholeBlockLength(isReal, flags);
    this.ramBytes = fields.ramBytes ?? (isReal ? this.length + (this.start - this.originalStart) : this.length);
    this.compression = fields.compression ?? 0;
    this.generation = fields.generation ?? 0;
    this.flags = flags;
    this.modStart = fields.start;
    this.modLength = fields.length;
    this.diskStart =
      !isReal || (flags & COMPRESSED) !== 0 ? fields.blockStart : fields.blockStart - (this.start - this.originalStart);
    this.diskLength = this.originalBlockLength;
  }

  /** The whole extent's length on disk, of which a compressed map always tells all and another the part from `start`. */
  private wholeBlockLength(isReal: boolean, flags: number): number {
    if (!isReal) return 0;
    return (flags & COMPRESSED) !== 0 ? this.blockLength : this.blockLength + (this.start - this.originalStart);
  }

  /** First byte after the map, saturating at `FILE_OFFSET_LIMIT`. */
  get end(): number {
    return endOfMap(this.start, this.length);
  }

  get isPinned(): boolean {
    return (this.flags & PINNED) !== 0;
  }

  get isCompressed(): boolean {
    return (this.flags & COMPRESSED) !== 0;
  }

  get isPrealloc(): boolean {
    return (this.flags & PREALLOC) !== 0;
  }

  get isLogging(): boolean {
    return (this.flags & LOGGING) !== 0;
  }

  /** True when the map has an address on disk: not a hole, inline data or delayed allocation. */
  get isReal(): boolean {
    return isRealBlock(this.blockStart);
  }

  get isHole(): boolean {
    return this.blockStart === EXTENT_MAP_HOLE;
  }

  /** New layout: where the map's first byte lies in the uncompressed extent. */
  get diskOffset(): number {
    if (!this.isReal) return 0;
    return this.isCompressed ? this.start - this.originalStart - this.offsetLag : this.blockStart - this.diskStart;
  }

  /** New layout: the uncompressed size of the whole extent; merging makes it that of the extents' span. */
  get diskRamBytes(): number {
    return this.isReal && (this.flags & MERGED) !== 0 ? this.diskLength : this.ramBytes;
  }

  covers(offset: number): boolean {
    return this.start <= offset && offset < this.end;
  }
}

/** The file offset after `length` bytes from `start`, as an unsigned 64-bit sum that saturates. */
export function endOfMap(start: number, length: number): number {
  const end = start + length;
  return end >= FILE_OFFSET_LIMIT ? FILE_OFFSET_LIMIT : end;
}

/** Unsigned 64-bit wrap-around of a sum or difference of two unsigned values. */
export function wrapUnsigned(value: number): number {
  if (value < 0) return value + FILE_OFFSET_LIMIT;
  return value >= FILE_OFFSET_LIMIT ? value - FILE_OFFSET_LIMIT : value;
}

/** Unsigned 64-bit sum that wraps around; exact also where the sum before wrapping is no double. */
export function addUnsigned(a: number, b: number): number {
  if (a + b < FILE_OFFSET_LIMIT) return a + b;
  return a > b ? a - FILE_OFFSET_LIMIT + b : b - FILE_OFFSET_LIMIT + a;
}

function isRealBlock(blockStart: number): boolean {
  return blockStart >= 0;
}
