import { crc32c } from '../base/crc32c.ts';
import type { DiskImage } from '../record/image.ts';
import type { RunRecord, Step } from '../record/run-record.ts';
import type { Observation } from '../task/observation.ts';
import { faultsOf } from './history/faults.ts';
import type { Law, LawContext, LawSession, Violation, WatchedIo } from './law.ts';
import { SECTOR, SUPER_OFFSETS, SUPER_SIZE } from './structure/layout.ts';
import { type LiveSpace, liveSpaceOf } from './structure/live-space.ts';
import { firstTouched, type PhysicalRange, physicalRanges } from './structure/physical-ranges.ts';
import { isSealedBlock } from './structure/tree-block.ts';

/** More than this of one run are counted, not listed. */
const LISTED_MAX = 8;

/**
 * A discard never takes what a crash at this moment would need: nothing that the roots in the newest superblocks on
 * disk reach, and no superblock. Before the superblocks of a commit, that is the state of the commit before. Nor does
 * it take what has just been written and is reachable with the next commit: judged then, by what is left of it.
 */
export const discard: Law = {
  name: 'discard',
  title:
    'no discard takes bytes that the committed roots reach at that moment, nor what the next commit reaches, nor a superblock',
  begin: (context) => new DiscardSession(context),
};

interface Taken {
  readonly step: Step;
  readonly device: number;
  readonly offset: number;
  readonly length: number;
  readonly what: PhysicalRange;
}

class DiscardSession implements LawSession {
  private readonly context: LawContext;
  private readonly taken: Taken[] = [];
  /** Of bytes that only the commit after the discard reached: worth nothing where faults were injected. */
  private readonly takenEarly: Taken[] = [];
  private sinceCommit: Omit<Taken, 'what'>[] = [];
  private superblocks: readonly Uint8Array[] = [];
  private live: LiveSpace | null = null;

  constructor(context: LawContext) {
    this.context = context;
  }

  io({ device, request }: WatchedIo, step: Step): void {
    if (request.operation !== 'discard' || this.taken.length >= LISTED_MAX) return;
    const { offset, length } = request;
    const ranges = this.liveNow();
    const what = ranges === null ? null : firstTouched(ranges.get(device) ?? [], offset, offset + length);
    if (what !== null) this.taken.push({ step, device, offset, length, what });
    else this.sinceCommit.push({ step, device, offset, length });
  }

  observe(observation: Observation): void {
    if (observation.kind !== 'block-groups' || this.sinceCommit.length === 0) return;
    const ranges = this.liveNow();
    const disks = this.context.disks();
    for (const one of this.sinceCommit) {
      const what =
        this.live === null ? null : lostIn(one, ranges?.get(one.device) ?? [], this.live, disks[one.device]!);
      if (what !== null) this.takenEarly.push({ ...one, what });
    }
    this.sinceCommit = [];
  }

  judge(record: RunRecord): Violation[] {
    const isDisturbed =
      faultsOf(record).wasInjected || record.operations.some(({ operation }) => operation === 'corrupt');
    const all = isDisturbed ? this.taken : [...this.taken, ...this.takenEarly].slice(0, LISTED_MAX);
    return all.map(({ step, device, offset, length, what }) => ({
      law: 'discard',
      message: `a discard of [${offset}, ${offset + length}) of disk ${device} takes ${describe(what)}`,
      expected: 'only space that the committed roots do not reach',
      observed: `[${Math.max(what.start, offset)}, ${Math.min(what.end, offset + length)}) is live`,
      evidence: [step],
    }));
  }

  /** What is live can only have changed if some superblock has; so the disks are read once for each commit. */
  private liveNow(): ReadonlyMap<number, readonly PhysicalRange[]> | null {
    const disks = this.context.disks();
    const superblocks = disks.map(superblockOf);
    const { superblocks: known } = this;
    const isKnown =
      known.length === superblocks.length &&
      known.every((bytes, index) => Buffer.compare(bytes, superblocks[index]!) === 0);
    if (!isKnown) {
      const live = liveSpaceOf(disks);
      // While a superblock is being torn or trees are damaged, what was live before is as good a measure as any.
      if (live !== null && isReadable(live)) this.live = live;
      this.superblocks = superblocks.map((bytes) => new Uint8Array(bytes));
    }
    return this.live === null ? null : physicalRanges(this.live);
  }
}

/** The first live thing under a discard that is not what the trees say: whoever wrote it afterwards made it right. */
function lostIn(
  { offset, length }: Omit<Taken, 'what'>,
  ranges: readonly PhysicalRange[],
  live: LiveSpace,
  disk: DiskImage,
): PhysicalRange | null {
  for (let start = offset; start < offset + length; ) {
    const what = firstTouched(ranges, start, offset + length);
    if (what === null) return null;
    if (what.logical >= 0 && !isIntact(what, Math.max(start, what.start), offset + length, live, disk)) return what;
    start = what.end;
  }
  return null;
}

function isIntact(what: PhysicalRange, from: number, to: number, live: LiveSpace, disk: DiskImage): boolean {
  if (what.isTree) {
    const { start, end, logical } = what;
    const generation = live.extentAt(logical)?.generation ?? 0;
    return isSealedBlock(disk.read(start, end - start), logical, generation);
  }
  const end = Math.min(what.end, to);
  for (let at = from - ((from - what.start) % SECTOR); at < end; at += SECTOR) {
    const expected = live.csums.at(what.logical + at - what.start);
    if (expected !== null && crc32c(disk.read(at, SECTOR)) !== expected) return false;
  }
  return true;
}

/** Reads what the law needs now, before a discard may take it away. */
function isReadable(live: LiveSpace): boolean {
  physicalRanges(live);
  return live.isWhole;
}

function superblockOf(disk: DiskImage): Uint8Array {
  const offset = SUPER_OFFSETS[0];
  return offset + SUPER_SIZE <= disk.size ? disk.read(offset, SUPER_SIZE) : new Uint8Array(0);
}

function describe({ logical, isTree, start }: PhysicalRange): string {
  if (logical < 0) return `the superblock at ${start}`;
  return isTree ? `the tree block at ${logical}` : `part of the data extent at ${logical}`;
}
