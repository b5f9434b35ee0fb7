import { compareU64, readExactU64, readU64, writeU64 } from '../../base/bytes.ts';

/**
 * What every item of every tree is found by. Trees sort by (objectid, type, offset), all unsigned; the kernel's ids from
 * the top of the range are negative here and sort after all others.
 */
export interface Key {
  readonly objectid: number;
  readonly type: number;
  readonly offset: number;
}

/** A key whose 64-bit parts are exact: uuid keys, keyed data references. Not for hot paths. */
export interface ExactKey {
  readonly objectid: bigint;
  readonly type: number;
  readonly offset: bigint;
}

export const KEY_SIZE = 17;

/** Item types by the names that btrfs prints. */
export const KEY_TYPE = {
  INODE_ITEM: 1,
  INODE_REF: 12,
  INODE_EXTREF: 13,
  XATTR_ITEM: 24,
  VERITY_DESC_ITEM: 36,
  VERITY_MERKLE_ITEM: 37,
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
  RAID_STRIPE: 230,
  QGROUP_STATUS: 240,
  QGROUP_INFO: 242,
  QGROUP_LIMIT: 244,
  QGROUP_RELATION: 246,
  TEMPORARY_ITEM: 248,
  PERSISTENT_ITEM: 249,
  DEV_REPLACE: 250,
  UUID_KEY_SUBVOL: 251,
  UUID_KEY_RECEIVED_SUBVOL: 252,
  STRING_ITEM: 253,
} as const;

/** Ids of trees: the objectid of their ROOT_ITEM, and the owner in the headers of their blocks. */
export const TREE_ID = {
  ROOT_TREE: 1,
  EXTENT_TREE: 2,
  CHUNK_TREE: 3,
  DEV_TREE: 4,
  FS_TREE: 5,
  ROOT_TREE_DIR: 6,
  CSUM_TREE: 7,
  QUOTA_TREE: 8,
  UUID_TREE: 9,
  FREE_SPACE_TREE: 10,
  BLOCK_GROUP_TREE: 11,
  RAID_STRIPE_TREE: 12,
  TREE_LOG: -6,
  TREE_RELOC: -8,
  DATA_RELOC_TREE: -9,
} as const;

/** Other objectids with a meaning. */
export const OBJECT_ID = {
  DEV_STATS: 0,
  DEV_ITEMS: 1,
  EMPTY_SUBVOL_DIR: 2,
  BALANCE: -4,
  ORPHAN: -5,
  TREE_LOG: -6,
  TREE_LOG_FIXUP: -7,
  EXTENT_CSUM: -10,
  FREE_SPACE: -11,
  FREE_INO: -12,
  MULTIPLE: -255,
  FIRST_FREE: 256,
  LAST_FREE: -256,
  FIRST_CHUNK_TREE: 256,
} as const;

const TYPE_AT = 8;
const OFFSET_AT = 9;

export function readKey(view: DataView, at: number): Key {
  return { objectid: readU64(view, at), type: view.getUint8(at + TYPE_AT), offset: readU64(view, at + OFFSET_AT) };
}

export function writeKey(view: DataView, at: number, key: Key): void {
  writeKeyParts(view, at, key.objectid, key.type, key.offset);
}

export function writeKeyParts(view: DataView, at: number, objectid: number, type: number, offset: number): void {
  writeU64(view, at, objectid);
  view.setUint8(at + TYPE_AT, type);
  writeU64(view, at + OFFSET_AT, offset);
}

export function keyObjectid(view: DataView, at: number): number {
  return readU64(view, at);
}

export function keyType(view: DataView, at: number): number {
  return view.getUint8(at + TYPE_AT);
}

export function keyOffset(view: DataView, at: number): number {
  return readU64(view, at + OFFSET_AT);
}

export function readExactKey(view: DataView, at: number): ExactKey {
  return {
    objectid: readExactU64(view, at),
    type: view.getUint8(at + TYPE_AT),
    offset: readExactU64(view, at + OFFSET_AT),
  };
}

export function writeExactKey(view: DataView, at: number, key: ExactKey): void {
  view.setBigUint64(at, key.objectid, true);
  view.setUint8(at + TYPE_AT, key.type);
  view.setBigUint64(at + OFFSET_AT, key.offset, true);
}

/** Negative when `a` sorts first, 0 when equal. */
export function compareKeys(a: Key, b: Key): number {
  return compareU64(a.objectid, b.objectid) || a.type - b.type || compareU64(a.offset, b.offset);
}

/** Compares the key stored at `at` with `key`, without making an object. */
export function compareStoredKey(view: DataView, at: number, key: Key): number {
  const objectid = readU64(view, at);
  if (objectid !== key.objectid) return compareU64(objectid, key.objectid);
  const type = view.getUint8(at + TYPE_AT);
  if (type !== key.type) return type - key.type;
  return compareU64(readU64(view, at + OFFSET_AT), key.offset);
}

/** Compares two stored keys exactly, all 136 bits. */
export function compareStoredKeys(a: DataView, aAt: number, b: DataView, bAt: number): number {
  return (
    compareWords(a, aAt + 4, b, bAt + 4) ||
    compareWords(a, aAt, b, bAt) ||
    a.getUint8(aAt + TYPE_AT) - b.getUint8(bAt + TYPE_AT) ||
    compareWords(a, aAt + OFFSET_AT + 4, b, bAt + OFFSET_AT + 4) ||
    compareWords(a, aAt + OFFSET_AT, b, bAt + OFFSET_AT)
  );
}

function compareWords(a: DataView, aAt: number, b: DataView, bAt: number): number {
  return a.getUint32(aAt, true) - b.getUint32(bAt, true);
}

const TYPE_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(KEY_TYPE).map(([name, type]) => [type, name]));

/** `EXTENT_DATA`; `UNKNOWN.77` for a number that btrfs has no name for. */
export function showKeyType(type: number): string {
  return TYPE_NAMES.get(type) ?? `UNKNOWN.${type}`;
}

/** `(257 EXTENT_DATA 0)` */
export function showKey(key: Key): string {
  return `(${key.objectid} ${showKeyType(key.type)} ${key.offset})`;
}
