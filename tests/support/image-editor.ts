import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { assert } from '../../src/base/assert.ts';
import { readU64, viewOf, writeU64 } from '../../src/base/bytes.ts';
import { crc32c } from '../../src/base/crc32c.ts';
import { ChunkMap } from '../../src/oracle/structure/chunk-map.ts';
import { ChunkTreeVisitor, readSystemChunks } from '../../src/oracle/structure/chunk-tree.ts';
import { ExtentLedger } from '../../src/oracle/structure/extent-ledger.ts';
import { FaultCollector } from '../../src/oracle/structure/fault-report.ts';
import { SUPER, SUPER_OFFSETS, showKey, TREE, TYPE } from '../../src/oracle/structure/layout.ts';
import { Superblock } from '../../src/oracle/structure/superblock.ts';
import { TreeWalker } from '../../src/oracle/structure/tree-walk.ts';
import { chunkTreeOf } from '../../src/oracle/structure/trees-to-walk.ts';
import { BlockTable } from '../../src/record/block-table.ts';
import type { DiskImage } from '../../src/record/image.ts';

const PAGE = 4096;

/** An image kept as its non-zero pages, each a page number of four bytes and 4096 bytes, compressed. */
export function loadFixture(name: string, size: number): BlockTable {
  const packed = gunzipSync(readFileSync(new URL(`../fixtures/${name}`, import.meta.url)));
  const image = new BlockTable(size);
  for (let at = 0; at < packed.length; at += PAGE + 4) {
    image.write(packed.readUInt32LE(at) * PAGE, new Uint8Array(packed.subarray(at + 4, at + 4 + PAGE)));
  }
  return image;
}

/** A tree block under the knife. */
export interface EditedBlock {
  readonly logical: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** From the top: the parent's address and slot, null for a root. */
  readonly parent: { readonly block: EditedBlock; readonly slot: number } | null;
}

/** An item of a leaf. */
export interface EditedItem {
  readonly block: EditedBlock;
  readonly slot: number;
  /** Where its header is. */
  readonly header: number;
  /** Where its data is. */
  readonly at: number;
  readonly size: number;
  readonly objectid: number;
  readonly type: number;
  readonly offset: number;
}

/**
 * Changes single fields of an image in place and makes the checksums right again, so that only the change itself is
 * wrong. Works on a snapshot; all copies of a block get the same bytes.
 */
export class ImageEditor {
  readonly images: readonly BlockTable[];
  readonly sup: Superblock;
  readonly chunks: ChunkMap;
  readonly #blocks = new Map<number, EditedBlock>();
  #supersTouched = false;

  constructor(images: readonly BlockTable[]) {
    this.images = images.map((image) => image.snapshot());
    this.sup = new Superblock(new Uint8Array(this.images[0]!.read(SUPER_OFFSETS[0], PAGE)), 0);
    const devices = new Map<number, DiskImage>();
    for (const image of this.images)
      devices.set(readU64(viewOf(image.read(SUPER_OFFSETS[0], PAGE)), SUPER.devItem), image);
    this.chunks = new ChunkMap(devices);
    const faults = new FaultCollector();
    const tree = new ChunkTreeVisitor(this.sup, faults);
    this.chunks.replaceChunks(readSystemChunks(this.sup, faults));
    new TreeWalker(this.sup, this.chunks, new ExtentLedger(), faults, { verifyCopies: false }).walk(
      chunkTreeOf(this.sup, tree),
    );
    this.chunks.replaceChunks(tree.chunks);
  }

  /** The superblock's bytes; every copy on the first device gets the change. */
  get super(): DataView {
    this.#supersTouched = true;
    return this.sup.view;
  }

  rootOf(tree: number): EditedBlock {
    if (tree === TREE.ROOT) return this.block(readU64(this.sup.view, SUPER.root), null);
    if (tree === TREE.CHUNK) return this.block(readU64(this.sup.view, SUPER.chunkRoot), null);
    if (tree === TREE.TREE_LOG) return this.block(readU64(this.sup.view, SUPER.logRoot), null);
    const root = this.item(TREE.ROOT, tree, TYPE.ROOT_ITEM);
    return this.block(readU64(root.block.view, root.at + 176), null);
  }

  block(logical: number, parent: EditedBlock['parent']): EditedBlock {
    let block = this.#blocks.get(logical);
    if (block === undefined) {
      const bytes = new Uint8Array(this.chunks.read(logical, this.sup.nodeSize, 0)!);
      block = { logical, bytes, view: viewOf(bytes), parent };
      this.#blocks.set(logical, block);
    }
    return block;
  }

  leaves(tree: number): EditedBlock[] {
    return this.#leavesUnder(this.rootOf(tree));
  }

