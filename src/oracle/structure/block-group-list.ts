import { readU64 } from '../../base/bytes.ts';
import type { FaultCollector, FaultPlace } from './fault-report.ts';
import { BLOCK_GROUP_SIZE, FIRST_CHUNK_TREE_OBJECTID, showKey, TYPE } from './layout.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';

/** A BLOCK_GROUP_ITEM. */
export interface BlockGroup {
  readonly start: number;
  readonly length: number;
  readonly used: number;
  readonly flags: number;
  readonly place: FaultPlace;
}

/** Collects block groups, whichever tree they live in. */
export class BlockGroupList {
  readonly groups: BlockGroup[] = [];
  readonly #faults: FaultCollector;

  constructor(faults: FaultCollector) {
    this.#faults = faults;
  }

  add(block: TreeBlock, slot: number, start: number, length: number, at: number, size: number): void {
    const { view } = block;
    if (size !== BLOCK_GROUP_SIZE) {
      this.#faults.item(block, slot, 'item-size', 'size of a block group item is wrong', size, BLOCK_GROUP_SIZE);
      return;
    }
    const objectid = readU64(view, at + 8);
    if (objectid !== FIRST_CHUNK_TREE_OBJECTID) {
      const what = 'chunk_objectid is wrong';
      this.#faults.item(block, slot, 'block-group-chunk-objectid', what, objectid, FIRST_CHUNK_TREE_OBJECTID);
    }
    const used = readU64(view, at);
    if (used < 0 || used > length) {
      const what = 'a block group uses more than it has';
      this.#faults.item(block, slot, 'block-group-used', what, used, `≤ ${length}`);
    }
    const place = { start, tree: block.tree, block: block.logical, slot };
    this.groups.push({ start, length, used, flags: readU64(view, at + 16), place });
  }
}

/** The tree of block groups, where the feature BLOCK_GROUP_TREE moves them out of the extent tree. */
export class BlockGroupTreeVisitor implements ItemVisitor {
  readonly #list: BlockGroupList;
  readonly #faults: FaultCollector;

  constructor(list: BlockGroupList, faults: FaultCollector) {
    this.#list = list;
    this.#faults = faults;
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void {
    if (type === TYPE.BLOCK_GROUP_ITEM) this.#list.add(block, slot, objectid, offset, at, size);
    else this.#faults.item(block, slot, 'unexpected-item', `${showKey(objectid, type, offset)} does not belong here`);
  }
}
