import { readU64 } from '../../base/bytes.ts';
import { type DirectoryEntry, readDirectoryItems } from './directory-items.ts';
import { directoriesInCycles } from './directory-paths.ts';
import type { FaultCollector } from './fault-report.ts';
import { type CsumRule, type FileExtentChecker, FileExtentTally } from './file-extents.ts';
import { checkInodeItem } from './inode-item.ts';
import { type InodeReference, readExtendedReferences, readInodeReferences } from './inode-references.ts';
import {
  entryTypeOf,
  FIRST_FREE_OBJECTID,
  INODE_ITEM_SIZE,
  INODE_NODATASUM,
  SECTOR,
  showKey,
  TREE,
  TYPE,
} from './layout.ts';
import { NameLinks } from './name-links.ts';
import { isMetadataOnly, type Superblock } from './superblock.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';

const MODE_DIRECTORY = 4;
const MODE_REGULAR = 8;
const MODE_SYMLINK = 10;

/**
 * Judges one subvolume: inodes, names and file extents. Relies on the tree's order: all items of one inode follow each
 * other, its INODE_ITEM first.
 */
export class FileTreeVisitor implements ItemVisitor {
  readonly links: NameLinks;
  readonly #tree: number;
  readonly #sup: Superblock;
  readonly #extents: FileExtentChecker;
  readonly #faults: FaultCollector;
  readonly #tally = new FileExtentTally();
  /** Where each directory hangs; the top directory is its own parent. */
  readonly #parents = new Map<number, number>();
  readonly #unlinked = new Set<number>();
  readonly #orphans = new Set<number>();

  // The inode whose items are being read.
  #inode = 0;
  #hasItem = false;
  /** Some of its items may be missing from what was read. */
  #isUncertain = false;
  #followsGap = false;
  #block = 0;
  #slot = 0;
  #size = 0;
  #nbytes = 0;
  #nlink = 0;
  #mode = 0;
  #flags = 0;
  #references = 0;
  #nameBytes = 0;
  #entries = 0;

