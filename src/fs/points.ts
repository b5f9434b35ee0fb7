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
  { name: 'tree-block-read', title: 'before a tree block that is not in memory is read' },
  { name: 'commit-start', title: 'before a transaction stops taking new writers and its delayed references run' },
  { name: 'commit-write-items', title: 'before root items, block group items and free space of the commit are written' },
  { name: 'commit-switch-roots', title: 'before the commit roots of all trees switch' },
  { name: 'commit-write-trees', title: 'before the tree blocks of the commit are written; a new transaction may have begun' },
  { name: 'commit-write-superblocks', title: 'before the devices are flushed and the superblocks written' },
  { name: 'commit-unpin', title: 'before the extents that the transaction freed can be allocated again' },
] as const satisfies readonly Point[];

export const FAILURE_SITES = [
  { name: 'reserve-data-space', errno: 'ENOSPC', title: 'reservation of space for data' },
  { name: 'reserve-metadata-space', errno: 'ENOSPC', title: 'reservation of metadata space when a handle starts' },
  { name: 'allocate-tree-block', errno: 'ENOSPC', title: 'allocation of a tree block in the middle of a change' },
] as const satisfies readonly FailureSite[];
