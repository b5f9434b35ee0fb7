import { readU64 } from '../../base/bytes.ts';
import type { BlockGroup } from './block-group-list.ts';
import type { ChunkMap } from './chunk-map.ts';
import type { Extent, ExtentLedger } from './extent-ledger.ts';
import type { FaultCollector, FaultPlace } from './fault-report.ts';
import { GROUP, SUPER, TREE } from './layout.ts';
import { hex, type Superblock } from './superblock.ts';

export interface SpaceFacts {
  readonly sup: Superblock;
  readonly chunks: ChunkMap;
  readonly groups: readonly BlockGroup[];
  readonly ledger: ExtentLedger;
  readonly chunkTreeComplete: boolean;
  readonly groupsComplete: boolean;
  readonly extentTreeComplete: boolean;
}

/** Extents against each other, against block groups and their `used`, and block groups against chunks. */
export function checkSpace(facts: SpaceFacts, faults: FaultCollector): void {
  const { sup, groups, ledger, chunks } = facts;
  if (facts.chunkTreeComplete && facts.groupsComplete) checkGroupsAgainstChunks(groups, chunks, faults);
  const items = ledger.items;
  const superRanges: number[] = [];
  for (const chunk of chunks.chunks) chunk.addSuperRanges(superRanges);
  const sums = new Float64Array(groups.length);
  let index = 0;
  let previousEnd = 0;
  for (const extent of items) {
    const end = extent.start + extent.length;
    if (extent.start < previousEnd) {
      const what = 'overlaps the extent before';
      faults.error('extent', extentPlace(extent), 'extent-overlap', what, extent.start, `≥ ${previousEnd}`);
    }
    previousEnd = Math.max(previousEnd, end);
    while (index < groups.length && groups[index]!.start + groups[index]!.length <= extent.start) index++;
    const group = groups[index];
    if (group !== undefined && group.start <= extent.start) {
      sums[index]! += extent.length;
      checkExtentInGroup(extent, end, group, faults);
    } else if (facts.groupsComplete) {
      faults.error('extent', extentPlace(extent), 'extent-outside-block-groups', 'no block group holds it');
    }
    for (let i = 0; i < superRanges.length; i += 2) {
      if (extent.start >= superRanges[i + 1]! || end <= superRanges[i]!) continue;
      const what = 'lies where a superblock mirror is';
      faults.error('extent', extentPlace(extent), 'extent-on-superblock', what, extent.start);
    }
  }
  if (!facts.extentTreeComplete || !facts.groupsComplete) return;
  let total = 0;
  for (const [i, group] of groups.entries()) {
    total += sums[i]!;
    if (group.used === sums[i]) continue;
    faults.error(
      'block group',
      group.place,
      'block-group-used',
      'used is not the sum of its extents',
      group.used,
      sums[i],
    );
  }
  const used = readU64(sup.view, SUPER.bytesUsed);
  if (used !== total) {
    const what = 'bytes_used is not the sum of the extents';
    faults.error('superblock', { image: sup.image }, 'superblock-bytes-used', what, used, total);
  }
}

function extentPlace(extent: Extent): FaultPlace {
  return { tree: extent.itemTree, block: extent.itemBlock, slot: extent.itemSlot, extent: extent.start };
}

function checkExtentInGroup(extent: Extent, end: number, group: BlockGroup, faults: FaultCollector): void {
  if (end > group.start + group.length) {
    const what = 'reaches beyond its block group';
    faults.error(
      'extent',
      extentPlace(extent),
      'extent-beyond-block-group',
      what,
      end,
      `≤ ${group.start + group.length}`,
    );
  }
  let wanted: number = GROUP.DATA;
  if (extent.isTree) wanted = extent.owner === TREE.CHUNK && extent.readable ? GROUP.SYSTEM : GROUP.METADATA;
  if (group.flags & wanted) return;
  // Tree blocks that no tree leads to have no known owner.
  if (extent.isTree && !extent.readable && group.flags & GROUP.SYSTEM) return;
  const what = `a ${extent.isTree ? `block of tree ${extent.owner}` : 'data extent'} in a block group of another type`;
  faults.error(
    'extent',
    extentPlace(extent),
    'extent-in-wrong-block-group',
    what,
    hex(group.flags),
    `with ${hex(wanted)}`,
  );
}

function checkGroupsAgainstChunks(groups: readonly BlockGroup[], chunks: ChunkMap, faults: FaultCollector): void {
  const byStart = new Map(groups.map((group) => [group.start, group]));
  for (const chunk of chunks.chunks) {
    const group = byStart.get(chunk.start);
    if (group === undefined) {
      faults.error('chunk', { start: chunk.start }, 'block-group-missing', 'no block group for this chunk');
      continue;
    }
    byStart.delete(chunk.start);
    if (group.length !== chunk.length) {
      const what = 'length is not that of the chunk';
      faults.error('block group', group.place, 'block-group-length', what, group.length, chunk.length);
    }
    if (group.flags !== chunk.type) {
      const what = 'flags are not those of the chunk';
      faults.error('block group', group.place, 'block-group-flags', what, hex(group.flags), hex(chunk.type));
    }
  }
  for (const group of byStart.values()) {
    faults.error('block group', group.place, 'block-group-without-chunk', 'no chunk starts here');
  }
}
