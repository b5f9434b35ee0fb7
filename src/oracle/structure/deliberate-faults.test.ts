import { expect, test } from 'vitest';
import { type EditedItem, ImageEditor, loadFixture } from '../../../tests/support/image-editor.ts';
import { readU64, writeU64 } from '../../base/bytes.ts';
import { checkImage } from './check-image.ts';
import { HEADER, SUPER, TREE, TYPE } from './layout.ts';

/**
 * One field wrong at a time, checksums right again: each must be called by its name. The image was made by Linux; its
 * inodes are 257 documents, 259 a small file with two names, 299 regular (with a clone, 307), 300 symlink, 301 fifo,
 * 302 many names, 303 preallocated, 304 sparse, 305 without checksums, 306 compressed; 256 is a subvolume, 257 its
 * snapshot.
 */
const BASE = loadFixture('linux-files.img.gz', 64 * 1024 * 1024);

type Damage = (edit: ImageEditor) => void;

interface DeliberateFault {
  readonly field: string;
  readonly fault: string;
  readonly damage: Damage;
}

function fault(field: string, name: string, damage: Damage): DeliberateFault {
  return { field, fault: name, damage };
}

/** Adds to (or sets, or toggles bits of) a little-endian field of `bytes` bytes. */
const add = (item: EditedItem, field: number, delta: number) =>
  writeU64(item.block.view, item.at + field, readU64(item.block.view, item.at + field) + delta);
const set = (item: EditedItem, field: number, value: number) => writeU64(item.block.view, item.at + field, value);
const set32 = (item: EditedItem, field: number, value: number) =>
  item.block.view.setUint32(item.at + field, value, true);
const set16 = (item: EditedItem, field: number, value: number) =>
  item.block.view.setUint16(item.at + field, value, true);
const set8 = (item: EditedItem, field: number, value: number) => item.block.view.setUint8(item.at + field, value);
const flip = (item: EditedItem, field: number) => {
  item.block.bytes[item.at + field]! ^= 0xff;
};

const inode = (edit: ImageEditor, id: number) => edit.item(TREE.FS, id, TYPE.INODE_ITEM);
const fileExtent = (edit: ImageEditor, id: number, offset = 0) => edit.item(TREE.FS, id, TYPE.EXTENT_DATA, offset);
const dataExtent = (edit: ImageEditor, length: number) => edit.item(TREE.EXTENT, undefined, TYPE.EXTENT_ITEM, length);
const root = (edit: ImageEditor, id: number) => edit.item(TREE.ROOT, id, TYPE.ROOT_ITEM);
const block = (edit: ImageEditor) => edit.leaves(TREE.FS)[3]!;
const top = (edit: ImageEditor) => edit.rootOf(TREE.FS);
const chunk = (edit: ImageEditor) => edit.items(TREE.CHUNK).at(-1)!;
const device = (edit: ImageEditor) => edit.item(TREE.CHUNK, 1, TYPE.DEV_ITEM);
const devExtent = (edit: ImageEditor) => edit.items(TREE.DEV).at(-1)!;
const group = (edit: ImageEditor) => edit.item(TREE.EXTENT, 5242880, TYPE.BLOCK_GROUP_ITEM);
const metadata = (edit: ImageEditor) => edit.item(TREE.EXTENT, undefined, TYPE.METADATA_ITEM);
const sharedMetadata = (edit: ImageEditor) =>
  edit.items(TREE.EXTENT).find((item) => item.type === TYPE.METADATA_ITEM && item.size === 42)!;
const clonedExtent = (edit: ImageEditor) => dataExtent(edit, 53248);
const name = (edit: ImageEditor, type: number) =>
  edit.items(TREE.FS).find((item) => item.type === type && item.size > 34)!;
const freeInfo = (edit: ImageEditor) =>
  edit.items(TREE.FREE_SPACE).findLast((item) => item.type === TYPE.FREE_SPACE_INFO)!;

