import type { Errno } from '../base/errno.ts';

/** A named place in the engine, immediately before the step it is named after. */
export interface Point {
  readonly name: string;
  readonly title: string;
}

/** A step that can fail for another reason than I/O; `errno` is what it fails with. */
export interface FailureSite {
  readonly name: string;
  readonly errno: Errno;
  readonly title: string;
}

export const POINTS = [
  { name: 'extent-map-lookup', title: "before a lookup in an inode's extent maps" },
  {
    name: 'extent-map-insert',
    title:
      'before the map that a lookup read from the tree is inserted, or resolved against those there; also when the lookup had found one',
  },
  { name: 'extent-map-drop', title: 'before a range of extent maps is dropped' },
  {
    name: 'extent-map-insert-new',
    title: 'before the map of newly allocated space is inserted, after the drop of its range',
  },
  { name: 'extent-map-unpin', title: 'before the map of a finished ordered extent is unpinned' },
  {
    name: 'extent-map-merge',
    title: 'in the middle of merging two extent maps: the start has changed, the length has not',
  },
  { name: 'page-read', title: 'before a page that is not in memory is read' },
  { name: 'writeback-allocate', title: 'before a run of dirty pages gets its place on disk' },
  { name: 'ordered-extent-finish', title: 'before the items of data that is on disk are written' },
  { name: 'truncate-pages', title: 'before a shrinking truncate drops the pages beyond the new end' },
  { name: 'truncate-items', title: 'before a shrinking truncate drops the extents beyond the new end' },
  { name: 'tree-block-read', title: 'before a tree block that is not in memory is read' },
  { name: 'commit-start', title: 'before a transaction stops taking new writers and its delayed references run' },
  {
    name: 'commit-write-items',
    title: 'before root items, block group items and free space of the commit are written',
  },
  { name: 'commit-switch-roots', title: 'before the commit roots of all trees switch' },
  {
    name: 'commit-write-trees',
    title: 'before the tree blocks of the commit are written; a new transaction may have begun',
  },
  { name: 'commit-write-superblocks', title: 'before the devices are flushed and the superblocks written' },
  { name: 'commit-unpin', title: 'before the extents that the transaction freed can be allocated again' },
  { name: 'data-write-submit', title: 'before a data write is mapped to devices and submitted' },
  {
    name: 'replace-write-mapped',
    title: 'while a device replace runs: before a write is submitted to the devices that were chosen for it',
  },
  { name: 'nocow-write-check', title: 'before a write in place asks whether its block group is writable' },
  { name: 'chunk-allocate', title: 'before a task that found no space enters a transaction to allocate a chunk' },
  { name: 'chunk-insert-items', title: 'before the second phase: block group item, device extents, chunk item' },
  { name: 'cleaner-pick', title: 'before the cleaner decides about the next unused block group and sets it read-only' },
  { name: 'chunk-remove-device-extents', title: 'before the device extents of a removed chunk are deleted' },
  { name: 'block-group-erase', title: 'before a removed block group leaves the set of block groups' },
  { name: 'block-group-remove', title: 'before a removed block group is marked so for those who still hold it' },
  { name: 'chunk-map-erase', title: 'before the chunk map of a removed block group is erased' },
  {
    name: 'block-group-remove-item',
    title: 'before the item of a removed block group is deleted, where that comes last',
  },
  { name: 'scrub-find-device-extent', title: 'before a scrub searches the next device extent in the commit root' },
  { name: 'scrub-find-block-group', title: 'before a scrub looks up the block group of a device extent' },
  { name: 'scrub-set-read-only', title: 'before a scrub sets a block group read-only' },
  { name: 'scrub-chunk', title: 'before a scrub looks up the chunk map of the block group that it is to visit' },
  { name: 'scrub-release-block-group', title: 'before a scrub gives a block group back' },
  {
    name: 'scrub-search-extents',
    title: 'before a scrub searches the extents of the next 64 KiB; commits may pass while it stands here',
  },
  { name: 'scrub-read-extent', title: 'before a scrub reads an extent that the commit root of the extent tree lists' },
  { name: 'scrub-verify', title: 'before a scrub judges what it has read of an extent' },
  { name: 'scrub-write', title: 'before a scrub writes what it has read: a repair, or the copy of a device replace' },
  {
    name: 'replace-advance',
    title: 'before a device replace moves its left cursor past the device extent it has copied',
  },
  { name: 'replace-finish', title: 'before the end of a device replace: flush and commit' },
  {
    name: 'replace-lock',
    title: 'before the end of a device replace takes the locks of devices and of chunk allocation, each time it tries',
  },
  {
    name: 'replace-swap',
    title: 'before the end of a device replace first tries to swap the devices; not when it tries again',
  },
  {
    name: 'replace-swap-ids',
    title: 'in the middle of the swap of a device replace: stripes lie on the target, ids are not exchanged yet',
  },
  { name: 'trim-block-group', title: 'before a trim looks at the free space of the next block group' },
  { name: 'trim-discard', title: 'before a trim discards a free range that it has taken' },
  { name: 'trim-device', title: 'before a trim looks for unallocated space of a device' },
] as const satisfies readonly Point[];

export const FAILURE_SITES = [
  { name: 'extent-map-allocation', errno: 'ENOMEM', title: 'allocation of the extent map that a lookup fills' },
  {
    name: 'split-extent-map',
    errno: 'ENOMEM',
    title: 'allocation of a piece of a split extent map: the map is dropped whole, nobody sees an error',
  },
  { name: 'reserve-data-space', errno: 'ENOSPC', title: 'reservation of space for data' },
  { name: 'reserve-metadata-space', errno: 'ENOSPC', title: 'reservation of metadata space when a handle starts' },
  { name: 'set-read-only', errno: 'ENOSPC', title: 'setting a block group read-only for a scrub or a device replace' },
  { name: 'allocate-chunk', errno: 'ENOSPC', title: 'allocation of a chunk' },
  {
    name: 'remove-block-group',
    errno: 'ENOMEM',
    title: 'removal of a block group, after it left the set of block groups',
  },
  { name: 'allocate-tree-block', errno: 'ENOSPC', title: 'allocation of a tree block in the middle of a change' },
] as const satisfies readonly FailureSite[];
