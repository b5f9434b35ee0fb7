/**
 * Where the fields of btrfs's structures lie, in bytes, little-endian. Written from the format's description and on
 * purpose not taken from the engine's codecs: a layout that both got from one table could be wrong in both unnoticed.
 */

export const SECTOR = 4096;
export const STRIPE_LENGTH = 65536;
export const LEVEL_MAX = 8;

export const SUPER_SIZE = 4096;
/** Physical positions of the superblock and its mirrors, on each device. */
export const SUPER_OFFSETS = [65536, 67108864, 274877906944] as const;
/** `_BHRfS_M` as two little-endian words. */
export const SUPER_MAGIC_LOW = 0x5248425f;
export const SUPER_MAGIC_HIGH = 0x4d5f5366;

export const SUPER = {
  csum: 0,
  fsid: 32,
  bytenr: 48,
  flags: 56,
  magic: 64,
  generation: 72,
  root: 80,
  chunkRoot: 88,
  logRoot: 96,
  unusedLogRootTransid: 104,
  totalBytes: 112,
  bytesUsed: 120,
  rootDir: 128,
  numDevices: 136,
  sectorSize: 144,
  nodeSize: 148,
  leafSize: 152,
  stripeSize: 156,
  sysChunkArraySize: 160,
  chunkRootGeneration: 164,
  compat: 172,
  compatRo: 180,
  incompat: 188,
  csumType: 196,
  rootLevel: 198,
  chunkRootLevel: 199,
  logRootLevel: 200,
  devItem: 201,
  label: 299,
  cacheGeneration: 555,
  uuidTreeGeneration: 563,
  metadataUuid: 571,
  globalRoots: 587,
  reserved: 595,
  sysChunkArray: 811,
  superRoots: 2859,
  padding: 3531,
} as const;
export const SYS_CHUNK_ARRAY_MAX = 2048;
export const LABEL_SIZE = 256;
export const ROOT_BACKUP_SIZE = 168;
export const ROOT_BACKUPS = 4;

export const INCOMPAT = {
  MIXED_BACKREF: 0x1,
  DEFAULT_SUBVOL: 0x2,
  MIXED_GROUPS: 0x4,
  COMPRESS_LZO: 0x8,
  COMPRESS_ZSTD: 0x10,
  BIG_METADATA: 0x20,
  EXTENDED_IREF: 0x40,
  RAID56: 0x80,
  SKINNY_METADATA: 0x100,
  NO_HOLES: 0x200,
  METADATA_UUID: 0x400,
  RAID1C34: 0x800,
  ZONED: 0x1000,
  EXTENT_TREE_V2: 0x2000,
  RAID_STRIPE_TREE: 0x4000,
  SIMPLE_QUOTA: 0x10000,
} as const;
/** Features whose images this walk cannot judge. */
export const INCOMPAT_UNSUPPORTED = ['ZONED', 'EXTENT_TREE_V2', 'RAID_STRIPE_TREE', 'SIMPLE_QUOTA'] as const;

export const COMPAT_RO = {
  FREE_SPACE_TREE: 0x1,
  FREE_SPACE_TREE_VALID: 0x2,
  VERITY: 0x4,
  BLOCK_GROUP_TREE: 0x8,
} as const;

export const CSUM_TYPES = ['crc32c', 'xxhash64', 'sha256', 'blake2b'] as const;

export const SUPER_FLAG_WRITTEN = 0x1;
export const SUPER_FLAG_ERROR = 0x4;
/** By bit number. */
export const SUPER_FLAG_NAMES: Readonly<Record<number, string>> = {
  32: 'SEEDING',
  33: 'METADUMP',
  34: 'METADUMP_V2',
  35: 'CHANGING_FSID',
  36: 'CHANGING_FSID_V2',
  38: 'CHANGING_BG_TREE',
  39: 'CHANGING_DATA_CSUM',
  40: 'CHANGING_META_CSUM',
};

