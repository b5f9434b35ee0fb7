import type { DiskImage } from '../record/image.ts';
import type { RunRecord, Step } from '../record/run-record.ts';
import type { Observation, ScrubEnded, ScrubStarted } from '../task/observation.ts';
import { type Faults, faultsOf } from './history/faults.ts';
import type { Law, LawContext, LawSession, Violation, WatchedIo } from './law.ts';
import { badCopies } from './replication/copies.ts';
import { Coverage } from './scrub/coverage.ts';
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
      this.scrubs.push({
        started: { ...observation },
        startedAt: step,
        before: readLive(this.context.disks()),
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
    return this.scrubs.flatMap((scrub) => [...judgeCoverage(scrub, faults), ...judgeErrors(scrub, record, faults)]);
  }

  /** What was live at both ends and is neither read nor copied. */
  private leftOf({ started, before, read, copied }: Watched): ScrubDuty[] {
    const after = readLive(this.context.disks());
    if (before === null || after === null) return [];
    const isDone = (start: number, end: number) =>
      started.isReplace ? read.covers(start, end, copied) : read.covers(start, end);
    return scrubDuties(before, after, started).filter(({ start, end }) => !isDone(start, end));
  }
}

function readLive(disks: readonly DiskImage[]): LiveSpace | null {
  return liveSpaceOf(disks);
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
