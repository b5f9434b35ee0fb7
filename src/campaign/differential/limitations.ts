import type { FallocateMode, OperationKind } from './operation.ts';

/**
 * What is left out: all that only btrfs has; preallocation beyond the end of a file (exception `lost-sizes`); or truncates
 * to the middle of a sector (exception `trimmed-sectors`).
 */
export type Limitation = 'portable' | 'no-space-beyond-the-end' | 'whole-sectors';

/** What takes the place of a mode that keeps the size. */
export const GROWING: Partial<Record<FallocateMode, FallocateMode>> = {
  'keep-size': 'allocate',
  'zero-range-keep-size': 'zero-range',
};

/** Operations and sizes that ext4 and xfs have as well. */
export const NOT_PORTABLE: ReadonlySet<OperationKind> = new Set([
  'reflink',
  'dedupe',
  'copyRange',
  'fiemap',
  'seek',
  'statfs',
  'setFlags',
]);
