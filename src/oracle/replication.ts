import { sameBytes } from '../base/bytes.ts';
import type { DeviceId } from '../base/units.ts';
import type { DiskImage } from '../record/image.ts';
import type { RunRecord, Step } from '../record/run-record.ts';
import type { DeviceReplaced, Observation } from '../task/observation.ts';
import { type Faults, faultsOf } from './history/faults.ts';
import type { Law, LawContext, LawSession, Violation } from './law.ts';
import { type BadCopy, badCopies, joinNeighbours } from './replication/copies.ts';
import { type MissingCopy, missingOnTarget } from './replication/replaced-device.ts';
import { liveSpaceOf } from './structure/live-space.ts';

/** More bad stretches of one moment than this are counted, not listed. */
const LISTED_MAX = 8;

/** A device replace as it was at the swap. */
interface Swap {
  readonly replaced: DeviceReplaced;
  readonly step: Step;
  readonly bad: readonly MissingCopy[];
}

/** A scrub as it began. */
interface Scrub {
  readonly devid: DeviceId;
  readonly step: Step;
  readonly disks: readonly DiskImage[];
}

/**
 * Whoever has several copies of something has the same in all of them. Judged after the run, as a scrub then would;
 * and of a device replace at its swap, when the target must have all that the source has.
 */
export const replication: Law = {
  name: 'replication',
  title: 'every copy of what the committed roots reach is right, and a replaced device hands over all it had',
  begin: (context) => new ReplicationSession(context),
};

class ReplicationSession implements LawSession {
  private readonly context: LawContext;
  private readonly swaps: Swap[] = [];
  private readonly scrubs: Scrub[] = [];

  constructor(context: LawContext) {
    this.context = context;
  }

  observe(observation: Observation, step: Step): void {
    if (observation.kind === 'scrub-started' && !observation.isReplace) {
      this.scrubs.push({ devid: observation.devid, step, disks: this.context.disks() });
    }
    if (observation.kind !== 'device-replaced') return;
    const replaced = { ...observation };
    this.swaps.push({ replaced, step, bad: missingOnTarget(this.context.disks(), replaced) });
  }

  judge(record: RunRecord): Violation[] {
    const faults = faultsOf(record);
    const isDamaged = lastDamage(record) !== null;
    const violations = this.swaps.flatMap((swap) => judgeSwap(swap, faults, isDamaged));
    if (record.after.length > 0)
      violations.push(...judgeEnd(record, this.swaps, this.scrubs, faults, this.context.disks()));
    return violations;
  }
}

function judgeSwap({ replaced, step, bad }: Swap, faults: Faults, isDamaged: boolean): Violation[] {
  // The target missed writes of its own. Else it owes what some disk had that could be read.
  if (faults.wasInjected && faults.writesMayFail(replaced.target)) return [];
  // Damage on purpose may have come after the copy, and met one of the two.
  const owed = bad.filter(
    ({ kind, goodImages }) =>
      (kind === 'tree-block' || !isDamaged) && goodImages.some((image) => !faults.readsMayFail(image)),
  );
  const place = (one: BadCopy) => `[${one.offset}, ${one.offset + one.length}) of device ${replaced.devid}`;
  return listed(owed).map((one) => ({
    law: 'replication',
    message: `the replaced device ${replaced.devid} did not hand over ${describe(one)}: ${place(one)}`,
    expected:
      replaced.source === null
        ? 'on the target what the trees, or the other copies, say'
        : `on the target (disk ${replaced.target}) what the source (disk ${replaced.source}) has`,
    observed: hasChecksum(one) ? 'bytes that do not verify' : 'other bytes',
    evidence: [step],
  }));
}

