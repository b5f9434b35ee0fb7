import type { Errno } from '../../base/errno.ts';
import type { ByteCount, Generation, TreeId } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Mutex, RwSemaphore, WaitQueue, World } from '../../task/world.ts';
import type { FixSet } from '../fixes.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { FILE_EXTENT_INLINE_HEAD_SIZE } from '../format/file-extent.ts';
import { INODE_FLAG } from '../format/inode.ts';
import type { Superblock } from '../format/superblock.ts';
import { ITEM_SIZE, leafCapacity } from '../format/tree-block.ts';
import { Space } from '../space/space.ts';
import { type Tree, TreeBlockCache, type TreeHost } from '../tree/tree.ts';
import type { Device } from '../volume/device.ts';
import { Volume } from '../volume/volume.ts';
import { allocateChunkOnDemand } from './chunk-allocation.ts';
import { ScrubControl } from './scrub-control.ts';
import type { Transaction } from './transaction.ts';

export interface FsOptions {
  readonly fixes: FixSet;
  /** Ids of `MUTATIONS`: seeded bugs. */
  readonly mutations?: ReadonlySet<string>;
  readonly readOnly?: boolean;
  /** Where paths start: a path from the top-level subvolume, or an id; by default the image's default subvolume. */
  readonly subvolume?: string | Uint8Array | TreeId;
  /** Mount although devices are missing, as long as each chunk has enough of them. */
  readonly degraded?: boolean;
  /** Discard what a commit has freed (mount option `discard=sync`). */
  readonly discard?: boolean;
  /** Sizes of chunks that are allocated later; null or absent: a tenth of the writable bytes, as btrfs. */
  readonly chunkSizes?: {
    readonly system: ByteCount | null;
    readonly metadata: ByteCount | null;
    readonly data: ByteCount | null;
  };
  /** New regular files get no checksums for their data. */
  readonly nodatasum?: boolean;
  /** New regular files are overwritten in place, which includes `nodatasum`. */
  readonly nodatacow?: boolean;
  /** The longest file that is kept inside its extent item, in bytes as stored there; 0: none. Default 2048, as btrfs. */
  readonly maxInline?: ByteCount;
  /** Compress data that is written through the page cache. */
  readonly compress?: 'zlib' | 'zstd' | null;
  /** With `compress`: try it again and again with files that did not get smaller once. */
  readonly compressForce?: boolean;
}

/** The trees that every mounted file system has open; optional ones are null where the image lacks them. */
export interface TreeSet {
  readonly root: Tree;
  readonly extent: Tree;
  readonly chunk: Tree;
  readonly dev: Tree;
  /** The top-level subvolume. */
  readonly fs: Tree;
  readonly csum: Tree;
  readonly uuid: Tree | null;
  readonly freeSpace: Tree | null;
  /** Holds the block group items where that feature is on; else they are in the extent tree. */
  readonly blockGroup: Tree | null;
  readonly dataReloc: Tree | null;
  /** Quota groups, which the engine does not keep. */
  readonly quota: Tree | null;
}

/** All that is known of one mounted file system (the kernel's fs_info). */
export class FsInfo implements TreeHost {
  readonly world: World;
  readonly fixes: FixSet;
  readonly mutations: ReadonlySet<string>;
  readonly volume: Volume;
  readonly space: Space;
  readonly blocks: TreeBlockCache;
  /** As read at mount; what commits change is in `superblockBytes`. */
  readonly superblock: Superblock;
  readonly nodeSize: ByteCount;
  readonly sectorSize: ByteCount;
  /** In the headers of tree blocks. */
  readonly fsid: Uint8Array;
  chunkTreeUuid: Uint8Array = new Uint8Array(16);
  /**
   * The superblock last committed, as all devices share it: without checksum, and with the place and the device item of
   * whichever it was read from. What changes it for the next commit replaces the array.
   */
  superblockBytes: Uint8Array = new Uint8Array(0);
  /** Set once, by mount. */
  trees!: TreeSet;
  /** Trees of subvolumes that are in memory, by id; the top-level one among them. */
  readonly subvolumes = new Map<number, Tree>();

