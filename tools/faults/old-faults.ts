import { readU64, writeU64 } from '../../src/base/bytes.ts';
import { SUPER, TREE, TYPE } from '../../src/oracle/structure/layout.ts';
import type { ImageEditor } from '../../tests/support/image-editor.ts';
import {
  add,
  type DeliberateFault,
  fault,
  fileExtent,
  flip,
  inodeNamed,
  meaningless,
  root,
  set,
  set8,
  set16,
  set32,
  setKeyOffset,
} from './fault.ts';

/** An EXTENT_ITEM of a tree block, with the block's first key and level between item and references. */
const treeBlock = (edit: ImageEditor) =>
  edit.items(TREE.EXTENT).find((item) => item.type === TYPE.EXTENT_ITEM && item.block.bytes[item.at + 16] === 2)!;
/** The first hole item of a file. */
const hole = (edit: ImageEditor, name: string) => {
  const id = inodeNamed(edit, name);
  return edit.items(TREE.FS).find((item) => {
    const isExtent = item.objectid === id && item.type === TYPE.EXTENT_DATA && item.size === 53;
    return isExtent && readU64(item.block.view, item.at + 21) === 0;
  })!;
};
/** A chunk in two copies. */
const dup = (edit: ImageEditor) =>
  edit.items(TREE.CHUNK).findLast((item) => item.type === TYPE.CHUNK_ITEM && item.block.bytes[item.at + 44] === 2)!;
const regular = (edit: ImageEditor) => fileExtent(edit, inodeNamed(edit, 'regular'));

/** linux-old.img: two copies of metadata, nodes of 16 KiB, hole items, extent items with keys. */
export const OLD_FAULTS: readonly DeliberateFault[] = [
  fault('superblock with NO_HOLES missing its bit', 'superblock-incompat', (edit) =>
    writeU64(edit.super, SUPER.incompat, 0),
  ),
  fault('superblock with MIXED_GROUPS and nodes of 16 KiB', 'superblock-mixed-nodesize', (edit) =>
    writeU64(edit.super, SUPER.incompat, readU64(edit.super, SUPER.incompat) + 4),
  ),
  fault('superblock with BLOCK_GROUP_TREE alone', 'superblock-compat-ro', (edit) =>
    writeU64(edit.super, SUPER.compatRo, 8),
  ),
  fault('superblock nodesize', 'superblock-leafsize', (edit) => edit.super.setUint32(SUPER.nodeSize, 8192, true)),
  fault('hole removed', 'file-extent-gap', (edit) => edit.remove(hole(edit, 'punched'))),
  fault('hole num_bytes short', 'file-extent-gap', (edit) => add(hole(edit, 'punched'), 45, -4096)),
  fault('hole num_bytes long', 'file-extent-overlap', (edit) => add(hole(edit, 'punched'), 45, 4096)),
  fault('hole disk_num_bytes', 'file-extent-hole', (edit) => set(hole(edit, 'sparse'), 29, 4096)),
  fault('hole compression', 'file-extent-hole', (edit) => set8(hole(edit, 'sparse'), 16, 1)),
  fault('hole disk_bytenr', 'file-extent-without-extent-item', (edit) => set(hole(edit, 'sparse'), 21, 2 ** 24)),
  fault('hole called prealloc', 'file-extent-disk-bytenr', (edit) => set8(hole(edit, 'sparse'), 20, 2)),
  fault('extent item of a tree block: level', 'extent-level', (edit) => set8(treeBlock(edit), 24 + 17, 3)),
  meaningless('extent item of a tree block: first key', (edit) => set(treeBlock(edit), 24, 12_345)),
  fault('extent item of a tree block: length', 'extent-length', (edit) => setKeyOffset(treeBlock(edit), 4096)),
  fault('extent item of a tree block: called data', 'inline-ref-type', (edit) => set(treeBlock(edit), 16, 1)),
  fault('extent item of a tree block: both kinds', 'extent-flags', (edit) => set(treeBlock(edit), 16, 3)),
  fault('extent item of a tree block: root', 'backref-missing', (edit) => set(treeBlock(edit), 24 + 18 + 1, 77)),
  fault('chunk DUP num_stripes', 'chunk-item-size', (edit) => set16(dup(edit), 44, 1)),
  fault('chunk DUP type', 'chunk-stripe-count', (edit) => set(dup(edit), 24, 4)),
  fault('chunk DUP called RAID1', 'chunk-stripes-share-device', (edit) => set(dup(edit), 24, 4 + 0x10)),
  fault('chunk DUP second stripe: offset', 'dev-extent-missing', (edit) => add(dup(edit), 48 + 32 + 8, 4096)),
  fault('chunk DUP second stripe: devid', 'chunk-stripe-device', (edit) => set(dup(edit), 48 + 32, 2)),
  fault('chunk DUP second stripe: uuid', 'chunk-stripe-uuid', (edit) => flip(dup(edit), 48 + 32 + 16)),
  fault('one copy of a tree block', 'block-checksum', (edit) => {
    const address = readU64(root(edit, TREE.FS).block.view, root(edit, TREE.FS).at + 176);
    const wrong = new Uint8Array(edit.chunks.read(address, edit.sup.nodeSize, 1)!);
    wrong[200]! ^= 0xff;
    edit.writeLogical(address, wrong, 1);
  }),
  fault('cache_generation', 'superblock-cache-generation', (edit) => writeU64(edit.super, SUPER.cacheGeneration, 999)),
  fault('csum item size', 'csum-missing', (edit) => {
    const item = edit.items(TREE.CSUM)[0]!;
    item.block.view.setUint32(item.header + 21, item.size - 4, true);
  }),
  fault('csum item size odd', 'csum-item-size', (edit) => {
    const item = edit.items(TREE.CSUM)[0]!;
    item.block.view.setUint32(item.header + 21, item.size - 1, true);
  }),
  fault('block group used of a DUP group', 'block-group-used', (edit) =>
    add(edit.item(TREE.EXTENT, dup(edit).offset, TYPE.BLOCK_GROUP_ITEM), 0, 16384),
  ),
  fault('block group flags of a DUP group', 'block-group-flags', (edit) =>
    set(edit.item(TREE.EXTENT, dup(edit).offset, TYPE.BLOCK_GROUP_ITEM), 16, 4),
  ),
  fault('block group length of a DUP group', 'block-group-length', (edit) =>
    setKeyOffset(edit.item(TREE.EXTENT, dup(edit).offset, TYPE.BLOCK_GROUP_ITEM), 65536),
  ),
  fault('data ref offset of a file', 'backref-missing', (edit) => {
    const start = readU64(regular(edit).block.view, regular(edit).at + 21);
    set(edit.item(TREE.EXTENT, start, TYPE.EXTENT_ITEM), 41, 4096);
  }),
  fault('file extent generation', 'file-extent-generation', (edit) => set(regular(edit), 0, 999)),
  fault('file extent disk_bytenr of another file', 'backref-missing', (edit) => {
    const other = fileExtent(edit, inodeNamed(edit, 'punched'));
    set(regular(edit), 21, readU64(other.block.view, other.at + 21));
  }),
  fault('dev stats of a device', 'dev-stats-value', (edit) =>
    set32(edit.item(TREE.DEV, 0, TYPE.PERSISTENT_ITEM), 4, 9),
  ),
];
