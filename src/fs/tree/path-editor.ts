import { assert } from '../../base/assert.ts';
import { viewOf } from '../../base/bytes.ts';
import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import {
  HEADER_SIZE,
  initTreeBlock,
  KEY_POINTER_SIZE,
  leafCapacity,
  leafFreeBytes,
  nodeCapacity,
  pointerAddress,
  pointerGeneration,
  setPointer,
} from '../format/tree-block.ts';
import {
  appendItems,
  appendPointers,
  closeItems,
  closePointer,
  leafBytesOf,
  openPointer,
  truncateItems,
} from './block-edit.ts';
import { copyTreeBlock, isOwn } from './copy-tree-block.ts';
import { Cursor } from './cursor.ts';
import type { Tree, TreeChange } from './tree.ts';
import type { TreeBlock } from './tree-block.ts';

/** A leaf below this share of its bytes, or a node of its pointers, is merged with a neighbour. */
const SPARSE_DIVISOR = 3;

/**
 * How a tree keeps its shape while the items of one leaf change: the path from root to leaf is copied to blocks of the
 * running transaction, blocks split and merge, the root grows and shrinks. All of it is plain and touches only blocks
 * that are in memory, so nobody sees a tree half changed; space is asked for before the first change.
 */
export class PathEditor extends Cursor {
  readonly change: TreeChange;

  constructor(change: TreeChange, tree: Tree, held: Held) {
    super(change.fs, tree, held, false);
    this.change = change;
  }

  /** Plain copies need to know who else leads to the path's blocks; false when that must be read first. */
  protected knowsSharing(): boolean {
    const { change, tree } = this;
    if (tree.lastSnapshot === 0) return true;
    return this.blocks.every((block) => isOwn(block, change) || change.knowsSharing(tree, block));
  }

  protected *learnSharing(): Task<void> {
    const { change, tree } = this;
    for (const block of this.blocks) {
      if (!isOwn(block, change) && !change.knowsSharing(tree, block)) yield* change.learnSharing(block);
    }
  }

  /** Copies what of the path still belongs to an earlier transaction. Throws ENOSPC. */
  prepare(): void {
    const { blocks, slots, change, tree } = this;
    const leaf = blocks[0]!;
    // A block of this transaction has only such blocks above it.
    if (isOwn(leaf, change)) return;
    this.fs.world.touch(tree.resource, 'write');
    let top = blocks.length - 1;
    while (isOwn(blocks[top]!, change)) top--;
    change.requireTreeBlocks(tree, top + 1);
    for (let level = top; level >= 0; level--) {
      const block = blocks[level]!;
      blocks[level] = copyTreeBlock(change, tree, block, blocks[level + 1] ?? null, slots[level + 1] ?? 0);
    }
  }

  /** Splits the leaf so that `need` bytes fit at the cursor's slot; the cursor follows. */
  protected splitLeafFor(need: number): void {
    const leaf = this.blocks[0]!;
    const slot = this.slots[0]!;
    const count = leaf.count;
    const capacity = leafCapacity(this.fs.nodeSize);
    if (this.pushToLeftSibling(need)) return;
    this.requireBlocksToSplit();
    this.growRootIfNeeded(0);
    if (slot === count) {
      // Appending, as growing files do, fills the old leaf to the brim.
      this.addRightSibling(0, this.createBlock(0));
      this.slots[0] = 0;
      return;
    }
    const split = bestSplit(leaf, slot, need, capacity);
    if (split !== null) {
      this.splitLeafAt(split.at);
      const goesRight = split.goesRight;
      if (goesRight) this.enterRightSibling(slot - split.at);
      return;
    }
    // Both neighbours are big: the new item gets a leaf of its own between them.
    this.splitLeafAt(slot);
    if (slot === 0) return;
    this.addRightSibling(0, this.createBlock(0));
    this.slots[0] = 0;
  }

  /**
   * Makes room by moving items before the cursor into the left sibling, so that growing files in the middle of a tree
   * leave full leaves behind. Only into a block that this transaction has copied anyway.
   */
  private pushToLeftSibling(need: number): boolean {
    if (this.blocks.length < 2 || this.slots[1]! === 0) return false;
    const leaf = this.blocks[0]!;
    const left = this.childInMemory(this.blocks[1]!, this.slots[1]! - 1);
    if (left === null || !isOwn(left, this.change)) return false;
    const room = leafFreeBytes(left.view);
    let howMany = Math.min(this.slots[0]!, leaf.count - 1);
    while (howMany > 0 && leafBytesOf(leaf, 0, howMany) > room) howMany--;
    if (howMany === 0 || leafFreeBytes(leaf.view) + leafBytesOf(leaf, 0, howMany) < need) return false;
    appendItems(left, leaf, 0, howMany);
    closeItems(leaf, 0, howMany);
    this.slots[0]! -= howMany;
    this.fixLowKeys(0);
    return true;
  }

  /** Two splits of a leaf may split two nodes on each level and grow the tree. */
  private requireBlocksToSplit(): void {
    this.change.requireTreeBlocks(this.tree, 2 * this.blocks.length + 1);
  }

