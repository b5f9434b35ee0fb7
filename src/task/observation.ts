import type { FileOffset, Generation, InodeNumber, LogicalAddress, TreeId } from '../base/units.ts';

/**
 * What the engine tells about its memory as it runs, in plain data, so that laws about memory (extent maps, reference
 * counts) need nothing of the engine's code. Views are live: whoever keeps one copies it.
 */
export type Observation = ExtentMapsChanged | ExtentMapReturned | InodeEvicted | BlockGroupsChanged;

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

/** The block groups in memory after a change of their set or of their counters. */
export interface BlockGroupsChanged {
  readonly kind: 'block-groups';
  readonly groups: Iterable<{
    readonly start: LogicalAddress;
    readonly length: number;
    readonly used: number;
    readonly pinned: number;
    readonly reserved: number;
    readonly flags: number;
  }>;
}