const SUPERBLOCK: readonly DeliberateFault[] = [
  fault('magic', 'superblock-magic', (edit) => edit.super.setUint8(SUPER.magic, 0)),
  fault('csum_type', 'superblock-csum-type', (edit) => edit.super.setUint16(SUPER.csumType, 77, true)),
  fault('bytenr', 'superblock-bytenr', (edit) => writeU64(edit.super, SUPER.bytenr, 69632)),
  fault('flags without WRITTEN', 'superblock-flags', (edit) => writeU64(edit.super, SUPER.flags, 0)),
  fault('flags with ERROR', 'superblock-error-flag', (edit) => writeU64(edit.super, SUPER.flags, 5)),
  fault('generation', 'block-parent-generation', (edit) => writeU64(edit.super, SUPER.generation, 99)),
  fault('root', 'block-outside-chunks', (edit) => writeU64(edit.super, SUPER.root, 2 ** 40)),
  fault('root unaligned', 'superblock-root', (edit) => writeU64(edit.super, SUPER.root, 5611521)),
  fault('chunk_root', 'block-checksum', (edit) => writeU64(edit.super, SUPER.chunkRoot, 1052672 + 4096 * 900)),
  fault('log_root unaligned', 'superblock-log-root', (edit) => writeU64(edit.super, SUPER.logRoot, 1)),
  fault('root_level', 'block-level', (edit) => edit.super.setUint8(SUPER.rootLevel, 2)),
  fault('root_level too high', 'superblock-root-level', (edit) => edit.super.setUint8(SUPER.rootLevel, 8)),
  fault('chunk_root_level', 'superblock-chunk-root-level', (edit) => edit.super.setUint8(SUPER.chunkRootLevel, 9)),
  fault('chunk_root_generation', 'block-parent-generation', (edit) =>
    writeU64(edit.super, SUPER.chunkRootGeneration, 1),
  ),
  fault('chunk_root_generation future', 'superblock-chunk-root-generation', (edit) =>
    writeU64(edit.super, SUPER.chunkRootGeneration, 999),
  ),
  fault('total_bytes', 'superblock-total-bytes', (edit) => writeU64(edit.super, SUPER.totalBytes, 32 * 1024 * 1024)),
  fault('bytes_used', 'superblock-bytes-used', (edit) =>
    writeU64(edit.super, SUPER.bytesUsed, readU64(edit.super, SUPER.bytesUsed) + 4096),
  ),
  fault('root_dir', 'superblock-root-dir', (edit) => writeU64(edit.super, SUPER.rootDir, 7)),
  fault('num_devices', 'superblock-num-devices', (edit) => writeU64(edit.super, SUPER.numDevices, 2)),
  fault('sectorsize', 'superblock-sectorsize', (edit) => edit.super.setUint32(SUPER.sectorSize, 512, true)),
  fault('nodesize', 'superblock-nodesize', (edit) => edit.super.setUint32(SUPER.nodeSize, 5000, true)),
  fault('leafsize', 'superblock-leafsize', (edit) => edit.super.setUint32(SUPER.leafSize, 16384, true)),
  fault('stripesize', 'superblock-stripesize', (edit) => edit.super.setUint32(SUPER.stripeSize, 65536, true)),
  fault('sys_chunk_array_size', 'superblock-sys-chunk-array', (edit) =>
    edit.super.setUint32(SUPER.sysChunkArraySize, 4000, true),
  ),
  fault('compat', 'superblock-compat', (edit) => writeU64(edit.super, SUPER.compat, 1)),
  fault('compat_ro', 'superblock-compat-ro', (edit) => edit.super.setUint8(SUPER.compatRo + 3, 0x40)),
  fault('incompat', 'superblock-incompat', (edit) => edit.super.setUint8(SUPER.incompat + 3, 0x40)),
  fault('cache_generation', 'superblock-cache-generation', (edit) => writeU64(edit.super, SUPER.cacheGeneration, 999)),
  fault('uuid_tree_generation', 'superblock-uuid-tree-generation', (edit) =>
    writeU64(edit.super, SUPER.uuidTreeGeneration, 999),
  ),
  fault('metadata_uuid', 'superblock-metadata-uuid', (edit) => edit.super.setUint8(SUPER.metadataUuid, 1)),
  fault('fsid', 'block-fsid', (edit) => edit.super.setUint8(SUPER.fsid, 1)),
  fault('label', 'superblock-label', (edit) => {
    for (let i = 0; i < 256; i++) edit.super.setUint8(SUPER.label + i, 65);
  }),
  fault('dev_item.devid', 'chunk-stripe-device', (edit) => writeU64(edit.super, SUPER.devItem, 7)),
  fault('dev_item.total_bytes', 'superblock-dev-item', (edit) => writeU64(edit.super, SUPER.devItem + 8, 4096)),
  fault('dev_item.bytes_used', 'superblock-dev-item', (edit) => writeU64(edit.super, SUPER.devItem + 16, 4096)),
  fault('dev_item.uuid', 'superblock-dev-item', (edit) => edit.super.setUint8(SUPER.devItem + 66, 1)),
  fault('dev_item.fsid', 'superblock-dev-item-fsid', (edit) => edit.super.setUint8(SUPER.devItem + 82, 1)),
  fault('sys_chunk_array key', 'sys-chunk-array', (edit) => edit.super.setUint8(SUPER.sysChunkArray + 8, 1)),
  fault('sys_chunk_array chunk type', 'sys-chunk-type', (edit) =>
    writeU64(edit.super, SUPER.sysChunkArray + 17 + 24, 4),
  ),
  fault('sys_chunk_array chunk io_width', 'sys-chunk-differs', (edit) =>
    edit.super.setUint32(SUPER.sysChunkArray + 17 + 36, 8192, true),
  ),
  fault('backup root', 'backup-root', (edit) => {
    for (let slot = 0; slot < 4; slot++) writeU64(edit.super, SUPER.superRoots + slot * 168, 4096);
  }),
];

