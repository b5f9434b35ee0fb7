import { viewOf } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import type { ByteCount, PhysicalAddress } from '../../base/units.ts';
import { CHECKSUM_FIELD_SIZE, setChecksum, storedChecksum } from './checksum.ts';
import { decodeSystemChunkArray, type SystemChunk } from './chunk.ts';
import { DEVICE_ITEM, DEVICE_ITEM_SIZE, type DeviceItem } from './device.ts';
import { COMPAT_RO_FLAGS, featureNames, INCOMPAT_FLAGS } from './feature-flags.ts';
import { FormatError, needBytes } from './format-error.ts';
import {
  bytesAt,
  bytesField,
  exactU64,
  type Field,
  Layout,
  u8,
  u16,
  u32,
  u64,
  uuidField,
  type ValueOf,
} from './layout.ts';

export const SUPERBLOCK_SIZE = 4096;
/** Where the superblock and its mirrors live, in bytes from the start of each device. */
export const SUPERBLOCK_OFFSETS: readonly PhysicalAddress[] = [65536, 64 * 1024 ** 2, 256 * 1024 ** 3];
/** What allocation leaves alone at each of these places. */
export const SUPERBLOCK_RESERVED_LENGTH: ByteCount = 65536;
/** `_BHRfS_M` */
export const SUPERBLOCK_MAGIC = 0x4d5f53665248425fn;
export const SYSTEM_CHUNK_ARRAY_SIZE = 2048;
export const LABEL_SIZE = 256;

/** The low 32 flag bits; higher ones mark seeding and conversions under way. */
export const SUPERBLOCK_FLAG = { WRITTEN: 1, RELOC: 2, ERROR: 4 } as const;

/** How checksums are computed; the engine writes CRC32C. */
export const CHECKSUM_TYPE = { CRC32C: 0, XXHASH: 1, SHA256: 2, BLAKE2: 3 } as const;

const SYSTEM_CHUNK_ARRAY_AT = 811;
const SYSTEM_CHUNK_ARRAY_SIZE_AT = 160;
const COMPAT_RO_AT = 180;
const INCOMPAT_AT = 188;
const BACKUP_ROOTS_AT = 2859;

/** The roots of one of the last four commits (168 bytes). */
export const BACKUP_ROOT = new Layout('backup root', 168, {
  treeRoot: u64(0),
  treeRootGeneration: u64(8),
  chunkRoot: u64(16),
  chunkRootGeneration: u64(24),
  extentRoot: u64(32),
  extentRootGeneration: u64(40),
  fsRoot: u64(48),
  fsRootGeneration: u64(56),
  devRoot: u64(64),
  devRootGeneration: u64(72),
  csumRoot: u64(80),
  csumRootGeneration: u64(88),
  totalBytes: u64(96),
  bytesUsed: u64(104),
  numDevices: u64(112),
  treeRootLevel: u8(152),
  chunkRootLevel: u8(153),
  extentRootLevel: u8(154),
  fsRootLevel: u8(155),
  devRootLevel: u8(156),
  csumRootLevel: u8(157),
});
export type BackupRoot = ValueOf<typeof BACKUP_ROOT>;
export const BACKUP_ROOT_COUNT = 4;

const deviceItemField: Field<DeviceItem> = {
  at: 201,
  size: DEVICE_ITEM_SIZE,
  read: (view, at) => DEVICE_ITEM.read(view, at),
  write: (view, at, value) => DEVICE_ITEM.write(view, at, value),
};

/** The system chunk array cut to its used size. The size itself is the value's length. */
const systemChunkArrayField: Field<Uint8Array> = {
  at: SYSTEM_CHUNK_ARRAY_SIZE_AT,
  size: 4,
  read: (view, at) =>
    bytesAt(view, at - SYSTEM_CHUNK_ARRAY_SIZE_AT + SYSTEM_CHUNK_ARRAY_AT, view.getUint32(at, true)).slice(),
  write: (view, at, value) => {
    view.setUint32(at, value.length, true);
    const target = bytesAt(view, at - SYSTEM_CHUNK_ARRAY_SIZE_AT + SYSTEM_CHUNK_ARRAY_AT, SYSTEM_CHUNK_ARRAY_SIZE);
    target.fill(0);
    target.set(value);
  },
};

