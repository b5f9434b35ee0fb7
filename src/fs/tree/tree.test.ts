import { expect, test } from 'vitest';
import { compareU64 } from '../../base/bytes.ts';
import { randomStream } from '../../base/random.ts';
import { KIB, MIB } from '../../base/units.ts';
import { runAtomically } from '../../task/task.ts';
import { FixSet } from '../fixes.ts';
import type { Key } from '../format/key.ts';
import {
  itemCount,
  itemKey,
  leafFreeBytes,
  pointerAddress,
  pointerGeneration,
  pointerKey,
  treeBlockLayoutProblem,
} from '../format/tree-block.ts';
import { makeFilesystem } from '../mkfs.ts';
import { mount } from '../mount.ts';
import { MemoryWorld } from '../testing/memory-world.ts';
import { commitTransaction } from '../transaction/commit.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { endTransaction, startTransaction } from '../transaction/handle.ts';
import { insertItem, openForChange, removeItem, searchForChange, updateItem } from './change-cursor.ts';
import { findItem, searchTree, visitItems } from './cursor.ts';
import type { Tree } from './tree.ts';
import type { TreeBlock } from './tree-block.ts';

function mountedFresh(nodeSize: number, deviceSize = 64 * MIB): FsInfo {
  const world = new MemoryWorld([deviceSize]);
  const options = { devices: [deviceSize], nodeSize, metadataBytes: Math.floor(deviceSize / 2 / MIB) * MIB };
  for (const { device, offset, bytes } of makeFilesystem(options)) world.devices[device]!.write(offset, bytes);
  const fs = runAtomically(mount(world, { fixes: new FixSet([]) }));
  const handle = runAtomically(startTransaction(fs));
  const cursor = runAtomically(searchForChange(handle, fs.trees.uuid!, { objectid: 0, type: 0, offset: 0 }, 0));
  while (cursor.isValid) cursor.remove();
  cursor.release();
  runAtomically(endTransaction(handle));
  return fs;
}

/** Every block of the tree is well formed, within its parent's key range, and linked by its generation. */
function checkTree(fs: FsInfo, tree: Tree): number {
  let leaves = 0;
  const visit = (block: TreeBlock, low: Key | null): void => {
    expect(treeBlockLayoutProblem(block.view)).toBe(null);
    if (block.level === 0) {
      leaves++;
      if (low !== null) expect(itemKey(block.view, 0)).toEqual(low);
      return;
    }
    for (let slot = 0; slot < itemCount(block.view); slot++) {
      const child = fs.blocks.find(pointerAddress(block.view, slot))!;
      expect(child.generation).toBe(pointerGeneration(block.view, slot));
      expect(child.level).toBe(block.level - 1);
      const key = pointerKey(block.view, slot);
      if (slot === 0 && low !== null) expect(key).toEqual(low);
      visit(child, key);
    }
  };
  visit(tree.root, null);
  return leaves;
}

const keyText = (key: Key) => `${key.objectid}/${key.type}/${key.offset}`;

