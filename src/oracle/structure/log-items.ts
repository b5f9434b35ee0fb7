import { readU64 } from '../../base/bytes.ts';
import type { ChunkMap } from './chunk-map.ts';
import type { CsumTreeVisitor } from './csum-tree.ts';
import { readDirectoryItems } from './directory-items.ts';
import { type Extent, ExtentLedger } from './extent-ledger.ts';
import type { FaultCollector } from './fault-report.ts';
import { FileExtentChecker, FileExtentTally } from './file-extents.ts';
import { checkInodeItem } from './inode-item.ts';
import { readExtendedReferences, readInodeReferences } from './inode-references.ts';
import {
  FILE_EXTENT_REGULAR,
  FILE_EXTENT_SIZE,
  GROUP,
  INODE_ITEM_SIZE,
  INODE_NODATASUM,
  showKey,
  TYPE,
} from './layout.ts';
import type { Superblock } from './superblock.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';

const DIR_LOG_SIZE = 8;

/** What the log of a subvolume is read against. */
export interface LogFacts {
  readonly sup: Superblock;
  readonly chunks: ChunkMap;
  /** Null where the extent tree was not read in full. */
  readonly allocated: AllocatedExtents | null;
  /** Checksums of the last commit; null where they were not read in full. */
  readonly csums: CsumTreeVisitor | null;
}

/** What is written in the log with checksums: judged when those that follow in the log are known. */
interface LoggedData {
  readonly block: TreeBlock;
  readonly slot: number;
  readonly start: number;
  readonly length: number;
}

/**
 * Judges the items of one log by themselves: what replaying them gives is not judged. Data that was written since the
 * last commit has no extent item yet.
 */
export class LogItemVisitor implements ItemVisitor {
  readonly #facts: LogFacts;
  readonly #csums: CsumTreeVisitor;
  readonly #extents: FileExtentChecker;
  readonly #faults: FaultCollector;
  readonly #tally = new FileExtentTally();
  readonly #data: LoggedData[] = [];
  #inode = 0;
  #needsCsums = true;

  constructor(facts: LogFacts, csums: CsumTreeVisitor, faults: FaultCollector) {
    this.#facts = facts;
    this.#csums = csums;
    this.#extents = new FileExtentChecker(facts.sup, new ExtentLedger(), null, false, null, faults);
    this.#faults = faults;
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void {
    const faults = this.#faults;
    if (objectid !== this.#inode) {
      this.#inode = objectid;
      this.#needsCsums = true;
      this.#tally.clear();
    }
    switch (type) {
      case TYPE.INODE_ITEM:
        if (size !== INODE_ITEM_SIZE) {
          faults.item(block, slot, 'item-size', 'size of an inode item is wrong', size, INODE_ITEM_SIZE);
          return;
        }
        checkInodeItem(block, slot, objectid, offset, at, faults);
        this.#needsCsums = (block.view.getUint32(at + 64, true) & INODE_NODATASUM) === 0;
        break;
      case TYPE.INODE_REF:
        readInodeReferences(block, slot, offset, at, size, faults);
        break;
      case TYPE.INODE_EXTREF:
        readExtendedReferences(this.#facts.sup, block, slot, offset, at, size, faults);
        break;
      case TYPE.XATTR_ITEM:
      case TYPE.DIR_ITEM:
      case TYPE.DIR_INDEX:
        readDirectoryItems(block, slot, type, offset, at, size, faults);
        break;
      case TYPE.DIR_LOG_ITEM:
      case TYPE.DIR_LOG_INDEX:
        this.#loggedRange(block, slot, type, offset, at, size);
        break;
      case TYPE.EXTENT_DATA:
        this.#extents.check(block, slot, objectid, offset, at, size, 'unknown', this.#tally);
        if (size === FILE_EXTENT_SIZE) this.#logData(block, slot, at);
        break;
      case TYPE.EXTENT_CSUM:
        this.#csums.item(block, slot, objectid, type, offset, at, size);
        break;
      case TYPE.VERITY_DESC:
      case TYPE.VERITY_MERKLE:
        break;
      default:
        faults.item(block, slot, 'unexpected-item', `${showKey(objectid, type, offset)} does not belong in a log`);
    }
  }

  /** Of a directory: all names between the key's offset and this are in the log. */
  #loggedRange(block: TreeBlock, slot: number, type: number, from: number, at: number, size: number): void {
    if (size !== DIR_LOG_SIZE) {
      this.#faults.item(block, slot, 'item-size', 'size of a logged range of names is wrong', size, DIR_LOG_SIZE);
      return;
    }
    const to = readU64(block.view, at);
    // Up to the end of all numbers, which reads as −1.
    if (to >= from || to < 0) return;
    const what = 'a logged range of names ends before it begins';
    this.#faults.item(block, slot, 'dir-log-range', what, to, `≥ ${showKey(this.#inode, type, from)}`);
  }

  #logData(block: TreeBlock, slot: number, at: number): void {
    const { view } = block;
    const start = readU64(view, at + 21);
    const length = readU64(view, at + 29);
    if (!(start > 0) || !(length > 0)) return;
    this.#checkPlace(block, slot, start, length);
    if (view.getUint8(at + 20) !== FILE_EXTENT_REGULAR || !this.#needsCsums) return;
    // As in a file tree: compressed data is summed as stored, and as a whole.
    const isWhole = view.getUint8(at + 16) !== 0;
    const from = isWhole ? start : start + readU64(view, at + 37);
    this.#data.push({ block, slot, start: from, length: isWhole ? length : readU64(view, at + 45) });
  }

  #checkPlace(block: TreeBlock, slot: number, start: number, length: number): void {
    const chunk = this.#facts.chunks.find(start);
    if (chunk === null || start + length > chunk.end || (chunk.type & GROUP.DATA) === 0) {
      const what = 'logged data lies in no data chunk';
      this.#faults.item(block, slot, 'log-data-place', what, `[${start}, ${start + length})`);
      return;
    }
    const extent = this.#facts.allocated?.overlapping(start, length);
    if (extent === undefined || (extent.start === start && extent.length === length && !extent.isTree)) return;
    const what = 'logged data lies on an extent that is not its own';
    const have = `[${start}, ${start + length})`;
    this.#faults.item(block, slot, 'log-data-place', what, have, `[${extent.start}, ${extent.start + extent.length})`);
  }

  /** To be called after the last item of a log that was read in full. */
  finish(): void {
    const { csums } = this.#facts;
    if (csums === null) return;
    for (const { block, slot, start, length } of this.#data) {
      if (!(length > 0)) continue;
      const covered = this.#csums.covered(start, start + length) + csums.covered(start, start + length);
      if (covered >= length) continue;
      this.#faults.item(block, slot, 'csum-missing', 'logged data lacks checksums', covered, length);
    }
  }
}

/** The extents of the last commit by their place. */
export class AllocatedExtents {
  readonly #sorted: readonly Extent[];

  /** `sorted`: by start. */
  constructor(sorted: readonly Extent[]) {
    this.#sorted = sorted;
  }

  /** One that has a byte in common with the range. */
  overlapping(start: number, length: number): Extent | undefined {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const extent = this.#sorted[middle]!;
      if (extent.start + extent.length <= start) low = middle + 1;
      else high = middle;
    }
    const found = this.#sorted[low];
    return found !== undefined && found.start < start + length ? found : undefined;
  }
}
