import type { RunEvent } from '../record/run-record.ts';
import type { Task } from '../task/task.ts';
import { SimulatedWorld } from './simulated-world.ts';
import { replay } from './strategies/replay.ts';
import type { WorldOptions, WorldReport } from './world-options.ts';

/** Where two runs of one tape part. */
export interface RunDifference {
  /** Step of the first event that differs, or of the place where the tape could not be followed. */
  readonly step: number;
  readonly message: string;
}

/**
 * Runs the same choices twice, keeping events, and compares; `tape` is of an execution of the same `main` and options.
 * Null when both are the same in every event. What differs read something that is not of the simulated world.
 */
export function checkDeterminism(
  main: (world: SimulatedWorld) => Task<void>,
  options: WorldOptions,
  tape: readonly number[],
): RunDifference | null {
  const first = runTape(main, options, tape);
  const second = runTape(main, options, tape);
  return compareRuns(first.report, second.report) ?? first.difference ?? second.difference;
}

/** The first event in which two reports differ; without kept events, whether their hashes do. */
export function compareRuns(first: WorldReport, second: WorldReport): RunDifference | null {
  const length = Math.max(first.events.length, second.events.length);
  for (let index = 0; index < length; index++) {
    const one = first.events[index];
    const other = second.events[index];
    if (one !== undefined && other !== undefined && sameEvent(one, other)) continue;
    const step = (one ?? other)!.step;
    return { step, message: `step ${step}: first "${showEvent(one)}", then "${showEvent(other)}"` };
  }
  if (first.eventHash === second.eventHash) return null;
  const hashes = `${first.eventHash} and ${second.eventHash}`;
  return { step: first.steps, message: `the event hashes differ, ${hashes}: run both with their events kept` };
}

function runTape(main: (world: SimulatedWorld) => Task<void>, options: WorldOptions, tape: readonly number[]) {
  const strategy = replay(tape);
  const world = new SimulatedWorld({ ...options, strategy, keepEvents: true });
  world.execute(main);
  const { divergence } = strategy;
  const difference = divergence === null ? null : { step: divergence.step, message: divergence.message };
  return { report: world.report(), difference };
}

function sameEvent(one: RunEvent, other: RunEvent): boolean {
  return (
    one.step === other.step &&
    one.time === other.time &&
    one.task === other.task &&
    one.kind === other.kind &&
    one.what === other.what
  );
}

function showEvent(event: RunEvent | undefined): string {
  return event === undefined ? 'the end' : `${event.task} ${event.kind} ${event.what}`.trimEnd();
}
