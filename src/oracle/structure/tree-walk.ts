import { readU64 } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import type { ChunkMap } from './chunk-map.ts';
import type { Extent, ExtentLedger } from './extent-ledger.ts';
import { type FaultCollector, showKeyAt } from './fault-report.ts';
import {
  HEADER,
  HEADER_SIZE,
  ITEM_SIZE,
  isSubvolumeId,
  KEY_POINTER_SIZE,
  LEVEL_MAX,
  SECTOR,
  STRIPE_LENGTH,
  TYPE,
} from './layout.ts';
import { compareKeysAt, isZero, sameUuid, showUuid } from './raw-fields.ts';
import { hex, type Superblock } from './superblock.ts';
import { isBlock, sealIsRight, sealOf, TreeBlock } from './tree-block.ts';
import type { TreeToWalk } from './trees-to-walk.ts';

const HEADER_FLAG_WRITTEN = 1;
const HEADER_FLAG_RELOC = 2;

export interface WalkedTree {
  /** False when a block or an item could not be read: absences in this tree prove nothing. */
  complete: boolean;
}

/** Walks trees on the raw image. Each block is read once per tree; a block met twice in one tree ends there. */
export class TreeWalker {
  readonly #chunks: ChunkMap;
  readonly #ledger: ExtentLedger;
  readonly #faults: FaultCollector;
  readonly #super: Superblock;
  readonly #nodeSize: number;
  readonly #verifyCopies: boolean;
  #chunkTreeUuid: DataView | null = null;
  #serial = 0;
  #tree!: TreeToWalk;
  #walked!: WalkedTree;

  constructor(
    sup: Superblock,
    chunks: ChunkMap,
    ledger: ExtentLedger,
    faults: FaultCollector,
    options: { readonly verifyCopies: boolean },
  ) {
    this.#super = sup;
    this.#chunks = chunks;
    this.#ledger = ledger;
    this.#faults = faults;
    this.#nodeSize = sup.nodeSize;
    this.#verifyCopies = options.verifyCopies;
  }

  walk(tree: TreeToWalk): WalkedTree {
    this.#serial++;
    this.#tree = tree;
    this.#walked = { complete: true };
    this.#faults.counts.trees++;
    if (tree.level >= LEVEL_MAX) {
      this.#faults.error('tree', { tree: tree.id }, 'root-level', 'level of the root is too high', tree.level, '< 8');
      this.#miss();
      return this.#walked;
    }
    if (tree.counted) this.#ledger.at(tree.root).reference(TYPE.TREE_BLOCK_REF, tree.id, 0, 0).expected++;
    this.#visit(tree.root, tree.level, tree.generation, null, 0, null, 0, tree.drop !== undefined);
    return this.#walked;
  }

