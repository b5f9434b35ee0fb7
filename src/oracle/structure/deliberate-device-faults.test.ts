import { describe, expect, test } from 'vitest';
import { type EditedItem, ImageEditor, loadFixture } from '../../../tests/support/image-editor.ts';
import { readU64, viewOf, writeU64 } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import { MIB } from '../../base/units.ts';
import { makeFilesystem } from '../../fs/mkfs.ts';
import { BlockTable } from '../../record/block-table.ts';
import { checkImage } from './check-image.ts';
import { DEV_REPLACE, SUPER, SUPER_OFFSETS, TREE, TYPE } from './layout.ts';

/**
 * One field wrong at a time, as in `deliberate-faults.test.ts`, of what only several devices have: two that mirror each
 * other, device 1 being replaced, and the disk that is to take its place.
 */
const SIZE = 16 * MIB;
const TARGET = 2;
const REPLACE_SIZE = 72;

function mirrored(): BlockTable[] {
  const disks = [new BlockTable(SIZE), new BlockTable(SIZE)];
  const options = { devices: [SIZE, SIZE], metadataProfile: 'raid1', dataProfile: 'raid1' } as const;
  for (const { device, offset, bytes } of makeFilesystem(options)) disks[device]!.write(offset, bytes);
  return disks;
}

/** Changes a superblock in all its copies on one disk, and makes their checksums right. */
function changeSuperblock(disk: BlockTable, change: (view: DataView) => void): void {
  for (const offset of SUPER_OFFSETS) {
    if (offset + 4096 > disk.size) continue;
    const bytes = new Uint8Array(disk.read(offset, 4096));
    const view = viewOf(bytes);
    change(view);
    view.setUint32(0, crc32c(bytes.subarray(32)), true);
    disk.write(offset, bytes);
  }
}

function replaceItem(fields: Partial<Record<keyof typeof DEV_REPLACE, number>>): Uint8Array {
  const bytes = new Uint8Array(REPLACE_SIZE);
  const running = { sourceDevid: 1, cursorLeft: 2 * MIB, cursorRight: 6 * MIB, state: 1, timeStarted: 100 };
  for (const [name, value] of Object.entries({ ...running, ...fields })) {
    writeU64(viewOf(bytes), DEV_REPLACE[name as keyof typeof DEV_REPLACE], value);
  }
  return bytes;
}

/** The two mirrors, one of them being replaced, and the target. */
function underReplace(): BlockTable[] {
  const [first, second] = mirrored() as [BlockTable, BlockTable];
  const target = new BlockTable(SIZE);
  target.write(SUPER_OFFSETS[0], first.read(SUPER_OFFSETS[0], 4096).slice());
  changeSuperblock(target, (view) => {
    writeU64(view, SUPER.devItem, 0);
    view.setUint8(SUPER.devItem + 66, view.getUint8(SUPER.devItem + 66) ^ 0xff);
  });
  const edit = new ImageEditor([first, second]);
  edit.insertFirst(edit.rootOf(TREE.DEV), [0, TYPE.DEV_REPLACE, 0], replaceItem({}));
  return [...edit.finish(), target];
}

const BASE = underReplace();
/** With the error counters of its one device, by Linux. */
const SINGLE = loadFixture('linux-files.img.gz', 64 * MIB);

interface DeliberateFault {
  readonly field: string;
  readonly fault: string;
  readonly damage: (edit: ImageEditor) => void;
}

function fault(field: string, name: string, damage: DeliberateFault['damage']): DeliberateFault {
  return { field, fault: name, damage };
}

const set = (item: EditedItem, field: number, value: number) => writeU64(item.block.view, item.at + field, value);
const add = (item: EditedItem, field: number, change: number) =>
  set(item, field, readU64(item.block.view, item.at + field) + change);
const flip = (item: EditedItem, field: number) => {
  item.block.bytes[item.at + field]! ^= 0xff;
};
const setKey = (item: EditedItem, objectid: number, offset: number) => {
  writeU64(item.block.view, item.header, objectid);
  writeU64(item.block.view, item.header + 9, offset);
};
const replace = (edit: ImageEditor) => edit.item(TREE.DEV, 0, TYPE.DEV_REPLACE);
const setReplace = (edit: ImageEditor, name: keyof typeof DEV_REPLACE, value: number) =>
  set(replace(edit), DEV_REPLACE[name], value);
