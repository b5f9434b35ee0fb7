import { readU64 } from '../../base/bytes.ts';
import type { BlockGroupList } from './block-group-list.ts';
import { dataReferenceHash, type Extent, type ExtentLedger } from './extent-ledger.ts';
import type { FaultCollector } from './fault-report.ts';
import {
  EXTENT_FLAG_DATA,
  EXTENT_FLAG_FULL_BACKREF,
  EXTENT_FLAG_TREE_BLOCK,
  EXTENT_ITEM_SIZE,
  HEADER_SIZE,
  ITEM_SIZE,
  LEVEL_MAX,
  SECTOR,
  showKey,
  TYPE,
  typeName,
} from './layout.ts';
import { hex, type Superblock } from './superblock.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';

const INLINE_SIZES: Readonly<Record<number, number>> = {
  [TYPE.TREE_BLOCK_REF]: 9,
  [TYPE.SHARED_BLOCK_REF]: 9,
  [TYPE.EXTENT_DATA_REF]: 29,
  [TYPE.SHARED_DATA_REF]: 13,
};

/** Reads extent items and references into the ledger. */
export class ExtentTreeVisitor implements ItemVisitor {
  readonly #sup: Superblock;
  readonly #ledger: ExtentLedger;
  readonly #groups: BlockGroupList;
  readonly #faults: FaultCollector;
  readonly #hash = new Uint32Array(2);
  #current: Extent | null = null;
  #followsGap = false;

  constructor(sup: Superblock, ledger: ExtentLedger, groups: BlockGroupList, faults: FaultCollector) {
    this.#sup = sup;
    this.#ledger = ledger;
    this.#groups = groups;
    this.#faults = faults;
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void {
    switch (type) {
      case TYPE.EXTENT_ITEM:
      case TYPE.METADATA_ITEM:
        this.#extentItem(block, slot, objectid, type, offset, at, size);
        break;
      case TYPE.TREE_BLOCK_REF:
      case TYPE.SHARED_BLOCK_REF:
      case TYPE.EXTENT_DATA_REF:
      case TYPE.SHARED_DATA_REF:
        this.#keyedReference(block, slot, objectid, type, offset, at, size);
        break;
      case TYPE.BLOCK_GROUP_ITEM:
        if (this.#sup.hasReadOnly('BLOCK_GROUP_TREE')) {
          const what = 'a block group in the extent tree although the feature is BLOCK_GROUP_TREE';
          this.#faults.item(block, slot, 'unexpected-item', what);
        } else {
          this.#groups.add(block, slot, objectid, offset, at, size);
        }
        break;
      default:
        this.#faults.item(block, slot, 'unexpected-item', `${showKey(objectid, type, offset)} does not belong here`);
    }
  }

  gap(): void {
    this.#current = null;
    this.#followsGap = true;
  }

  #extentItem(
    block: TreeBlock,
    slot: number,
    start: number,
    type: number,
    offset: number,
    at: number,
    size: number,
  ): void {
    const { view } = block;
    const faults = this.#faults;
    if (size < EXTENT_ITEM_SIZE) {
      faults.item(block, slot, 'item-size', 'an extent item is too short', size, `≥ ${EXTENT_ITEM_SIZE}`);
      return;
    }
    const extent = this.#ledger.at(start);
    this.#current = extent;
    this.#followsGap = false;
    if (extent.hasItem) faults.item(block, slot, 'extent-item-twice', 'a second item for this extent', start);
    extent.hasItem = true;
    extent.itemTree = block.tree;
    extent.itemBlock = block.logical;
    extent.itemSlot = slot;
    extent.refs = readU64(view, at);
    extent.generation = readU64(view, at + 8);
    extent.flags = view.getUint32(at + 16, true);
    const kind = extent.flags & (EXTENT_FLAG_DATA | EXTENT_FLAG_TREE_BLOCK);
    const skinny = type === TYPE.METADATA_ITEM;
    extent.isTree = skinny || kind === EXTENT_FLAG_TREE_BLOCK;
    extent.length = skinny ? this.#sup.nodeSize : offset;
    this.#ledger.items.push(extent);
    if (!extent.isTree) faults.counts.dataExtents++;
    this.#checkExtentFields(block, slot, extent, skinny, kind, view.getUint32(at + 20, true), offset);
    this.#inlineReferences(block, slot, extent, skinny, offset, at, size);
  }

