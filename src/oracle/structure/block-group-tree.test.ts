import { expect, test } from 'vitest';
import { NEW_LEAF, withBlockGroupTree } from '../../../tests/support/block-group-tree-image.ts';
import { writeU64 } from '../../base/bytes.ts';
import { checkImage } from './check-image.ts';
import { TREE, TYPE } from './layout.ts';

const NODE = 4096;

test('an image with a block group tree gets no complaint', () => {
  const report = checkImage(withBlockGroupTree());
  expect([...report.errors, ...report.warnings]).toEqual([]);
});

test('a wrong count in the block group tree is reported there', () => {
  const report = checkImage(withBlockGroupTree((edit) => writeU64(edit.block(NEW_LEAF, null).view, NODE - 24, 0)));
  expect(report.errors.map((one) => one.fault)).toEqual(['block-group-used']);
  expect(report.errors[0]?.place['tree']).toBe(TREE.BLOCK_GROUP);
});

test('the feature without its tree is reported', () => {
  const images = withBlockGroupTree((edit) => edit.remove(edit.item(TREE.ROOT, TREE.BLOCK_GROUP, TYPE.ROOT_ITEM)));
  expect(checkImage(images).errors.map((one) => one.fault)).toContain('root-missing');
});

test('a block group left in the extent tree does not belong there', () => {
  const images = withBlockGroupTree((edit) => {
    edit.insertAfter(edit.items(TREE.EXTENT)[0]!, [1_052_673, TYPE.BLOCK_GROUP_ITEM, 4096], new Uint8Array(24));
  });
  expect(checkImage(images).errors.map((one) => one.fault)).toEqual(['unexpected-item']);
});