const device = (edit: ImageEditor, id: number) => edit.item(TREE.CHUNK, 1, TYPE.DEV_ITEM, id);
const chunk = (edit: ImageEditor) => edit.items(TREE.CHUNK).at(-1)!;
const extentOfSecond = (edit: ImageEditor) => edit.items(TREE.DEV).at(-1)!;
const stats = (edit: ImageEditor) => edit.item(TREE.DEV, 0, TYPE.PERSISTENT_ITEM);
/** Of the stripe on the second device. */
const STRIPE = 48 + 32;

const REPLACE: readonly DeliberateFault[] = [
  fault('key', 'dev-replace-key', (edit) => setKey(replace(edit), 0, 7)),
  fault('item of another size', 'item-size', (edit) => {
    edit.remove(replace(edit));
    edit.insertFirst(edit.rootOf(TREE.DEV), [0, TYPE.DEV_REPLACE, 0], new Uint8Array(64));
  }),
  fault('state', 'dev-replace-state', (edit) => setReplace(edit, 'state', 5)),
  fault('reading mode', 'dev-replace-mode', (edit) => setReplace(edit, 'readMode', 2)),
  fault('source', 'dev-replace-source', (edit) => setReplace(edit, 'sourceDevid', 9)),
  fault('source of id 0', 'dev-replace-source', (edit) => setReplace(edit, 'sourceDevid', 0)),
  fault('left cursor', 'dev-replace-cursor', (edit) => setReplace(edit, 'cursorLeft', 7 * MIB)),
  fault('right cursor', 'dev-replace-cursor', (edit) => setReplace(edit, 'cursorRight', SIZE + 4096)),
  fault('write errors', 'dev-replace-errors', (edit) => setReplace(edit, 'writeErrors', -1)),
  fault('read errors', 'dev-replace-errors', (edit) => setReplace(edit, 'uncorrectableReadErrors', -1)),
  fault('end of a running one', 'dev-replace-time', (edit) => setReplace(edit, 'timeStopped', 200)),
  fault('end before the start', 'dev-replace-time', (edit) => {
    setReplace(edit, 'state', 4);
    setReplace(edit, 'timeStopped', 50);
  }),
  fault('state FINISHED with a target', 'replace-target-left-behind', (edit) => setReplace(edit, 'state', 2)),
  fault('state CANCELED with a target', 'replace-target-left-behind', (edit) => setReplace(edit, 'state', 3)),
  fault('item removed', 'replace-target-left-behind', (edit) => edit.remove(replace(edit))),
  fault('target: total_bytes', 'replace-target-size', (edit) =>
    changeSuperblock(edit.images[TARGET]!, (view) => writeU64(view, SUPER.devItem + 8, SIZE - 4096)),
  ),
  fault('target: generation', 'superblock-stale', (edit) =>
    changeSuperblock(edit.images[TARGET]!, (view) =>
      writeU64(view, SUPER.generation, readU64(view, SUPER.generation) - 1),
    ),
  ),
  fault('target: label', 'superblock-devices-differ', (edit) =>
    changeSuperblock(edit.images[TARGET]!, (view) => view.setUint8(SUPER.label, 65)),
  ),
  fault('target: devid', 'superblock-of-no-member', (edit) =>
    changeSuperblock(edit.images[TARGET]!, (view) => writeU64(view, SUPER.devItem, 3)),
  ),
  fault('target: devid and uuid of the source', 'duplicate-device', (edit) =>
    edit.images[TARGET]!.write(SUPER_OFFSETS[0], edit.images[0]!.read(SUPER_OFFSETS[0], 4096).slice()),
  ),
  fault('target: blank', 'dev-replace-target-missing', (edit) => edit.images[TARGET]!.discard(SUPER_OFFSETS[0], 4096)),
];

