import type { Step } from '../../record/run-record.ts';
import type { BlockGroupView, SpaceInfoView, Unmounted } from '../../task/observation.ts';

/** All that an unmount left behind, copied. */
export interface Leftovers {
  readonly step: Step;
  readonly isAborted: boolean;
  readonly groups: readonly BlockGroupView[];
  readonly groupsBefore: readonly BlockGroupView[];
  readonly spaces: readonly SpaceInfoView[];
  readonly counters: readonly { readonly name: string; readonly value: number }[];
}

export function leftoversOf(observation: Unmounted, step: Step): Leftovers {
  return {
    step,
    isAborted: observation.isAborted,
    groups: Array.from(observation.groups, copyGroup),
    groupsBefore: Array.from(observation.groupsBefore, copyGroup),
    spaces: Array.from(observation.spaces, copySpace),
    counters: Array.from(observation.counters, ({ name, value }) => ({ name, value })),
  };
}

/** Views are live, and their fields may be getters: each is read once, now. */
function copyGroup(group: BlockGroupView): BlockGroupView {
  const { start, length, flags, used, pinned, reserved, superblockBytes, freeRangeBytes } = group;
  const { readOnlyHolders, frozen, references, isRemoved, isNew, list } = group;
  const sizes = { start, length, flags, used, pinned, reserved, superblockBytes, freeRangeBytes };
  return { ...sizes, readOnlyHolders, frozen, references, isRemoved, isNew, list };
}

function copySpace({ type, total, used, reserved, pinned, readOnly, mayUse }: SpaceInfoView): SpaceInfoView {
  return { type, total, used, reserved, pinned, readOnly, mayUse };
}