const TREE_BLOCKS: readonly DeliberateFault[] = [
  fault('header fsid', 'block-fsid', (edit) => block(edit).view.setUint8(HEADER.fsid, 1)),
  fault('header bytenr', 'block-bytenr', (edit) => writeU64(block(edit).view, HEADER.bytenr, 4096)),
  fault('header flags', 'block-flags', (edit) => block(edit).view.setUint8(HEADER.flags, 0)),
  fault('header backref revision', 'block-backref-revision', (edit) => block(edit).view.setUint8(HEADER.flags + 7, 0)),
  fault('header chunk_tree_uuid', 'block-chunk-tree-uuid', (edit) =>
    block(edit).view.setUint8(HEADER.chunkTreeUuid, 1),
  ),
  fault('header generation', 'block-parent-generation', (edit) => writeU64(block(edit).view, HEADER.generation, 3)),
  fault('header generation future', 'block-generation', (edit) => writeU64(block(edit).view, HEADER.generation, 99)),
  fault('header owner', 'extent-owner', (edit) => writeU64(block(edit).view, HEADER.owner, 256)),
  fault('header owner of a system tree', 'block-owner', (edit) =>
    writeU64(edit.rootOf(TREE.CSUM).view, HEADER.owner, 5),
  ),
  fault('header nritems too many', 'block-item-count', (edit) =>
    block(edit).view.setUint32(HEADER.nritems, 9999, true),
  ),
  fault('header nritems of a leaf zero', 'leaf-empty', (edit) => block(edit).view.setUint32(HEADER.nritems, 0, true)),
  fault('header nritems of a node zero', 'node-empty', (edit) => top(edit).view.setUint32(HEADER.nritems, 0, true)),
  fault('header level', 'block-level', (edit) => block(edit).view.setUint8(HEADER.level, 1)),
  fault('key order in a leaf', 'keys-out-of-order', (edit) => writeU64(block(edit).view, 101 + 25 * 3, 258)),
  fault('first key of a leaf', 'first-key', (edit) => writeU64(block(edit).view, 101, 100)),
  fault('last key of a leaf', 'key-beyond-parent', (edit) => {
    const { view } = block(edit);
    writeU64(view, 101 + 25 * (view.getUint32(HEADER.nritems, true) - 1), 100_000);
  }),
  fault('key order in a node', 'keys-out-of-order', (edit) => writeU64(top(edit).view, 101 + 33 * 2, 1)),
  fault('key pointer address to an old block', 'block-parent-generation', (edit) =>
    writeU64(top(edit).view, 101 + 33 + 17, 5242880),
  ),
  fault('key pointer twice', 'block-twice-in-tree', (edit) => {
    const { view } = top(edit);
    writeU64(view, 101 + 33 * 2 + 17, readU64(view, 101 + 33 + 17));
  }),
  fault('key pointer to its own node', 'block-twice-in-tree', (edit) =>
    writeU64(top(edit).view, 101 + 33 + 17, top(edit).logical),
  ),
  fault('key pointer unaligned', 'block-address', (edit) => writeU64(top(edit).view, 101 + 33 + 17, 5242881)),
  fault('key pointer generation', 'block-parent-generation', (edit) => writeU64(top(edit).view, 101 + 33 + 25, 2)),
  fault('item offset', 'item-data-gap', (edit) => {
    const { view } = block(edit);
    view.setUint32(101 + 25 * 2 + 17, view.getUint32(101 + 25 * 2 + 17, true) - 2, true);
  }),
  fault('item size', 'item-data-overlap', (edit) => {
    const { view } = block(edit);
    view.setUint32(101 + 25 * 2 + 21, view.getUint32(101 + 25 * 2 + 21, true) + 2, true);
  }),
  fault('item data outside', 'item-data-bounds', (edit) => block(edit).view.setUint32(101 + 25 * 2 + 17, 50_000, true)),
  fault('item type', 'unexpected-item', (edit) => edit.items(TREE.CSUM)[0]!.block.view.setUint8(101 + 8, 1)),
];