for (const nodeSize of [4 * KIB, 16 * KIB, 64 * KIB]) {
  test(`a tree of ${nodeSize}-byte nodes agrees with a map after any insert, update and removal`, () => {
    const fs = mountedFresh(nodeSize);
    const tree = fs.trees.uuid!;
    const random = randomStream(`${nodeSize}`, 'workload');
    const model = new Map<string, { key: Key; bytes: Uint8Array }>();
    const sizeMax = Math.min(1500, nodeSize / 4);
    for (let round = 0; round < 6; round++) {
      const handle = runAtomically(startTransaction(fs));
      const isGrowing = round % 3 !== 2;
      for (let step = 0; step < 500; step++) {
        const key = {
          objectid: [256, 257, 1000, -5, -10][random.below(5)]!,
          type: 12 * random.below(3),
          offset: random.below(300),
        };
        const bytes = new Uint8Array(random.chance(1, 20) ? random.below(sizeMax) : random.below(120)).fill(
          random.below(256),
        );
        const known = model.has(keyText(key));
        if (known && random.chance(isGrowing ? 1 : 4, 5)) {
          runAtomically(removeItem(handle, tree, key));
          model.delete(keyText(key));
        } else if (known) {
          runAtomically(updateItem(handle, tree, key, bytes));
          model.set(keyText(key), { key, bytes });
        } else if (isGrowing || random.chance(1, 5)) {
          runAtomically(insertItem(handle, tree, key, bytes));
          model.set(keyText(key), { key, bytes });
        }
      }
      checkTree(fs, tree);
      const found: { key: Key; bytes: Uint8Array }[] = [];
      const first = { objectid: 0, type: 0, offset: 0 };
      runAtomically(
        visitItems(fs, tree, first, (cursor) => found.push({ key: cursor.key, bytes: cursor.data.slice() }) > 0),
      );
      const expected = [...model.values()].sort(
        (a, b) => compareU64(a.key.objectid, b.key.objectid) || a.key.type - b.key.type || a.key.offset - b.key.offset,
      );
      expect(found).toEqual(expected);
      runAtomically(endTransaction(handle));
      runAtomically(commitTransaction(fs));
    }
    const handle = runAtomically(startTransaction(fs));
    for (const { key } of model.values()) runAtomically(removeItem(handle, tree, key));
    expect(itemCount(tree.root.view)).toBe(0);
    expect(tree.root.level).toBe(0);
    runAtomically(endTransaction(handle));
    runAtomically(commitTransaction(fs));
    expect(tree.bytesUsed).toBe(nodeSize);
  });
}

test('items come back in order forwards and backwards, across leaves', () => {
  const fs = mountedFresh(4096);
  const tree = fs.trees.uuid!;
  const handle = runAtomically(startTransaction(fs));
  for (let i = 0; i < 2000; i++) {
    runAtomically(insertItem(handle, tree, { objectid: 300, type: 1, offset: (i * 7919) % 2000 }, new Uint8Array(20)));
  }
  runAtomically(endTransaction(handle));
  const cursor = runAtomically(searchTree(fs, tree, { objectid: 300, type: 1, offset: 1000 }));
  expect(cursor.found).toBe(true);
  for (let offset = 1000; offset < 2000; offset++) {
    expect(cursor.offset).toBe(offset);
    expect(runAtomically(cursor.next())).toBe(offset < 1999);
  }
  expect(cursor.isValid).toBe(false);
  for (let offset = 1999; offset >= 0; offset--) {
    expect(runAtomically(cursor.previous())).toBe(true);
    expect(cursor.offset).toBe(offset);
  }
  expect(runAtomically(cursor.previous())).toBe(false);
  expect(runAtomically(cursor.next())).toBe(true);
  expect(cursor.offset).toBe(0);
  cursor.release();
});

test('appending in key order leaves full leaves behind', () => {
  const fs = mountedFresh(4096);
  const tree = fs.trees.uuid!;
  const handle = runAtomically(startTransaction(fs));
  for (let offset = 0; offset < 5000; offset++) {
    runAtomically(insertItem(handle, tree, { objectid: 300, type: 1, offset }, new Uint8Array(22)));
  }
  runAtomically(endTransaction(handle));
  // 3,995 bytes a leaf, 47 an item: 85 items; 5,000 of them need 59 leaves.
  expect(checkTree(fs, tree)).toBe(59);
  expect(tree.root.level).toBe(1);
});

test('appending in front of a later item leaves leaves nearly full, too', () => {
  const fs = mountedFresh(4096);
  const tree = fs.trees.uuid!;
  const handle = runAtomically(startTransaction(fs));
  runAtomically(insertItem(handle, tree, { objectid: 301, type: 1, offset: 0 }, new Uint8Array(22)));
  for (let offset = 0; offset < 5000; offset++) {
    runAtomically(insertItem(handle, tree, { objectid: 300, type: 1, offset }, new Uint8Array(22)));
  }
  runAtomically(endTransaction(handle));
  expect(checkTree(fs, tree)).toBeLessThan(64);
});

