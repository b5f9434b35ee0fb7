import { assert } from '../../base/assert.ts';
import { viewOf } from '../../base/bytes.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { setBlockGroupUsed } from '../format/block-group.ts';
import { KEY_TYPE, TREE_ID } from '../format/key.ts';
import { setRootItemBytesUsed, setRootItemNode } from '../format/root-item.ts';
import { sealTreeBlock } from '../format/tree-block.ts';
import { openForChange, updateItem } from '../tree/change-cursor.ts';
import type { Tree } from '../tree/tree.ts';
import type { TreeBlock } from '../tree/tree-block.ts';
import { type DeviceSuperblocks, writeSuperblocks } from '../volume/superblock-write.ts';
import { flushAllDevices, type PendingWrite, submitLogicalWrite } from '../volume/volume.ts';
import { abortTransaction } from './abort.ts';
import { snapshotOfGroups } from './block-group-observation.ts';
import { createPendingBlockGroups } from './chunk-allocation.ts';
import { giveBackDeviceRanges } from './chunk-map-erase.ts';
import { commitDeviceSizes, writeDeviceItems } from './device-items.ts';
import { discardPinned, finishExtentCommit } from './extent-commit.ts';
import type { FsInfo } from './fs-info.ts';
import { enterTransaction, leaveTransaction, type TransactionHandle } from './handle.ts';
import { markQuotaInconsistent } from './quota-status.ts';
import { replaceItemCommitted, writeReplaceItem } from './replace-item.ts';
import { runDelayedReferences } from './run-delayed-references.ts';
import { continueScrubs, pauseScrubs } from './scrub-control.ts';
import { GROUP_ITEMS, TRANSACTION } from './shared-state.ts';
import { prepareSuperblock, superblocksOfDevices } from './superblock-commit.ts';
import type { Transaction } from './transaction.ts';

/**
 * Makes everything that tasks changed before this call durable. When somebody commits already, waits for that: what
 * the caller did is part of it, or of one before. With nothing to commit, writes nothing.
 *
 * Throws EROFS on a read-only file system, and the errno of the abort when the commit fails. The caller holds no
 * handle and no tree lock.
 */
export function* commitTransaction(fs: FsInfo): Task<void> {
  if (fs.aborted !== null) throw new FsError('EROFS', `commit: aborted with ${fs.aborted} at ${fs.abortedWhere}`);
  fs.world.touch(TRANSACTION, 'read');
  const transaction = fs.runningTransaction;
  if (transaction === null || transaction.hasCommitter) {
    const awaited = transaction ?? fs.committingTransaction;
    if (awaited !== null) yield* waitUntilCompleted(fs, awaited);
    return;
  }
  fs.world.touch(TRANSACTION, 'write');
  transaction.hasCommitter = true;
  const handle = enterTransaction(fs, false, 0);
  try {
    yield* commit(fs, transaction, handle);
  } catch (error) {
    if (error instanceof FsError) abortTransaction(fs, error.code, error.where);
    else throw error;
    throw new FsError(fs.aborted!, `commit of transaction ${transaction.id}: ${fs.abortedWhere}`);
  } finally {
    if (handle.isOpen) leaveTransaction(handle);
  }
}

/** The order is the kernel's (5.10). What later features add has its place here: relocation, tree log. */
function* commit(fs: FsInfo, transaction: Transaction, handle: TransactionHandle): Task<void> {
  yield* fs.world.point('commit-start');
  yield* runDelayedReferences(handle); //                       while others still write
  if (handle.newGroups !== null) yield* createPendingBlockGroups(handle);
  startWritingGroupItems(fs, transaction); //                   who sets a group read-only waits for the next one
  yield* waitForPreviousTransaction(fs, transaction);
  yield* waitForExternalWriters(fs, transaction); //            running → commit-start
  yield* pauseScrubs(fs); //                                    they read commit roots without a lock
  try {
    yield* waitForAllWriters(fs, transaction); //               commit-start → commit-doing
    if (finishUnchanged(fs, transaction, handle)) return;
    yield* writeOut(fs, transaction, handle);
  } finally {
    continueScrubs(fs);
  }
}

