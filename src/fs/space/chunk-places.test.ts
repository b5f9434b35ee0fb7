import { expect, test } from 'vitest';
import { GIB, KIB, MIB } from '../../base/units.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { Device } from '../volume/device.ts';
import { fixedLimits, kernelLimits, placeChunk, profileForNewChunk } from './chunk-places.ts';

const { DATA, METADATA, SYSTEM, DUP, RAID0, RAID1, RAID1C3 } = BLOCK_GROUP_FLAG;

/** A device with these holes: start and length in MiB. */
function device(id: number, ...holes: readonly (readonly [number, number])[]): Device {
  const made = new Device(id, null, new Uint8Array(16), 100 * MIB, 0);
  made.isWritable = true;
  for (const [start, length] of holes) made.unallocated.add(start * MIB, length * MIB);
  return made;
}

function places(devices: readonly Device[], flags: number, size: number) {
  const found = placeChunk(devices, flags, fixedLimits(size));
  if (found === null) return null;
  return [found.length / MIB, ...found.stripes.map(({ device: { id }, physical }) => `${id}:${physical / MIB}`)];
}

test('a chunk goes to the first hole that is large enough, not to the largest', () => {
  expect(places([device(1, [1, 1], [4, 3], [20, 50])], DATA, 2 * MIB)).toEqual([2, '1:4']);
});

test('where no hole is large enough, the chunk is as small as the largest hole', () => {
  expect(places([device(1, [1, 1], [4, 3])], DATA, 8 * MIB)).toEqual([3, '1:4']);
});

test('two copies on one device lie side by side in one hole', () => {
  expect(places([device(1, [1, 3], [8, 4])], METADATA | DUP, 2 * MIB)).toEqual([2, '1:8', '1:10']);
  expect(places([device(1, [1, 3])], METADATA | DUP, 2 * MIB)).toEqual([1.5, '1:1', '1:2.5']);
});

test('copies go to the devices with most room, and a device without any takes none', () => {
  const devices = [device(1, [1, 2]), device(2, [1, 9]), device(3, [1, 5])];
  expect(places(devices, DATA | RAID1, 4 * MIB)).toEqual([4, '2:1', '3:1']);
  expect(places(devices, DATA | RAID1C3, 4 * MIB)).toEqual([2, '2:1', '3:1', '1:1']);
  expect(places(devices.slice(0, 1), DATA | RAID1, 4 * MIB)).toBe(null);
});

test('among devices with room enough for the largest stripe, the emptiest comes first, then the lowest id', () => {
  const full = device(1, [1, 9]);
  full.bytesUsed = 50 * MIB;
  expect(places([full, device(2, [1, 9]), device(3, [1, 9])], DATA, MIB)).toEqual([1, '2:1']);
});

test('stripes take all devices with room, and each the same', () => {
  const devices = [device(1, [1, 4]), device(2, [1, 4]), device(3, [3, 2])];
  expect(places(devices, DATA | RAID0, 3 * MIB)).toEqual([3, '1:1', '2:1', '3:3']);
  expect(places(devices, DATA | RAID0, 30 * MIB)).toEqual([6, '1:1', '2:1', '3:3']);
});

test('devices that may not be written take nothing', () => {
  const missing = device(1, [1, 50]);
  missing.isWritable = false;
  expect(places([missing, device(2, [1, 2])], DATA, MIB)).toEqual([1, '2:1']);
  expect(places([missing], DATA, MIB)).toBe(null);
});

test('less than one stripe length is no room', () => {
  const tiny = device(1);
  tiny.unallocated.add(MIB, 64 * KIB - 4096);
  expect(places([tiny], DATA, MIB)).toBe(null);
});

test('a chunk is a tenth of the writable bytes in steps of 16 MiB, within the bounds of its type', () => {
  const large = new Device(1, null, new Uint8Array(16), 100 * GIB, 0);
  large.isWritable = true;
  large.unallocated.add(MIB, 99 * GIB);
  const lengthOf = (flags: number, bytes: number) => placeChunk([large], flags, kernelLimits(flags, bytes))!.length;
  expect(lengthOf(DATA, 100 * MIB)).toBe(16 * MIB);
  expect(lengthOf(DATA, GIB)).toBe(112 * MIB);
  expect(lengthOf(DATA, 100 * GIB)).toBe(GIB);
  expect(lengthOf(METADATA, 10 * GIB)).toBe(256 * MIB);
  expect(lengthOf(METADATA, 100 * GIB)).toBe(GIB);
  expect(lengthOf(SYSTEM, 100 * GIB)).toBe(32 * MIB);
});

test('new chunks get the best profile there is, or what too few devices suffice for', () => {
  expect(profileForNewChunk(0, 3)).toBe(0);
  expect(profileForNewChunk(RAID1, 2)).toBe(RAID1);
  expect(profileForNewChunk(RAID1, 1)).toBe(0);
  expect(profileForNewChunk(RAID1C3 | RAID1, 2)).toBe(RAID1);
  expect(profileForNewChunk(DUP, 1)).toBe(DUP);
  expect(profileForNewChunk(RAID0, 1)).toBe(RAID0);
});
