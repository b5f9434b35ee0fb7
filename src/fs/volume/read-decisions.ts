import { assert } from '../../base/assert.ts';
import type { LogicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { IoPurpose } from '../../task/world.ts';
import { repairMirror } from './logical-write.ts';
import type { VolumeHost } from './volume.ts';

/** What is known when one copy has been tried. */
export interface ReadState {
  readonly device: 'present' | 'missing';
  /** `ok` of a missing device means nothing: it was not asked. */
  readonly io: 'ok' | 'error';
  /** By checksum, generation and layout; `unverifiable` where data has no checksum. */
  readonly content: 'good' | 'bad' | 'unverifiable';
  /** Copies that have not been tried. */
  readonly further: 'left' | 'none';
  /** Copies that were tried before and failed. */
  readonly earlier: 'none' | 'failed';
  /** The file system may write: mounted so, and not aborted. */
  readonly repairable: 'yes' | 'no';
}

export type ReadDecision = 'use' | 'use-and-repair' | 'try-next' | 'fail-EIO';

type Pattern = { readonly [Key in keyof ReadState]: ReadState[Key] | 'any' | readonly ReadState[Key][] };

export interface ReadRow {
  readonly id: string;
  readonly when: Pattern;
  readonly decision: ReadDecision;
}

/** Each state has exactly one row. A copy without a checksum is as good as its device says: Linux believes it too. */
export const READ_DECISIONS: readonly ReadRow[] = [
  //        device     io       content                   further  earlier   repairable
  row('@A', 'missing', 'any', 'any', 'left', 'any', 'any', 'try-next'),
  row('@B', 'missing', 'any', 'any', 'none', 'any', 'any', 'fail-EIO'),
  row('@C', 'present', 'error', 'any', 'left', 'any', 'any', 'try-next'),
  row('@D', 'present', 'error', 'any', 'none', 'any', 'any', 'fail-EIO'),
  row('@E', 'present', 'ok', 'bad', 'left', 'any', 'any', 'try-next'),
  row('@F', 'present', 'ok', 'bad', 'none', 'any', 'any', 'fail-EIO'),
  row('@G', 'present', 'ok', ['good', 'unverifiable'], 'any', 'none', 'any', 'use'),
  row('@H', 'present', 'ok', ['good', 'unverifiable'], 'any', 'failed', 'yes', 'use-and-repair'),
  row('@I', 'present', 'ok', ['good', 'unverifiable'], 'any', 'failed', 'no', 'use'),
];

function row(
  id: string,
  device: Pattern['device'],
  io: Pattern['io'],
  content: Pattern['content'],
  further: Pattern['further'],
  earlier: Pattern['earlier'],
  repairable: Pattern['repairable'],
  decision: ReadDecision,
): ReadRow {
  return { id, when: { device, io, content, further, earlier, repairable }, decision };
}

/** True where the row speaks of this state. */
export function rowMatches({ when }: ReadRow, state: ReadState): boolean {
  return (
    allows(when.device, state.device) &&
    allows(when.io, state.io) &&
    allows(when.content, state.content) &&
    allows(when.further, state.further) &&
    allows(when.earlier, state.earlier) &&
    allows(when.repairable, state.repairable)
  );
}

function allows(wanted: string | readonly string[], found: string): boolean {
  return wanted === 'any' || wanted === found || (typeof wanted !== 'string' && wanted.includes(found));
}

/** By `indexOf` of the state; every read asks. */
const BY_STATE: (ReadDecision | undefined)[] = [];

export function decideRead(state: ReadState): ReadDecision {
  const index = indexOf(state);
  const known = BY_STATE[index];
  if (known !== undefined) return known;
  const found = READ_DECISIONS.find((each) => rowMatches(each, state));
  assert(found !== undefined, 'the table of read decisions has a row for each state', { state });
  BY_STATE[index] = found.decision;
  return found.decision;
}

function indexOf({ device, io, content, further, earlier, repairable }: ReadState): number {
  const contentIndex = content === 'good' ? 0 : content === 'bad' ? 1 : 2;
  return (
    (device === 'present' ? 0 : 1) |
    (io === 'ok' ? 0 : 2) |
    (further === 'left' ? 0 : 4) |
    (earlier === 'none' ? 0 : 8) |
    (repairable === 'yes' ? 0 : 16) |
    (contentIndex << 5)
  );
}

/** A way through the copies of one range, beginning with the one that `firstMirror` chose. */
export class MirrorTrial {
  readonly copies: number;
  /** The copy that is being tried. */
  mirror: number;
  /** Copies that failed, missing ones not among them: those that can be repaired. */
  readonly failed: number[] = [];
  private tried = 1;
  private hasMissed = false;

  constructor(copies: number, first: number) {
    this.copies = copies;
    this.mirror = first;
  }

  /** What to do about the copy that was just read; `content` is null where it could not be read. */
  decide(fs: VolumeHost, isMissing: boolean, content: ReadState['content'] | null): ReadDecision {
    return decideRead({
      device: isMissing ? 'missing' : 'present',
      io: content === null ? 'error' : 'ok',
      content: content ?? 'unverifiable',
      further: this.tried < this.copies ? 'left' : 'none',
      earlier: this.failed.length > 0 || this.hasMissed ? 'failed' : 'none',
      repairable: fs.isReadOnly ? 'no' : 'yes',
    });
  }

  /** On to the next copy, in a circle. */
  next(isMissing: boolean): void {
    if (isMissing) this.hasMissed = true;
    else this.failed.push(this.mirror);
    this.mirror = (this.mirror + 1) % this.copies;
    this.tried++;
  }
}

/**
 * Writes good bytes over the copies that failed, one after the other. Whether that helped shows at the next read: a
 * failure is the device's, which counts it, and not the reader's.
 */
export function* repairCopies(
  fs: VolumeHost,
  logical: LogicalAddress,
  bytes: Uint8Array,
  failed: readonly number[],
  purpose: IoPurpose,
): Task<void> {
  for (const mirror of failed) yield* repairMirror(fs, logical, bytes, mirror, purpose);
}
