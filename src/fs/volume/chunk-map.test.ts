import { expect, test } from 'vitest';
import { KIB } from '../../base/units.ts';
import { ChunkMap } from './chunk-map.ts';
import { Device } from './device.ts';

const DEVICE = new Device(1, null, new Uint8Array(16), 0, 0);

const chunk = (logical: number, length: number) => ({
  logical,
  length,
  flags: 0,
  stripeLength: 64 * KIB,
  stripes: [{ device: DEVICE, physical: logical + 7000 }],
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
