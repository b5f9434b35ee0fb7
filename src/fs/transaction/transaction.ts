import { assert } from '../../base/assert.ts';
import type { Range } from '../../base/range.ts';
import type { Generation, LogicalAddress } from '../../base/units.ts';
import type { BlockGroup } from '../space/block-group.ts';
import type { Tree } from '../tree/tree.ts';
import type { TreeBlock } from '../tree/tree-block.ts';
import type { DeviceRange } from '../volume/device.ts';
import { DelayedReferences } from './delayed-references.ts';
import { SharedBlocks } from './shared-blocks.ts';

/** The kernel's states. Who may enter: `running` all; `commit-start` those that join; later ones nobody. */
export const TRANSACTION_STATES = [
  'running',
  'commit-start',
  'commit-doing',
  'unblocked',
  'superblock-committed',
  'completed',
  'aborted',
] as const;
export type TransactionState = (typeof TRANSACTION_STATES)[number];

/** One step from a consistent tree to the next. */
export class Transaction {
  readonly id: Generation;
  state: TransactionState = 'running';
  /** Somebody commits it: others wait instead of doing the same. */
  hasCommitter = false;
  /** Open handles of all kinds. */
  writers = 0;
  /** Open handles that are no mere joiners: the commit waits for these first. */
  externalWriters = 0;
  readonly delayedReferences = new DelayedReferences();
  readonly sharedBlocks = new SharedBlocks();
  /** Freed by this transaction; allocatable after its end (R1). */
  readonly pinned: Range[] = [];
  /** Removed groups whose space is discarded once the transaction is durable: frozen, each with a reference. */
  readonly deletedGroups: BlockGroup[] = [];
  /** Of removed chunks: unallocated once the commit roots are this transaction's. */
  readonly freedDeviceRanges: DeviceRange[] = [];
  /** Its roots have become the commit roots. */
  hasCommitRoots = false;
  /** The commit writes block group items already: who wants to set a group read-only waits for the next transaction. */
  writesGroupItems = false;
  private dirtyBlocks: TreeBlock[] = [];
  private movedRoots: Tree[] = [];

  constructor(id: Generation) {
    this.id = id;
  }

  noteDirty(block: TreeBlock): void {
    block.isDirty = true;
    if (block.isListed) return;
    block.isListed = true;
    this.dirtyBlocks.push(block);
  }

  noteRoot(tree: Tree): void {
    if (tree.isRootListed) return;
    tree.isRootListed = true;
    this.movedRoots.push(tree);
  }

  /** Trees whose root moved since the last call, in the order of their root items. */
  takeMovedRoots(): Tree[] {
    const trees = this.movedRoots;
    this.movedRoots = [];
    for (const tree of trees) tree.isRootListed = false;
    return trees.sort((a, b) => compareTreeIds(a.id, b.id));
  }

  get hasMovedRoots(): boolean {
    return this.movedRoots.length > 0;
  }

  /** The blocks to write, in logical order. Blocks that were freed again before are not among them. */
  takeDirtyBlocks(): TreeBlock[] {
    const blocks = this.dirtyBlocks;
    this.dirtyBlocks = [];
    for (const block of blocks) block.isListed = false;
    return blocks.filter((block) => block.isDirty).sort((a, b) => a.address - b.address);
  }

  pin(logical: LogicalAddress, length: number): void {
    this.pinned.push({ start: logical, length });
  }

  /** True when the commit would leave the disk as it is. */
  get isUnchanged(): boolean {
    return (
      this.dirtyBlocks.length === 0 &&
      this.delayedReferences.size === 0 &&
      this.movedRoots.length === 0 &&
      this.pinned.length === 0 &&
      this.deletedGroups.length === 0
    );
  }

  leave(isExternal: boolean): void {
    assert(this.writers > 0, 'a handle is ended once', { transaction: this.id });
    this.writers--;
    if (isExternal) this.externalWriters--;
  }
}

function compareTreeIds(a: number, b: number): number {
  if (a < 0 !== b < 0) return a < 0 ? 1 : -1;
  return a - b;
}
