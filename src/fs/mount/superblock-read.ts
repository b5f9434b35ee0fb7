import { viewOf } from '../../base/bytes.ts';
import { type LogicalAddress, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { BlockDevice, World } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import type { SystemChunk } from '../format/chunk.ts';
import { INCOMPAT } from '../format/feature-flags.ts';
import {
  CHECKSUM_TYPE,
  decodeSuperblock,
  hasSuperblockMagic,
  SUPERBLOCK,
  SUPERBLOCK_OFFSETS,
  SUPERBLOCK_SIZE,
  type Superblock,
  superblockChecksumMatches,
  superblockFeatures,
  systemChunks,
} from '../format/superblock.ts';
import { LEVEL_MAX, NODE_SIZE_MAX, NODE_SIZE_MIN } from '../format/tree-block.ts';

const SUPPORTED_INCOMPAT = new Set([
  'MIXED_BACKREF',
  'DEFAULT_SUBVOL',
  'MIXED_GROUPS',
  'COMPRESS_LZO',
  'COMPRESS_ZSTD',
  'BIG_METADATA',
  'EXTENDED_IREF',
  'SKINNY_METADATA',
  'NO_HOLES',
  'METADATA_UUID',
  'RAID1C34',
]);
const CHECKSUM_NAMES = ['crc32c', 'xxhash', 'sha256', 'blake2'];
/** Bits of the superblock's flags from 32 on, counted from there. */
const SEEDING_BIT = 0;
const METADUMP_BIT = 1;
const METADUMP_V2_BIT = 2;
const CHANGING_FSID_BIT = 3;

const SUPPORTED_COMPAT_RO = new Set(['FREE_SPACE_TREE', 'FREE_SPACE_TREE_VALID', 'BLOCK_GROUP_TREE']);

/** One device and the superblock it bears. */
export interface FoundSuperblock extends ParsedSuperblock {
  readonly device: BlockDevice;
  readonly bytes: Uint8Array;
}

/** What depends on nothing but the bytes of a superblock. */
interface ParsedSuperblock {
  readonly superblock: Superblock;
  readonly systemChunks: readonly SystemChunk[];
  /** Why it cannot be mounted at all. */
  readonly problems: readonly string[];
  /** Why it cannot be mounted for writing. */
  readonly problemsOfWriting: readonly string[];
}

/** Nobody changes bytes that a device handed out, so what was made of them stays right. */
const PARSED = new WeakMap<Uint8Array, ParsedSuperblock>();

/** The readable superblocks of all devices. Throws EINVAL, or EIO after a failed read, when there is none. */
export function* readSuperblocks(world: World): Task<FoundSuperblock[]> {
  const found: FoundSuperblock[] = [];
  const problems: string[] = [];
  let hasFailed = false;
  for (const device of world.devices) {
    const place = `device ${device.index}`;
    if (device.size < SUPERBLOCK_OFFSETS[0]! + SUPERBLOCK_SIZE) {
      problems.push(`${place}: ${device.size} bytes have no room for a superblock`);
      continue;
    }
    const result = yield* device.perform({
      operation: 'read',
      offset: SUPERBLOCK_OFFSETS[0]!,
      length: SUPERBLOCK_SIZE,
      purpose: SUPERBLOCK_PURPOSE,
    });
    if (result.error !== null) {
      hasFailed = true;
      problems.push(`${place}: read of the superblock failed with ${result.error}`);
      continue;
    }
    const { bytes } = result;
    const parsed = PARSED.get(bytes);
    if (parsed !== undefined) {
      found.push({ ...parsed, device, bytes });
      continue;
    }
    const problem = damageOf(bytes);
    if (problem !== null) problems.push(`${place}: ${problem}`);
    else found.push({ ...parse(bytes), device, bytes });
  }
  if (found.length > 0) return found;
  throw new FsError(
    hasFailed ? 'EIO' : 'EINVAL',
    `mount: ${problems.length === 0 ? 'no device' : problems.join('; ')}`,
  );
}

const SUPERBLOCK_PURPOSE = { kind: 'superblock' } as const;

function damageOf(bytes: Uint8Array): string | null {
  if (!hasSuperblockMagic(bytes)) return `no btrfs superblock at ${SUPERBLOCK_OFFSETS[0]}`;
  const isCrc32c =
    SUPERBLOCK.fields.checksumType.read(viewOf(bytes), SUPERBLOCK.fields.checksumType.at) === CHECKSUM_TYPE.CRC32C;
  return isCrc32c && !superblockChecksumMatches(bytes) ? 'superblock checksum mismatch' : null;
}

function parse(bytes: Uint8Array): ParsedSuperblock {
  const superblock = decodeSuperblock(bytes);
  const parsed = { superblock, systemChunks: systemChunks(superblock), ...problemsOf(superblock, bytes) };
  PARSED.set(bytes, parsed);
  return parsed;
}

export function newestOf(found: readonly FoundSuperblock[]): FoundSuperblock {
  return found.reduce((best, next) => (next.superblock.generation > best.superblock.generation ? next : best));
}

/** Refuses with all reasons at once. */
export function refuseUnsupported({ problems, problemsOfWriting }: FoundSuperblock, isReadOnly: boolean): void {
  const all = isReadOnly ? [...problems] : [...problems, ...problemsOfWriting];
  if (all.length === 0) return;
  const advice = problems.length === 0 ? ' (a read-only mount would do)' : '';
  throw new FsError('EINVAL', `mount: superblock: ${all.join('; ')}${advice}`);
}

function problemsOf(
  superblock: Superblock,
  bytes: Uint8Array,
): Pick<ParsedSuperblock, 'problems' | 'problemsOfWriting'> {
  const problems: string[] = [];
  const { nodeSize, sectorSize, leafSize, checksumType, bytenr } = superblock;
  const features = superblockFeatures(bytes);
  const unsupported = features.incompat.filter((name) => !SUPPORTED_INCOMPAT.has(name));
  if (unsupported.length > 0) problems.push(`unsupported incompat features: ${unsupported.join(', ')}`);
  if (checksumType !== CHECKSUM_TYPE.CRC32C)
    problems.push(`checksum type ${checksumType} (${CHECKSUM_NAMES[checksumType] ?? 'unknown'}), expect 0 (crc32c)`);
  if (sectorSize !== SECTOR_SIZE) problems.push(`sectorsize ${sectorSize}, expect ${SECTOR_SIZE}`);
  const isPowerOfTwo = (nodeSize & (nodeSize - 1)) === 0;
  if (nodeSize < NODE_SIZE_MIN || nodeSize > NODE_SIZE_MAX || !isPowerOfTwo) {
    problems.push(`nodesize ${nodeSize}, expect a power of two in [${NODE_SIZE_MIN}, ${NODE_SIZE_MAX}]`);
  }
  if (leafSize !== nodeSize) problems.push(`leafsize ${leafSize}, expect the nodesize ${nodeSize}`);
  checkRoot(problems, 'root', superblock.root, superblock.rootLevel);
  checkRoot(problems, 'chunk_root', superblock.chunkRoot, superblock.chunkRootLevel);
  if (bytenr !== SUPERBLOCK_OFFSETS[0]) problems.push(`bytenr ${bytenr}, expect ${SUPERBLOCK_OFFSETS[0]}`);
  if (superblock.systemChunkArray.length === 0) problems.push('sys_chunk_array is empty');
  if ((superblock.incompatFlags & INCOMPAT.MIXED_GROUPS) !== 0 && nodeSize !== sectorSize) {
    problems.push(`mixed block groups with nodesize ${nodeSize}, expect the sectorsize ${sectorSize}`);
  }
  const unsupportedRo = features.compatRo.filter((name) => !SUPPORTED_COMPAT_RO.has(name)).join(', ');
  const problemsOfWriting: string[] = [];
  if (unsupportedRo !== '') problemsOfWriting.push(`unsupported compat_ro features: ${unsupportedRo}`);
  if (superblock.logRoot !== 0) problemsOfWriting.push('a log tree to replay, which is not supported yet');
  if (hasHighFlag(bytes, SEEDING_BIT)) problemsOfWriting.push('a seed device');
  if (hasHighFlag(bytes, METADUMP_BIT) || hasHighFlag(bytes, METADUMP_V2_BIT))
    problems.push('an image of metadata only');
  if (hasHighFlag(bytes, CHANGING_FSID_BIT)) problems.push('a change of its fsid under way');
  return { problems, problemsOfWriting };
}

/** Linux grows others from it, and does not write to it. */
export function isSeed({ bytes }: FoundSuperblock): boolean {
  return hasHighFlag(bytes, SEEDING_BIT);
}

function hasHighFlag(bytes: Uint8Array, bit: number): boolean {
  const high = viewOf(bytes).getUint32(SUPERBLOCK.fields.flags.at + 4, true);
  return ((high >>> bit) & 1) === 1;
}

function checkRoot(problems: string[], name: string, address: LogicalAddress, level: number): void {
  if (address <= 0 || address % SECTOR_SIZE !== 0)
    problems.push(`${name} ${address}, expect a multiple of ${SECTOR_SIZE}`);
  if (level > LEVEL_MAX) problems.push(`${name}_level ${level}, expect at most ${LEVEL_MAX}`);
}
