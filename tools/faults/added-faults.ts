import { readU64, writeU64 } from '../../src/base/bytes.ts';
import { HEADER, SUPER, TREE, TYPE } from '../../src/oracle/structure/layout.ts';
import type { ImageEditor } from '../../tests/support/image-editor.ts';
import {
  add,
  type DeliberateFault,
  fault,
  fileExtent,
  flip,
  inode,
  meaningless,
  otherContent,
  root,
  set,
  set8,
  set32,
  setKeyOffset,
} from './fault.ts';

const leaf = (edit: ImageEditor) => edit.leaves(TREE.FS)[3]!;
const chunk = (edit: ImageEditor) => edit.items(TREE.CHUNK).at(-1)!;
const device = (edit: ImageEditor) => edit.item(TREE.CHUNK, 1, TYPE.DEV_ITEM);
const subvolumeEntry = (edit: ImageEditor, type: number) =>
  edit.items(TREE.FS).find((item) => item.type === type && item.block.view.getUint8(item.at + 8) === TYPE.ROOT_ITEM)!;
/** The backup of the last commit. */
const backup = (edit: ImageEditor, field: number): number => {
  const at = SUPER.superRoots + 8;
  const slot = [0, 1, 2, 3].find((one) => readU64(edit.super, at + one * 168) === edit.sup.generation)!;
  return SUPER.superRoots + slot * 168 + field;
};

