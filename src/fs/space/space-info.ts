import type { ByteCount } from '../../base/units.ts';
import type { SpaceInfoView } from '../../task/observation.ts';
import type { BlockGroup } from './block-group.ts';

/**
 * Totals over the block groups of one type (the kernel's space_info). Each change of a group changes them too, one by
 * one, as in the kernel: nothing sums up the groups again, so that a change which forgets one of the two shows.
 */
export class SpaceInfo implements SpaceInfoView {
  /** Type bits without profile: DATA, SYSTEM, METADATA, or DATA|METADATA in a mixed file system. */
  readonly type: number;
  total: ByteCount = 0;
  used: ByteCount = 0;
  reserved: ByteCount = 0;
  pinned: ByteCount = 0;
  /** Free bytes of groups that are held read-only. */
  readOnly: ByteCount = 0;
  /** Under superblock copies, which the kernel counts as read-only. */
  superblockBytes: ByteCount = 0;
  /** Promised to open handles that have not allocated yet. */
  promisedMetadata: ByteCount = 0;
  /** Promised to writes that have not allocated yet. */
  promisedData: ByteCount = 0;
  /** How many chunks the mount has added: who waited for somebody else's allocation sees that it took place. */
  chunksAdded = 0;

  constructor(type: number) {
    this.type = type;
  }

  get mayUse(): ByteCount {
    return this.promisedMetadata + this.promisedData;
  }

  /** Free, in whatever pieces, promised or not. */
  get free(): ByteCount {
    return this.total - this.used - this.reserved - this.pinned - this.readOnly - this.superblockBytes;
  }

  add(group: BlockGroup): void {
    this.total += group.length;
    this.used += group.used;
    this.superblockBytes += group.superblockBytes;
  }

  /** Takes out an empty group that is held read-only. */
  remove(group: BlockGroup, options: { readonly keepsTotal: boolean }): void {
    if (!options.keepsTotal) this.total -= group.length;
    this.readOnly -= group.length - group.superblockBytes;
    this.superblockBytes -= group.superblockBytes;
  }
}
