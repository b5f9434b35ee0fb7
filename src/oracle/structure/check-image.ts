import type { DiskImage } from '../../record/image.ts';
import { checkBackupTrees } from './backup-roots.ts';
import { BlockGroupList, BlockGroupTreeVisitor } from './block-group-list.ts';
import { type Chunk, ChunkMap } from './chunk-map.ts';
import { ChunkTreeVisitor, compareSystemChunks, readSystemChunks } from './chunk-tree.ts';
import { CsumTreeVisitor } from './csum-tree.ts';
import { checkVolume, DeviceTreeVisitor } from './device-tree.ts';
import { ExtentLedger } from './extent-ledger.ts';
import { ExtentTreeVisitor } from './extent-tree.ts';
import { FaultCollector, type StructureReport } from './fault-report.ts';
import { FileExtentChecker } from './file-extents.ts';
import { FileTreeVisitor } from './file-tree.ts';
import { checkFreeSpace, FreeSpaceVisitor } from './free-space-tree.ts';
import { FILE_EXTENT_INLINE, FILE_EXTENT_SIZE, FIRST_FREE_OBJECTID, TREE, TYPE } from './layout.ts';
import { AllocatedExtents } from './log-items.ts';
import { checkLogTrees } from './log-tree.ts';
import {
  checkBlanks,
  compareMembers,
  complainAboutBlanks,
  findMembers,
  missingDevices,
  presumedMembers,
  readSuperblocks,
} from './members.ts';
import type { SubvolumeEntry } from './name-links.ts';
import { QuotaTreeVisitor } from './quota-tree.ts';
import { QuotaUse } from './quota-use.ts';
import { checkReplace } from './replace-item.ts';
import { checkRootReferences } from './root-references.ts';
import { type RootItem, RootTreeVisitor } from './root-tree.ts';
import { checkDeviceFsids } from './seed-devices.ts';
import { checkSpace } from './space-accounts.ts';
import { checkSuperblock, isMetadataOnly, type Superblock } from './superblock.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';
import { TreeWalker, type WalkedTree } from './tree-walk.ts';
import { chunkTreeOf, rootTreeOf, systemTree, type TreeToWalk } from './trees-to-walk.ts';
import { UuidTreeVisitor } from './uuid-tree.ts';

export interface CheckOptions {
  /** Read all data that has checksums and compare. Default true. */
  readonly verifyData?: boolean;
  /** Every copy of every tree block and of all data must be right; else one good one is enough. Default true. */
  readonly verifyCopies?: boolean;
  /**
   * The images are what a power cut left: mirrors and devices whose superblock lags behind are no fault, and the state
   * judged is that of the newest superblock. Default false.
   */
  readonly crashed?: boolean;
}

/**
 * Walks a btrfs file system on raw images, one per device in any order, and reports everything that is wrong with it.
 * Never throws for any bytes, and never needs more memory than a small multiple of the metadata. Changes nothing.
 */
export function checkImage(images: readonly DiskImage[], options: CheckOptions = {}): StructureReport {
  return new ImageCheck(images, options).run();
}

class ImageCheck {
  readonly #images: readonly DiskImage[];
  #verifyData: boolean;
  readonly #verifyCopies: boolean;
  readonly #crashed: boolean;
  readonly #faults = new FaultCollector();
  readonly #ledger = new ExtentLedger();
  #super!: Superblock;
  #chunks!: ChunkMap;
  #walker!: TreeWalker;
  #roots!: RootTreeVisitor;
  #everyTreeRead = true;

  constructor(images: readonly DiskImage[], options: CheckOptions) {
    this.#images = images;
    this.#verifyData = options.verifyData ?? true;
    this.#verifyCopies = options.verifyCopies ?? true;
    this.#crashed = options.crashed ?? false;
  }

