import { alignDown, alignUp, type ByteCount, GIB, MIB, type PhysicalAddress } from '../../base/units.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { STRIPE_LENGTH } from '../format/chunk.ts';
import type { Device } from '../volume/device.ts';
import { dataStripesOf, PROFILES, type Profile, profileOf } from '../volume/profiles.ts';

/** Where a new chunk would lie. */
export interface ChunkPlaces {
  readonly length: ByteCount;
  /** In the order of the stripes. */
  readonly stripes: readonly { readonly device: Device; readonly physical: PhysicalAddress }[];
}

/** Upper bounds of what one chunk takes. */
export interface ChunkLimits {
  readonly stripeMax: ByteCount;
  readonly chunkMax: ByteCount;
  /** A chunk that is cut to `chunkMax` gets stripes of a multiple of this. */
  readonly granularity: ByteCount;
}

const LARGE_FILESYSTEM = 50 * GIB;
const CHUNK_GRANULARITY = 16 * MIB;
/** Profiles that a mixture of them resolves to, the most redundant first. */
const PREFERENCE = ['raid1c4', 'raid1c3', 'raid1', 'dup', 'raid0'];

/**
 * The profile bit of the next chunk of a type: that of the chunks there are, or, where too few devices are writable for
 * it (a degraded mount), what they suffice for.
 */
export function profileForNewChunk(profileBits: number, writableDevices: number): number {
  for (const name of PREFERENCE) {
    const profile = PROFILES.find((each) => each.name === name)!;
    if ((profileBits & profile.bit) !== 0 && writableDevices >= profile.devicesMin) return profile.bit;
  }
  return 0;
}

/** As Linux since 5.7: no more than a tenth of all writable bytes, and bounds for each type. */
export function kernelLimits(type: number, writableBytes: ByteCount): ChunkLimits {
  const [stripeMax, chunkMax] = boundsOf(type, writableBytes);
  return { stripeMax, chunkMax: Math.min(chunkMax, Math.floor(writableBytes / 10)), granularity: CHUNK_GRANULARITY };
}

function boundsOf(type: number, writableBytes: ByteCount): readonly [ByteCount, ByteCount] {
  if ((type & BLOCK_GROUP_FLAG.DATA) !== 0) return [GIB, 10 * GIB];
  if ((type & BLOCK_GROUP_FLAG.SYSTEM) !== 0) return [32 * MIB, 64 * MIB];
  const size = writableBytes > LARGE_FILESYSTEM ? GIB : 256 * MIB;
  return [size, size];
}

/** Chunks of one size, as long as there is room for it. */
export function fixedLimits(size: ByteCount): ChunkLimits {
  return { stripeMax: size, chunkMax: size, granularity: STRIPE_LENGTH };
}

/** A device that can take a stripe, and the hole it would go to. */
interface Candidate {
  readonly device: Device;
  readonly physical: PhysicalAddress;
  readonly available: ByteCount;
  readonly totalAvailable: ByteCount;
}

/**
 * Places for a chunk on the devices with most room, each in the first hole that is large enough, else in the largest.
 * Null when too few devices have room for the smallest stripe. Changes nothing.
 */
export function placeChunk(devices: readonly Device[], flags: number, limits: ChunkLimits): ChunkPlaces | null {
  const profile = profileOf(flags);
  const candidates = candidatesOf(devices, profile, limits);
  const count = deviceCount(candidates.length, profile);
  if (count < profile.devicesMin) return null;
  const chosen = candidates.slice(0, count);
  const stripeCount = count * profile.stripesPerDevice;
  const dataStripes = dataStripesOf(flags, stripeCount);
  let stripe = chosen[count - 1]!.available / profile.stripesPerDevice;
  if (stripe * dataStripes > limits.chunkMax) {
    stripe = Math.min(stripe, alignUp(Math.ceil(limits.chunkMax / dataStripes), limits.granularity));
  }
  stripe = alignDown(stripe, STRIPE_LENGTH);
  if (stripe === 0) return null;
  const stripes = chosen.flatMap(({ device, physical }) =>
    Array.from({ length: profile.stripesPerDevice }, (_, index) => ({ device, physical: physical + index * stripe })),
  );
  return { length: stripe * dataStripes, stripes };
}

function deviceCount(available: number, { devicesMax, deviceIncrement }: Profile): number {
  const most = devicesMax === null ? available : Math.min(available, devicesMax);
  return most - (most % deviceIncrement);
}

/** The best first. */
function candidatesOf(
  devices: readonly Device[],
  { stripesPerDevice }: Profile,
  limits: ChunkLimits,
): readonly Candidate[] {
  const wanted = limits.stripeMax * stripesPerDevice;
  const least = STRIPE_LENGTH * stripesPerDevice;
  const candidates: Candidate[] = [];
  for (const device of devices) {
    if (!device.isWritable) continue;
    const hole = findHole(device, wanted);
    if (hole === null || hole.length < least) continue;
    const available = Math.min(hole.length, wanted);
    candidates.push({
      device,
      physical: hole.start,
      available,
      totalAvailable: device.totalBytes - device.bytesUsed,
    });
  }
  return candidates.sort(
    (a, b) => b.available - a.available || b.totalAvailable - a.totalAvailable || a.device.id - b.device.id,
  );
}

/** The first unallocated run of at least `wanted` bytes, else the longest. */
function findHole(device: Device, wanted: ByteCount): { readonly start: number; readonly length: number } | null {
  let longest: { readonly start: number; readonly length: number } | null = null;
  for (const hole of device.unallocated.all()) {
    if (hole.length >= wanted) return hole;
    if (longest === null || hole.length > longest.length) longest = hole;
  }
  return longest;
}
