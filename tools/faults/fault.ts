import { assert } from '../../src/base/assert.ts';
import { readU64, writeU64 } from '../../src/base/bytes.ts';
import { TREE, TYPE } from '../../src/oracle/structure/layout.ts';
import type { EditedItem, ImageEditor } from '../../tests/support/image-editor.ts';

/** One field of an image made wrong, all checksums right again. */
export interface DeliberateFault {
  readonly field: string;
  /** What the structure oracle calls it; null where it cannot know, for a reason below. */
  readonly fault: string | null;
  /** `meaningless`: nobody reads the field. `content`: only whoever knows what was written there can tell. */
  readonly silent?: 'meaningless' | 'content';
  readonly damage: (edit: ImageEditor) => void;
}

export function fault(field: string, name: string, damage: DeliberateFault['damage']): DeliberateFault {
  return { field, fault: name, damage };
}

/** A field that no reader asks for. */
export function meaningless(field: string, damage: DeliberateFault['damage']): DeliberateFault {
  return { field, fault: null, silent: 'meaningless', damage };
}

/** Another valid file system: content, owner, permission or time are different from what was written. */
export function otherContent(field: string, damage: DeliberateFault['damage']): DeliberateFault {
  return { field, fault: null, silent: 'content', damage };
}

/** Adds to a little-endian field of eight bytes. */
export const add = (item: EditedItem, field: number, delta: number) =>
  writeU64(item.block.view, item.at + field, readU64(item.block.view, item.at + field) + delta);
export const set = (item: EditedItem, field: number, value: number) =>
  writeU64(item.block.view, item.at + field, value);
export const set32 = (item: EditedItem, field: number, value: number) =>
  item.block.view.setUint32(item.at + field, value, true);
export const set16 = (item: EditedItem, field: number, value: number) =>
  item.block.view.setUint16(item.at + field, value, true);
export const set8 = (item: EditedItem, field: number, value: number) =>
  item.block.view.setUint8(item.at + field, value);
export const flip = (item: EditedItem, field: number) => {
  item.block.bytes[item.at + field]! ^= 0xff;
};
/** The offset of an item's key. */
export const setKeyOffset = (item: EditedItem, value: number) => writeU64(item.block.view, item.header + 9, value);

export const inode = (edit: ImageEditor, id: number, tree: number = TREE.FS) => edit.item(tree, id, TYPE.INODE_ITEM);
export const fileExtent = (edit: ImageEditor, id: number, offset?: number, tree: number = TREE.FS) =>
  edit.item(tree, id, TYPE.EXTENT_DATA, offset);
export const root = (edit: ImageEditor, id: number) => edit.item(TREE.ROOT, id, TYPE.ROOT_ITEM);

/** Where the entry of a name in the top directory's DIR_ITEM begins. */
export function entryNamed(edit: ImageEditor, name: string): EditedItem {
  const bytes = Buffer.from(name, 'latin1');
  for (const item of edit.items(TREE.FS)) {
    if (item.type !== TYPE.DIR_ITEM) continue;
    for (let at = item.at; at < item.at + item.size; ) {
      const { view } = item.block;
      const length = view.getUint16(at + 27, true);
      const own = item.block.bytes.subarray(at + 30, at + 30 + length);
      if (Buffer.compare(own, bytes) === 0) return { ...item, at };
      at += 30 + length + view.getUint16(at + 25, true);
    }
  }
  assert(false, 'the image has such a name', { name });
}

/** The inode that a name leads to. */
export function inodeNamed(edit: ImageEditor, name: string): number {
  const entry = entryNamed(edit, name);
  return readU64(entry.block.view, entry.at);
}

const INLINE_SIZES: Readonly<Record<number, number>> = {
  [TYPE.TREE_BLOCK_REF]: 9,
  [TYPE.SHARED_BLOCK_REF]: 9,
  [TYPE.EXTENT_DATA_REF]: 29,
  [TYPE.SHARED_DATA_REF]: 13,
};

/** The first inline reference of a type: `at` is where its type byte lies. */
export function inlineReference(edit: ImageEditor, type: number): EditedItem {
  for (const item of edit.items(TREE.EXTENT)) {
    if (item.type !== TYPE.EXTENT_ITEM && item.type !== TYPE.METADATA_ITEM) continue;
    const { view } = item.block;
    const isOldTreeBlock = item.type === TYPE.EXTENT_ITEM && (view.getUint32(item.at + 16, true) & 2) !== 0;
    for (let at = item.at + 24 + (isOldTreeBlock ? 18 : 0); at < item.at + item.size; ) {
      if (view.getUint8(at) === type) return { ...item, at };
      at += INLINE_SIZES[view.getUint8(at)]!;
    }
  }
  assert(false, 'the image has such a reference', { type });
}
