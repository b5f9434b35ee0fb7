import { writeU64 } from '../../src/base/bytes.ts';
import { TREE, TYPE } from '../../src/oracle/structure/layout.ts';
import { add, type DeliberateFault, fault, flip, root, set, set8, set32 } from './fault.ts';

/** The root tree of linux-files.img. */
export const ROOT_FAULTS: readonly DeliberateFault[] = [
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
