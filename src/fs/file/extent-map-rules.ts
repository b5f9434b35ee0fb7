import type { FixSet } from '../fixes.ts';

/**
 * How a lookup resolves an insertion that met another map; the rule of each kernel (18e83ac75bfe and its ancestors):
 * 0: ≤ 4.8, 1: 4.9, 2: 4.10 to 4.15, 3: since 4.16.
 */
export type ResolutionLevel = 0 | 1 | 2 | 3;

/** What dropping a range did wrong after it had skipped a pinned map, before c962098ca4af. */
export type SkipPinnedFault =
  /** ≥ 6.1: the right remainder starts too far right, its length wraps when that is past the map's end. */
  | 'late-right-piece'
  /** ≤ 6.0: the end of the dropped range moves right by what was skipped. */
  | 'over-drop';

/** The switches that extent maps know, asked once per mount. */
export interface ExtentMapRules {
  readonly resolution: ResolutionLevel;
  /** Gap-fit sets the block length to the new length, rather than subtracting what was cut from the front. */
  readonly exactBlockLength: boolean;
  /** Gap-fit of a compressed map moves its offset into the extent along with its start. */
  readonly advanceCompressedOffset: boolean;
  /** Null when the fix is on. */
  readonly skipPinnedFault: SkipPinnedFault | null;
  /** Only maps that nobody else holds grow by merging. */
  readonly mergeOnlyUnshared: boolean;
  /** Mutation: gap-fit leaves the address where it was. */
  readonly keepsGapAddress: boolean;
}

export const FIXED_EXTENT_MAP_RULES: ExtentMapRules = {
  resolution: 3,
  exactBlockLength: true,
  advanceCompressedOffset: true,
  skipPinnedFault: null,
  mergeOnlyUnshared: true,
  keepsGapAddress: false,
};

export function extentMapRulesOf(fixes: FixSet, mutations: ReadonlySet<string>): ExtentMapRules {
  return {
    resolution: resolutionLevelOf(fixes),
    exactBlockLength: fixes.isOn('set-gap-block-length'),
    advanceCompressedOffset: fixes.isOn('advance-compressed-offset'),
    skipPinnedFault: skipPinnedFaultOf(fixes),
    mergeOnlyUnshared: fixes.isOn('merge-only-unshared-maps'),
    keepsGapAddress: mutations.has('wrong-gap-fit'),
  };
}

function resolutionLevelOf(fixes: FixSet): ResolutionLevel {
  if (fixes.isOn('reuse-covering-map')) return 3;
  if (!fixes.isOn('reuse-identical-map')) return 0;
  return fixes.isOn('reuse-encompassing-map') ? 2 : 1;
}

/** The same bug in two shapes: db21370bffbc rewrote the function in 6.1. Unless a kernel was named, the newer one. */
function skipPinnedFaultOf(fixes: FixSet): SkipPinnedFault | null {
  if (fixes.isOn('keep-end-when-skipping-pinned')) return null;
  return fixes.isBefore('6.1') ? 'over-drop' : 'late-right-piece';
}
