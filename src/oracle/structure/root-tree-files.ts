import { readU64 } from '../../base/bytes.ts';
import { rawCrc32c } from '../../base/crc32c.ts';
import type { BlockGroup } from './block-group-list.ts';
import type { FaultCollector, FaultPlace } from './fault-report.ts';
import { type FileExtentChecker, FileExtentTally } from './file-extents.ts';
import { checkInodeItem } from './inode-item.ts';
import { readInodeReferences } from './inode-references.ts';
import {
  DIR_ITEM_SIZE,
  DIRECTORY_ENTRY_TYPE,
  FREE_SPACE_HEADER_SIZE,
  INODE_ITEM_SIZE,
  INODE_NODATASUM,
  isSubvolumeId,
  KEY_SIZE,
  showKey,
  TREE,
  TYPE,
} from './layout.ts';
import type { TreeBlock } from './tree-block.ts';

/** Of every cache: a file that only root may read and write. */
const CACHE_MODE = 0o100600;

interface CacheFile {
  /** 0 while Linux trusts what is in it no more. */
  readonly generation: number;
  readonly size: number;
  readonly nbytes: number;
  readonly flags: number;
  readonly place: FaultPlace;
  readonly tally: FileExtentTally;
}

/** The header of an old free space cache: which file holds the free space of a block group. */
interface CacheHeader {
  readonly inode: number;
  readonly group: number;
  readonly generation: number;
  readonly place: FaultPlace;
}

/**
 * What the root tree has of a file tree: one directory, whose entry names the default subvolume, and the files of the
 * old free space cache. Linux reads no leaf with a malformed one among them.
 */
