import { assert } from '../../base/assert.ts';
import type { ByteCount, LogicalAddress, PhysicalAddress } from '../../base/units.ts';
import { type Chunk, endOf, type Stripe } from './chunk-map.ts';
import { deviceExtentLength, isStriped } from './profiles.ts';

/** The part of an I/O that one stripe takes, in one run. */
export interface Piece {
  readonly stripe: Stripe;
  readonly physical: PhysicalAddress;
  /** Where it begins in the I/O. */
  readonly at: ByteCount;
  readonly length: ByteCount;
}

/**
 * The device ranges that hold copy `mirror` (from 0) of a range that lies inside the chunk, in logical order. A range
 * that crosses borders of stripes comes in pieces, one for each stripe length or part of it.
 */
export function piecesOf(chunk: Chunk, logical: LogicalAddress, length: ByteCount, mirror: number): Piece[] {
  const start = logical - chunk.logical;
  assert(start >= 0 && logical + length <= endOf(chunk), 'an I/O stays inside its chunk', {
    chunk: chunk.logical,
    chunkLength: chunk.length,
    logical,
    length,
  });
  if (!isStriped(chunk.flags)) {
    const stripe = chunk.stripes[mirror]!;
    return [{ stripe, physical: stripe.physical + start, at: 0, length }];
  }
  const { stripeLength, stripes } = chunk;
  const pieces: Piece[] = [];
  for (let at = 0; at < length; ) {
    const column = Math.floor((start + at) / stripeLength);
    const within = (start + at) % stripeLength;
    const row = Math.floor(column / stripes.length);
    const stripe = stripes[column % stripes.length]!;
    const take = Math.min(stripeLength - within, length - at);
    pieces.push({ stripe, physical: stripe.physical + row * stripeLength + within, at, length: take });
    at += take;
  }
  return pieces;
}

/** As `piecesOf`, but what lies side by side on a device is one range: for I/O that carries no bytes. */
export function rangesOf(chunk: Chunk, logical: LogicalAddress, length: ByteCount, mirror: number): Piece[] {
  const ranges: Piece[] = [];
  for (const piece of piecesOf(chunk, logical, length, mirror)) {
    const index = ranges.findIndex(
      (range) => range.stripe === piece.stripe && range.physical + range.length === piece.physical,
    );
    if (index < 0) ranges.push(piece);
    else ranges[index] = { ...ranges[index]!, length: ranges[index]!.length + piece.length };
  }
  return ranges;
}

/** A run of the logical address space that lies in one run of a device. */
export interface LogicalRange {
  readonly logical: LogicalAddress;
  readonly length: ByteCount;
  readonly physical: PhysicalAddress;
}

/**
 * What a run of one stripe's device holds, in device order; whatever of the run lies outside the stripe is left out.
 * With striping, one range for each stripe length or part of it.
 */
export function logicalRangesOf(
  chunk: Chunk,
  stripeIndex: number,
  physicalStart: PhysicalAddress,
  length: ByteCount,
): LogicalRange[] {
  const base = chunk.stripes[stripeIndex]!.physical;
  const start = Math.max(physicalStart, base);
  const end = Math.min(physicalStart + length, base + deviceExtentLength(chunk));
  if (start >= end) return [];
  if (!isStriped(chunk.flags)) {
    return [{ logical: chunk.logical + (start - base), length: end - start, physical: start }];
  }
  const { stripeLength, stripes } = chunk;
  const ranges: LogicalRange[] = [];
  for (let physical = start; physical < end; ) {
    const row = Math.floor((physical - base) / stripeLength);
    const within = (physical - base) % stripeLength;
    const take = Math.min(stripeLength - within, end - physical);
    const column = row * stripes.length + stripeIndex;
    ranges.push({ logical: chunk.logical + column * stripeLength + within, length: take, physical });
    physical += take;
  }
  return ranges;
}
