import { readU64, viewOf, writeU64 } from '../../base/bytes.ts';
import type { Generation, LogicalAddress, TreeId } from '../../base/units.ts';

/** What every search and edit needs of a key; negative ids are the kernel's top-of-range ones. */
export interface Key {
  readonly objectid: number;
  readonly type: number;
  readonly offset: number;
}

/** Layout of a tree block: header, then items (leaf) or key pointers (node) growing up, item data growing down. */
export const HEADER_SIZE = 101;
export const ITEM_SIZE = 25;
export const KEY_POINTER_SIZE = 33;

const FSID_AT = 32;
const ADDRESS_AT = 48;
const FLAGS_AT = 56;
const CHUNK_TREE_UUID_AT = 64;
const GENERATION_AT = 80;
const OWNER_AT = 88;
const COUNT_AT = 96;
const LEVEL_AT = 100;

/** Written, and back references of the mixed kind (revision 1). */
const FLAG_WRITTEN = 1;
const BACK_REFERENCE_REVISION_HIGH = 0x01000000;

const TYPE_AT = 8;
const OFFSET_AT = 9;
const ITEM_DATA_OFFSET_AT = 17;
const ITEM_DATA_SIZE_AT = 21;
const POINTER_ADDRESS_AT = 17;
const POINTER_GENERATION_AT = 25;

const TWO_32 = 2 ** 32;

/**
 * One tree block in memory: its raw bytes, cached by logical address. When an address is freed and given out again,
 * the *same object* gets the new bytes (`become`): whoever still holds it sees the content change under it.
 */
export class TreeBlock {
  readonly address: LogicalAddress;
  bytes: Uint8Array;
  view: DataView;
  generation: Generation = 0;
  owner: TreeId = 0;
  level = 0;
  /** Changed in the running transaction and not yet written. */
  isDirty = false;
  /** Already on its transaction's list of blocks to write. */
  isListed = false;
  /** Set when the address has been freed: nothing reachable leads here any more. */
  isFreed = false;

  constructor(address: LogicalAddress, bytes: Uint8Array) {
    this.address = address;
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.readHeader();
  }

  /** The address was read or allocated anew: takes over the bytes, which from now on belong to the block. */
  become(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.isDirty = false;
    this.isFreed = false;
    this.readHeader();
  }

  /** Items of a leaf, key pointers of a node. */
  get count(): number {
    return this.view.getUint32(COUNT_AT, true);
  }

  private readHeader(): void {
    this.generation = readU64(this.view, GENERATION_AT);
    this.owner = readU64(this.view, OWNER_AT);
    this.level = this.view.getUint8(LEVEL_AT);
  }
}

export interface HeaderIdentity {
  readonly fsid: Uint8Array;
  readonly chunkTreeUuid: Uint8Array;
}

/** Sets the whole header but the checksum. */
export function writeHeader(
  bytes: Uint8Array,
  identity: HeaderIdentity,
  fields: {
    readonly address: LogicalAddress;
    readonly generation: Generation;
    readonly owner: TreeId;
    readonly level: number;
    readonly count: number;
  },
): void {
  const view = viewOf(bytes);
  bytes.set(identity.fsid, FSID_AT);
  bytes.set(identity.chunkTreeUuid, CHUNK_TREE_UUID_AT);
  view.setUint32(FLAGS_AT, FLAG_WRITTEN, true);
  view.setUint32(FLAGS_AT + 4, BACK_REFERENCE_REVISION_HIGH, true);
  view.setUint32(COUNT_AT, fields.count, true);
  view.setUint8(LEVEL_AT, fields.level);
  stampCopy(view, fields.address, fields.generation, fields.owner);
}

/** What copy-on-write changes in the header of the copy. */
export function stampCopy(view: DataView, address: LogicalAddress, generation: Generation, owner: TreeId): void {
  writeU64(view, ADDRESS_AT, address);
  writeU64(view, GENERATION_AT, generation);
  writeU64(view, OWNER_AT, owner);
}

export function headerAddress(view: DataView): LogicalAddress {
  return readU64(view, ADDRESS_AT);
}

export function headerGeneration(view: DataView): Generation {
  return readU64(view, GENERATION_AT);
}

export function headerOwner(view: DataView): TreeId {
  return readU64(view, OWNER_AT);
}

export function headerLevel(view: DataView): number {
  return view.getUint8(LEVEL_AT);
}

export function headerFsid(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(FSID_AT, FSID_AT + 16);
}

export function setCount(block: TreeBlock, count: number): void {
  block.view.setUint32(COUNT_AT, count, true);
}

/** Where the key of item or pointer `slot` begins. */
export function keyAt(block: TreeBlock, slot: number): number {
  return HEADER_SIZE + slot * (block.level === 0 ? ITEM_SIZE : KEY_POINTER_SIZE);
}

export function readKey(view: DataView, at: number): Key {
  return { objectid: readU64(view, at), type: view.getUint8(at + TYPE_AT), offset: readU64(view, at + OFFSET_AT) };
}

