import { writeU64 } from '../../src/base/bytes.ts';
import { SUPER, TREE, TYPE } from '../../src/oracle/structure/layout.ts';
import type { EditedItem, ImageEditor } from '../../tests/support/image-editor.ts';
import {
  add,
  type DeliberateFault,
  entryNamed,
  fault,
  fileExtent,
  flip,
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

const named = (edit: ImageEditor, name: string): EditedItem => inode(edit, inodeNamed(edit, name));
const extentOf = (edit: ImageEditor, name: string, offset = 0): EditedItem =>
  fileExtent(edit, inodeNamed(edit, name), offset);
const preallocated = (edit: ImageEditor): EditedItem => extentOf(edit, 'regular', 65_536);
const xattr = (edit: ImageEditor): EditedItem => edit.item(TREE.FS, inodeNamed(edit, 'regular'), TYPE.XATTR_ITEM);
const reference = (edit: ImageEditor): EditedItem => edit.item(TREE.FS, inodeNamed(edit, 'fifo'), TYPE.INODE_REF);

/** An image that the engine made: inline and regular data, a hole, preallocated space, links, a symlink, an attribute. */
export const ENGINE_FAULTS: readonly DeliberateFault[] = [
  fault('superblock generation', 'block-parent-generation', (edit) => writeU64(edit.super, SUPER.generation, 99)),
  fault('superblock bytes_used', 'superblock-bytes-used', (edit) => writeU64(edit.super, SUPER.bytesUsed, 65_536)),
  fault('root of the file tree: bytenr', 'block-owner', (edit) => {
    const csum = root(edit, TREE.CSUM);
    const [low, high] = [176, 180].map((field) => csum.block.view.getUint32(csum.at + field, true));
    set32(root(edit, TREE.FS), 176, low!);
    set32(root(edit, TREE.FS), 180, high!);
  }),
  fault('root of the file tree: level', 'block-level', (edit) => set8(root(edit, TREE.FS), 238, 1)),
  fault('DATA_RELOC removed', 'root-missing', (edit) => edit.remove(root(edit, TREE.DATA_RELOC))),
  fault('nlink of a file with two names', 'link-count', (edit) => set32(named(edit, 'regular'), 40, 1)),
  fault('nlink of a directory', 'directory-link-count', (edit) => set32(named(edit, 'd'), 40, 2)),
  fault('size of a directory', 'directory-size', (edit) => add(named(edit, 'd'), 16, 2)),
  fault('size of a symlink', 'symlink-size', (edit) => add(named(edit, 'symlink'), 16, -1)),
  fault('size below written data', 'file-extent-beyond-size', (edit) => set(named(edit, 'regular'), 16, 4096)),
  otherContent('size within the last block', (edit) => add(named(edit, 'regular'), 16, -1)),
  fault('nbytes with preallocated space', 'inode-nbytes', (edit) => add(named(edit, 'regular'), 24, -16_384)),
  fault('mode of a fifo', 'dir-item-type', (edit) => set32(named(edit, 'fifo'), 52, 0o20644)),
  fault('flag NODATASUM', 'csum-on-nodatasum', (edit) => set(named(edit, 'regular'), 64, 1)),
  fault('INODE_REF of a fifo: index', 'inode-ref-index', (edit) => add(reference(edit), 0, 1)),
  fault('INODE_REF of a fifo: name', 'inode-ref-missing', (edit) => flip(reference(edit), 11)),
  fault('INODE_REF of a fifo removed', 'inode-ref-missing', (edit) => edit.remove(reference(edit))),
  fault('entry of a symlink: type', 'dir-item-type', (edit) => set8(entryNamed(edit, 'symlink'), 29, 1)),
  fault('entry of a symlink: location', 'dir-item-location', (edit) => set(entryNamed(edit, 'symlink'), 0, 999)),
  fault('entry of a symlink: name', 'name-hash', (edit) => flip(entryNamed(edit, 'symlink'), 30)),
  fault('attribute: key', 'name-hash', (edit) => setKeyOffset(xattr(edit), xattr(edit).offset + 1)),
  fault('attribute: data_len', 'dir-item-size', (edit) => set16(xattr(edit), 25, 30)),
  fault('attribute: location', 'xattr-location', (edit) => set8(xattr(edit), 8, 1)),
  otherContent('attribute: value', (edit) => flip(xattr(edit), xattr(edit).size - 1)),
  fault('regular data: num_bytes', 'inode-nbytes', (edit) => add(extentOf(edit, 'regular'), 45, -4096)),
  fault('regular data: disk_bytenr', 'file-extent-without-extent-item', (edit) =>
    add(extentOf(edit, 'regular'), 21, 4096),
  ),
  fault('regular data: offset', 'file-extent-num-bytes', (edit) => set(extentOf(edit, 'regular'), 37, 4096)),
  fault('regular data called preallocated', 'csum-on-prealloc', (edit) => set8(extentOf(edit, 'regular'), 20, 2)),
  fault('preallocated space called data', 'csum-missing', (edit) => set8(preallocated(edit), 20, 1)),
  fault('preallocated space: key', 'file-extent-alignment', (edit) => setKeyOffset(preallocated(edit), 65_537)),
  fault('preallocated space removed', 'inode-nbytes', (edit) => edit.remove(preallocated(edit))),
  fault('symlink target with NUL', 'symlink-target', (edit) => set8(extentOf(edit, 'symlink'), 22, 0)),
  fault('symlink target: ram_bytes', 'inline-extent-ram-bytes', (edit) => add(extentOf(edit, 'symlink'), 8, 1)),
  fault('symlink target compressed', 'compressed-data-format', (edit) => set8(extentOf(edit, 'symlink'), 16, 1)),
  fault('checksum of data', 'data-checksum', (edit) => flip(edit.items(TREE.CSUM)[0]!, 1)),
  fault('free space extent removed', 'free-space-count', (edit) =>
    edit.remove(edit.items(TREE.FREE_SPACE).findLast((item) => item.type === TYPE.FREE_SPACE_EXTENT)!),
  ),
];