  /** The item at the cursor shall grow: moves it and what follows, or what precedes it, to other leaves. */
  protected makeRoomToGrow(growth: number): void {
    const slot = this.slots[0]!;
    this.requireBlocksToSplit();
    this.growRootIfNeeded(0);
    if (slot + 1 < this.blocks[0]!.count) this.splitLeafAt(slot + 1);
    if (growth <= leafFreeBytes(this.blocks[0]!.view)) return;
    if (slot > 0) {
      this.splitLeafAt(slot);
      this.enterRightSibling(0);
    }
    const free = leafFreeBytes(this.blocks[0]!.view);
    assert(growth <= free, 'an item fits into a leaf of its own', { growth, free });
  }

  /** Moves items [at, count) to a new right sibling; the cursor stays in the left one. */
  private splitLeafAt(at: number): void {
    const left = this.blocks[0]!;
    const right = this.createBlock(0);
    appendItems(right, left, at, left.count);
    truncateItems(left, at);
    this.linkRightSibling(0, right);
  }

  private enterRightSibling(slot: number): void {
    this.slots[1]!++;
    this.blocks[0] = this.childInMemory(this.blocks[1]!, this.slots[1]!)!;
    this.slots[0] = slot;
  }

  /** Links an empty block behind the path's block at `level` and enters it; its key is set by what comes into it. */
  private addRightSibling(level: number, block: TreeBlock): void {
    this.linkRightSibling(level, block);
    this.slots[level + 1]!++;
    this.blocks[level] = block;
  }

  private linkRightSibling(level: number, block: TreeBlock): void {
    const above = level + 1;
    if (this.blocks[above]!.count === nodeCapacity(this.fs.nodeSize)) this.splitNode(above);
    const parent = this.blocks[above]!;
    const slot = this.slots[above]! + 1;
    openPointer(parent, slot);
    const at = HEADER_SIZE + slot * KEY_POINTER_SIZE;
    if (block.count > 0) copyKey(block, parent, at);
    else copyKeyWithin(parent, at - KEY_POINTER_SIZE, at);
    setPointer(parent.view, slot, block.address, this.change.generation);
  }

  /** Moves the upper half of a full node to a new right sibling; the path follows its own child. */
  private splitNode(level: number): void {
    this.growRootIfNeeded(level);
    const left = this.blocks[level]!;
    const count = left.count;
    const slot = this.slots[level]!;
    const middle = slot === count - 1 ? count - 1 : count >> 1;
    const right = this.createBlock(level);
    appendPointers(right, left, middle, count);
    truncateItems(left, middle);
    this.linkRightSibling(level, right);
    if (slot < middle) return;
    this.slots[level + 1]!++;
    this.blocks[level] = right;
    this.slots[level] = slot - middle;
  }

  private growRootIfNeeded(level: number): void {
    if (level + 1 < this.blocks.length) return;
    const child = this.blocks[level]!;
    const root = this.createBlock(level + 1);
    openPointer(root, 0);
    if (child.count > 0) copyKey(child, root, HEADER_SIZE);
    setPointer(root.view, 0, child.address, this.change.generation);
    this.blocks[level + 1] = root;
    this.slots[level + 1] = 0;
    this.tree.root = root;
    this.change.noteRoot(this.tree);
  }

  private createBlock(level: number): TreeBlock {
    const { change, tree, fs } = this;
    const address = change.allocateTreeBlock(tree, level);
    const bytes = new Uint8Array(fs.nodeSize);
    const { fsid, chunkTreeUuid } = fs;
    initTreeBlock(bytes, { fsid, chunkTreeUuid, address, generation: change.generation, owner: tree.id, level });
    const block = fs.blocks.initialise(address, bytes, viewOf(bytes));
    change.noteDirty(block);
    return block;
  }

  /** The first key of the path's block at `level` changed: so does the key that its parents know it by. */
  protected fixLowKeys(level: number): void {
    for (let below = level; below + 1 < this.blocks.length; below++) {
      const parent = this.blocks[below + 1]!;
      const slot = this.slots[below + 1]!;
      copyKey(this.blocks[below]!, parent, HEADER_SIZE + slot * KEY_POINTER_SIZE);
      if (slot > 0) return;
    }
  }

  /** The leaf holds nothing any more: it goes, with the nodes above that led only to it. A root leaf stays, empty. */
  protected removeEmptyLeaf(): void {
    const { blocks, change, tree } = this;
    let level = 1;
    while (level < blocks.length && blocks[level]!.count === 1) level++;
    if (level === blocks.length) {
      for (let above = 1; above < level; above++) change.freeTreeBlock(tree, blocks[above]!);
      if (level > 1) this.setRoot(blocks[0]!);
      return;
    }
    for (let below = 0; below < level; below++) change.freeTreeBlock(tree, blocks[below]!);
    this.unlink(level, this.slots[level]!);
    this.slots[0] = this.blocks[0]!.count;
  }

