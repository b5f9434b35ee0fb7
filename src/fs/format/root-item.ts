import { readU64, viewOf, writeU64 } from '../../base/bytes.ts';
import type { ByteCount, Generation, InodeNumber, LogicalAddress } from '../../base/units.ts';
import { FormatError, needBytes } from './format-error.ts';
import { INODE_ITEM } from './inode.ts';
import { type Field, keyField, Layout, timeField, u8, u32, u64, uuidField, type ValueOf } from './layout.ts';

export const ROOT_ITEM_SIZE = 439;
/** Before Linux 3.6 a ROOT_ITEM ended after its level. */
export const ROOT_ITEM_LEGACY_SIZE = 239;

/** Flags of a ROOT_ITEM; DEAD is the 2^48 bit of a subvolume under deletion. */
export const ROOT_FLAG = { READONLY: 1, DEAD: 2 ** 48 } as const;

const inodeField: Field<ValueOf<typeof INODE_ITEM>> = {
  at: 0,
  size: INODE_ITEM.size,
  read: (view, at) => INODE_ITEM.read(view, at),
  write: (view, at, value) => INODE_ITEM.write(view, at, value),
};

/** Where a tree lives and what it is (ROOT_ITEM, 439 bytes). */
export const ROOT_ITEM = new Layout('root item', ROOT_ITEM_SIZE, {
  inode: inodeField,
  generation: u64(160),
  rootDirid: u64(168),
  bytenr: u64(176),
  byteLimit: u64(184),
  bytesUsed: u64(192),
  lastSnapshot: u64(200),
  flags: u64(208),
  refs: u32(216),
  dropProgress: keyField(220),
  dropLevel: u8(237),
  level: u8(238),
  /** Equal to `generation` unless an old kernel wrote the item: then everything that follows is stale. */
  generationV2: u64(239),
  uuid: uuidField(247),
  parentUuid: uuidField(263),
  receivedUuid: uuidField(279),
  ctransid: u64(295),
  otransid: u64(303),
  stransid: u64(311),
  rtransid: u64(319),
  ctime: timeField(327),
  otime: timeField(339),
  stime: timeField(351),
  rtime: timeField(363),
});
export type RootItem = ValueOf<typeof ROOT_ITEM>;

/** Also takes the legacy 239 bytes, whose missing fields read as zero. Throws FormatError for any other size. */
export function decodeRootItem(bytes: Uint8Array): RootItem {
  if (bytes.length === ROOT_ITEM_SIZE) return ROOT_ITEM.decode(bytes);
  if (bytes.length !== ROOT_ITEM_LEGACY_SIZE) {
    throw new FormatError(
      'root item',
      `has ${bytes.length} bytes, expect ${ROOT_ITEM_SIZE} (or the legacy ${ROOT_ITEM_LEGACY_SIZE})`,
    );
  }
  const padded = new Uint8Array(ROOT_ITEM_SIZE);
  padded.set(bytes);
  return ROOT_ITEM.decode(padded);
}

/** Accessors in place; `at` is where the item's data begins. */
export function rootItemGeneration(view: DataView, at: number): Generation {
  return readU64(view, at + 160);
}

export function rootItemBytenr(view: DataView, at: number): LogicalAddress {
  return readU64(view, at + 176);
}

export function rootItemBytesUsed(view: DataView, at: number): ByteCount {
  return readU64(view, at + 192);
}

export function setRootItemBytesUsed(view: DataView, at: number, bytes: ByteCount): void {
  writeU64(view, at + 192, bytes);
}

/** Of the transaction that made the last snapshot of the tree. */
export function rootItemLastSnapshot(view: DataView, at: number): Generation {
  return readU64(view, at + 200);
}

export function rootItemFlags(view: DataView, at: number): number {
  return readU64(view, at + 208);
}

/** 0 while the subvolume is being deleted. */
export function rootItemRefs(view: DataView, at: number): number {
  return view.getUint32(at + 216, true);
}

export function rootItemLevel(view: DataView, at: number): number {
  return view.getUint8(at + 238);
}

/** A subvolume under deletion: nothing of its tree is dropped yet. */
export function markRootItemDead(view: DataView, at: number): void {
  writeU64(view, at + 208, (readU64(view, at + 208) % ROOT_FLAG.DEAD) + ROOT_FLAG.DEAD);
  view.setUint32(at + 216, 0, true);
  for (let byte = 220; byte < 238; byte++) view.setUint8(at + byte, 0);
}

/** Of a root item of full size; zeroes where it has none. */
export function rootItemUuids(item: Uint8Array): { readonly uuid: Uint8Array; readonly receivedUuid: Uint8Array } {
  return { uuid: item.slice(247, 263), receivedUuid: item.slice(279, 295) };
}

/** What every commit changes: where the root block is now. Sets both generations; the item must be of full size. */
export function setRootItemNode(
  view: DataView,
  at: number,
  node: { readonly bytenr: LogicalAddress; readonly level: number; readonly generation: Generation },
): void {
  writeU64(view, at + 160, node.generation);
  writeU64(view, at + 176, node.bytenr);
  view.setUint8(at + 238, node.level);
  writeU64(view, at + 239, node.generation);
}

/** The name of a subvolume in its parent: (parent, ROOT_REF, child) and (child, ROOT_BACKREF, parent). */
export interface RootRef {
  readonly dirid: InodeNumber;
  /** The index of the directory entry. */
  readonly sequence: number;
  readonly name: Uint8Array;
}

export const ROOT_REF_HEAD_SIZE = 18;

/** Throws FormatError unless the name ends with the bytes. */
export function decodeRootRef(bytes: Uint8Array): RootRef {
  needBytes('root ref', bytes.length, ROOT_REF_HEAD_SIZE);
  const view = viewOf(bytes);
  const size = ROOT_REF_HEAD_SIZE + view.getUint16(16, true);
  if (bytes.length !== size) throw new FormatError('root ref', `has ${bytes.length} bytes, expect ${size}`);
  return { dirid: readU64(view, 0), sequence: readU64(view, 8), name: bytes.slice(ROOT_REF_HEAD_SIZE) };
}

export function encodeRootRef(ref: RootRef): Uint8Array {
  const bytes = new Uint8Array(ROOT_REF_HEAD_SIZE + ref.name.length);
  const view = viewOf(bytes);
  writeU64(view, 0, ref.dirid);
  writeU64(view, 8, ref.sequence);
  view.setUint16(16, ref.name.length, true);
  bytes.set(ref.name, ROOT_REF_HEAD_SIZE);
  return bytes;
}
