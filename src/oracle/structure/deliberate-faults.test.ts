import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ImageEditor } from '../../../tests/support/image-editor.ts';
import { ALL_FAULTS, BASE_NAMES, baseImage, damagedImage } from '../../../tools/faults/all-faults.ts';
import { add, flip, inode, set32 } from '../../../tools/faults/fault.ts';
import { reportedNames } from '../../../tools/faults/reported-names.ts';
import { ownColumns } from '../../../tools/faults/table.ts';
import { writeU64 } from '../../base/bytes.ts';
import { checkImage } from './check-image.ts';
import { TREE } from './layout.ts';

/** One field wrong at a time in images that Linux made, checksums right again: each must be called by its name. */
test.each(BASE_NAMES)('the image %s without a fault is clean', (name) => {
  const report = checkImage([baseImage(name)]);
  expect([...report.errors, ...report.warnings, ...report.unsupported, ...report.notChecked]).toEqual([]);
  expect(report.clean).toBe(true);
});

test.each(ALL_FAULTS)('a wrong $part: $field is reported as $fault', (fault) => {
  const names = reportedNames(checkImage([damagedImage(fault)])).map((name) => name.replace('?', ''));
  if (fault.fault === null) expect(names).toEqual([]);
  else expect(names).toContain(fault.fault);
});

test('no two faults of an image have one name', () => {
  const keys = ALL_FAULTS.map(({ base, field }) => `${base}/${field}`);
  expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
});

test('the table in docs/FIDELITY.md says what is reported today', () => {
  const document = readFileSync(new URL('../../../docs/FIDELITY.md', import.meta.url), 'utf8');
  // Out of date? `npx tsx tools/faults/write-table.ts` writes it anew.
  const wrong = ownColumns().filter(({ field, ours }) => !document.includes(`| ${field} | ${ours} | `));
  expect(wrong.map(({ field, ours }) => `${field}: ${ours}`)).toEqual([]);
});

test('a message has the grammar: corrupt what: where, what is wrong, have, expect', () => {
  const edit = new ImageEditor([baseImage('files')]);
  const { logical, view } = edit.leaves(TREE.FS)[3]!;
  writeU64(view, 101 + 25 * 3, 258);
  const first = checkImage(edit.finish()).errors.find((one) => one.fault === 'keys-out-of-order');
  expect(first?.message).toBe(
    `corrupt leaf: tree=5 block=${logical} slot=4, keys out of order, ` +
      'have (257 DIR_INDEX 6) expect > (258 DIR_INDEX 5)',
  );
  expect(first?.place).toEqual({ tree: 5, block: logical, slot: 4 });
});

test('several faults are all reported', () => {
  const edit = new ImageEditor([baseImage('files')]);
  set32(inode(edit, 299), 40, 2);
  add(inode(edit, 259), 24, 1);
  flip(edit.items(TREE.CSUM)[0]!, 0);
  const names = checkImage(edit.finish()).errors.map((one) => one.fault);
  expect(names).toEqual(expect.arrayContaining(['link-count', 'inode-nbytes', 'data-checksum']));
});

test('a block with a wrong checksum is named, and what only it knew is not held against others', () => {
  const edit = new ImageEditor([baseImage('files')]);
  flip(inode(edit, 259), 24);
  const report = checkImage(edit.finish({ checksums: false }));
  expect(report.errors.map((one) => one.fault)).toEqual(['block-checksum']);
  expect(report.notChecked).toHaveLength(1);
});