const DEVICES: readonly DeliberateFault[] = [
  fault('DEV_ITEM of the second device: total_bytes', 'dev-item-total-bytes', (edit) => add(device(edit, 2), 8, 4096)),
  fault('DEV_ITEM of the second device: bytes_used', 'dev-item-bytes-used', (edit) => add(device(edit, 2), 16, 4096)),
  fault('DEV_ITEM of the second device: uuid', 'superblock-dev-item', (edit) => flip(device(edit, 2), 66)),
  fault('DEV_ITEM of the second device: fsid', 'dev-item-fsid', (edit) => flip(device(edit, 2), 82)),
  fault('DEV_ITEM of the second device removed', 'superblock-of-no-member', (edit) => edit.remove(device(edit, 2))),
  fault('DEV_ITEM of the second device removed: stripes', 'chunk-stripe-device', (edit) =>
    edit.remove(device(edit, 2)),
  ),
  fault('DEV_ITEM of a third device', 'device-missing', (edit) => {
    const last = device(edit, 2);
    const data = last.block.bytes.slice(last.at, last.at + last.size);
    writeU64(viewOf(data), 0, 3);
    edit.insertAfter(last, [1, TYPE.DEV_ITEM, 3], data);
  }),
  fault('second superblock: devid', 'superblock-of-no-member', (edit) =>
    changeSuperblock(edit.images[1]!, (view) => writeU64(view, SUPER.devItem, 7)),
  ),
  fault('second superblock: dev_item.uuid', 'superblock-dev-item', (edit) =>
    changeSuperblock(edit.images[1]!, (view) => view.setUint8(SUPER.devItem + 66, 1)),
  ),
  fault('second superblock: generation', 'superblock-stale', (edit) =>
    changeSuperblock(edit.images[1]!, (view) => writeU64(view, SUPER.generation, readU64(view, SUPER.generation) - 1)),
  ),
  fault('second superblock: root', 'superblock-devices-differ', (edit) =>
    changeSuperblock(edit.images[1]!, (view) => writeU64(view, SUPER.root, 2 ** 20)),
  ),
  fault('second superblock: fsid', 'foreign-device', (edit) =>
    changeSuperblock(edit.images[1]!, (view) => view.setUint8(SUPER.fsid, 1)),
  ),
  fault('second superblock gone', 'device-missing', (edit) => edit.images[1]!.discard(SUPER_OFFSETS[0], 4096)),
  fault('chunk: stripe on the wrong device', 'chunk-stripes-share-device', (edit) => set(chunk(edit), STRIPE, 1)),
  fault('chunk: stripe on the target', 'chunk-stripe-device', (edit) => set(chunk(edit), STRIPE, 0)),
  fault('chunk: uuid of the second stripe', 'chunk-stripe-uuid', (edit) => flip(chunk(edit), STRIPE + 16)),
  fault('chunk: uuids of both stripes swapped', 'chunk-stripe-uuid', (edit) => {
    const { block, at } = chunk(edit);
    const first = block.bytes.slice(at + 64, at + 80);
    block.bytes.copyWithin(at + 64, at + 96, at + 112);
    block.bytes.set(first, at + 96);
  }),
  fault('chunk: place of the second stripe', 'dev-extent-missing', (edit) => add(chunk(edit), STRIPE + 8, 4096)),
  fault('chunk: second stripe beyond the device', 'chunk-stripe-beyond-device', (edit) =>
    add(chunk(edit), STRIPE + 8, SIZE),
  ),
  fault('DEV_EXTENT of the second device: length', 'dev-extent-length', (edit) => add(extentOfSecond(edit), 24, -4096)),
  fault('DEV_EXTENT of the second device: chunk', 'dev-extent-chunk', (edit) => add(extentOfSecond(edit), 16, -4096)),
  fault('DEV_EXTENT of the second device: place', 'dev-extent-without-chunk', (edit) => {
    const item = extentOfSecond(edit);
    setKey(item, 2, item.offset + 4096);
  }),
  fault('DEV_EXTENT of the second device on a third', 'dev-extent-device', (edit) => {
    const item = extentOfSecond(edit);
    setKey(item, 3, item.offset);
  }),
  fault('DEV_EXTENT of the second device overlapping', 'dev-extent-overlap', (edit) => {
    const item = extentOfSecond(edit);
    setKey(item, 2, item.offset - 4096);
  }),
  fault('DEV_EXTENT of the second device removed', 'dev-extent-missing', (edit) => edit.remove(extentOfSecond(edit))),
  fault('DEV_EXTENT of the target', 'dev-extent-device', (edit) => {
    const data = new Uint8Array(48);
    const { block, at } = extentOfSecond(edit);
    data.set(block.bytes.subarray(at, at + 48));
    edit.insertAfter(replace(edit), [0, TYPE.DEV_REPLACE + 1, MIB], data);
    block.view.setUint8(replace(edit).header + 25 + 8, TYPE.DEV_EXTENT);
  }),
];

