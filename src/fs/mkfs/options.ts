import { nearestWord } from '../../base/nearest.ts';
import {
  alignDown,
  alignUp,
  type ByteCount,
  KIB,
  MIB,
  SECTOR_SIZE,
  type VirtualNanoseconds,
} from '../../base/units.ts';
import { STRIPE_LENGTH } from '../format/chunk.ts';
import { LABEL_SIZE } from '../format/superblock.ts';
import { NODE_SIZE_MAX, NODE_SIZE_MIN } from '../format/tree-block.ts';
import type { Profile } from '../volume/profiles.ts';
import { placeChunks } from './chunk-placement.ts';
import { devicesUsed, isMakeProfile, MAKE_PROFILE_NAMES, type MakeProfileName, makeProfileOf } from './profiles.ts';

/** What to make. Everything but the devices has a default; sizes are bytes. */
export interface MakeFilesystemOptions {
  /** Sizes of the devices: index 0 becomes devid 1, and so on. */
  readonly devices: readonly ByteCount[];
  /** A power of two from 4096 (default) to 65536. */
  readonly nodeSize?: ByteCount;
  /** Of system and metadata chunks; default `single`. */
  readonly metadataProfile?: MakeProfileName;
  /** Default `single`. */
  readonly dataProfile?: MakeProfileName;
  /**
   * Logical sizes of the first chunk of each type: multiples of the node size (data: of the sector size), and for RAID0
   * of 64 KiB for each device.
   */
  readonly systemBytes?: ByteCount;
  readonly metadataBytes?: ByteCount;
  readonly dataBytes?: ByteCount;
  readonly label?: string;
  /** All uuids follow from it. */
  readonly seed?: string;
  /** On by default. */
  readonly freeSpaceTree?: boolean;
  /** Data and metadata in the same chunks: `metadataBytes` and `dataBytes` are together the size of the first. */
  readonly mixed?: boolean;
  /** Block group items in a tree of their own, which needs the free space tree. */
  readonly blockGroupTree?: boolean;
  /** On by default: holes of files have no items. */
  readonly noHoles?: boolean;
  /** The time that the first inodes bear. */
  readonly now?: VirtualNanoseconds;
}

export type CheckedOptions = Required<MakeFilesystemOptions>;

/** One thing that is wrong with the options, where, and the nearest that would be right (null where there is none). */
export interface OptionProblem {
  /** `nodeSize`, `devices[1]` */
  readonly place: string;
  readonly reason: string;
  readonly nearest: string | null;
}

/** All that is wrong with the options of `makeFilesystem`. */
export class MakeFilesystemError extends Error {
  readonly problems: readonly OptionProblem[];

  constructor(problems: readonly OptionProblem[]) {
    super(`cannot make this file system\n${problems.map(showProblem).join('\n')}`);
    this.name = 'MakeFilesystemError';
    this.problems = problems;
  }
}

function showProblem({ place, reason, nearest }: OptionProblem): string {
  return `  ${place}: ${reason}${nearest === null ? '' : `; nearest: ${nearest}`}`;
}

const DEVICES_MAX = 16;
const CHUNK_BYTES_DEFAULT_MAX = 8 * MIB;
/** Blocks that the first commit copies while the old ones are still allocated. */
const METADATA_BLOCKS_MIN = 16;
const SYSTEM_BLOCKS_MIN = 2;

/** Fills in defaults. Throws MakeFilesystemError with every problem, not only the first. */
export function checkOptions(options: MakeFilesystemOptions): CheckedOptions {
  const nodeSize = options.nodeSize ?? NODE_SIZE_MIN;
  const metadataProfile = options.metadataProfile ?? 'single';
  const dataProfile = options.dataProfile ?? 'single';
  const checked: CheckedOptions = {
    devices: options.devices,
    nodeSize,
    metadataProfile,
    dataProfile,
    ...defaultSizes(options.devices, metadataProfile, dataProfile),
    ...givenSizes(options),
    label: options.label ?? '',
    seed: options.seed ?? 'fsquake',
    freeSpaceTree: options.freeSpaceTree ?? true,
    mixed: options.mixed ?? false,
    blockGroupTree: options.blockGroupTree ?? false,
    noHoles: options.noHoles ?? true,
    now: options.now ?? 0,
  };
  const profiles = profileProblems(checked);
  const problems = [
    ...deviceProblems(checked.devices),
    ...nodeSizeProblems(nodeSize),
    ...profiles,
    ...featureProblems(checked),
    ...chunkProblems(checked),
    ...labelProblems(checked.label),
    ...timeProblems(checked.now),
  ];
  // Whether the chunks fit can only be asked of sizes that are right in themselves.
  if (problems.length === 0) problems.push(...placementProblems(checked));
  if (problems.length > 0) throw new MakeFilesystemError(problems);
  return checked;
}

type ChunkSizes = Pick<CheckedOptions, 'systemBytes' | 'metadataBytes' | 'dataBytes'>;

