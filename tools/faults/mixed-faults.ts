import { readU64, writeU64 } from '../../src/base/bytes.ts';
import { SUPER, TREE, TYPE } from '../../src/oracle/structure/layout.ts';
import type { EditedItem, ImageEditor } from '../../tests/support/image-editor.ts';
import {
  add,
  type DeliberateFault,
  entryNamed,
  fault,
  fileExtent,
  flip,
  inlineReference,
  inode,
  inodeNamed,
  otherContent,
  root,
  set,
  set8,
  set16,
  set32,
  setKeyOffset,
} from './fault.ts';

const DEEP = 261;
const DOOMED = 263;

const named = (edit: ImageEditor, name: string): EditedItem => inode(edit, inodeNamed(edit, name));
const extentOf = (edit: ImageEditor, name: string): EditedItem => fileExtent(edit, inodeNamed(edit, name));
const bitmap = (edit: ImageEditor) => edit.item(TREE.FREE_SPACE, undefined, TYPE.FREE_SPACE_BITMAP);
const bitmapInfo = (edit: ImageEditor) =>
  edit.items(TREE.FREE_SPACE).findLast((item) => item.type === TYPE.FREE_SPACE_INFO)!;
const stats = (edit: ImageEditor) => edit.item(TREE.DEV, 0, TYPE.PERSISTENT_ITEM);
const chunk = (edit: ImageEditor) => edit.items(TREE.CHUNK).at(-1)!;
const orphan = (edit: ImageEditor, tree: number) => edit.item(tree, TREE.ORPHAN, TYPE.ORPHAN_ITEM);
const unnamed = (edit: ImageEditor) => inode(edit, orphan(edit, TREE.FS).offset);
const received = (edit: ImageEditor) => edit.item(TREE.UUID, undefined, TYPE.UUID_RECEIVED_SUBVOL);
const shared = (edit: ImageEditor) => inlineReference(edit, TYPE.SHARED_DATA_REF);
const sharedBlock = (edit: ImageEditor) => inlineReference(edit, TYPE.SHARED_BLOCK_REF);
const fullBackref = (edit: ImageEditor) =>
  edit.items(TREE.EXTENT).find((item) => item.type === TYPE.METADATA_ITEM && item.block.bytes[item.at + 17] === 1)!;
/** An item that holds two names or two attributes of one hash. */
const collision = (edit: ImageEditor, type: number) =>
  edit.items(TREE.FS).find((item) => {
    if (item.type !== type) return false;
    const { view } = item.block;
    return 30 + view.getUint16(item.at + 25, true) + view.getUint16(item.at + 27, true) < item.size;
  })!;
/** The second name or attribute of such an item. */
const second = (edit: ImageEditor, type: number): EditedItem => {
  const item = collision(edit, type);
  const { view } = item.block;
  return { ...item, at: item.at + 30 + view.getUint16(item.at + 25, true) + view.getUint16(item.at + 27, true) };
};

/**
 * linux-mixed.img: mixed block groups, bitmaps of free space, all compressions, colliding names and attributes, special
 * files, orphans, a deleted and a received subvolume, another default subvolume, references by address.
 */
