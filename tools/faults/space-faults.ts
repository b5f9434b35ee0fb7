import { readU64, writeU64 } from '../../src/base/bytes.ts';
import { TREE, TYPE } from '../../src/oracle/structure/layout.ts';
import type { ImageEditor } from '../../tests/support/image-editor.ts';
import { add, type DeliberateFault, fault, flip, set, set8, set32 } from './fault.ts';

const dataExtent = (edit: ImageEditor, length: number) => edit.item(TREE.EXTENT, undefined, TYPE.EXTENT_ITEM, length);
const group = (edit: ImageEditor) => edit.item(TREE.EXTENT, 5242880, TYPE.BLOCK_GROUP_ITEM);
const metadata = (edit: ImageEditor) => edit.item(TREE.EXTENT, undefined, TYPE.METADATA_ITEM);
const sharedMetadata = (edit: ImageEditor) =>
  edit.items(TREE.EXTENT).find((item) => item.type === TYPE.METADATA_ITEM && item.size === 42)!;
const clonedExtent = (edit: ImageEditor) => dataExtent(edit, 53248);
const freeInfo = (edit: ImageEditor) =>
  edit.items(TREE.FREE_SPACE).findLast((item) => item.type === TYPE.FREE_SPACE_INFO)!;

/** Extents, references, block groups, free space and checksums of linux-files.img. */
export const SPACE_FAULTS: readonly DeliberateFault[] = [
  fault('extent refs', 'extent-refs', (edit) => add(metadata(edit), 0, 1)),
  fault('extent refs zero', 'extent-refs', (edit) => set(metadata(edit), 0, 0)),
  fault('tree extent generation', 'extent-generation', (edit) => add(metadata(edit), 8, -1)),
  fault('data extent generation future', 'extent-generation', (edit) => set(clonedExtent(edit), 8, 999)),
  fault('extent flags', 'extent-flags', (edit) => set(metadata(edit), 16, 1)),
  fault('extent FULL_BACKREF', 'backref-extra', (edit) => set(sharedMetadata(edit), 24 + 1, 77 * 4096)),
  fault('tree ref root', 'backref-missing', (edit) => set(metadata(edit), 25, 9)),
  fault('tree ref type', 'inline-ref-type', (edit) => set8(metadata(edit), 24, 99)),
  fault('tree refs order', 'inline-ref-order', (edit) => {
    const item = sharedMetadata(edit);
    const first = readU64(item.block.view, item.at + 25);
    set(item, 25, readU64(item.block.view, item.at + 34));
    set(item, 34, first);
  }),
  fault('metadata level', 'extent-level', (edit) => writeU64(metadata(edit).block.view, metadata(edit).header + 9, 1)),
  fault('metadata item removed', 'extent-item-missing', (edit) => edit.remove(metadata(edit))),
  fault('data ref root', 'backref-missing', (edit) => set(dataExtent(edit, 20480), 25, 256)),
  fault('data ref inode', 'backref-extra', (edit) => set(dataExtent(edit, 20480), 33, 299)),
  fault('data ref offset', 'backref-missing', (edit) => set(dataExtent(edit, 20480), 41, 4096)),
  fault('data ref count', 'backref-count', (edit) => {
    set32(dataExtent(edit, 20480), 49, 2);
    set(dataExtent(edit, 20480), 0, 2);
  }),
  fault('data refs order', 'inline-ref-order', (edit) => {
    const item = clonedExtent(edit);
    const bytes = item.block.bytes.slice(item.at + 24, item.at + 53);
    item.block.bytes.copyWithin(item.at + 24, item.at + 53, item.at + 82);
    item.block.bytes.set(bytes, item.at + 53);
  }),
  fault('data extent length', 'file-extent-disk-num-bytes', (edit) =>
    writeU64(dataExtent(edit, 20480).block.view, dataExtent(edit, 20480).header + 9, 16384),
  ),
  fault('data extent overlap', 'extent-overlap', (edit) =>
    writeU64(dataExtent(edit, 20480).block.view, dataExtent(edit, 20480).header + 9, 24576),
  ),
  fault('data extent removed', 'file-extent-without-extent-item', (edit) => edit.remove(dataExtent(edit, 20480))),
  fault('data extent that nothing uses', 'extent-unused', (edit) => {
    const after = edit.items(TREE.EXTENT).at(-1)!;
    const data = after.block.bytes.slice(after.at, after.at + 53);
    edit.insertAfter(after, [12_111_872, TYPE.EXTENT_ITEM, 4096], data);
  }),
  fault('data extent outside groups', 'extent-outside-block-groups', (edit) => {
    const after = edit.items(TREE.EXTENT).at(-1)!;
    const data = after.block.bytes.slice(after.at, after.at + 53);
    edit.insertAfter(after, [2 ** 30, TYPE.EXTENT_ITEM, 4096], data);
  }),
  fault('data extent in metadata', 'extent-in-wrong-block-group', (edit) => {
    const after = edit.items(TREE.EXTENT).findLast((item) => item.type === TYPE.METADATA_ITEM)!;
    const data = clonedExtent(edit).block.bytes.slice(clonedExtent(edit).at, clonedExtent(edit).at + 53);
    edit.insertAfter(after, [11_000_000 - (11_000_000 % 4096), TYPE.EXTENT_ITEM, 4096], data);
  }),
  fault('block group used', 'block-group-used', (edit) => add(group(edit), 0, 4096)),
  fault('block group used too much', 'block-group-used', (edit) => set(group(edit), 0, 2 ** 30)),
  fault('block group chunk_objectid', 'block-group-chunk-objectid', (edit) => set(group(edit), 8, 1)),
  fault('block group flags', 'block-group-flags', (edit) => set(group(edit), 16, 1)),
  fault('block group length', 'block-group-length', (edit) =>
    writeU64(group(edit).block.view, group(edit).header + 9, 4096 * 700),
  ),
  fault('block group removed', 'block-group-missing', (edit) => edit.remove(group(edit))),
  fault('free space count', 'free-space-count', (edit) => set32(freeInfo(edit), 0, 7)),
  fault('free space flags', 'free-space-flags', (edit) => set32(freeInfo(edit), 4, 1)),
  fault('free space info length', 'free-space-info-length', (edit) =>
    writeU64(freeInfo(edit).block.view, freeInfo(edit).header + 9, 8192 * 900),
  ),
  fault('free space extent shorter', 'free-space-missing', (edit) => {
    const item = edit.items(TREE.FREE_SPACE).at(-1)!;
    writeU64(item.block.view, item.header + 9, item.offset - 4096);
  }),
  fault('free space extent longer', 'free-space-allocated', (edit) => {
    const item = edit.items(TREE.FREE_SPACE).at(-1)!;
    writeU64(item.block.view, item.header, item.objectid - 4096);
    writeU64(item.block.view, item.header + 9, item.offset + 4096);
  }),
  fault('free space extent split', 'free-space-not-merged', (edit) => {
    const item = edit.items(TREE.FREE_SPACE).at(-1)!;
    writeU64(item.block.view, item.header + 9, 4096);
    edit.insertAfter(item, [item.objectid + 4096, TYPE.FREE_SPACE_EXTENT, item.offset - 4096], new Uint8Array(0));
  }),
  fault('free space bitmap bit', 'free-space-allocated', (edit) => {
    const item = edit.items(TREE.FREE_SPACE).find((other) => other.type === TYPE.FREE_SPACE_BITMAP)!;
    for (let i = 0; i < item.size; i++) item.block.bytes[item.at + i] = 0xff;
  }),
  fault('free space info removed', 'free-space-info-missing', (edit) => {
    for (const type of [TYPE.FREE_SPACE_EXTENT, TYPE.FREE_SPACE_INFO]) {
      edit.remove(edit.item(TREE.FREE_SPACE, type === TYPE.FREE_SPACE_INFO ? 11_927_552 : 12_111_872, type));
    }
  }),
  fault('csum value', 'data-checksum', (edit) => flip(edit.items(TREE.CSUM)[0]!, 0)),
  fault('csum item shorter', 'csum-missing', (edit) => {
    const item = edit.items(TREE.CSUM)[0]!;
    writeU64(item.block.view, item.header + 9, item.offset + 4096);
  }),
  fault('csum objectid', 'csum-objectid', (edit) => writeU64(edit.items(TREE.CSUM)[0]!.block.view, 101, -11)),
  fault('csum unaligned', 'csum-alignment', (edit) => writeU64(edit.items(TREE.CSUM)[0]!.block.view, 110, 11943937)),
  fault('csum overlap', 'csum-overlap', (edit) => {
    const item = edit.items(TREE.CSUM)[1]!;
    writeU64(item.block.view, item.header + 9, 11943936 + 4096);
  }),
  fault('csum without extent', 'csum-without-extent', (edit) => {
    const item = edit.items(TREE.CSUM)[1]!;
    edit.insertAfter(item, [-10, TYPE.EXTENT_CSUM, 16_000_000 - (16_000_000 % 4096)], new Uint8Array(4));
  }),
  fault('csum on preallocated space', 'csum-on-prealloc', (edit) => {
    const item = edit.items(TREE.CSUM)[0]!;
    writeU64(item.block.view, item.header + 9, 11_927_552);
  }),
  fault('csum on nodatasum data', 'csum-on-nodatasum', (edit) => {
    const item = edit.items(TREE.CSUM)[0]!;
    edit.insertAfter(item, [-10, TYPE.EXTENT_CSUM, 11_993_088], new Uint8Array(4));
  }),
];