function givenSizes({ systemBytes, metadataBytes, dataBytes }: MakeFilesystemOptions): Partial<ChunkSizes> {
  return {
    ...(systemBytes === undefined ? {} : { systemBytes }),
    ...(metadataBytes === undefined ? {} : { metadataBytes }),
    ...(dataBytes === undefined ? {} : { dataBytes }),
  };
}

function defaultSizes(devices: readonly ByteCount[], metadata: string, data: string): ChunkSizes {
  // Copies on several devices: the smallest of them bounds what fits.
  const usesSeveral = [metadata, data].some((name) => isMakeProfile(name) && makeProfileOf(name).devicesMax !== 1);
  const share = defaultChunkBytes((usesSeveral ? Math.min(...devices) : devices[0]) ?? 0);
  const metadataBytes = metadata === 'dup' ? Math.max(share / 2, MIB) : share;
  // Two copies of a system chunk leave less: with a whole share for data, Linux finds no room on 16 MiB.
  const dataShare = metadata === 'dup' ? (share * 3) / 4 : share;
  const dataBytes = data === 'dup' ? dataShare / 2 : dataShare;
  return {
    systemBytes: roundForStripes(MIB, metadata, devices.length),
    metadataBytes: roundForStripes(metadataBytes, metadata, devices.length),
    dataBytes: roundForStripes(dataBytes, data, devices.length),
  };
}

function roundForStripes(size: ByteCount, profile: string, deviceCount: number): ByteCount {
  return isMakeProfile(profile) ? alignUp(size, stripeRowBytes(makeProfileOf(profile), deviceCount)) : size;
}

/** What a chunk's size must be a multiple of so that all its stripes are equally long. */
function stripeRowBytes(profile: Profile, deviceCount: number): ByteCount {
  const isStriped = profile.devicesMax === null;
  return isStriped ? STRIPE_LENGTH * Math.max(devicesUsed(profile, deviceCount), 1) : SECTOR_SIZE;
}

/** A quarter of the device in whole MiB, so that at least as much stays unallocated for chunks to come. */
function defaultChunkBytes(deviceSize: ByteCount): ByteCount {
  const quarter = alignDown(Number.isSafeInteger(deviceSize) ? deviceSize / 4 : 0, MIB);
  return Math.min(Math.max(quarter, MIB), CHUNK_BYTES_DEFAULT_MAX);
}

function deviceProblems(devices: readonly ByteCount[]): OptionProblem[] {
  if (devices.length === 0)
    return [{ place: 'devices', reason: 'there is no device', nearest: 'one of 16777216 bytes' }];
  const problems = devices.flatMap((size, index) => {
    const place = `devices[${index}]`;
    if (!Number.isSafeInteger(size) || size <= 0)
      return [{ place, reason: `${size} is no size in bytes`, nearest: '16777216' }];
    if (size % SECTOR_SIZE === 0) return [];
    const nearest = Math.max(alignDown(size, SECTOR_SIZE), SECTOR_SIZE);
    return [{ place, reason: `${size} is not a multiple of ${SECTOR_SIZE}`, nearest: `${nearest}` }];
  });
  if (devices.length > DEVICES_MAX) {
    problems.push({ place: 'devices', reason: `${devices.length} devices are too many`, nearest: `${DEVICES_MAX}` });
  }
  return problems;
}

function nodeSizeProblems(nodeSize: ByteCount): OptionProblem[] {
  if (isNodeSize(nodeSize)) return [];
  const exponent = Number.isFinite(nodeSize) && nodeSize > 0 ? Math.round(Math.log2(nodeSize)) : 0;
  const nearest = Math.min(Math.max(2 ** exponent, NODE_SIZE_MIN), NODE_SIZE_MAX);
  const reason = `${nodeSize} is not a power of two from ${NODE_SIZE_MIN} to ${NODE_SIZE_MAX}`;
  return [{ place: 'nodeSize', reason, nearest: `${nearest}` }];
}

function isNodeSize(nodeSize: ByteCount): boolean {
  return nodeSize >= NODE_SIZE_MIN && nodeSize <= NODE_SIZE_MAX && Number.isInteger(Math.log2(nodeSize));
}

function profileProblems(options: CheckedOptions): OptionProblem[] {
  const count = options.devices.length;
  return [
    ...profileProblem('metadataProfile', options.metadataProfile, 'dup', count),
    ...profileProblem('dataProfile', options.dataProfile, 'single', count),
  ];
}

/** `fallback`: what is nearest where there are too few devices. */
function profileProblem(place: string, name: string, fallback: string, deviceCount: number): OptionProblem[] {
  if (!isMakeProfile(name)) {
    const nearest = nearestWord(String(name), MAKE_PROFILE_NAMES) ?? fallback;
    return [{ place, reason: `'${name}' is none of ${MAKE_PROFILE_NAMES.join(', ')}`, nearest }];
  }
  const { devicesMin } = makeProfileOf(name);
  if (deviceCount >= devicesMin || deviceCount === 0) return [];
  const have = deviceCount === 1 ? 'is 1' : `are ${deviceCount}`;
  return [{ place, reason: `${name} needs ${devicesMin} devices, there ${have}`, nearest: fallback }];
}

