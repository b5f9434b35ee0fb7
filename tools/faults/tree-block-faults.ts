import { readU64, writeU64 } from '../../src/base/bytes.ts';
import { HEADER, TREE } from '../../src/oracle/structure/layout.ts';
import type { ImageEditor } from '../../tests/support/image-editor.ts';
import { type DeliberateFault, fault } from './fault.ts';

const block = (edit: ImageEditor) => edit.leaves(TREE.FS)[3]!;
const top = (edit: ImageEditor) => edit.rootOf(TREE.FS);

/** Headers, keys and pointers of linux-files.img. */
export const TREE_BLOCK_FAULTS: readonly DeliberateFault[] = [
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
