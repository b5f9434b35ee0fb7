import { sameBytes } from '../../base/bytes.ts';
import type { DeviceId } from '../../base/units.ts';
import { FsError } from '../errors.ts';
import type { DeviceItem } from '../format/device.ts';
import { showUuid, UUID_SIZE } from '../format/uuid.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { Device, REPLACE_TARGET_ID } from '../volume/device.ts';
import { type FoundSuperblock, isSeed } from './superblock-read.ts';

/**
 * Matches what the file system says of its devices with the superblocks that were found. A device whose superblock
 * nobody names is no member (one that was removed, and kept its superblock by accident).
 */
export class MemberDevices {
  private readonly fs: FsInfo;
  private readonly all: readonly FoundSuperblock[];
  private readonly found: readonly FoundSuperblock[];

  /** Throws EINVAL when two devices say the same of themselves, or belong to another file system than the newest one. */
  constructor(fs: FsInfo, found: readonly FoundSuperblock[], newest: FoundSuperblock) {
    this.fs = fs;
    this.all = found;
    this.found = latestOfEach(found);
    for (const other of found) {
      if (sameBytes(other.superblock.fsid, newest.superblock.fsid)) continue;
      const both = `another file system than device ${newest.device.index}`;
      const problem = isSeed(other)
        ? `device ${other.device.index} is a seed device (SEEDING) of ${both}: what was grown from one is not supported yet`
        : `device ${other.device.index} belongs to ${both}`;
      throw new FsError('EINVAL', `mount: ${problem}`);
    }
  }

  /** The member with this id. Throws ENOENT where it is missing and the mount is not degraded. */
  member(id: DeviceId, uuid: Uint8Array): Device {
    const { volume } = this.fs;
    const known = volume.findDevice(id);
    if (known !== null) {
      if (sameBytes(known.uuid, uuid)) return known;
      throw new FsError('EUCLEAN', `mount: devid ${id} has uuid ${showUuid(uuid)}, expect ${showUuid(known.uuid)}`);
    }
    const device = this.deviceOf(id, uuid);
    volume.addDevice(device);
    return device;
  }

  private deviceOf(id: DeviceId, uuid: Uint8Array): Device {
    const found = this.found.find(({ superblock: { deviceItem } }) => isItem(deviceItem, id, uuid));
    if (found !== undefined) return toDevice(found);
    if (this.fs.degraded) return new Device(id, null, uuid.slice(), 0, 0);
    throw new FsError('ENOENT', `mount: devid ${id} uuid ${showUuid(uuid)} is missing`);
  }

  /** The device that says it is the target of a device replace; nobody made it part of the volume yet. */
  replaceTarget(): Device | null {
    const found = this.found.find(({ superblock }) => superblock.deviceItem.devid === REPLACE_TARGET_ID);
    if (found === undefined) return null;
    const device = toDevice(found);
    device.isWritable = false;
    return device;
  }

  /**
   * Devices that say they are what a member is, and missed its newest commit: the source of a device replace, when the
   * power went after the commit of its end and before it was wiped.
   */
  leftBehind(): Device[] {
    const { volume } = this.fs;
    return this.all
      .filter(({ superblock: { deviceItem }, device }) => {
        const member = volume.findDevice(deviceItem.devid);
        return member?.block != null && member.block !== device && sameBytes(member.uuid, deviceItem.uuid);
      })
      .map(toDevice);
  }
}

function toDevice({ superblock: { deviceItem }, device }: FoundSuperblock): Device {
  return new Device(
    deviceItem.devid,
    device,
    deviceItem.uuid.slice(0, UUID_SIZE),
    deviceItem.totalBytes,
    deviceItem.bytesUsed,
  );
}

function isItem(item: DeviceItem, id: DeviceId, uuid: Uint8Array): boolean {
  return item.devid === id && sameBytes(item.uuid, uuid);
}

/** Of devices that say they are the same one, the one that was part of the newer commit counts. */
function latestOfEach(found: readonly FoundSuperblock[]): FoundSuperblock[] {
  const latest: FoundSuperblock[] = [];
  for (const next of found) {
    const { devid, uuid } = next.superblock.deviceItem;
    const index = latest.findIndex(({ superblock }) => isItem(superblock.deviceItem, devid, uuid));
    if (index < 0) {
      latest.push(next);
      continue;
    }
    const other = latest[index]!;
    const difference = next.superblock.generation - other.superblock.generation;
    if (difference > 0) latest[index] = next;
    else if (difference === 0) {
      const both = `devices ${other.device.index} and ${next.device.index}`;
      throw new FsError('EINVAL', `mount: two devices say they are devid ${devid}: ${both}`);
    }
  }
  return latest;
}
