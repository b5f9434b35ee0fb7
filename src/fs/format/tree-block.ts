import { readU64, viewOf, writeU64 } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import type { Generation, LogicalAddress, TreeId } from '../../base/units.ts';
import { CHECKSUM_FIELD_SIZE, setChecksum, storedChecksum } from './checksum.ts';
import { FormatError } from './format-error.ts';
import { compareStoredKey, compareStoredKeys, KEY_SIZE, type Key, readKey, writeKey } from './key.ts';
import { bytesAt } from './layout.ts';

/**
 * A tree block in place: a header of 101 bytes, then items (leaf) or key pointers (node) growing up; the data of a
 * leaf's items grows down from the end, that of item 0 last. Every accessor takes a view of one whole block.
 */
export const HEADER_SIZE = 101;
export const ITEM_SIZE = 25;
export const KEY_POINTER_SIZE = 33;
/** Levels 0 … 7. */
export const LEVEL_MAX = 7;
export const NODE_SIZE_MIN = 4096;
export const NODE_SIZE_MAX = 65536;

export const HEADER_FLAG_WRITTEN = 1;
export const HEADER_FLAG_RELOC = 2;
/** The top byte of the flags: back references of the kind that records owners. */
export const BACKREF_REVISION_MIXED = 1;

const FSID_AT = 32;
const ADDRESS_AT = 48;
const FLAGS_AT = 56;
const BACKREF_REVISION_AT = 63;
const CHUNK_TREE_UUID_AT = 64;
const GENERATION_AT = 80;
const OWNER_AT = 88;
const ITEM_COUNT_AT = 96;
const LEVEL_AT = 100;

const ITEM_OFFSET_AT = KEY_SIZE;
const ITEM_SIZE_AT = KEY_SIZE + 4;
const POINTER_ADDRESS_AT = KEY_SIZE;
const POINTER_GENERATION_AT = KEY_SIZE + 8;

/** Bytes of a leaf that items and their headers share. */
export function leafCapacity(nodeSize: number): number {
  return nodeSize - HEADER_SIZE;
}

/** Key pointers that fit in a node. */
export function nodeCapacity(nodeSize: number): number {
  return Math.floor((nodeSize - HEADER_SIZE) / KEY_POINTER_SIZE);
}

export interface TreeBlockHeader {
  readonly fsid: Uint8Array;
  readonly chunkTreeUuid: Uint8Array;
  readonly address: LogicalAddress;
  readonly generation: Generation;
  readonly owner: TreeId;
  readonly level: number;
}

/** Writes the header of an empty block; the checksum is set by `sealTreeBlock`. */
export function initTreeBlock(bytes: Uint8Array, header: TreeBlockHeader): void {
  bytes.fill(0, 0, HEADER_SIZE);
  bytes.set(header.fsid, FSID_AT);
  bytes.set(header.chunkTreeUuid, CHUNK_TREE_UUID_AT);
  const view = viewOf(bytes);
  view.setUint8(FLAGS_AT, HEADER_FLAG_WRITTEN);
  view.setUint8(BACKREF_REVISION_AT, BACKREF_REVISION_MIXED);
  setBlockAddress(view, header.address);
  setBlockGeneration(view, header.generation);
  setBlockOwner(view, header.owner);
  view.setUint8(LEVEL_AT, header.level);
}

export function blockFsid(view: DataView): Uint8Array {
  return bytesAt(view, FSID_AT, 16);
}

export function blockChunkTreeUuid(view: DataView): Uint8Array {
  return bytesAt(view, CHUNK_TREE_UUID_AT, 16);
}

/** The logical address that the block says it lives at. */
export function blockAddress(view: DataView): LogicalAddress {
  return readU64(view, ADDRESS_AT);
}

export function setBlockAddress(view: DataView, address: LogicalAddress): void {
  writeU64(view, ADDRESS_AT, address);
}

/** The low 32 of the flag bits: 1 written, 2 relocation. */
export function blockFlags(view: DataView): number {
  return view.getUint32(FLAGS_AT, true);
}

