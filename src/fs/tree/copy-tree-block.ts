import { viewOf } from '../../base/bytes.ts';
import {
  HEADER_FLAG_WRITTEN,
  setBlockAddress,
  setBlockFlags,
  setBlockGeneration,
  setBlockOwner,
  setPointer,
} from '../format/tree-block.ts';
import type { Tree, TreeChange } from './tree.ts';
import type { TreeBlock } from './tree-block.ts';

/** True when the block was made by the running transaction and not yet written: it may be changed in place. */
export function isOwn(block: TreeBlock, change: TreeChange): boolean {
  return block.generation === change.generation && block.isDirty;
}

/**
 * Copies a block to a new address for this transaction, and links the copy where the original was. `change` must know
 * how the block is shared.
 */
export function copyTreeBlock(
  change: TreeChange,
  tree: Tree,
  block: TreeBlock,
  parent: TreeBlock | null,
  slot: number,
): TreeBlock {
  const address = change.allocateTreeBlock(tree, block.level);
  const bytes = block.bytes.slice();
  const copy = change.fs.blocks.initialise(address, bytes, viewOf(bytes));
  const view = copy.view;
  setBlockAddress(view, address);
  setBlockFlags(view, HEADER_FLAG_WRITTEN);
  setBlockGeneration(view, change.generation);
  setBlockOwner(view, tree.id);
  copy.generation = change.generation;
  copy.owner = tree.id;
  change.noteDirty(copy);
  if (parent === null) {
    tree.root = copy;
    change.noteRoot(tree);
  } else {
    setPointer(parent.view, slot, address, change.generation);
  }
  change.leaveBlock(tree, block);
  return copy;
}
