import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import { crc32c } from '../base/crc32c.ts';
import type { ByteCount, PhysicalAddress } from '../base/units.ts';
import type { DiskImage } from './image.ts';

/** Bytes per entry of the table. */
export const TABLE_BLOCK_SIZE = 4096;
/** Blocks per leaf: 256 KiB of disk, and a leaf is what the first write after a snapshot copies. */
const LEAF_BLOCKS = 64;
/** Of a disk beyond 1 TiB, leaves are larger instead. */
const LEAVES_MAX = 2 ** 22;
const ZEROES = new Uint8Array(TABLE_BLOCK_SIZE * LEAF_BLOCKS);

/** One written block; shared by every table that has it, and so are its hashes. Its bytes never change. */
class Block {
  readonly bytes: Uint8Array;
  isHashed = false;
  isZero = false;
  low = 0;
  high = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  hash(): void {
    this.low = crc32c(this.bytes) | 0;
    this.high = crc32(this.bytes) | 0;
    // A block of written zeroes is the same content as a block never written.
    this.isZero = this.low === ZERO_BLOCK_CRC32C && Buffer.compare(this.bytes, ZERO_BLOCK) === 0;
    this.isHashed = true;
  }
}

const ZERO_BLOCK = ZEROES.subarray(0, TABLE_BLOCK_SIZE);
const ZERO_BLOCK_CRC32C = crc32c(ZERO_BLOCK) | 0;

/** Only the table whose `owner` it carries may change a leaf; everybody else copies it first. */
class Leaf {
  readonly owner: object;
  readonly blocks: (Block | undefined)[];
  sumIsKnown = false;
  low = 0;
  high = 0;

  constructor(owner: object, blocks: (Block | undefined)[]) {
    this.owner = owner;
    this.blocks = blocks;
  }

  /** `first`: the number of its first block. */
  sum(first: number): void {
    let low = 0;
    let high = 0;
    for (let slot = 0; slot < this.blocks.length; slot++) {
      const block = this.blocks[slot];
      if (block === undefined) continue;
      if (!block.isHashed) block.hash();
      if (block.isZero) continue;
      const index = first + slot;
      low = (low + scramble(block.low ^ Math.imul(index + 1, 0x9e3779b1))) | 0;
      high = (high + scramble(block.high ^ Math.imul(index + 1, 0x85ebca77))) | 0;
    }
    this.low = low;
    this.high = high;
    this.sumIsKnown = true;
  }
}

/**
 * A disk as a copy-on-write table of 4 KiB blocks in two levels. `snapshot()` is O(1): both tables share everything,
 * both stay writable, and each copies a leaf (64 pointers) when it first writes to it. Whole aligned blocks are kept by
 * reference, so nobody may change an array after writing it; smaller writes copy the block they touch.
 */
export class BlockTable implements DiskImage {
  readonly size: ByteCount;
  private owner: object = {};
  private rootOwner: object;
  private root: (Leaf | undefined)[];
  private readonly leafBlocks: number;
  private known: string | null = null;
  /** What lies below blocks that were never written here; null: zeroes. */
  private readonly base: DiskImage | null;

  /** An all-zero disk of `size` bytes, a multiple of 512. */
  constructor(size: ByteCount, shared?: readonly (Leaf | undefined)[], base: DiskImage | null = null) {
    assert(size >= 0 && size % 512 === 0, 'a disk is a whole number of 512-byte sectors', { size });
    this.size = size;
    this.base = base;
    this.rootOwner = shared === undefined ? this.owner : NOBODY;
    this.leafBlocks = leafBlocksOf(size);
    const leaves = Math.ceil(size / (this.leafBlocks * TABLE_BLOCK_SIZE));
    this.root = (shared as (Leaf | undefined)[]) ?? new Array<Leaf | undefined>(leaves).fill(undefined);
  }

  /** Copies any image: what `written()` yields. */
  static copyOf(image: DiskImage): BlockTable {
    if (image instanceof BlockTable) return image.snapshot();
    const table = new BlockTable(image.size);
    for (const extent of image.written()) table.write(extent.offset, extent.bytes);
    return table;
  }

  /** A disk with the content of `base`, which is read where it is asked and never written; nobody may change it. */
  static over(base: DiskImage): BlockTable {
    return new BlockTable(base.size - (base.size % 512), undefined, base);
  }

  /** A disk of exactly these bytes; zero blocks are not stored. */
  static fromBytes(bytes: Uint8Array): BlockTable {
    const table = new BlockTable(bytes.length);
    for (let offset = 0; offset < bytes.length; offset += TABLE_BLOCK_SIZE) {
      const part = bytes.subarray(offset, offset + TABLE_BLOCK_SIZE);
      if (Buffer.compare(part, ZERO_BLOCK.subarray(0, part.length)) !== 0) table.write(offset, part);
    }
    return table;
  }