/** Judged is what a power cut after the unmount would leave; `visible` is what reads saw. */
function judgeEnd(
  record: RunRecord,
  swaps: readonly Swap[],
  scrubs: readonly Scrub[],
  faults: Faults,
  visible: readonly DiskImage[],
): Violation[] {
  const all = badCopies(record.after);
  if (all.length === 0) return [];
  const before = badCopies(record.before);
  const wasBad = new Set(before.map(placeOf));
  // Where nothing tells which copy is right, a device replace hands over what its source has, to another disk.
  const wasUnequal = new Set(before.filter((one) => !hasChecksum(one)).map(({ logical }) => logical));
  const isStopped = !record.unmounted || record.aborted !== null;
  const damaged = lastDamage(record);
  // What the scrub could not read or write right it did not repair.
  const isRepaired = (step: Step, one: BadCopy) => !faults.wasInjected && isRepairedAfter(step, one, record, scrubs);
  const bad = all.filter((one) => {
    if (faults.wasInjected && mayBeStale(one, swaps, faults)) return false;
    // Overwritten in place, and then the power went: no order among the devices is promised.
    if (isStopped && !hasChecksum(one)) return false;
    if (damaged !== null && one.kind !== 'tree-block') {
      return isRepaired(damaged, one) && !isOverwritten(one, record.after, visible);
    }
    if (!hasChecksum(one) && wasUnequal.has(one.logical)) return false;
    if (!wasBad.has(placeOf(one))) return true;
    return isRepaired(-1, one) && !isOverwritten(one, record.after, visible);
  });
  return listed(bad).map((one) => ({
    law: 'replication',
    message: `${complaint(one)}: [${one.offset}, ${one.offset + one.length}) of device ${one.device}`,
    expected: 'copies that a scrub finds right',
    observed: hasChecksum(one) ? 'a copy that does not verify beside one that does' : 'copies that differ',
    evidence: [record.steps],
  }));
}

/** Without a checksum nobody knows which of two is right. */
function complaint(one: BadCopy): string {
  if (hasChecksum(one)) return `copy ${one.copy} of ${describe(one)} is bad`;
  return `copy ${one.copy} of ${describe(one)} is not what copy 0 is`;
}

function hasChecksum({ kind }: BadCopy): boolean {
  return kind !== 'data-without-checksum';
}

/** A write that was made to fail leaves a copy stale until a scrub or a read repairs it; so may a read, on a target. */
function mayBeStale({ image }: BadCopy, swaps: readonly Swap[], faults: Faults): boolean {
  if (faults.writesMayFail(image)) return true;
  return swaps.some(({ replaced, bad }) => replaced.target === image && bad.length > 0);
}

/** A repair that lies in the cache of its device: Linux flushes with the next commit only. */
function isOverwritten({ image, offset, length }: BadCopy, after: readonly DiskImage[], visible: readonly DiskImage[]) {
  const seen = visible[image];
  return seen !== undefined && !sameBytes(seen.read(offset, length), after[image]!.read(offset, length));
}

function placeOf(one: BadCopy): string {
  return `${one.image}/${one.offset}`;
}

/** When the workload last overwrote a copy behind the file system's back; null when it never did. */
function lastDamage(record: RunRecord): Step | null {
  let last: Step | null = null;
  for (const { operation, ended, started } of record.operations) {
    if (operation === 'corrupt') last = Math.max(last ?? 0, ended ?? started);
  }
  return last;
}

/**
 * A whole scrub of the device, begun after that step, that did not fail, repairs whatever has a checksum and was
 * committed when it began.
 */
function isRepairedAfter(step: Step, one: BadCopy, record: RunRecord, scrubs: readonly Scrub[]): boolean {
  if (!hasChecksum(one)) return false;
  return record.operations.some(({ operation, args, started, ended, result }) => {
    if (operation !== 'scrub' || result === null || result.error !== null || started < step) return false;
    const own = scrubs.find((scrub) => scrub.devid === one.device && scrub.step >= started && scrub.step <= ended!);
    if (own !== undefined && !isCommitted(one, own.disks)) return false;
    const isWhole = args['start'] === 0 && (args['end'] ?? null) === null && args['resume'] !== true;
    const devid = args['devid'] ?? null;
    return isWhole && args['readOnly'] !== true && (devid === null || devid === one.device);
  });
}

function isCommitted({ kind, logical }: BadCopy, disks: readonly DiskImage[]): boolean {
  const live = liveSpaceOf(disks);
  if (live === null) return false;
  return kind === 'tree-block' ? live.extents.some(({ start }) => start === logical) : live.csums.at(logical) !== null;
}

function listed(bad: readonly BadCopy[]): readonly BadCopy[] {
  return joinNeighbours(bad).slice(0, LISTED_MAX);
}

function describe({ kind, logical, length }: BadCopy): string {
  if (kind === 'tree-block') return `the tree block at ${logical}`;
  return `data at [${logical}, ${logical + length})${kind === 'data' ? '' : ' (no checksums)'}`;
}