/** From the moment when nobody but the commit is left in the transaction. */
function* writeOut(fs: FsInfo, transaction: Transaction, handle: TransactionHandle): Task<void> {
  yield* fs.world.point('commit-write-items');
  yield* runDelayedReferences(handle);
  yield* markQuotaInconsistent(handle);
  yield* writeReplaceItem(handle);
  yield* writeDeviceItems(handle);
  yield* writeCowOnlyItems(handle); //                          root items and block groups, until nothing moves
  yield* fs.world.point('commit-switch-roots');
  yield* switchCommitRoots(fs, transaction);
  const groups = fs.world.observed ? snapshotOfGroups(fs) : null;
  const blocks = transaction.takeDirtyBlocks();
  commitDeviceSizes(fs);
  const superblock = prepareSuperblock(fs, transaction.id);
  unblock(fs, transaction, handle); //                          commit-doing → unblocked: N + 1 may begin
  if (fs.mutations.has('discard-before-commit')) yield* discardPinned(fs, transaction);
  yield* fs.world.point('commit-write-trees');
  yield* writeTreeBlocks(fs, blocks); //                        nothing on disk points at them yet
  yield* fs.world.point('commit-write-superblocks');
  const superblocks = superblocksOfDevices(fs, superblock); //  the same devices as are flushed now
  yield* flushBeforeSuperblocks(fs);
  yield* commitSuperblocks(fs, transaction, superblocks); //    the one instant at which the new state is reachable
  yield* fs.world.point('commit-unpin');
  yield* finishExtentCommit(fs, transaction); //                only now may the old extents be reused
  replaceItemCommitted(fs);
  complete(fs, transaction); //                                 superblock-committed → completed
  if (groups !== null) fs.world.observe({ kind: 'block-groups', moment: 'committed', ...groups });
}

function startWritingGroupItems(fs: FsInfo, transaction: Transaction): void {
  fs.world.touch(GROUP_ITEMS, 'write');
  transaction.writesGroupItems = true;
}

/** Two commits never overlap: N + 1 may collect changes while N is written, but not commit them. */
function* waitForPreviousTransaction(fs: FsInfo, transaction: Transaction): Task<void> {
  for (;;) {
    throwIfAborted(fs);
    fs.world.touch(TRANSACTION, 'write');
    if (fs.committingTransaction === null) break;
    yield* fs.transactionQueue.wait();
  }
  fs.committingTransaction = transaction;
}

function* waitForExternalWriters(fs: FsInfo, transaction: Transaction): Task<void> {
  transaction.state = 'commit-start';
  for (;;) {
    throwIfAborted(fs);
    fs.world.touch(TRANSACTION, 'write');
    if (transaction.externalWriters === 0) return;
    yield* fs.transactionQueue.wait();
  }
}

function* waitForAllWriters(fs: FsInfo, transaction: Transaction): Task<void> {
  transaction.state = 'commit-doing';
  for (;;) {
    throwIfAborted(fs);
    fs.world.touch(TRANSACTION, 'write');
    // The commit's own handle is the last one.
    if (transaction.writers === 1) return;
    yield* fs.transactionQueue.wait();
  }
}

/** Handles came and went without a change: the transaction ends as if it had never begun. */
function finishUnchanged(fs: FsInfo, transaction: Transaction, handle: TransactionHandle): boolean {
  if (!transaction.isUnchanged || fs.space.hasDirtyGroups) return false;
  if (fs.updatedDevices.length > 0 || fs.volume.replace.needsWriteback) return false;
  leaveTransaction(handle);
  transaction.state = 'completed';
  fs.runningTransaction = null;
  fs.committingTransaction = null;
  fs.transactionQueue.wakeAll();
  return true;
}

/**
 * Root items and block group items: writing them copies blocks of the root and extent trees, which moves roots and
 * frees extents, which must be written again; it ends when every path involved has been copied.
 */
function* writeCowOnlyItems(handle: TransactionHandle): Task<void> {
  const { fs, transaction } = handle;
  do {
    for (const tree of transaction.takeMovedRoots()) yield* writeRootItem(handle, tree);
    yield* runDelayedReferences(handle);
    yield* writeBlockGroupItems(handle);
    yield* runDelayedReferences(handle);
  } while (transaction.hasMovedRoots || fs.space.hasDirtyGroups);
}

function* writeRootItem(handle: TransactionHandle, tree: Tree): Task<void> {
  // The superblock points to these two.
  if (tree.id === TREE_ID.ROOT_TREE || tree.id === TREE_ID.CHUNK_TREE) return;
  const item = tree.rootItem.slice();
  const view = viewOf(item);
  const { root } = tree;
  const generation = handle.fs.mutations.has('stale-parent-generation') ? root.generation - 1 : root.generation;
  setRootItemNode(view, 0, { bytenr: root.address, level: root.level, generation });
  setRootItemBytesUsed(view, 0, tree.bytesUsed);
  tree.rootItem = item;
  const key = { objectid: tree.id, type: KEY_TYPE.ROOT_ITEM, offset: tree.rootKeyOffset };
  yield* updateItem(handle, handle.fs.trees.root, key, item);
}

