import type { RunRecord, Step } from '../record/run-record.ts';
import type { BlockGroupsChanged, BlockGroupView, Observation, Unmounted } from '../task/observation.ts';
import { compareFreeRanges, compareTotals, compareWithDisk, kindOf, typeName } from './block-groups/accounts.ts';
import { faultsOf } from './history/faults.ts';
import type { Law, LawContext, LawSession, Violation } from './law.ts';
import { spaceOnDisk } from './structure/space-on-disk.ts';

/** More than this of one run are not listed: one fault shows at every moment after it. */
const LISTED_MAX = 8;

/** All that an unmount left behind. */
interface Leftovers {
  readonly step: Step;
  readonly observation: Unmounted;
}

/**
 * Block groups come and go without a trace: whoever holds one lets go of it, empty ones wait for the cleaner, and what
 * memory, totals, items, extents and the free space tree say of space is the same.
 */
export const blockGroups: Law = {
  name: 'block-groups',
  title: 'accounts of space agree in memory and on disk, and after an unmount nothing holds or has lost a block group',
  begin: (context) => new BlockGroupsSession(context),
};

class BlockGroupsSession implements LawSession {
  private readonly context: LawContext;
  private readonly violations: Violation[] = [];
  /** The groups, and their kinds, that were there at every moment so far; null before the first. */
  private lasting: readonly BlockGroupView[] | null = null;
  private leftovers: Leftovers | null = null;

  constructor(context: LawContext) {
    this.context = context;
  }

  observe(observation: Observation, step: Step): void {
    if (observation.kind === 'block-groups') this.observeGroups(observation, step);
    else if (observation.kind === 'unmounted') this.leftovers = { observation, step };
  }

  judge(record: RunRecord): Violation[] {
    const { violations, leftovers, lasting } = this;
    if (leftovers === null) return violations.slice(0, LISTED_MAX);
    const found = [
      ...violations,
      ...judgeLeftovers(leftovers, record),
      ...judgeForgotten(leftovers, lasting ?? [], record),
    ];
    return found.slice(0, LISTED_MAX);
  }

  /** The groups are as they stood when the roots were switched, the disks as the superblocks have left them. */
  private observeGroups(observation: BlockGroupsChanged, step: Step): void {
    const { groups, spaces, generation, moment } = observation;
    this.lasting = stillThere(this.lasting, groups);
    if (this.violations.length >= LISTED_MAX) return;
    const found = [...compareTotals(groups, spaces)];
    if (moment === 'mounted') found.push(...compareFreeRanges(groups));
    const onDisk = spaceOnDisk(this.context.disks());
    if (onDisk !== null && onDisk.generation === generation) {
      found.push(...compareWithDisk(groups, onDisk));
      for (const { message, fault } of onDisk.faults) {
        found.push({ what: message, expected: 'items, extents and free space tree that agree', observed: fault });
      }
    }
    if (found.length === 0) return;
    const when = moment === 'mounted' ? 'after the mount' : `after the commit of transaction ${generation}`;
    for (const one of found) {
      this.violations.push(violationOf(`${when}: ${one.what}`, one.expected, one.observed, step));
    }
  }
}

function stillThere(
  before: readonly BlockGroupView[] | null,
  groups: readonly BlockGroupView[],
): readonly BlockGroupView[] {
  if (before === null) return groups;
  const isThere = (group: BlockGroupView) =>
    groups.some((other) => other.start === group.start && kindOf(other) === kindOf(group));
  return before.every(isThere) ? before : before.filter(isThere);
}

function judgeLeftovers({ observation, step }: Leftovers, record: RunRecord): Violation[] {
  const { isAborted, groups, groupsBefore, spaces, counters } = observation;
  const violations = groups.map((group) => {
    const message =
      group.references < 0
        ? `${nameOf(group)} was freed ${1 - group.references} times`
        : `${nameOf(group)} was never freed: ${group.references} references left after the unmount`;
    return violationOf(message, 'every reference is given back, once', `${group.references} references`, step);
  });
  // An abort leaves everything as it stood; that all memory is freed holds all the same.
  if (isAborted || record.aborted !== null) return violations;
  for (const group of groupsBefore) {
    for (const [name, field] of HELD) {
      if (group[field] === 0) continue;
      const message = `${nameOf(group)} ${name} at the unmount`;
      violations.push(violationOf(message, `${field} 0`, `${field} ${group[field]}`, step));
    }
  }
  for (const one of [...compareTotals(groupsBefore, spaces), ...compareFreeRanges(groupsBefore)]) {
    violations.push(violationOf(`at the unmount: ${one.what}`, one.expected, one.observed, step));
  }
  for (const { type, mayUse } of spaces) {
    if (mayUse === 0) continue;
    const message = `${mayUse} bytes of ${typeName(type)} space are still promised to somebody at the unmount`;
    violations.push(violationOf(message, 'mayUse 0', `mayUse ${mayUse}`, step));
  }
  for (const { name, value } of counters) {
    if (value === 0) continue;
    violations.push(violationOf(`${name} at the unmount: ${value}`, `${name} 0`, `${value}`, step));
  }
  return violations;
}

const HELD = [
  ['is still held read-only', 'readOnlyHolders'],
  ['is still frozen', 'frozen'],
  ['still has reserved bytes', 'reserved'],
  ['still has pinned bytes', 'pinned'],
] as const;

/**
 * An empty group that the cleaner will never see again. Left alone are cases in which the cleaner of Linux forgets it
 * too: it was the last of its kind at some time (only another that was there all the time proves the contrary); or
 * somebody's reservation, never used, stood in the way.
 */
function judgeForgotten(
  { observation, step }: Leftovers,
  lasting: readonly BlockGroupView[],
  record: RunRecord,
): Violation[] {
  if (observation.isAborted || record.aborted !== null || faultsOf(record).wasInjected) return [];
  const violations: Violation[] = [];
  for (const group of observation.groupsBefore) {
    const isEmpty = group.used === 0 && group.reserved === 0 && group.pinned === 0;
    if (!isEmpty || group.isRemoved || group.readOnlyHolders > 0 || group.list === 'unused') continue;
    const hadCompany = lasting.some((other) => other.start !== group.start && kindOf(other) === kindOf(group));
    if (!hadCompany || mayBeInTheWay(record)) continue;
    const message = `${nameOf(group)} is empty, and not on the list of those that the cleaner deletes`;
    const observed = `on ${group.list ?? 'no list'}`;
    violations.push(violationOf(message, 'on the list of unused block groups', observed, step));
  }
  return violations;
}

/** A trim that holds free space, or a write that failed, while the cleaner looked. */
function mayBeInTheWay(record: RunRecord): boolean {
  const cleaners = record.operations.filter(({ operation }) => CLEANERS.has(operation));
  return cleaners.some((cleaner) =>
    record.operations.some(
      (other) =>
        (other.operation === 'trim' || (other.result !== null && other.result.error !== null)) &&
        other.started < (cleaner.ended ?? Number.POSITIVE_INFINITY) &&
        (other.ended ?? Number.POSITIVE_INFINITY) > cleaner.started,
    ),
  );
}

const CLEANERS: ReadonlySet<string> = new Set(['clean', 'device-remove', 'device-resize']);

function nameOf({ start, flags }: BlockGroupView): string {
  return `block group ${start} (${typeName(flags)})`;
}

function violationOf(message: string, expected: string, observed: string, step: Step): Violation {
  return { law: 'block-groups', message, expected, observed, evidence: [step] };
}
