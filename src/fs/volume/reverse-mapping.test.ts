import { expect, test } from 'vitest';
import { GIB, KIB, MIB } from '../../base/units.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { SUPERBLOCK_OFFSETS } from '../format/superblock.ts';
import { type Chunk, ChunkMap } from './chunk-map.ts';
import { Device } from './device.ts';
import { logicalAddressesIn, logicalAddressesOf } from './reverse-mapping.ts';
import { piecesOf } from './stripe-mapping.ts';

const DEVICES = [1, 2, 3, 4, 5].map((id) => new Device(id, null, new Uint8Array(16), 0, 0));

function chunk(profile: number, length: number, physicals: readonly number[]): Chunk {
  return {
    logical: 4 * GIB,
    length,
    flags: BLOCK_GROUP_FLAG.DATA | profile,
    stripeLength: 64 * KIB,
    stripes: physicals.map((physical, index) => ({ device: DEVICES[index]!, physical })),
  };
}

function mapOf(...chunks: readonly Chunk[]): ChunkMap {
  const map = new ChunkMap();
  for (const each of chunks) map.insert(each);
  return map;
}

const SECOND_SUPERBLOCK = SUPERBLOCK_OFFSETS[1]!;

test.each([256 * MIB, 512 * MIB])('kernel self-test 1: RAID1 of %d bytes has the superblock copy once', (length) => {
  const raid1 = chunk(BLOCK_GROUP_FLAG.RAID1, length, [60 * MIB, 316 * MIB]);
  const found = { chunk: raid1, addresses: [4 * GIB + 4 * MIB], stripeLength: 64 * KIB };
  expect(logicalAddressesIn(raid1, SECOND_SUPERBLOCK, null, 256 * MIB)).toEqual(found);
  expect(logicalAddressesOf(mapOf(raid1), SECOND_SUPERBLOCK)).toEqual([found]);
});

test('kernel self-test 2: a single chunk that starts behind the superblock copy has none of it', () => {
  const single = chunk(0, 256 * MIB, [256 * MIB]);
  expect(logicalAddressesIn(single, SECOND_SUPERBLOCK)).toEqual({
    chunk: single,
    addresses: [],
    stripeLength: 64 * KIB,
  });
  expect(logicalAddressesOf(mapOf(single), SECOND_SUPERBLOCK)).toEqual([]);
});

test('a device range ends before its last byte plus one, and begins with its first', () => {
  const single = chunk(0, 256 * MIB, [256 * MIB]);
  const addresses = (physical: number) => logicalAddressesIn(single, physical).addresses;
  expect(addresses(256 * MIB)).toEqual([4 * GIB]);
  expect(addresses(512 * MIB - 1)).toEqual([4 * GIB + 256 * MIB - 1]);
  expect(addresses(512 * MIB)).toEqual([]);
});

test('only the named device counts', () => {
  const raid1 = chunk(BLOCK_GROUP_FLAG.RAID1, 64 * MIB, [64 * MIB, 96 * MIB]);
  const both = [4 * GIB + 36 * MIB, 4 * GIB + 4 * MIB];
  expect(logicalAddressesIn(raid1, 100 * MIB).addresses).toEqual(both);
  expect(logicalAddressesIn(raid1, 100 * MIB, DEVICES[1]!).addresses).toEqual([both[1]]);
  expect(logicalAddressesOf(mapOf(raid1), 100 * MIB, DEVICES[2]!)).toEqual([]);
});

test.each([
  ['RAID0', BLOCK_GROUP_FLAG.RAID0, 3, 3, [[2, 1, (2 * 3 + 1) * 64]]],
  ['RAID10', BLOCK_GROUP_FLAG.RAID10, 4, 2, [[3, 2, (3 * 2 + 1) * 64]]],
  ['RAID5', BLOCK_GROUP_FLAG.RAID5, 3, 2, [[5, 0, 5 * 128]]],
  ['RAID6', BLOCK_GROUP_FLAG.RAID6, 5, 3, [[5, 4, 5 * 192]]],
  ['DUP', BLOCK_GROUP_FLAG.DUP, 2, 1, [[5, 1, 5 * 64]]],
] as const)('%s counts its stripes in rows', (_name, profile, stripes, dataStripes, expectations) => {
  const physicals = Array.from({ length: stripes }, (_, index) => (index + 1) * GIB);
  const striped = chunk(profile, dataStripes * 16 * MIB, physicals);
  for (const [row, index, offset] of expectations) {
    const physical = physicals[index]! + row * 64 * KIB + 4 * KIB;
    expect(logicalAddressesIn(striped, physical).addresses).toEqual([4 * GIB + (offset + 4) * KIB]);
  }
});

test('both copies of RAID10 and RAID1 at one device address are one address', () => {
  for (const [profile, stripes] of [
    [BLOCK_GROUP_FLAG.RAID10, 2],
    [BLOCK_GROUP_FLAG.RAID1, 2],
    [BLOCK_GROUP_FLAG.RAID1C3, 3],
  ] as const) {
    const mirrored = chunk(profile, 64 * MIB, new Array<number>(stripes).fill(32 * MIB));
    expect(logicalAddressesIn(mirrored, 40 * MIB).addresses).toEqual([4 * GIB + 8 * MIB]);
  }
});

test('what a chunk maps to a device maps back', () => {
  const mirrored = chunk(BLOCK_GROUP_FLAG.RAID1C3, 64 * MIB, [MIB, 256 * MIB, 512 * MIB]);
  for (const at of [0, 4 * KIB, 64 * KIB, 64 * MIB - 4 * KIB]) {
    for (const copy of [0, 1, 2]) {
      const { stripe, physical } = piecesOf(mirrored, 4 * GIB + at, 4 * KIB, copy)[0]!;
      expect(logicalAddressesIn(mirrored, physical, stripe.device).addresses).toEqual([4 * GIB + at]);
    }
  }
});
