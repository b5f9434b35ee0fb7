import { writeU64 } from '../../src/base/bytes.ts';
import { TREE, TYPE } from '../../src/oracle/structure/layout.ts';
import type { ImageEditor } from '../../tests/support/image-editor.ts';
import { add, type DeliberateFault, fault, flip, set, set16, set32 } from './fault.ts';

const chunk = (edit: ImageEditor) => edit.items(TREE.CHUNK).at(-1)!;
const device = (edit: ImageEditor) => edit.item(TREE.CHUNK, 1, TYPE.DEV_ITEM);
const devExtent = (edit: ImageEditor) => edit.items(TREE.DEV).at(-1)!;

/** Chunks and devices of linux-files.img. */
export const CHUNK_FAULTS: readonly DeliberateFault[] = [
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
