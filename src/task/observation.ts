import type { FileOffset, Generation, InodeNumber, LogicalAddress, TreeId } from '../base/units.ts';

/**
 * What the engine tells about its memory as it runs, in plain data, so that laws about memory (extent maps, reference
 * counts) need nothing of the engine's code. Views are live: whoever keeps one copies it.
 */
export type Observation =
  | ExtentMapsChanged
  | ExtentMapReturned
  | InodeEvicted
  | BlockGroupsChanged
  | Unmounted
  | ScrubStarted
  | ScrubEnded
  | DeviceReplaced;

/** Special block starts, as unsigned 64-bit two's complement in the kernel: −3 hole, −2 inline, −1 delalloc. */
export const EXTENT_MAP_HOLE = -3;
export const EXTENT_MAP_INLINE = -2;
export const EXTENT_MAP_DELALLOC = -1;

/** One extent map in btrfs's classic layout (Linux ≤ 6.10); lengths and offsets in bytes. */
export interface ExtentMapView {
  readonly start: FileOffset;
  readonly length: number;
  /** Disk address of the map's first byte, of the whole extent if compressed; or one of the special starts. */
  readonly blockStart: LogicalAddress;
  readonly blockLength: number;
  /** File offset that corresponds to byte 0 of the on-disk extent. */
  readonly originalStart: FileOffset;
  readonly originalBlockLength: number;
  readonly ramBytes: number;
  readonly generation: Generation;
  readonly isPinned: boolean;
  readonly isCompressed: boolean;
  readonly isPrealloc: boolean;
  readonly isLogging: boolean;
  readonly isModified: boolean;
}

/** The inode's extent map tree after a change, in file order. */
export interface ExtentMapsChanged {
  readonly kind: 'extent-maps';
  readonly tree: TreeId;
  readonly inode: InodeNumber;
  readonly maps: Iterable<ExtentMapView>;
}

/** A lookup for `asked` handed `map` to its caller. */
export interface ExtentMapReturned {
  readonly kind: 'extent-map-returned';
  readonly tree: TreeId;
  readonly inode: InodeNumber;
  readonly asked: FileOffset;
  readonly map: ExtentMapView;
}

/** The inode left memory, and its maps with it. */
export interface InodeEvicted {
  readonly kind: 'inode-evicted';
  readonly tree: TreeId;
  readonly inode: InodeNumber;
}

/** One block group in memory, as it was at the moment of the observation; sizes in bytes. */
export interface BlockGroupView {
  readonly start: LogicalAddress;
  readonly length: number;
  readonly flags: number;
  readonly used: number;
  readonly pinned: number;
  readonly reserved: number;
  readonly superblockBytes: number;
  /** In its free ranges: what the allocator could give out, and those who trim it do not have in hand. */
  readonly freeRangeBytes: number;
  readonly readOnlyHolders: number;
  readonly frozen: number;
  readonly references: number;
  readonly isRemoved: boolean;
  readonly isNew: boolean;
  readonly list: 'new' | 'unused' | 'deleted' | null;
}

/** Totals over the block groups of one type, kept up as each of them changes; sizes in bytes. */
export interface SpaceInfoView {
  /** DATA 1, SYSTEM 2, METADATA 4, or DATA|METADATA. */
  readonly type: number;
  readonly total: number;
  readonly used: number;
  readonly reserved: number;
  readonly pinned: number;
  /** Free bytes of block groups that are held read-only. */
  readonly readOnly: number;
  /** Promised to handles and writers that have not allocated yet. */
  readonly mayUse: number;
}

/** The set of block groups and their totals, when a mount or a commit is through: copies, which stay as they are. */
export interface BlockGroupsChanged {
  readonly kind: 'block-groups';
  readonly moment: 'mounted' | 'committed';
  /** Of the transaction that was just committed, or that was mounted. */
  readonly generation: Generation;
  readonly groups: readonly BlockGroupView[];
  readonly spaces: readonly SpaceInfoView[];
}

/**
 * What is still in memory when an unmount is through: after a clean one, nothing holds anything. Copies, which stay as
 * they are.
 */
export interface Unmounted {
  readonly kind: 'unmounted';
  /** True when the last transaction was aborted: then counters may be off. */
  readonly isAborted: boolean;
  /** All that were not freed, removed ones too, after the set of block groups gave its references back. */
  readonly groups: readonly BlockGroupView[];
  /** Before the block groups were freed. */
  readonly spaces: readonly SpaceInfoView[];
  /** As they stood before the block groups were freed. */
  readonly groupsBefore: readonly BlockGroupView[];
  /** Those of the counters that must be back at 0 and are not, by name: `running scrubs`, `I/O under way`, `open handles` … */
  readonly counters: readonly { readonly name: string; readonly value: number }[];
}

/** A scrub, or the copying part of a device replace, begins. */
export interface ScrubStarted {
  readonly kind: 'scrub-started';
  /** Counts scrubs of the run. */
  readonly scrub: number;
  readonly isReplace: boolean;
  /** Index of the device, and its id at this moment. */
  readonly device: number;
  readonly devid: number;
  /** Half-open range of the device that is to be visited. */
  readonly start: number;
  readonly end: number;
}

/** It ended; `isComplete` when it ran to the end without error or cancellation. */
export interface ScrubEnded {
  readonly kind: 'scrub-ended';
  readonly scrub: number;
  readonly isComplete: boolean;
  /** Errors it found, of all kinds. */
  readonly errorsFound: number;
}

/**
 * The target has just taken the place of the source: all I/O that was under way is through and none has begun since.
 * Indices of devices; `source` null where it was missing.
 */
export interface DeviceReplaced {
  readonly kind: 'device-replaced';
  readonly source: number | null;
  readonly target: number;
  readonly devid: number;
}
