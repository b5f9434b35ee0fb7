import { readU64 } from '../../base/bytes.ts';
import type { LogicalAddress, TreeId } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { EXTENT_FLAG, EXTENT_ITEM_SIZE, extentFlags, extentRefs } from '../format/extent-item.ts';
import { INCOMPAT } from '../format/feature-flags.ts';
import {
  FILE_EXTENT_SIZE,
  FILE_EXTENT_TYPE,
  fileExtentDiskBytenr,
  fileExtentDiskNumBytes,
  fileExtentOffset,
  fileExtentType,
} from '../format/file-extent.ts';
import { KEY_TYPE } from '../format/key.ts';
import {
  blockFlags,
  HEADER_FLAG_RELOC,
  HEADER_SIZE,
  ITEM_SIZE,
  itemDataAt,
  itemSize,
  pointerAddress,
} from '../format/tree-block.ts';
import { searchCommitRoot } from '../tree/cursor.ts';
import type { Tree } from '../tree/tree.ts';
import type { TreeBlock } from '../tree/tree-block.ts';
import type { TransactionHandle } from './handle.ts';
import { DELAYED_REFERENCES } from './shared-state.ts';

/**
 * Tree blocks that several subvolumes lead to since a snapshot, and what becomes of the back references when one of them
 * copies such a block: the rules of Linux' update_ref_for_cow (fs/btrfs/ctree.c), told here in the engine's terms.
 *
 * What a block leads to, child blocks or data extents, is referred to either by the tree that owns the block, or, with
 * FULL_BACKREF in the block's extent item, by the block itself. As long as the owner shares a block unchanged, the
 * references of the owner are enough for all who share it. When the owner leaves, they go with it to its copy, and the
 * block that stays behind becomes the referrer.
 */

/** How often a tree block is referred to, and the flags of its extent item. */
interface Sharing {
  refs: number;
  flags: number;
}

/** Of one transaction: what it knows of blocks as the last commit left them, and what it has changed since. */
export class SharedBlocks {
  private readonly committed = new Map<LogicalAddress, Readonly<Sharing>>();
  private readonly changes = new Map<LogicalAddress, Sharing>();

  isKnown(address: LogicalAddress): boolean {
    return this.committed.has(address);
  }

  learn(address: LogicalAddress, sharing: Readonly<Sharing>): void {
    this.committed.set(address, sharing);
  }

  /** To be told of every change of a block that the transaction did not make, wherever the change is now. */
  note(address: LogicalAddress, refs: number, flags: number): void {
    const change = this.changes.get(address);
    if (change === undefined) {
      this.changes.set(address, { refs, flags });
      return;
    }
    change.refs += refs;
    change.flags |= flags;
  }

  /** As of now; the block must be known. */
  sharingOf(address: LogicalAddress): Readonly<Sharing> {
    const { refs, flags } = this.committed.get(address)!;
    const change = this.changes.get(address);
    return change === undefined ? { refs, flags } : { refs: refs + change.refs, flags: flags | change.flags };
  }
}

/**
 * Whether another tree may lead to the block too. Never so for roots, nor for what was written since the last snapshot;
 * relocation leaves blocks behind whose extent items say more than their age does.
 */
export function mayBeShared(tree: Tree, block: TreeBlock): boolean {
  if (tree.lastSnapshot === 0 || block.level >= tree.root.level) return false;
  return block.generation <= tree.lastSnapshot || (blockFlags(block.view) & HEADER_FLAG_RELOC) !== 0;
}

/** True when nothing has to be read before the tree may copy the block. */
export function knowsSharing(handle: TransactionHandle, tree: Tree, block: TreeBlock): boolean {
  return !mayBeShared(tree, block) || handle.transaction.sharedBlocks.isKnown(block.address);
}

/**
 * Looks up how the last commit left the block. No lock is taken: while a handle is open the commit roots stay put, and
 * what its transaction frees is not given out again. Throws EIO, EUCLEAN where the block has no extent item.
 */
