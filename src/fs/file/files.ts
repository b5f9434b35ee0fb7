import type { Mutex, World } from '../../task/world.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import type { Tree } from '../tree/tree.ts';
import { type ExtentMapRules, extentMapRulesOf } from './extent-map-rules.ts';
import type { MayAllocate } from './extent-map-tree.ts';
import { pendingItemBytes } from './pending-items.ts';
import { InodeCache } from './inode-cache.ts';

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
  /** May the piece of a split extent map be allocated? */
  readonly maySplit: MayAllocate;

  constructor(fs: FsInfo, tree: Tree) {
    const { world } = fs;
    this.fs = fs;
    this.world = world;
    this.mutations = fs.mutations;
    this.tree = tree;
    this.rules = extentMapRulesOf(fs.fixes, fs.mutations);
    this.inodes = new InodeCache(world);
    this.renameLock = world.mutex('rename', 0);
    fs.pendingItemBytes = () => pendingItemBytes(this);
    this.maySplit = () => world.mayFail('split-extent-map') === null;
  }
}
