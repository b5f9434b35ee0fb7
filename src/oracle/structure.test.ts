import { expect, test } from 'vitest';
import { ImageEditor, loadFixture } from '../../tests/support/image-editor.ts';
import { writeU64 } from '../base/bytes.ts';
import type { DiskImage } from '../record/image.ts';
import type { RunRecord } from '../record/run-record.ts';
import { SUPER, TREE, TYPE } from './structure/layout.ts';
import { structure } from './structure.ts';

const BASE = loadFixture('linux-files.img.gz', 64 * 1024 * 1024);

function judge(after: readonly DiskImage[], unmounted = true) {
  const record = { after, unmounted, before: [], operations: [], rules: [], aborted: null } as unknown as RunRecord;
  return structure.begin({ sectorSize: 4096, disks: () => [] }).judge(record);
}

test('a valid image breaks no law', () => {
  expect(judge([BASE])).toEqual([]);
});

test('a run without images is not judged', () => {
  expect(judge([])).toEqual([]);
});

test('every fault of an image is a violation, with its name and its place', () => {
  const edit = new ImageEditor([BASE]);
  const inode = edit.item(TREE.FS, 299, TYPE.INODE_ITEM);
  inode.block.view.setUint32(inode.at + 40, 2, true);
  writeU64(edit.super, SUPER.bytesUsed, 40960);
  const violations = judge(edit.finish());
  expect(violations.map((violation) => violation.observed).sort()).toEqual(['link-count', 'superblock-bytes-used']);
  expect(violations[0]?.law).toBe('structure');
  expect(violations.map((violation) => violation.message).join()).toContain('tree=5 inode=299');
});

test('an image that was judged before is not read again', () => {
  let reads = 0;
  const counting: DiskImage = {
    size: BASE.size,
    fingerprint: 'counted',
    read: (offset, length) => {
      reads++;
      return BASE.read(offset, length);
    },
    written: () => BASE.written(),
  };
  judge([counting]);
  const first = reads;
  expect(first).toBeGreaterThan(0);
  judge([counting]);
  expect(reads).toBe(first);
});
