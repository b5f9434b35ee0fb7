import { rawCrc32c } from '../../base/crc32c.ts';
import type { FaultCollector, FaultPlace } from './fault-report.ts';
import { EXTENT_FLAG_FULL_BACKREF, TYPE, typeName } from './layout.ts';

/** One way an extent is referred to: as its extent item says (`found`) and as the trees do (`expected`). */
export class Reference {
  readonly type: number;
  /** Tree id, or the parent block's address for shared references. */
  readonly root: number;
  readonly objectid: number;
  readonly offset: number;
  found = 0;
  expected = 0;

  constructor(type: number, root: number, objectid: number, offset: number) {
    this.type = type;
    this.root = root;
    this.objectid = objectid;
    this.offset = offset;
  }
}

/** Beyond this many references to one extent a map finds them. */
const LINEAR_MAX = 12;

/** What both sides say about one extent: the extent tree, and the trees that use it. */
export class Extent {
  readonly start: number;
  /** From the extent item; for a tree block the node size. */
  length = 0;
  hasItem = false;
  isTree = false;
  refs = 0;
  generation = 0;
  flags = 0;
  /** Level that the extent item claims, −1 if it does not. */
  level = -1;
  itemTree = 0;
  itemBlock = 0;
  itemSlot = 0;
  /** Set when a tree walk has read the block: what its header says. */
  visited = false;
  readable = false;
  owner = 0;
  blockGeneration = 0;
  blockLevel = 0;
  /** The header says that a relocation wrote the block. */
  isMoved = false;
  goodCopy = 0;
  /** The last tree walk that came by. */
  walk = -1;
  readonly references: Reference[] = [];
  #index: Map<string, Reference> | null = null;

  constructor(start: number) {
    this.start = start;
  }

  get isFullBackref(): boolean {
    return (this.flags & EXTENT_FLAG_FULL_BACKREF) !== 0;
  }

  reference(type: number, root: number, objectid: number, offset: number): Reference {
    const list = this.references;
    if (list.length <= LINEAR_MAX) {
      for (const known of list) {
        if (known.root === root && known.type === type && known.objectid === objectid && known.offset === offset) {
          return known;
        }
      }
    } else {
      this.#index ??= new Map(
        list.map((known) => [keyOf(known.type, known.root, known.objectid, known.offset), known]),
      );
      const known = this.#index.get(keyOf(type, root, objectid, offset));
      if (known !== undefined) return known;
    }
    const added = new Reference(type, root, objectid, offset);
    list.push(added);
    this.#index?.set(keyOf(type, root, objectid, offset), added);
    return added;
  }
}

function keyOf(type: number, root: number, objectid: number, offset: number): string {
  return `${type}/${root}/${objectid}/${offset}`;
}

export interface LedgerCoverage {
  /** Every leaf of the extent tree was read. */
  readonly extentTree: boolean;
  /** Every tree that refers to extents was read. */
  readonly references: boolean;
}

/** All extents that either side mentions. */
export class ExtentLedger {
  readonly #extents = new Map<number, Extent>();
  /** Extents with an item, in the order of the extent tree. */
  readonly items: Extent[] = [];

  at(start: number): Extent {
    let extent = this.#extents.get(start);
    if (extent === undefined) {
      extent = new Extent(start);
      this.#extents.set(start, extent);
    }
    return extent;
  }

  find(start: number): Extent | undefined {
    return this.#extents.get(start);
  }