  #leavesUnder(root: EditedBlock): EditedBlock[] {
    const found: EditedBlock[] = [];
    const descend = (block: EditedBlock): void => {
      if (block.bytes[100] === 0) {
        found.push(block);
        return;
      }
      const count = block.view.getUint32(96, true);
      for (let slot = 0; slot < count; slot++) {
        descend(this.block(readU64(block.view, 101 + slot * 33 + 17), { block, slot }));
      }
    };
    descend(root);
    return found;
  }

  items(tree: number): EditedItem[] {
    return this.leaves(tree).flatMap(itemsOf);
  }

  /** The items of the log that an fsync has left of a subvolume. */
  logItems(subvolume: number): EditedItem[] {
    const root = this.item(TREE.TREE_LOG, TREE.TREE_LOG, TYPE.ROOT_ITEM, subvolume);
    return this.#leavesUnder(this.block(readU64(root.block.view, root.at + 176), null)).flatMap(itemsOf);
  }

  /** The first item with this key; undefined parts match everything. */
  item(tree: number, objectid: number | undefined, type: number, offset?: number): EditedItem {
    const found = this.items(tree).find(
      (item) =>
        item.type === type &&
        (objectid === undefined || item.objectid === objectid) &&
        (offset === undefined || item.offset === offset),
    );
    assert(found !== undefined, 'the image has such an item', { tree, objectid, type, offset });
    return found;
  }

  /** Adds an item to the leaf where `after` is, right behind it, if there is room. */
  insertAfter(after: EditedItem, key: readonly [number, number, number], data: Uint8Array): void {
    this.#insert(after.block, after.slot + 1, after.at, key, data);
  }

  /** Adds an item in front of all others of a tree that is one leaf. */
  insertFirst(leaf: EditedBlock, key: readonly [number, number, number], data: Uint8Array): void {
    assert(leaf.parent === null, 'no parent knows the first key of the leaf', { key: showKey(...key) });
    this.#insert(leaf, 0, leaf.bytes.length, key, data);
  }

  /** `end`: where the data of the item in front begins. */
  #insert(block: EditedBlock, slot: number, end: number, key: readonly [number, number, number], data: Uint8Array) {
    const { bytes, view } = block;
    const count = view.getUint32(96, true);
    const last = itemAt(block, count - 1);
    assert(last.at - data.length >= 101 + (count + 1) * 25, 'the leaf has room', { key: showKey(...key) });
    bytes.copyWithin(last.at - data.length, last.at, end);
    bytes.set(data, end - data.length);
    for (let other = slot; other < count; other++) {
      const header = 101 + other * 25;
      view.setUint32(header + 17, view.getUint32(header + 17, true) - data.length, true);
    }
    const header = 101 + slot * 25;
    bytes.copyWithin(header + 25, header, 101 + count * 25);
    writeU64(view, header, key[0]);
    view.setUint8(header + 8, key[1]);
    writeU64(view, header + 9, key[2]);
    view.setUint32(header + 17, end - data.length - 101, true);
    view.setUint32(header + 21, data.length, true);
    view.setUint32(96, count + 1, true);
  }

  remove(item: EditedItem): void {
    const { bytes, view } = item.block;
    const count = view.getUint32(96, true);
    const last = itemAt(item.block, count - 1);
    bytes.copyWithin(last.at + item.size, last.at, item.at);
    for (let slot = item.slot + 1; slot < count; slot++) {
      const header = 101 + slot * 25;
      view.setUint32(header + 17, view.getUint32(header + 17, true) + item.size, true);
    }
    bytes.copyWithin(item.header, item.header + 25, 101 + count * 25);
    view.setUint32(96, count - 1, true);
  }

  /** Writes what was changed. @returns the images to check. */
  finish(options: { readonly checksums: boolean } = { checksums: true }): readonly BlockTable[] {
    for (const { logical, bytes, view } of this.#blocks.values()) {
      if (options.checksums) view.setUint32(0, crc32c(bytes.subarray(32)), true);
      for (let copy = 0; copy < this.chunks.copiesAt(logical); copy++) this.writeLogical(logical, bytes, copy);
    }
    if (this.#supersTouched) this.#writeSupers();
    return this.images;
  }

  writeLogical(logical: number, bytes: Uint8Array, copy: number): void {
    const place = { device: 0, offset: 0, length: 0 };
    this.chunks.find(logical)!.locate(logical, copy, place);
    (this.chunks.devices.get(place.device) as BlockTable).write(place.offset, bytes);
  }

  /** Other data, and the checksum that fits it. */
  writeSector(logical: number, bytes: Uint8Array): void {
    for (let copy = 0; copy < this.chunks.copiesAt(logical); copy++) this.writeLogical(logical, bytes, copy);
    for (const { block, at, size, offset } of this.items(TREE.CSUM)) {
      const index = (logical - offset) / PAGE;
      if (index >= 0 && index < size / 4) block.view.setUint32(at + index * 4, crc32c(bytes), true);
    }
  }

  #writeSupers(): void {
    const moved = readU64(this.sup.view, SUPER.bytenr) !== SUPER_OFFSETS[0];
    for (const offset of SUPER_OFFSETS) {
      if (offset + PAGE > this.images[0]!.size) continue;
      const copy = new Uint8Array(this.sup.bytes);
      if (!moved) writeU64(viewOf(copy), SUPER.bytenr, offset);
      viewOf(copy).setUint32(0, crc32c(copy.subarray(32)), true);
      this.images[0]!.write(offset, copy);
    }
  }
}

function itemsOf(block: EditedBlock): EditedItem[] {
  return Array.from({ length: block.view.getUint32(96, true) }, (_, slot) => itemAt(block, slot));
}

function itemAt(block: EditedBlock, slot: number): EditedItem {
  const { view } = block;
  const header = 101 + slot * 25;
  return {
    block,
    slot,
    header,
    at: 101 + view.getUint32(header + 17, true),
    size: view.getUint32(header + 21, true),
    objectid: readU64(view, header),
    type: view.getUint8(header + 8),
    offset: readU64(view, header + 9),
  };
}
