import { assert } from '../../base/assert.ts';
import { compareU64 } from '../../base/bytes.ts';
import type { Generation, LogicalAddress } from '../../base/units.ts';
import { Completed, DONE, type Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { type Key, keyObjectid, keyOffset, keyType, readKey } from '../format/key.ts';
import {
  HEADER_SIZE,
  ITEM_SIZE,
  itemDataAt,
  itemSize,
  pointerAddress,
  pointerGeneration,
} from '../format/tree-block.ts';
import { TREE_BLOCK_0, type Tree, type TreeHost } from './tree.ts';
import { KeyWords, searchBlock, type TreeBlock } from './tree-block.ts';
import { readTreeBlock } from './tree-block-read.ts';

const TRUE: Task<boolean> = new Completed(true);
const FALSE: Task<boolean> = new Completed(false);

/** The path of a cursor that is nowhere. */
const NO_BLOCKS: TreeBlock[] = [];
const NO_SLOTS: number[] = [];

/** What a move inside the cache came to. */
const MOVED = 1;
const AT_END = 0;
const MISSING = -1;

/**
 * A position in a tree, and the lock that keeps it true. Moves are plain while the blocks are in memory and suspend
 * only for a block that must be read; accessors read the block in place.
 */
export class Cursor {
  readonly fs: TreeHost;
  readonly tree: Tree;
  /** By level, the leaf at 0. */
  protected blocks = NO_BLOCKS;
  protected slots = NO_SLOTS;
  protected readonly wanted = new KeyWords();
  /** The last `seek` met its key exactly, and the cursor has not moved since. */
  found = false;
  private held: Held | null;
  private readonly isCommitRoot: boolean;
  private missingAddress: LogicalAddress = 0;
  private missingGeneration: Generation = 0;
  private missingLevel = 0;

  constructor(fs: TreeHost, tree: Tree, held: Held | null, isCommitRoot: boolean) {
    this.fs = fs;
    this.tree = tree;
    this.held = held;
    this.isCommitRoot = isCommitRoot;
  }

  /** Gives the lock back. Afterwards the cursor may not be used; releasing twice is allowed. */
  release(): void {
    const held = this.held;
    this.held = null;
    this.blocks = NO_BLOCKS;
    if (held !== null) held.release();
  }

  /** False beyond the last item of the tree (or before the first, after `previous`). */
  get isValid(): boolean {
    const leaf = this.blocks[0];
    return leaf !== undefined && this.slots[0]! >= 0 && this.slots[0]! < leaf.count;
  }

  get objectid(): number {
    return keyObjectid(this.blocks[0]!.view, HEADER_SIZE + this.slots[0]! * ITEM_SIZE);
  }

  get type(): number {
    return keyType(this.blocks[0]!.view, HEADER_SIZE + this.slots[0]! * ITEM_SIZE);
  }

  get offset(): number {
    return keyOffset(this.blocks[0]!.view, HEADER_SIZE + this.slots[0]! * ITEM_SIZE);
  }

  get key(): Key {
    return readKey(this.blocks[0]!.view, HEADER_SIZE + this.slots[0]! * ITEM_SIZE);
  }

  /** Negative when the item sorts before `key`, 0 when equal, positive after. */
  compare(key: Key): number {
    return compareU64(this.objectid, key.objectid) || this.type - key.type || compareU64(this.offset, key.offset);
  }

  /** True when the cursor is at an item of this object and type. */
  isAt(objectid: number, type: number): boolean {
    return this.isValid && this.objectid === objectid && this.type === type;
  }

  /** The whole leaf, in place: read at `dataOffset`. Not to be kept across a suspension. */
  get view(): DataView {
    return this.blocks[0]!.view;
  }

  /** Where the item's data begins in `view`. */
  get dataOffset(): number {
    return itemDataAt(this.blocks[0]!.view, this.slots[0]!);
  }

  get dataSize(): number {
    return itemSize(this.blocks[0]!.view, this.slots[0]!);
  }

  /** The item's bytes in place, not a copy. */
  get data(): Uint8Array {
    const at = this.dataOffset;
    return this.blocks[0]!.bytes.subarray(at, at + this.dataSize);
  }

  get leaf(): TreeBlock {
    return this.blocks[0]!;
  }

  get slot(): number {
    return this.slots[0]!;
  }

  /** Where the blocks from the leaf up to the root lie. */
  pathAddresses(): LogicalAddress[] {
    return this.blocks.map((block) => block.address);
  }

  /** Goes to the first item that is not before the key. */
  seek(objectid: number, type: number, offset: number): Task<void> {
    this.wanted.set(objectid, type, offset);
    return this.seekWanted();
  }

  /** As `seek`, for keys that use all 64 bits. */
  seekExact(key: KeyWords): Task<void> {
    this.wanted.setExact(key.objectHigh, key.objectLow, key.type, key.offsetHigh, key.offsetLow);
    return this.seekWanted();
  }

  /** To the next item; false at the end of the tree. */
  next(): Task<boolean> {
    this.found = false;
    const count = this.blocks[0]!.count;
    const slot = this.slots[0]! + 1;
    if (slot < count) {
      this.slots[0] = slot;
      this.touchMove();
      return TRUE;
    }
    this.slots[0] = count;
    const moved = this.tryNextLeaf();
    if (moved === MISSING) return this.nextSlowly();
    return moved === MOVED ? TRUE : FALSE;
  }

  /** To the item before; false (and the cursor stays before the first item) at the start of the tree. */
  previous(): Task<boolean> {
    this.found = false;
    if (this.slots[0]! > 0) {
      this.slots[0]!--;
      this.touchMove();
      return TRUE;
    }
    const moved = this.tryPreviousLeaf();
    if (moved === MISSING) return this.previousSlowly();
    if (moved === AT_END) this.slots[0] = -1;
    return moved === MOVED ? TRUE : FALSE;
  }

  protected seekWanted(): Task<void> {
    if (this.tryDescend() && this.tryNormalise()) return DONE;
    return this.seekSlowly();
  }

  private *seekSlowly(): Task<void> {
    for (;;) {
      if (this.tryDescend() && this.tryNormalise()) return;
      yield* this.readMissing();
    }
  }

  private *nextSlowly(): Task<boolean> {
    for (;;) {
      yield* this.readMissing();
      const moved = this.tryNextLeaf();
      if (moved !== MISSING) return moved === MOVED;
    }
  }

  private *previousSlowly(): Task<boolean> {
    for (;;) {
      yield* this.readMissing();
      const moved = this.tryPreviousLeaf();
      if (moved === AT_END) this.slots[0] = -1;
      if (moved !== MISSING) return moved === MOVED;
    }
  }

  protected readMissing(): Task<TreeBlock> {
    return readTreeBlock(this.fs, this.tree, this.missingAddress, this.missingGeneration, this.missingLevel);
  }

  private touchMove(): void {
    if (this.isCommitRoot) this.fs.world.touch(TREE_BLOCK_0 + this.blocks[0]!.address, 'read');
  }

  /** Down from the root to the leaf of `wanted`; false when a block on the way is not in memory. */
  protected tryDescend(): boolean {
    const { tree } = this;
    this.fs.world.touch(tree.resource, 'read');
    let block = this.isCommitRoot ? tree.commitRoot : tree.root;
    if (this.blocks.length !== block.level + 1) {
      this.blocks = new Array<TreeBlock>(block.level + 1);
      this.slots = new Array<number>(block.level + 1);
    }
    for (let level = block.level; ; level--) {
      if (this.isCommitRoot) this.fs.world.touch(TREE_BLOCK_0 + block.address, 'read');
      this.blocks[level] = block;
      const position = searchBlock(block, this.wanted);
      if (level === 0) {
        this.found = position >= 0;
        this.slots[0] = position >= 0 ? position : -position - 1;
        return true;
      }
      const slot = position >= 0 ? position : Math.max(0, -position - 2);
      this.slots[level] = slot;
      const child = this.cachedChild(block, slot);
      if (child === null) return false;
      block = child;
    }
  }

  /** The child behind a pointer, if it is in memory. Throws EIO when what is there is not what the pointer says. */
  protected cachedChild(parent: TreeBlock, slot: number): TreeBlock | null {
    const address = pointerAddress(parent.view, slot);
    const generation = pointerGeneration(parent.view, slot);
    const child = this.fs.blocks.find(address);
    if (child === null) {
      this.missingAddress = address;
      this.missingGeneration = generation;
      this.missingLevel = parent.level - 1;
      return null;
    }
    if (child.generation !== generation) {
      const wrong = `wanted ${generation} found ${child.generation}`;
      throw new FsError('EIO', `parent transid verify failed on logical ${address} of tree ${this.tree.id} ${wrong}`);
    }
    if (child.level !== parent.level - 1) {
      const wrong = `wanted ${parent.level - 1} found ${child.level}`;
      throw new FsError('EIO', `level verify failed on logical ${address} of tree ${this.tree.id} ${wrong}`);
    }
    return child;
  }

  /** A reader past the last item of a leaf belongs at the first of the next. */
  protected tryNormalise(): boolean {
    if (this.slots[0]! < this.blocks[0]!.count) return true;
    return this.tryNextLeaf() !== MISSING;
  }

  private tryNextLeaf(): number {
    const top = this.blocks.length;
    for (let level = 1; level < top; level++) {
      const parent = this.blocks[level]!;
      const slot = this.slots[level]! + 1;
      if (slot < parent.count) return this.tryEnter(level, slot, 'first');
    }
    return AT_END;
  }

  private tryPreviousLeaf(): number {
    const top = this.blocks.length;
    for (let level = 1; level < top; level++) {
      const slot = this.slots[level]! - 1;
      if (slot >= 0) return this.tryEnter(level, slot, 'last');
    }
    return AT_END;
  }

  /** Goes down from `slot` of the path's block at `level` along the first or last children; all or nothing. */
  private tryEnter(level: number, slot: number, edge: 'first' | 'last'): number {
    let parent = this.blocks[level]!;
    let at = slot;
    for (let below = level - 1; below >= 0; below--) {
      const child = this.cachedChild(parent, at);
      if (child === null) return MISSING;
      // A foreign block can be anything; the engine leaves none empty below a root.
      if (child.count === 0) throw new FsError('EIO', `tree block ${child.address} of tree ${this.tree.id} is empty`);
      parent = child;
      at = edge === 'first' ? 0 : child.count - 1;
    }
    parent = this.blocks[level]!;
    this.slots[level] = slot;
    for (let below = level - 1; below >= 0; below--) {
      const child = this.cachedChild(parent, this.slots[below + 1]!)!;
      if (this.isCommitRoot) this.fs.world.touch(TREE_BLOCK_0 + child.address, 'read');
      this.blocks[below] = child;
      this.slots[below] = edge === 'first' ? 0 : child.count - 1;
      parent = child;
    }
    assert(this.blocks[0]!.count > 0, 'only a root may be an empty leaf', { leaf: this.blocks[0]!.address });
    return MOVED;
  }
}

/**
 * A reader's cursor at the first item not before `key`; it holds the tree's lock shared until `release()`.
 * Throws EIO when a block on the way cannot be read from any copy.
 */
export function* searchTree(fs: TreeHost, tree: Tree, key: Key): Task<Cursor> {
  const cursor = new Cursor(fs, tree, yield* tree.lock.acquire('shared'), false);
  try {
    yield* cursor.seek(key.objectid, key.type, key.offset);
    return cursor;
  } catch (error) {
    cursor.release();
    throw error;
  }
}

/** As `searchTree` in the last committed state, with no lock: the caller sees to it that nothing is reused (R1–R4). */
export function* searchCommitRoot(fs: TreeHost, tree: Tree, key: Key): Task<Cursor> {
  const cursor = new Cursor(fs, tree, null, true);
  yield* cursor.seek(key.objectid, key.type, key.offset);
  return cursor;
}

/** A copy of the item's bytes, or null when there is no such item. */
export function* findItem(fs: TreeHost, tree: Tree, key: Key): Task<Uint8Array | null> {
  const cursor = yield* searchTree(fs, tree, key);
  const bytes = cursor.found ? cursor.data.slice() : null;
  cursor.release();
  return bytes;
}

/**
 * Calls `visit` for each item from `from` on, while the tree is locked shared, until it returns false or items end.
 * `visit` is plain: it reads the cursor in place and must not keep it.
 */
export function* visitItems(fs: TreeHost, tree: Tree, from: Key, visit: (cursor: Cursor) => boolean): Task<void> {
  const cursor = yield* searchTree(fs, tree, from);
  try {
    while (cursor.isValid && visit(cursor)) yield* cursor.next();
  } finally {
    cursor.release();
  }
}
