import { AssertionFailure } from '../base/assert.ts';
import type { Law, Violation } from '../oracle/law.ts';
import { LAWS } from '../oracle/laws.ts';
import { type ExploreStage, isRandomised, type Workload } from '../workload/model.ts';
import { Bench, type ExecutionOptions } from './bench.ts';
import { ExpectationTally, showExpectation, type TallyState } from './expectation.ts';
import type { SettingPlan } from './settings.ts';
import { decideAtOf, replayOf } from './strategies.ts';
import type { BenchFault, Ending, Failure, SettingResult, StageResult } from './verdict.ts';

/** What repeats one execution of an exploration. */
export interface ExecutionOrigin {
  readonly stage: ExploreStage;
  /** From 1. */
  readonly execution: number;
  readonly tape: readonly number[];
}

export interface FailureOrigin extends ExecutionOrigin {
  readonly violations: readonly Violation[];
}

/** An outside judge refused an image: counts as a violation of the execution that left it. */
export interface Complaint {
  readonly origin: ExecutionOrigin;
  readonly violation: Violation;
}

/** What exploring one setting has found, in plain data but for the images in the record of its failure. */
export interface ExploredSetting {
  /** Nothing was left to explore, or the bench failed. */
  readonly isDone: boolean;
  readonly stages: readonly StageResult[];
  readonly tally: TallyState;
  /** The first executions in which a law broke, as the workload expects and as it does not. */
  readonly firstExpected: FailureOrigin | null;
  readonly firstUnexpected: FailureOrigin | null;
  /** One of them, done again with its events kept. */
  readonly failure: Failure | null;
  readonly fault: BenchFault | null;
  readonly setupProblem: string | null;
  /** Of all different disks that its executions left. */
  readonly fingerprints: readonly string[];
}

export interface Conclusion {
  readonly isInterrupted: boolean;
  /** In the order in which the images came up. */
  readonly complaints: readonly Complaint[];
  /** Default: all. */
  readonly laws?: readonly Law[];
}

/** The verdict about what was explored, and about what outside judges say of it. */
export function concludeSetting(
  workload: Workload,
  plan: SettingPlan,
  explored: ExploredSetting,
  conclusion: Conclusion,
): SettingResult {
  const heard = conclusion.complaints.length === 0 ? explored : hear(workload, plan, explored, conclusion);
  const { ending, reasons } = judge(plan, heard, conclusion.isInterrupted);
  return {
    workload: workload.name,
    title: workload.title,
    file: workload.file,
    switches: plan.switches,
    expected: plan.expectations.length === 0 ? null : plan.expectations.map(showExpectation).join('; '),
    ending,
    reasons,
    stages: heard.stages,
    failure: heard.failure,
    fault: heard.fault,
  };
}

/** Adds the complaints; when one of them is worse than what was found, its execution is the one to show. */
function hear(
  workload: Workload,
  plan: SettingPlan,
  explored: ExploredSetting,
  { complaints, laws = LAWS }: Conclusion,
): ExploredSetting {
  const tally = new ExpectationTally(plan.expectations, explored.tally);
  let { firstExpected, firstUnexpected, failure, fault } = explored;
  const before = firstUnexpected ?? firstExpected;
  for (const { origin, violation } of complaints) {
    const isExpected = tally.add(origin.stage.name, [violation], []);
    if (isExpected) firstExpected ??= { ...origin, violations: [violation] };
    else firstUnexpected ??= { ...origin, violations: [violation] };
  }
  const shown = firstUnexpected ?? firstExpected;
  if (shown !== null && shown !== before && fault === null) {
    const again = showFailure(new Bench(workload, plan.fixes, laws), shown, { isExpected: firstUnexpected === null });
    if ('fault' in again) fault = again.fault;
    else failure = again.failure;
  }
  if (failure !== null) failure = { ...failure, isExpected: firstUnexpected === null };
  return { ...explored, tally: tally.state(), firstExpected, firstUnexpected, failure, fault };
}

function judge(
  plan: SettingPlan,
  explored: ExploredSetting,
  isInterrupted: boolean,
): { ending: Ending; reasons: readonly string[] } {
  if (explored.fault !== null) return { ending: 'bench-fault', reasons: [] };
  if (explored.setupProblem !== null) return { ending: 'setup-failed', reasons: [explored.setupProblem] };
  const judged = new ExpectationTally(plan.expectations, explored.tally).conclude(explored.stages);
  if (isInterrupted && judged.ending !== 'unexpected-violation') return { ending: 'interrupted', reasons: [] };
  return judged;
}

/** Does one execution again with its events kept. */
export function showFailure(
  bench: Bench,
  origin: FailureOrigin,
  options: { readonly isExpected: boolean },
): { readonly failure: Failure } | { readonly fault: BenchFault } {
  try {
    const { stage } = origin;
    const again = bench.execute(replayOf(origin.tape), { ...executionOptions(stage), keepEvents: true });
    if (again === null) throw new AssertionFailure('a tape that was recorded can be replayed');
    return {
      failure: {
        stage: stage.name,
        seed: isRandomised(stage) ? stage.seed : null,
        execution: origin.execution,
        decideAt: pointsOf(stage),
        violations: origin.violations,
        record: again.record,
        isExpected: options.isExpected,
      },
    };
  } catch (error) {
    return { fault: faultOf(error, null, origin.tape) };
  }
}

export function executionOptions(stage: ExploreStage): ExecutionOptions {
  return {
    decideAt: decideAtOf(pointsOf(stage)),
    keepEvents: false,
    seed: isRandomised(stage) ? stage.seed : '1',
  };
}

function pointsOf(stage: ExploreStage): readonly string[] | null {
  return stage.strategy === 'script' ? null : stage.points;
}

export function faultOf(
  error: unknown,
  during: { readonly stage: string; readonly execution: number } | null,
  tape: readonly number[],
): BenchFault {
  const isError = error instanceof Error;
  return {
    message: isError ? `${error.name}: ${error.message}` : String(error),
    stack: isError ? (error.stack ?? '') : '',
    stage: during?.stage ?? null,
    execution: during?.execution ?? null,
    tape,
  };
}
