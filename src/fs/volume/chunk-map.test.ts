import { expect, test } from 'vitest';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { ChunkMap, copiesOf, mapToStripe } from './chunk-map.ts';

const chunk = (logical: number, length: number, flags = 0, stripes = [{ device: 1, physical: logical + 7000 }]) => ({
  logical,
  length,
  flags,
  stripeLength: 65536,
  stripes,
});

test('an address is found in the chunk that covers it, and nowhere between chunks', () => {
  const map = new ChunkMap();
  map.insert(chunk(3000, 1000));
  map.insert(chunk(1000, 500));
  map.insert(chunk(1500, 500));
  expect(map.all().map(({ logical }) => logical)).toEqual([1000, 1500, 3000]);
  for (const [address, expected] of [
    [999, null],
    [1000, 1000],
    [1499, 1000],
    [1500, 1500],
    [1999, 1500],
    [2000, null],
    [3999, 3000],
    [4000, null],
  ] as const) {
    expect(map.find(address)?.logical ?? null).toBe(expected);
  }
  map.remove(1500);
  expect(map.find(1500)).toBe(null);
});

test('chunks that would overlap are refused', () => {
  const map = new ChunkMap();
  map.insert(chunk(1000, 500));
  expect(() => map.insert(chunk(1499, 10))).toThrow(/never overlap/);
  expect(() => map.insert(chunk(900, 101))).toThrow(/never overlap/);
});

test('DUP keeps two copies, single one; each maps to its own place', () => {
  const dup = chunk(1000, 500, BLOCK_GROUP_FLAG.METADATA | BLOCK_GROUP_FLAG.DUP, [
    { device: 1, physical: 10_000 },
    { device: 1, physical: 20_000 },
  ]);
  expect(copiesOf(dup)).toBe(2);
  expect(copiesOf(chunk(0, 10))).toBe(1);
  expect(mapToStripe(dup, 1100, 50, 1)).toEqual({ device: 1, physical: 20_100, length: 50 });
  expect(() => mapToStripe(dup, 1490, 20, 0)).toThrow(/stays inside/);
});
