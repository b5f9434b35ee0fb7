import { describe, expect, test } from 'vitest';
import { type EditedItem, ImageEditor, loadFixture } from '../../../tests/support/image-editor.ts';
import { baseImage } from '../../../tools/faults/all-faults.ts';
import {
  add,
  type DeliberateFault,
  fault,
  root,
  set,
  set8,
  set16,
  set32,
  setKeyOffset,
} from '../../../tools/faults/fault.ts';
import { reportedNames } from '../../../tools/faults/reported-names.ts';
import { readU64, writeU64 } from '../../base/bytes.ts';
import { MIB } from '../../base/units.ts';
import { checkImage } from './check-image.ts';
import { HEADER, SUPER, TREE, TYPE } from './layout.ts';

/**
 * One field wrong at a time, as in `deliberate-faults.test.ts`, of what few file systems have: quota groups, a log that
 * waits for replay, the free space cache in files, data by all methods of compression.
 */
const BASE = loadFixture('linux-log.img.gz', 1200 * MIB);
/** The quota group above those of the subvolumes 256 and 257. */
const PARENT = 2 ** 48 + 5;
const VOLUME = 256;
/** In linux-mixed.img: its fifth leaf belongs to several. */
const DEEP = 261;
const LOG_WAITS = 'a log tree waits for replay: the state after it was not judged';

const setKeyObjectid = (item: EditedItem, value: number) => writeU64(item.block.view, item.header, value);
const quota = (edit: ImageEditor, type: number, id = VOLUME) => edit.item(TREE.QUOTA, 0, type, id);
const status = (edit: ImageEditor) => quota(edit, TYPE.QGROUP_STATUS, 0);
const relation = (edit: ImageEditor) => edit.item(TREE.QUOTA, VOLUME, TYPE.QGROUP_RELATION, PARENT);
const logged = (edit: ImageEditor, type: number, subvolume: number = TREE.FS) =>
  edit.logItems(subvolume).find((item) => item.type === type)!;
const loggedData = (edit: ImageEditor) => logged(edit, TYPE.EXTENT_DATA, VOLUME);
const logRoot = (edit: ImageEditor) => edit.item(TREE.TREE_LOG, TREE.TREE_LOG, TYPE.ROOT_ITEM, VOLUME);
const defaultEntry = (edit: ImageEditor) => edit.item(TREE.ROOT, TREE.ROOT_TREE_DIR, TYPE.DIR_ITEM);
const topDirectory = (edit: ImageEditor) => edit.item(TREE.ROOT, TREE.ROOT_TREE_DIR, TYPE.INODE_ITEM);
const topName = (edit: ImageEditor) => edit.item(TREE.ROOT, TREE.ROOT_TREE_DIR, TYPE.INODE_REF);
const header = (edit: ImageEditor) => edit.item(TREE.ROOT, TREE.FREE_SPACE_HEADER, TYPE.UNTYPED);
const cache = (edit: ImageEditor, type: number) =>
  edit.item(TREE.ROOT, readU64(header(edit).block.view, header(edit).at), type);
const compressed = (edit: ImageEditor, method: number, isInline: boolean) =>
  edit.items(TREE.FS).find(({ type, at, block }) => {
    if (type !== TYPE.EXTENT_DATA || block.view.getUint8(at + 16) !== method) return false;
    return (block.view.getUint8(at + 20) === 0) === isInline;
  })!;
/** Another byte in the middle of what is stored, the data's checksum made to fit. */
const damageStored = (edit: ImageEditor, method: number) => {
  const { block, at } = compressed(edit, method, false);
  const start = readU64(block.view, at + 21);
  const sector = new Uint8Array(edit.chunks.read(start, 4096, 0)!);
  sector.fill(0xff, 8, 64);
  edit.writeSector(start, sector);
};
const shorten = ({ block, header: at, size }: EditedItem, bytes: number) =>
  block.view.setUint32(at + 21, size - bytes, true);

