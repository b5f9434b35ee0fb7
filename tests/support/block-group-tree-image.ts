import { readU64, writeU64 } from '../../src/base/bytes.ts';
import { COMPAT_RO, HEADER, SUPER, TREE, TYPE } from '../../src/oracle/structure/layout.ts';
import type { BlockTable } from '../../src/record/block-table.ts';
import { ImageEditor, loadFixture } from './image-editor.ts';

/** The last block of the metadata group, free in the image by Linux. */
export const NEW_LEAF = 11_927_552 - 4096;
const NODE = 4096;

/** Moves the block groups of an image into a tree of their own, as the feature BLOCK_GROUP_TREE wants. */
export function withBlockGroupTree(damage: (edit: ImageEditor) => void = () => {}): readonly BlockTable[] {
  const edit = new ImageEditor([loadFixture('linux-files.img.gz', 64 * 1024 * 1024)]);
  const groups = edit.items(TREE.EXTENT).filter((item) => item.type === TYPE.BLOCK_GROUP_ITEM);
  const leaf = edit.block(NEW_LEAF, null);
  leaf.bytes.set(edit.rootOf(TREE.UUID).bytes.subarray(0, 101));
  writeU64(leaf.view, HEADER.bytenr, NEW_LEAF);
  writeU64(leaf.view, HEADER.owner, TREE.BLOCK_GROUP);
  leaf.view.setUint32(HEADER.nritems, groups.length, true);
  for (const [slot, group] of groups.entries()) {
    const header = 101 + slot * 25;
    const at = NODE - (slot + 1) * 24;
    leaf.bytes.set(group.block.bytes.subarray(group.header, group.header + 25), header);
    leaf.bytes.set(group.block.bytes.subarray(group.at, group.at + 24), at);
    leaf.view.setUint32(header + 17, at - 101, true);
    if (group.objectid === 5_242_880) writeU64(leaf.view, at, readU64(leaf.view, at) + NODE);
  }

  for (const group of groups) edit.remove(edit.item(TREE.EXTENT, group.objectid, TYPE.BLOCK_GROUP_ITEM));
  const before = edit.items(TREE.EXTENT).findLast((item) => item.objectid < NEW_LEAF)!;
  const item = before.block.bytes.slice(before.at, before.at + 33);
  const view = new DataView(item.buffer);
  writeU64(view, 8, readU64(leaf.view, HEADER.generation));
  writeU64(view, 25, TREE.BLOCK_GROUP);
  edit.insertAfter(before, [NEW_LEAF, TYPE.METADATA_ITEM, 0], item);

  const uuidRoot = edit.item(TREE.ROOT, TREE.UUID, TYPE.ROOT_ITEM);
  const root = uuidRoot.block.bytes.slice(uuidRoot.at, uuidRoot.at + uuidRoot.size);
  writeU64(new DataView(root.buffer), 176, NEW_LEAF);
  edit.insertAfter(edit.item(TREE.ROOT, TREE.FREE_SPACE, TYPE.ROOT_ITEM), [TREE.BLOCK_GROUP, TYPE.ROOT_ITEM, 0], root);

  const bitmap = edit.item(TREE.FREE_SPACE, 5_242_880, TYPE.FREE_SPACE_BITMAP);
  bitmap.block.bytes[bitmap.at + bitmap.size - 1]! &= 0x7f;

  writeU64(edit.super, SUPER.bytesUsed, readU64(edit.super, SUPER.bytesUsed) + NODE);
  edit.super.setUint32(SUPER.compatRo, edit.sup.compatRo | COMPAT_RO.BLOCK_GROUP_TREE, true);
  damage(edit);
  return edit.finish();
}
