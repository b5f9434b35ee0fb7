import type { DiskImage } from '../record/image.ts';
import type { OperationRecord, RunRecord, Step } from '../record/run-record.ts';
import type { Observation, ScrubEnded, ScrubStarted } from '../task/observation.ts';
import { type Faults, faultsOf } from './history/faults.ts';
import type { Law, LawContext, LawSession, Violation, WatchedIo } from './law.ts';
import { badCopies } from './replication/copies.ts';
import { Coverage } from './scrub/coverage.ts';
import { damageOn } from './scrub/damage.ts';
import { type ScrubDuty, scrubDuties } from './scrub/duties.ts';
import { checkImage } from './structure/check-image.ts';
import { type LiveSpace, liveSpaceOf } from './structure/live-space.ts';

/** More than this of one scrub are counted, not listed. */
const LISTED_MAX = 8;

/**
 * A scrub that says it is through has read all that lay in its range from its start to its end, and what it says of
 * errors is true.
 */
export const scrub: Law = {
  name: 'scrub',
  title:
    'a scrub reads everything that is live on its device from its start to its end, and finds errors only where there are any',
  begin: (context) => new ScrubSession(context),
};

/** One scrub, or the copying part of a device replace. */
interface Watched {
  readonly started: ScrubStarted;
  readonly startedAt: Step;
  /** The disks when it began. */
  readonly disks: readonly DiskImage[];
  readonly before: LiveSpace | null;
  readonly read: Coverage;
  /** What was written to other disks: of a device replace, the copy. */
  readonly copied: Coverage;
  ended: { readonly observation: ScrubEnded; readonly step: Step; readonly left: readonly ScrubDuty[] } | null;
}

class ScrubSession implements LawSession {
  private readonly context: LawContext;
  private readonly scrubs: Watched[] = [];

  constructor(context: LawContext) {
    this.context = context;
  }

  observe(observation: Observation, step: Step): void {
    if (observation.kind === 'scrub-started') {
      const disks = this.context.disks();
      this.scrubs.push({
        started: { ...observation },
        startedAt: step,
        disks,
        before: liveSpaceOf(disks),
        read: new Coverage(),
        copied: new Coverage(),
        ended: null,
      });
    } else if (observation.kind === 'scrub-ended') {
      const scrub = this.scrubs.findLast(({ started, ended }) => started.scrub === observation.scrub && ended === null);
      if (scrub === undefined) return;
      const left = observation.isComplete ? this.leftOf(scrub) : [];
      scrub.ended = { observation: { ...observation }, step, left };
    }
  }

  io({ device, request }: WatchedIo): void {
    if (request.purpose.kind !== 'scrub') return;
    const { operation, offset, length } = request;
    for (const scrub of this.scrubs) {
      if (scrub.ended !== null) continue;
      if (operation === 'read' && device === scrub.started.device) scrub.read.add(offset, offset + length);
      if (operation === 'write' && device !== scrub.started.device) scrub.copied.add(offset, offset + length);
    }
  }

  judge(record: RunRecord): Violation[] {
    const faults = faultsOf(record);
    const violations = this.scrubs.flatMap((scrub) => [
      ...judgeCoverage(scrub, faults),
      ...judgeErrors(scrub, record, faults),
      ...judgeSilence(scrub, record),
    ]);
    for (const operation of record.operations) violations.push(...judgeOperation(operation, this.scrubs, record));
    return violations;
  }

  /** What was live at both ends and is neither read nor copied. */
  private leftOf({ started, before, read, copied }: Watched): ScrubDuty[] {
    const after = liveSpaceOf(this.context.disks());
    if (before === null || after === null) return [];
    const isDone = (start: number, end: number) =>
      started.isReplace ? read.covers(start, end, copied) : read.covers(start, end);
    return scrubDuties(before, after, started).filter(({ start, end }) => !isDone(start, end));
  }
}

function judgeCoverage({ started, startedAt, ended }: Watched, faults: Faults): Violation[] {
  if (ended === null) return [];
  // Reads that were made to fail are not seen here; such a scrub owns up to them.
  const excused = faults.wasInjected && ended.observation.errorsFound > 0;
  if (excused) return [];
  const what = started.isReplace ? 'the copy for a device replace' : 'a scrub';
  return ended.left.slice(0, LISTED_MAX).map(({ start, end, logical, isTree }) => ({
    law: 'scrub',
    message: `${what} of device ${started.devid} passed over ${isTree ? 'the tree block' : 'data'} at ${logical}`,
    expected: `a read of [${start}, ${end}) of disk ${started.device}, which was live all the time`,
    observed: 'the scrub ended as complete without it',
    evidence: [startedAt, ended.step],
  }));
}

