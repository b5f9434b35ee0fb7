import { assert } from '../../base/assert.ts';
import type { ByteCount, Generation, LogicalAddress } from '../../base/units.ts';
import { Completed, DONE, type Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { EXTENT_FLAG } from '../format/extent-item.ts';
import { TREE_ID } from '../format/key.ts';
import type { BlockGroup } from '../space/block-group.ts';
import type { Tree, TreeChange } from '../tree/tree.ts';
import type { TreeBlock } from '../tree/tree-block.ts';
import { allocateChunkOnDemand } from './chunk-allocation.ts';
import { commitTransaction } from './commit.ts';
import type { TreeBlockReferrer } from './delayed-references.ts';
import type { FsInfo } from './fs-info.ts';
import { promiseMetadata } from './metadata-promise.ts';
import { knowsSharing, learnSharing, leaveBlock } from './shared-blocks.ts';
import { DELAYED_REFERENCES, READ_ONLY, TRANSACTION } from './shared-state.ts';
import { Transaction } from './transaction.ts';

/** A task's part in the running transaction: while it is open, the transaction cannot be committed. */
export class TransactionHandle implements TreeChange {
  readonly fs: FsInfo;
  readonly transaction: Transaction;
  readonly generation: Generation;
  /** Not a mere joiner. */
  readonly isExternal: boolean;
  /** Of metadata space, until the end. */
  readonly promised: ByteCount;
  /** Groups that the handle made and whose items are in no tree yet; null when it made none. */
  newGroups: BlockGroup[] | null = null;
  isOpen = true;

  constructor(fs: FsInfo, transaction: Transaction, isExternal: boolean, promised: ByteCount) {
    this.fs = fs;
    this.transaction = transaction;
    this.generation = transaction.id;
    this.isExternal = isExternal;
    this.promised = promised;
  }

  requireTreeBlocks(tree: Tree, howMany: number): void {
    const failure = this.fs.world.mayFail('allocate-tree-block');
    if (failure !== null) throw new FsError(failure, `allocation of a block of tree ${tree.id}`);
    if (this.hasTreeBlocks(tree, howMany)) return;
    throw new FsError('ENOSPC', `allocation of ${howMany} blocks of tree ${tree.id}: no metadata space is left`);
  }

  hasTreeBlocks(tree: Tree, howMany: number): boolean {
    return this.fs.space.hasTreeBlocks(groupTypeOf(tree), howMany);
  }

  allocateTreeBlock(tree: Tree, level: number): LogicalAddress {
    const { fs } = this;
    const logical = fs.space.allocateTreeBlock(groupTypeOf(tree));
    if (logical < 0) throw new FsError('ENOSPC', `allocation of a block of tree ${tree.id}: no metadata space is left`);
    this.delayed.addTreeBlock(logical, fs.nodeSize, level, { root: tree.id, parent: 0 }, this.generation, 1, true);
    tree.bytesUsed += fs.nodeSize;
    return logical;
  }

  freeTreeBlock(tree: Tree, block: TreeBlock): void {
    const { fs } = this;
    tree.bytesUsed -= fs.nodeSize;
    const head = this.delayed.find(block.address);
    if (head?.isNew) {
      // Made and dropped by this transaction, and nothing has heard of it yet: as if it had never been.
      this.delayed.cancel(block.address);
      block.isDirty = false;
      fs.space.releaseReserved(block.address, fs.nodeSize);
      return;
    }
    block.isDirty = false;
    this.referToTreeBlock(block.address, block.level, { root: tree.id, parent: 0 }, -1);
  }

  knowsSharing(tree: Tree, block: TreeBlock): boolean {
    return knowsSharing(this, tree, block);
  }

  learnSharing(block: TreeBlock): Task<void> {
    return learnSharing(this, block);
  }

  leaveBlock(tree: Tree, block: TreeBlock): void {
    leaveBlock(this, tree, block);
  }

  /** One reference more or less to a block that the transaction did not make. */
  referToTreeBlock(logical: LogicalAddress, level: number, referrer: TreeBlockReferrer, change: 1 | -1): void {
    this.delayed.addTreeBlock(logical, this.fs.nodeSize, level, referrer, this.generation, change, false);
    this.transaction.sharedBlocks.note(logical, change, 0);
  }

  /** From now on the block refers itself to what it leads to. */
  makeReferrer({ address, level }: TreeBlock): void {
    const flags = EXTENT_FLAG.FULL_BACKREF;
    this.delayed.addTreeBlockFlags(address, this.fs.nodeSize, level, this.generation, flags);
    this.transaction.sharedBlocks.note(address, 0, flags);
  }

  noteDirty(block: TreeBlock): void {
    this.transaction.noteDirty(block);
  }

  noteRoot(tree: Tree): void {
    this.transaction.noteRoot(tree);
  }

  get delayed() {
    this.fs.world.touch(DELAYED_REFERENCES, 'update');
    return this.transaction.delayedReferences;
  }
}

function groupTypeOf(tree: Tree): number {
  return tree.id === TREE_ID.CHUNK_TREE ? BLOCK_GROUP_FLAG.SYSTEM : BLOCK_GROUP_FLAG.METADATA;
}

export interface StartOptions {
  /** How many items the handle will change, for the promise of metadata space; default 1. */
  readonly items?: number;
  /** The handle frees more than it takes (unlink, truncate): it may use the reserve. */
  readonly releasesSpace?: boolean;
  /**
   * May enter while a commit waits for other writers, and without a promise when there is none to have, as the
   * completion of ordered extents must.
   */
  readonly joins?: boolean;
}

const DEFAULT_OPTIONS: StartOptions = {};

/**
 * Enters the running transaction, or starts one. Waits while a commit lets nobody in. Without metadata space to promise,
 * allocates chunks while there is room for any, and commits once to regain space.
 * Throws EROFS when read-only, ENOSPC when metadata space is short. The caller holds no tree lock and no other handle.
 */
export function startTransaction(fs: FsInfo, options: StartOptions = DEFAULT_OPTIONS): Task<TransactionHandle> {
  throwIfReadOnly(fs);
  const failure = fs.world.mayFail('reserve-metadata-space');
  if (failure !== null) throw new FsError(failure, 'reservation of metadata space');
  const handle = tryStart(fs, options);
  return handle !== null ? new Completed(handle) : startWhenPossible(fs, options);
}

function* startWhenPossible(fs: FsInfo, options: StartOptions): Task<TransactionHandle> {
  let mayCommit = true;
  for (;;) {
    throwIfReadOnly(fs);
    const handle = tryStart(fs, options);
    if (handle !== null) return handle;
    if (!isOpenTo(fs, options)) yield* fs.transactionQueue.wait();
    else if (yield* allocateChunkOnDemand(fs, BLOCK_GROUP_FLAG.METADATA)) continue;
    else if (mayCommit) {
      // What running and committing transactions freed can be had only after their commit.
      mayCommit = false;
      yield* commitTransaction(fs);
    } else if (options.joins === true) {
      // Its data was accepted when there was room: it takes from the reserve what it needs.
      return enterTransaction(fs, false, 0);
    } else throw new FsError('ENOSPC', 'reservation of metadata space: none is left');
  }
}

/**
 * Enters the running transaction, or starts one, as a mere joiner: also while a commit waits for other writers, and with
 * no promise of space. Throws EROFS. The caller holds no other handle.
 */
export function* joinTransaction(fs: FsInfo): Task<TransactionHandle> {
  for (;;) {
    throwIfReadOnly(fs);
    fs.world.touch(TRANSACTION, 'read');
    if (isOpenTo(fs, JOINING)) return enterTransaction(fs, false, 0);
    yield* fs.transactionQueue.wait();
  }
}

const JOINING: StartOptions = { joins: true };

/** Null when the transaction takes nobody in now, or there is no metadata space to promise. */
function tryStart(fs: FsInfo, options: StartOptions): TransactionHandle | null {
  if (!isOpenTo(fs, options)) return null;
  const { items = 1, releasesSpace = false, joins = false } = options;
  const promised = promiseMetadata(fs, { items, releasesSpace, joins });
  if (promised === null) return null;
  return enterTransaction(fs, options.joins !== true, promised);
}

function isOpenTo(fs: FsInfo, options: StartOptions): boolean {
  const running = fs.runningTransaction;
  if (running === null || running.state === 'running') return true;
  return running.state === 'commit-start' && options.joins === true;
}

/** Enters without asking: for the commit itself. */
export function enterTransaction(fs: FsInfo, isExternal: boolean, promised: ByteCount): TransactionHandle {
  // Entering and leaving commute with each other, not with the commit that counts who is inside.
  fs.world.touch(TRANSACTION, 'update');
  fs.runningTransaction ??= new Transaction(fs.generation + 1);
  const transaction = fs.runningTransaction;
  transaction.writers++;
  if (isExternal) transaction.externalWriters++;
  return new TransactionHandle(fs, transaction, isExternal, promised);
}

/** Leaves the transaction. The handle may not be used afterwards. */
export function endTransaction(handle: TransactionHandle): Task<void> {
  leaveTransaction(handle);
  return DONE;
}

/** `endTransaction` for `finally` blocks. */
export function leaveTransaction(handle: TransactionHandle): void {
  assert(handle.isOpen, 'a handle is ended once', { transaction: handle.generation });
  const { fs, transaction } = handle;
  fs.world.touch(TRANSACTION, 'update');
  handle.isOpen = false;
  if (handle.promised > 0) fs.space.returnPromise(handle.promised);
  transaction.leave(handle.isExternal);
  if (transaction.hasCommitter) fs.transactionQueue.wakeAll();
}

/** Throws EROFS. `tree`: the subvolume that is to be changed, which may be read-only by itself. */
export function throwIfReadOnly(fs: FsInfo, tree: Tree | null = null): void {
  if (tree?.isReadOnly) throw new FsError('EROFS', `subvolume ${tree.id} is read-only`);
  fs.world.touch(READ_ONLY, 'read');
  if (!fs.isReadOnly) return;
  const reason = fs.aborted === null ? 'it was mounted so' : `aborted with ${fs.aborted} at ${fs.abortedWhere}`;
  throw new FsError('EROFS', `the file system is read-only: ${reason}`);
}
