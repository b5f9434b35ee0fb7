import type { Mutex, World } from '../../task/world.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import type { Tree } from '../tree/tree.ts';
import { type ExtentMapRules, extentMapRulesOf } from './extent-map-rules.ts';
import type { MayAllocate } from './extent-map-tree.ts';
import { InodeCache } from './inode-cache.ts';
import { PendingItems } from './pending-items.ts';

/** Everything in memory about the files of a mounted file system. */
export class Files {
  readonly fs: FsInfo;
  readonly world: World;
  readonly mutations: ReadonlySet<string>;
  /** The subvolume that paths start in. */
  readonly tree: Tree;
  readonly rules: ExtentMapRules;
  readonly inodes: InodeCache;
  /** One rename at a time, so that directories stay a tree. */
  readonly renameLock: Mutex;
  private readonly entered = new Set<Tree>();
  /** May the piece of a split extent map be allocated? */
  readonly maySplit: MayAllocate;

  constructor(fs: FsInfo, tree: Tree) {
    const { world } = fs;
    this.fs = fs;
    this.world = world;
    this.mutations = fs.mutations;
    this.tree = tree;
    this.rules = extentMapRulesOf(fs.fixes, fs.mutations);
    const pending = new PendingItems(world, fs.maxInline);
    this.inodes = new InodeCache(world, pending);
    this.renameLock = world.mutex('rename', 0);
    fs.pendingItemBytes = () => pending.bytes;
    this.maySplit = () => world.mayFail('split-extent-map') === null;
  }

  /** True once for each subvolume but the mounted one: what a crash left in it is then cleared up, unless read-only. */
  entersFirst(tree: Tree): boolean {
    if (tree === this.tree || this.fs.isReadOnly || tree.isReadOnly || this.entered.has(tree)) return false;
    this.entered.add(tree);
    return true;
  }
}
