import { FreeRanges } from '../../base/free-ranges.ts';
import type { ByteCount, DeviceId, PhysicalAddress } from '../../base/units.ts';
import { type ResourceId, resource } from '../../task/resource.ts';
import type { BlockDevice } from '../../task/world.ts';

/** While a device replace runs, its target has this id; the swap gives it the id of the source. */
export const REPLACE_TARGET_ID: DeviceId = 0;

/** Error counters of a device since they were last reset, as `btrfs device stats` shows them. */
export interface DeviceErrors {
  write: number;
  read: number;
  flush: number;
  corruption: number;
  generation: number;
}

/**
 * A member of the file system, or the target of a running replace. The object is what stripes point to: a replace gives
 * stripes another object, and objects another id.
 */
export class Device {
  id: DeviceId;
  /** Null where the device is missing (a degraded mount). */
  block: BlockDevice | null;
  uuid: Uint8Array;
  /** Bytes that btrfs may use; at most the size of the block device. */
  totalBytes: ByteCount;
  /** Bytes in device extents, as the running transaction has it. */
  bytesUsed: ByteCount;
  /** As the last committed superblock says. */
  committedTotalBytes: ByteCount;
  committedBytesUsed: ByteCount;
  /** On the list of devices whose sizes changed in the running transaction (the kernel's post_commit_list). */
  isUpdated = false;
  /** Chunks may be allocated here; false of a missing device and of a replace target. */
  isWritable: boolean;
  readonly errors: DeviceErrors = { write: 0, read: 0, flush: 0, corruption: 0, generation: 0 };
  /**
   * What no chunk of the chunk map lies on, superblock stripes and the reserved first MiB excluded (the complement of
   * the kernel's alloc_state). A removed chunk keeps its ranges until its map is erased.
   */
  readonly unallocated = new FreeRanges();
  readonly resource: ResourceId;

  constructor(id: DeviceId, block: BlockDevice | null, uuid: Uint8Array, totalBytes: ByteCount, bytesUsed: ByteCount) {
    this.id = id;
    this.block = block;
    this.uuid = uuid;
    this.totalBytes = totalBytes;
    this.bytesUsed = bytesUsed;
    this.committedTotalBytes = totalBytes;
    this.committedBytesUsed = bytesUsed;
    this.isWritable = block !== null;
    // By the block device, not by the id: an id wanders from source to target.
    this.resource = resource('device', block === null ? -1 - id : block.index);
  }

  get isMissing(): boolean {
    return this.block === null;
  }
}

/** A run of one device. */
export interface DeviceRange {
  readonly device: Device;
  readonly physical: PhysicalAddress;
  readonly length: ByteCount;
}
