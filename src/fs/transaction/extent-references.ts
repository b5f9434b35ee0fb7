import { readU64, writeU64 } from '../../base/bytes.ts';
import type { ByteCount, LogicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { dataReferenceHash, type HashWords } from '../format/data-reference.ts';
import {
  EXTENT_FLAG,
  EXTENT_ITEM_SIZE,
  extentFlags,
  extentRefs,
  INLINE_REF_SIZE,
  inlineRefSize,
  inlineRefsStart,
  setExtentFlags,
  setExtentRefs,
  TREE_BLOCK_INFO_SIZE,
  writeExtentHead,
} from '../format/extent-item.ts';
import { INCOMPAT } from '../format/feature-flags.ts';
import { KEY_TYPE, writeKey } from '../format/key.ts';
import { leafCapacity } from '../format/tree-block.ts';
import type { ChangeCursor } from '../tree/change-cursor.ts';
import { KeyWords } from '../tree/tree-block.ts';
import type { DelayedHead, DelayedReference } from './delayed-references.ts';
import type { FsInfo } from './fs-info.ts';

/**
 * Back references of one extent: inside its extent item while that is small, else as items of their own behind it
 * (keyed references). All functions work on one cursor of the extent tree, which stays locked.
 */

/** Where an inline reference says how often the referrer refers to the extent; null where that is always once. */
const COUNT_AT = {
  [KEY_TYPE.TREE_BLOCK_REF]: null,
  [KEY_TYPE.EXTENT_DATA_REF]: 25,
  [KEY_TYPE.SHARED_BLOCK_REF]: null,
  [KEY_TYPE.SHARED_DATA_REF]: 9,
} as const;
/** The same in items of their own, and their sizes. */
const KEYED_COUNT_AT = { EXTENT_DATA_REF: 24, SHARED_DATA_REF: 0 } as const;
const KEYED_SIZE = { EXTENT_DATA_REF: 28, SHARED_DATA_REF: 4 } as const;

/** What became of an extent. */
export type ExtentOutcome = 'kept' | 'freed';

/** The largest extent item that still takes another inline reference: a sixteenth of a leaf. */
function extentItemSizeMax(nodeSize: ByteCount): ByteCount {
  return Math.floor(leafCapacity(nodeSize) / 16) - 25;
}

/** Inserts the item of a new extent, with all references that its transaction gave it. */
export function* insertExtent(fs: FsInfo, cursor: ChangeCursor, head: DelayedHead): Task<void> {
  const isSkinny = (fs.superblock.incompatFlags & INCOMPAT.SKINNY_METADATA) !== 0;
  const [first, ...others] = head.references.filter((reference) => reference.change !== 0);
  if (head.isData) {
    yield* cursor.seek(head.logical, KEY_TYPE.EXTENT_ITEM, head.length);
    throwIfFound(cursor, head);
    const size = EXTENT_ITEM_SIZE + INLINE_REF_SIZE.EXTENT_DATA_REF;
    const key = { objectid: head.logical, type: KEY_TYPE.EXTENT_ITEM, offset: head.length };
    const at = cursor.open(key, size);
    writeExtentHead(cursor.view, at, first!.change, head.generation, EXTENT_FLAG.DATA);
    writeInlineData(cursor.view, at + EXTENT_ITEM_SIZE, first!, first!.change);
  } else {
    const type = isSkinny ? KEY_TYPE.METADATA_ITEM : KEY_TYPE.EXTENT_ITEM;
    const offset = isSkinny ? head.level : head.length;
    yield* cursor.seek(head.logical, type, offset);
    throwIfFound(cursor, head);
    const start = EXTENT_ITEM_SIZE + (isSkinny ? 0 : TREE_BLOCK_INFO_SIZE);
    const at = cursor.open({ objectid: head.logical, type, offset }, start + INLINE_REF_SIZE.TREE_BLOCK_REF);
    const view = cursor.view;
    writeExtentHead(view, at, 1, head.generation, EXTENT_FLAG.TREE_BLOCK);
    if (!isSkinny) {
      // btrfs leaves the first key as it was when the item was made; nobody but old tools reads it.
      writeKey(view, at + EXTENT_ITEM_SIZE, { objectid: 0, type: 0, offset: 0 });
      view.setUint8(at + EXTENT_ITEM_SIZE + TREE_BLOCK_INFO_SIZE - 1, head.level);
    }
    view.setUint8(at + start, KEY_TYPE.TREE_BLOCK_REF);
    writeU64(view, at + start + 1, first!.root);
  }
  for (const reference of others) yield* changeReference(fs, cursor, head, reference);
}

function throwIfFound(cursor: ChangeCursor, head: DelayedHead): void {
  if (cursor.found) throw corruptExtent(head, 'is allocated twice');
}

/** Applies what is pending for an extent that has an item. Its item goes with its last reference. */
export function* changeExtent(fs: FsInfo, cursor: ChangeCursor, head: DelayedHead): Task<ExtentOutcome> {
  const changes = head.references.filter(({ change }) => change !== 0);
  for (const reference of inOrderOfKeys(changes)) yield* changeReference(fs, cursor, head, reference);
  yield* seekExtentItem(fs, cursor, head);
  const refs = extentRefs(cursor.view, cursor.dataOffset);
  if (refs > 0) {
    setNewFlags(cursor, head);
    return 'kept';
  }
  if (refs < 0) throw corruptExtent(head, `has ${refs} references`);
  if (cursor.dataSize > inlineRefsStart(cursor.type, extentFlags(cursor.view, cursor.dataOffset))) {
    throw corruptExtent(head, 'has back references but a reference count of 0');
  }
  cursor.remove();
  return 'freed';
}

/**
 * As the items lie: then a leaf that loses all of them is free again before the next one is copied, and the deletion of a
 * file that refers to one extent in thousands of places gets along with the space of a few.
 */
function inOrderOfKeys(references: readonly DelayedReference[]): readonly DelayedReference[] {
  if (references.length <= 1) return references;
  const placed = references.map((reference) => {
    const isData = reference.type === KEY_TYPE.EXTENT_DATA_REF;
    const { high, low } = isData ? hashOf(reference) : { high: 0, low: referrerOf(reference) };
    return { reference, high, low };
  });
  placed.sort((a, b) => a.reference.type - b.reference.type || a.high - b.high || a.low - b.low);
  return placed.map(({ reference }) => reference);
}

function setNewFlags(cursor: ChangeCursor, head: DelayedHead): void {
  if (head.newFlags === 0) return;
  cursor.prepare();
  const at = cursor.dataOffset;
  setExtentFlags(cursor.view, at, extentFlags(cursor.view, at) | head.newFlags);
}

/** To the extent's item. Throws EUCLEAN when it has none. */
function* seekExtentItem(fs: FsInfo, cursor: ChangeCursor, head: DelayedHead): Task<void> {
  if (!head.isData && (fs.superblock.incompatFlags & INCOMPAT.SKINNY_METADATA) !== 0) {
    yield* cursor.seek(head.logical, KEY_TYPE.METADATA_ITEM, head.level);
    if (cursor.found) return;
  }
  yield* cursor.seek(head.logical, KEY_TYPE.EXTENT_ITEM, head.length);
  if (!cursor.found) throw corruptExtent(head, 'has no extent item');
}

function* changeReference(
  fs: FsInfo,
  cursor: ChangeCursor,
  head: DelayedHead,
  reference: DelayedReference,
): Task<void> {
  yield* seekExtentItem(fs, cursor, head);
  cursor.prepare();
  const refsAt = cursor.dataOffset;
  setExtentRefs(cursor.view, refsAt, extentRefs(cursor.view, refsAt) + reference.change);
  if (head.isData && !head.isNew && reference.change > 0 && fs.mutations.has('drop-back-reference')) return;
  const inlineAt = findInline(cursor, reference);
  if (inlineAt >= 0) changeInline(cursor, head, reference, inlineAt);
  else if (reference.change > 0 && (yield* mayAddInline(fs, cursor, head, reference))) {
    addInline(cursor, reference, -inlineAt - 1);
  } else yield* changeKeyed(cursor, head, reference);
}

/** Where in the item the reference is, from the start of its data; −1 − where it would go when it is not there. */
function findInline(cursor: ChangeCursor, reference: DelayedReference): number {
  const { view, dataOffset, dataSize, type } = cursor;
  const hash = reference.type === KEY_TYPE.EXTENT_DATA_REF ? hashOf(reference) : null;
  let at = inlineRefsStart(type, extentFlags(view, dataOffset));
  while (at < dataSize) {
    const refType = view.getUint8(dataOffset + at);
    const size = inlineRefSize(refType);
    if (size === null)
      throw new FsError('EUCLEAN', `extent ${cursor.objectid} has a back reference of type ${refType}`);
    if (refType > reference.type) break;
    if (refType === reference.type) {
      if (hash === null) {
        const referrer = readU64(view, dataOffset + at + 1);
        if (referrer === referrerOf(reference)) return at;
        if (isBelow(referrer, referrerOf(reference))) break;
      } else {
        if (isSameData(view, dataOffset + at + 1, reference)) return at;
        if (isHashBelow(view, dataOffset + at + 1, hash)) break;
      }
    }
    at += size;
  }
  return -at - 1;
}

/** Unsigned order of 64 bits held as signed numbers. */
function isBelow(a: number, b: number): boolean {
  return a < 0 === b < 0 ? a < b : b < 0;
}

function isHashBelow(view: DataView, at: number, hash: HashWords): boolean {
  const stored = dataReferenceHash({
    root: readU64(view, at),
    objectid: readU64(view, at + 8),
    offset: readU64(view, at + 16),
  });
  return stored.high !== hash.high ? stored.high < hash.high : stored.low < hash.low;
}

function isSameData(view: DataView, at: number, reference: DelayedReference): boolean {
  return (
    readU64(view, at) === reference.root &&
    readU64(view, at + 8) === reference.inode &&
    readU64(view, at + 16) === reference.offset
  );
}

function hashOf(reference: DelayedReference): HashWords {
  return dataReferenceHash({ root: reference.root, objectid: reference.inode, offset: reference.offset });
}

function changeInline(cursor: ChangeCursor, head: DelayedHead, reference: DelayedReference, at: number): void {
  const isCounted = COUNT_AT[reference.type] !== null;
  const countAt = cursor.dataOffset + at + (COUNT_AT[reference.type] ?? 0);
  const count = (isCounted ? cursor.view.getUint32(countAt, true) : 1) + reference.change;
  if (count < 0 || (!isCounted && count > 1))
    throw corruptExtent(head, `would have ${count} references ${show(reference)}`);
  if (count > 0) {
    cursor.view.setUint32(countAt, count, true);
    return;
  }
  const size = inlineRefSize(reference.type)!;
  const { data } = cursor;
  data.copyWithin(at, at + size);
  cursor.resize(data.length - size);
}

/** An inline reference goes into the item while that is small and no keyed reference of the extent exists. */
function* mayAddInline(
  fs: FsInfo,
  cursor: ChangeCursor,
  head: DelayedHead,
  reference: DelayedReference,
): Task<boolean> {
  const size = inlineRefSize(reference.type)!;
  if (cursor.dataSize + size > extentItemSizeMax(fs.nodeSize)) return false;
  const following = yield* cursor.next();
  const hasKeyed = following && cursor.objectid === head.logical && isKeyedType(cursor.type);
  yield* seekExtentItem(fs, cursor, head);
  cursor.prepare();
  return !hasKeyed;
}

function isKeyedType(type: number): boolean {
  return type >= KEY_TYPE.TREE_BLOCK_REF && type <= KEY_TYPE.SHARED_DATA_REF;
}

function addInline(cursor: ChangeCursor, reference: DelayedReference, at: number): void {
  const size = inlineRefSize(reference.type)!;
  const oldSize = cursor.dataSize;
  cursor.resize(oldSize + size);
  cursor.data.copyWithin(at + size, at, oldSize);
  const refAt = cursor.dataOffset + at;
  if (reference.type === KEY_TYPE.EXTENT_DATA_REF) {
    writeInlineData(cursor.view, refAt, reference, reference.change);
    return;
  }
  cursor.view.setUint8(refAt, reference.type);
  writeU64(cursor.view, refAt + 1, referrerOf(reference));
  const countAt = COUNT_AT[reference.type];
  if (countAt !== null) cursor.view.setUint32(refAt + countAt, reference.change, true);
}

function writeInlineData(view: DataView, at: number, reference: DelayedReference, count: number): void {
  view.setUint8(at, KEY_TYPE.EXTENT_DATA_REF);
  writeDataReference(view, at + 1, reference, count);
}

/** Who refers to the extent, where one number says it. */
function referrerOf(reference: DelayedReference): number {
  return reference.parent === 0 ? reference.root : reference.parent;
}

function writeDataReference(view: DataView, at: number, reference: DelayedReference, count: number): void {
  writeU64(view, at, reference.root);
  writeU64(view, at + 8, reference.inode);
  writeU64(view, at + 16, reference.offset);
  view.setUint32(at + KEYED_COUNT_AT.EXTENT_DATA_REF, count, true);
}

/** Changes, adds or removes a reference that is an item of its own. */
function* changeKeyed(cursor: ChangeCursor, head: DelayedHead, reference: DelayedReference): Task<void> {
  const key = keyOfKeyed(head.logical, reference);
  yield* seekKeyed(cursor, key, reference);
  if (!cursor.found) {
    if (reference.change < 0) throw corruptExtent(head, `has no back reference ${show(reference)}`);
    insertKeyed(cursor, reference);
    return;
  }
  cursor.prepare();
  if (COUNT_AT[reference.type] === null) {
    if (reference.change !== -1) throw corruptExtent(head, `would have two references ${show(reference)}`);
    cursor.remove();
    return;
  }
  const isShared = reference.type === KEY_TYPE.SHARED_DATA_REF;
  const countAt = cursor.dataOffset + (isShared ? KEYED_COUNT_AT.SHARED_DATA_REF : KEYED_COUNT_AT.EXTENT_DATA_REF);
  const count = cursor.view.getUint32(countAt, true) + reference.change;
  if (count < 0) throw corruptExtent(head, `would have ${count} references ${show(reference)}`);
  if (count > 0) cursor.view.setUint32(countAt, count, true);
  else cursor.remove();
}

function insertKeyed(cursor: ChangeCursor, reference: DelayedReference): void {
  if (reference.type === KEY_TYPE.EXTENT_DATA_REF) {
    const at = cursor.openWanted(KEYED_SIZE.EXTENT_DATA_REF);
    writeDataReference(cursor.view, at, reference, reference.change);
  } else if (reference.type === KEY_TYPE.SHARED_DATA_REF) {
    const at = cursor.openWanted(KEYED_SIZE.SHARED_DATA_REF);
    cursor.view.setUint32(at, reference.change, true);
  } else cursor.openWanted(0);
}

/** Two referrers with one hash lie behind each other: the second has the hash plus 1. */
function* seekKeyed(cursor: ChangeCursor, key: KeyWords, reference: DelayedReference): Task<void> {
  for (;;) {
    yield* cursor.seekExact(key);
    if (!cursor.found || reference.type !== KEY_TYPE.EXTENT_DATA_REF) return;
    if (isSameData(cursor.view, cursor.dataOffset, reference)) return;
    key.offsetLow = (key.offsetLow + 1) | 0;
    if (key.offsetLow === 0) key.offsetHigh = (key.offsetHigh + 1) | 0;
  }
}

function keyOfKeyed(logical: LogicalAddress, reference: DelayedReference): KeyWords {
  const key = new KeyWords();
  if (reference.type !== KEY_TYPE.EXTENT_DATA_REF) return key.set(logical, reference.type, referrerOf(reference));
  const hash = hashOf(reference);
  key.set(logical, reference.type, 0);
  key.offsetHigh = hash.high | 0;
  key.offsetLow = hash.low | 0;
  return key;
}

function show(reference: DelayedReference): string {
  if (reference.parent !== 0) return `of tree block ${reference.parent}`;
  if (reference.type === KEY_TYPE.TREE_BLOCK_REF) return `of tree ${reference.root}`;
  return `of tree ${reference.root} inode ${reference.inode} offset ${reference.offset}`;
}

function corruptExtent(head: DelayedHead, problem: string): FsError {
  return new FsError('EUCLEAN', `extent ${head.logical} of ${head.length} bytes ${problem}`);
}
