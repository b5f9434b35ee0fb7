import type { DiskImage } from '../../record/image.ts';
import type { DeviceItem } from './chunk-tree.ts';
import type { FaultCollector } from './fault-report.ts';
import { SUPER, SUPER_OFFSETS, SUPER_SIZE } from './layout.ts';
import { sameUuid, showUuid } from './raw-fields.ts';
import { isSeed } from './seed-devices.ts';
import {
  checkMirrors,
  firstDifference,
  hasSuperblockMagic,
  readSuperblockCopy,
  Superblock,
  type SuperblockOptions,
} from './superblock.ts';

/** Id of the target of a device replace, until it takes over that of the source. */
export const REPLACE_TARGET = 0;
const DEVICE_UUID = SUPER.devItem + 66;

/** The superblocks of one file system. */
export interface FoundSuperblocks {
  /** The primaries, newest generation first; of one device id and uuid only the newest. */
  readonly supers: readonly Superblock[];
  /**
   * Images without a superblock: a blank disk, a device that was replaced or removed, or a member that lost its own.
   * Which of these it is, the devices of the chunk tree tell; see `complainAboutBlanks`.
   */
  readonly blanks: readonly number[];
}

/**
 * Reads the primary superblock of every image, and its mirrors, and complains about those that cannot be right whoever
 * is a member. Complains about blank images only when all are.
 */
export function readSuperblocks(
  images: readonly DiskImage[],
  options: SuperblockOptions,
  faults: FaultCollector,
): FoundSuperblocks {
  const found: Superblock[] = [];
  const blanks: number[] = [];
  for (const [index, image] of images.entries()) {
    if (!hasSuperblockMagic(image, 0)) {
      blanks.push(index);
      continue;
    }
    const primary = readSuperblockCopy(image, index, 0, faults);
    if (primary === null) continue;
    found.push(primary);
    checkMirrors(image, primary, options, faults);
  }
  if (found.length === 0) complainAboutBlanks(images, blanks, faults);
  const sorted = [...found].sort((a, b) => b.generation - a.generation);
  return { supers: leaveOutStrangers(sorted, options, faults), blanks };
}

/** Says that an image has no superblock, where a member was to be found. */
export function complainAboutBlanks(
  images: readonly DiskImage[],
  blanks: readonly number[],
  faults: FaultCollector,
): void {
  for (const index of blanks) readSuperblockCopy(images[index]!, index, 0, faults);
}

/** A disk that is no member (any more) has no superblock anywhere: by a forgotten mirror it could be taken for one. */
export function checkBlanks(
  images: readonly DiskImage[],
  blanks: readonly number[],
  newest: Superblock,
  faults: FaultCollector,
): void {
  for (const index of blanks) {
    const image = images[index]!;
    for (let mirror = 1; mirror < SUPER_OFFSETS.length; mirror++) {
      if (!hasSuperblockMagic(image, mirror)) continue;
      const copy = new Superblock(image.read(SUPER_OFFSETS[mirror]!, SUPER_SIZE), index);
      if (!sameUuid(copy.view, SUPER.fsid, newest.view, SUPER.fsid)) continue;
      const what = 'a disk that is no member has a superblock mirror of this file system';
      faults.error('superblock', { image: index, mirror }, 'superblock-left-behind', what, copy.generation);
    }
  }
}

/** What belongs to another file system, and older superblocks of a device that has a newer one. */
function leaveOutStrangers(
  sorted: readonly Superblock[],
  options: SuperblockOptions,
  faults: FaultCollector,
): Superblock[] {
  const newest = sorted[0];
  const members: Superblock[] = [];
  for (const sup of sorted) {
    const place = { image: sup.image };
    if (!sameUuid(sup.view, SUPER.fsid, newest!.view, SUPER.fsid)) {
      const have = showUuid(sup.view, SUPER.fsid);
      const expect = showUuid(newest!.view, SUPER.fsid);
      if (isSeed(sup)) faults.unsupported.push(`SEEDING: image ${sup.image} is of the seed file system ${have}`);
      else faults.error('superblock', place, 'foreign-device', 'another file system', have, expect);
      continue;
    }
    const twin = members.find((other) => isSameDevice(other, sup));
    if (twin === undefined) {
      members.push(sup);
      continue;
    }
    // The source of a device replace keeps its own until it is wiped; the target has taken id and uuid with a newer one.
    if (options.crashed && sup.generation < twin.generation) continue;
    const what = `device id ${sup.deviceId} is also that of image ${twin.image}`;
    faults.error('superblock', place, 'duplicate-device', what);
  }
  return members;
}

