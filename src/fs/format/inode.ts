import { readU64, viewOf, writeU64 } from '../../base/bytes.ts';
import { rawCrc32c } from '../../base/crc32c.ts';
import type { ByteCount, Generation, InodeNumber } from '../../base/units.ts';
import { needBytes } from './format-error.ts';
import { Layout, timeField, u32, u64, type ValueOf } from './layout.ts';

/** Flags of an inode. */
export const INODE_FLAG = {
  NODATASUM: 0x1,
  NODATACOW: 0x2,
  READONLY: 0x4,
  NOCOMPRESS: 0x8,
  PREALLOC: 0x10,
  SYNC: 0x20,
  IMMUTABLE: 0x40,
  APPEND: 0x80,
  NODUMP: 0x100,
  NOATIME: 0x200,
  DIRSYNC: 0x400,
  COMPRESS: 0x800,
  /** Set in the inode inside a ROOT_ITEM. */
  ROOT_ITEM_INIT: 0x80000000,
} as const;

/** File type bits of `mode`. */
export const MODE_TYPE = {
  MASK: 0o170000,
  FIFO: 0o010000,
  CHARACTER_DEVICE: 0o020000,
  DIRECTORY: 0o040000,
  BLOCK_DEVICE: 0o060000,
  REGULAR: 0o100000,
  SYMLINK: 0o120000,
  SOCKET: 0o140000,
} as const;

/** INODE_ITEM, 160 bytes; its key is (inode, INODE_ITEM, 0). */
export const INODE_ITEM = new Layout('inode item', 160, {
  generation: u64(0),
  transid: u64(8),
  size: u64(16),
  nbytes: u64(24),
  blockGroup: u64(32),
  nlink: u32(40),
  uid: u32(44),
  gid: u32(48),
  mode: u32(52),
  rdev: u64(56),
  flags: u64(64),
  sequence: u64(72),
  atime: timeField(112),
  ctime: timeField(124),
  mtime: timeField(136),
  otime: timeField(148),
});
export type InodeItem = ValueOf<typeof INODE_ITEM>;
export const INODE_ITEM_SIZE = 160;

/** Where the times begin, for `writeNanoseconds`. */
export const INODE_TIME_AT = { atime: 112, ctime: 124, mtime: 136, otime: 148 } as const;

/** Accessors in place; `at` is where the item's data begins. */
export function inodeGeneration(view: DataView, at: number): Generation {
  return readU64(view, at);
}

export function setInodeGeneration(view: DataView, at: number, generation: Generation): void {
  writeU64(view, at, generation);
}

export function inodeTransid(view: DataView, at: number): Generation {
  return readU64(view, at + 8);
}

export function setInodeTransid(view: DataView, at: number, transid: Generation): void {
  writeU64(view, at + 8, transid);
}

export function inodeSize(view: DataView, at: number): ByteCount {
  return readU64(view, at + 16);
}

export function setInodeSize(view: DataView, at: number, size: ByteCount): void {
  writeU64(view, at + 16, size);
}

export function inodeNbytes(view: DataView, at: number): ByteCount {
  return readU64(view, at + 24);
}

export function setInodeNbytes(view: DataView, at: number, nbytes: ByteCount): void {
  writeU64(view, at + 24, nbytes);
}

export function inodeNlink(view: DataView, at: number): number {
  return view.getUint32(at + 40, true);
}

export function setInodeNlink(view: DataView, at: number, nlink: number): void {
  view.setUint32(at + 40, nlink, true);
}

export function inodeMode(view: DataView, at: number): number {
  return view.getUint32(at + 52, true);
}

export function setInodeMode(view: DataView, at: number, mode: number): void {
  view.setUint32(at + 52, mode, true);
}

export function inodeFlags(view: DataView, at: number): number {
  return readU64(view, at + 64);
}

export function setInodeFlags(view: DataView, at: number, flags: number): void {
  writeU64(view, at + 64, flags);
}

export function inodeSequence(view: DataView, at: number): number {
  return readU64(view, at + 72);
}

export function setInodeSequence(view: DataView, at: number, sequence: number): void {
  writeU64(view, at + 72, sequence);
}

/** A name of an inode in the parent that the key's offset names: (inode, INODE_REF, parent). */
export interface InodeRef {
  /** The offset of the DIR_INDEX item. */
  readonly index: number;
  readonly name: Uint8Array;
}

export const INODE_REF_HEAD_SIZE = 10;

/** All names of one INODE_REF item. Throws FormatError where one is cut short. */
export function decodeInodeRefs(bytes: Uint8Array): InodeRef[] {
  const view = viewOf(bytes);
  const refs: InodeRef[] = [];
  for (let at = 0; at < bytes.length; ) {
    needBytes('inode ref', bytes.length, at + INODE_REF_HEAD_SIZE);
    const nameAt = at + INODE_REF_HEAD_SIZE;
    const end = nameAt + view.getUint16(at + 8, true);
    needBytes('inode ref', bytes.length, end);
    refs.push({ index: readU64(view, at), name: bytes.slice(nameAt, end) });
    at = end;
  }
  return refs;
}

export function encodeInodeRefs(refs: readonly InodeRef[]): Uint8Array {
  const bytes = new Uint8Array(refs.reduce((sum, ref) => sum + INODE_REF_HEAD_SIZE + ref.name.length, 0));
  const view = viewOf(bytes);
  let at = 0;
  for (const ref of refs) {
    writeU64(view, at, ref.index);
    view.setUint16(at + 8, ref.name.length, true);
    bytes.set(ref.name, at + INODE_REF_HEAD_SIZE);
    at += INODE_REF_HEAD_SIZE + ref.name.length;
  }
  return bytes;
}

/** A name that did not fit an INODE_REF item: (inode, INODE_EXTREF, hash of parent and name). */
export interface InodeExtref extends InodeRef {
  readonly parent: InodeNumber;
}

export const INODE_EXTREF_HEAD_SIZE = 18;

/** Names of one INODE_EXTREF item: those with the same hash. Throws FormatError where one is cut short. */
export function decodeInodeExtrefs(bytes: Uint8Array): InodeExtref[] {
  const view = viewOf(bytes);
  const refs: InodeExtref[] = [];
  for (let at = 0; at < bytes.length; ) {
    needBytes('inode extref', bytes.length, at + INODE_EXTREF_HEAD_SIZE);
    const nameAt = at + INODE_EXTREF_HEAD_SIZE;
    const end = nameAt + view.getUint16(at + 16, true);
    needBytes('inode extref', bytes.length, end);
    refs.push({ parent: readU64(view, at), index: readU64(view, at + 8), name: bytes.slice(nameAt, end) });
    at = end;
  }
  return refs;
}

export function encodeInodeExtrefs(refs: readonly InodeExtref[]): Uint8Array {
  const bytes = new Uint8Array(refs.reduce((sum, ref) => sum + INODE_EXTREF_HEAD_SIZE + ref.name.length, 0));
  const view = viewOf(bytes);
  let at = 0;
  for (const ref of refs) {
    writeU64(view, at, ref.parent);
    writeU64(view, at + 8, ref.index);
    view.setUint16(at + 16, ref.name.length, true);
    bytes.set(ref.name, at + INODE_EXTREF_HEAD_SIZE);
    at += INODE_EXTREF_HEAD_SIZE + ref.name.length;
  }
  return bytes;
}

/** The key offset of an INODE_EXTREF: the raw CRC-32C of the name, seeded with the low bits of the parent. */
export function extrefHash(parent: InodeNumber, name: Uint8Array): number {
  return rawCrc32c(parent >>> 0, name);
}
