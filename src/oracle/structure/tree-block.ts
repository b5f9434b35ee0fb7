import { readU64, viewOf } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import { HEADER } from './layout.ts';

/** One tree block as the walk of one tree sees it. */
export class TreeBlock {
  /** The tree being walked, not the owner in the header: a snapshot's walk meets blocks of its source. */
  readonly tree: number;
  readonly logical: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly owner: number;
  readonly generation: number;
  readonly level: number;
  readonly count: number;
  /** No other tree's walk has read this block: its references are to be counted now. */
  readonly first: boolean;
  readonly fullBackref: boolean;
  /** The transaction that wrote the block: nothing in it can be younger. */
  readonly written: number;

  constructor(
    tree: number,
    logical: number,
    bytes: Uint8Array,
    first: boolean,
    fullBackref: boolean,
    generation: number,
  ) {
    this.tree = tree;
    this.logical = logical;
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.owner = readU64(this.view, HEADER.owner);
    this.generation = readU64(this.view, HEADER.generation);
    this.count = this.view.getUint32(HEADER.nritems, true);
    this.level = this.view.getUint8(HEADER.level);
    this.first = first;
    this.fullBackref = fullBackref;
    // Where header and parent do not agree, that is what is wrong, not the items.
    this.written = Math.max(this.generation, generation);
  }
}

/** Receives every item of one tree, in key order, with its data inside the leaf. */
export interface ItemVisitor {
  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void;
  /** Items are missing here because a block or an item could not be read: what comes next lacks its beginning. */
  gap?(): void;
}

export function sealOf(bytes: Uint8Array): number {
  return bytes[0]! + bytes[1]! * 0x100 + bytes[2]! * 0x10000 + bytes[3]! * 0x1000000;
}

export function sealIsRight(bytes: Uint8Array): boolean {
  return sealOf(bytes) === crc32c(bytes.subarray(32));
}

/** Whether this is the block at that address that was written in that transaction. */
export function isBlock(bytes: Uint8Array, logical: number, generation: number): boolean {
  const view = viewOf(bytes);
  return readU64(view, HEADER.bytenr) === logical && readU64(view, HEADER.generation) === generation;
}

/** As it lies on disk: the checksum is that of the content. */
export function isSealedBlock(bytes: Uint8Array, logical: number, generation: number): boolean {
  return sealIsRight(bytes) && isBlock(bytes, logical, generation);
}
