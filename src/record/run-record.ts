import type { Errno } from '../base/errno.ts';
import type { VirtualNanoseconds } from '../base/units.ts';
import type { DiskImage } from './image.ts';

/** A position in the run: the number of effects announced before it. Orders everything that a run records. */
export type Step = number;

/** What a workload's operation returned to its task. */
export type OperationResult =
  | { readonly error: null; readonly value: OperationValue }
  | { readonly error: Errno; readonly where: string };

/** Read: the bytes. Write: how many bytes. Trim: how many bytes. Clean: how many groups. Fiemap: the extents. Scrub: counts. */
export type OperationValue = null | number | Uint8Array | readonly FiemapExtent[] | OperationCounts;

/** Figures by name, as `btrfs scrub status -R` names them. */
export interface OperationCounts {
  readonly counts: Readonly<Record<string, number>>;
}

/** As FIEMAP reports: bytes; `physical` is btrfs's logical address; flags as FIEMAP_EXTENT_* names. */
export interface FiemapExtent {
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
  readonly flags: readonly string[];
}

export interface OperationRecord {
  readonly task: string;
  /** Position in the task's list, from 0. */
  readonly index: number;
  /** Repetition of the task's list, from 0. */
  readonly round: number;
  readonly operation: string;
  /** As in the workload, sizes in bytes, paths resolved. */
  readonly args: Readonly<Record<string, unknown>>;
  readonly started: Step;
  /** Null when the run ended before the operation did. */
  ended: Step | null;
  result: OperationResult | null;
}

/** One thing that the world did or saw, for traces and race diagrams. */
export interface RunEvent {
  readonly step: Step;
  readonly time: VirtualNanoseconds;
  readonly task: string;
  /** `point`, `acquire`, `release`, `submit`, `complete`, `wait`, `wake`, `spawn`, `end`, `fault`, `delay` … */
  readonly kind: string;
  /** `extent-map-insert`, `write device=0 offset=… purpose=tree-block(5)` … */
  readonly what: string;
}

/** What the world itself found wrong, judged by the law `locks`. */
export interface LockReport {
  readonly kind: 'wait-cycle' | 'order-violation' | 'held-at-end' | 'waiting-at-end' | 'guarded-change';
  readonly step: Step;
  /** One line for people: who waits for what, held by whom. */
  readonly message: string;
  readonly tasks: readonly string[];
  readonly locks: readonly string[];
}

/** Some I/O of this kind failed on the device with this index. */
export interface FailedIo {
  readonly device: number;
  readonly operation: 'read' | 'write' | 'flush' | 'discard';
}

export interface RuleReport {
  readonly rule: string;
  readonly fired: number;
  /** How many of its delays nothing could end any more, so that the world released them. */
  readonly released?: number;
  /** What it does to what it matches; a judge must assume the worst when it is not said. */
  readonly act?: 'delay' | 'fail' | 'reorder';
  /** With `fail`: the errno it injects. */
  readonly errno?: Errno;
  /** With `fail`: each kind of I/O that it made to fail, once for each device; absent where nobody kept account. */
  readonly failedIo?: readonly FailedIo[];
}

/** All that one execution leaves behind. */
export interface RunRecord {
  readonly operations: readonly OperationRecord[];
  /** Present when the run was asked to keep its events. */
  readonly events: readonly RunEvent[];
  readonly locks: readonly LockReport[];
  readonly rules: readonly RuleReport[];
  /** The disks before the tasks started and after the last unmount, by device index. */
  readonly before: readonly DiskImage[];
  readonly after: readonly DiskImage[];
  /** True when the file system was unmounted cleanly before `after` was taken. */
  readonly unmounted: boolean;
  /** It was mounted read-only; absent: it was not. */
  readonly mountedReadOnly?: boolean;
  /** Why the engine went read-only, if it did. */
  readonly aborted: Errno | null;
  /** Every choice of the world, in order: replaying it repeats the run. */
  readonly tape: readonly number[];
  /** Rolling hash over all events. */
  readonly eventHash: string;
  readonly steps: Step;
  readonly decisions: number;
  readonly switches: number;
}
