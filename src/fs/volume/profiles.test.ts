import { expect, test } from 'vitest';
import { KIB, MIB } from '../../base/units.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import type { Chunk } from './chunk-map.ts';
import { Device } from './device.ts';
import {
  chunkBeyondHelp,
  copiesOf,
  deviceExtentLength,
  deviceExtentsOf,
  PROFILES,
  profileNamed,
  profileOf,
  stripeCountProblem,
} from './profiles.ts';
import { logicalRangesOf, piecesOf, rangesOf } from './stripe-mapping.ts';

const DEVICES = [1, 2, 3, 4].map((id) => new Device(id, null, new Uint8Array(16), 0, 0));
const LOGICAL = 512 * MIB;

/** A chunk of 6 MiB whose stripes lie on one device after the other, or all on the first. */
function chunkOf(name: string, stripes: number): Chunk {
  const profile = profileNamed(name)!;
  return {
    logical: LOGICAL,
    length: 6 * MIB,
    flags: BLOCK_GROUP_FLAG.DATA | profile.bit,
    stripeLength: 64 * KIB,
    stripes: Array.from({ length: stripes }, (_, index) => ({
      device: DEVICES[profile.stripesPerDevice === 1 ? index : 0]!,
      physical: (1 + 32 * index) * MIB,
    })),
  };
}

test.each([
  // name, stripes, copies, bytes of each device extent, failures tolerated
  ['single', 1, 1, 6, 0],
  ['dup', 2, 2, 6, 0],
  ['raid0', 3, 1, 2, 0],
  ['raid1', 2, 2, 6, 1],
  ['raid1c3', 3, 3, 6, 2],
  ['raid1c4', 4, 4, 6, 3],
] as const)(
  '%s with %i stripes: %i copies, device extents of %i MiB, %i may be lost',
  (name, stripes, copies, extent, tolerated) => {
    const chunk = chunkOf(name, stripes);
    expect(profileOf(chunk.flags).name).toBe(name);
    expect(stripeCountProblem(chunk.flags, stripes)).toBe(null);
    expect(copiesOf(chunk)).toBe(copies);
    expect(deviceExtentLength(chunk)).toBe(extent * MIB);
    expect(deviceExtentsOf(chunk).map(({ device }) => device)).toEqual(chunk.stripes.map(({ device }) => device));
    const lost = new Set<Device>();
    for (const [index, { device }] of chunk.stripes.entries()) {
      lost.add(device);
      const isBeyondHelp = name === 'dup' || index + 1 > tolerated;
      expect(chunkBeyondHelp([chunk], (each) => lost.has(each))).toBe(isBeyondHelp ? chunk : null);
    }
  },
);

test('a chunk with a wrong number of stripes is told what its profile wants', () => {
  expect(stripeCountProblem(BLOCK_GROUP_FLAG.RAID1, 3)).toBe('3 stripes, expect 2 of raid1');
  expect(stripeCountProblem(0, 2)).toBe('2 stripes, expect 1 of single');
  expect(stripeCountProblem(BLOCK_GROUP_FLAG.RAID1C4, 3)).toBe('3 stripes, expect 4 of raid1c4');
  expect(stripeCountProblem(BLOCK_GROUP_FLAG.RAID10, 3)).toBe('3 stripes, expect a multiple of 2');
  expect(stripeCountProblem(BLOCK_GROUP_FLAG.RAID0, 1)).toBe(null);
});

test('what is not supported is known by name', () => {
  const refused = PROFILES.filter(({ isSupported }) => !isSupported).map(({ name }) => name);
  expect(refused).toEqual(['raid10', 'raid5', 'raid6']);
});

test('a copy of a range that no striping cuts is one piece', () => {
  const chunk = chunkOf('raid1c3', 3);
  const pieces = piecesOf(chunk, LOGICAL + 60 * KIB, 80 * KIB, 2);
  expect(pieces).toEqual([{ stripe: chunk.stripes[2], physical: 65 * MIB + 60 * KIB, at: 0, length: 80 * KIB }]);
  expect(() => piecesOf(chunk, LOGICAL + 6 * MIB - 4 * KIB, 8 * KIB, 0)).toThrow(/stays inside/);
});

test('RAID0 cuts a range at each stripe of 64 KiB and takes the devices in turn', () => {
  const chunk = chunkOf('raid0', 3);
  const pieces = piecesOf(chunk, LOGICAL + 60 * KIB, 264 * KIB, 0);
  expect(
    pieces.map(({ stripe, physical, at, length }) => [chunk.stripes.indexOf(stripe), physical, at, length]),
  ).toEqual([
    [0, MIB + 60 * KIB, 0, 4 * KIB],
    [1, 33 * MIB, 4 * KIB, 64 * KIB],
    [2, 65 * MIB, 68 * KIB, 64 * KIB],
    [0, MIB + 64 * KIB, 132 * KIB, 64 * KIB],
    [1, 33 * MIB + 64 * KIB, 196 * KIB, 64 * KIB],
    [2, 65 * MIB + 64 * KIB, 260 * KIB, 4 * KIB],
  ]);
  const ranges = rangesOf(chunk, LOGICAL + 60 * KIB, 264 * KIB, 0);
  expect(ranges.map(({ physical, length }) => [physical, length])).toEqual([
    [MIB + 60 * KIB, 68 * KIB],
    [33 * MIB, 128 * KIB],
    [65 * MIB, 68 * KIB],
  ]);
});

test.each([
  ['single', 1],
  ['dup', 2],
  ['raid0', 3],
  ['raid0', 1],
  ['raid1', 2],
  ['raid1c4', 4],
] as const)('what %s with %i stripes maps to a device maps back, byte for byte', (name, stripes) => {
  const chunk = chunkOf(name, stripes);
  for (let mirror = 0; mirror < copiesOf(chunk); mirror++) {
    for (const piece of piecesOf(chunk, LOGICAL + 12 * KIB, 5 * MIB, mirror)) {
      const index = chunk.stripes.indexOf(piece.stripe);
      expect(logicalRangesOf(chunk, index, piece.physical, piece.length)).toEqual([
        { logical: LOGICAL + 12 * KIB + piece.at, length: piece.length, physical: piece.physical },
      ]);
    }
  }
  let covered = 0;
  for (const [index, { physical }] of chunk.stripes.entries()) {
    for (const range of logicalRangesOf(chunk, index, physical - MIB, 64 * MIB)) covered += range.length;
  }
  expect(covered).toBe(chunk.length * copiesOf(chunk));
});
