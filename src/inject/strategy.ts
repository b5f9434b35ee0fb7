import type { Step } from '../record/run-record.ts';
import type { ResourceId } from '../task/resource.ts';
import type { Footprint } from './footprint.ts';

/** What a task is about to do, or what a choice would do. */
export type EffectKind =
  | 'start'
  | 'point'
  | 'acquire'
  | 'try-acquire'
  | 'wait'
  | 'wait-zero'
  | 'sleep'
  | 'join'
  | 'submit'
  | 'wait-io'
  | 'completion';

/** Somebody who may go on now: a task at its announced effect, or the completion of an I/O. */
export interface Choice {
  readonly kind: 'task' | 'completion';
  /** The same in every execution with the same history: task ids count spawns, completions follow their submitter. */
  readonly id: number;
  /** Name of the task; of a completion, of the task that submitted it. */
  readonly name: string;
  /** What it does next. */
  readonly effect: EffectKind;
  /** Name of the point, class of the lock, name of the queue; of I/O, the operation. */
  readonly place: string;
  readonly on: ResourceId | undefined;
}

/** What a strategy may know of the run besides its choices. */
export interface WorldView {
  /** The task that ran last, or -1. */
  readonly lastTask: number;
  readonly steps: Step;
  /** What was touched since this was called last; only kept for strategies that want footprints. */
  takeFootprint(): Footprint;
  /** Whether the transition that follows has to be noted down: not when its footprint is known from an earlier run. */
  keepFootprint(isWanted: boolean): void;
  /** One line for each task that waits: who, for what, held by whom. */
  waiting(): string[];
}

/** Stops the execution: what follows was explored already. */
export const ABANDON = -1;

/**
 * Decides, and runs nothing. Lives across executions, so it may learn. The world records each answer on the tape, in
 * the form that `replay` reads.
 */
export interface Strategy {
  readonly name: string;
  /** Be asked even where there is only one choice (which is never counted as a decision). */
  readonly wantsEveryStep: boolean;
  readonly wantsFootprints: boolean;
  /** False when nothing is left to explore; then nothing runs. */
  beginExecution(): boolean;
  /** An index into `choices` (tasks by id, then completions by id), or `ABANDON`. */
  pick(choices: readonly Choice[], view: WorldView): number;
  /** A data choice in [0, bound), for a fault rule. */
  pickBelow(bound: number): number;
  /** A data choice that is true in `numerator` of `denominator` cases, for a fault rule. */
  chance(numerator: number, denominator: number): boolean;
  endExecution(view: WorldView): void;
}

/** Where the choice with this id stands, or -1. */
export function indexOfChoice(choices: readonly Choice[], id: number): number {
  for (let index = 0; index < choices.length; index++) if (choices[index]!.id === id) return index;
  return -1;
}
