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

/**
 * A key as the five words that order it: exact for all 64 bits, and quick to compare. The words are unsigned, but held as
 * signed ones, which need no floating point.
 */
export class KeyWords {
  objectHigh = 0;
  objectLow = 0;
  type = 0;
  offsetHigh = 0;
  offsetLow = 0;

  set(objectid: number, type: number, offset: number): this {
    return this.setExact(Math.floor(objectid / TWO_32), objectid, type, Math.floor(offset / TWO_32), offset);
  }

  /** For offsets that use all 64 bits: hashes and halves of uuids. Of each word, the low 32 bits count. */
  setExact(objectHigh: number, objectLow: number, type: number, offsetHigh: number, offsetLow: number): this {
    this.objectHigh = objectHigh | 0;
    this.objectLow = objectLow | 0;
    this.type = type;
    this.offsetHigh = offsetHigh | 0;
    this.offsetLow = offsetLow | 0;
    return this;
  }

  /** The highest key there is. */
  setLast(): this {
    return this.setExact(0xffffffff, 0xffffffff, 255, 0xffffffff, 0xffffffff);
  }

  /** Takes the key stored at `at`. */
  read(view: DataView, at: number): this {
    return this.setExact(
      view.getInt32(at + 4, true),
      view.getInt32(at, true),
      view.getUint8(at + TYPE_AT),
      view.getInt32(at + OFFSET_AT + 4, true),
      view.getInt32(at + OFFSET_AT, true),
    );
  }

  write(view: DataView, at: number): void {
    view.setInt32(at + 4, this.objectHigh, true);
    view.setInt32(at, this.objectLow, true);
    view.setUint8(at + TYPE_AT, this.type);
    view.setInt32(at + OFFSET_AT + 4, this.offsetHigh, true);
    view.setInt32(at + OFFSET_AT, this.offsetLow, true);
  }

  /** Negative when the stored key sorts before this one, 0 when equal. */
  compareStored(view: DataView, at: number): number {
    let stored = view.getInt32(at + 4, true);
    if (stored !== this.objectHigh) return compareUnsigned(stored, this.objectHigh);
    stored = view.getInt32(at, true);
    if (stored !== this.objectLow) return compareUnsigned(stored, this.objectLow);
    stored = view.getUint8(at + TYPE_AT);
    if (stored !== this.type) return stored < this.type ? -1 : 1;
    stored = view.getInt32(at + OFFSET_AT + 4, true);
    if (stored !== this.offsetHigh) return compareUnsigned(stored, this.offsetHigh);
    stored = view.getInt32(at + OFFSET_AT, true);
    if (stored !== this.offsetLow) return compareUnsigned(stored, this.offsetLow);
    return 0;
  }
}

/** Of two words that differ. */
function compareUnsigned(a: number, b: number): number {
  return a >>> 0 < b >>> 0 ? -1 : 1;
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
