import { SUPERBLOCK_OFFSETS, SUPERBLOCK_RESERVED_LENGTH } from '../format/superblock.ts';
import type { BlockGroup } from '../space/block-group.ts';
import type { DeviceRange } from '../volume/device.ts';
import { deviceExtentsOf } from '../volume/profiles.ts';
import type { FsInfo } from './fs-info.ts';

/**
 * The last that is left of a removed chunk goes: its logical address can be given out again at once, its places on the
 * devices as soon as the commit root of the device tree does not list them any more, as in the kernel, whose chunk
 * allocator looks there too. Plain.
 */
export function eraseChunkMap(fs: FsInfo, group: BlockGroup): void {
  const chunk = fs.volume.chunkAt(group.start);
  if (chunk === null || chunk.logical !== group.start) return;
  fs.volume.removeChunk(group.start);
  const ranges = deviceExtentsOf(chunk);
  const { removedBy } = group;
  if (removedBy !== null && !removedBy.hasCommitRoots) removedBy.freedDeviceRanges.push(...ranges);
  else giveBackDeviceRanges(fs, ranges);
}

/** The ranges can be allocated again. */
export function giveBackDeviceRanges(fs: FsInfo, ranges: readonly DeviceRange[]): void {
  for (const { device, physical, length } of ranges) {
    fs.world.touch(device.resource, 'write');
    // Some of it may count as unallocated already: a device that took the place of another may know too little.
    device.unallocated.exclude(physical, length);
    device.unallocated.add(physical, length);
    for (const offset of SUPERBLOCK_OFFSETS) device.unallocated.exclude(offset, SUPERBLOCK_RESERVED_LENGTH);
    // The device may have been made smaller since.
    device.unallocated.exclude(device.totalBytes, Number.MAX_SAFE_INTEGER - device.totalBytes);
  }
}
