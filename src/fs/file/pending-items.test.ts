import { expect, test } from 'vitest';
import { randomStream } from '../../base/random.ts';
import { allFixes } from '../fixes.ts';
import { MemoryWorld } from '../testing/memory-world.ts';
import type { Tree } from '../tree/tree.ts';
import { extentMapRulesOf } from './extent-map-rules.ts';
import { Inode } from './inode.ts';
import { InodeCache } from './inode-cache.ts';
import { OrderedExtent } from './ordered-extent.ts';
import { PAGE_SIZE } from './page-cache.ts';
import { PendingItems } from './pending-items.ts';

const TREE = { id: 5 } as Tree;
const MAX_INLINE = 2048;
const PAGES = 100;
const REGULAR = 0o100644;

function makeCache() {
  const world = new MemoryWorld([]);
  const pending = new PendingItems(world, MAX_INLINE);
  const cache = new InodeCache(world, pending);
  const add = (number: number) => {
    const item = new Uint8Array(160);
    new DataView(item.buffer).setUint32(52, REGULAR, true);
    const inode = new Inode(world, TREE, number, item, extentMapRulesOf(allFixes(), new Set()));
    cache.add(inode);
    return inode;
  };
  return { pending, cache, add };
}

function recount(inodes: readonly Inode[]): number {
  let bytes = 0;
  for (const { pages, ordered, size } of inodes) {
    const dirty = Array.from({ length: PAGES }, (_, index) => pages.find(index)?.isDirty === true);
    const runs = dirty.filter((isDirty, index) => isDirty && dirty[index - 1] !== true).length;
    const count = dirty.filter(Boolean).length;
    expect([pages.dirtyCount, pages.dirtyRunCount]).toEqual([count, runs]);
    const first = dirty.indexOf(true, 20);
    expect(pages.nextDirtyRun(20, PAGES, 1)).toEqual(first < 0 ? null : { start: first, end: first + 1 });
    bytes += (runs + Math.floor(count / 32) + ordered.count) * 512;
    if (count > 0 && size <= MAX_INLINE) bytes += size;
  }
  return bytes;
}

test('what is pending is known after each change as if all inodes had been counted', () => {
  const { pending, cache, add } = makeCache();
  const inodes = [257, 258, 259].map(add);
  const random = randomStream('pending', 'workload');
  for (let step = 0; step < 1500; step++) {
    const inode = inodes[random.below(3)]!;
    const index = random.below(PAGES);
    const page = inode.pages.find(index) ?? inode.pages.add(index, new Uint8Array(0));
    const ordered = inode.ordered.find(0, Number.POSITIVE_INFINITY);
    const what = random.below(6);
    if (what <= 1) inode.pages.markDirty(page, false);
    else if (what === 2) inode.pages.markClean(page);
    else if (what === 3) inode.setSize(random.below(2) * MAX_INLINE + random.below(9));
    else if (what === 4) inode.ordered.add(new OrderedExtent(index * PAGE_SIZE, PAGE_SIZE, 0, false));
    else if (ordered !== null) inode.ordered.finish(ordered);
    expect(pending.bytes).toBe(recount(inodes));
  }
  for (const inode of inodes) cache.remove(inode);
  expect(pending.bytes).toBe(0);
});

test('only inodes with something unwritten are listed, by number, however often they were', () => {
  const { cache, add } = makeCache();
  const [third, first, second] = [259, 257, 258].map(add) as [Inode, Inode, Inode];
  expect(cache.unwritten()).toEqual([]);
  third.touchTimes(true);
  const page = first.pages.add(3, new Uint8Array(0));
  first.pages.markDirty(page, false);
  second.setSize(10);
  expect(cache.unwritten()).toEqual([first, second, third]);
  first.pages.markClean(page);
  third.itemFor(7);
  expect(cache.unwritten()).toEqual([second]);
  third.touchTimes(false);
  expect(cache.unwritten()).toEqual([second, third]);
});

test('beyond its limit the cache forgets what nobody holds and nobody used of late, and nothing else', () => {
  const { cache, add } = makeCache();
  const held = add(257);
  const unwritten = add(258);
  cache.put(unwritten);
  unwritten.touchTimes(true);
  for (let number = 300; number < 300 + 40_000; number++) cache.put(add(number));
  expect(cache.all().length).toBeLessThanOrEqual(32_768 + 1);
  expect(cache.find(TREE, 257)).toBe(held);
  expect(cache.find(TREE, 258)).toBe(unwritten);
  expect(cache.find(TREE, 300)).toBeNull();
  expect(cache.find(TREE, 300 + 39_999)).not.toBeNull();
});
