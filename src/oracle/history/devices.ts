import { readU64, viewOf } from '../../base/bytes.ts';
import type { ByteCount, DeviceId } from '../../base/units.ts';
import type { DiskImage } from '../../record/image.ts';
import type { RunRecord } from '../../record/run-record.ts';

/** The primary superblock: where it lies, and what of it says which member a disk is. */
const SUPERBLOCK_AT = 65536;
const SUPERBLOCK_SIZE = 4096;
const MAGIC_AT = 64;
const MAGIC = '_BHRfS_M';
const GENERATION_AT = 72;
const DEVICE_COUNT_AT = 136;
const DEVID_AT = 201;
const DEVICE_SIZE_AT = 209;
const DEVICE_BYTES_USED_AT = 217;

/** One disk that was a member of the file system before the run. */
export interface InitialMember {
  /** Index of the device. */
  readonly index: number;
  readonly devid: DeviceId;
  /** What the file system used of it. */
  readonly size: ByteCount;
  /** Of it, what lay in chunks. */
  readonly bytesUsed: ByteCount;
}

export interface InitialDevices {
  readonly members: readonly InitialMember[];
  /** Some member had no disk. */
  readonly isAnyMissing: boolean;
  /** A device replace was left half done, so that mounting goes on with it. */
  readonly isReplacing: boolean;
}

/** Which disks belonged to the file system before the run; null when none can be read. */
export function initialDevices(record: RunRecord): InitialDevices | null {
  const labelled = record.before.flatMap((image, index) => {
    const block = superblockOf(image);
    return block === null ? [] : [{ index, block }];
  });
  let newest = 0;
  for (const { block } of labelled) newest = Math.max(newest, readU64(block, GENERATION_AT));
  const first = labelled.find(({ block }) => readU64(block, GENERATION_AT) === newest);
  if (first === undefined) return null;
  const found = labelled.map(({ index, block }) => ({
    index,
    devid: readU64(block, DEVID_AT),
    size: readU64(block, DEVICE_SIZE_AT),
    bytesUsed: readU64(block, DEVICE_BYTES_USED_AT),
  }));
  // The target of a device replace has the id 0 until it takes the place of its source.
  const members = found.filter(({ devid }) => devid !== 0);
  return {
    members,
    isAnyMissing: members.length < readU64(first.block, DEVICE_COUNT_AT),
    isReplacing: members.length < found.length,
  };
}

function superblockOf(image: DiskImage): DataView | null {
  if (image.size < SUPERBLOCK_AT + SUPERBLOCK_SIZE) return null;
  const bytes = image.read(SUPERBLOCK_AT, SUPERBLOCK_SIZE);
  for (let i = 0; i < MAGIC.length; i++) if (bytes[MAGIC_AT + i] !== MAGIC.charCodeAt(i)) return null;
  return viewOf(bytes);
}
