import type { VirtualNanoseconds } from '../base/units.ts';
import type { BlockTable } from '../record/block-table.ts';
import type { RunRecord, Step } from '../record/run-record.ts';
import type { Observation } from '../task/observation.ts';
import type { IoRequest } from '../task/world.ts';
import type { FaultRule } from './fault-rule.ts';
import type { Strategy } from './strategy.ts';

/** Sees an I/O at the instant before it takes effect. `device` is the index. */
export type IoWatcher = (device: number, request: IoRequest, step: Step) => void;

export interface WorldOptions {
  /** Who decides while the run is explored; absent: the current task first, else completions, else the lowest id. */
  readonly strategy?: Strategy;
  readonly rules?: readonly FaultRule[];
  /** The disks at the start of each execution, which stay as they are. */
  readonly devices?: readonly BlockTable[];
  /** Lock classes, outermost first; classes that are not listed are only judged by what the run does. */
  readonly lockOrder?: readonly string[];
  /**
   * Where the strategy is asked: before each effect and among all completions; or only when all that can go on stands
   * at one of these points, everything else having run as far as it can in the default order.
   */
  readonly decideAt?: 'everything' | ReadonlySet<string>;
  readonly keepEvents?: boolean;
  readonly observer?: ((observation: Observation, step: Step) => void) | null;
  /** Called for each discard and each I/O of purpose `scrub`, unless a rule fails it. */
  readonly ioWatcher?: IoWatcher | null;
  /** Seeds the draws of fault rules when the strategy has no stream of its own. */
  readonly seed?: string;
  /** More steps than this are a runaway loop, reported as a fault of the bench. Default 1,000,000. */
  readonly stepLimit?: Step;
  /** Main blocked this long while others only sleep and wake is a hang. Default 600 s of virtual time. */
  readonly hungAfter?: VirtualNanoseconds;
}

/** The world's part of a `RunRecord`, and how the run ended. */
export interface WorldReport
  extends Pick<RunRecord, 'events' | 'locks' | 'rules' | 'tape' | 'eventHash' | 'steps' | 'decisions' | 'switches'> {
  /** The strategy cut the execution short, because what follows was explored already: there is nothing to judge. */
  readonly pruned: boolean;
  /** Main did not end: a wait cycle, or everybody waits. `locks` says who for what. */
  readonly hung: boolean;
  /** The virtual clock at the end. */
  readonly time: VirtualNanoseconds;
}