  run(): StructureReport {
    const faults = this.#faults;
    const options = { crashed: this.#crashed };
    const { supers, blanks } = readSuperblocks(this.#images, options, faults);
    const newest = supers[0];
    if (newest === undefined) {
      if (this.#images.length === 0) faults.error('image', {}, 'no-image', 'no image was given');
      return faults.report(0);
    }
    this.#super = newest;
    if (!checkSuperblock(newest, faults)) return faults.report(newest.generation);
    if (isMetadataOnly(newest)) this.#verifyData = false;
    this.#chunks = new ChunkMap(presumedMembers(supers, this.#images).images);
    this.#walker = new TreeWalker(newest, this.#chunks, this.#ledger, faults, { verifyCopies: this.#verifyCopies });

    const chunkTree = new ChunkTreeVisitor(newest, faults);
    const chunkTreeComplete = this.#readChunks(chunkTree);
    if (!checkDeviceFsids(chunkTree.devices.values(), supers, faults)) return faults.report(newest.generation);
    const members = findMembers(supers, chunkTree.devices, this.#images, options, faults);
    this.#chunks.devices = members.images;
    compareMembers(members.target === null ? members.supers : [...members.supers, members.target], options, faults);
    if (!this.#crashed) checkBlanks(this.#images, blanks, newest, faults);
    if (chunkTreeComplete && missingDevices(members, chunkTree.devices).length > 0) {
      complainAboutBlanks(this.#images, blanks, faults);
    }
    this.#roots = new RootTreeVisitor(newest, faults);
    const rootTreeComplete = this.#note(this.#walker.walk(rootTreeOf(newest, this.#roots)));
    if (rootTreeComplete) this.#checkRequiredRoots();

    const groups = new BlockGroupList(faults);
    const extentTree = this.#walkSystemTree(TREE.EXTENT, new ExtentTreeVisitor(newest, this.#ledger, groups, faults));
    let groupsComplete = extentTree;
    if (newest.hasReadOnly('BLOCK_GROUP_TREE')) {
      groupsComplete = this.#walkSystemTree(TREE.BLOCK_GROUP, new BlockGroupTreeVisitor(groups, faults));
    }
    groups.groups.sort((a, b) => a.start - b.start);
    this.#ledger.items.sort((a, b) => a.start - b.start);

    const deviceTree = new DeviceTreeVisitor(faults);
    const deviceTreeComplete = this.#walkSystemTree(TREE.DEV, deviceTree);
    const copies = { verifyCopies: this.#verifyCopies };
    const csums = new CsumTreeVisitor(this.#chunks, { verifyData: this.#verifyData, ...copies }, faults);
    const csumsComplete = this.#walkSystemTree(TREE.CSUM, csums);
    const freeSpace = new FreeSpaceVisitor(faults);
    const freeSpaceComplete = this.#walkSystemTree(TREE.FREE_SPACE, freeSpace);
    const uuids = new UuidTreeVisitor(faults);
    const uuidsComplete = this.#walkSystemTree(TREE.UUID, uuids);
    const quotas = new QuotaTreeVisitor(newest, faults);
    const quotasComplete = this.#walkSystemTree(TREE.QUOTA, quotas);
    const use = quotasComplete ? new QuotaUse() : null;
    const files = new FileExtentChecker(
      newest,
      this.#ledger,
      csumsComplete ? csums : null,
      extentTree,
      this.#verifyData ? this.#chunks : null,
      faults,
    );
    this.#roots.files.check(files, groups.groups);
    const everySubvolumeRead = this.#walkFileTrees(files, use);
    const allocated = extentTree ? new AllocatedExtents(this.#ledger.items) : null;
    const logFacts = { sup: newest, chunks: this.#chunks, allocated, csums: csumsComplete ? csums : null };
    const trees = new Set(this.#roots.roots.keys());
    checkLogTrees({ ...logFacts, ...copies, verifyData: this.#verifyData, trees }, faults);

    const volume = { sup: newest, images: this.#chunks.devices, chunks: this.#chunks, devices: chunkTree.devices };
    const complete = { chunkTreeComplete, deviceTreeComplete };
    checkVolume({ ...volume, extents: deviceTree.extents, ...complete }, members.supers, faults);
    if (deviceTreeComplete && chunkTreeComplete) {
      checkReplace(deviceTree.replaces, chunkTree.devices, members, options, faults);
    }
    const space = { sup: newest, chunks: this.#chunks, groups: groups.groups, ledger: this.#ledger };
    checkSpace({ ...space, chunkTreeComplete, groupsComplete, extentTreeComplete: extentTree }, faults);
    this.#ledger.check({ extentTree, references: this.#everyTreeRead && rootTreeComplete }, faults);
    if (newest.hasReadOnly('FREE_SPACE_TREE_VALID')) {
      if (freeSpaceComplete && extentTree && groupsComplete) checkFreeSpace(space, freeSpace.infos, faults);
    } else if (newest.hasReadOnly('FREE_SPACE_TREE')) {
      faults.leaveOut('the free space tree is marked invalid: it was not compared with the extents');
    }
    if (csumsComplete && extentTree) csums.checkAgainstExtents(this.#ledger);
    if (quotasComplete) quotas.check(everySubvolumeRead && extentTree ? use : null, this.#ledger);
    if (uuidsComplete && rootTreeComplete) uuids.check(this.#roots.roots, faults);
    if (!this.#everyTreeRead) {
      faults.leaveOut('a tree could not be read in full: extents that nothing seems to use were not reported');
    }
    return faults.report(newest.generation);
  }

  #readChunks(visitor: ChunkTreeVisitor): boolean {
    const sup = this.#super;
    const array = readSystemChunks(sup, this.#faults);
    this.#chunks.replaceChunks([...array]);
    this.#checkSystemDevices(array);
    const complete = this.#note(this.#walker.walk(chunkTreeOf(sup, visitor)));
    compareSystemChunks(sup, array, visitor.chunks, complete, this.#faults);
    const known = new Set(visitor.chunks.map((chunk) => chunk.start));
    this.#chunks.replaceChunks([...visitor.chunks, ...array.filter((chunk) => !known.has(chunk.start))]);
    return complete;
  }

  /** Without the devices of the system chunks nothing else can be read, so this is said first. */
  #checkSystemDevices(array: readonly Chunk[]): void {
    const { devices } = this.#chunks;
    for (const chunk of array) {
      const devids = Array.from({ length: chunk.stripes }, (_, stripe) => chunk.deviceOf(stripe));
      // Whoever has a copy left can go on; that a device is missing is said later.
      if (chunk.copies > 1 && devids.some((devid) => devices.has(devid))) continue;
      for (const [stripe, devid] of devids.entries()) {
        if (devices.has(devid)) continue;
        const what = 'the superblocks are of other devices than this system chunk is on';
        const place = { start: chunk.start, stripe };
        this.#faults.error('chunk', place, 'chunk-stripe-device', what, `devid ${devid}`, [...devices.keys()].join());
      }
    }
  }

  #note(walked: WalkedTree): boolean {
    if (!walked.complete) this.#everyTreeRead = false;
    return walked.complete;
  }

  #checkRequiredRoots(): void {
    const required: number[] = [TREE.EXTENT, TREE.DEV, TREE.FS, TREE.CSUM, TREE.DATA_RELOC];
    const hasFreeSpaceTree = this.#super.hasReadOnly('FREE_SPACE_TREE');
    if (hasFreeSpaceTree) required.push(TREE.FREE_SPACE);
    if (this.#super.hasReadOnly('BLOCK_GROUP_TREE')) required.push(TREE.BLOCK_GROUP);
    for (const id of required) {
      if (this.#roots.roots.has(id)) continue;
      this.#faults.error('tree', { tree: id }, 'root-missing', 'the root tree has no root item for it');
    }
    if (!hasFreeSpaceTree && this.#roots.roots.has(TREE.FREE_SPACE)) {
      // Linux would make another one, and fail.
      const what = 'a free space tree without the feature FREE_SPACE_TREE';
      this.#faults.error('tree', { tree: TREE.FREE_SPACE }, 'superblock-compat-ro', what);
    }
    checkRootReferences(this.#super, this.#roots, this.#faults);
    checkBackupTrees(this.#super, this.#roots.roots, this.#faults);
    if (this.#roots.hasForeignRoots) this.#everyTreeRead = false;
  }

  /** @returns whether the tree exists and was read in full. */
  #walkSystemTree(id: number, visitor: ItemVisitor): boolean {
    const root = this.#roots.roots.get(id);
    if (root === undefined) return false;
    return this.#note(
      this.#walker.walk(systemTree(this.#super, id, root.bytenr, root.level, root.generation, visitor)),
    );
  }

  /** @returns whether all were read in full and none is being deleted, so that `use` has all that they refer to. */
  #walkFileTrees(files: FileExtentChecker, use: QuotaUse | null): boolean {
    const entries: SubvolumeEntry[] = [];
    let everyTreeRead = true;
    const judged = new Set<number>();
    for (const root of this.#roots.roots.values()) {
      const isSubvolume = root.id === TREE.FS || root.id >= FIRST_FREE_OBJECTID;
      if (!isSubvolume && root.id !== TREE.DATA_RELOC) continue;
      if (root.refs === 0) {
        this.#walkDroppedTree(root, files);
        everyTreeRead = false;
        continue;
      }
      const visitor = new FileTreeVisitor(root.id, this.#super, files, this.#faults);
      const tree = this.#fileTree(root, visitor);
      const counted = use !== null && isSubvolume ? { ...tree, ...countedFor(use, root.id, visitor) } : tree;
      const complete = this.#note(this.#walker.walk(counted));
      if (!complete) everyTreeRead = false;
      visitor.finish(complete);
      entries.push(...visitor.links.subvolumes);
      if (complete) judged.add(root.id);
    }
    this.#checkSubvolumeEntries(entries, judged);
    return everyTreeRead;
  }

  #fileTree(root: RootItem, visitor: ItemVisitor) {
    const tree = systemTree(this.#super, root.id, root.bytenr, root.level, root.generation, visitor);
    return { ...tree, shareable: true, lastSnapshot: root.lastSnapshot };
  }

  /** A subvolume whose deletion has begun: what is left of it counts as references only. */
  #walkDroppedTree(root: RootItem, files: FileExtentChecker): void {
    const tree = this.#fileTree(root, new ReferenceVisitor(files));
    const dropAt = root.at + 220;
    const level = root.view.getUint8(root.at + 237);
    const started = root.view.getUint8(dropAt + 8) !== 0 || level !== 0;
    const drop = { view: root.view, at: dropAt, level };
    this.#note(this.#walker.walk(started ? { ...tree, drop } : tree));
  }

  /** Names of subvolumes in directories against ROOT_REFs. */
  #checkSubvolumeEntries(entries: readonly SubvolumeEntry[], judged: ReadonlySet<number>): void {
    const faults = this.#faults;
    const byChild = new Map(entries.map((entry) => [`${entry.tree}/${entry.child}`, entry]));
    for (const reference of this.#roots.forward) {
      const entry = byChild.get(`${reference.parent}/${reference.child}`);
      const place = { parent: reference.parent, child: reference.child, ...reference.place };
      if (entry === undefined) {
        if (!judged.has(reference.parent)) continue;
        faults.error('root reference', place, 'root-ref-without-entry', 'no directory entry leads to the subvolume');
        continue;
      }
      if (entry.name !== reference.name || entry.index !== reference.index || entry.directory !== reference.directory) {
        const have = `directory ${reference.directory} index ${reference.index}`;
        const what = 'the directory entry differs from the ROOT_REF';
        faults.error('root reference', place, 'root-ref-mismatch', what, have, `${entry.directory} ${entry.index}`);
      }
    }
    const referenced = new Set(this.#roots.forward.map((reference) => `${reference.parent}/${reference.child}`));
    for (const entry of entries) {
      // A snapshot keeps the entries of subvolumes that it does not contain.
      if (referenced.has(`${entry.tree}/${entry.child}`) || this.#roots.roots.get(entry.tree)?.isSnapshot) continue;
      const place = { tree: entry.tree, directory: entry.directory, index: entry.index };
      const what = `an entry leads to subvolume ${entry.child} without a ROOT_REF`;
      faults.error('name', place, 'subvolume-entry-without-ref', what);
    }
  }
}

function countedFor(use: QuotaUse, subvolume: number, visitor: ItemVisitor): Pick<TreeToWalk, 'visitor' | 'meet'> {
  return { visitor: use.watch(subvolume, visitor), meet: (logical) => use.add(subvolume, logical) };
}

class ReferenceVisitor implements ItemVisitor {
  readonly #files: FileExtentChecker;

  constructor(files: FileExtentChecker) {
    this.#files = files;
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void {
    if (type !== TYPE.EXTENT_DATA || !block.first || size !== FILE_EXTENT_SIZE) return;
    if (block.view.getUint8(at + 20) === FILE_EXTENT_INLINE) return;
    this.#files.countReference(block, slot, objectid, offset, at);
  }
}
