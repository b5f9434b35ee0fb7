import type { ByteCount, Generation, InodeNumber, LogicalAddress, TreeId } from '../../base/units.ts';
import { KEY_TYPE } from '../format/key.ts';

/** Who refers to a data extent. `offset`: file offset − offset into the extent; may be negative. */
export interface DataOwner {
  readonly tree: TreeId;
  readonly inode: InodeNumber;
  readonly offset: number;
}

/** A change of how often one referrer refers to an extent, not yet in the extent tree. */
export interface DelayedReference {
  readonly type: typeof KEY_TYPE.TREE_BLOCK_REF | typeof KEY_TYPE.EXTENT_DATA_REF;
  readonly root: TreeId;
  readonly inode: InodeNumber;
  readonly offset: number;
  /** References more (positive) or fewer; never 0 for long. */
  change: number;
}

/** All that is pending for one extent. */
export interface DelayedHead {
  readonly logical: LogicalAddress;
  readonly length: ByteCount;
  readonly isData: boolean;
  /** Of a tree block. */
  readonly level: number;
  /** The extent was allocated by this transaction: its item is yet to be inserted. */
  readonly isNew: boolean;
  /** The transaction that allocated it, where `isNew`. */
  readonly generation: Generation;
  readonly references: DelayedReference[];
}

/** Reference changes of one transaction, by extent. Additions commute, so their order leaves no trace. */
export class DelayedReferences {
  private heads = new Map<LogicalAddress, DelayedHead>();

  get size(): number {
    return this.heads.size;
  }

  find(logical: LogicalAddress): DelayedHead | null {
    return this.heads.get(logical) ?? null;
  }

  addTreeBlock(
    logical: LogicalAddress,
    length: ByteCount,
    level: number,
    tree: TreeId,
    generation: Generation,
    change: 1 | -1,
  ): void {
    const isNew = change === 1;
    const head =
      this.headOf(logical) ?? this.open({ logical, length, isData: false, level, isNew, generation, references: [] });
    note(head, KEY_TYPE.TREE_BLOCK_REF, tree, 0, 0, change);
  }

  addData(
    logical: LogicalAddress,
    length: ByteCount,
    owner: DataOwner,
    generation: Generation,
    change: 1 | -1,
    isNew: boolean,
  ): void {
    const head =
      this.headOf(logical) ?? this.open({ logical, length, isData: true, level: 0, isNew, generation, references: [] });
    note(head, KEY_TYPE.EXTENT_DATA_REF, owner.tree, owner.inode, owner.offset, change);
  }

  /** Forgets all that is pending for an extent. */
  cancel(logical: LogicalAddress): void {
    this.heads.delete(logical);
  }

  /** Hands over everything pending, in logical order, and starts afresh. */
  take(): DelayedHead[] {
    const heads = [...this.heads.values()].sort((a, b) => a.logical - b.logical);
    this.heads = new Map();
    for (const { references } of heads) if (references.length > 1) references.sort(additionsFirst);
    return heads;
  }

  private headOf(logical: LogicalAddress): DelayedHead | undefined {
    return this.heads.get(logical);
  }

  private open(head: DelayedHead): DelayedHead {
    this.heads.set(head.logical, head);
    return head;
  }
}

function note(
  head: DelayedHead,
  type: DelayedReference['type'],
  root: TreeId,
  inode: InodeNumber,
  offset: number,
  change: number,
): void {
  for (const reference of head.references) {
    if (reference.root !== root || reference.inode !== inode || reference.offset !== offset) continue;
    reference.change += change;
    return;
  }
  head.references.push({ type, root, inode, offset, change });
}

/** Additions first, so that the count never falls to 0 on the way; then by referrer, whatever order they came in. */
function additionsFirst(a: DelayedReference, b: DelayedReference): number {
  const sign = Number(a.change < 0) - Number(b.change < 0);
  return sign || a.root - b.root || a.inode - b.inode || a.offset - b.offset;
}