  /** A child with the same content. Later writes to either are not seen by the other. */
  snapshot(): BlockTable {
    this.owner = {};
    this.rootOwner = NOBODY;
    const child = new BlockTable(this.size, this.root, this.base);
    child.known = this.known;
    return child;
  }

  read(offset: PhysicalAddress, length: ByteCount): Uint8Array {
    const inBlock = offset % TABLE_BLOCK_SIZE;
    if (inBlock + length <= TABLE_BLOCK_SIZE && offset >= 0) {
      const block = this.blockAt((offset - inBlock) / TABLE_BLOCK_SIZE);
      if (block === undefined) return length === TABLE_BLOCK_SIZE ? ZERO_BLOCK : ZEROES.subarray(0, length);
      return length === TABLE_BLOCK_SIZE ? block.bytes : block.bytes.subarray(inBlock, inBlock + length);
    }
    if (this.base !== null && !this.hasWritten(offset, length)) return this.base.read(offset, length);
    return this.contiguous(offset, length) ?? this.gather(offset, length);
  }

  /** Any offset and length inside the disk. */
  write(offset: PhysicalAddress, bytes: Uint8Array): void {
    this.checkInside(offset, bytes.length);
    this.known = null;
    let done = 0;
    while (done < bytes.length) {
      const inBlock = (offset + done) % TABLE_BLOCK_SIZE;
      const index = (offset + done - inBlock) / TABLE_BLOCK_SIZE;
      const part = Math.min(TABLE_BLOCK_SIZE - inBlock, bytes.length - done);
      if (part === TABLE_BLOCK_SIZE) {
        const whole = bytes.length === TABLE_BLOCK_SIZE ? bytes : bytes.subarray(done, done + part);
        this.put(index, new Block(whole));
      } else {
        const copy = new Uint8Array(TABLE_BLOCK_SIZE);
        const old = this.blockAt(index);
        if (old !== undefined) copy.set(old.bytes);
        copy.set(bytes.subarray(done, done + part), inBlock);
        this.put(index, new Block(copy));
      }
      done += part;
    }
  }

  /** Makes a range read as zeroes again. */
  discard(offset: PhysicalAddress, length: ByteCount): void {
    this.checkInside(offset, length);
    this.known = null;
    let position = offset;
    const end = offset + length;
    while (position < end) {
      const inBlock = position % TABLE_BLOCK_SIZE;
      const index = (position - inBlock) / TABLE_BLOCK_SIZE;
      const part = Math.min(TABLE_BLOCK_SIZE - inBlock, end - position);
      if (inBlock === 0 && this.isBlankLeaf(index)) {
        position += this.leafBlocks * TABLE_BLOCK_SIZE;
        continue;
      }
      if (part === TABLE_BLOCK_SIZE) {
        if (this.base !== null) this.put(index, new Block(ZERO_BLOCK));
        else if (this.blockAt(index) !== undefined) this.put(index, undefined);
      } else this.write(position, ZEROES.subarray(0, part));
      position += part;
    }
  }

  /** A leaf begins with this block, and nothing in it was ever written. */
  private isBlankLeaf(index: number): boolean {
    return this.base === null && index % this.leafBlocks === 0 && this.root[index / this.leafBlocks] === undefined;
  }

  *written(): Iterable<{ readonly offset: PhysicalAddress; readonly bytes: Uint8Array }> {
    if (this.base !== null) {
      yield* this.writtenOverBase();
      return;
    }
    for (const [index, block] of this.ownBlocks()) {
      if (!block.isHashed) block.hash();
      if (!block.isZero) yield this.extentOf(index, block);
    }
  }

  /** What was written or discarded here over the base, in ascending order, zeroes too. */
  *changes(): Iterable<{ readonly offset: PhysicalAddress; readonly bytes: Uint8Array }> {
    for (const [index, block] of this.ownBlocks()) yield this.extentOf(index, block);
  }

  /** Reads all of the base. */
  private *writtenOverBase(): Iterable<{ readonly offset: PhysicalAddress; readonly bytes: Uint8Array }> {
    for (let index = 0; index * TABLE_BLOCK_SIZE < this.size; index++) {
      const block = this.blockAt(index)!;
      if (Buffer.compare(block.bytes, ZERO_BLOCK) !== 0) yield this.extentOf(index, block);
    }
  }

  private *ownBlocks(): Iterable<readonly [number, Block]> {
    for (let leafIndex = 0; leafIndex < this.root.length; leafIndex++) {
      const leaf = this.root[leafIndex];
      if (leaf === undefined) continue;
      for (let slot = 0; slot < this.leafBlocks; slot++) {
        const block = leaf.blocks[slot];
        if (block !== undefined) yield [leafIndex * this.leafBlocks + slot, block];
      }
    }
  }

  private extentOf(index: number, block: Block): { readonly offset: PhysicalAddress; readonly bytes: Uint8Array } {
    const offset = index * TABLE_BLOCK_SIZE;
    const isLast = offset + TABLE_BLOCK_SIZE > this.size;
    return { offset, bytes: isLast ? block.bytes.subarray(0, this.size - offset) : block.bytes };
  }

