import { viewOf } from '../../base/bytes.ts';
import type { Generation, LogicalAddress, TreeId } from '../../base/units.ts';
import { type ResourceId, resource } from '../../task/resource.ts';
import type { Task } from '../../task/task.ts';
import type { IoPurpose, RwSemaphore, World } from '../../task/world.ts';
import { OBJECT_ID, TREE_ID } from '../format/key.ts';
import { ROOT_FLAG, rootItemBytesUsed, rootItemFlags, rootItemLastSnapshot } from '../format/root-item.ts';
import type { VolumeHost } from '../volume/volume.ts';
import { TreeBlock } from './tree-block.ts';

/**
 * One copy-on-write B-tree. `root` is what the running transaction sees and needs `lock`; `commitRoot` is the root of
 * the last commit whose roots were switched, read without this lock.
 */
export class Tree {
  readonly id: TreeId;
  /** Third part of the key of its root item; 0 but for snapshots. */
  readonly rootKeyOffset: number;
  readonly lock: RwSemaphore;
  readonly purpose: IoPurpose;
  readonly resource: ResourceId;
  root: TreeBlock;
  commitRoot: TreeBlock;
  /** On the running transaction's list of trees whose root moved. */
  isRootListed = false;
  /** Bytes of all its blocks. */
  bytesUsed: number;
  /** The last transaction whose blocks a snapshot may share; 0 where there is none. */
  readonly lastSnapshot: Generation;
  /** A read-only subvolume, as `btrfs property set ro` and `btrfs subvolume snapshot -r` make them. */
  readonly isReadOnly: boolean;
  /** The root item as it stands in the root tree; empty for the trees that the superblock points to. */
  rootItem: Uint8Array;

  constructor(world: World, id: TreeId, root: TreeBlock, rootItem: Uint8Array, rootKeyOffset = 0) {
    this.id = id;
    this.rootKeyOffset = rootKeyOffset;
    this.lock = world.rwSemaphore('tree', id);
    this.resource = resource('tree', id);
    this.purpose = { kind: 'tree-block', tree: id };
    this.root = root;
    this.commitRoot = root;
    this.rootItem = rootItem;
    this.lastSnapshot = rootItem.length > 0 && isSubvolume(id) ? rootItemLastSnapshot(viewOf(rootItem), 0) : 0;
    this.isReadOnly =
      isSubvolume(id) && rootItem.length > 0 && (rootItemFlags(viewOf(rootItem), 0) & ROOT_FLAG.READONLY) !== 0;
    this.bytesUsed = rootItem.length > 0 ? rootItemBytesUsed(viewOf(rootItem), 0) : 0;
  }
}

/** The top-level subvolume, or another one: only these share blocks. */
export function isSubvolume(id: TreeId): boolean {
  return id === TREE_ID.FS_TREE || id >= OBJECT_ID.FIRST_FREE;
}

/** Ids of blocks are this plus their address. */
export const TREE_BLOCK_0 = resource('tree-block', 0);

/** All tree blocks in memory, one object per logical address for as long as the file system is mounted. */
export class TreeBlockCache {
  private readonly blocks = new Map<LogicalAddress, TreeBlock>();
  private readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  /** The block at `address` if it is in memory; whoever follows a pointer compares the generation. */
  find(address: LogicalAddress): TreeBlock | null {
    return this.blocks.get(address) ?? null;
  }

  /** Gives `address` new content: after a read, or because it was allocated. The object is the same as ever. */
  initialise(address: LogicalAddress, bytes: Uint8Array, view: DataView): TreeBlock {
    this.world.touch(TREE_BLOCK_0 + address, 'write');
    const block = this.blocks.get(address);
    if (block === undefined) {
      const created = new TreeBlock(address, bytes, view);
      this.blocks.set(address, created);
      return created;
    }
    block.become(bytes, view);
    return block;
  }

  /** Forgets what can be read again; `keep` are roots, which trees point to. Returns how many went. */
  dropClean(keep: ReadonlySet<TreeBlock>): number {
    let dropped = 0;
    for (const [address, block] of this.blocks) {
      if (block.isDirty || block.isListed || keep.has(block)) continue;
      this.blocks.delete(address);
      dropped++;
    }
    return dropped;
  }
}

/** What the tree layer needs of a file system. */
export interface TreeHost extends VolumeHost {
  readonly world: World;
  readonly mutations: ReadonlySet<string>;
  readonly blocks: TreeBlockCache;
  readonly nodeSize: number;
  /** What headers of tree blocks carry (the metadata uuid where that feature is on). */
  readonly fsid: Uint8Array;
  readonly chunkTreeUuid: Uint8Array;
}

/** What the tree layer needs of a transaction handle. All of it is plain: a change of a tree never waits for space. */
export interface TreeChange {
  readonly fs: TreeHost;
  readonly generation: Generation;
  /** Throws ENOSPC unless `howMany` tree blocks can be allocated now, so that what follows cannot fail half way. */
  requireTreeBlocks(tree: Tree, howMany: number): void;
  /** True when `howMany` tree blocks can be allocated now. */
  hasTreeBlocks(tree: Tree, howMany: number): boolean;
  /** Takes an address and records the new reference. Throws ENOSPC with nothing changed. */
  allocateTreeBlock(tree: Tree, level: number): LogicalAddress;
  /** Drops the tree's reference to the block. */
  freeTreeBlock(tree: Tree, block: TreeBlock): void;
  /** False when `learnSharing` must come before the tree may copy the block, which subvolumes may share. */
  knowsSharing(tree: Tree, block: TreeBlock): boolean;
  learnSharing(block: TreeBlock): Task<void>;
  /** The tree has taken over the content of the block: drops its reference, and moves those of what it leads to. */
  leaveBlock(tree: Tree, block: TreeBlock): void;
  /** The block has new content that the commit must write. */
  noteDirty(block: TreeBlock): void;
  /** `tree.root` moved. */
  noteRoot(tree: Tree): void;
}