export function writeKey(view: DataView, at: number, key: Key): void {
  writeU64(view, at, key.objectid);
  view.setUint8(at + TYPE_AT, key.type);
  writeU64(view, at + OFFSET_AT, key.offset);
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

/** Where the data of item `slot` begins, in bytes from the start of the block. */
export function itemDataAt(block: TreeBlock, slot: number): number {
  return HEADER_SIZE + block.view.getUint32(HEADER_SIZE + slot * ITEM_SIZE + ITEM_DATA_OFFSET_AT, true);
}

export function itemDataSize(block: TreeBlock, slot: number): number {
  return block.view.getUint32(HEADER_SIZE + slot * ITEM_SIZE + ITEM_DATA_SIZE_AT, true);
}

export function setItemData(view: DataView, slot: number, dataAt: number, size: number): void {
  const at = HEADER_SIZE + slot * ITEM_SIZE;
  view.setUint32(at + ITEM_DATA_OFFSET_AT, dataAt - HEADER_SIZE, true);
  view.setUint32(at + ITEM_DATA_SIZE_AT, size, true);
}

export function pointerAddress(block: TreeBlock, slot: number): LogicalAddress {
  return readU64(block.view, HEADER_SIZE + slot * KEY_POINTER_SIZE + POINTER_ADDRESS_AT);
}

export function pointerGeneration(block: TreeBlock, slot: number): Generation {
  return readU64(block.view, HEADER_SIZE + slot * KEY_POINTER_SIZE + POINTER_GENERATION_AT);
}

export function setPointer(block: TreeBlock, slot: number, address: LogicalAddress, generation: Generation): void {
  const at = HEADER_SIZE + slot * KEY_POINTER_SIZE;
  writeU64(block.view, at + POINTER_ADDRESS_AT, address);
  writeU64(block.view, at + POINTER_GENERATION_AT, generation);
}

/** A key as the five unsigned words that order it: exact for all 64 bits, and quick to compare. */
export class KeyWords {
  objectHigh = 0;
  objectLow = 0;
  type = 0;
  offsetHigh = 0;
  offsetLow = 0;

  set(objectid: number, type: number, offset: number): this {
    const objectHigh = Math.floor(objectid / TWO_32);
    this.objectHigh = objectHigh >>> 0;
    this.objectLow = objectid - objectHigh * TWO_32;
    this.type = type;
    const offsetHigh = Math.floor(offset / TWO_32);
    this.offsetHigh = offsetHigh >>> 0;
    this.offsetLow = offset - offsetHigh * TWO_32;
    return this;
  }

  /** For offsets that use all 64 bits: hashes and halves of uuids. */
  setExact(objectHigh: number, objectLow: number, type: number, offsetHigh: number, offsetLow: number): this {
    this.objectHigh = objectHigh >>> 0;
    this.objectLow = objectLow >>> 0;
    this.type = type;
    this.offsetHigh = offsetHigh >>> 0;
    this.offsetLow = offsetLow >>> 0;
    return this;
  }

  /** The highest key there is. */
  setLast(): this {
    return this.setExact(0xffffffff, 0xffffffff, 255, 0xffffffff, 0xffffffff);
  }

  /** Takes the key stored at `at`. */
  read(view: DataView, at: number): this {
    return this.setExact(
      view.getUint32(at + 4, true),
      view.getUint32(at, true),
      view.getUint8(at + TYPE_AT),
      view.getUint32(at + OFFSET_AT + 4, true),
      view.getUint32(at + OFFSET_AT, true),
    );
  }

  write(view: DataView, at: number): void {
    view.setUint32(at + 4, this.objectHigh, true);
    view.setUint32(at, this.objectLow, true);
    view.setUint8(at + TYPE_AT, this.type);
    view.setUint32(at + OFFSET_AT + 4, this.offsetHigh, true);
    view.setUint32(at + OFFSET_AT, this.offsetLow, true);
  }

  /** Negative when the stored key sorts before this one, 0 when equal. */
  compareStored(view: DataView, at: number): number {
    let stored = view.getUint32(at + 4, true);
    if (stored !== this.objectHigh) return stored < this.objectHigh ? -1 : 1;
    stored = view.getUint32(at, true);
    if (stored !== this.objectLow) return stored < this.objectLow ? -1 : 1;
    stored = view.getUint8(at + TYPE_AT);
    if (stored !== this.type) return stored < this.type ? -1 : 1;
    stored = view.getUint32(at + OFFSET_AT + 4, true);
    if (stored !== this.offsetHigh) return stored < this.offsetHigh ? -1 : 1;
    stored = view.getUint32(at + OFFSET_AT, true);
    if (stored !== this.offsetLow) return stored < this.offsetLow ? -1 : 1;
    return 0;
  }
}

/** Orders two stored keys. */
export function compareStoredKeys(a: DataView, aAt: number, b: DataView, bAt: number): number {
  return SCRATCH.read(b, bAt).compareStored(a, aAt);
}

const SCRATCH = new KeyWords();

/**
 * The slot of the first item or pointer whose key is not before `key`, and whether it equals: `slot` when equal,
 * `-slot - 1` when not. The slot may be `count`.
 */
export function searchBlock(block: TreeBlock, key: KeyWords): number {
  const view = block.view;
  const stride = block.level === 0 ? ITEM_SIZE : KEY_POINTER_SIZE;
  let low = 0;
  let high = block.count;
  while (low < high) {
    const middle = (low + high) >> 1;
    const order = key.compareStored(view, HEADER_SIZE + middle * stride);
    if (order < 0) low = middle + 1;
    else if (order > 0) high = middle;
    else return middle;
  }
  return -low - 1;
}