  /** 16 hex digits from CRC-32C and CRC-32 of each non-zero block mixed with its place; hashes only what is new. */
  get fingerprint(): string {
    if (this.known !== null) return this.known;
    let low = 0;
    let high = 0;
    for (let leafIndex = 0; leafIndex < this.root.length; leafIndex++) {
      const leaf = this.root[leafIndex];
      if (leaf === undefined) continue;
      if (!leaf.sumIsKnown) leaf.sum(leafIndex * this.leafBlocks);
      low = (low + leaf.low) | 0;
      high = (high + leaf.high) | 0;
    }
    this.known = (this.base === null ? '' : `${this.base.fingerprint}+`) + hex32(high) + hex32(low);
    return this.known;
  }

  private blockAt(index: number): Block | undefined {
    const slot = index % this.leafBlocks;
    const own = this.root[(index - slot) / this.leafBlocks]?.blocks[slot];
    return own === undefined && this.base !== null ? this.blockBelow(this.base, index) : own;
  }

  /** Not kept: a large image is read piece by piece. */
  private blockBelow(base: DiskImage, index: number): Block {
    const offset = index * TABLE_BLOCK_SIZE;
    const length = Math.min(TABLE_BLOCK_SIZE, this.size - offset);
    const bytes = base.read(offset, length);
    if (length === TABLE_BLOCK_SIZE) return new Block(bytes);
    const whole = new Uint8Array(TABLE_BLOCK_SIZE);
    whole.set(bytes);
    return new Block(whole);
  }

  private hasWritten(offset: number, length: number): boolean {
    for (let at = offset - (offset % TABLE_BLOCK_SIZE); at < offset + length; at += TABLE_BLOCK_SIZE) {
      const index = at / TABLE_BLOCK_SIZE;
      const slot = index % this.leafBlocks;
      if (this.root[(index - slot) / this.leafBlocks]?.blocks[slot] !== undefined) return true;
    }
    return false;
  }

  private put(index: number, block: Block | undefined): void {
    const slot = index % this.leafBlocks;
    const leafIndex = (index - slot) / this.leafBlocks;
    if (this.rootOwner !== this.owner) {
      this.root = this.root.slice();
      this.rootOwner = this.owner;
    }
    let leaf = this.root[leafIndex];
    if (leaf === undefined) {
      leaf = new Leaf(this.owner, new Array<Block | undefined>(this.leafBlocks).fill(undefined));
      this.root[leafIndex] = leaf;
    } else if (leaf.owner !== this.owner) {
      leaf = new Leaf(this.owner, leaf.blocks.slice());
      this.root[leafIndex] = leaf;
    }
    leaf.blocks[slot] = block;
    leaf.sumIsKnown = false;
  }

  /** Blocks that were written as one array are read as one, without a copy. */
  private contiguous(offset: number, length: number): Uint8Array | null {
    if (offset % TABLE_BLOCK_SIZE !== 0 || length % TABLE_BLOCK_SIZE !== 0 || length === 0 || offset < 0) return null;
    const first = this.blockAt(offset / TABLE_BLOCK_SIZE);
    if (first === undefined) return null;
    const buffer = first.bytes.buffer;
    for (let done = TABLE_BLOCK_SIZE; done < length; done += TABLE_BLOCK_SIZE) {
      const next = this.blockAt((offset + done) / TABLE_BLOCK_SIZE);
      if (next === undefined || next.bytes.buffer !== buffer) return null;
      if (next.bytes.byteOffset !== first.bytes.byteOffset + done) return null;
    }
    return new Uint8Array(buffer, first.bytes.byteOffset, length);
  }

  private gather(offset: number, length: number): Uint8Array {
    assert(offset >= 0 && length >= 0, 'a read lies at or after the start of the disk', { offset, length });
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const inBlock = (offset + done) % TABLE_BLOCK_SIZE;
      const part = Math.min(TABLE_BLOCK_SIZE - inBlock, length - done);
      const block = this.blockAt((offset + done - inBlock) / TABLE_BLOCK_SIZE);
      if (block !== undefined) bytes.set(block.bytes.subarray(inBlock, inBlock + part), done);
      done += part;
    }
    return bytes;
  }

  private checkInside(offset: number, length: number): void {
    if (offset >= 0 && offset + length <= this.size) return;
    assert(false, 'a write lies inside the disk', { offset, length, size: this.size });
  }
}

function leafBlocksOf(size: ByteCount): number {
  let blocks = LEAF_BLOCKS;
  while (size > blocks * TABLE_BLOCK_SIZE * LEAVES_MAX) blocks *= 2;
  return blocks;
}

/** Owns what two tables share, so that neither may change it. */
const NOBODY: object = {};

/** Murmur3's finalizer: without it, sums of linear checksums would cancel out. */
function scramble(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
