import type { ByteCount } from '../../base/units.ts';
import { BLOCK_GROUP_FLAG, BLOCK_GROUP_PROFILE_MASK } from '../format/block-group.ts';
import type { Chunk } from './chunk-map.ts';
import type { Device, DeviceRange } from './device.ts';

/** How a chunk spreads over devices (Linux: `btrfs_raid_array`). */
export interface Profile {
  /** As mkfs and `btrfs filesystem df` call it, in lower case. */
  readonly name: 'single' | 'dup' | 'raid0' | 'raid1' | 'raid1c3' | 'raid1c4' | 'raid10' | 'raid5' | 'raid6';
  /** Its profile bit; 0 of single. */
  readonly bit: number;
  /** Of each byte, parity not counted. */
  readonly copies: number;
  readonly stripesPerDevice: number;
  readonly devicesMin: number;
  /** Null: as many as have room. */
  readonly devicesMax: number | null;
  /** A chunk takes a multiple of this many devices. */
  readonly deviceIncrement: number;
  readonly parityStripes: number;
  /**
   * How many of its stripes may be lost, or miss a write, without harm. None of DUP, whose copies lie on one device:
   * Linux aborts the transaction there too.
   */
  readonly failuresTolerated: number;
  /** How `btrfs device remove` refuses to go below `devicesMin`; null where it never has to. */
  readonly tooFewDevices: string | null;
  readonly isSupported: boolean;
}

const { RAID0, RAID1, DUP, RAID10, RAID5, RAID6, RAID1C3, RAID1C4 } = BLOCK_GROUP_FLAG;

/** Known, so that a refusal can name them. */
const UNSUPPORTED_MASK = RAID10 | RAID5 | RAID6;

export const PROFILES: readonly Profile[] = [
  profile('single', 0, { copies: 1, devices: [1, 1], tolerated: 0 }),
  profile('dup', DUP, { copies: 2, stripesPerDevice: 2, devices: [1, 1], tolerated: 0 }),
  profile('raid0', RAID0, { copies: 1, devices: [1, null], tolerated: 0 }),
  profile('raid1', RAID1, { copies: 2, devices: [2, 2], tolerated: 1, words: 'two devices on raid1' }),
  profile('raid1c3', RAID1C3, { copies: 3, devices: [3, 3], tolerated: 2, words: 'three devices on raid1c3' }),
  profile('raid1c4', RAID1C4, { copies: 4, devices: [4, 4], tolerated: 3, words: 'four devices on raid1c4' }),
  profile('raid10', RAID10, { copies: 2, devices: [2, null], tolerated: 1, words: 'four/two devices on raid10' }),
  profile('raid5', RAID5, { copies: 1, devices: [2, null], parity: 1, tolerated: 1, words: 'two devices on raid5' }),
  profile('raid6', RAID6, { copies: 1, devices: [3, null], parity: 2, tolerated: 2, words: 'three devices on raid6' }),
];

function profile(
  name: Profile['name'],
  bit: number,
  row: {
    readonly copies: number;
    readonly stripesPerDevice?: number;
    readonly devices: readonly [number, number | null];
    readonly parity?: number;
    readonly tolerated: number;
    readonly words?: string;
  },
): Profile {
  const isMirrored = row.devices[1] !== null;
  return {
    name,
    bit,
    copies: row.copies,
    stripesPerDevice: row.stripesPerDevice ?? 1,
    devicesMin: row.devices[0],
    devicesMax: row.devices[1],
    deviceIncrement: isMirrored ? row.devices[0] : name === 'raid10' ? 2 : 1,
    parityStripes: row.parity ?? 0,
    failuresTolerated: row.tolerated,
    tooFewDevices: row.words === undefined ? null : `unable to go below ${row.words}`,
    isSupported: (bit & UNSUPPORTED_MASK) === 0,
  };
}

/** The lowest of the profile bits, divided by which they index the table. */
const BIT_UNIT = RAID0;
/** By all combinations of profile bits: every I/O asks. */
const BY_BITS: readonly Profile[] = Array.from(
  { length: BLOCK_GROUP_PROFILE_MASK / BIT_UNIT + 1 },
  (_, index) => PROFILES.find(({ bit }) => (bit & (index * BIT_UNIT)) !== 0) ?? PROFILES[0]!,
);

/** The first whose bit is set: mkfs and the kernel never set two. */
export function profileOf(flags: number): Profile {
  return BY_BITS[(flags & BLOCK_GROUP_PROFILE_MASK) / BIT_UNIT]!;
}

/** The profile of that name, in lower case; null where there is none. */
export function profileNamed(name: string): Profile | null {
  return PROFILES.find((each) => each.name === name) ?? null;
}

/** How many copies of each byte a chunk of these flags keeps. */
export function copiesOf({ flags }: Pick<Chunk, 'flags'>): number {
  return profileOf(flags).copies;
}

/** True where the bytes of a chunk take turns on its stripes, one stripe length each. */
export function isStriped(flags: number): boolean {
  return (flags & (RAID0 | RAID10 | RAID5 | RAID6)) !== 0;
}

/** Of how many stripes a row holds data of its own, rather than copies or parity. */
export function dataStripesOf(flags: number, stripes: number): number {
  const { copies, parityStripes, devicesMax } = profileOf(flags);
  return devicesMax === null ? (stripes - parityStripes) / copies : 1;
}

/** What is wrong with a chunk of so many stripes; null when nothing is. */
export function stripeCountProblem(flags: number, stripes: number): string | null {
  const { name, devicesMin, devicesMax, deviceIncrement, stripesPerDevice } = profileOf(flags);
  const least = devicesMin * stripesPerDevice;
  if (devicesMax !== null) {
    const most = devicesMax * stripesPerDevice;
    return stripes >= least && stripes <= most ? null : `${stripes} stripes, expect ${least} of ${name}`;
  }
  if (stripes < least) return `${stripes} stripes, expect at least ${least} of ${name}`;
  return stripes % deviceIncrement === 0 ? null : `${stripes} stripes, expect a multiple of ${deviceIncrement}`;
}

/** How many bytes of its device each stripe of the chunk takes. */
export function deviceExtentLength(chunk: Pick<Chunk, 'flags' | 'length' | 'stripes'>): ByteCount {
  return chunk.length / dataStripesOf(chunk.flags, chunk.stripes.length);
}

/** The device extents of a chunk, stripe by stripe, as its stripes stand now. */
export function deviceExtentsOf(chunk: Chunk): DeviceRange[] {
  const length = deviceExtentLength(chunk);
  return chunk.stripes.map(({ device, physical }) => ({ device, physical, length }));
}

/** The first chunk that loses more stripes than its profile tolerates when these devices are lost; null: none does. */
export function chunkBeyondHelp(chunks: Iterable<Chunk>, isLost: (device: Device) => boolean): Chunk | null {
  for (const chunk of chunks) {
    let lost = 0;
    for (const { device } of chunk.stripes) if (isLost(device)) lost++;
    if (lost > profileOf(chunk.flags).failuresTolerated) return chunk;
  }
  return null;
}
