import type { Generation, LogicalAddress, TreeId } from '../../base/units.ts';
import {
  blockGeneration,
  blockLevel,
  blockOwner,
  HEADER_SIZE,
  ITEM_SIZE,
  itemCount,
  KEY_POINTER_SIZE,
} from '../format/tree-block.ts';

const TYPE_AT = 8;
const OFFSET_AT = 9;
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

  constructor(address: LogicalAddress, bytes: Uint8Array, view: DataView) {
    this.address = address;
    this.bytes = bytes;
    this.view = view;
    this.readHeader();
  }

  /** The address was read or allocated anew: takes over the bytes, which from now on belong to the block. */
  become(bytes: Uint8Array, view: DataView): void {
    this.bytes = bytes;
    this.view = view;
    this.isDirty = false;
    this.readHeader();
  }

  /** Items of a leaf, key pointers of a node. */
  get count(): number {
    return itemCount(this.view);
  }

  private readHeader(): void {
    this.generation = blockGeneration(this.view);
    this.owner = blockOwner(this.view);
    this.level = blockLevel(this.view);
  }
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