  /** Takes new writers, or waits for its turn to be committed; null when nothing was changed since the last one. */
  runningTransaction: Transaction | null = null;
  /** From its commit start to its end; at most one. */
  committingTransaction: Transaction | null = null;
  /** Of the newest transaction whose roots are in memory. */
  generation: Generation;
  /** Of the newest transaction that is durable and unpinned. */
  lastCommitted: Generation;
  /** Why the file system went read-only, or null. */
  aborted: Errno | null = null;
  abortedWhere = '';
  /** By mount option or remount; an abort counts too, see `isReadOnly`. */
  mountedReadOnly: boolean;
  /** Discard what commits free. */
  discard: boolean;
  readonly degraded: boolean;
  /** Bits of `INODE_FLAG` that new regular files get by mount option. */
  readonly newFileFlags: number;
  /** What an inline extent holds at most; what a sector or a leaf has no room for is never inline. */
  readonly maxInline: ByteCount;
  readonly compress: 'zlib' | 'zstd' | null;
  readonly compressForce: boolean;
  readonly chunkSizes: NonNullable<FsOptions['chunkSizes']>;
  readonly scrubs: ScrubControl;
  /** The image says that the counts of its quota groups are not to be trusted; or it has none. */
  isQuotaMarked = false;
  /** A free space tree that is not valid: whoever makes the file system writable makes it anew. */
  staleFreeSpaceTree: Tree | null = null;
  /** Why the image can only be mounted read-only, or null. */
  whyNotWritable: string | null = null;
  /** What whoever mounts the image should know, in sentences. */
  readonly notes: string[] = [];
  /** Devices whose sizes changed in the running transaction, in the order of the changes. */
  readonly updatedDevices: Device[] = [];

  /** By how much the trees may grow for data that was accepted and has no items yet; the layer of files knows. */
  pendingItemBytes: () => ByteCount = () => 0;

  readonly remountMutex: Mutex;
  readonly volumeChangeMutex: Mutex;
  readonly replaceFinishMutex: Mutex;
  readonly cleanerMutex: Mutex;
  readonly deleteUnusedMutex: Mutex;
  readonly readOnlyGroupsMutex: Mutex;
  readonly deviceListMutex: Mutex;
  readonly chunkMutex: Mutex;

  /** Shared: commit roots stay put (R3). Exclusive: the commit switches them. */
  readonly commitRootLock: RwSemaphore;
  /** For all changes of the state of a transaction. */
  readonly transactionQueue: WaitQueue;

  constructor(world: World, options: FsOptions, superblock: Superblock, fsid: Uint8Array) {
    this.world = world;
    this.fixes = options.fixes;
    this.mutations = options.mutations ?? NO_MUTATIONS;
    this.mountedReadOnly = options.readOnly ?? false;
    this.discard = options.discard ?? false;
    this.degraded = options.degraded ?? false;
    this.newFileFlags = newFileFlagsOf(options);
    this.maxInline = maxInlineOf(options, superblock);
    this.compress = options.compress ?? null;
    this.compressForce = options.compressForce ?? false;
    this.chunkSizes = options.chunkSizes ?? CHUNK_SIZES_OF_BTRFS;
    this.scrubs = new ScrubControl(world);
    this.remountMutex = world.mutex('remount', 0);
    this.volumeChangeMutex = world.mutex('volume-change', 0);
    this.replaceFinishMutex = world.mutex('replace-finish', 0);
    this.cleanerMutex = world.mutex('cleaner', 0);
    this.deleteUnusedMutex = world.mutex('delete-unused', 0);
    this.readOnlyGroupsMutex = world.mutex('read-only-groups', 0);
    this.deviceListMutex = world.mutex('device-list', 0);
    this.chunkMutex = world.mutex('chunk', 0);
    this.superblock = superblock;
    this.nodeSize = superblock.nodeSize;
    this.sectorSize = superblock.sectorSize;
    this.fsid = fsid;
    this.generation = superblock.generation;
    this.lastCommitted = superblock.generation;
    this.volume = new Volume(world);
    this.space = new Space(world, superblock.nodeSize, options.fixes);
    this.blocks = new TreeBlockCache(world);
    this.commitRootLock = world.rwSemaphore('commit-root', 0);
    this.transactionQueue = world.waitQueue('transaction', 0);
  }

  /** For reservations of data, which know nothing of chunks. */
  growData(): Task<boolean> {
    return allocateChunkOnDemand(this, BLOCK_GROUP_FLAG.DATA);
  }

  /** By mount option, or since an abort. */
  get isReadOnly(): boolean {
    return this.mountedReadOnly || this.aborted !== null;
  }
}

function newFileFlagsOf({ nodatacow = false, nodatasum = false }: FsOptions): number {
  if (nodatacow) return INODE_FLAG.NODATACOW | INODE_FLAG.NODATASUM;
  return nodatasum ? INODE_FLAG.NODATASUM : 0;
}

const MAX_INLINE_OF_BTRFS = 2048;

function maxInlineOf({ maxInline = MAX_INLINE_OF_BTRFS }: FsOptions, superblock: Superblock): ByteCount {
  const { sectorSize, nodeSize } = superblock;
  return Math.min(maxInline, sectorSize, leafCapacity(nodeSize) - ITEM_SIZE - FILE_EXTENT_INLINE_HEAD_SIZE);
}

const CHUNK_SIZES_OF_BTRFS = { system: null, metadata: null, data: null } as const;
const NO_MUTATIONS: ReadonlySet<string> = new Set();
