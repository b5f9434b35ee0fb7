import { readU64 } from '../../base/bytes.ts';
import type { FaultCollector, FaultPlace } from './fault-report.ts';
import {
  BALANCE_ITEM_SIZE,
  FIRST_FREE_OBJECTID,
  LEVEL_MAX,
  NAME_MAX,
  ROOT_ITEM_LEGACY_SIZE,
  ROOT_ITEM_SIZE,
  ROOT_REF_SIZE,
  SECTOR,
  showKey,
  TREE,
  TYPE,
} from './layout.ts';
import { byteString, isZero } from './raw-fields.ts';
import { checkRootFields } from './root-item-fields.ts';
import { RootTreeFiles } from './root-tree-files.ts';
import { hex, type Superblock } from './superblock.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';

/** A ROOT_ITEM: where one tree begins. */
export interface RootItem {
  readonly id: number;
  /** 0, or the transaction that took the snapshot. */
  readonly keyOffset: number;
  readonly bytenr: number;
  readonly level: number;
  readonly generation: number;
  readonly refs: number;
  readonly rootDirectory: number;
  readonly lastSnapshot: number;
  readonly bytesUsed: number;
  readonly isSnapshot: boolean;
  readonly view: DataView;
  readonly at: number;
  readonly isLegacy: boolean;
  readonly place: FaultPlace;
}

/** A ROOT_REF or ROOT_BACKREF: how a subvolume hangs in its parent. */
export interface RootReference {
  readonly parent: number;
  readonly child: number;
  readonly directory: number;
  readonly index: number;
  readonly name: string;
  readonly place: FaultPlace;
}

const SYSTEM_TREES: ReadonlySet<number> = new Set([
  TREE.EXTENT,
  TREE.DEV,
  TREE.CSUM,
  TREE.QUOTA,
  TREE.UUID,
  TREE.FREE_SPACE,
  TREE.BLOCK_GROUP,
]);

/** Collects the roots of all trees and how subvolumes hang together. */
export class RootTreeVisitor implements ItemVisitor {
  readonly roots = new Map<number, RootItem>();
  readonly forward: RootReference[] = [];
  readonly backward: RootReference[] = [];
  readonly orphans = new Set<number>();
  readonly files: RootTreeFiles;
  /** There are trees that are not walked, and that may refer to extents. */
  hasForeignRoots = false;
  readonly #sup: Superblock;
  readonly #faults: FaultCollector;

  constructor(sup: Superblock, faults: FaultCollector) {
    this.#sup = sup;
    this.#faults = faults;
    this.files = new RootTreeFiles(faults);
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void {
    switch (type) {
      case TYPE.ROOT_ITEM:
        this.#root(block, slot, objectid, offset, at, size);
        break;
      case TYPE.ROOT_REF:
        this.#reference(block, slot, objectid, offset, at, size, this.forward);
        break;
      case TYPE.ROOT_BACKREF:
        this.#reference(block, slot, offset, objectid, at, size, this.backward);
        break;
      case TYPE.ORPHAN_ITEM:
        if (size !== 0) this.#faults.item(block, slot, 'item-size', 'an orphan item has no data', size, 0);
        if (objectid !== TREE.ORPHAN) this.#unexpected(block, slot, objectid, type, offset);
        else this.orphans.add(offset);
        break;
      case TYPE.DIR_ITEM:
        this.files.directoryItem(block, slot, objectid, offset, at, size);
        break;
      case TYPE.EXTENT_DATA:
        this.files.fileExtent(block, slot, objectid, offset, at, size);
        break;
      case TYPE.INODE_ITEM:
        this.files.inodeItem(block, slot, objectid, offset, at, size);
        break;
      case TYPE.INODE_REF:
        this.files.reference(block, slot, offset, at, size);
        break;
      case TYPE.UNTYPED:
        this.files.header(block, slot, objectid, offset, at, size);
        break;
      case TYPE.TEMPORARY_ITEM:
        if (objectid !== TREE.BALANCE) this.#unexpected(block, slot, objectid, type, offset);
        else if (size !== BALANCE_ITEM_SIZE) {
          this.#faults.item(block, slot, 'item-size', 'size of a balance item is wrong', size, BALANCE_ITEM_SIZE);
        }
        this.#faults.leaveOut('a balance is recorded as unfinished: relocation trees were not judged');
        break;
      case TYPE.XATTR_ITEM:
      case TYPE.PERSISTENT_ITEM:
        break;
      default:
        this.#unexpected(block, slot, objectid, type, offset);
    }
  }

  #unexpected(block: TreeBlock, slot: number, objectid: number, type: number, offset: number): void {
    this.#faults.item(block, slot, 'unexpected-item', `${showKey(objectid, type, offset)} does not belong here`);
  }

