import { sameBytes, toHex } from '../../base/bytes.ts';
import { showName } from '../../base/show-name.ts';
import { showBlockGroupFlags } from '../../fs/format/block-group.ts';
import { FormatError } from '../../fs/format/format-error.ts';
import { showKey } from '../../fs/format/key.ts';
import {
  CHECKSUM_TYPE,
  decodeBackupRoots,
  decodeSuperblock,
  hasSuperblockMagic,
  SUPERBLOCK,
  SUPERBLOCK_FLAG,
  SUPERBLOCK_OFFSETS,
  SUPERBLOCK_SIZE,
  superblockChecksum,
  superblockChecksumMatches,
  superblockFeatures,
  systemChunks,
} from '../../fs/format/superblock.ts';
import type { DiskImage } from '../../record/image.ts';
import { type DumpRecord, flags, named, plainRecord } from './dump-value.ts';

/** One copy of a superblock of one image. */
export interface DumpedSuperblock {
  /** 0 for the primary. */
  readonly mirror: number;
  readonly offset: number;
  readonly problems: readonly string[];
  readonly fields: DumpRecord;
}

const DIFFERS_BY_PLACE_END = 56;

/** Every copy that the image has room for; mirrors equal to the primary but for their place are left out. */
export function dumpSuperblocks(image: DiskImage): DumpedSuperblock[] {
  const places = SUPERBLOCK_OFFSETS.filter((offset) => offset + SUPERBLOCK_SIZE <= image.size);
  const dumped: DumpedSuperblock[] = [];
  let primary: Uint8Array | null = null;
  for (const [mirror, offset] of places.entries()) {
    const bytes = new Uint8Array(image.read(offset, SUPERBLOCK_SIZE));
    const isSame = primary !== null && sameBytes(withoutPlace(bytes), withoutPlace(primary));
    if (isSame && superblockChecksumMatches(bytes)) continue;
    primary ??= bytes;
    dumped.push({ mirror, offset, ...describe(bytes, offset) });
  }
  return dumped;
}

/** Without checksum and `bytenr`, but with the file system id between them. */
function withoutPlace(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy.fill(0, 0, 32);
  copy.fill(0, 48, DIFFERS_BY_PLACE_END);
  return copy;
}

function describe(bytes: Uint8Array, offset: number): Pick<DumpedSuperblock, 'problems' | 'fields'> {
  if (!hasSuperblockMagic(bytes)) {
    const magic = toHex(bytes.subarray(64, 72));
    return { problems: [`no btrfs superblock: magic ${magic}, expect 5f42485266535f4d (_BHRfS_M)`], fields: {} };
  }
  const problems: string[] = [];
  let fields: DumpRecord = {};
  try {
    fields = superblockFields(bytes, problems);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    problems.push(error.message);
  }
  const isCrc32c = fields['checksumType'] === 'CRC32C';
  if (isCrc32c && !superblockChecksumMatches(bytes)) {
    problems.push(`checksum mismatch, expect ${superblockChecksum(bytes).toString(16).padStart(8, '0')}`);
  }
  if (fields['bytenr'] !== undefined && fields['bytenr'] !== offset) problems.push(`bytenr is not its place ${offset}`);
  return { problems, fields };
}

function superblockFields(bytes: Uint8Array, problems: string[]): DumpRecord {
  const superblock = decodeSuperblock(bytes);
  const {
    magic: _magic,
    flags: bits,
    systemChunkArray,
    backupRoots,
    label,
    checksumType,
    deviceItem,
    ...rest
  } = superblock;
  const { incompatFlags, compatRoFlags, ...plain } = plainRecord(rest);
  const features = superblockFeatures(bytes);
  const labelEnd = label.indexOf(0);
  return {
    checksumType: named(checksumType, CHECKSUM_TYPE),
    checksum: toHex(bytes.subarray(0, 4)),
    magic: showName(bytes.subarray(64, 72)),
    ...plain,
    label: showName(labelEnd < 0 ? label : label.subarray(0, labelEnd)),
    flags: flags(bits, SUPERBLOCK_FLAG),
    incompatFlags: { value: incompatFlags!, names: features.incompat },
    compatRoFlags: { value: compatRoFlags!, names: features.compatRo },
    deviceItem: plainRecord(deviceItem),
    systemChunks: systemChunkFields(superblock, problems),
    backupRoots: decodeBackupRoots(bytes.subarray(SUPERBLOCK.fields.backupRoots.at)).map(plainRecord),
  };
}

function systemChunkFields(superblock: Parameters<typeof systemChunks>[0], problems: string[]): DumpRecord[] {
  try {
    return systemChunks(superblock).map(({ key, chunk: { type, ...chunk } }) => ({
      key: showKey(key),
      type: showBlockGroupFlags(type),
      ...plainRecord(chunk),
    }));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    problems.push(error.message);
    return [];
  }
}