test('an item as big as a leaf goes between its neighbours into a leaf of its own', () => {
  const fs = mountedFresh(4096);
  const tree = fs.trees.uuid!;
  const handle = runAtomically(startTransaction(fs));
  const put = (offset: number, size: number) =>
    runAtomically(insertItem(handle, tree, { objectid: 300, type: 1, offset }, new Uint8Array(size)));
  put(10, 1900);
  put(20, 1900);
  put(15, 3970);
  put(5, 3970);
  put(30, 3970);
  expect(checkTree(fs, tree)).toBe(5);
  const grown = new Uint8Array(3000).fill(7);
  runAtomically(updateItem(handle, tree, { objectid: 300, type: 1, offset: 10 }, grown));
  expect(runAtomically(findItem(fs, tree, { objectid: 300, type: 1, offset: 10 }))).toEqual(grown);
  checkTree(fs, tree);
  runAtomically(endTransaction(handle));
});

test('a change without space for its split throws ENOSPC and leaves the tree as it was', () => {
  const fs = mountedFresh(4096);
  const tree = fs.trees.uuid!;
  const world = fs.world as MemoryWorld;
  const handle = runAtomically(startTransaction(fs));
  let offset = 0;
  for (; tree.root.level === 0 || leafFreeBytes(tree.root.view) > 0; offset++) {
    if (offset === 500) break;
    runAtomically(insertItem(handle, tree, { objectid: 300, type: 1, offset }, new Uint8Array(22)));
  }
  const before = checkTree(fs, tree);
  world.failure = (site) => (site === 'allocate-tree-block' ? 'ENOSPC' : null);
  let refused = 0;
  for (let extra = 0; extra < 200; extra++, offset++) {
    try {
      runAtomically(insertItem(handle, tree, { objectid: 300, type: 1, offset }, new Uint8Array(22)));
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' });
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(100);
  expect(checkTree(fs, tree)).toBe(before);
  runAtomically(endTransaction(handle));
});

test('a second insert of one key is refused with EEXIST, an update or removal of none with ENOENT', () => {
  const fs = mountedFresh(4096);
  const tree = fs.trees.uuid!;
  const key = { objectid: 300, type: 1, offset: 0 };
  const handle = runAtomically(startTransaction(fs));
  runAtomically(insertItem(handle, tree, key, new Uint8Array(3)));
  expect(() => runAtomically(insertItem(handle, tree, key, new Uint8Array(3)))).toThrow(/EEXIST.*300/);
  const absent = { objectid: 301, type: 1, offset: 0 };
  expect(() => runAtomically(updateItem(handle, tree, absent, new Uint8Array(3)))).toThrow(/ENOENT/);
  expect(() => runAtomically(removeItem(handle, tree, absent))).toThrow(/ENOENT/);
  const cursor = runAtomically(openForChange(handle, tree));
  cursor.release();
  runAtomically(endTransaction(handle));
});

test('committed blocks are never changed in place: a change copies the whole path', () => {
  const fs = mountedFresh(4096);
  const tree = fs.trees.uuid!;
  const key = { objectid: 300, type: 1, offset: 0 };
  const first = runAtomically(startTransaction(fs));
  runAtomically(insertItem(first, tree, key, new Uint8Array([1])));
  runAtomically(endTransaction(first));
  runAtomically(commitTransaction(fs));
  const committed = tree.root;
  const bytes = committed.bytes.slice();
  const second = runAtomically(startTransaction(fs));
  const cursor = runAtomically(searchForChange(second, tree, key, 0));
  cursor.data[0] = 2;
  cursor.release();
  expect(tree.root).not.toBe(committed);
  expect(tree.commitRoot).toBe(committed);
  expect(committed.bytes).toEqual(bytes);
  expect(runAtomically(findItem(fs, tree, key))).toEqual(new Uint8Array([2]));
  runAtomically(endTransaction(second));
});