export class RootTreeFiles {
  /** −1: there is no entry. */
  defaultSubvolume = -1;
  readonly #files = new Map<number, CacheFile>();
  readonly #headers: CacheHeader[] = [];
  /** Counted once the extent tree is known. */
  readonly #extents: {
    readonly block: TreeBlock;
    readonly slot: number;
    readonly inode: number;
    readonly offset: number;
    readonly at: number;
    readonly size: number;
  }[] = [];
  readonly #faults: FaultCollector;

  constructor(faults: FaultCollector) {
    this.#faults = faults;
  }

  inodeItem(block: TreeBlock, slot: number, inode: number, offset: number, at: number, size: number): void {
    const { view } = block;
    if (size !== INODE_ITEM_SIZE) {
      this.#faults.item(block, slot, 'item-size', 'size of an inode item is wrong', size, INODE_ITEM_SIZE);
      return;
    }
    checkInodeItem(block, slot, inode, offset, at, this.#faults);
    const links = view.getUint32(at + 40, true);
    if (links > 1) {
      this.#faults.item(block, slot, 'link-count', 'an inode of the root tree has more than one name', links, 1);
    }
    if (inode === TREE.ROOT_TREE_DIR) return;
    const mode = view.getUint32(at + 52, true);
    if (mode !== CACHE_MODE) {
      const what = 'mode of a free space cache is wrong';
      this.#faults.item(block, slot, 'inode-mode', what, `0${mode.toString(8)}`, `0${CACHE_MODE.toString(8)}`);
    }
    this.#files.set(inode, {
      generation: readU64(view, at),
      size: readU64(view, at + 16),
      nbytes: readU64(view, at + 24),
      flags: view.getUint32(at + 64, true),
      place: { tree: TREE.ROOT, inode, block: block.logical, slot },
      tally: new FileExtentTally(),
    });
  }

  reference(block: TreeBlock, slot: number, parent: number, at: number, size: number): void {
    readInodeReferences(block, slot, parent, at, size, this.#faults);
    if (parent === TREE.ROOT_TREE_DIR) return;
    const what = 'a name in something that is not the directory of the root tree';
    this.#faults.item(block, slot, 'inode-ref-parent', what, parent, TREE.ROOT_TREE_DIR);
  }

  fileExtent(block: TreeBlock, slot: number, inode: number, offset: number, at: number, size: number): void {
    this.#extents.push({ block, slot, inode, offset, at, size });
  }

  directoryItem(block: TreeBlock, slot: number, directory: number, hash: number, at: number, size: number): void {
    const { view } = block;
    const faults = this.#faults;
    const nameLength = size >= DIR_ITEM_SIZE ? view.getUint16(at + 27, true) : 0;
    if (nameLength === 0 || size !== DIR_ITEM_SIZE + nameLength) {
      faults.item(block, slot, 'item-size', 'size of a directory item does not fit its name', size);
      return;
    }
    const name = block.bytes.subarray(at + DIR_ITEM_SIZE, at + DIR_ITEM_SIZE + nameLength);
    const expect = rawCrc32c(0xfffffffe, name);
    if (hash !== expect) faults.item(block, slot, 'name-hash', 'key is not the hash of the name', hash, expect);
    if (directory === TREE.ROOT_TREE_DIR) this.defaultSubvolume = readU64(view, at);
    else {
      const what = `${showKey(directory, TYPE.DIR_ITEM, hash)} does not belong here`;
      faults.item(block, slot, 'unexpected-item', what);
    }
    if (view.getUint8(at + 8) !== TYPE.ROOT_ITEM || !isSubvolumeId(readU64(view, at))) {
      const have = showKey(readU64(view, at), view.getUint8(at + 8), readU64(view, at + 9));
      faults.item(block, slot, 'default-subvolume', 'the entry names no subvolume', have, '(5 or ≥ 256 ROOT_ITEM …)');
    }
    const dataLength = view.getUint16(at + 25, true);
    if (dataLength !== 0) faults.item(block, slot, 'dir-item-data', 'a directory entry carries data', dataLength, 0);
    const type = view.getUint8(at + 29);
    if (type !== DIRECTORY_ENTRY_TYPE) {
      faults.item(block, slot, 'dir-item-type', 'the entry of a subvolume is no directory', type, DIRECTORY_ENTRY_TYPE);
    }
  }

  /** The only items without a type: an old free space cache, which Linux ignores where it is wrong. */
  header(block: TreeBlock, slot: number, objectid: number, group: number, at: number, size: number): void {
    const { view } = block;
    const faults = this.#faults;
    if (objectid !== TREE.FREE_SPACE_HEADER) {
      const what = `${showKey(objectid, TYPE.UNTYPED, group)} does not belong here`;
      faults.item(block, slot, 'unexpected-item', what);
      return;
    }
    if (size !== FREE_SPACE_HEADER_SIZE) {
      faults.item(block, slot, 'item-size', 'size of a free space header is wrong', size, FREE_SPACE_HEADER_SIZE);
      return;
    }
    const inode = readU64(view, at);
    const offset = readU64(view, at + 9);
    if (view.getUint8(at + 8) !== TYPE.INODE_ITEM || offset !== 0) {
      const have = showKey(inode, view.getUint8(at + 8), offset);
      faults.warnItem(block, slot, 'free-space-header', 'a free space header leads to no inode', have);
    }
    const generation = readU64(view, at + KEY_SIZE);
    if (generation < 0 || generation > block.written) {
      const what = 'generation of a free space header is from the future';
      faults.warnItem(block, slot, 'free-space-header', what, generation, `≤ ${block.written}`);
    }
    this.#headers.push({ inode, group, generation, place: { tree: TREE.ROOT, block: block.logical, slot } });
  }

  /** To be called once the extent tree is known. */
  check(checker: FileExtentChecker, groups: readonly BlockGroup[]): void {
    for (const { block, slot, inode, offset, at, size } of this.#extents) {
      const file = this.#files.get(inode);
      if (file === undefined) {
        this.#faults.item(block, slot, 'inode-item-missing', 'EXTENT_DATA items without an INODE_ITEM', inode);
        continue;
      }
      const csums = (file.flags & INODE_NODATASUM) === 0 ? 'required' : 'forbidden';
      checker.check(block, slot, inode, offset, at, size, csums, file.tally);
    }
    for (const { size, nbytes, place, tally } of this.#files.values()) {
      if (tally.bytes !== nbytes) {
        const what = 'nbytes is not the sum of the file extents';
        this.#faults.error('inode', place, 'inode-nbytes', what, nbytes, tally.bytes);
      }
      if (tally.end === size) continue;
      const what = 'size of a free space cache is not the end of its data';
      this.#faults.warn('inode', place, 'inode-size', what, size, tally.end);
    }
    const starts = new Set(groups.map(({ start }) => start));
    for (const { inode, group, generation, place } of this.#headers) {
      if (!starts.has(group)) {
        this.#faults.warn('leaf', place, 'free-space-header', 'no block group starts here', group);
      }
      const file = this.#files.get(inode);
      if (file === undefined) {
        this.#faults.warn('leaf', place, 'free-space-header', 'a free space header leads to no file', `inode ${inode}`);
      } else if (file.generation !== 0 && file.generation !== generation) {
        const what = 'a free space header is of another generation than its file';
        this.#faults.warn('leaf', place, 'free-space-header', what, generation, file.generation);
      }
    }
  }
}
