import { type ByteCount, MIB, type PhysicalAddress } from '../../base/units.ts';
import { SUPERBLOCK_OFFSETS, SUPERBLOCK_RESERVED_LENGTH } from '../format/superblock.ts';
import type { Device } from '../volume/device.ts';
import { deviceExtentsOf } from '../volume/profiles.ts';
import type { Volume } from '../volume/volume.ts';

/** btrfs leaves the first MiB of each device to boot loaders and the first superblock. */
export const DEVICE_RESERVED_BYTES: ByteCount = MIB;

/** Makes [start, end) of a device available to chunks, but for the first MiB and the stripes of superblock copies. */
export function addUnallocated(device: Device, start: PhysicalAddress, end: PhysicalAddress): void {
  const first = Math.max(start, DEVICE_RESERVED_BYTES);
  if (first >= end) return;
  device.unallocated.add(first, end - first);
  for (const offset of SUPERBLOCK_OFFSETS) device.unallocated.exclude(offset, SUPERBLOCK_RESERVED_LENGTH);
}

/** No chunk goes to [start, end) of a device any more; chunks that are there stay. */
export function excludeUnallocated(device: Device, start: PhysicalAddress, end: PhysicalAddress): void {
  if (start < end) device.unallocated.exclude(start, end - start);
}

/** Works out from the chunk map what is unallocated on each member; before, nothing is. */
export function fillUnallocated(volume: Volume): void {
  for (const device of volume.devices()) addUnallocated(device, 0, device.totalBytes);
  for (const chunk of volume.chunks()) {
    for (const { device, physical, length } of deviceExtentsOf(chunk)) device.unallocated.exclude(physical, length);
  }
}

/** [start, end) of a device is available again, but for chunks: undoes `excludeUnallocated`. */
export function restoreUnallocated(volume: Volume, device: Device, start: PhysicalAddress, end: PhysicalAddress): void {
  excludeUnallocated(device, start, end);
  addUnallocated(device, start, end);
  for (const chunk of volume.chunks()) {
    for (const extent of deviceExtentsOf(chunk)) {
      if (extent.device === device) device.unallocated.exclude(extent.physical, extent.length);
    }
  }
}