export const HEADER_SIZE = 101;
export const HEADER = {
  csum: 0,
  fsid: 32,
  bytenr: 48,
  flags: 56,
  chunkTreeUuid: 64,
  generation: 80,
  owner: 88,
  nritems: 96,
  level: 100,
} as const;
export const ITEM_SIZE = 25;
export const KEY_POINTER_SIZE = 33;
export const KEY_SIZE = 17;

export const TREE = {
  ROOT: 1,
  EXTENT: 2,
  CHUNK: 3,
  DEV: 4,
  FS: 5,
  ROOT_TREE_DIR: 6,
  CSUM: 7,
  QUOTA: 8,
  UUID: 9,
  FREE_SPACE: 10,
  BLOCK_GROUP: 11,
  BALANCE: -4,
  ORPHAN: -5,
  TREE_LOG: -6,
  TREE_RELOC: -8,
  DATA_RELOC: -9,
  EXTENT_CSUM: -10,
  FREE_SPACE_HEADER: -11,
  FREE_INO: -12,
} as const;
export const FIRST_FREE_OBJECTID = 256;
/** Also the objectid of every chunk. */
export const FIRST_CHUNK_TREE_OBJECTID = 256;
export const LAST_FREE_OBJECTID = -256;
/** The id of a quota group: its level above this bit, a number of its own below. */
export const QGROUP_LEVEL_SHIFT = 48;

export const TYPE = {
  UNTYPED: 0,
  INODE_ITEM: 1,
  INODE_REF: 12,
  INODE_EXTREF: 13,
  XATTR_ITEM: 24,
  VERITY_DESC: 36,
  VERITY_MERKLE: 37,
  ORPHAN_ITEM: 48,
  DIR_LOG_ITEM: 60,
  DIR_LOG_INDEX: 72,
  DIR_ITEM: 84,
  DIR_INDEX: 96,
  EXTENT_DATA: 108,
  EXTENT_CSUM: 128,
  ROOT_ITEM: 132,
  ROOT_BACKREF: 144,
  ROOT_REF: 156,
  EXTENT_ITEM: 168,
  METADATA_ITEM: 169,
  EXTENT_OWNER_REF: 172,
  TREE_BLOCK_REF: 176,
  EXTENT_DATA_REF: 178,
  SHARED_BLOCK_REF: 182,
  SHARED_DATA_REF: 184,
  BLOCK_GROUP_ITEM: 192,
  FREE_SPACE_INFO: 198,
  FREE_SPACE_EXTENT: 199,
  FREE_SPACE_BITMAP: 200,
  DEV_EXTENT: 204,
  DEV_ITEM: 216,
  CHUNK_ITEM: 228,
  QGROUP_STATUS: 240,
  QGROUP_INFO: 242,
  QGROUP_LIMIT: 244,
  QGROUP_RELATION: 246,
  TEMPORARY_ITEM: 248,
  PERSISTENT_ITEM: 249,
  DEV_REPLACE: 250,
  UUID_SUBVOL: 251,
  UUID_RECEIVED_SUBVOL: 252,
} as const;

const TYPE_NAMES: readonly string[] = typeNames();

export const DEV_ITEM_SIZE = 98;
export const CHUNK_SIZE = 48;
export const STRIPE_SIZE = 32;
export const DEV_EXTENT_SIZE = 48;
/** write_errs, read_errs, flush_errs, corruption_errs, generation_errs: 32 bits each in memory, 64 on disk. */
export const DEV_STATS_SIZE = 40;
export const DEV_STATS_OBJECTID = 0;
export const DEV_STATS_MAX = 0xffffffff;
export const DEV_STATS_NAMES = ['write_errs', 'read_errs', 'flush_errs', 'corruption_errs', 'generation_errs'] as const;
export const DEV_REPLACE_SIZE = 72;
export const DEV_REPLACE = {
  sourceDevid: 0,
  cursorLeft: 8,
  cursorRight: 16,
  readMode: 24,
  state: 32,
  timeStarted: 40,
  timeStopped: 48,
  writeErrors: 56,
  uncorrectableReadErrors: 64,
} as const;
export const REPLACE_STATE_NAMES = ['NEVER_STARTED', 'STARTED', 'FINISHED', 'CANCELED', 'SUSPENDED'] as const;
export const BLOCK_GROUP_SIZE = 24;
export const BALANCE_ITEM_SIZE = 448;
/** Of the old free space cache: the key of its inode, a generation, two counts. */
export const FREE_SPACE_HEADER_SIZE = 41;
export const EXTENT_ITEM_SIZE = 24;
export const INODE_ITEM_SIZE = 160;
export const ROOT_ITEM_SIZE = 439;
export const ROOT_ITEM_LEGACY_SIZE = 239;
export const DIR_ITEM_SIZE = 30;
export const INODE_REF_SIZE = 10;
export const INODE_EXTREF_SIZE = 18;
export const ROOT_REF_SIZE = 18;
export const FILE_EXTENT_SIZE = 53;
export const FILE_EXTENT_INLINE_START = 21;
export const NAME_MAX = 255;
export const LINKS_MAX = 65535;
/** Kind of an entry that is an extended attribute. */
export const XATTR_ENTRY_TYPE = 8;
export const DIRECTORY_ENTRY_TYPE = 2;