  /** The tree blocks that walks have come to. */
  *visited(): Iterable<Extent> {
    for (const extent of this.#extents.values()) if (extent.visited) yield extent;
  }

  /** Compares both sides of every extent. */
  check(coverage: LedgerCoverage, faults: FaultCollector): void {
    for (const extent of this.#extents.values()) {
      if (!extent.hasItem) {
        if (coverage.extentTree) complainAboutMissingItem(extent, faults);
        continue;
      }
      checkRefTotal(extent, faults);
      checkBothSides(extent, coverage, faults);
      if (extent.isTree && extent.readable) checkTreeBlockItem(extent, faults);
    }
  }
}

function placeOf(extent: Extent): FaultPlace {
  return extent.hasItem
    ? { tree: extent.itemTree, block: extent.itemBlock, slot: extent.itemSlot, extent: extent.start }
    : { extent: extent.start };
}

function complainAboutMissingItem(extent: Extent, faults: FaultCollector): void {
  // A data extent without an item was reported where the file extent lies.
  if (!extent.visited) return;
  const what = `tree block of tree ${extent.owner} at level ${extent.blockLevel} has no extent item`;
  faults.error('extent', placeOf(extent), 'extent-item-missing', what);
}

function checkRefTotal(extent: Extent, faults: FaultCollector): void {
  let total = 0;
  for (const reference of extent.references) total += reference.found;
  if (total !== extent.refs) {
    const what = 'reference count is not the sum of the references';
    faults.error('extent', placeOf(extent), 'extent-refs', what, extent.refs, total);
  }
}

function checkBothSides(extent: Extent, coverage: LedgerCoverage, faults: FaultCollector): void {
  let used = false;
  for (const reference of extent.references) {
    if (reference.expected > 0) used = true;
    if (reference.found === reference.expected) continue;
    const what = show(reference);
    if (reference.found === 0) {
      faults.error('extent', placeOf(extent), 'backref-missing', `${what} is missing`, 0, reference.expected);
    } else if (reference.expected > 0) {
      const fault = 'backref-count';
      // Fewer users than references may be hidden in what could not be read.
      if (reference.found > reference.expected && !coverage.references) continue;
      faults.error('extent', placeOf(extent), fault, `${what} is wrong`, reference.found, reference.expected);
    } else if (coverage.references) {
      faults.error('extent', placeOf(extent), 'backref-extra', `${what} refers to nothing`, reference.found, 0);
    }
  }
  if (!used && coverage.references) {
    const what = `${extent.isTree ? 'tree block' : 'data extent'} is allocated but nothing uses it`;
    faults.error('extent', placeOf(extent), 'extent-unused', what);
  }
}

function checkTreeBlockItem(extent: Extent, faults: FaultCollector): void {
  if (extent.level >= 0 && extent.level !== extent.blockLevel) {
    const what = 'extent item has another level than the block';
    faults.error('extent', placeOf(extent), 'extent-level', what, extent.level, extent.blockLevel);
  }
  if (extent.generation !== extent.blockGeneration) {
    const what = 'extent item has another generation than the block';
    faults.error('extent', placeOf(extent), 'extent-generation', what, extent.generation, extent.blockGeneration);
  }
  if (extent.isFullBackref) return;
  if (extent.isMoved) {
    const what = 'the block has the flag RELOC, its extent item not FULL_BACKREF';
    faults.error('extent', placeOf(extent), 'extent-flags', what, extent.flags, EXTENT_FLAG_FULL_BACKREF);
  }
  // Without FULL_BACKREF the owner itself is among those who refer to the block.
  const owned = extent.references.some((r) => r.type === TYPE.TREE_BLOCK_REF && r.root === extent.owner);
  if (!owned) {
    const what = 'no reference names the owner in the block header';
    faults.error('extent', placeOf(extent), 'extent-owner', what, 'none', `TREE_BLOCK_REF root=${extent.owner}`);
  }
}

function show(reference: Reference): string {
  const { type, root, objectid, offset } = reference;
  if (type === TYPE.EXTENT_DATA_REF) return `EXTENT_DATA_REF root=${root} inode=${objectid} offset=${offset} count`;
  const owner = type === TYPE.TREE_BLOCK_REF ? `root=${root}` : `parent=${root}`;
  return `${typeName(type)} ${owner} count`;
}

const scratch = new Uint8Array(16);
const scratchView = new DataView(scratch.buffer);
const rootPart = scratch.subarray(0, 8);

/**
 * The hash that orders data references, as `[high word, low word]` written into `result`: of the root's eight bytes,
 * shifted left by 31, xor that of inode and offset.
 */
export function dataReferenceHash(view: DataView, at: number, result: Uint32Array): void {
  for (let i = 0; i < 24; i += 4) if (i < 8) scratchView.setUint32(i, view.getUint32(at + i, true), true);
  const high = rawCrc32c(0xffffffff, rootPart);
  for (let i = 0; i < 16; i += 4) scratchView.setUint32(i, view.getUint32(at + 8 + i, true), true);
  const low = rawCrc32c(0xffffffff, scratch);
  result[0] = high >>> 1;
  result[1] = ((high << 31) ^ low) >>> 0;
}