function isSameDevice(a: Superblock, b: Superblock): boolean {
  return a.deviceId === b.deviceId && sameUuid(a.view, DEVICE_UUID, b.view, DEVICE_UUID);
}

/** All members carry the same superblock but for their own device item. */
export function compareMembers(
  members: readonly Superblock[],
  options: SuperblockOptions,
  faults: FaultCollector,
): void {
  const newest = members[0];
  for (const other of members.slice(1)) {
    const place = { image: other.image };
    if (other.generation !== newest!.generation) {
      if (options.crashed) continue;
      const what = 'another device has a newer superblock';
      faults.error('superblock', place, 'superblock-stale', what, other.generation, newest!.generation);
      continue;
    }
    const ownField = (at: number) => at < 32 || (at >= SUPER.devItem && at < SUPER.devItem + 98);
    const different = firstDifference(other.bytes, newest!.bytes, ownField);
    if (different >= 0) {
      const what = `differs from that of image ${newest!.image} at byte ${different}`;
      faults.error('superblock', place, 'superblock-devices-differ', what);
    }
  }
}

/** Which image holds which device of the file system. */
export interface Members {
  /** Superblocks of the devices that the chunk tree knows, newest first. */
  readonly supers: readonly Superblock[];
  /** Of the device that is about to replace another; null when there is none. */
  readonly target: Superblock | null;
  readonly images: ReadonlyMap<number, DiskImage>;
}

/** Before the chunk tree is read: every superblock counts, the newest of each device id. */
export function presumedMembers(supers: readonly Superblock[], images: readonly DiskImage[]): Members {
  const map = new Map<number, DiskImage>();
  for (const sup of supers) if (!map.has(sup.deviceId)) map.set(sup.deviceId, images[sup.image]!);
  return { supers, target: null, images: map };
}

/** As the kernel assigns disks to devices: by id and uuid of the device items. */
export function findMembers(
  supers: readonly Superblock[],
  devices: ReadonlyMap<number, DeviceItem>,
  images: readonly DiskImage[],
  options: SuperblockOptions,
  faults: FaultCollector,
): Members {
  const members: Superblock[] = [];
  let target: Superblock | null = null;
  const map = new Map<number, DiskImage>();
  const newest = supers[0]!;
  // Those whose uuid is right come first: a wrong one may still be the only disk with this id.
  const sorted = [...supers].sort((a, b) => Number(hasItsUuid(b, devices)) - Number(hasItsUuid(a, devices)));
  for (const sup of sorted) {
    if (sup.deviceId === REPLACE_TARGET && !devices.has(REPLACE_TARGET)) {
      target ??= sup;
      continue;
    }
    if (!map.has(sup.deviceId) && (devices.has(sup.deviceId) || sup === newest)) {
      map.set(sup.deviceId, images[sup.image]!);
      members.push(sup);
      continue;
    }
    if (options.crashed && sup.generation < newest.generation) continue;
    const what = 'the superblock of a device that the file system does not have';
    faults.error('superblock', { image: sup.image }, 'superblock-of-no-member', what, `devid ${sup.deviceId}`);
  }
  return { supers: members.sort((a, b) => b.generation - a.generation), target, images: map };
}

function hasItsUuid(sup: Superblock, devices: ReadonlyMap<number, DeviceItem>): boolean {
  const device = devices.get(sup.deviceId);
  return device !== undefined && sameUuid(sup.view, DEVICE_UUID, device.view, device.at + 66);
}

/** Ids of devices that no image holds, lowest first. */
export function missingDevices(members: Members, devices: ReadonlyMap<number, DeviceItem>): number[] {
  return [...devices.keys()].filter((id) => !members.images.has(id)).sort((a, b) => a - b);
}