const QUOTA: readonly DeliberateFault[] = [
  fault('status: version', 'qgroup-status', (edit) => set(status(edit), 0, 2)),
  fault('status: generation', 'qgroup-generation', (edit) => add(status(edit), 8, -1)),
  fault('status: unknown flags', 'qgroup-status', (edit) => set(status(edit), 16, 0x81)),
  fault('status: flag ON', 'qgroup-status', (edit) => set(status(edit), 16, 0)),
  fault('status: size', 'item-size', (edit) => shorten(status(edit), 1)),
  fault('status: key', 'unexpected-item', (edit) => setKeyOffset(status(edit), 1)),
  fault('status removed', 'qgroup-status-missing', (edit) => edit.remove(status(edit))),
  fault('counts: referenced', 'qgroup-count', (edit) => add(quota(edit, TYPE.QGROUP_INFO), 8, 4096)),
  fault('counts: exclusive', 'qgroup-count', (edit) => add(quota(edit, TYPE.QGROUP_INFO), 24, -4096)),
  fault('counts: compressed', 'qgroup-count', (edit) => add(quota(edit, TYPE.QGROUP_INFO), 16, 1)),
  fault('counts of a group of groups', 'qgroup-count', (edit) => add(quota(edit, TYPE.QGROUP_INFO, PARENT), 24, 1)),
  fault('counts: generation', 'qgroup-generation', (edit) => set(quota(edit, TYPE.QGROUP_INFO), 0, 999)),
  fault('counts removed', 'qgroup-info-missing', (edit) => edit.remove(quota(edit, TYPE.QGROUP_INFO))),
  fault('limits: flags', 'qgroup-limit-flags', (edit) => set(quota(edit, TYPE.QGROUP_LIMIT), 0, 0x40)),
  fault('limits: size', 'item-size', (edit) => shorten(quota(edit, TYPE.QGROUP_LIMIT), 8)),
  fault('limits removed', 'qgroup-limit-missing', (edit) => edit.remove(quota(edit, TYPE.QGROUP_LIMIT))),
  fault('relation removed', 'qgroup-relation', (edit) => edit.remove(relation(edit))),
  fault('relation with no group', 'qgroup-relation', (edit) => setKeyOffset(relation(edit), PARENT + 1)),
  fault('item of another tree', 'unexpected-item', (edit) => {
    const { block, header: at } = relation(edit);
    block.view.setUint8(at + 8, TYPE.UUID_SUBVOL);
  }),
];

const LOG: readonly DeliberateFault[] = [
  fault('root: subvolume', 'log-of-no-tree', (edit) => setKeyOffset(logRoot(edit), 999)),
  fault('root: size', 'item-size', (edit) => shorten(logRoot(edit), 1)),
  fault('root: flags', 'root-flags', (edit) => set(logRoot(edit), 208, 1)),
  fault('root: generation', 'block-parent-generation', (edit) => add(logRoot(edit), 160, -1)),
  fault('root: bytenr', 'root-bytenr', (edit) => add(logRoot(edit), 176, 1)),
  fault('root: bytenr of a block in use', 'log-block-allocated', (edit) =>
    set(logRoot(edit), 176, readU64(root(edit, VOLUME).block.view, root(edit, VOLUME).at + 176)),
  ),
  fault('inode: mode', 'inode-mode', (edit) => set32(logged(edit, TYPE.INODE_ITEM), 52, 0)),
  fault('inode: transid', 'inode-transid', (edit) => set(logged(edit, TYPE.INODE_ITEM), 8, 999)),
  fault('name: name_len', 'inode-ref-size', (edit) => set16(logged(edit, TYPE.INODE_REF), 8, 300)),
  fault('entry: location type', 'dir-item-location', (edit) => set8(logged(edit, TYPE.DIR_INDEX), 8, 2)),
  fault('entry: data_len', 'dir-item-size', (edit) => set16(logged(edit, TYPE.DIR_INDEX), 25, 1)),
  fault('range of names', 'dir-log-range', (edit) => set(logged(edit, TYPE.DIR_LOG_INDEX), 0, 1)),
  fault('range of names: size', 'item-size', (edit) => shorten(logged(edit, TYPE.DIR_LOG_INDEX), 1)),
  fault('attribute: hash', 'name-hash', (edit) => setKeyOffset(logged(edit, TYPE.XATTR_ITEM), 5)),
  fault('file extent: disk_bytenr', 'log-data-place', (edit) => set(loggedData(edit), 21, 2 ** 40)),
  fault('file extent on the data of others', 'log-data-place', (edit) => {
    const { block, at } = compressed(edit, 1, false);
    set(loggedData(edit), 21, readU64(block.view, at + 21));
  }),
  fault('file extent: disk_num_bytes', 'file-extent-num-bytes', (edit) => add(loggedData(edit), 29, -4096)),
  fault('file extent: ram_bytes', 'file-extent-alignment', (edit) => add(loggedData(edit), 8, 1)),
  fault('file extent: type', 'file-extent-type', (edit) => set8(loggedData(edit), 20, 7)),
  fault('checksum value', 'data-checksum', (edit) => set32(logged(edit, TYPE.EXTENT_CSUM, VOLUME), 0, 1)),
  fault('checksums: address', 'csum-missing', (edit) => {
    const item = logged(edit, TYPE.EXTENT_CSUM, VOLUME);
    setKeyOffset(item, item.offset + 4096);
  }),
  fault('checksums removed', 'csum-missing', (edit) => edit.remove(logged(edit, TYPE.EXTENT_CSUM, VOLUME))),
  fault('item that is never logged', 'unexpected-item', (edit) => {
    const { block, header: at } = logged(edit, TYPE.DIR_LOG_INDEX);
    block.view.setUint8(at + 8, TYPE.ORPHAN_ITEM);
  }),
];