export function* learnSharing(handle: TransactionHandle, block: TreeBlock): Task<void> {
  const { fs, transaction } = handle;
  const { address, level } = block;
  const isSkinny = (fs.superblock.incompatFlags & INCOMPAT.SKINNY_METADATA) !== 0;
  const skinny = { objectid: address, type: KEY_TYPE.METADATA_ITEM, offset: level };
  const cursor = yield* searchCommitRoot(fs, fs.trees.extent, skinny);
  if (!isSkinny || !cursor.found) yield* cursor.seek(address, KEY_TYPE.EXTENT_ITEM, fs.nodeSize);
  if (!cursor.found || cursor.dataSize < EXTENT_ITEM_SIZE) {
    throw new FsError('EUCLEAN', `tree block ${address} has no extent item`);
  }
  const { view, dataOffset } = cursor;
  transaction.sharedBlocks.learn(address, {
    refs: extentRefs(view, dataOffset),
    flags: extentFlags(view, dataOffset),
  });
}

/**
 * The content of `block` lies in a block of the tree's own now: gives what it leads to the references it needs, and
 * drops the tree's reference to it. Plain; `knowsSharing` must hold. Throws EUCLEAN.
 */
export function leaveBlock(handle: TransactionHandle, tree: Tree, block: TreeBlock): void {
  if (mayBeShared(tree, block)) moveReferences(handle, tree, block);
  handle.freeTreeBlock(tree, block);
}

function moveReferences(handle: TransactionHandle, tree: Tree, block: TreeBlock): void {
  const { address } = block;
  handle.fs.world.touch(DELAYED_REFERENCES, 'read');
  const { refs, flags } = handle.transaction.sharedBlocks.sharingOf(address);
  if (refs < 1) throw new FsError('EUCLEAN', `tree block ${address} of tree ${tree.id} has ${refs} references`);
  const isReferrer = (flags & EXTENT_FLAG.FULL_BACKREF) !== 0;
  if (refs > 1 && block.owner === tree.id && !isReferrer) {
    // The owner's references go to the copy.
    changeContent(handle, block, 0, address, 1);
    handle.makeReferrer(block);
    return;
  }
  if (refs === 1 && !isReferrer) return;
  changeContent(handle, block, tree.id, 0, 1);
  if (refs === 1) changeContent(handle, block, 0, address, -1);
}

/** All that the block leads to is referred to once more, or less: by the tree `root`, or by the block `parent`. */
function changeContent(
  handle: TransactionHandle,
  block: TreeBlock,
  root: TreeId,
  parent: LogicalAddress,
  change: 1 | -1,
): void {
  const { count, level, view } = block;
  for (let slot = 0; slot < count; slot++) {
    if (level > 0) handle.referToTreeBlock(pointerAddress(view, slot), level - 1, { root, parent }, change);
    else changeExtentOf(handle, view, slot, root, parent, change);
  }
}

function changeExtentOf(
  handle: TransactionHandle,
  view: DataView,
  slot: number,
  root: TreeId,
  parent: LogicalAddress,
  change: 1 | -1,
): void {
  const keyAt = HEADER_SIZE + slot * ITEM_SIZE;
  if (view.getUint8(keyAt + 8) !== KEY_TYPE.EXTENT_DATA || itemSize(view, slot) < FILE_EXTENT_SIZE) return;
  const at = itemDataAt(view, slot);
  const logical = fileExtentDiskBytenr(view, at);
  if (fileExtentType(view, at) === FILE_EXTENT_TYPE.INLINE || logical === 0) return;
  const length = fileExtentDiskNumBytes(view, at);
  const offset = readU64(view, keyAt + 9) - fileExtentOffset(view, at);
  const owner = { tree: root, inode: readU64(view, keyAt), offset };
  if (parent === 0) handle.delayed.addData(logical, length, owner, handle.generation, change, false);
  else handle.delayed.addSharedData(logical, length, parent, handle.generation, change);
}
