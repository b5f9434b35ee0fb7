import { alignDown, type ByteCount, SECTOR_SIZE } from '../../base/units.ts';
import { BLOCK_GROUP_FLAG, BLOCK_GROUP_PROFILE_MASK } from '../format/block-group.ts';
import { DEVICE_RESERVED_BYTES } from '../transaction/device-space.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { type Profile, profileOf } from '../volume/profiles.ts';
import { NAME_LENGTH_MAX } from './path.ts';

/** As statfs(2): counts of blocks. btrfs has no table of inodes, so `files` and `filesFree` are 0. */
export interface FilesystemStatistics {
  readonly blockSize: ByteCount;
  readonly blocks: number;
  readonly blocksFree: number;
  readonly blocksAvailable: number;
  readonly files: number;
  readonly filesFree: number;
  readonly nameLengthMax: number;
  readonly type: number;
}

const BTRFS_MAGIC = 0x9123683e;
const STRIPE_LENGTH = 65536;
/** With less metadata left than its reserve and this, and no room for another chunk, nothing is available (Linux). */
const METADATA_BYTES_MIN = 4 * 1024 * 1024;

/**
 * As Linux counts: space on devices, divided by the copies that data has. What is free is not what can be written, for
 * metadata may have other copies.
 */
export function statisticsOf(fs: FsInfo): FilesystemStatistics {
  const data = profileOfData(fs);
  const blocksOf = (bytes: ByteCount) => Math.floor(bytes / data.copies / SECTOR_SIZE);
  let usedOnDevices = 0;
  let freeOnDevices = 0;
  for (const group of fs.space.allGroups()) {
    const { copies } = profileOf(group.flags);
    usedOnDevices += group.used * copies;
    const isWritableData = (group.flags & BLOCK_GROUP_FLAG.DATA) !== 0 && group.readOnlyHolders === 0;
    if (isWritableData) freeOnDevices += (group.length - group.used - group.superblockBytes) * copies;
  }
  const members = fs.volume.devices();
  const blocks = blocksOf(members.reduce((sum, device) => sum + device.totalBytes, 0));
  const reserve = fs.space.globalReserve();
  const unallocated = unallocatedForData(fs, data);
  const available = blocksOf(freeOnDevices) + blocksOf(unallocated);
  return {
    blockSize: SECTOR_SIZE,
    blocks,
    blocksFree: Math.max(0, blocks - blocksOf(usedOnDevices) - Math.floor(reserve / SECTOR_SIZE)),
    blocksAvailable: unallocated === 0 && isMetadataFull(fs, reserve) ? 0 : available,
    files: 0,
    filesFree: 0,
    nameLengthMax: NAME_LENGTH_MAX,
    type: BTRFS_MAGIC,
  };
}

/** Of the last data group, which is where new data goes. */
function profileOfData(fs: FsInfo): Profile {
  let flags = 0;
  for (const group of fs.space.allGroups()) {
    if ((group.flags & BLOCK_GROUP_FLAG.DATA) !== 0) flags = group.flags & BLOCK_GROUP_PROFILE_MASK;
  }
  return profileOf(flags);
}

function isMetadataFull(fs: FsInfo, reserve: ByteCount): boolean {
  const info = fs.space.infoFor(BLOCK_GROUP_FLAG.METADATA);
  if ((info.type & BLOCK_GROUP_FLAG.DATA) !== 0) return false;
  return info.total - info.used - METADATA_BYTES_MIN < reserve;
}

/** Bytes of devices that chunks of data could still take: those with least room first, as many at a time as a chunk has. */
function unallocatedForData(fs: FsInfo, profile: Profile): ByteCount {
  const room: ByteCount[] = [];
  for (const device of fs.volume.devices()) {
    if (!device.isWritable) continue;
    const free = device.totalBytes - device.bytesUsed - DEVICE_RESERVED_BYTES;
    if (free >= STRIPE_LENGTH) room.push(alignDown(free, STRIPE_LENGTH));
  }
  room.sort((a, b) => b - a);
  let stripes = profile.devicesMax ?? room.length;
  let bytes = 0;
  for (let count = room.length; count >= Math.max(profile.devicesMin, 1); count--) {
    stripes = Math.min(stripes, count);
    const least = room[count - 1]!;
    bytes += least * stripes;
    for (let i = count - stripes; i < count; i++) room[i]! -= least;
  }
  return bytes;
}