  #visit(
    logical: number,
    level: number,
    generation: number,
    parent: DataView | null,
    keyAt: number,
    bound: DataView | null,
    boundAt: number,
    onDropPath: boolean,
  ): void {
    const tree = this.#tree;
    const extent = this.#ledger.at(logical);
    const first = !extent.visited;
    if (extent.walk === this.#serial) {
      this.#blockError(logical, level, 'block-twice-in-tree', 'the tree reaches this block by two ways');
      this.#miss();
      return;
    }
    extent.walk = this.#serial;
    const bytes = this.#readBlock(extent, logical, level, generation, first);
    if (bytes === null) {
      this.#miss();
      return;
    }
    const block = new TreeBlock(tree.id, logical, bytes, first, extent.isFullBackref, generation);
    if (first) {
      extent.owner = block.owner;
      extent.blockGeneration = block.generation;
      extent.blockLevel = block.level;
      extent.isMoved = (block.view.getUint32(HEADER.flags, true) & HEADER_FLAG_RELOC) !== 0;
      extent.readable = this.#checkHeader(block);
      this.#faults.counts.blocks++;
    }
    if (!extent.readable) {
      this.#miss();
      return;
    }
    tree.meet?.(logical);
    this.#checkAgainstTree(block, extent, generation);
    if (block.level !== level) {
      this.#blockError(logical, block.level, 'block-level', 'level is not one below the parent', block.level, level);
      this.#miss();
      return;
    }
    if (parent !== null) this.#checkFirstKey(block, parent, keyAt);
    if (level === 0) this.#leaf(block, bound, boundAt);
    else this.#node(block, bound, boundAt, onDropPath);
  }

  #readBlock(extent: Extent, logical: number, level: number, generation: number, first: boolean): Uint8Array | null {
    const size = this.#nodeSize;
    if (!first) return extent.readable ? this.#chunks.read(logical, size, extent.goodCopy) : null;
    extent.visited = true;
    if (logical <= 0 || logical % SECTOR !== 0) {
      this.#blockError(logical, level, 'block-address', 'address is not a positive multiple of 4096');
      return null;
    }
    const copies = this.#chunks.copiesAt(logical);
    if (copies === 0) {
      this.#blockError(logical, level, 'block-outside-chunks', 'no chunk holds this address');
      return null;
    }
    if (Math.floor(logical / STRIPE_LENGTH) !== Math.floor((logical + size - 1) / STRIPE_LENGTH)) {
      this.#blockError(logical, level, 'block-crosses-stripe', 'the block crosses a border of 64 KiB');
    }
    let good: Uint8Array | null = null;
    let isExpected = false;
    for (let copy = 0; copy < copies; copy++) {
      const bytes = this.#chunks.read(logical, size, copy);
      if (bytes === null || !sealIsRight(bytes)) {
        if (this.#verifyCopies) this.#badCopy(logical, level, copy, bytes);
        continue;
      }
      if (good !== null && this.#verifyCopies && Buffer.compare(good, bytes) !== 0) {
        const what = `copies ${extent.goodCopy} and ${copy} differ`;
        this.#blockError(logical, level, 'mirrors-differ', what);
      }
      if (isExpected) continue;
      // A copy that missed a write is whole but old: the next one may be the right one, as for the kernel.
      isExpected = isBlock(bytes, logical, generation);
      if (good !== null && !isExpected) continue;
      good = bytes;
      extent.goodCopy = copy;
      if (isExpected && !this.#verifyCopies) break;
    }
    if (good === null) this.#noGoodCopy(logical, level, copies);
    return good;
  }

  #noGoodCopy(logical: number, level: number, copies: number): void {
    for (let copy = 0; copy < copies; copy++) {
      const isPresent = this.#chunks.isPresent(logical, copy);
      if (!isPresent) {
        const where = this.#chunks.describe(logical, copy);
        this.#blockError(logical, level, 'block-unreadable', `copy ${copy} is outside the images (${where})`);
      } else if (!this.#verifyCopies) {
        this.#badCopy(logical, level, copy, this.#chunks.read(logical, this.#nodeSize, copy));
      }
    }
  }

  /** One copy that is no tree block. That of a missing device is the device's fault, not the block's. */
  #badCopy(logical: number, level: number, copy: number, bytes: Uint8Array | null): void {
    const where = this.#chunks.describe(logical, copy);
    if (bytes !== null) {
      const what = `checksum of copy ${copy} is wrong (${where})`;
      this.#blockError(logical, level, 'block-checksum', what, hex(sealOf(bytes)), hex(crc32c(bytes.subarray(32))));
    } else if (this.#chunks.isPresent(logical, copy)) {
      this.#blockError(logical, level, 'block-unreadable', `copy ${copy} is outside the images (${where})`);
    }
  }

  /** What must hold whichever tree leads here. @returns false when the block is not worth reading further. */
  #checkHeader(block: TreeBlock): boolean {
    const { view, logical, level } = block;
    let usable = true;
    const bytenr = readU64(view, HEADER.bytenr);
    if (bytenr !== logical) {
      this.#blockError(logical, level, 'block-bytenr', 'the header says another address', bytenr, logical);
      usable = false;
    }
    const sup = this.#super;
    if (!sameUuid(view, HEADER.fsid, sup.view, sup.headerFsidAt)) {
      const have = showUuid(view, HEADER.fsid);
      this.#blockError(logical, level, 'block-fsid', 'fsid is wrong', have, showUuid(sup.view, sup.headerFsidAt));
      usable = false;
    }
    const flags = view.getUint32(HEADER.flags, true);
    const flagsHigh = view.getUint32(HEADER.flags + 4, true);
    if ((flags & HEADER_FLAG_WRITTEN) === 0) {
      this.#blockError(logical, level, 'block-flags', 'the WRITTEN flag is not set', hex(flags));
    }
    if ((flags & ~(HEADER_FLAG_WRITTEN | HEADER_FLAG_RELOC)) !== 0 || (flagsHigh & 0xffffff) !== 0) {
      this.#blockError(logical, level, 'block-flags', 'unknown flags are set', `${hex(flagsHigh)} ${hex(flags)}`);
    }
    if (flagsHigh >>> 24 !== 1) {
      this.#blockError(logical, level, 'block-backref-revision', 'backref revision is wrong', flagsHigh >>> 24, 1);
    }
    if (!isZero(view, 4, 28)) {
      const place = { tree: block.tree, block: logical };
      this.#faults.warn('header', place, 'block-checksum-padding', 'bytes after the checksum are not zero');
    }
    this.#chunkTreeUuid ??= view;
    if (!sameUuid(view, HEADER.chunkTreeUuid, this.#chunkTreeUuid, HEADER.chunkTreeUuid)) {
      const place = { tree: block.tree, block: logical };
      const expect = showUuid(this.#chunkTreeUuid, HEADER.chunkTreeUuid);
      const what = 'chunk_tree_uuid is not that of the first block read';
      this.#faults.warn('header', place, 'block-chunk-tree-uuid', what, showUuid(view, HEADER.chunkTreeUuid), expect);
    }
    if (block.generation > this.#tree.generationMax || block.generation <= 0) {
      const expect = `1 to ${this.#tree.generationMax}`;
      this.#blockError(logical, level, 'block-generation', 'generation is impossible', block.generation, expect);
    }
    if (level >= LEVEL_MAX) {
      this.#blockError(logical, level, 'block-level', 'level is too high', level, `< ${LEVEL_MAX}`);
      return false;
    }
    const max = Math.floor((this.#nodeSize - HEADER_SIZE) / (level === 0 ? ITEM_SIZE : KEY_POINTER_SIZE));
    if (block.count > max) {
      this.#blockError(logical, level, 'block-item-count', 'more items than fit', block.count, `≤ ${max}`);
      usable = false;
    }
    return usable;
  }

  #checkAgainstTree(block: TreeBlock, extent: Extent, generation: number): void {
    const tree = this.#tree;
    const { logical, level } = block;
    if (block.generation !== generation) {
      const what = 'generation is not the one its parent expects';
      this.#blockError(logical, level, 'block-parent-generation', what, block.generation, generation);
    }
    if (block.owner !== tree.id && (!tree.shareable || logical === tree.root)) {
      this.#blockError(logical, level, 'block-owner', 'owner is not the tree', block.owner, tree.id);
    } else if (isSubvolumeId(block.owner) !== isSubvolumeId(tree.id)) {
      // Linux reads no block of a subvolume whose owner cannot be one, though it need not exist any more.
      const what = 'owner of a block of a subvolume is no subvolume';
      this.#blockError(logical, level, 'block-owner', what, block.owner, '5 or ≥ 256');
    }
    if (!tree.shareable || logical === tree.root) return;
    // Relocation marks the blocks that it moves: for those the kernel always looks further.
    if (extent.isMoved) return;
    // The kernel takes a block younger than the last snapshot for its own and changes it without looking further.
    const shared = extent.isFullBackref || extent.refs > 1 || block.owner !== tree.id;
    if (shared && block.generation > tree.lastSnapshot) {
      const what = 'a shared block is younger than last_snapshot of the root';
      this.#blockError(logical, level, 'last-snapshot', what, block.generation, `≤ ${tree.lastSnapshot}`);
    }
  }

  #checkFirstKey(block: TreeBlock, parent: DataView, keyAt: number): void {
    if (block.count === 0) return;
    if (compareKeysAt(block.view, HEADER_SIZE, parent, keyAt) === 0) return;
    const have = showKeyAt(block.view, HEADER_SIZE);
    const what = 'first key is not the one in the parent';
    this.#blockError(block.logical, block.level, 'first-key', what, have, showKeyAt(parent, keyAt));
  }

  #node(block: TreeBlock, bound: DataView | null, boundAt: number, onDropPath: boolean): void {
    const { view, count, logical, level } = block;
    if (count === 0) {
      this.#blockError(logical, level, 'node-empty', 'a node without children');
      this.#miss();
      return;
    }
    for (let slot = 1; slot < count; slot++) {
      const at = HEADER_SIZE + slot * KEY_POINTER_SIZE;
      if (compareKeysAt(view, at - KEY_POINTER_SIZE, view, at) >= 0)
        this.#orderError(block, slot, at, KEY_POINTER_SIZE);
    }
    const lastAt = HEADER_SIZE + (count - 1) * KEY_POINTER_SIZE;
    if (bound !== null && compareKeysAt(view, lastAt, bound, boundAt) >= 0) {
      this.#boundError(block, count - 1, lastAt, bound, boundAt);
    }
    let slot = onDropPath ? this.#firstUndroppedSlot(block) : 0;
    const start = slot;
    const tree = this.#tree;
    const parentType = block.fullBackref ? TYPE.SHARED_BLOCK_REF : TYPE.TREE_BLOCK_REF;
    const parentRoot = block.fullBackref ? logical : block.owner;
    for (; slot < count; slot++) {
      const at = HEADER_SIZE + slot * KEY_POINTER_SIZE;
      const child = readU64(view, at + 17);
      const generation = readU64(view, at + 25);
      if (generation > block.written && block.first) {
        const what = 'a key pointer is younger than its node';
        const place = { tree: block.tree, block: logical, slot };
        this.#faults.error('node', place, 'key-pointer-generation', what, generation, `≤ ${block.written}`);
      }
      if (tree.counted && block.first) {
        this.#ledger.at(child).reference(parentType, parentRoot, 0, 0).expected++;
      }
      const last = slot === count - 1;
      const childBound = last ? bound : view;
      const childBoundAt = last ? boundAt : at + KEY_POINTER_SIZE;
      this.#visit(child, level - 1, generation, view, at, childBound, childBoundAt, onDropPath && slot === start);
    }
  }

  #firstUndroppedSlot(block: TreeBlock): number {
    const drop = this.#tree.drop!;
    if (block.level < drop.level) return 0;
    let slot = 0;
    while (
      slot + 1 < block.count &&
      compareKeysAt(block.view, HEADER_SIZE + (slot + 1) * KEY_POINTER_SIZE, drop.view, drop.at) <= 0
    ) {
      slot++;
    }
    return slot;
  }

  #leaf(block: TreeBlock, bound: DataView | null, boundAt: number): void {
    const { view, count, logical } = block;
    const visitor = this.#tree.visitor;
    if (count === 0 && logical !== this.#tree.root) {
      this.#blockError(logical, 0, 'leaf-empty', 'a leaf without items that is not the root');
    }
    if (block.first) this.#faults.counts.items += count;
    let previousStart = this.#nodeSize;
    const itemsEnd = HEADER_SIZE + count * ITEM_SIZE;
    for (let slot = 0, at = HEADER_SIZE; slot < count; slot++, at += ITEM_SIZE) {
      if (slot > 0 && compareKeysAt(view, at - ITEM_SIZE, view, at) >= 0 && block.first) {
        this.#orderError(block, slot, at, ITEM_SIZE);
      }
      const start = HEADER_SIZE + view.getUint32(at + 17, true);
      const size = view.getUint32(at + 21, true);
      if (start + size !== previousStart && block.first) this.#placeError(block, slot, start, size, previousStart);
      previousStart = start;
      if (start < itemsEnd || start + size > this.#nodeSize) {
        if (block.first) {
          const expect = `within ${itemsEnd} to ${this.#nodeSize}`;
          const what = 'item data lies outside the data area';
          this.#faults.item(block, slot, 'item-data-bounds', what, `${start} to ${start + size}`, expect);
        }
        this.#miss();
        continue;
      }
      visitor.item(block, slot, readU64(view, at), view.getUint8(at + 8), readU64(view, at + 9), start, size);
    }
    const lastAt = itemsEnd - ITEM_SIZE;
    if (count > 0 && bound !== null && compareKeysAt(view, lastAt, bound, boundAt) >= 0) {
      this.#boundError(block, count - 1, lastAt, bound, boundAt);
    }
  }

  #placeError(block: TreeBlock, slot: number, start: number, size: number, previous: number): void {
    const overlap = start + size > previous;
    const fault = overlap ? 'item-data-overlap' : 'item-data-gap';
    const what = overlap ? 'item data overlaps the item before' : 'item data leaves a gap to the item before';
    this.#faults.item(block, slot, fault, what, `end ${start + size}`, `end ${previous}`);
  }

  #orderError(block: TreeBlock, slot: number, at: number, stride: number): void {
    const kind = block.level === 0 ? 'leaf' : 'node';
    const place = { tree: block.tree, block: block.logical, slot };
    const have = showKeyAt(block.view, at);
    const expect = `> ${showKeyAt(block.view, at - stride)}`;
    this.#faults.error(kind, place, 'keys-out-of-order', 'keys out of order', have, expect);
  }

  #boundError(block: TreeBlock, slot: number, at: number, bound: DataView, boundAt: number): void {
    const kind = block.level === 0 ? 'leaf' : 'node';
    const place = { tree: block.tree, block: block.logical, slot };
    const what = 'key is not below the next key of the parent';
    const have = showKeyAt(block.view, at);
    this.#faults.error(kind, place, 'key-beyond-parent', what, have, `< ${showKeyAt(bound, boundAt)}`);
  }

  #miss(): void {
    this.#walked.complete = false;
    this.#tree.visitor.gap?.();
  }

  #blockError(logical: number, level: number, fault: string, what: string, have?: unknown, expect?: unknown): void {
    const place = { tree: this.#tree.id, block: logical, level };
    this.#faults.error(level === 0 ? 'leaf' : 'node', place, fault, what, have, expect);
  }
}
