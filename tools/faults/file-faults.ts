import { writeU64 } from '../../src/base/bytes.ts';
import { TREE, TYPE } from '../../src/oracle/structure/layout.ts';
import type { ImageEditor } from '../../tests/support/image-editor.ts';
import { add, type DeliberateFault, fault, fileExtent, flip, inode, set, set8, set16, set32 } from './fault.ts';

const name = (edit: ImageEditor, type: number) =>
  edit.items(TREE.FS).find((item) => item.type === type && item.size > 34)!;

/** Inodes, names and file extents of linux-files.img: 257 documents, 259 a small file with two names, 299 regular (with a
 * clone, 307), 300 symlink, 301 fifo, 302 many names, 303 preallocated, 304 sparse, 305 without checksums, 306
 * compressed; 256 is a subvolume, 257 its snapshot. */
export const FILE_FAULTS: readonly DeliberateFault[] = [
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