export const MIXED_FAULTS: readonly DeliberateFault[] = [
  fault('superblock without MIXED_GROUPS', 'chunk-type', (edit) =>
    writeU64(edit.super, SUPER.incompat, readU64(edit.super, SUPER.incompat) - 4),
  ),
  fault('superblock without COMPRESS_ZSTD', 'file-extent-compression', (edit) =>
    writeU64(edit.super, SUPER.incompat, readU64(edit.super, SUPER.incompat) - 0x10),
  ),
  fault('superblock without COMPRESS_LZO', 'file-extent-compression', (edit) =>
    writeU64(edit.super, SUPER.incompat, readU64(edit.super, SUPER.incompat) - 0x8),
  ),
  fault('superblock without DEFAULT_SUBVOL', 'default-subvolume', (edit) =>
    writeU64(edit.super, SUPER.incompat, readU64(edit.super, SUPER.incompat) - 2),
  ),
  fault('mixed chunk type of data only', 'chunk-type', (edit) => set(chunk(edit), 24, 1)),
  fault('mixed block group of data only', 'block-group-flags', (edit) =>
    set(edit.item(TREE.EXTENT, chunk(edit).offset, TYPE.BLOCK_GROUP_ITEM), 16, 1),
  ),
  fault('default subvolume', 'default-subvolume', (edit) => set(edit.item(TREE.ROOT, 6, TYPE.DIR_ITEM), 0, 999)),
  otherContent('default subvolume another', (edit) => set(edit.item(TREE.ROOT, 6, TYPE.DIR_ITEM), 0, 256)),
  fault('default subvolume location type', 'default-subvolume', (edit) =>
    set8(edit.item(TREE.ROOT, 6, TYPE.DIR_ITEM), 8, TYPE.INODE_ITEM),
  ),
  fault('bitmap bit set', 'free-space-allocated', (edit) => set8(bitmap(edit), 0, 0xff)),
  fault('bitmap bit cleared', 'free-space-missing', (edit) => set8(bitmap(edit), bitmap(edit).size - 2, 0)),
  fault('bitmap start', 'free-space-bitmap-gap', (edit) =>
    writeU64(bitmap(edit).block.view, bitmap(edit).header, bitmap(edit).objectid + 4096),
  ),
  fault('bitmap length', 'free-space-bitmap-size', (edit) => setKeyOffset(bitmap(edit), bitmap(edit).offset / 2)),
  fault('bitmap removed', 'free-space-bitmap-gap', (edit) => edit.remove(bitmap(edit))),
  fault('bitmap called extent', 'free-space-flags', (edit) =>
    bitmap(edit).block.view.setUint8(bitmap(edit).header + 8, TYPE.FREE_SPACE_EXTENT),
  ),
  fault('free space info with bitmaps: flags', 'free-space-flags', (edit) => set32(bitmapInfo(edit), 4, 0)),
  fault('free space info with bitmaps: extent_count', 'free-space-count', (edit) => set32(bitmapInfo(edit), 0, 1)),
  fault('dev stats negative', 'dev-stats-value', (edit) => set(stats(edit), 8, -1)),
  otherContent('dev stats', (edit) => set(stats(edit), 24, 5)),
  fault('dev stats objectid', 'unexpected-item', (edit) => writeU64(stats(edit).block.view, stats(edit).header, 1)),
  fault('dev stats removed in part', 'item-size', (edit) => {
    const { block, header, size } = stats(edit);
    block.view.setUint32(header + 21, size - 8, true);
  }),
  fault('orphan item of an unnamed file removed', 'orphan-item-missing', (edit) => edit.remove(orphan(edit, TREE.FS))),
  fault('orphan item of an unnamed file: inode', 'orphan-item-missing', (edit) =>
    setKeyOffset(orphan(edit, TREE.FS), 333),
  ),
  fault('orphan item: objectid', 'unexpected-item', (edit) =>
    writeU64(orphan(edit, TREE.FS).block.view, orphan(edit, TREE.FS).header, -7),
  ),
  fault('nlink of an unnamed file', 'link-count', (edit) => set32(unnamed(edit), 40, 1)),
  fault('nbytes of an unnamed file', 'inode-nbytes', (edit) => add(unnamed(edit), 24, 4096)),
  fault('orphan item of a deleted subvolume removed', 'root-orphan-missing', (edit) =>
    edit.remove(orphan(edit, TREE.ROOT)),
  ),
  fault('orphan item of a deleted subvolume: id', 'root-orphan-missing', (edit) =>
    setKeyOffset(orphan(edit, TREE.ROOT), 262),
  ),
  fault('refs of a deleted subvolume', 'root-unreachable', (edit) => set32(root(edit, DOOMED), 216, 1)),
  fault('drop_level of a deleted subvolume', 'root-drop-level', (edit) => set8(root(edit, DOOMED), 237, 9)),
  fault('received uuid entry: target', 'uuid-entry-wrong', (edit) => set(received(edit), 0, 256)),
  fault('received uuid entry removed', 'uuid-entry-missing', (edit) => edit.remove(received(edit))),
  fault('received uuid entry: size', 'item-size', (edit) =>
    received(edit).block.view.setUint32(received(edit).header + 21, 7, true),
  ),
  otherContent('received subvolume: stransid', (edit) => set(root(edit, 259), 311, 5)),
  fault('SHARED_DATA_REF parent', 'backref-missing', (edit) => set(shared(edit), 1, 7_380_992)),
  fault('SHARED_DATA_REF count', 'backref-count', (edit) => set32(shared(edit), 9, 3)),
  fault('SHARED_DATA_REF count zero', 'backref-count', (edit) => set32(shared(edit), 9, 0)),
  fault('SHARED_DATA_REF called SHARED_BLOCK_REF', 'inline-ref-type', (edit) =>
    set8(shared(edit), 0, TYPE.SHARED_BLOCK_REF),
  ),
  fault('EXTENT_OWNER_REF without its feature', 'inline-ref-type', (edit) => set8(sharedBlock(edit), 0, 172)),
  fault('SHARED_BLOCK_REF parent', 'backref-missing', (edit) => set(sharedBlock(edit), 1, 7_380_992)),
  fault('SHARED_BLOCK_REF called TREE_BLOCK_REF', 'backref-missing', (edit) =>
    set8(sharedBlock(edit), 0, TYPE.TREE_BLOCK_REF),
  ),
  fault('FULL_BACKREF lost', 'backref-missing', (edit) => set(fullBackref(edit), 16, 2)),
  fault('FULL_BACKREF on a data extent', 'extent-flags', (edit) =>
    set(edit.item(TREE.EXTENT, undefined, TYPE.EXTENT_ITEM), 16, 0x101),
  ),
  fault('refs of a shared block', 'extent-refs', (edit) => set(fullBackref(edit), 0, 9)),
  fault('last_snapshot of a shared tree', 'last-snapshot', (edit) => set(root(edit, DEEP), 200, 0)),
  fault('owner of a shared block', 'extent-owner', (edit) => writeU64(edit.leaves(DEEP)[4]!.view, 88, 262)),
  fault('key pointer of a shared tree', 'first-key', (edit) => {
    const { parent } = edit.leaves(DEEP)[4]!;
    writeU64(
      parent!.block.view,
      101 + parent!.slot * 33 + 17,
      readU64(parent!.block.view, 101 + (parent!.slot + 1) * 33 + 17),
    );
  }),
  fault('name of two with one hash: location', 'dir-item-location', (edit) => set(second(edit, TYPE.DIR_ITEM), 0, 999)),
  fault('name of two with one hash: name_len', 'dir-item-size', (edit) => set16(second(edit, TYPE.DIR_ITEM), 27, 90)),
  fault('name of two with one hash: the same twice', 'name-twice', (edit) => {
    const [one, other] = [collision(edit, TYPE.DIR_ITEM), second(edit, TYPE.DIR_ITEM)];
    other.block.bytes.copyWithin(other.at, one.at, other.at);
  }),
  fault('attribute of two with one hash: type', 'xattr-type', (edit) => set8(second(edit, TYPE.XATTR_ITEM), 29, 1)),
  fault('attribute of two with one hash: data_len', 'dir-item-size', (edit) =>
    set16(second(edit, TYPE.XATTR_ITEM), 25, 999),
  ),
  fault('attribute of two with one hash: the same twice', 'xattr-twice', (edit) => {
    const [one, other] = [collision(edit, TYPE.XATTR_ITEM), second(edit, TYPE.XATTR_ITEM)];
    const length = other.block.view.getUint16(other.at + 27, true);
    other.block.bytes.copyWithin(other.at + 30, one.at + 30, one.at + 30 + length);
  }),
  fault('character device: rdev', 'inode-rdev', (edit) => set(named(edit, 'character'), 56, 2 ** 40)),
  otherContent('character device: minor number', (edit) => add(named(edit, 'character'), 56, 1)),
  fault('character device: mode of a block device', 'dir-item-type', (edit) =>
    set32(named(edit, 'character'), 52, 0o60644),
  ),
  fault('block device: size', 'special-file-size', (edit) => set(named(edit, 'block'), 16, 4096)),
  fault('block device: nbytes', 'inode-nbytes', (edit) => set(named(edit, 'block'), 24, 4096)),
  fault('socket: mode of a fifo', 'dir-item-type', (edit) => set32(named(edit, 'socket'), 52, 0o10644)),
  fault('entry of a socket: type', 'dir-item-type', (edit) => set8(entryNamed(edit, 'socket'), 29, 5)),
  fault('entry with a newline: location', 'dir-item-location', (edit) => set(entryNamed(edit, 'new\nline'), 0, 999)),
  fault('entry that is not UTF-8: name', 'name-hash', (edit) => flip(entryNamed(edit, '\xff\xfe not utf-8'), 31)),
  fault('entry with a slash', 'name-invalid', (edit) => set8(entryNamed(edit, 'x'.repeat(255)), 31, 0x2f)),
  fault('inline zlib called zstd', 'compressed-data-format', (edit) => set8(extentOf(edit, 'zlib-inline'), 16, 3)),
  fault('inline zstd called lzo', 'compressed-data-format', (edit) => set8(extentOf(edit, 'zstd-inline'), 16, 2)),
  fault('inline lzo called none', 'inline-extent-ram-bytes', (edit) => set8(extentOf(edit, 'lzo-inline'), 16, 0)),
  fault('inline zstd: first byte', 'compressed-data-format', (edit) => flip(extentOf(edit, 'zstd-inline'), 21)),
  fault('inline zlib: ram_bytes', 'inode-nbytes', (edit) => add(extentOf(edit, 'zlib-inline'), 8, 1)),
  fault('inline zlib: ram_bytes huge', 'inline-extent-ram-bytes', (edit) =>
    set(extentOf(edit, 'zlib-inline'), 8, 2 ** 40),
  ),
  fault('inline plain called zlib', 'compressed-data-format', (edit) => set8(extentOf(edit, 'tiny'), 16, 1)),
  fault('regular zstd called zlib', 'compressed-data-format', (edit) => set8(extentOf(edit, 'zstd-regular'), 16, 1)),
  fault('regular zlib called lzo', 'compressed-data-format', (edit) => set8(extentOf(edit, 'zlib-regular'), 16, 2)),
  fault('regular lzo called zstd', 'compressed-data-format', (edit) => set8(extentOf(edit, 'lzo-regular'), 16, 3)),
  fault('regular zstd: disk_num_bytes', 'file-extent-disk-num-bytes', (edit) =>
    add(extentOf(edit, 'zstd-regular'), 29, 4096),
  ),
  fault('regular zstd: ram_bytes', 'file-extent-ram-bytes', (edit) => add(extentOf(edit, 'zstd-regular'), 8, -4096)),
  fault('regular zstd: num_bytes', 'inode-nbytes', (edit) => add(extentOf(edit, 'zstd-regular'), 45, -4096)),
  fault('regular zstd: num_bytes too many', 'file-extent-overlap', (edit) =>
    add(extentOf(edit, 'zstd-regular'), 45, 4096),
  ),
  fault('regular zstd: disk_bytenr of the next', 'backref-missing', (edit) => {
    const other = fileExtent(edit, inodeNamed(edit, 'zstd-regular'), 131072);
    set(extentOf(edit, 'zstd-regular'), 21, readU64(other.block.view, other.at + 21));
  }),
  fault('compressed inode with NODATASUM', 'file-extent-compressed-nodatasum', (edit) =>
    set(named(edit, 'zstd-regular'), 64, 0x801),
  ),
  otherContent('inode flag COMPRESS lost', (edit) => set(named(edit, 'zstd-regular'), 64, 0)),
];
