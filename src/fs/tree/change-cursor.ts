import { assert } from '../../base/assert.ts';
import { DONE, type Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { type Key, showKey, writeKey } from '../format/key.ts';
import { HEADER_SIZE, ITEM_SIZE, itemSize, leafCapacity, leafFreeBytes } from '../format/tree-block.ts';
import { closeItems, openItem, resizeItem } from './block-edit.ts';
import { PathEditor } from './path-editor.ts';
import type { Tree, TreeChange } from './tree.ts';

/**
 * A position in a tree that is locked exclusively, for changes. Every change first copies the path to blocks of the
 * running transaction, top down. All changes are plain: splits and merges touch only blocks that are in memory, so
 * nobody ever sees one half done, and a failure (ENOSPC) leaves a whole tree.
 *
 * Unlike a reader's, the cursor may rest behind the last item of a leaf: where a new item would go.
 */
export class ChangeCursor extends PathEditor {
  /** Copy the path on every move, so that item bytes may be written in place. */
  private readonly copiesEagerly: boolean;

  constructor(change: TreeChange, tree: Tree, held: Held, copiesEagerly: boolean) {
    super(change, tree, held);
    this.copiesEagerly = copiesEagerly;
  }

  override next(): Task<boolean> {
    return this.arriveAfter(super.next());
  }

  override previous(): Task<boolean> {
    return this.arriveAfter(super.previous());
  }

  private arriveAfter(move: Task<boolean>): Task<boolean> {
    return this.copiesEagerly || this.tree.lastSnapshot > 0 ? this.moveAndArrive(move) : move;
  }

  private *moveAndArrive(move: Task<boolean>): Task<boolean> {
    const moved = yield* move;
    if (!this.knowsSharing()) yield* this.learnSharing();
    if (moved && this.copiesEagerly) this.prepare();
    return moved;
  }

  protected override seekWanted(): Task<void> {
    if (!this.tryDescend() || !this.knowsSharing()) return this.seekAndArriveSlowly();
    if (this.copiesEagerly) this.prepare();
    return DONE;
  }

  private *seekAndArriveSlowly(): Task<void> {
    while (!this.tryDescend()) yield* this.readMissing();
    if (!this.knowsSharing()) yield* this.learnSharing();
    if (this.copiesEagerly) this.prepare();
  }

  /** Puts a new item where the last `seek`, which did not find the key, came to rest. Throws ENOSPC with no change. */
  insert(key: Key, bytes: Uint8Array): void {
    const dataAt = this.open(key, bytes.length);
    this.blocks[0]!.bytes.set(bytes, dataAt);
  }

  /** As `insert`, but leaves the data for the caller to fill. Returns where it begins in `view`. */
  open(key: Key, size: number): number {
    const slot = this.openSlot(size);
    writeKey(this.blocks[0]!.view, HEADER_SIZE + slot * ITEM_SIZE, key);
    if (slot === 0) this.fixLowKeys(0);
    return this.dataOffset;
  }

  /** As `open` with the key of the last seek, all 64 bits of its parts exact. */
  openWanted(size: number): number {
    const slot = this.openSlot(size);
    this.wanted.write(this.blocks[0]!.view, HEADER_SIZE + slot * ITEM_SIZE);
    if (slot === 0) this.fixLowKeys(0);
    return this.dataOffset;
  }

  private openSlot(size: number): number {
    assert(!this.found, 'an item is inserted where none is', { tree: this.tree.id });
    this.prepare();
    const need = size + ITEM_SIZE;
    const capacity = leafCapacity(this.fs.nodeSize);
    assert(need <= capacity, 'an item fits into an empty leaf', { size, capacity });
    if (leafFreeBytes(this.blocks[0]!.view) < need) this.splitLeafFor(need);
    const slot = this.slots[0]!;
    openItem(this.blocks[0]!, slot, size);
    this.found = true;
    return slot;
  }

  /**
   * Takes the item away. The cursor is then at the item that followed if that lies in the same leaf, else not valid:
   * seek again.
   */
  remove(): void {
    this.removeItems(1);
  }

  /** Takes away the item and those after it in the same leaf, `howMany` in all. */
  removeItems(howMany: number): void {
    assert(this.isValid, 'only an item that is there is removed', { tree: this.tree.id });
    this.prepare();
    const leaf = this.blocks[0]!;
    const slot = this.slots[0]!;
    closeItems(leaf, slot, howMany);
    this.found = false;
    if (leaf.count === 0) {
      this.removeEmptyLeaf();
      return;
    }
    if (slot === 0) this.fixLowKeys(0);
    this.mergeIfSparse(0);
  }

  /** Gives the item other bytes, in place where the size is the same. Throws ENOSPC. */
  replace(bytes: Uint8Array): void {
    this.resize(bytes.length);
    this.blocks[0]!.bytes.set(bytes, this.dataOffset);
  }

  /** Changes the size of the item's data; the first bytes stay, new ones at its end are undefined. Throws ENOSPC. */
  resize(size: number): void {
    assert(this.isValid, 'only an item that is there is resized', { tree: this.tree.id });
    this.prepare();
    const growth = size - itemSize(this.blocks[0]!.view, this.slots[0]!);
    if (growth > leafFreeBytes(this.blocks[0]!.view)) this.makeRoomToGrow(growth);
    resizeItem(this.blocks[0]!, this.slots[0]!, size);
  }

  /** Gives the item another key that sorts between its neighbours. */
  rekey(key: Key): void {
    this.prepare();
    writeKey(this.blocks[0]!.view, HEADER_SIZE + this.slots[0]! * ITEM_SIZE, key);
    if (this.slots[0] === 0) this.fixLowKeys(0);
  }
}

/**
 * Locks the tree exclusively and goes where `key` is or would be; the path is copied, so item bytes may be changed in
 * place. `bytesNeeded`: data and header of what will be inserted, so that a lack of space shows before anything
 * changed. Throws ENOSPC, EIO.
 */
export function* searchForChange(change: TreeChange, tree: Tree, key: Key, bytesNeeded: number): Task<ChangeCursor> {
  const cursor = new ChangeCursor(change, tree, yield* tree.lock.acquire('exclusive'), true);
  try {
    yield* cursor.seek(key.objectid, key.type, key.offset);
    if (bytesNeeded > 0) {
      const capacity = leafCapacity(change.fs.nodeSize);
      assert(bytesNeeded <= capacity, 'an item fits into an empty leaf', { bytesNeeded, capacity });
      if (leafFreeBytes(cursor.view) < bytesNeeded) change.requireTreeBlocks(tree, 2 * tree.root.level + 3);
    }
    return cursor;
  } catch (error) {
    cursor.release();
    throw error;
  }
}

/** Locks the tree exclusively for several changes. Moves copy nothing: each change copies its own path. */
export function* openForChange(change: TreeChange, tree: Tree): Task<ChangeCursor> {
  return new ChangeCursor(change, tree, yield* tree.lock.acquire('exclusive'), false);
}

/** Adds an item. Throws EEXIST when there is one with this key. */
export function* insertItem(change: TreeChange, tree: Tree, key: Key, bytes: Uint8Array): Task<void> {
  const cursor = yield* openForChange(change, tree);
  try {
    yield* cursor.seek(key.objectid, key.type, key.offset);
    if (cursor.found) throw new FsError('EEXIST', `insert of item ${showKey(key)} into tree ${tree.id}: it is there`);
    cursor.insert(key, bytes);
  } finally {
    cursor.release();
  }
}

/** Gives an item other bytes. Throws ENOENT when there is none with this key. */
export function* updateItem(change: TreeChange, tree: Tree, key: Key, bytes: Uint8Array): Task<void> {
  const cursor = yield* openForChange(change, tree);
  try {
    yield* cursor.seek(key.objectid, key.type, key.offset);
    if (!cursor.found)
      throw new FsError('ENOENT', `update of item ${showKey(key)} of tree ${tree.id}: it is not there`);
    cursor.replace(bytes);
  } finally {
    cursor.release();
  }
}

/** Takes an item away. Throws ENOENT when there is none with this key. */
export function* removeItem(change: TreeChange, tree: Tree, key: Key): Task<void> {
  const cursor = yield* openForChange(change, tree);
  try {
    yield* cursor.seek(key.objectid, key.type, key.offset);
    if (!cursor.found)
      throw new FsError('ENOENT', `removal of item ${showKey(key)} of tree ${tree.id}: it is not there`);
    cursor.remove();
  } finally {
    cursor.release();
  }
}