const ROOT_TREE: readonly DeliberateFault[] = [
  fault('refs of the top level', 'root-refs', (edit) => set32(root(edit, TREE.FS), 216, 0)),
  fault('default subvolume that is none', 'default-subvolume', (edit) => set(defaultEntry(edit), 0, TREE.CSUM)),
  fault('default entry: data_len', 'dir-item-data', (edit) => set16(defaultEntry(edit), 25, 1)),
  fault('default entry: type', 'dir-item-type', (edit) => set8(defaultEntry(edit), 29, 9)),
  fault('directory: mode', 'inode-mode', (edit) => set32(topDirectory(edit), 52, 0)),
  fault('directory: generation', 'inode-generation', (edit) => set(topDirectory(edit), 0, 999)),
  fault('directory: flags', 'inode-flags', (edit) => set32(topDirectory(edit), 64, 0x2000)),
  fault('directory: nlink', 'link-count', (edit) => set32(topDirectory(edit), 40, 2)),
  fault('directory: key', 'inode-key-offset', (edit) => setKeyOffset(topDirectory(edit), 1)),
  fault('name of the directory: name_len', 'inode-ref-size', (edit) => set16(topName(edit), 8, 0)),
  fault('name of the directory: parent', 'inode-ref-parent', (edit) => setKeyOffset(topName(edit), 7)),
  fault('cache: inode', 'free-space-header', (edit) => set(header(edit), 0, 999)),
  fault('cache: generation', 'free-space-header', (edit) => add(header(edit), 17, -1)),
  fault('cache: block group', 'free-space-header', (edit) => setKeyOffset(header(edit), header(edit).offset + 4096)),
  fault('cache: size of the header', 'item-size', (edit) => shorten(header(edit), 1)),
  fault('cache: objectid', 'unexpected-item', (edit) => setKeyObjectid(header(edit), -10)),
  fault('cache: mode', 'inode-mode', (edit) => set32(cache(edit, TYPE.INODE_ITEM), 52, 0o100666)),
  fault('cache: size of the file', 'inode-size', (edit) => add(cache(edit, TYPE.INODE_ITEM), 16, 1)),
  fault('cache: nbytes', 'inode-nbytes', (edit) => add(cache(edit, TYPE.INODE_ITEM), 24, 4096)),
  fault('cache: ram_bytes', 'file-extent-ram-bytes', (edit) => set(cache(edit, TYPE.EXTENT_DATA), 8, 0)),
  fault('cache: compression', 'compressed-data-format', (edit) => set8(cache(edit, TYPE.EXTENT_DATA), 16, 1)),
  fault('free space tree: feature without it', 'root-missing', (edit) => writeU64(edit.super, SUPER.compatRo, 1)),
];