const CHUNKS: readonly DeliberateFault[] = [
  fault('chunk length', 'block-group-length', (edit) => add(chunk(edit), 0, -65536)),
  fault('chunk length unaligned', 'chunk-length', (edit) => add(chunk(edit), 0, 1)),
  fault('chunk owner', 'chunk-owner', (edit) => set(chunk(edit), 8, 5)),
  fault('chunk stripe_len', 'chunk-stripe-length', (edit) => set(chunk(edit), 16, 32768)),
  fault('chunk type', 'block-group-flags', (edit) => set(chunk(edit), 24, 4)),
  fault('chunk type mixed', 'chunk-type', (edit) => set(chunk(edit), 24, 5)),
  fault('chunk profile', 'chunk-stripe-count', (edit) => set(chunk(edit), 24, 1 | 0x10)),
  fault('chunk two profiles', 'chunk-type', (edit) => set(chunk(edit), 24, 1 | 0x18)),
  fault('chunk io_align', 'chunk-io-align', (edit) => set32(chunk(edit), 32, 7)),
  fault('chunk sector_size', 'chunk-sector-size', (edit) => set32(chunk(edit), 40, 512)),
  fault('chunk num_stripes', 'chunk-item-size', (edit) => set16(chunk(edit), 44, 2)),
  fault('chunk stripe devid', 'chunk-stripe-device', (edit) => set(chunk(edit), 48, 3)),
  fault('chunk stripe offset', 'dev-extent-missing', (edit) => add(chunk(edit), 56, 4096)),
  fault('chunk stripe offset unaligned', 'chunk-stripe-offset', (edit) => add(chunk(edit), 56, 1)),
  fault('chunk stripe beyond the device', 'chunk-stripe-beyond-device', (edit) => add(chunk(edit), 56, 2 ** 26)),
  fault('chunk stripe uuid', 'chunk-stripe-uuid', (edit) => flip(chunk(edit), 64)),
  fault('chunk key objectid', 'chunk-objectid', (edit) => writeU64(chunk(edit).block.view, chunk(edit).header, 257)),
  fault('chunk overlap', 'chunk-overlap', (edit) => add(edit.items(TREE.CHUNK).at(-2)!, 0, 65536)),
  fault('chunk removed', 'block-group-without-chunk', (edit) => edit.remove(chunk(edit))),
  fault('DEV_ITEM devid', 'dev-item-devid', (edit) => set(device(edit), 0, 2)),
  fault('DEV_ITEM total_bytes', 'dev-item-total-bytes', (edit) => add(device(edit), 8, 65536)),
  fault('DEV_ITEM bytes_used', 'dev-item-bytes-used', (edit) => add(device(edit), 16, -4096)),
  fault('DEV_ITEM sector_size', 'dev-item-sector-size', (edit) => set32(device(edit), 32, 512)),
  fault('DEV_ITEM type', 'dev-item-type', (edit) => set(device(edit), 36, 1)),
  fault('DEV_ITEM uuid', 'chunk-stripe-uuid', (edit) => flip(device(edit), 66)),
  fault('DEV_ITEM fsid', 'dev-item-fsid', (edit) => flip(device(edit), 82)),
  fault('DEV_EXTENT chunk_tree', 'dev-extent-chunk-tree', (edit) => set(devExtent(edit), 0, 4)),
  fault('DEV_EXTENT chunk_objectid', 'dev-extent-chunk-objectid', (edit) => set(devExtent(edit), 8, 255)),
  fault('DEV_EXTENT chunk_offset', 'dev-extent-chunk', (edit) => set(devExtent(edit), 16, 1048576)),
  fault('DEV_EXTENT length', 'dev-extent-length', (edit) => add(devExtent(edit), 24, 4096)),
  fault('DEV_EXTENT key', 'dev-extent-without-chunk', (edit) =>
    writeU64(devExtent(edit).block.view, devExtent(edit).header + 9, 2 ** 25),
  ),
  fault('DEV_EXTENT removed', 'dev-extent-missing', (edit) => edit.remove(devExtent(edit))),
];