/** What Linux refuses to mount, or cannot. */
function featureProblems({ mixed, blockGroupTree, freeSpaceTree, ...options }: CheckedOptions): OptionProblem[] {
  const problems: OptionProblem[] = [];
  if (mixed && options.nodeSize !== SECTOR_SIZE) {
    const reason = `${options.nodeSize} is not the sector size, which mixed block groups need`;
    problems.push({ place: 'nodeSize', reason, nearest: `${SECTOR_SIZE}` });
  }
  const isKnown = MAKE_PROFILE_NAMES.includes(options.metadataProfile);
  if (mixed && isKnown && options.dataProfile !== options.metadataProfile) {
    const reason = `'${options.dataProfile}' is not the profile of metadata, which mixed block groups need`;
    problems.push({ place: 'dataProfile', reason, nearest: options.metadataProfile });
  }
  if (blockGroupTree && !freeSpaceTree) {
    problems.push({ place: 'blockGroupTree', reason: 'it needs the free space tree', nearest: 'freeSpaceTree' });
  }
  return problems;
}

function chunkProblems(options: CheckedOptions): OptionProblem[] {
  const { devices, systemBytes, metadataBytes, dataBytes, metadataProfile, dataProfile } = options;
  const nodeSize = isNodeSize(options.nodeSize) ? options.nodeSize : NODE_SIZE_MIN;
  const rowOf = (name: string) =>
    isMakeProfile(name) ? stripeRowBytes(makeProfileOf(name), devices.length) : SECTOR_SIZE;
  const metadataUnit = Math.max(nodeSize, rowOf(metadataProfile));
  return [
    ...chunkSizeProblems('systemBytes', systemBytes, metadataUnit, SYSTEM_BLOCKS_MIN * nodeSize),
    ...chunkSizeProblems('metadataBytes', metadataBytes, metadataUnit, METADATA_BLOCKS_MIN * nodeSize),
    ...chunkSizeProblems('dataBytes', dataBytes, rowOf(dataProfile), SECTOR_SIZE),
  ];
}

function chunkSizeProblems(place: string, size: ByteCount, unit: ByteCount, least: ByteCount): OptionProblem[] {
  if (!Number.isSafeInteger(size)) return [{ place, reason: `${size} is no size in bytes`, nearest: `${MIB}` }];
  if (size < least) return [{ place, reason: `${size} is less than the ${least} needed`, nearest: `${least}` }];
  if (size % unit === 0) return [];
  const nearest = Math.max(alignDown(size, unit), unit);
  return [{ place, reason: `${size} is not a multiple of ${unit}`, nearest: `${nearest}` }];
}

function labelProblems(label: string): OptionProblem[] {
  const problems: OptionProblem[] = [];
  const size = Buffer.byteLength(label);
  if (size >= LABEL_SIZE) {
    const reason = `${size} bytes are too long, at most ${LABEL_SIZE - 1} fit`;
    problems.push({ place: 'label', reason, nearest: `'${cutToBytes(label, LABEL_SIZE - 1)}'` });
  }
  if (/[\0\n]/.test(label)) {
    problems.push({
      place: 'label',
      reason: 'holds a NUL or a line break',
      nearest: `'${label.replace(/[\0\n]+/g, ' ')}'`,
    });
  }
  return problems;
}

/** The longest front of `text` that takes at most `most` bytes. */
function cutToBytes(text: string, most: number): string {
  let size = 0;
  let kept = '';
  for (const character of text) {
    size += Buffer.byteLength(character);
    if (size > most) break;
    kept += character;
  }
  return kept;
}

function timeProblems(now: VirtualNanoseconds): OptionProblem[] {
  // The time of a host has more digits than a double keeps.
  if (Number.isInteger(now) && now >= 0 && now < 2 ** 63) return [];
  return [{ place: 'now', reason: `${now} is no count of nanoseconds`, nearest: '0' }];
}

function placementProblems(options: CheckedOptions): OptionProblem[] {
  const placement = placeChunks(options);
  if (placement.chunks !== null) return [];
  const { option, stripesPerDevice, stripeBytes, devicesNeeded, largestFree } = placement;
  const size = alignUp(placement.neededBytes, 64 * KIB);
  const isAlone = options.devices.length === 1;
  const nearest = isAlone ? `devices[0] of ${size} bytes` : `devices of ${size} bytes each`;
  const where = devicesNeeded > 1 ? ` on each of ${devicesNeeded} devices` : '';
  const reason = `${stripesPerDevice} × ${stripeBytes} bytes${where} do not fit, the largest free run is ${largestFree}`;
  return [{ place: option, reason, nearest }];
}
