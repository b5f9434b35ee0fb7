import type { BlockGroupView, SpaceInfoView } from '../../task/observation.ts';
import { GROUP_PROFILES, GROUP_TYPES } from '../structure/layout.ts';
import type { SpaceOnDisk } from '../structure/space-on-disk.ts';

/** Something that two sides should say alike and do not. */
export interface Disagreement {
  readonly what: string;
  readonly expected: string;
  readonly observed: string;
}

/** What is nearly always found; never added to. */
const NOTHING: Disagreement[] = [];

const TOTALS = ['total', 'used', 'reserved', 'pinned', 'readOnly'] as const;

/** Totals of a type are the sums over its block groups. */
export function compareTotals(
  groups: readonly BlockGroupView[],
  spaces: readonly SpaceInfoView[],
): readonly Disagreement[] {
  let found = NOTHING;
  for (const space of spaces) {
    const sums = sumsOf(groups, space.type);
    if (isSum(space, sums)) continue;
    if (found === NOTHING) found = [];
    for (const name of TOTALS) {
      if (space[name] === sums[name]) continue;
      found.push({
        what: `${name} of all ${typeName(space.type)} block groups is not the sum over them`,
        expected: `${sums[name]} bytes`,
        observed: `${space[name]} bytes`,
      });
    }
  }
  return found;
}

type Totals = Record<(typeof TOTALS)[number], number>;

function isSum(space: SpaceInfoView, sums: Totals): boolean {
  const { total, used, reserved, pinned, readOnly } = sums;
  return (
    space.total === total &&
    space.used === used &&
    space.reserved === reserved &&
    space.pinned === pinned &&
    space.readOnly === readOnly
  );
}

function sumsOf(groups: readonly BlockGroupView[], type: number): Totals {
  const sums = { total: 0, used: 0, reserved: 0, pinned: 0, readOnly: 0 };
  for (const group of groups) {
    if ((group.flags & GROUP_TYPES) !== type || group.isRemoved) continue;
    sums.total += group.length;
    sums.used += group.used;
    sums.reserved += group.reserved;
    sums.pinned += group.pinned;
    if (group.readOnlyHolders > 0) sums.readOnly += freeBytes(group);
  }
  return sums;
}

/** The allocator's free ranges are what the counters leave over; meant for moments at which nobody trims. */
export function compareFreeRanges(groups: readonly BlockGroupView[]): readonly Disagreement[] {
  let found = NOTHING;
  for (const group of groups) {
    if (group.isRemoved || group.freeRangeBytes === freeBytes(group)) continue;
    if (found === NOTHING) found = [];
    found.push({
      what: `the free ranges of block group ${group.start} are not what its counters leave over`,
      expected: `${freeBytes(group)} bytes`,
      observed: `${group.freeRangeBytes} bytes`,
    });
  }
  return found;
}

/** Block groups in memory, in the order of their addresses, against block group items. */
export function compareWithDisk(groups: readonly BlockGroupView[], disk: SpaceOnDisk): readonly Disagreement[] {
  return isSame(groups, disk) ? NOTHING : differences(groups, disk);
}

/** What nearly always holds, without making anything. */
function isSame(groups: readonly BlockGroupView[], disk: SpaceOnDisk): boolean {
  let index = 0;
  for (const { start, length, flags, used, isRemoved, isNew } of groups) {
    const item = disk.groups[index++];
    if (item === undefined || isRemoved || isNew) return false;
    if (item.start !== start || item.length !== length || item.flags !== flags || item.used !== used) return false;
  }
  return index === disk.groups.length;
}

function differences(groups: readonly BlockGroupView[], disk: SpaceOnDisk): Disagreement[] {
  const found: Disagreement[] = [];
  const items = new Map(disk.groups.map((item) => [item.start, item]));
  for (const group of groups) {
    if (group.isRemoved) continue;
    const item = items.get(group.start);
    items.delete(group.start);
    const name = `block group ${group.start}`;
    if (item === undefined) {
      found.push({ what: `${name} is in memory but not on disk`, expected: 'a block group item', observed: 'none' });
      continue;
    }
    for (const field of ['length', 'flags', 'used'] as const) {
      if (item[field] === group[field]) continue;
      const what = `${field} of ${name} on disk is not that in memory`;
      found.push({ what, expected: `${group[field]} in its item`, observed: `${item[field]}` });
    }
  }
  for (const item of items.values()) {
    const what = `block group ${item.start} is on disk but not in memory`;
    found.push({ what, expected: 'no block group item', observed: `one that uses ${item.used} bytes` });
  }
  return found;
}

export function freeBytes({ length, used, reserved, pinned, superblockBytes }: BlockGroupView): number {
  return length - used - reserved - pinned - superblockBytes;
}

/** Groups of one kind can stand in for each other: the cleaner leaves the last of a kind. */
export function kindOf({ flags }: BlockGroupView): number {
  return flags & (GROUP_TYPES | GROUP_PROFILES);
}

export function typeName(type: number): string {
  return ['?', 'data', 'system', '?', 'metadata', 'mixed'][type & GROUP_TYPES] ?? '?';
}