const SPACE: readonly DeliberateFault[] = [
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

const ROOTS: readonly DeliberateFault[] = [
  fault('root bytenr of an old block', 'block-parent-generation', (edit) => set(root(edit, TREE.CSUM), 176, 5242880)),
  fault('root bytenr unaligned', 'root-bytenr', (edit) => add(root(edit, TREE.CSUM), 176, 1)),
  fault('root bytenr of another tree', 'block-owner', (edit) => set(root(edit, TREE.UUID), 176, 5427200)),
  fault('root level', 'block-level', (edit) => set8(root(edit, TREE.CSUM), 238, 1)),
  fault('root level too high', 'root-level', (edit) => set8(root(edit, TREE.CSUM), 238, 9)),
  fault('root generation', 'block-parent-generation', (edit) => add(root(edit, TREE.FS), 160, -1)),
  fault('root generation future', 'root-generation', (edit) => set(root(edit, TREE.FS), 160, 999)),
  fault('root generation_v2', 'root-generation-v2', (edit) => add(root(edit, TREE.FS), 239, -1)),
  fault('root refs', 'root-refs', (edit) => set32(root(edit, TREE.FS), 216, 2)),
  fault('root refs zero', 'root-orphan-missing', (edit) => set32(root(edit, 256), 216, 0)),
  fault('root_dirid', 'root-directory', (edit) => set(root(edit, TREE.FS), 168, 257)),
  fault('root last_snapshot', 'last-snapshot', (edit) => set(root(edit, 256), 200, 0)),
  fault('root last_snapshot future', 'root-last-snapshot', (edit) => set(root(edit, 256), 200, 999)),
  fault('root flags', 'root-flags', (edit) => set(root(edit, TREE.FS), 208, 0x20)),
  fault('root bytes_used', 'root-bytes-used', (edit) => add(root(edit, TREE.FS), 192, 1)),
  fault('root drop_level', 'root-drop-level', (edit) => set8(root(edit, TREE.FS), 237, 200)),
  fault('root ctransid', 'root-transid', (edit) => set(root(edit, 256), 295, 999)),
  fault('root key offset', 'root-key-offset', (edit) =>
    writeU64(root(edit, 257).block.view, root(edit, 257).header + 9, 999),
  ),
  fault('DATA_RELOC removed', 'root-missing', (edit) => edit.remove(root(edit, TREE.DATA_RELOC))),
  fault('CSUM root removed', 'root-missing', (edit) => edit.remove(root(edit, TREE.CSUM))),
  fault('ROOT_REF dirid', 'root-ref-mismatch', (edit) => set(edit.item(TREE.ROOT, 5, TYPE.ROOT_REF, 256), 0, 257)),
  fault('ROOT_REF sequence', 'root-ref-mismatch', (edit) => add(edit.item(TREE.ROOT, 5, TYPE.ROOT_REF, 256), 8, 1)),
  fault('ROOT_REF name', 'root-ref-mismatch', (edit) => flip(edit.item(TREE.ROOT, 5, TYPE.ROOT_REF, 256), 18)),
  fault('ROOT_REF removed', 'root-ref-missing', (edit) => edit.remove(edit.item(TREE.ROOT, 5, TYPE.ROOT_REF, 256))),
  fault('ROOT_BACKREF removed', 'root-backref-missing', (edit) =>
    edit.remove(edit.item(TREE.ROOT, 256, TYPE.ROOT_BACKREF)),
  ),
  fault('default directory hash', 'name-hash', (edit) => {
    const item = edit.item(TREE.ROOT, TREE.ROOT_TREE_DIR, TYPE.DIR_ITEM);
    writeU64(item.block.view, item.header + 9, item.offset + 1);
  }),
  fault('default subvolume', 'default-subvolume', (edit) =>
    set(edit.item(TREE.ROOT, TREE.ROOT_TREE_DIR, TYPE.DIR_ITEM), 0, 999),
  ),
  fault('uuid tree target', 'uuid-entry-wrong', (edit) => set(edit.items(TREE.UUID)[0]!, 0, 999)),
];

const FILES: readonly DeliberateFault[] = [
  fault('inode generation', 'inode-generation', (edit) => set(inode(edit, 299), 0, 999)),
  fault('inode transid', 'inode-transid', (edit) => set(inode(edit, 299), 8, 999)),
  fault('inode size short', 'file-extent-beyond-size', (edit) => set(inode(edit, 299), 16, 4096)),
  fault('inode size of inline data', 'inline-extent-beyond-size', (edit) => set(inode(edit, 259), 16, 2)),
  fault('inode size of a symlink', 'symlink-size', (edit) => set(inode(edit, 300), 16, 3)),
  fault('inode size of a directory', 'directory-size', (edit) => add(inode(edit, 257), 16, 2)),
  fault('inode size huge', 'inode-size', (edit) => set(inode(edit, 299), 16, -1)),
  fault('inode nbytes', 'inode-nbytes', (edit) => add(inode(edit, 299), 24, 4096)),
  fault('inode nbytes inline', 'inode-nbytes', (edit) => set(inode(edit, 259), 24, 4096)),
  fault('inode nlink', 'link-count', (edit) => set32(inode(edit, 299), 40, 2)),
  fault('inode nlink zero', 'orphan-item-missing', (edit) => set32(inode(edit, 299), 40, 0)),
  fault('inode nlink of a directory', 'directory-link-count', (edit) => set32(inode(edit, 257), 40, 2)),
  fault('inode nlink with extended refs', 'link-count', (edit) => set32(inode(edit, 302), 40, 40)),
  fault('inode mode', 'inode-mode', (edit) => set32(inode(edit, 299), 52, 0o644)),
  fault('inode mode of another type', 'dir-item-type', (edit) => set32(inode(edit, 301), 52, 0o140644)),
  fault('inode mode of a directory', 'entry-in-non-directory', (edit) => set32(inode(edit, 257), 52, 0o100755)),
  fault('inode mode of a file with data', 'file-extent-in-non-file', (edit) => set32(inode(edit, 299), 52, 0o10644)),
  fault('inode flags', 'inode-flags', (edit) => set(inode(edit, 299), 64, 2 ** 20)),
  fault('inode flag NODATASUM', 'csum-on-nodatasum', (edit) => set(inode(edit, 299), 64, 1)),
  fault('inode flag NODATASUM lost', 'csum-missing', (edit) => set(inode(edit, 305), 64, 0)),
  fault('inode mtime nanoseconds', 'inode-time', (edit) => set32(inode(edit, 299), 144, 2_000_000_000)),
  fault('inode key offset', 'inode-key-offset', (edit) =>
    writeU64(inode(edit, 299).block.view, inode(edit, 299).header + 9, 1),
  ),
  fault('inode item removed', 'inode-item-missing', (edit) => edit.remove(inode(edit, 299))),
  fault('INODE_REF index', 'inode-ref-index', (edit) => set(edit.item(TREE.FS, 299, TYPE.INODE_REF), 0, 44)),
  fault('INODE_REF name', 'inode-ref-missing', (edit) => flip(edit.item(TREE.FS, 299, TYPE.INODE_REF), 11)),
  fault('INODE_REF name length', 'inode-ref-size', (edit) => set16(edit.item(TREE.FS, 299, TYPE.INODE_REF), 8, 200)),
  fault('INODE_REF parent', 'dir-item-missing', (edit) => {
    const item = edit.item(TREE.FS, 299, TYPE.INODE_REF);
    writeU64(item.block.view, item.header + 9, 257);
  }),
  fault('INODE_REF of the top directory', 'top-directory-ref', (edit) =>
    flip(edit.item(TREE.FS, 256, TYPE.INODE_REF), 10),
  ),
  fault('INODE_EXTREF hash', 'name-hash', (edit) => {
    const item = edit.items(TREE.FS).filter((other) => other.type === TYPE.INODE_EXTREF)[1]!;
    writeU64(item.block.view, item.header + 9, item.offset + 1);
  }),
  fault('INODE_EXTREF parent', 'dir-item-missing', (edit) => set(edit.item(TREE.FS, 302, TYPE.INODE_EXTREF), 0, 257)),
  fault('DIR_ITEM hash', 'name-hash', (edit) => {
    const item = name(edit, TYPE.DIR_ITEM);
    writeU64(item.block.view, item.header + 9, item.offset + 1);
  }),
  fault('DIR_ITEM location', 'dir-item-location', (edit) => set(name(edit, TYPE.DIR_ITEM), 0, 400)),
  fault('DIR_ITEM location type', 'dir-item-location', (edit) => set8(name(edit, TYPE.DIR_ITEM), 8, 12)),
  fault('DIR_ITEM transid', 'dir-item-transid', (edit) => set(name(edit, TYPE.DIR_ITEM), 17, 999)),
  fault('DIR_ITEM data_len', 'dir-item-size', (edit) => set16(name(edit, TYPE.DIR_ITEM), 25, 900)),
  fault('DIR_ITEM name_len', 'dir-item-size', (edit) => set16(name(edit, TYPE.DIR_ITEM), 27, 900)),
  fault('DIR_ITEM type', 'dir-item-type', (edit) => set8(name(edit, TYPE.DIR_ITEM), 29, 4)),
  fault('DIR_ITEM type unknown', 'dir-item-type', (edit) => set8(name(edit, TYPE.DIR_ITEM), 29, 40)),
  fault('DIR_ITEM name', 'name-hash', (edit) => flip(name(edit, TYPE.DIR_ITEM), 30)),
  fault('DIR_ITEM removed', 'dir-item-missing', (edit) => edit.remove(name(edit, TYPE.DIR_ITEM))),
  fault('DIR_INDEX location', 'dir-item-location', (edit) => set(name(edit, TYPE.DIR_INDEX), 0, 400)),
  fault('DIR_INDEX type', 'dir-item-type', (edit) => set8(name(edit, TYPE.DIR_INDEX), 29, 3)),
  fault('DIR_INDEX name', 'dir-index-missing', (edit) => flip(name(edit, TYPE.DIR_INDEX), 30)),
  fault('DIR_INDEX removed', 'dir-index-missing', (edit) => edit.remove(name(edit, TYPE.DIR_INDEX))),
  fault('DIR_INDEX below 2', 'dir-index-low', (edit) => {
    const item = edit.item(TREE.FS, 256, TYPE.DIR_INDEX);
    writeU64(item.block.view, item.header + 9, 1);
  }),
  fault('XATTR hash', 'name-hash', (edit) => {
    const item = edit.item(TREE.FS, 299, TYPE.XATTR_ITEM);
    writeU64(item.block.view, item.header + 9, item.offset + 1);
  }),
  fault('XATTR type', 'xattr-type', (edit) => set8(edit.item(TREE.FS, 299, TYPE.XATTR_ITEM), 29, 1)),
  fault('XATTR location', 'xattr-location', (edit) => set(edit.item(TREE.FS, 299, TYPE.XATTR_ITEM), 0, 5)),
  fault('file extent generation', 'file-extent-generation', (edit) => set(fileExtent(edit, 299), 0, 999)),
  fault('file extent ram_bytes', 'file-extent-ram-bytes', (edit) => set(fileExtent(edit, 299), 8, 4096)),
  fault('file extent ram_bytes inline', 'inline-extent-ram-bytes', (edit) => add(fileExtent(edit, 259), 8, 1)),
  fault('file extent compression', 'file-extent-compression', (edit) => set8(fileExtent(edit, 299), 16, 9)),
  fault('file extent compression without feature', 'file-extent-compression', (edit) =>
    set8(fileExtent(edit, 306), 16, 3),
  ),
  fault('file extent encryption', 'file-extent-encoding', (edit) => set8(fileExtent(edit, 299), 17, 1)),
  fault('file extent type', 'file-extent-type', (edit) => set8(fileExtent(edit, 299), 20, 3)),
  fault('file extent type prealloc', 'csum-on-prealloc', (edit) => set8(fileExtent(edit, 299), 20, 2)),
  fault('file extent type regular', 'csum-missing', (edit) => set8(fileExtent(edit, 303), 20, 1)),
  fault('file extent disk_bytenr', 'file-extent-without-extent-item', (edit) => add(fileExtent(edit, 299), 21, 4096)),
  fault('file extent disk_bytenr zero', 'backref-extra', (edit) => {
    set(fileExtent(edit, 299), 21, 0);
    set(fileExtent(edit, 299), 29, 0);
  }),
  fault('file extent disk_bytenr of a tree block', 'file-extent-on-tree-block', (edit) =>
    set(fileExtent(edit, 299), 21, 5427200),
  ),
  fault('file extent disk_num_bytes', 'file-extent-disk-num-bytes', (edit) => add(fileExtent(edit, 299), 29, 4096)),
  fault('file extent offset', 'file-extent-num-bytes', (edit) => set(fileExtent(edit, 299), 37, 4096)),
  fault('file extent num_bytes', 'inode-nbytes', (edit) => add(fileExtent(edit, 299), 45, -4096)),
  fault('file extent num_bytes zero', 'file-extent-num-bytes', (edit) => set(fileExtent(edit, 299), 45, 0)),
  fault('file extent num_bytes unaligned', 'file-extent-alignment', (edit) => add(fileExtent(edit, 299), 45, -1)),
  fault('file extent num_bytes overlap', 'file-extent-overlap', (edit) => add(fileExtent(edit, 303), 45, 4096)),
  fault('file extent key unaligned', 'file-extent-alignment', (edit) => {
    const item = fileExtent(edit, 299);
    writeU64(item.block.view, item.header + 9, 100);
  }),
  fault('inline extent not at the start', 'inline-extent-offset', (edit) => {
    const item = fileExtent(edit, 259);
    writeU64(item.block.view, item.header + 9, 4096);
  }),
  fault('compressed extent too long', 'file-extent-compressed-size', (edit) => set(fileExtent(edit, 306), 8, 2 ** 20)),
  fault('orphan item for a linked inode', 'orphan-item-wrong', (edit) =>
    edit.insertAfter(edit.items(TREE.FS).at(-1)!, [TREE.ORPHAN, TYPE.ORPHAN_ITEM, 299], new Uint8Array(0)),
  ),
];

const ALL = [
  ...SUPERBLOCK.map((one) => ({ part: 'superblock', ...one })),
  ...TREE_BLOCKS.map((one) => ({ part: 'tree block', ...one })),
  ...CHUNKS.map((one) => ({ part: 'chunk and device', ...one })),
  ...SPACE.map((one) => ({ part: 'space', ...one })),
  ...ROOTS.map((one) => ({ part: 'root tree', ...one })),
  ...FILES.map((one) => ({ part: 'file tree', ...one })),
];

test('the image without a fault is clean', () => {
  const report = checkImage(new ImageEditor([BASE]).finish());
  expect([...report.errors, ...report.warnings, ...report.unsupported, ...report.notChecked]).toEqual([]);
  expect(report.clean).toBe(true);
});

test.each(ALL)('a wrong $part: $field is reported as $fault', ({ damage, fault }) => {
  const edit = new ImageEditor([BASE]);
  damage(edit);
  const report = checkImage(edit.finish());
  const names = [...report.errors, ...report.warnings].map((one) => one.fault);
  expect(names).toContain(fault);
});

test('a message has the grammar: corrupt what: where, what is wrong, have, expect', () => {
  const edit = new ImageEditor([BASE]);
  const { logical, view } = block(edit);
  writeU64(view, 101 + 25 * 3, 258);
  const first = checkImage(edit.finish()).errors.find((one) => one.fault === 'keys-out-of-order');
  expect(first?.message).toBe(
    `corrupt leaf: tree=5 block=${logical} slot=4, keys out of order, ` +
      'have (257 DIR_INDEX 6) expect > (258 DIR_INDEX 5)',
  );
  expect(first?.place).toEqual({ tree: 5, block: logical, slot: 4 });
});

test('several faults are all reported', () => {
  const edit = new ImageEditor([BASE]);
  set32(inode(edit, 299), 40, 2);
  add(inode(edit, 259), 24, 1);
  flip(edit.items(TREE.CSUM)[0]!, 0);
  const names = checkImage(edit.finish()).errors.map((one) => one.fault);
  expect(names).toEqual(expect.arrayContaining(['link-count', 'inode-nbytes', 'data-checksum']));
});

test('junk in the gap of a leaf means nothing and is not reported', () => {
  const edit = new ImageEditor([BASE]);
  const { bytes, view } = block(edit);
  bytes.fill(
    0xaa,
    101 + 25 * view.getUint32(HEADER.nritems, true),
    101 + 25 * view.getUint32(HEADER.nritems, true) + 8,
  );
  const report = checkImage(edit.finish());
  expect([...report.errors, ...report.warnings]).toEqual([]);
});

test('a block with a wrong checksum is named, and what only it knew is not held against others', () => {
  const edit = new ImageEditor([BASE]);
  flip(inode(edit, 259), 24);
  const report = checkImage(edit.finish({ checksums: false }));
  expect(report.errors.map((one) => one.fault)).toEqual(['block-checksum']);
  expect(report.notChecked).toHaveLength(1);
});
