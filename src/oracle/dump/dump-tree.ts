import { viewOf } from '../../base/bytes.ts';
import { FormatError } from '../../fs/format/format-error.ts';
import { compareStoredKeys, KEY_TYPE, type Key, readExactKey, showKeyType } from '../../fs/format/key.ts';
import {
  blockAddress,
  blockGeneration,
  blockLevel,
  blockOwner,
  HEADER_SIZE,
  ITEM_SIZE,
  itemBytes,
  itemCount,
  itemDataAt,
  itemHeaderAt,
  itemKey,
  itemOffset,
  itemSize,
  KEY_POINTER_SIZE,
  keyPointerAt,
  LEVEL_MAX,
  pointerAddress,
  pointerGeneration,
  treeBlockChecksumMatches,
} from '../../fs/format/tree-block.ts';
import { type DescribedItem, describeItem } from './describe-item.ts';
import { type DumpValue, plainBigint, plainNumber } from './dump-value.ts';
import type { RawFilesystem } from './raw-filesystem.ts';

/** A key with all its bits. */
export interface DumpedKey {
  readonly objectid: DumpValue;
  readonly type: string;
  readonly offset: DumpValue;
}

export interface DumpedItem extends DescribedItem {
  readonly slot: number;
  readonly key: DumpedKey;
  /** From the end of the block's header, as stored. */
  readonly dataOffset: number;
  readonly dataSize: number;
}

export interface DumpedPointer {
  readonly slot: number;
  readonly key: DumpedKey;
  readonly address: DumpValue;
  readonly generation: DumpValue;
}

/** One tree block, whatever is left of it. */
export interface DumpedBlock {
  readonly address: DumpValue;
  /** Null where no copy could be read at all. */
  readonly header: {
    readonly level: number;
    readonly count: number;
    readonly generation: DumpValue;
    readonly owner: DumpValue;
    readonly freeBytes: number;
  } | null;
  readonly problems: readonly string[];
  readonly items: readonly DumpedItem[];
  readonly pointers: readonly DumpedPointer[];
}

/** Where a tree is. */
export interface RootPlace {
  readonly id: number;
  readonly address: number;
  readonly level: number;
  readonly generation: number;
}

interface Visit {
  readonly address: number;
  /** Null: unknown, take what the block says. */
  readonly level: number | null;
  readonly generation: number | null;
}

/**
 * The blocks of a tree from its root on, each before those below it, in the order of keys. A block to which several
 * pointers lead is dumped once; no more is kept in memory than the addresses that were met.
 */
export function* dumpTree(fs: RawFilesystem, root: RootPlace): Generator<DumpedBlock> {
  const seen = new Set<number>();
  const pending: Visit[] = [root];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (seen.has(next.address)) {
      yield lost(next, ['the tree leads to this block a second time; it is shown above']);
      continue;
    }
    seen.add(next.address);
    const { block, children } = dumpBlock(fs, next);
    yield block;
    for (const child of children.reverse()) pending.push(child);
  }
}

/** One block by its logical address. */
export function dumpBlockAt(fs: RawFilesystem, address: number): DumpedBlock {
  return dumpBlock(fs, { address, level: null, generation: null }).block;
}

function dumpBlock(fs: RawFilesystem, visit: Visit): { readonly block: DumpedBlock; readonly children: Visit[] } {
  const { bytes, problems } = readBest(fs, visit);
  if (bytes === null) return { block: lost(visit, problems), children: [] };
  const view = viewOf(bytes);
  const level = blockLevel(view);
  const size = level === 0 ? ITEM_SIZE : KEY_POINTER_SIZE;
  const countMax = Math.floor((bytes.length - HEADER_SIZE) / size);
  const count = Math.min(itemCount(view), countMax);
  if (itemCount(view) > countMax) problems.push(`nritems ${itemCount(view)}, at most ${countMax} fit`);
  if (level > LEVEL_MAX) problems.push(`level ${level}, expect [0, ${LEVEL_MAX}]`);
  if (visit.level !== null && level !== visit.level) problems.push(`level ${level}, expect ${visit.level}`);
  if (visit.generation !== null && blockGeneration(view) !== visit.generation) {
    problems.push(`generation ${blockGeneration(view)}, the pointer says ${visit.generation}`);
  }
  problems.push(...orderProblems(view, count, size));
  const header = {
    level,
    count: itemCount(view),
    generation: plainNumber(blockGeneration(view)),
    owner: plainNumber(blockOwner(view)),
    freeBytes: freeBytesOf(view, level, count),
  };
  const isNode = level > 0 && level <= LEVEL_MAX;
  const items = level === 0 ? slots(count, (slot) => dumpItem(view, slot)) : [];
  const pointers = isNode ? slots(count, (slot) => dumpPointer(view, slot)) : [];
  // Levels go down whatever blocks say, so that no way goes round in circles.
  const canDescend = isNode && (visit.level === null || level === visit.level);
  const children = canDescend ? slots(count, (slot) => childOf(view, slot, level)) : [];
  return { block: { address: plainNumber(visit.address), header, problems, items, pointers }, children };
}

