import { readU64, viewOf, writeU64 } from '../../base/bytes.ts';
import type { ByteCount, Generation, LogicalAddress, TreeId } from '../../base/units.ts';
import { compareDataReferenceHashes, type DataReference, dataReferenceHash } from './data-reference.ts';
import { FormatError, needBytes } from './format-error.ts';
import { KEY_SIZE, KEY_TYPE, type Key, readKey, writeKey } from './key.ts';

/** Flags of an extent item. */
export const EXTENT_FLAG = { DATA: 1, TREE_BLOCK: 2, FULL_BACKREF: 0x100 } as const;

/** refs, generation, flags: what every EXTENT_ITEM and METADATA_ITEM starts with. */
export const EXTENT_ITEM_SIZE = 24;
/** First key and level: between extent item and references of an EXTENT_ITEM of a tree block (no skinny metadata). */
export const TREE_BLOCK_INFO_SIZE = KEY_SIZE + 1;

/** Bytes of an inline reference with its type byte. */
export const INLINE_REF_SIZE = {
  EXTENT_OWNER_REF: 9,
  TREE_BLOCK_REF: 9,
  EXTENT_DATA_REF: 29,
  SHARED_BLOCK_REF: 9,
  SHARED_DATA_REF: 13,
} as const;

/** One back reference inside an extent item. */
export type InlineRef =
  | { readonly type: typeof KEY_TYPE.EXTENT_OWNER_REF; readonly root: TreeId }
  | { readonly type: typeof KEY_TYPE.TREE_BLOCK_REF; readonly root: TreeId }
  | ({ readonly type: typeof KEY_TYPE.EXTENT_DATA_REF; readonly count: number } & DataReference)
  | { readonly type: typeof KEY_TYPE.SHARED_BLOCK_REF; readonly parent: LogicalAddress }
  | { readonly type: typeof KEY_TYPE.SHARED_DATA_REF; readonly parent: LogicalAddress; readonly count: number };

export interface TreeBlockInfo {
  readonly firstKey: Key;
  readonly level: number;
}

/** An allocated extent and who refers to it (EXTENT_ITEM, METADATA_ITEM). */
export interface ExtentItem {
  readonly refs: number;
  readonly generation: Generation;
  readonly flags: number;
  /** Present in an EXTENT_ITEM of a tree block only. */
  readonly treeBlockInfo: TreeBlockInfo | null;
  readonly inlineRefs: readonly InlineRef[];
}

/** In place; `at` is where the item's data begins. */
export function extentRefs(view: DataView, at: number): number {
  return readU64(view, at);
}

export function setExtentRefs(view: DataView, at: number, refs: number): void {
  writeU64(view, at, refs);
}

export function extentGeneration(view: DataView, at: number): Generation {
  return readU64(view, at + 8);
}

export function extentFlags(view: DataView, at: number): number {
  return readU64(view, at + 16);
}

export function setExtentFlags(view: DataView, at: number, flags: number): void {
  writeU64(view, at + 16, flags);
}

/** The size of an inline reference of this type, or null for a type that is none. */
export function inlineRefSize(type: number): ByteCount | null {
  switch (type) {
    case KEY_TYPE.EXTENT_OWNER_REF:
    case KEY_TYPE.TREE_BLOCK_REF:
    case KEY_TYPE.SHARED_BLOCK_REF:
      return 9;
    case KEY_TYPE.EXTENT_DATA_REF:
      return INLINE_REF_SIZE.EXTENT_DATA_REF;
    case KEY_TYPE.SHARED_DATA_REF:
      return INLINE_REF_SIZE.SHARED_DATA_REF;
    default:
      return null;
  }
}

/** Where the inline references of an item begin, from the start of its data. */
export function inlineRefsStart(keyTypeOfItem: number, flags: number): number {
  const hasInfo = keyTypeOfItem === KEY_TYPE.EXTENT_ITEM && isTreeBlock(flags);
  return EXTENT_ITEM_SIZE + (hasInfo ? TREE_BLOCK_INFO_SIZE : 0);
}

/** Throws FormatError for too few bytes, an unknown type of reference, or one that is cut short. */
export function decodeExtentItem(keyTypeOfItem: number, bytes: Uint8Array): ExtentItem {
  needBytes('extent item', bytes.length, EXTENT_ITEM_SIZE);
  const view = viewOf(bytes);
  const flags = extentFlags(view, 0);
  const start = inlineRefsStart(keyTypeOfItem, flags);
  needBytes('extent item', bytes.length, start);
  const treeBlockInfo =
    start === EXTENT_ITEM_SIZE
      ? null
      : { firstKey: readKey(view, EXTENT_ITEM_SIZE), level: view.getUint8(EXTENT_ITEM_SIZE + KEY_SIZE) };
  const inlineRefs: InlineRef[] = [];
  for (let at = start; at < bytes.length; ) {
    const type = view.getUint8(at);
    const size = inlineRefSize(type);
    if (size === null) throw new FormatError('extent item', `has an inline reference of unknown type ${type} at ${at}`);
    needBytes(`extent item with a reference of type ${type} at ${at}`, bytes.length, at + size);
    inlineRefs.push(readInlineRef(view, at));
    at += size;
  }
  return { refs: extentRefs(view, 0), generation: extentGeneration(view, 0), flags, treeBlockInfo, inlineRefs };
}

