import { readU64, viewOf, writeU64 } from '../../base/bytes.ts';
import { rawCrc32c } from '../../base/crc32c.ts';
import type { ByteCount, Generation } from '../../base/units.ts';
import { needBytes } from './format-error.ts';
import { MODE_TYPE } from './inode.ts';
import { KEY_SIZE, type Key, readKey, writeKey } from './key.ts';

/** What a directory entry says its target is. */
export const DIR_TYPE = {
  UNKNOWN: 0,
  REGULAR: 1,
  DIRECTORY: 2,
  CHARACTER_DEVICE: 3,
  BLOCK_DEVICE: 4,
  FIFO: 5,
  SOCKET: 6,
  SYMLINK: 7,
  XATTR: 8,
} as const;

export const DIR_ENTRY_HEAD_SIZE = 30;
export const NAME_LENGTH_MAX = 255;

/**
 * One entry of a DIR_ITEM, DIR_INDEX or XATTR_ITEM. `location` is (inode, INODE_ITEM, 0), or (tree, ROOT_ITEM, −1) for a
 * subvolume; `data` is the value of an xattr, else empty.
 */
export interface DirEntry {
  readonly location: Key;
  readonly transid: Generation;
  readonly type: number;
  readonly name: Uint8Array;
  readonly data: Uint8Array;
}

const TRANSID_AT = KEY_SIZE;
const DATA_LENGTH_AT = 25;
const NAME_LENGTH_AT = 27;
const TYPE_AT = 29;

/** The offset of a DIR_ITEM's or XATTR_ITEM's key: raw CRC-32C of the name, seed 0xfffffffe. */
export function nameHash(name: Uint8Array): number {
  return rawCrc32c(0xfffffffe, name);
}

export function encodeName(name: string): Uint8Array {
  return Uint8Array.from(Buffer.from(name, 'utf8'));
}

/** Bytes that are not UTF-8 become U+FFFD: for people, not for comparisons. */
export function decodeName(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('utf8');
}

export function dirEntrySize(nameLength: number, dataLength = 0): ByteCount {
  return DIR_ENTRY_HEAD_SIZE + nameLength + dataLength;
}

/** All entries of an item: several where names share a hash. Throws FormatError where one is cut short. */
export function decodeDirEntries(bytes: Uint8Array): DirEntry[] {
  const view = viewOf(bytes);
  const entries: DirEntry[] = [];
  for (let at = 0; at < bytes.length; ) {
    needBytes('dir item', bytes.length, at + DIR_ENTRY_HEAD_SIZE);
    const nameAt = at + DIR_ENTRY_HEAD_SIZE;
    const dataAt = nameAt + view.getUint16(at + NAME_LENGTH_AT, true);
    const end = dataAt + view.getUint16(at + DATA_LENGTH_AT, true);
    needBytes('dir item', bytes.length, end);
    entries.push({
      location: readKey(view, at),
      transid: readU64(view, at + TRANSID_AT),
      type: view.getUint8(at + TYPE_AT),
      name: bytes.slice(nameAt, dataAt),
      data: bytes.slice(dataAt, end),
    });
    at = end;
  }
  return entries;
}

export function encodeDirEntries(entries: readonly DirEntry[]): Uint8Array {
  const size = entries.reduce((sum, entry) => sum + dirEntrySize(entry.name.length, entry.data.length), 0);
  const bytes = new Uint8Array(size);
  const view = viewOf(bytes);
  let at = 0;
  for (const entry of entries) {
    writeKey(view, at, entry.location);
    writeU64(view, at + TRANSID_AT, entry.transid);
    view.setUint16(at + DATA_LENGTH_AT, entry.data.length, true);
    view.setUint16(at + NAME_LENGTH_AT, entry.name.length, true);
    view.setUint8(at + TYPE_AT, entry.type);
    bytes.set(entry.name, at + DIR_ENTRY_HEAD_SIZE);
    bytes.set(entry.data, at + DIR_ENTRY_HEAD_SIZE + entry.name.length);
    at += dirEntrySize(entry.name.length, entry.data.length);
  }
  return bytes;
}

/**
 * Where in [at, at + size) of a leaf the entry called `name` begins, or −1. Stops without an error at an entry that is
 * cut short.
 */
export function findDirEntry(view: DataView, at: number, size: number, name: Uint8Array): number {
  const end = at + size;
  for (let entry = at; entry + DIR_ENTRY_HEAD_SIZE <= end; ) {
    const nameLength = view.getUint16(entry + NAME_LENGTH_AT, true);
    const next = entry + dirEntrySize(nameLength, view.getUint16(entry + DATA_LENGTH_AT, true));
    if (next > end) return -1;
    if (nameLength === name.length && isNameAt(view, entry + DIR_ENTRY_HEAD_SIZE, name)) return entry;
    entry = next;
  }
  return -1;
}

function isNameAt(view: DataView, at: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) if (view.getUint8(at + i) !== name[i]) return false;
  return true;
}

/** The entry type for the file type bits of a mode; UNKNOWN for bits that are none. */
export function dirTypeOfMode(mode: number): number {
  switch (mode & MODE_TYPE.MASK) {
    case MODE_TYPE.REGULAR:
      return DIR_TYPE.REGULAR;
    case MODE_TYPE.DIRECTORY:
      return DIR_TYPE.DIRECTORY;
    case MODE_TYPE.CHARACTER_DEVICE:
      return DIR_TYPE.CHARACTER_DEVICE;
    case MODE_TYPE.BLOCK_DEVICE:
      return DIR_TYPE.BLOCK_DEVICE;
    case MODE_TYPE.FIFO:
      return DIR_TYPE.FIFO;
    case MODE_TYPE.SOCKET:
      return DIR_TYPE.SOCKET;
    case MODE_TYPE.SYMLINK:
      return DIR_TYPE.SYMLINK;
    default:
      return DIR_TYPE.UNKNOWN;
  }
}
