import type { BlockGroupView, SpaceInfoView } from '../../task/observation.ts';
import type { BlockGroup } from '../space/block-group.ts';
import type { SpaceInfo } from '../space/space-info.ts';
import type { FsInfo } from './fs-info.ts';

/** Block groups and their totals at one moment. */
export interface GroupsSnapshot {
  readonly generation: number;
  readonly groups: readonly BlockGroupView[];
  readonly spaces: readonly SpaceInfoView[];
}

/**
 * As they are now, with the trees of the newest transaction: for who is told later, when the next transaction has
 * changed them already.
 */
export function snapshotOfGroups(fs: FsInfo): GroupsSnapshot {
  return {
    generation: fs.runningTransaction?.id ?? fs.generation,
    groups: fs.space.allGroups().map(copyOfGroup),
    spaces: fs.space.spaces().map(copyOfSpace),
  };
}

export function copyOfGroup(group: BlockGroup): BlockGroupView {
  const { start, length, flags, used, pinned, reserved, superblockBytes, readOnlyHolders } = group;
  const { frozen, references, isRemoved, isNew, list } = group;
  return {
    start,
    length,
    flags,
    used,
    pinned,
    reserved,
    superblockBytes,
    freeRangeBytes: group.free.bytes,
    readOnlyHolders,
    frozen,
    references,
    isRemoved,
    isNew,
    list,
  };
}

function copyOfSpace({ type, total, used, reserved, pinned, readOnly, mayUse }: SpaceInfo): SpaceInfoView {
  return { type, total, used, reserved, pinned, readOnly, mayUse };
}