/** The superblock (4096 bytes). `SUPERBLOCK.patch` changes single fields in place. */
export const SUPERBLOCK = new Layout('super block', SUPERBLOCK_SIZE, {
  fsid: uuidField(32),
  bytenr: u64(48),
  flags: u64(56),
  magic: exactU64(64),
  generation: u64(72),
  root: u64(80),
  chunkRoot: u64(88),
  logRoot: u64(96),
  totalBytes: u64(112),
  bytesUsed: u64(120),
  rootDirObjectid: u64(128),
  numDevices: u64(136),
  sectorSize: u32(144),
  nodeSize: u32(148),
  leafSize: u32(152),
  stripeSize: u32(156),
  systemChunkArray: systemChunkArrayField,
  chunkRootGeneration: u64(164),
  compatFlags: u64(172),
  compatRoFlags: u64(COMPAT_RO_AT),
  incompatFlags: u64(INCOMPAT_AT),
  checksumType: u16(196),
  rootLevel: u8(198),
  chunkRootLevel: u8(199),
  logRootLevel: u8(200),
  deviceItem: deviceItemField,
  label: bytesField(299, LABEL_SIZE),
  cacheGeneration: u64(555),
  uuidTreeGeneration: u64(563),
  metadataUuid: uuidField(571),
  numGlobalRoots: u64(587),
  /** Four structures of 168 bytes; see `decodeBackupRoots`. */
  backupRoots: bytesField(BACKUP_ROOTS_AT, BACKUP_ROOT_COUNT * BACKUP_ROOT.size),
});
export type Superblock = ValueOf<typeof SUPERBLOCK>;

/** Throws FormatError for too few bytes or a system chunk array that claims more room than there is. */
export function decodeSuperblock(bytes: Uint8Array): Superblock {
  needBytes('super block', bytes.length, SUPERBLOCK_SIZE);
  const used = viewOf(bytes).getUint32(SYSTEM_CHUNK_ARRAY_SIZE_AT, true);
  if (used > SYSTEM_CHUNK_ARRAY_SIZE) {
    throw new FormatError('super block', `has sys_chunk_array_size ${used}, expect at most ${SYSTEM_CHUNK_ARRAY_SIZE}`);
  }
  return SUPERBLOCK.decode(bytes);
}

/** Throws FormatError unless there are four. */
export function decodeBackupRoots(bytes: Uint8Array): BackupRoot[] {
  return Array.from({ length: BACKUP_ROOT_COUNT }, (_, slot) =>
    BACKUP_ROOT.decode(bytes.subarray(slot * BACKUP_ROOT.size)),
  );
}

/** At most four; the places of the others are zero. */
export function encodeBackupRoots(roots: readonly BackupRoot[]): Uint8Array {
  const bytes = new Uint8Array(BACKUP_ROOT_COUNT * BACKUP_ROOT.size);
  for (const [slot, root] of roots.entries()) bytes.set(BACKUP_ROOT.encode(root), slot * BACKUP_ROOT.size);
  return bytes;
}

/** With its checksum. */
export function encodeSuperblock(superblock: Superblock): Uint8Array {
  const bytes = SUPERBLOCK.encode(superblock);
  sealSuperblock(bytes);
  return bytes;
}

/** The chunks that one needs to read the chunk tree. Throws FormatError. */
export function systemChunks(superblock: Superblock): SystemChunk[] {
  return decodeSystemChunkArray(superblock.systemChunkArray);
}

/** Stores the checksum: the last change before the superblock is written. */
export function sealSuperblock(bytes: Uint8Array): void {
  setChecksum(bytes, superblockChecksum(bytes));
}

export function superblockChecksum(bytes: Uint8Array): number {
  return crc32c(bytes.subarray(CHECKSUM_FIELD_SIZE, SUPERBLOCK_SIZE));
}

export function superblockChecksumMatches(bytes: Uint8Array): boolean {
  return bytes.length >= SUPERBLOCK_SIZE && storedChecksum(bytes) === superblockChecksum(bytes);
}

export function hasSuperblockMagic(bytes: Uint8Array): boolean {
  return bytes.length >= SUPERBLOCK_SIZE && viewOf(bytes).getBigUint64(64, true) === SUPERBLOCK_MAGIC;
}

/** Names of all set feature bits, known upstream or not. */
export function superblockFeatures(bytes: Uint8Array): { readonly incompat: string[]; readonly compatRo: string[] } {
  needBytes('super block', bytes.length, SUPERBLOCK_SIZE);
  const view = viewOf(bytes);
  return {
    incompat: featureNames(view, INCOMPAT_AT, INCOMPAT_FLAGS),
    compatRo: featureNames(view, COMPAT_RO_AT, COMPAT_RO_FLAGS),
  };
}

/** The places that a device of `size` bytes has room for. */
export function superblockOffsets(size: ByteCount): readonly PhysicalAddress[] {
  return SUPERBLOCK_OFFSETS.filter((offset) => offset + SUPERBLOCK_SIZE <= size);
}
