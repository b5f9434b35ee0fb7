import type { ByteCount, Generation, InodeNumber, LogicalAddress, TreeId } from '../../base/units.ts';
import { KEY_TYPE } from '../format/key.ts';

/** Who refers to a data extent. `offset`: file offset − offset into the extent; may be negative. */
export interface DataOwner {
  readonly tree: TreeId;
  readonly inode: InodeNumber;
  readonly offset: number;
}

/** Trees refer to extents, or the tree blocks that lead to them (the shared types). */
export type ReferenceType =
  | typeof KEY_TYPE.TREE_BLOCK_REF
  | typeof KEY_TYPE.EXTENT_DATA_REF
  | typeof KEY_TYPE.SHARED_BLOCK_REF
  | typeof KEY_TYPE.SHARED_DATA_REF;

/** A change of how often one referrer refers to an extent, not yet in the extent tree. */
export interface DelayedReference {
  readonly type: ReferenceType;
  /** The tree; 0 for the shared types. */
  readonly root: TreeId;
  /** The tree block that refers to the extent, for the shared types; else 0. */
  readonly parent: LogicalAddress;
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
  /** Of the extent item, to be set. */
  newFlags: number;
}

/** Who refers to a tree block: a tree, or a block that does so itself; the other is 0. */
export interface TreeBlockReferrer {
  readonly root: TreeId;
  readonly parent: LogicalAddress;
}

/** Reference changes of one transaction, by extent. Additions commute, so their order leaves no trace. */
export class DelayedReferences {
  private heads = new Map<LogicalAddress, DelayedHead>();
  private further = 0;

  get size(): number {
    return this.heads.size;
  }

  /** Referrers with a pending change beside the first of each extent: each may need an item of its own. */
  get furtherReferrers(): number {
    return this.further;
  }

  find(logical: LogicalAddress): DelayedHead | null {
    return this.heads.get(logical) ?? null;
  }

  addTreeBlock(
    logical: LogicalAddress,
    length: ByteCount,
    level: number,
    { root, parent }: TreeBlockReferrer,
    generation: Generation,
    change: 1 | -1,
    isNew: boolean,
  ): void {
    const head = this.treeBlockHead(logical, length, level, generation, isNew);
    this.note(head, parent === 0 ? KEY_TYPE.TREE_BLOCK_REF : KEY_TYPE.SHARED_BLOCK_REF, root, parent, 0, 0, change);
  }

  /** Flags that the extent item of a block, which is there, gets besides those it has. */
  addTreeBlockFlags(
    logical: LogicalAddress,
    length: ByteCount,
    level: number,
    generation: Generation,
    flags: number,
  ): void {
    this.treeBlockHead(logical, length, level, generation, false).newFlags |= flags;
  }

  private treeBlockHead(
    logical: LogicalAddress,
    length: ByteCount,
    level: number,
    generation: Generation,
    isNew: boolean,
  ): DelayedHead {
    const found = this.headOf(logical);
    if (found !== undefined) return found;
    return this.open({ logical, length, isData: false, level, isNew, generation, references: [], newFlags: 0 });
  }

  addData(
    logical: LogicalAddress,
    length: ByteCount,
    owner: DataOwner,
    generation: Generation,
    change: 1 | -1,
    isNew: boolean,
  ): void {
    const head = this.dataHead(logical, length, generation, isNew);
    this.note(head, KEY_TYPE.EXTENT_DATA_REF, owner.tree, 0, owner.inode, owner.offset, change);
  }

  /** A leaf refers to the extent itself, once more or less. */
  addSharedData(
    logical: LogicalAddress,
    length: ByteCount,
    parent: LogicalAddress,
    generation: Generation,
    change: 1 | -1,
  ): void {
    this.note(this.dataHead(logical, length, generation, false), KEY_TYPE.SHARED_DATA_REF, 0, parent, 0, 0, change);
  }

  private dataHead(logical: LogicalAddress, length: ByteCount, generation: Generation, isNew: boolean): DelayedHead {
    const found = this.headOf(logical);
    if (found !== undefined) return found;
    return this.open({ logical, length, isData: true, level: 0, isNew, generation, references: [], newFlags: 0 });
  }

  /** Forgets all that is pending for an extent. */
  cancel(logical: LogicalAddress): void {
    const head = this.heads.get(logical);
    if (head === undefined) return;
    this.further -= Math.max(0, head.references.length - 1);
    this.heads.delete(logical);
  }

  /** Hands over everything pending, in logical order, and starts afresh. */
  take(): DelayedHead[] {
    const heads = [...this.heads.values()].sort((a, b) => a.logical - b.logical);
    this.heads = new Map();
    this.further = 0;
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

  private note(
    head: DelayedHead,
    type: DelayedReference['type'],
    root: TreeId,
    parent: LogicalAddress,
    inode: InodeNumber,
    offset: number,
    change: number,
  ): void {
    for (const reference of head.references) {
      if (reference.root !== root || reference.parent !== parent) continue;
      if (reference.inode !== inode || reference.offset !== offset) continue;
      reference.change += change;
      return;
    }
    if (head.references.length > 0) this.further++;
    head.references.push({ type, root, parent, inode, offset, change });
  }
}

/** Additions first, so that the count never falls to 0 on the way; then by referrer, whatever order they came in. */
function additionsFirst(a: DelayedReference, b: DelayedReference): number {
  const sign = Number(a.change < 0) - Number(b.change < 0);
  return sign || a.root - b.root || a.parent - b.parent || a.inode - b.inode || a.offset - b.offset;
}