export const GROUP = {
  DATA: 0x1,
  SYSTEM: 0x2,
  METADATA: 0x4,
  RAID0: 0x8,
  RAID1: 0x10,
  DUP: 0x20,
  RAID10: 0x40,
  RAID5: 0x80,
  RAID6: 0x100,
  RAID1C3: 0x200,
  RAID1C4: 0x400,
} as const;
export const GROUP_TYPES = 0x7;
export const GROUP_PROFILES = 0x7f8;

export const EXTENT_FLAG_DATA = 0x1;
export const EXTENT_FLAG_TREE_BLOCK = 0x2;
export const EXTENT_FLAG_FULL_BACKREF = 0x100;

export const INODE_NODATASUM = 0x1;
export const INODE_PREALLOC = 0x10;
/** Twelve ordinary flags, and ROOT_ITEM_INIT in the top bit of the low word. */
export const INODE_FLAGS_KNOWN = 0x80000fff;
export const INODE_RO_FLAGS_KNOWN = 0x1;

export const FILE_EXTENT_INLINE = 0;
export const FILE_EXTENT_REGULAR = 1;
export const FILE_EXTENT_PREALLOC = 2;
export const COMPRESSION_NAMES = ['none', 'zlib', 'lzo', 'zstd'] as const;
export const COMPRESSED_EXTENT_MAX = 128 * 1024;

export const MODE_TYPE = {
  FIFO: 1,
  CHARACTER: 2,
  DIRECTORY: 4,
  BLOCK: 6,
  REGULAR: 8,
  SYMLINK: 10,
  SOCKET: 12,
} as const;

export function typeName(type: number): string {
  return TYPE_NAMES[type] ?? `UNKNOWN.${type}`;
}

/** `(257 EXTENT_DATA 8192)` */
export function showKey(objectid: number, type: number, offset: number): string {
  return `(${objectid} ${typeName(type)} ${offset})`;
}

/** The kind of a directory entry that names an inode of this mode; 0 for a mode without a kind. */
export function entryTypeOf(mode: number): number {
  switch (mode >>> 12) {
    case MODE_TYPE.REGULAR:
      return 1;
    case MODE_TYPE.DIRECTORY:
      return 2;
    case MODE_TYPE.CHARACTER:
      return 3;
    case MODE_TYPE.BLOCK:
      return 4;
    case MODE_TYPE.FIFO:
      return 5;
    case MODE_TYPE.SOCKET:
      return 6;
    case MODE_TYPE.SYMLINK:
      return 7;
    default:
      return 0;
  }
}

/** The top level and what may be a subvolume: from 2^48 on, numbers are those of quota groups. */
export function isSubvolumeId(tree: number): boolean {
  return tree === TREE.FS || (tree >= FIRST_FREE_OBJECTID && tree < 2 ** QGROUP_LEVEL_SHIFT);
}

function typeNames(): string[] {
  const names: string[] = [];
  for (const [name, type] of Object.entries(TYPE)) names[type] = name;
  return names;
}