  /** Takes a pointer, not the only one, out of the path's node at `level`. */
  private unlink(level: number, slot: number): void {
    const node = this.blocks[level]!;
    closePointer(node, slot);
    assert(node.count > 0, 'a node keeps a child', { tree: this.tree.id, node: node.address });
    if (slot === 0) this.fixLowKeys(level);
    this.shrinkRoot();
    if (level < this.blocks.length) this.mergeIfSparse(level);
  }

  private setRoot(root: TreeBlock): void {
    this.blocks.length = root.level + 1;
    this.blocks[root.level] = root;
    this.tree.root = root;
    this.change.noteRoot(this.tree);
  }

  /** A root with one child that is in memory gives its place to it. */
  private shrinkRoot(): void {
    const { change, tree } = this;
    for (;;) {
      const top = this.blocks.length - 1;
      const root = this.blocks[top]!;
      if (top === 0 || root.count > 1) return;
      let child = this.childInMemory(root, 0);
      if (child === null) return;
      if (!isOwn(child, change)) {
        if (!change.hasTreeBlocks(tree, 1)) return;
        child = copyTreeBlock(change, tree, child, root, 0);
      }
      change.freeTreeBlock(tree, root);
      this.setRoot(child);
    }
  }

  /** Joins a sparse block with a neighbour under the same parent, if that is in memory and both fit into one. */
  protected mergeIfSparse(level: number): void {
    if (level + 1 >= this.blocks.length) return;
    const block = this.blocks[level]!;
    const capacity = level === 0 ? leafCapacity(this.fs.nodeSize) : nodeCapacity(this.fs.nodeSize);
    if (fillOf(block) * SPARSE_DIVISOR >= capacity) return;
    const parent = this.blocks[level + 1]!;
    const slot = this.slots[level + 1]!;
    if (slot + 1 < parent.count) {
      const right = this.childInMemory(parent, slot + 1);
      if (right !== null && fillOf(block) + fillOf(right) <= capacity) {
        appendAll(block, right);
        if (isOwn(right, this.change)) this.change.freeTreeBlock(this.tree, right);
        else this.change.leaveBlock(this.tree, right);
        this.unlink(level + 1, slot + 1);
        return;
      }
    }
    if (slot > 0) {
      const left = this.childInMemory(parent, slot - 1);
      if (left !== null && fillOf(block) + fillOf(left) <= capacity) {
        const { change, tree } = this;
        if (!isOwn(left, change) && !change.hasTreeBlocks(tree, 1)) return;
        const target = isOwn(left, change) ? left : copyTreeBlock(change, tree, left, parent, slot - 1);
        this.slots[level]! += target.count;
        appendAll(target, block);
        change.freeTreeBlock(tree, block);
        this.blocks[level] = target;
        this.slots[level + 1] = slot - 1;
        this.unlink(level + 1, slot);
      }
    }
  }

  /** The child behind a pointer, or null when it would have to be read: merging is not worth a read. */
  private childInMemory(parent: TreeBlock, slot: number): TreeBlock | null {
    const child = this.fs.blocks.find(pointerAddress(parent.view, slot));
    if (child === null || child.generation !== pointerGeneration(parent.view, slot)) return null;
    // Neither is one that others may share worth asking who does.
    const { change, tree } = this;
    if (tree.lastSnapshot > 0 && !isOwn(child, change) && !change.knowsSharing(tree, child)) return null;
    return child;
  }
}

function fillOf(block: TreeBlock): number {
  return block.level === 0 ? leafBytesOf(block, 0, block.count) : block.count;
}

function appendAll(target: TreeBlock, source: TreeBlock): void {
  if (source.level === 0) appendItems(target, source, 0, source.count);
  else appendPointers(target, source, 0, source.count);
}

function copyKey(from: TreeBlock, to: TreeBlock, at: number): void {
  to.bytes.set(from.bytes.subarray(HEADER_SIZE, HEADER_SIZE + 17), at);
}

function copyKeyWithin(block: TreeBlock, from: number, to: number): void {
  block.bytes.copyWithin(to, from, from + 17);
}

/**
 * Where to split so that an item of `need` bytes fits at `slot` with the halves as even as can be; null when no single
 * split makes room.
 */
function bestSplit(
  leaf: TreeBlock,
  slot: number,
  need: number,
  capacity: number,
): { readonly at: number; readonly goesRight: boolean } | null {
  const count = leaf.count;
  const total = leafBytesOf(leaf, 0, count);
  let best: { readonly at: number; readonly goesRight: boolean } | null = null;
  let bestDifference = Number.POSITIVE_INFINITY;
  for (let at = 1; at < count; at++) {
    const before = leafBytesOf(leaf, 0, at);
    for (let side = 0; side < 2; side++) {
      const goesRight = side === 1;
      if (goesRight ? slot < at : slot > at) continue;
      const left = before + (goesRight ? 0 : need);
      const right = total - before + (goesRight ? need : 0);
      if (left > capacity || right > capacity) continue;
      const difference = Math.abs(left - right);
      if (difference >= bestDifference) continue;
      bestDifference = difference;
      best = { at, goesRight };
    }
  }
  return best;
}
