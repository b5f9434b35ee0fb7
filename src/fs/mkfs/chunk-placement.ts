import { type ByteCount, type LogicalAddress, MIB, type PhysicalAddress } from '../../base/units.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { SUPERBLOCK_RESERVED_LENGTH, superblockOffsets } from '../format/superblock.ts';
import type { CheckedOptions } from './options.ts';

/** btrfs leaves the first MiB of each device to boot loaders and the first superblock. */
export const DEVICE_RESERVED_BYTES = MIB;
/** Apart from every physical address of a small device, so that a mix-up of the two does not go unseen. */
const FIRST_LOGICAL: LogicalAddress = 16 * MIB;

/** Where one copy of a chunk lies. */
export interface PlacedStripe {
  /** Index of the device. */
  readonly device: number;
  readonly physical: PhysicalAddress;
}

export interface PlacedChunk {
  readonly logical: LogicalAddress;
  readonly length: ByteCount;
  readonly flags: number;
  readonly stripes: readonly PlacedStripe[];
}

/** System, metadata and data chunk, in this order. */
export type PlacedChunks = readonly [PlacedChunk, PlacedChunk, PlacedChunk];

interface ChunkRequest {
  readonly option: 'systemBytes' | 'metadataBytes' | 'dataBytes';
  readonly flags: number;
  readonly length: ByteCount;
  readonly copies: number;
}

export type Placement =
  | { readonly chunks: PlacedChunks }
  | {
      readonly chunks: null;
      readonly misplaced: ChunkRequest;
      readonly largestFree: ByteCount;
      /** A first device of this size would do. */
      readonly neededBytes: ByteCount;
    };

/**
 * Puts the first chunks one after the other, each on the first device with room for all its copies, around the places
 * of superblock mirrors.
 */
export function placeChunks(options: CheckedOptions): Placement {
  const requests = chunkRequests(options);
  const ends = options.devices.map(() => DEVICE_RESERVED_BYTES);
  const chunks: PlacedChunk[] = [];
  let logical = FIRST_LOGICAL;
  for (const request of requests) {
    const stripes = placeStripes(request, options.devices, ends);
    if (stripes === null) {
      const largestFree = Math.max(0, ...options.devices.map((size, device) => largestRun(ends[device]!, size)));
      return { chunks: null, misplaced: request, largestFree, neededBytes: neededBytes(requests) };
    }
    chunks.push({ logical, length: request.length, flags: request.flags, stripes });
    logical += request.length;
  }
  return { chunks: chunks as unknown as PlacedChunks };
}

function chunkRequests(options: CheckedOptions): readonly ChunkRequest[] {
  const isDup = options.metadataProfile === 'dup';
  const profile = isDup ? BLOCK_GROUP_FLAG.DUP : 0;
  const copies = isDup ? 2 : 1;
  return [
    { option: 'systemBytes', flags: BLOCK_GROUP_FLAG.SYSTEM | profile, length: options.systemBytes, copies },
    { option: 'metadataBytes', flags: BLOCK_GROUP_FLAG.METADATA | profile, length: options.metadataBytes, copies },
    { option: 'dataBytes', flags: BLOCK_GROUP_FLAG.DATA, length: options.dataBytes, copies: 1 },
  ];
}

/** Moves `ends` only on success. */
function placeStripes(request: ChunkRequest, sizes: readonly ByteCount[], ends: number[]): PlacedStripe[] | null {
  for (const [device, size] of sizes.entries()) {
    const stripes: PlacedStripe[] = [];
    let end = ends[device]!;
    for (let copy = 0; copy < request.copies; copy++) {
      const physical = afterMirrors(end, request.length, size);
      stripes.push({ device, physical });
      end = physical + request.length;
    }
    if (end > size) continue;
    ends[device] = end;
    return stripes;
  }
  return null;
}

/** The first place from `start` on where `length` bytes touch no superblock mirror of the device. */
function afterMirrors(start: PhysicalAddress, length: ByteCount, deviceSize: ByteCount): PhysicalAddress {
  let place = start;
  for (const mirror of superblockOffsets(deviceSize)) {
    if (place < mirror + SUPERBLOCK_RESERVED_LENGTH && mirror < place + length)
      place = mirror + SUPERBLOCK_RESERVED_LENGTH;
  }
  return place;
}

function largestRun(start: PhysicalAddress, deviceSize: ByteCount): ByteCount {
  let largest = 0;
  let from = start;
  for (const mirror of superblockOffsets(deviceSize)) {
    if (mirror < from) continue;
    largest = Math.max(largest, mirror - from);
    from = mirror + SUPERBLOCK_RESERVED_LENGTH;
  }
  return Math.max(largest, deviceSize - from);
}

/** Placing on a device without end tells where it would have to end; mirrors count as if they were there. */
function neededBytes(requests: readonly ChunkRequest[]): ByteCount {
  const ends = [DEVICE_RESERVED_BYTES];
  for (const request of requests) placeStripes(request, [Number.MAX_SAFE_INTEGER], ends);
  return ends[0]!;
}