/** Of a damaged leaf it may be negative. */
function freeBytesOf(view: DataView, level: number, count: number): number {
  if (level !== 0) return view.byteLength - HEADER_SIZE - count * KEY_POINTER_SIZE;
  const dataStart = count === 0 ? view.byteLength : itemDataAt(view, count - 1);
  return dataStart - itemHeaderAt(count);
}

function slots<T>(count: number, make: (slot: number) => T): T[] {
  return Array.from({ length: count }, (_, slot) => make(slot));
}

function lost({ address }: Visit, problems: readonly string[]): DumpedBlock {
  return { address: plainNumber(address), header: null, problems, items: [], pointers: [] };
}

/** The first copy that is whole; where none is, the first that can be read, with all that is wrong with it. */
function readBest(
  { chunks, superblock }: RawFilesystem,
  { address }: Visit,
): { readonly bytes: Uint8Array | null; readonly problems: string[] } {
  const copies = chunks.copiesAt(address);
  if (copies === 0) return { bytes: null, problems: ['no chunk holds this address'] };
  const problems: string[] = [];
  let fallback: Uint8Array | null = null;
  for (let copy = 0; copy < copies; copy++) {
    const place = `copy ${copy + 1} (${chunks.describe(address, copy)})`;
    const bytes = chunks.read(address, superblock.nodeSize, copy);
    if (bytes === null) {
      problems.push(`${place} lies outside the images`);
      continue;
    }
    const problem = damageOf(bytes, address);
    if (problem === null) return { bytes, problems };
    problems.push(`${place}: ${problem}`);
    fallback ??= bytes;
  }
  return { bytes: fallback, problems };
}

function damageOf(bytes: Uint8Array, address: number): string | null {
  if (!treeBlockChecksumMatches(bytes)) return 'checksum mismatch';
  const found = blockAddress(viewOf(bytes));
  return found === address ? null : `bytenr ${found}, expect ${address}`;
}

function orderProblems(view: DataView, count: number, stride: number): string[] {
  const problems: string[] = [];
  for (let slot = 1; slot < count; slot++) {
    const at = HEADER_SIZE + slot * stride;
    if (compareStoredKeys(view, at - stride, view, at) >= 0) problems.push(`keys out of order at slot ${slot}`);
  }
  return problems;
}

function dumpItem(view: DataView, slot: number): DumpedItem {
  const key = itemKey(view, slot);
  const place = { slot, key: exactKeyAt(view, itemHeaderAt(slot)), dataOffset: itemOffset(view, slot) };
  return { ...place, dataSize: itemSize(view, slot), ...describeSlot(view, slot, key) };
}

function describeSlot(view: DataView, slot: number, key: Key): DescribedItem {
  let bytes: Uint8Array;
  try {
    bytes = itemBytes(view, slot);
  } catch (error) {
    if (error instanceof FormatError) return { fields: {}, problem: error.message, raw: null };
    throw error;
  }
  return describeItem(key, bytes);
}

function dumpPointer(view: DataView, slot: number): DumpedPointer {
  return {
    slot,
    key: exactKeyAt(view, keyPointerAt(slot)),
    address: plainNumber(pointerAddress(view, slot)),
    generation: plainNumber(pointerGeneration(view, slot)),
  };
}

function childOf(view: DataView, slot: number, level: number): Visit {
  return { address: pointerAddress(view, slot), level: level - 1, generation: pointerGeneration(view, slot) };
}

function exactKeyAt(view: DataView, at: number): DumpedKey {
  const { objectid, type, offset } = readExactKey(view, at);
  return { objectid: plainBigint(objectid), type: showKeyType(type), offset: plainBigint(offset) };
}

/** Trees of all ROOT_ITEMs that can be read, in the order of the root tree. */
export function findRoots(fs: RawFilesystem, rootTree: RootPlace): RootPlace[] {
  const roots: RootPlace[] = [];
  for (const block of dumpTree(fs, rootTree)) {
    for (const { key, fields } of block.items) {
      const { bytenr, level, generation } = fields;
      const isRoot = key.type === showKeyType(KEY_TYPE.ROOT_ITEM) && typeof key.objectid === 'number';
      if (!isRoot || typeof bytenr !== 'number' || typeof level !== 'number' || typeof generation !== 'number')
        continue;
      roots.push({ id: key.objectid as number, address: bytenr, level, generation });
    }
  }
  return roots;
}