  #root(block: TreeBlock, slot: number, id: number, offset: number, at: number, size: number): void {
    const { view } = block;
    const faults = this.#faults;
    if (size !== ROOT_ITEM_SIZE && size !== ROOT_ITEM_LEGACY_SIZE) {
      faults.item(block, slot, 'item-size', 'size of a root item is wrong', size, ROOT_ITEM_SIZE);
      return;
    }
    if (id === TREE.TREE_RELOC || id === TREE.TREE_LOG) {
      this.hasForeignRoots = true;
      faults.leaveOut(`${id === TREE.TREE_RELOC ? 'relocation' : 'log'} trees are listed in the root tree: not judged`);
      return;
    }
    const isSubvolume = id === TREE.FS || id >= FIRST_FREE_OBJECTID;
    if (!isSubvolume && id !== TREE.DATA_RELOC && !SYSTEM_TREES.has(id)) {
      faults.item(block, slot, 'root-unknown', `no tree is called ${id}`);
    }
    if (this.roots.has(id)) faults.item(block, slot, 'root-twice', `a second root item for tree ${id}`);
    const isLegacy = size === ROOT_ITEM_LEGACY_SIZE;
    const root: RootItem = {
      id,
      keyOffset: offset,
      bytenr: readU64(view, at + 176),
      level: view.getUint8(at + 238),
      generation: readU64(view, at + 160),
      refs: view.getUint32(at + 216, true),
      rootDirectory: readU64(view, at + 168),
      lastSnapshot: readU64(view, at + 200),
      bytesUsed: readU64(view, at + 192),
      isSnapshot: offset !== 0 || (!isLegacy && !isZero(view, at + 263, 16)),
      view,
      at,
      isLegacy,
      place: { tree: TREE.ROOT, block: block.logical, slot },
    };
    this.#checkRoot(block, slot, root, isSubvolume);
    this.roots.set(id, root);
  }

  #checkRoot(block: TreeBlock, slot: number, root: RootItem, isSubvolume: boolean): void {
    const faults = this.#faults;
    const { view, at, id } = root;
    const max = block.written;
    if (root.bytenr <= 0 || root.bytenr % SECTOR !== 0) {
      faults.item(block, slot, 'root-bytenr', 'address of the root is not a multiple of 4096', root.bytenr);
    }
    if (root.level >= LEVEL_MAX)
      faults.item(block, slot, 'root-level', 'level is too high', root.level, `< ${LEVEL_MAX}`);
    if (root.generation <= 0 || root.generation > max) {
      faults.item(block, slot, 'root-generation', 'generation is impossible', root.generation, `1 to ${max}`);
    }
    if (root.lastSnapshot < 0 || root.lastSnapshot > max) {
      faults.item(block, slot, 'root-last-snapshot', 'last_snapshot is impossible', root.lastSnapshot, `0 to ${max}`);
    }
    // btrfs-convert makes this tree as if it were a snapshot.
    const mayHaveOffset = isSubvolume || id === TREE.DATA_RELOC;
    if (root.keyOffset !== 0 && (root.keyOffset < 0 || root.keyOffset > max || !mayHaveOffset)) {
      faults.item(block, slot, 'root-key-offset', 'offset of the key is no transaction', root.keyOffset, `≤ ${max}`);
    }
    const directory = isSubvolume || id === TREE.DATA_RELOC ? FIRST_FREE_OBJECTID : 0;
    if (root.rootDirectory !== directory) {
      faults.item(block, slot, 'root-directory', `root_dirid of tree ${id} is wrong`, root.rootDirectory, directory);
    }
    const flags = readU64(view, at + 208);
    // Bit 0: read-only; bit 48: being deleted.
    if (view.getUint32(at + 208, true) >>> 1 !== 0 || (view.getUint32(at + 212, true) & ~0x10000) !== 0) {
      faults.item(block, slot, 'root-flags', 'flags are unknown', hex(flags));
    }
    // Only what has a place in a directory can be deleted: the top level has none.
    if (root.refs === 0 && id === TREE.QUOTA) {
      // As `mkfs.btrfs -R quota` leaves it.
      faults.warnItem(block, slot, 'root-refs', 'refs of the quota tree is wrong', root.refs, 1);
    } else if (root.refs > 1 || (root.refs === 0 && id < FIRST_FREE_OBJECTID)) {
      faults.item(block, slot, 'root-refs', `refs of tree ${id} is wrong`, root.refs, 1);
    }
    if (view.getUint8(at + 237) >= LEVEL_MAX) {
      faults.item(block, slot, 'root-drop-level', 'drop_level is too high', view.getUint8(at + 237), `< ${LEVEL_MAX}`);
    }
    if (root.bytesUsed % this.#sup.nodeSize !== 0 || root.bytesUsed < 0) {
      const what = 'bytes_used is not a number of tree blocks';
      faults.warnItem(block, slot, 'root-bytes-used', what, root.bytesUsed);
    }
    checkRootFields(block, slot, root, isSubvolume, faults);
    if (root.isLegacy) return;
    const generation2 = readU64(view, at + 239);
    if (generation2 === 0 && isZero(view, at + 247, 128)) {
      // As btrfs-convert leaves it: there is nothing to forget.
      const what = 'generation_v2 is not set';
      faults.warnItem(block, slot, 'root-generation-v2', what, generation2, root.generation);
    } else if (generation2 !== root.generation) {
      // Linux takes this for an item written by an old kernel and forgets uuids and times.
      faults.item(block, slot, 'root-generation-v2', 'generation_v2 is not generation', generation2, root.generation);
    }
  }

  #reference(
    block: TreeBlock,
    slot: number,
    parent: number,
    child: number,
    at: number,
    size: number,
    list: RootReference[],
  ): void {
    const { view } = block;
    const nameLength = size >= ROOT_REF_SIZE ? view.getUint16(at + 16, true) : 0;
    if (nameLength === 0 || nameLength > NAME_MAX || size !== ROOT_REF_SIZE + nameLength) {
      this.#faults.item(block, slot, 'item-size', 'size of a root reference does not fit its name', size);
      return;
    }
    list.push({
      parent,
      child,
      directory: readU64(view, at),
      index: readU64(view, at + 8),
      name: byteString(block.bytes, at + ROOT_REF_SIZE, nameLength),
      place: { tree: TREE.ROOT, block: block.logical, slot },
    });
  }
}