/** References are written in the order given; see `compareInlineRefs` for the one that btrfs wants. */
export function encodeExtentItem(item: ExtentItem): Uint8Array {
  const start = EXTENT_ITEM_SIZE + (item.treeBlockInfo === null ? 0 : TREE_BLOCK_INFO_SIZE);
  const size = item.inlineRefs.reduce((sum, ref) => sum + inlineRefSize(ref.type)!, start);
  const bytes = new Uint8Array(size);
  const view = viewOf(bytes);
  writeExtentHead(view, 0, item.refs, item.generation, item.flags);
  if (item.treeBlockInfo !== null) {
    writeKey(view, EXTENT_ITEM_SIZE, item.treeBlockInfo.firstKey);
    view.setUint8(EXTENT_ITEM_SIZE + KEY_SIZE, item.treeBlockInfo.level);
  }
  let at = start;
  for (const ref of item.inlineRefs) at = writeInlineRef(view, at, ref);
  return bytes;
}

export function writeExtentHead(view: DataView, at: number, refs: number, generation: Generation, flags: number): void {
  writeU64(view, at, refs);
  writeU64(view, at + 8, generation);
  writeU64(view, at + 16, flags);
}

/** The caller knows that the type is known and that there is room. */
export function readInlineRef(view: DataView, at: number): InlineRef {
  const type = view.getUint8(at);
  switch (type) {
    case KEY_TYPE.EXTENT_OWNER_REF:
    case KEY_TYPE.TREE_BLOCK_REF:
      return { type, root: readU64(view, at + 1) };
    case KEY_TYPE.SHARED_BLOCK_REF:
      return { type, parent: readU64(view, at + 1) };
    case KEY_TYPE.SHARED_DATA_REF:
      return { type, parent: readU64(view, at + 1), count: view.getUint32(at + 9, true) };
    case KEY_TYPE.EXTENT_DATA_REF:
      return {
        type,
        root: readU64(view, at + 1),
        objectid: readU64(view, at + 9),
        offset: readU64(view, at + 17),
        count: view.getUint32(at + 25, true),
      };
    default:
      throw new FormatError('extent item', `has an inline reference of unknown type ${type}`);
  }
}

/** Returns where the next reference begins. */
export function writeInlineRef(view: DataView, at: number, ref: InlineRef): number {
  view.setUint8(at, ref.type);
  switch (ref.type) {
    case KEY_TYPE.EXTENT_OWNER_REF:
    case KEY_TYPE.TREE_BLOCK_REF:
      writeU64(view, at + 1, ref.root);
      return at + 9;
    case KEY_TYPE.SHARED_BLOCK_REF:
      writeU64(view, at + 1, ref.parent);
      return at + 9;
    case KEY_TYPE.SHARED_DATA_REF:
      writeU64(view, at + 1, ref.parent);
      view.setUint32(at + 9, ref.count, true);
      return at + INLINE_REF_SIZE.SHARED_DATA_REF;
    case KEY_TYPE.EXTENT_DATA_REF:
      writeU64(view, at + 1, ref.root);
      writeU64(view, at + 9, ref.objectid);
      writeU64(view, at + 17, ref.offset);
      view.setUint32(at + 25, ref.count, true);
      return at + INLINE_REF_SIZE.EXTENT_DATA_REF;
  }
}

/**
 * The order of inline references in their item: types ascending; within a type the hash (data), root (tree block) or
 * parent (shared) *descending*, as unsigned 64-bit values.
 */
export function compareInlineRefs(a: InlineRef, b: InlineRef): number {
  if (a.type !== b.type) return a.type - b.type;
  if (a.type === KEY_TYPE.EXTENT_DATA_REF && b.type === KEY_TYPE.EXTENT_DATA_REF) {
    return compareDataReferenceHashes(dataReferenceHash(b), dataReferenceHash(a));
  }
  return compareUnsigned(identityOf(b), identityOf(a));
}

function identityOf(ref: InlineRef): number {
  if ('root' in ref) return ref.root;
  return ref.parent;
}

function compareUnsigned(a: number, b: number): number {
  if (a < 0 !== b < 0) return a < 0 ? 1 : -1;
  return a - b;
}

function isTreeBlock(flags: number): boolean {
  return (flags & EXTENT_FLAG.TREE_BLOCK) !== 0;
}