const COMPRESSED: readonly DeliberateFault[] = [
  fault('zlib: ram_bytes', 'file-extent-alignment', (edit) => add(compressed(edit, 1, false), 8, 1)),
  ...[1, 2, 3].map((method) =>
    fault(`stored bytes of method ${method}`, 'compressed-data-format', (edit) => damageStored(edit, method)),
  ),
  fault('inline lzo: length', 'compressed-data-format', (edit) => add(compressed(edit, 2, true), 21, -1)),
  fault('inline zstd cut off', 'compressed-data-format', (edit) => {
    const { block, at, size } = compressed(edit, 3, true);
    block.bytes.fill(0xff, at + 21 + 8, at + size);
  }),
];

function complaints(edit: ImageEditor, options = { verifyData: false }): string[] {
  return reportedNames(checkImage(edit.finish(), options)).map((name) => name.replace('?', ''));
}

test('the image linux-log.img without a fault gets no complaint', () => {
  const report = checkImage(new ImageEditor([BASE]).finish());
  expect([...report.errors, ...report.warnings, ...report.unsupported]).toEqual([]);
  expect(report.notChecked).toEqual([LOG_WAITS]);
});

/** Only these are found by reading data. */
const BY_DATA: readonly (string | null)[] = ['data-checksum', 'compressed-data-format'];

describe.each([
  ['quota groups', QUOTA],
  ['a log', LOG],
  ['the root tree', ROOT_TREE],
  ['compressed data', COMPRESSED],
] as const)('in %s', (_part, faults) => {
  test.each(faults)('a wrong $field is reported as $fault', ({ fault: name, damage }) => {
    const edit = new ImageEditor([BASE]);
    damage(edit);
    expect(complaints(edit, { verifyData: BY_DATA.includes(name) })).toContain(name);
  });
});

test('counts of quota groups that are known to be inconsistent are not held against the file system', () => {
  const edit = new ImageEditor([BASE]);
  set(status(edit), 16, 1 + 4);
  add(status(edit), 8, -1);
  add(quota(edit, TYPE.QGROUP_INFO), 8, 4096);
  add(quota(edit, TYPE.QGROUP_INFO), 16, 4096);
  expect(complaints(edit)).toEqual([]);
});

test('a block that a relocation wrote refers to its children by its address', () => {
  const edit = new ImageEditor([baseImage('files')]);
  edit.leaves(TREE.FS)[3]!.view.setUint8(HEADER.flags, 1 + 2);
  expect(complaints(edit)).toEqual(['extent-flags']);
});

test('a shared block belongs to some subvolume', () => {
  const edit = new ImageEditor([baseImage('mixed')]);
  writeU64(edit.leaves(DEEP)[4]!.view, HEADER.owner, TREE.CSUM);
  expect(complaints(edit)).toContain('block-owner');
});

test('the key of a data reference is its hash to the last bit', () => {
  const edit = new ImageEditor([BASE]);
  const item = edit.items(TREE.EXTENT).find(({ type }) => type === TYPE.EXTENT_DATA_REF)!;
  const { view } = item.block;
  view.setBigUint64(item.header + 9, view.getBigUint64(item.header + 9, true) - 1n, true);
  expect(complaints(edit)).toContain('data-ref-hash');
});

test('a free space tree goes with its feature', () => {
  const edit = new ImageEditor([baseImage('files')]);
  writeU64(edit.super, SUPER.compatRo, 0);
  expect(complaints(edit)).toContain('superblock-compat-ro');
});

test('fields of the superblock that nothing uses are zero', () => {
  for (const change of [
    (edit: ImageEditor) => writeU64(edit.super, SUPER.globalRoots, 1),
    (edit: ImageEditor) => edit.super.setUint8(SUPER.logRootLevel, 1),
    (edit: ImageEditor) => edit.super.setUint32(SUPER.devItem + 32, 512, true),
  ]) {
    const edit = new ImageEditor([baseImage('files')]);
    change(edit);
    expect(complaints(edit)).not.toEqual([]);
  }
});
