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
  { name: 'allocate-tree-block', errno: 'ENOSPC', title: 'allocation of a tree block in the middle of a change' },
] as const satisfies readonly FailureSite[];