export function setBlockFlags(view: DataView, flags: number): void {
  view.setUint32(FLAGS_AT, flags, true);
}

export function blockBackrefRevision(view: DataView): number {
  return view.getUint8(BACKREF_REVISION_AT);
}

export function blockGeneration(view: DataView): Generation {
  return readU64(view, GENERATION_AT);
}

export function setBlockGeneration(view: DataView, generation: Generation): void {
  writeU64(view, GENERATION_AT, generation);
}

export function blockOwner(view: DataView): TreeId {
  return readU64(view, OWNER_AT);
}

export function setBlockOwner(view: DataView, owner: TreeId): void {
  writeU64(view, OWNER_AT, owner);
}

/** Items of a leaf, key pointers of a node. */
export function itemCount(view: DataView): number {
  return view.getUint32(ITEM_COUNT_AT, true);
}

export function setItemCount(view: DataView, count: number): void {
  view.setUint32(ITEM_COUNT_AT, count, true);
}

export function blockLevel(view: DataView): number {
  return view.getUint8(LEVEL_AT);
}

export function setBlockLevel(view: DataView, level: number): void {
  view.setUint8(LEVEL_AT, level);
}

/** Where the header of item `slot` begins, which is also where its key is. */
export function itemHeaderAt(slot: number): number {
  return HEADER_SIZE + slot * ITEM_SIZE;
}

/** Where key pointer `slot` begins, which is also where its key is. */
export function keyPointerAt(slot: number): number {
  return HEADER_SIZE + slot * KEY_POINTER_SIZE;
}

export function itemKey(view: DataView, slot: number): Key {
  return readKey(view, itemHeaderAt(slot));
}

export function setItemKey(view: DataView, slot: number, key: Key): void {
  writeKey(view, itemHeaderAt(slot), key);
}

export function itemObjectid(view: DataView, slot: number): number {
  return readU64(view, itemHeaderAt(slot));
}

export function itemType(view: DataView, slot: number): number {
  return view.getUint8(itemHeaderAt(slot) + 8);
}

export function itemKeyOffset(view: DataView, slot: number): number {
  return readU64(view, itemHeaderAt(slot) + 9);
}

/** Negative when the key of item `slot` sorts before `key`. */
export function compareItemKey(view: DataView, slot: number, key: Key): number {
  return compareStoredKey(view, itemHeaderAt(slot), key);
}

/** The stored offset of the data, which counts from the end of the block's header. */
export function itemOffset(view: DataView, slot: number): number {
  return view.getUint32(itemHeaderAt(slot) + ITEM_OFFSET_AT, true);
}

/** Bytes of data of item `slot`. */
export function itemSize(view: DataView, slot: number): number {
  return view.getUint32(itemHeaderAt(slot) + ITEM_SIZE_AT, true);
}

/** Where the data of item `slot` begins, from the start of the block. */
export function itemDataAt(view: DataView, slot: number): number {
  return HEADER_SIZE + itemOffset(view, slot);
}

/** `dataAt` counts from the start of the block. */
export function setItemData(view: DataView, slot: number, dataAt: number, size: number): void {
  const at = itemHeaderAt(slot);
  view.setUint32(at + ITEM_OFFSET_AT, dataAt - HEADER_SIZE, true);
  view.setUint32(at + ITEM_SIZE_AT, size, true);
}

/**
 * The data of item `slot`, not a copy. Throws FormatError when the item's header leads outside the block.
 */
export function itemBytes(view: DataView, slot: number): Uint8Array {
  const at = itemHeaderAt(slot);
  if (slot < 0 || at + ITEM_SIZE > view.byteLength) throw new FormatError('leaf', `has no room for an item ${slot}`);
  const dataAt = itemDataAt(view, slot);
  const size = itemSize(view, slot);
  if (dataAt + size > view.byteLength) {
    throw new FormatError('leaf item', `${slot} ends at ${dataAt + size}, expect at most ${view.byteLength}`);
  }
  return bytesAt(view, dataAt, size);
}

