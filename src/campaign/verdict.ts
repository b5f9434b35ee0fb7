import type { Violation } from '../oracle/law.ts';
import type { RunRecord } from '../record/run-record.ts';

/** The switches of one setting, as they were asked for and as they came out. */
export interface Switches {
  /** For people: `all`, `all but reuse-covering-map`, `kernel 4.15`. */
  readonly label: string;
  readonly kernel: string | null;
  /** Ids of the fixes that are on, and of those that are off, in the registry's order. */
  readonly on: readonly string[];
  readonly off: readonly string[];
}

/** What a stage of exploration came to. */
export interface StageResult {
  readonly name: string;
  readonly strategy: 'script' | 'exhaustive' | 'random' | 'priorities' | 'replay';
  /** Executions done to their end. */
  readonly explored: number;
  /** Interleavings left out because they cannot differ from one that was run. */
  readonly pruned: number;
  /** Exhaustive: every interleaving was explored or pruned. Others: all that was asked for was done. */
  readonly isComplete: boolean;
  /** Executions in which a law broke. */
  readonly violating: number;
  /** Counts from 1; null when no law broke. */
  readonly firstViolation: number | null;
  /** In how many executions each law broke, by name, in alphabetical order. */
  readonly laws: Readonly<Record<string, number>>;
  /** Rules of the workload that fired in no execution. */
  readonly idleRules: readonly string[];
  /** Script: why the schedule could not be followed to its end; null when it was. */
  readonly notFollowed: string | null;
  /** Executions done twice and compared. */
  readonly selfChecks: number;
  /** Combines the event hashes and the disks of all executions, in order. */
  readonly eventHash: string;
}

/** How a setting ended, the worst first. */
export type Ending =
  /** The bench itself failed: says nothing about the engine. */
  | 'bench-fault'
  /** An operation of the workload's setup failed: nothing was explored. */
  | 'setup-failed'
  /** A law broke that should have held, or another one than was expected. */
  | 'unexpected-violation'
  /** What was expected to break did not. */
  | 'missing-violation'
  /** The violation came, but the numbers of schedules are not those expected. */
  | 'count-differs'
  /** Stopped by the user before it was done. */
  | 'interrupted'
  | 'as-expected';

/** The first execution that showed a violation, with all that is needed to look at it and to repeat it. */
export interface Failure {
  readonly stage: string;
  readonly seed: string | null;
  /** Which execution of its stage, from 1. */
  readonly execution: number;
  /** The points at which the stage decides; null: at every effect. */
  readonly decideAt: readonly string[] | null;
  readonly violations: readonly Violation[];
  readonly record: RunRecord;
  readonly isExpected: boolean;
}

/** An error of ours, never a verdict about the engine. */
export interface BenchFault {
  readonly message: string;
  readonly stack: string;
  readonly stage: string | null;
  readonly execution: number | null;
  readonly tape: readonly number[];
}

/** One workload under one setting of the switches. */
export interface SettingResult {
  readonly workload: string;
  readonly title: string;
  readonly file: string;
  readonly switches: Switches;
  /** What the workload says must come out: `clean`, `violation of errors (EEXIST)`; null when it says nothing. */
  readonly expected: string | null;
  readonly ending: Ending;
  /** One line each: why it is not as expected. Empty otherwise. */
  readonly reasons: readonly string[];
  readonly stages: readonly StageResult[];
  readonly failure: Failure | null;
  readonly fault: BenchFault | null;
}

/**
 * Exit code of the command line for a set of endings: 0 as expected, 1 not, 2 a workload that cannot be set up, 3 a
 * fault of the bench, 130 stopped.
 */
export function exitCodeOf(endings: readonly Ending[]): 0 | 1 | 2 | 3 | 130 {
  if (endings.includes('bench-fault')) return 3;
  if (endings.includes('setup-failed')) return 2;
  if (endings.some((ending) => ending !== 'as-expected' && ending !== 'interrupted')) return 1;
  return endings.includes('interrupted') ? 130 : 0;
}