function judgeErrors({ started, startedAt, ended }: Watched, record: RunRecord, faults: Faults): Violation[] {
  if (ended === null || ended.observation.errorsFound === 0) return [];
  if (faults.wasInjected || record.operations.some(({ operation }) => operation === 'corrupt')) return [];
  if (!wasSound(record.before)) return [];
  return [
    {
      law: 'scrub',
      message: `a scrub of device ${started.devid} found errors although nothing was damaged`,
      expected: 'no errors: the disks were sound, no fault was injected and nothing overwritten',
      observed: `${ended.observation.errorsFound} errors`,
      evidence: [startedAt, ended.step],
    },
  ];
}

/** Damage that was there when the scrub began, and that nobody else touched meanwhile, is found. */
function judgeSilence({ started, startedAt, disks, ended }: Watched, record: RunRecord): Violation[] {
  if (ended === null || !ended.observation.isComplete || ended.observation.errorsFound > 0 || started.isReplace)
    return [];
  if (!mayBeDamaged(record) || !isAlone(startedAt, ended.step, record)) return [];
  const missed = damageOn(disks, started);
  if (missed === null) return [];
  return [
    {
      law: 'scrub',
      message: `a scrub of device ${started.devid} did not find the damage at ${missed} of disk ${started.device}`,
      expected: 'at least one error',
      observed: 'no errors',
      evidence: [startedAt, ended.step],
    },
  ];
}

/** So that sound disks need not be read once more. */
function mayBeDamaged(record: RunRecord): boolean {
  return record.operations.some(({ operation }) => operation === 'corrupt') || !wasSound(record.before);
}

/** Whether no other operation can have repaired or freed anything from `from` to `to`. */
function isAlone(from: Step, to: Step, { operations }: RunRecord): boolean {
  let others = -1;
  for (const { started, ended } of operations) if (started < to && (ended === null || ended > from)) others++;
  return others <= 0;
}

/** A scrub operation that ended well has scrubbed every device it was to scrub, as far as it was to. */
function judgeOperation(record: OperationRecord, scrubs: readonly Watched[], run: RunRecord): Violation[] {
  const { operation, args, result, started, ended } = record;
  if (operation !== 'scrub' || result === null || result.error !== null || args['resume'] === true) return [];
  const own = scrubs.filter(
    ({ startedAt }) => startedAt >= started && startedAt <= (ended ?? Number.POSITIVE_INFINITY),
  );
  const devid = typeof args['devid'] === 'number' ? args['devid'] : null;
  // Which devices there were is not certain then.
  if (devid === null && hasMembersChanging(started, ended ?? started, run)) return [];
  const live = own[0]?.before;
  const devices = devid !== null ? [devid] : live === undefined || live === null ? [] : [...live.imageOf.keys()];
  const from = typeof args['start'] === 'number' ? args['start'] : 0;
  const to = typeof args['end'] === 'number' ? args['end'] : Number.POSITIVE_INFINITY;
  const isDone = (device: number) =>
    own.some(({ started: one, before, ended: end }) => {
      const size = before?.sizes.get(device) ?? 0;
      const isWhole = one.start <= from && one.end >= Math.min(to, size);
      return one.devid === device && !one.isReplace && isWhole && end?.observation.isComplete === true;
    });
  return devices
    .filter((device) => !isDone(device))
    .map((device) => ({
      law: 'scrub',
      message: `a scrub ended well although it did not go through device ${device}`,
      expected: `device ${device} scrubbed from ${from} to ${to === Number.POSITIVE_INFINITY ? 'its end' : to}`,
      observed: own.length === 0 ? 'no device was scrubbed' : own.map(showRange).join(', '),
      evidence: [started, ended ?? started],
    }));
}

function hasMembersChanging(from: Step, to: Step, { operations }: RunRecord): boolean {
  return operations.some(
    ({ operation, started, ended }) =>
      (operation === 'device-add' || operation === 'device-remove') && started < to && (ended === null || ended > from),
  );
}

function showRange({ started, ended }: Watched): string {
  const how = ended?.observation.isComplete ? '' : ', not to the end';
  return `device ${started.devid} [${started.start}, ${started.end})${how}`;
}

const soundness = new Map<string, boolean>();

/** Whether the run began with disks in which there was nothing to find. */
function wasSound(images: readonly DiskImage[]): boolean {
  const key = images.map((image) => image.fingerprint).join();
  let isSound = soundness.get(key);
  if (isSound === undefined) {
    isSound = images.length === 0 || (checkImage(images).clean && badCopies(images).length === 0);
    if (soundness.size >= LISTED_MAX) soundness.clear();
    soundness.set(key, isSound);
  }
  return isSound;
}