  #checkExtentFields(
    block: TreeBlock,
    slot: number,
    extent: Extent,
    skinny: boolean,
    kind: number,
    flagsHigh: number,
    offset: number,
  ): void {
    const faults = this.#faults;
    const { start, refs, flags, generation } = extent;
    if (start <= 0 || start % SECTOR !== 0) {
      faults.item(block, slot, 'extent-start', 'address is not a positive multiple of 4096', start);
    }
    if (skinny && !this.#sup.has('SKINNY_METADATA')) {
      faults.item(block, slot, 'extent-skinny', 'a METADATA_ITEM without the feature SKINNY_METADATA');
    }
    if (skinny && (offset < 0 || offset >= LEVEL_MAX)) {
      faults.item(block, slot, 'extent-level', 'level in the key is too high', offset, `< ${LEVEL_MAX}`);
    }
    if (!skinny && (extent.length <= 0 || extent.length % SECTOR !== 0)) {
      faults.item(block, slot, 'extent-length', 'length is not a positive multiple of 4096', extent.length);
    } else if (!skinny && extent.isTree && extent.length !== this.#sup.nodeSize) {
      faults.item(block, slot, 'extent-length', 'length of a tree block is wrong', extent.length, this.#sup.nodeSize);
    }
    if (refs <= 0) faults.item(block, slot, 'extent-refs', 'reference count is not positive', refs, '≥ 1');
    if (generation <= 0 || generation > block.written) {
      const what = 'generation is impossible';
      faults.item(block, slot, 'extent-generation', what, generation, `1 to ${block.written}`);
    }
    if (start + extent.length > ADDRESS_MAX) {
      faults.item(block, slot, 'extent-length', 'the extent ends beyond all addresses', start + extent.length);
    }
    const known = EXTENT_FLAG_DATA | EXTENT_FLAG_TREE_BLOCK | EXTENT_FLAG_FULL_BACKREF;
    if ((kind !== EXTENT_FLAG_DATA && kind !== EXTENT_FLAG_TREE_BLOCK) || (flags & ~known) !== 0 || flagsHigh !== 0) {
      faults.item(block, slot, 'extent-flags', 'flags are not one of DATA and TREE_BLOCK', hex(flags));
    } else if (skinny && kind !== EXTENT_FLAG_TREE_BLOCK) {
      faults.item(block, slot, 'extent-flags', 'a METADATA_ITEM that is no tree block', hex(flags));
    }
    if (extent.isFullBackref && !extent.isTree) {
      faults.item(block, slot, 'extent-flags', 'FULL_BACKREF on a data extent', hex(flags));
    }
  }

  #inlineReferences(
    block: TreeBlock,
    slot: number,
    extent: Extent,
    skinny: boolean,
    offset: number,
    at: number,
    size: number,
  ): void {
    const { view } = block;
    const end = at + size;
    let cursor = at + EXTENT_ITEM_SIZE;
    if (skinny) {
      extent.level = offset;
    } else if (extent.isTree) {
      if (cursor + 18 > end) {
        this.#faults.item(block, slot, 'item-size', 'no room for the tree block info', size, '≥ 42');
        return;
      }
      extent.level = view.getUint8(cursor + 17);
      cursor += 18;
    }
    let lastType = 0;
    let lastHigh = 0;
    let lastLow = 0;
    while (cursor < end) {
      const type = view.getUint8(cursor);
      const length = INLINE_SIZES[type];
      if (length === undefined || cursor + length > end) {
        const fault = length === undefined ? 'inline-ref-type' : 'inline-ref-size';
        this.#faults.item(block, slot, fault, 'an inline reference is malformed', typeName(type));
        return;
      }
      const dataKind = type === TYPE.EXTENT_DATA_REF || type === TYPE.SHARED_DATA_REF;
      if (dataKind === extent.isTree) {
        const what = `${typeName(type)} does not fit this kind of extent`;
        this.#faults.item(block, slot, 'inline-ref-type', what);
      }
      let high: number;
      let low: number;
      if (type === TYPE.EXTENT_DATA_REF) {
        dataReferenceHash(view, cursor + 1, this.#hash);
        high = this.#hash[0]!;
        low = this.#hash[1]!;
      } else {
        high = view.getUint32(cursor + 5, true);
        low = view.getUint32(cursor + 1, true);
      }
      const sameType = type === lastType;
      if (type < lastType || (sameType && (high > lastHigh || (high === lastHigh && low >= lastLow)))) {
        const what = 'inline references are not in order';
        this.#faults.item(
          block,
          slot,
          'inline-ref-order',
          what,
          typeName(type),
          'types ascending, then hashes descending',
        );
      }
      lastType = type;
      lastHigh = high;
      lastLow = low;
      this.#reference(block, slot, extent, type, cursor);
      cursor += length;
    }
  }

  /** `at` is the type byte of an inline reference; its body follows. */
  #reference(block: TreeBlock, slot: number, extent: Extent, type: number, at: number): void {
    const { view } = block;
    if (type === TYPE.EXTENT_DATA_REF) {
      this.#dataReference(block, slot, extent, at + 1);
      return;
    }
    const target = readU64(view, at + 1);
    const count = type === TYPE.SHARED_DATA_REF ? view.getUint32(at + 9, true) : 1;
    this.#count(block, slot, extent, type, target, 0, 0, count);
  }

  #dataReference(block: TreeBlock, slot: number, extent: Extent, at: number): void {
    const { view } = block;
    const root = readU64(view, at);
    const count = view.getUint32(at + 24, true);
    this.#count(block, slot, extent, TYPE.EXTENT_DATA_REF, root, readU64(view, at + 8), readU64(view, at + 16), count);
  }

  #count(
    block: TreeBlock,
    slot: number,
    extent: Extent,
    type: number,
    root: number,
    objectid: number,
    offset: number,
    count: number,
  ): void {
    const reference = extent.reference(type, root, objectid, offset);
    if (reference.found > 0) {
      this.#faults.item(block, slot, 'backref-twice', `${typeName(type)} for ${root} appears twice`, extent.start);
    }
    if (count === 0) this.#faults.item(block, slot, 'backref-count', `${typeName(type)} counts nothing`, 0, '≥ 1');
    reference.found += count;
  }

  #keyedReference(
    block: TreeBlock,
    slot: number,
    start: number,
    type: number,
    offset: number,
    at: number,
    size: number,
  ): void {
    const { view } = block;
    const faults = this.#faults;
    const wanted = INLINE_SIZES[type]! - 9;
    const expected = type === TYPE.EXTENT_DATA_REF ? 28 : wanted;
    if (size !== expected) {
      faults.item(block, slot, 'item-size', `size of ${typeName(type)} is wrong`, size, expected);
      return;
    }
    const extent = this.#current;
    if (extent === null || extent.start !== start) {
      if (this.#followsGap) return;
      faults.item(block, slot, 'backref-without-extent', `${typeName(type)} without an extent item before it`, start);
      return;
    }
    const dataKind = type === TYPE.EXTENT_DATA_REF || type === TYPE.SHARED_DATA_REF;
    if (dataKind === extent.isTree) {
      faults.item(block, slot, 'inline-ref-type', `${typeName(type)} does not fit this kind of extent`);
    }
    if (type !== TYPE.EXTENT_DATA_REF) {
      const count = type === TYPE.SHARED_DATA_REF ? view.getUint32(at, true) : 1;
      this.#count(block, slot, extent, type, offset, 0, 0, count);
      return;
    }
    dataReferenceHash(view, at, this.#hash);
    const [high, low] = this.#hash as unknown as [number, number];
    const keyAt = HEADER_SIZE + slot * ITEM_SIZE + 9;
    const beyond = ((view.getUint32(keyAt + 4, true) - high) | 0) * 2 ** 32 + view.getUint32(keyAt, true) - low;
    if (beyond < 0 || beyond > COLLISIONS_MAX) {
      faults.item(block, slot, 'data-ref-hash', 'key is not the hash of the reference', offset, high * 2 ** 32 + low);
    } else if (beyond > 0) {
      // Linux looks from the hash on; that which took the free key before it may be gone.
      faults.warnItem(block, slot, 'data-ref-hash', 'key is behind the hash of the reference', beyond, 0);
    }
    this.#dataReference(block, slot, extent, at);
  }
}

/** No file system is larger: what is was wrapped around. */
const ADDRESS_MAX = 2 ** 62;

/** A colliding hash takes the next free key. */
const COLLISIONS_MAX = 64;