export function pointerKey(view: DataView, slot: number): Key {
  return readKey(view, keyPointerAt(slot));
}

export function comparePointerKey(view: DataView, slot: number, key: Key): number {
  return compareStoredKey(view, keyPointerAt(slot), key);
}

export function pointerAddress(view: DataView, slot: number): LogicalAddress {
  return readU64(view, keyPointerAt(slot) + POINTER_ADDRESS_AT);
}

export function pointerGeneration(view: DataView, slot: number): Generation {
  return readU64(view, keyPointerAt(slot) + POINTER_GENERATION_AT);
}

export function setPointer(view: DataView, slot: number, address: LogicalAddress, generation: Generation): void {
  const at = keyPointerAt(slot);
  writeU64(view, at + POINTER_ADDRESS_AT, address);
  writeU64(view, at + POINTER_GENERATION_AT, generation);
}

export function setPointerKey(view: DataView, slot: number, key: Key): void {
  writeKey(view, keyPointerAt(slot), key);
}

/** Where the lowest item data begins; the end of the block for an empty leaf. */
export function leafDataStart(view: DataView): number {
  const count = itemCount(view);
  return count === 0 ? view.byteLength : itemDataAt(view, count - 1);
}

/** Bytes left for another item's header and data. */
export function leafFreeBytes(view: DataView): number {
  return leafDataStart(view) - itemHeaderAt(itemCount(view));
}

/** The CRC-32C of all but the checksum field. */
export function treeBlockChecksum(bytes: Uint8Array): number {
  return crc32c(bytes.subarray(CHECKSUM_FIELD_SIZE));
}

/** Stores the checksum: the last change before the block is written. */
export function sealTreeBlock(bytes: Uint8Array): void {
  setChecksum(bytes, treeBlockChecksum(bytes));
}

export function treeBlockChecksumMatches(bytes: Uint8Array): boolean {
  return storedChecksum(bytes) === treeBlockChecksum(bytes);
}

/** A place in a block (slot −1: the header) and what is wrong there, in the grammar of btrfs' own messages. */
export interface LayoutProblem {
  readonly slot: number;
  readonly reason: string;
}

/**
 * The first thing that makes a block unsafe to walk: a level or count out of bounds, keys out of order, item data that
 * is not contiguous or overlaps the headers. Null when every accessor stays inside. Reads nothing outside `view`.
 */
export function treeBlockLayoutProblem(view: DataView): LayoutProblem | null {
  const size = view.byteLength;
  if (size < HEADER_SIZE) return { slot: -1, reason: `block has ${size} bytes, expect at least ${HEADER_SIZE}` };
  const level = blockLevel(view);
  if (level > LEVEL_MAX) return { slot: -1, reason: `invalid level, have ${level} expect [0, ${LEVEL_MAX}]` };
  const count = itemCount(view);
  const stride = level === 0 ? ITEM_SIZE : KEY_POINTER_SIZE;
  const countMax = Math.floor((size - HEADER_SIZE) / stride);
  if (count > countMax) return { slot: -1, reason: `invalid nritems, have ${count} expect at most ${countMax}` };
  if (level > 0 && count === 0) return { slot: -1, reason: 'invalid nritems, have 0 expect at least 1' };
  let dataEnd = size;
  for (let slot = 0; slot < count; slot++) {
    const at = HEADER_SIZE + slot * stride;
    if (slot > 0 && compareStoredKeys(view, at - stride, view, at) >= 0) return { slot, reason: 'bad key order' };
    if (level > 0) continue;
    const dataAt = itemDataAt(view, slot);
    const end = dataAt + itemSize(view, slot);
    if (end !== dataEnd) {
      const reason = `unexpected item end, have ${end - HEADER_SIZE} expect ${dataEnd - HEADER_SIZE}`;
      return { slot, reason };
    }
    if (dataAt < itemHeaderAt(count)) {
      return {
        slot,
        reason: `item data overlaps item headers, data starts at ${dataAt}, headers end at ${itemHeaderAt(count)}`,
      };
    }
    dataEnd = dataAt;
  }
  return null;
}
