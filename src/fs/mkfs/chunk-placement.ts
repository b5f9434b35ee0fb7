import { type ByteCount, type LogicalAddress, MIB, type PhysicalAddress } from '../../base/units.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { SUPERBLOCK_RESERVED_LENGTH, superblockOffsets } from '../format/superblock.ts';
import type { Profile } from '../volume/profiles.ts';
import type { CheckedOptions } from './options.ts';
import { devicesUsed, makeProfileOf, stripeBytes } from './profiles.ts';

/** btrfs leaves the first MiB of each device to boot loaders and the first superblock. */
export const DEVICE_RESERVED_BYTES = MIB;
/** Apart from every physical address of a small device, so that a mix-up of the two does not go unseen. */
const FIRST_LOGICAL: LogicalAddress = 16 * MIB;

/** Where one copy of a chunk, or one column of it, lies. */
export interface PlacedStripe {
  /** Index of the device. */
  readonly device: number;
  readonly physical: PhysicalAddress;
}

export interface PlacedChunk {
  readonly logical: LogicalAddress;
  readonly length: ByteCount;
  readonly flags: number;
  /** On the device of each stripe. */
  readonly stripeBytes: ByteCount;
  readonly stripes: readonly PlacedStripe[];
}

/** System, metadata and data chunk, in this order; mixed, the second holds both. */
export type PlacedChunks = readonly [PlacedChunk, PlacedChunk, ...PlacedChunk[]];

interface ChunkRequest {
  readonly option: 'systemBytes' | 'metadataBytes' | 'dataBytes';
  readonly type: number;
  readonly profile: Profile;
  readonly length: ByteCount;
}

export type Placement =
  | { readonly chunks: PlacedChunks }
  | {
      readonly chunks: null;
      readonly option: ChunkRequest['option'];
      /** What did not fit on each device that the chunk needs. */
      readonly stripesPerDevice: number;
      readonly stripeBytes: ByteCount;
      readonly devicesNeeded: number;
      readonly largestFree: ByteCount;
      /** Devices of this size would do. */
      readonly neededBytes: ByteCount;
    };

/**
 * Puts the first chunks where Linux would: each on the devices with most room, the first stripe on the roomiest. On a
 * device they lie one after the other, around the places of superblock mirrors.
 */
export function placeChunks(options: CheckedOptions): Placement {
  const { devices } = options;
  const requests = chunkRequests(options);
  const ends = devices.map(() => DEVICE_RESERVED_BYTES);
  const chunks: PlacedChunk[] = [];
  let logical = FIRST_LOGICAL;
  for (const request of requests) {
    const { profile, length } = request;
    const size = stripeBytes(profile, length, devices.length);
    const stripes = placeStripes(request, devices, ends);
    if (stripes === null) {
      return {
        chunks: null,
        option: request.option,
        stripesPerDevice: profile.stripesPerDevice,
        stripeBytes: size,
        devicesNeeded: devicesUsed(profile, devices.length),
        largestFree: Math.max(0, ...devices.map((end, device) => largestRun(ends[device]!, end))),
        neededBytes: neededBytes(requests, devices.length),
      };
    }
    chunks.push({ logical, length, flags: request.type | profile.bit, stripeBytes: size, stripes });
    logical += length;
  }
  return { chunks: chunks as unknown as PlacedChunks };
}

function chunkRequests(options: CheckedOptions): readonly ChunkRequest[] {
  const metadata = makeProfileOf(options.metadataProfile);
  const data = makeProfileOf(options.dataProfile);
  const { systemBytes, metadataBytes, dataBytes } = options;
  if (options.mixed) {
    const type = BLOCK_GROUP_FLAG.METADATA | BLOCK_GROUP_FLAG.DATA;
    return [
      { option: 'systemBytes', type: BLOCK_GROUP_FLAG.SYSTEM, profile: metadata, length: systemBytes },
      { option: 'metadataBytes', type, profile: metadata, length: metadataBytes + dataBytes },
    ];
  }
  return [
    { option: 'systemBytes', type: BLOCK_GROUP_FLAG.SYSTEM, profile: metadata, length: systemBytes },
    { option: 'metadataBytes', type: BLOCK_GROUP_FLAG.METADATA, profile: metadata, length: metadataBytes },
    { option: 'dataBytes', type: BLOCK_GROUP_FLAG.DATA, profile: data, length: dataBytes },
  ];
}

/** Moves `ends` only on success. */
function placeStripes(request: ChunkRequest, sizes: readonly ByteCount[], ends: number[]): PlacedStripe[] | null {
  const { profile, length } = request;
  const size = stripeBytes(profile, length, sizes.length);
  const fitting = sizes
    .map((deviceSize, device) => ({
      device,
      room: deviceSize - ends[device]!,
      places: placesOn(ends[device]!, size, profile.stripesPerDevice, deviceSize),
    }))
    .filter(({ places }) => places !== null);
  const count = devicesUsed(profile, sizes.length);
  if (fitting.length < count) return null;

  // The sort is stable: of equal devices the one with the lower id comes first.
  const chosen = fitting.sort((a, b) => b.room - a.room).slice(0, count);
  for (const { device, places } of chosen) ends[device] = places!.at(-1)! + size;
  return chosen.flatMap(({ device, places }) => places!.map((physical) => ({ device, physical })));
}

/** Places for `count` stripes on one device from `start` on, or null. */
function placesOn(
  start: PhysicalAddress,
  size: ByteCount,
  count: number,
  deviceSize: ByteCount,
): PhysicalAddress[] | null {
  const places: PhysicalAddress[] = [];
  let end = start;
  for (let stripe = 0; stripe < count; stripe++) {
    const physical = afterMirrors(end, size, deviceSize);
    places.push(physical);
    end = physical + size;
  }
  return end <= deviceSize ? places : null;
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

/** Placing on devices without end tells where they would have to end; mirrors count as if they were there. */
function neededBytes(requests: readonly ChunkRequest[], deviceCount: number): ByteCount {
  const sizes = Array.from({ length: deviceCount }, () => Number.MAX_SAFE_INTEGER);
  const ends = sizes.map(() => DEVICE_RESERVED_BYTES);
  for (const request of requests) placeStripes(request, sizes, ends);
  return Math.max(...ends);
}