const STATS: readonly DeliberateFault[] = [
  fault('write errors', 'dev-stats-value', (edit) => set(stats(edit), 0, -1)),
  fault('generation errors', 'dev-stats-value', (edit) => set(stats(edit), 32, 2 ** 40)),
  fault('objectid', 'unexpected-item', (edit) => setKey(stats(edit), 5, 1)),
  fault('item of another size', 'item-size', (edit) => {
    edit.remove(stats(edit));
    edit.insertFirst(edit.rootOf(TREE.DEV), [0, TYPE.PERSISTENT_ITEM, 1], new Uint8Array(32));
  }),
];

function namesOf(edit: ImageEditor, images = edit.finish()): string[] {
  const report = checkImage(images);
  return [...report.errors, ...report.warnings].map((one) => one.fault);
}

describe('two mirrors, one being replaced', () => {
  test('get no complaint, with the target, as long as nothing is wrong', () => {
    const report = checkImage(new ImageEditor(BASE).finish());
    expect([...report.errors, ...report.warnings, ...report.unsupported, ...report.notChecked]).toEqual([]);
  });

  test.each(REPLACE)('a wrong device replace: $field is reported as $fault', ({ damage, fault }) => {
    const edit = new ImageEditor(BASE);
    damage(edit);
    expect(namesOf(edit)).toContain(fault);
  });

  test.each(DEVICES)('a wrong device: $field is reported as $fault', ({ damage, fault }) => {
    const edit = new ImageEditor(BASE);
    damage(edit);
    expect(namesOf(edit)).toContain(fault);
  });

  test('the target counts as a member of nothing: without the item its data is not looked at', () => {
    const edit = new ImageEditor(BASE);
    edit.images[TARGET]!.write(5 * MIB, new Uint8Array(MIB).fill(1));
    expect(namesOf(edit)).toEqual([]);
  });

  test('a copy that is damaged is named by its device', () => {
    const images = BASE.map((image) => image.snapshot());
    const edit = new ImageEditor(images);
    const at = { device: 0, offset: 0, length: 0 };
    const root = edit.rootOf(TREE.DEV).logical;
    edit.chunks.find(root)!.locate(root, 1, at);
    images[at.device - 1]!.write(at.offset + 200, new Uint8Array(4).fill(0xee));
    const [only, ...others] = checkImage(images).errors;
    expect(others).toEqual([]);
    expect(only?.fault).toBe('block-checksum');
    expect(only?.message).toContain(`device ${at.device} at ${at.offset}`);
    expect(checkImage(images, { verifyCopies: false }).errors).toEqual([]);
  });
});

test.each(STATS)('wrong error counters of a device: $field is reported as $fault', ({ damage, fault }) => {
  const edit = new ImageEditor([SINGLE]);
  damage(edit);
  expect(namesOf(edit)).toContain(fault);
});

test('a power cut may leave a replaced device with its superblock, a target without one, and devices that lag', () => {
  const before = mirrored();
  const [first, second] = before.map((image) => image.snapshot()) as [BlockTable, BlockTable];
  // The final commit of a device replace has reached the target, which has id and uuid of the source by then.
  const target = first.snapshot();
  for (const disk of [target, second]) {
    changeSuperblock(disk, (view) => writeU64(view, SUPER.cacheGeneration, 0));
  }
  changeSuperblock(first, (view) => writeU64(view, SUPER.generation, readU64(view, SUPER.generation) - 1));
  const crashed = checkImage([first, second, target], { crashed: true });
  expect(crashed.errors).toEqual([]);
  expect(checkImage([first, second, target]).errors.map((one) => one.fault)).toEqual(['duplicate-device']);
  const blank = new BlockTable(SIZE);
  expect(checkImage([BASE[0]!, BASE[1]!, blank], { crashed: true }).errors).toEqual([]);
});