  constructor(tree: number, sup: Superblock, extents: FileExtentChecker, faults: FaultCollector) {
    this.#tree = tree;
    this.#sup = sup;
    this.#extents = extents;
    this.#faults = faults;
    this.links = new NameLinks(tree, faults);
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void {
    if (objectid !== this.#inode) this.#startInode(block, slot, objectid, type);
    switch (type) {
      case TYPE.INODE_ITEM:
        this.#inodeItem(block, slot, objectid, offset, at, size);
        break;
      case TYPE.INODE_REF:
        for (const name of readInodeReferences(block, slot, offset, at, size, this.#faults)) {
          this.#reference(block, slot, objectid, name);
        }
        break;
      case TYPE.INODE_EXTREF:
        for (const name of readExtendedReferences(this.#sup, block, slot, offset, at, size, this.#faults)) {
          this.#reference(block, slot, objectid, name);
        }
        break;
      case TYPE.XATTR_ITEM:
      case TYPE.DIR_ITEM:
      case TYPE.DIR_INDEX:
        this.#directoryItems(block, slot, objectid, type, offset, at, size);
        break;
      case TYPE.EXTENT_DATA:
        this.#fileExtent(block, slot, objectid, offset, at, size);
        break;
      case TYPE.ORPHAN_ITEM:
        if (objectid !== TREE.ORPHAN) this.#unexpected(block, slot, objectid, type, offset);
        if (size !== 0) this.#faults.item(block, slot, 'item-size', 'an orphan item has no data', size, 0);
        this.#orphans.add(offset);
        break;
      case TYPE.VERITY_DESC:
      case TYPE.VERITY_MERKLE:
        if (!this.#sup.hasReadOnly('VERITY')) this.#unexpected(block, slot, objectid, type, offset);
        break;
      default:
        this.#unexpected(block, slot, objectid, type, offset);
    }
  }

  gap(): void {
    this.#isUncertain = true;
    this.#followsGap = true;
  }

  /** To be called after the last item. `complete`: the walk missed nothing, so absences count. */
  finish(complete: boolean): void {
    this.#finishInode();
    if (!complete) return;
    this.links.finish();
    if (!this.#parents.has(FIRST_FREE_OBJECTID)) {
      this.#faults.error('tree', { tree: this.#tree }, 'top-directory-missing', 'inode 256 is not a directory');
    }
    for (const inode of this.#unlinked) {
      if (this.#orphans.has(inode)) continue;
      this.#inodeError(inode, 'orphan-item-missing', 'no name leads to it and no orphan item exists');
    }
    for (const inode of this.#orphans) {
      if (this.#unlinked.has(inode)) continue;
      // Linux leaves one behind when a crash cuts an eviction, and drops it at the next mount.
      const what = 'an orphan item for an inode that is linked or does not exist';
      this.#faults.warn('inode', { tree: this.#tree, inode }, 'orphan-item-wrong', what);
    }
    for (const inode of directoriesInCycles(this.#parents)) {
      this.#inodeError(inode, 'directory-cycle', 'the directory is above itself, not below the top');
    }
  }

  #startInode(block: TreeBlock, slot: number, objectid: number, type: number): void {
    this.#finishInode();
    this.#inode = objectid;
    this.#hasItem = false;
    this.#references = 0;
    this.#nameBytes = 0;
    this.#entries = 0;
    this.#tally.clear();
    this.#block = block.logical;
    this.#slot = slot;
    const lacksBeginning = this.#followsGap;
    this.#followsGap = false;
    if (type === TYPE.INODE_ITEM || type === TYPE.ORPHAN_ITEM || lacksBeginning) return;
    const what = `${showKey(objectid, type, 0).split(' ')[1]} items without an INODE_ITEM`;
    this.#faults.item(block, slot, 'inode-item-missing', what, `inode ${objectid}`);
  }

  #unexpected(block: TreeBlock, slot: number, objectid: number, type: number, offset: number): void {
    this.#faults.item(block, slot, 'unexpected-item', `${showKey(objectid, type, offset)} does not belong here`);
  }

  #inodeItem(block: TreeBlock, slot: number, objectid: number, offset: number, at: number, size: number): void {
    const { view } = block;
    const faults = this.#faults;
    if (size !== INODE_ITEM_SIZE) {
      faults.item(block, slot, 'item-size', 'size of an inode item is wrong', size, INODE_ITEM_SIZE);
      return;
    }
    this.#hasItem = true;
    this.#size = readU64(view, at + 16);
    this.#nbytes = readU64(view, at + 24);
    this.#nlink = view.getUint32(at + 40, true);
    this.#mode = view.getUint32(at + 52, true);
    this.#flags = view.getUint32(at + 64, true);
    faults.counts.inodes++;
    if (block.first) checkInodeItem(block, slot, objectid, offset, at, faults);
  }

  #reference(block: TreeBlock, slot: number, inode: number, { parent, index, name }: InodeReference): void {
    this.#references++;
    if (inode === FIRST_FREE_OBJECTID) {
      if (parent !== inode || name !== '..') {
        const what = 'the top directory is named by something else than itself';
        this.#faults.item(block, slot, 'top-directory-ref', what, parent, '256 ".."');
      } else if (index !== 0) {
        const what = 'the top directory has an index in itself';
        this.#faults.warnItem(block, slot, 'top-directory-ref', what, index, 0);
      }
      return;
    }
    this.#checkNameBytes(block, slot, name);
    if (index < 2) this.#faults.item(block, slot, 'inode-ref-index', 'index of a name is below 2', index, '≥ 2');
    if (parent < FIRST_FREE_OBJECTID) {
      const what = 'the directory of a name is outside the range of files';
      this.#faults.item(block, slot, 'inode-ref-parent', what, parent, '≥ 256');
    }
    if (this.#isDirectory) this.#parents.set(inode, parent);
    this.links.addReference(parent, name, index, inode, this.#hasItem ? entryTypeOf(this.#mode) : 0);
  }

  get #isDirectory(): boolean {
    return this.#hasItem && this.#mode >>> 12 === MODE_DIRECTORY;
  }

  #checkNameBytes(block: TreeBlock, slot: number, name: string): void {
    if (name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
      this.#faults.item(block, slot, 'name-invalid', 'a name that no file may have', JSON.stringify(name));
    }
  }

  #directoryItems(
    block: TreeBlock,
    slot: number,
    inode: number,
    keyType: number,
    offset: number,
    at: number,
    size: number,
  ): void {
    for (const entry of readDirectoryItems(block, slot, keyType, offset, at, size, this.#faults)) {
      if (keyType !== TYPE.XATTR_ITEM) this.#entry(block, slot, inode, keyType, offset, entry);
    }
  }

  #entry(
    block: TreeBlock,
    slot: number,
    directory: number,
    keyType: number,
    offset: number,
    { name, child, type, isSubvolume }: DirectoryEntry,
  ): void {
    const faults = this.#faults;
    if (this.#hasItem && !this.#isDirectory && this.#entries === 0) {
      faults.item(block, slot, 'entry-in-non-directory', 'an entry in something that is no directory', directory);
    }
    this.#entries++;
    this.#nameBytes += name.length;
    if (keyType === TYPE.DIR_ITEM) {
      this.#checkNameBytes(block, slot, name);
      this.links.addItem(directory, name, child, type, isSubvolume);
      return;
    }
    if (offset < 2) faults.item(block, slot, 'dir-index-low', 'index of a name is below 2', offset, '≥ 2');
    this.links.addIndex(directory, name, offset, child, type, isSubvolume);
  }

  #fileExtent(block: TreeBlock, slot: number, inode: number, offset: number, at: number, size: number): void {
    const kind = this.#mode >>> 12;
    if (this.#hasItem && kind !== MODE_REGULAR && kind !== MODE_SYMLINK) {
      const what = 'file data of something that is neither file nor symlink';
      this.#faults.item(block, slot, 'file-extent-in-non-file', what, `mode 0${this.#mode.toString(8)}`);
    }
    let csums: CsumRule = 'required';
    // Relocated data brings its checksums along, whatever the helper inodes say.
    if (this.#tree === TREE.DATA_RELOC || !this.#hasItem) csums = 'unknown';
    else if (this.#flags & INODE_NODATASUM) csums = 'forbidden';
    this.#extents.check(block, slot, inode, offset, at, size, csums, this.#tally);
  }

  #finishInode(): void {
    const isWhole = this.#hasItem && !this.#isUncertain;
    this.#hasItem = false;
    this.#isUncertain = false;
    if (!isWhole) return;
    const inode = this.#inode;
    const kind = this.#mode >>> 12;
    if (this.#nlink === 0) this.#unlinked.add(inode);
    if (this.#nlink !== this.#references) {
      this.#error('link-count', 'nlink is not the number of names', this.#nlink, this.#references);
    }
    if (kind === MODE_DIRECTORY) {
      if (this.#nlink > 1) this.#error('directory-link-count', 'a directory has more than one link', this.#nlink, 1);
      if (this.#size !== this.#nameBytes) {
        const what = 'size of a directory is not twice the length of its names';
        this.#error('directory-size', what, this.#size, this.#nameBytes);
      }
      if (this.#nlink === 0 && this.#entries > 0) {
        const what = 'a directory without a name still has entries';
        this.#error('orphan-directory-not-empty', what, this.#entries, 0);
      }
      // The top directory has no other name, and an unlinked one none to hang on.
      if (inode === FIRST_FREE_OBJECTID || this.#nlink === 0) this.#parents.set(inode, FIRST_FREE_OBJECTID);
    }
    // mkfs.btrfs gives the top directory, as it did once all, one tree block as its size on disk.
    const isTopDirectory = inode === FIRST_FREE_OBJECTID && this.#nbytes === this.#sup.nodeSize;
    if (this.#tally.bytes !== this.#nbytes && !isTopDirectory) {
      this.#error('inode-nbytes', 'nbytes is not the sum of the file extents', this.#nbytes, this.#tally.bytes);
    }
    if (kind === MODE_SYMLINK) this.#checkSymlink();
    if (kind === MODE_REGULAR) this.#checkFileSize();
  }

  #checkSymlink(): void {
    const tally = this.#tally;
    if (tally.inlineBytes < 0) {
      this.#error('symlink-target', 'a symlink without an inline target', 'none', 'inline data');
    } else if (tally.inlineBytes === this.#size + 1) {
      // mkfs.btrfs --rootdir stores the final NUL of the target; Linux reads as far as the size only.
      const place = { tree: this.#tree, inode: this.#inode, block: this.#block, slot: this.#slot };
      const what = 'target of a symlink is stored with one byte more';
      this.#faults.warn('inode', place, 'symlink-size', what, this.#size, tally.inlineBytes);
    } else if (tally.inlineHasNul && !isMetadataOnly(this.#sup)) {
      this.#error('symlink-target', 'target of a symlink ends within itself', 'a NUL byte', 'none');
    } else if (tally.inlineBytes !== this.#size) {
      this.#error('symlink-size', 'size of a symlink is not that of its target', this.#size, tally.inlineBytes);
    }
  }

  #checkFileSize(): void {
    const tally = this.#tally;
    const end = Math.ceil(this.#size / SECTOR) * SECTOR;
    if (tally.inlineBytes > 0 && !tally.isInlineCompressed && tally.inlineBytes > this.#size) {
      const what = 'inline data is longer than the file';
      this.#error('inline-extent-beyond-size', what, tally.inlineBytes, `≤ ${this.#size}`);
    } else if (tally.inlineBytes > 0 && tally.inlineBytes < Math.min(this.#size, SECTOR)) {
      // Legal only between a commit and the writeback of a file that has just grown.
      const what = 'inline data ends before the file and before its first block';
      const place = { tree: this.#tree, inode: this.#inode, block: this.#block, slot: this.#slot };
      this.#faults.warn('inode', place, 'inline-extent-short', what, tally.inlineBytes, this.#size);
    } else if (tally.writtenEnd > end && this.#tree !== TREE.DATA_RELOC && this.#nlink > 0) {
      // An orphan may be cut short already: the next mount frees what it has. Without NO_HOLES the size on disk may
      // lag behind writes that have finished out of order.
      const what = 'written data lies beyond the size of the file';
      if (this.#sup.has('NO_HOLES')) this.#error('file-extent-beyond-size', what, tally.writtenEnd, `≤ ${end}`);
    }
    if (!this.#sup.has('NO_HOLES') && tally.contiguousEnd < end && this.#nlink > 0) {
      const what = 'a hole without a file extent though the feature NO_HOLES is off';
      this.#error('file-extent-gap', what, tally.contiguousEnd, `≥ ${end}`);
    }
  }

  #error(fault: string, what: string, have: unknown, expect: unknown): void {
    const place = { tree: this.#tree, inode: this.#inode, block: this.#block, slot: this.#slot };
    this.#faults.error('inode', place, fault, what, have, expect);
  }

  #inodeError(inode: number, fault: string, what: string): void {
    this.#faults.error('inode', { tree: this.#tree, inode }, fault, what);
  }
}
