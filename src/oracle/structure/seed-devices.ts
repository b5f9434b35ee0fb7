import type { DeviceItem } from './chunk-tree.ts';
import type { FaultCollector } from './fault-report.ts';
import { SUPER } from './layout.ts';
import { sameUuid, showUuid } from './raw-fields.ts';
import type { Superblock } from './superblock.ts';

const DEVICE_UUID = SUPER.devItem + 66;
const ITEM_UUID = 66;
const ITEM_FSID = 82;

/** Bit of the upper half of the flags of a superblock. */
const SEEDING_HIGH = 1;

/** A file system that others may be grown from: by itself it is as any other, but Linux never writes to it. */
export function isSeed({ view }: Superblock): boolean {
  return (view.getUint32(SUPER.flags + 4, true) & SEEDING_HIGH) !== 0;
}

/**
 * Compares the file system ids of the device items with that of the superblock. An item with another one is wrong where
 * the device is a member; else it is that of a seed, which this walk cannot judge.
 * @returns false when there is a seed.
 */
export function checkDeviceFsids(
  devices: Iterable<DeviceItem>,
  supers: readonly Superblock[],
  faults: FaultCollector,
): boolean {
  const newest = supers[0]!;
  let isWhole = true;
  for (const { id, view, at, place } of devices) {
    if (sameUuid(view, at + ITEM_FSID, newest.view, newest.headerFsidAt)) continue;
    const have = showUuid(view, at + ITEM_FSID);
    if (supers.some((sup) => sup.deviceId === id && sameUuid(sup.view, DEVICE_UUID, view, at + ITEM_UUID))) {
      const expect = showUuid(newest.view, newest.headerFsidAt);
      faults.error('leaf', place, 'dev-item-fsid', 'fsid of the device is wrong', have, expect);
    } else {
      faults.unsupported.push(`SEEDING: device ${id} is of the seed file system ${have}`);
      isWhole = false;
    }
  }
  return isWhole;
}