/** Fields that are rarely wrong, and those that mean nothing, of linux-files.img. */
export const RARE_FAULTS: readonly DeliberateFault[] = [
  fault('superblock bytes after csum', 'superblock-checksum-padding', (edit) => edit.super.setUint8(20, 1)),
  fault('superblock log_root_transid', 'superblock-reserved', (edit) => writeU64(edit.super, 104, 9)),
  fault('superblock reserved', 'superblock-reserved', (edit) => edit.super.setUint8(SUPER.reserved + 9, 1)),
  fault('superblock padding', 'superblock-reserved', (edit) => edit.super.setUint8(SUPER.padding + 9, 1)),
  fault('superblock incompat without MIXED_BACKREF', 'superblock-incompat', (edit) =>
    writeU64(edit.super, SUPER.incompat, readU64(edit.super, SUPER.incompat) - 1),
  ),
  fault('superblock incompat without EXTENDED_IREF', 'inode-extref-feature', (edit) =>
    writeU64(edit.super, SUPER.incompat, readU64(edit.super, SUPER.incompat) - 0x40),
  ),
  fault('superblock incompat without SKINNY_METADATA', 'extent-skinny', (edit) =>
    writeU64(edit.super, SUPER.incompat, readU64(edit.super, SUPER.incompat) - 0x100),
  ),
  fault('superblock incompat without NO_HOLES', 'file-extent-gap', (edit) =>
    writeU64(edit.super, SUPER.incompat, readU64(edit.super, SUPER.incompat) - 0x200),
  ),
  fault('superblock incompat with MIXED_GROUPS', 'chunk-type', (edit) =>
    writeU64(edit.super, SUPER.incompat, readU64(edit.super, SUPER.incompat) + 0x4),
  ),
  fault('superblock incompat with ZONED', 'unsupported ZONED', (edit) =>
    writeU64(edit.super, SUPER.incompat, readU64(edit.super, SUPER.incompat) + 0x1000),
  ),
  fault('superblock compat_ro without FREE_SPACE_TREE', 'superblock-compat-ro', (edit) =>
    writeU64(edit.super, SUPER.compatRo, 2),
  ),
  fault('superblock dev_item.io_align', 'superblock-dev-item', (edit) =>
    edit.super.setUint32(SUPER.devItem + 24, 512, true),
  ),
  fault('superblock dev_item.start_offset', 'superblock-dev-item', (edit) => writeU64(edit.super, 201 + 52, 4096)),
  fault('backup fs_root', 'backup-root', (edit) => writeU64(edit.super, backup(edit, 48), 4096)),
  fault('backup fs_root level', 'backup-root', (edit) => edit.super.setUint8(backup(edit, 155), 7)),
  fault('backup total_bytes', 'backup-root', (edit) => writeU64(edit.super, backup(edit, 96), 4096)),
  otherContent('superblock label', (edit) => edit.super.setUint8(SUPER.label, 65)),
  fault('header bytes after csum', 'block-checksum-padding', (edit) => leaf(edit).view.setUint8(9, 1)),
  fault('header flags unknown', 'block-flags', (edit) => leaf(edit).view.setUint8(HEADER.flags + 1, 0x80)),
  fault('header level of a system tree', 'block-level', (edit) => edit.rootOf(TREE.UUID).view.setUint8(100, 3)),
  fault('header level too high', 'block-level', (edit) => edit.rootOf(TREE.UUID).view.setUint8(100, 8)),
  fault('key pointer younger than its node', 'key-pointer-generation', (edit) =>
    writeU64(edit.rootOf(TREE.FS).view, 101 + 33 + 25, 10),
  ),
  fault('key pointer beyond all chunks', 'block-outside-chunks', (edit) =>
    writeU64(edit.rootOf(TREE.FS).view, 101 + 33 + 17, 2 ** 61),
  ),
  meaningless('gap of a leaf', (edit) => {
    const { view } = leaf(edit);
    view.setUint8(101 + 25 * view.getUint32(HEADER.nritems, true), 0xaa);
  }),
  fault('chunk length wrapped', 'chunk-length', (edit) => set(chunk(edit), 0, 2 ** 63 - 65536)),
  fault('chunk length zero', 'chunk-length', (edit) => set(chunk(edit), 0, 0)),
  fault('chunk type unknown bit', 'chunk-type', (edit) => set(chunk(edit), 24, 1 + 2 ** 20)),
  fault('chunk type RAID1C3', 'chunk-stripe-count', (edit) => set(chunk(edit), 24, 1 + 0x200)),
  fault('chunk num_stripes huge', 'chunk-item-size', (edit) =>
    chunk(edit).block.view.setUint16(chunk(edit).at + 44, 65535, true),
  ),
  fault('chunk num_stripes zero', 'chunk-item-size', (edit) =>
    chunk(edit).block.view.setUint16(chunk(edit).at + 44, 0, true),
  ),
  fault('chunk io_width', 'chunk-io-align', (edit) => set32(chunk(edit), 36, 0)),
  meaningless('chunk sub_stripes', (edit) => chunk(edit).block.view.setUint16(chunk(edit).at + 46, 5, true)),
  fault('chunk key unaligned', 'chunk-start', (edit) => setKeyOffset(chunk(edit), chunk(edit).offset + 1)),
  fault('DEV_ITEM key objectid', 'dev-item-key', (edit) => writeU64(device(edit).block.view, device(edit).header, 0)),
  fault('DEV_ITEM io_align', 'superblock-dev-item', (edit) => set32(device(edit), 24, 512)),
  fault('DEV_ITEM generation', 'superblock-dev-item', (edit) => set(device(edit), 44, 3)),
  fault('DEV_ITEM start_offset', 'dev-item-start', (edit) => set(device(edit), 52, 4096)),
  fault('DEV_ITEM dev_group', 'dev-item-hints', (edit) => set32(device(edit), 60, 7)),
  fault('DEV_ITEM total_bytes unaligned', 'dev-item-total-bytes', (edit) => add(device(edit), 8, -1)),
  fault('DEV_EXTENT chunk_tree_uuid', 'dev-extent-uuid', (edit) => flip(edit.items(TREE.DEV).at(-1)!, 32)),
  fault('root drop_progress', 'root-drop-progress', (edit) => set(root(edit, 256), 220, 257)),
  fault('root flag of a deletion', 'root-flags', (edit) => set(root(edit, 256), 208, 2 ** 48)),
  fault('root byte_limit', 'root-byte-limit', (edit) => set(root(edit, 256), 184, 4096)),
  fault('root inode mode', 'root-inode', (edit) => set32(root(edit, 256), 52, 0o100644)),
  meaningless('root inode size', (edit) => set(root(edit, 256), 16, 77)),
  fault('root rtransid', 'root-transid', (edit) => set(root(edit, 256), 319, 999)),
  fault('root otransid', 'root-key-offset', (edit) => set(root(edit, 257), 303, 1)),
  fault('root ctime nanoseconds', 'root-time', (edit) => set32(root(edit, 256), 335, 2_000_000_000)),
  fault('root reserved', 'root-reserved', (edit) => set8(root(edit, 256), 400, 1)),
  fault('root uuid', 'uuid-entry-missing', (edit) => flip(root(edit, 256), 247)),
  fault('root uuid of another', 'root-uuid-twice', (edit) => {
    const [one, other] = [root(edit, 256), root(edit, 257)];
    other.block.bytes.copyWithin(other.at + 247, one.at + 247, one.at + 263);
  }),
  otherContent('root parent_uuid', (edit) => flip(root(edit, 257), 263)),
  otherContent('root flag RDONLY', (edit) => set(root(edit, 257), 208, 1)),
  fault('ROOT_BACKREF sequence', 'root-ref-mismatch', (edit) =>
    add(edit.item(TREE.ROOT, 256, TYPE.ROOT_BACKREF), 8, 1),
  ),
  fault('ROOT_REF name length', 'item-size', (edit) => set8(edit.item(TREE.ROOT, 5, TYPE.ROOT_REF, 256), 16, 200)),
  fault('ROOT_REF of another subvolume', 'root-ref-missing', (edit) =>
    setKeyOffset(edit.item(TREE.ROOT, 5, TYPE.ROOT_REF, 257), 258),
  ),
  fault('root unknown', 'root-unknown', (edit) => writeU64(root(edit, 7).block.view, root(edit, 7).header, 12)),
  fault('inode reserved', 'inode-reserved', (edit) => set8(inode(edit, 299), 90, 1)),
  fault('inode rdev of a file', 'inode-rdev', (edit) => set(inode(edit, 299), 56, 5)),
  fault('inode size of a fifo', 'special-file-size', (edit) => set(inode(edit, 301), 16, 5)),
  fault('inode nbytes of a directory', 'inode-nbytes', (edit) => set(inode(edit, 257), 24, 4096)),
  fault('inode nlink beyond the limit', 'link-count-limit', (edit) => set32(inode(edit, 302), 40, 70_000)),
  fault('inode nlink of a directory zero', 'orphan-directory-not-empty', (edit) => set32(inode(edit, 257), 40, 0)),
  fault('inode size of inline data long', 'inline-extent-short', (edit) => add(inode(edit, 259), 16, 1)),
  fault('inode atime nanoseconds', 'inode-time', (edit) => set32(inode(edit, 299), 120, -1)),
  fault('inode key objectid', 'inode-item-missing', (edit) => {
    const item = inode(edit, 299);
    writeU64(item.block.view, item.header, 298);
  }),
  otherContent('inode size of a sparse file', (edit) => add(inode(edit, 304), 16, 1)),
  otherContent('inode uid', (edit) => set32(inode(edit, 299), 44, 1000)),
  otherContent('inode gid', (edit) => set32(inode(edit, 299), 48, 1000)),
  otherContent('inode permissions', (edit) => set32(inode(edit, 299), 52, 0o104777)),
  otherContent('inode flag IMMUTABLE', (edit) => set(inode(edit, 299), 64, 0x40)),
  otherContent('inode mtime', (edit) => set(inode(edit, 299), 136, 5)),
  meaningless('inode sequence', (edit) => set(inode(edit, 299), 72, 12_345)),
  meaningless('inode block_group', (edit) => set(inode(edit, 299), 32, 12_345)),
  fault('DIR_ITEM of a subvolume: type', 'dir-item-type', (edit) => set8(subvolumeEntry(edit, TYPE.DIR_ITEM), 29, 1)),
  fault('DIR_ITEM of a subvolume: location', 'dir-item-location', (edit) =>
    set(subvolumeEntry(edit, TYPE.DIR_ITEM), 0, 300),
  ),
  fault('DIR_INDEX of a subvolume: location type', 'dir-item-location', (edit) =>
    set8(subvolumeEntry(edit, TYPE.DIR_INDEX), 8, TYPE.INODE_ITEM),
  ),
  fault('DIR_ITEM of a subvolume: location offset', 'dir-item-location', (edit) =>
    set(subvolumeEntry(edit, TYPE.DIR_ITEM), 9, 999),
  ),
  fault('DIR_ITEM location offset', 'dir-item-location', (edit) => set(edit.item(TREE.FS, 257, TYPE.DIR_ITEM), 9, 3)),
  fault('INODE_REF index of the top directory', 'top-directory-ref', (edit) =>
    set(edit.item(TREE.FS, 256, TYPE.INODE_REF), 0, 7),
  ),
  fault('INODE_REF of a system inode', 'inode-ref-parent', (edit) =>
    setKeyOffset(edit.item(TREE.FS, 299, TYPE.INODE_REF), 3),
  ),
  fault('INODE_EXTREF index', 'inode-ref-index', (edit) => set(edit.item(TREE.FS, 302, TYPE.INODE_EXTREF), 8, 9999)),
  fault('INODE_EXTREF name length', 'inode-ref-size', (edit) =>
    edit
      .item(TREE.FS, 302, TYPE.INODE_EXTREF)
      .block.view.setUint16(edit.item(TREE.FS, 302, TYPE.INODE_EXTREF).at + 16, 300, true),
  ),
  fault('XATTR name', 'name-hash', (edit) => flip(edit.item(TREE.FS, 299, TYPE.XATTR_ITEM), 33)),
  fault('XATTR data_len', 'dir-item-size', (edit) => set8(edit.item(TREE.FS, 299, TYPE.XATTR_ITEM), 25, 200)),
  fault('XATTR name_len', 'dir-item-size', (edit) => set8(edit.item(TREE.FS, 299, TYPE.XATTR_ITEM), 27, 0)),
  otherContent('XATTR value', (edit) => {
    const item = edit.item(TREE.FS, 299, TYPE.XATTR_ITEM);
    flip(item, item.size - 1);
  }),
  fault('symlink target with NUL', 'symlink-target', (edit) => set8(fileExtent(edit, 300), 23, 0)),
  otherContent('symlink target', (edit) => flip(fileExtent(edit, 300), 21)),
  otherContent('inline data', (edit) => flip(fileExtent(edit, 259), 22)),
  fault('file extent beyond all sizes', 'file-extent-end', (edit) => {
    const last = edit.items(TREE.FS).findLast((item) => item.type === TYPE.EXTENT_DATA && item.objectid === 303)!;
    setKeyOffset(last, 2 ** 63 - 8192);
  }),
  fault('file extent other encoding', 'file-extent-encoding', (edit) => set8(fileExtent(edit, 299), 18, 1)),
  fault('file extent compression of plain data', 'compressed-data-format', (edit) =>
    set8(fileExtent(edit, 299), 16, 1),
  ),
  fault('file extent compressed: offset', 'file-extent-ram-bytes', (edit) => set(fileExtent(edit, 306), 37, 2 ** 20)),
  fault('file extent compressed: compression none', 'file-extent-num-bytes', (edit) =>
    set8(fileExtent(edit, 306), 16, 0),
  ),
  fault('file extent prealloc: disk_bytenr zero', 'file-extent-disk-bytenr', (edit) =>
    set(fileExtent(edit, 303, 0), 21, 0),
  ),
  fault('file extent prealloc: compression', 'file-extent-compression', (edit) =>
    set8(fileExtent(edit, 303, 0), 16, 1),
  ),
];