function* writeBlockGroupItems(handle: TransactionHandle): Task<void> {
  const { fs } = handle;
  const groups = fs.space.takeDirtyGroups();
  if (groups.length === 0 || fs.mutations.has('lose-block-group-update')) return;
  const cursor = yield* openForChange(handle, fs.trees.blockGroup ?? fs.trees.extent);
  try {
    for (const group of groups) {
      yield* cursor.seek(group.start, KEY_TYPE.BLOCK_GROUP_ITEM, group.length);
      if (!cursor.found) throw new FsError('ENOENT', `block group ${group.start} has no item`);
      cursor.prepare();
      setBlockGroupUsed(cursor.view, cursor.dataOffset, group.used);
    }
  } finally {
    cursor.release();
  }
}

/** All at once, so that a reader of commit roots sees one transaction's trees and never two halves. */
function* switchCommitRoots(fs: FsInfo, transaction: Transaction): Task<void> {
  const wrongOrder = fs.mutations.has('lock-order-swap') ? yield* fs.trees.root.lock.acquire('shared') : null;
  const held = yield* fs.commitRootLock.acquire('exclusive');
  for (const tree of openTrees(fs)) {
    if (tree.commitRoot === tree.root) continue;
    fs.world.touch(tree.resource, 'write');
    tree.commitRoot = tree.root;
  }
  transaction.hasCommitRoots = true;
  giveBackDeviceRanges(fs, transaction.freedDeviceRanges.splice(0));
  if (!fs.mutations.has('forget-lock-release')) held.release();
  wrongOrder?.release();
  assert(transaction.state === 'commit-doing', 'roots switch while nobody writes', { state: transaction.state });
}

/** Every tree in memory, in a fixed order. */
export function openTrees(fs: FsInfo): Tree[] {
  const { root, extent, chunk, dev, fs: top, csum, uuid, freeSpace, blockGroup, dataReloc, quota } = fs.trees;
  const trees = [root, extent, chunk, dev, top, csum, uuid, freeSpace, blockGroup, dataReloc, quota];
  const subvolumes = [...fs.subvolumes.values()].sort((a, b) => a.id - b.id);
  return [...trees.filter((tree) => tree !== null), ...subvolumes];
}

function unblock(fs: FsInfo, transaction: Transaction, handle: TransactionHandle): void {
  fs.world.touch(TRANSACTION, 'write');
  leaveTransaction(handle);
  assert(transaction.writers === 0, 'nobody is left inside a transaction that is written', {
    writers: transaction.writers,
  });
  transaction.state = 'unblocked';
  fs.runningTransaction = null;
  fs.generation = transaction.id;
  fs.transactionQueue.wakeAll();
}

function* writeTreeBlocks(fs: FsInfo, blocks: readonly TreeBlock[]): Task<void> {
  const pending: PendingWrite[] = [];
  for (const block of blocks) {
    sealTreeBlock(block.bytes);
    const purpose = { kind: 'tree-block', tree: block.owner } as const;
    pending.push(yield* submitLogicalWrite(fs, block.address, block.bytes, purpose));
  }
  let failure: FsError | null = null;
  for (const [index, write] of pending.entries()) {
    const error = yield* write.wait();
    const block = blocks[index]!;
    block.isDirty = false;
    if (error === null || fs.mutations.has('ignore-tree-write-error')) continue;
    failure ??= new FsError(error, `write of tree block ${block.address} of tree ${block.owner}`);
  }
  if (failure !== null) throw failure;
  throwIfAborted(fs);
}

function* flushBeforeSuperblocks(fs: FsInfo): Task<void> {
  if (fs.mutations.has('skip-flush-before-superblock')) return;
  const error = yield* flushAllDevices(fs);
  if (error !== null) throw new FsError(error, 'flush of the devices before the superblocks');
  throwIfAborted(fs);
}

function* commitSuperblocks(
  fs: FsInfo,
  transaction: Transaction,
  superblocks: readonly DeviceSuperblocks[],
): Task<void> {
  const error = yield* writeSuperblocks(fs, superblocks);
  if (error !== null) throw new FsError(error, 'write of the superblocks');
  if (transaction.state === 'unblocked') transaction.state = 'superblock-committed';
}

function complete(fs: FsInfo, transaction: Transaction): void {
  fs.world.touch(TRANSACTION, 'write');
  fs.lastCommitted = transaction.id;
  fs.committingTransaction = null;
  if (transaction.state === 'superblock-committed') transaction.state = 'completed';
  fs.transactionQueue.wakeAll();
}

/** Waits for the end of the transaction's commit, which somebody has begun. Throws the errno of an abort. */
export function* waitUntilCompleted(fs: FsInfo, transaction: Transaction): Task<void> {
  for (;;) {
    fs.world.touch(TRANSACTION, 'read');
    if (transaction.state === 'completed') return;
    if (fs.aborted !== null)
      throw new FsError(fs.aborted, `commit of transaction ${transaction.id}: ${fs.abortedWhere}`);
    yield* fs.transactionQueue.wait();
  }
}

function throwIfAborted(fs: FsInfo): void {
  if (fs.aborted !== null) throw new FsError(fs.aborted, fs.abortedWhere);
}
