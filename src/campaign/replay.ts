import { nearestWord } from '../base/nearest.ts';
import { BadKernelVersion, FIXES, FixSet, fixesOfKernel } from '../fs/fixes.ts';
import type { Violation } from '../oracle/law.ts';
import type { RunRecord } from '../record/run-record.ts';
import type { Workload } from '../workload/model.ts';
import { parseWorkload } from '../workload/parse.ts';
import { Bench } from './bench.ts';
import { switchesOf } from './fix-selection.ts';
import { VOCABULARY } from './registry.ts';
import { lawsOf, type ScheduleDocument, ScheduleDocumentError } from './schedule-document.ts';
import { decideAtOf, replayOf } from './strategies.ts';
import type { Switches } from './verdict.ts';

/** How a repetition went. */
export interface ReplayOutcome {
  readonly switches: Switches;
  readonly record: RunRecord;
  readonly violations: readonly Violation[];
  /** The same events in the same order as when it was recorded. */
  readonly isSameRun: boolean;
  /** Where the run offered something else than the tape; null when it never did. */
  readonly divergence: string | null;
  /** The laws that broke are those that broke then. */
  readonly isSameVerdict: boolean;
}

/**
 * Repeats a recorded run. `fixesOn` replaces the switches: the tape is then followed only as far as it goes. Throws
 * `ScheduleDocumentError` when the workload in it is not valid any more.
 */
export function replaySchedule(document: ScheduleDocument, fixesOn: readonly string[] | null = null): ReplayOutcome {
  const { workload, problems } = parseWorkload(document.workload, { file: document.name, vocabulary: VOCABULARY });
  if (workload === undefined) {
    const all = problems.map((problem) => `${problem.line}:${problem.column}: ${problem.message}`);
    throw new ScheduleDocumentError(`the workload in ${document.name} is not valid (any more): ${all.join('; ')}`);
  }
  const { kernel } = document.switches;
  const enabled = fixesOn ?? document.switches.on;
  checkNames(document, workload, enabled);
  const bench = new Bench(workload, new FixSet(enabled, kernel));
  const strategy = replayOf(document.tape);
  const execution = bench.execute(strategy, {
    decideAt: decideAtOf(document.decideAt),
    keepEvents: true,
    seed: document.seed ?? '1',
  })!;
  return {
    switches: switchesOf(enabled, kernel),
    record: execution.record,
    violations: execution.violations,
    isSameRun: execution.record.eventHash === document.eventHash,
    divergence:
      strategy.divergence === null ? null : `step ${strategy.divergence.step}: ${strategy.divergence.message}`,
    isSameVerdict: lawsOf(execution.violations).join() === document.expect.laws.join(),
  };
}

/** Fixes, kernel and points that this version knows, or a `ScheduleDocumentError` about all that it does not. */
function checkNames(document: ScheduleDocument, workload: Workload, enabled: readonly string[]): void {
  const fixes = FIXES.map((fix) => fix.id as string);
  const marks = workload.tasks.flatMap(({ operations }) =>
    operations.flatMap((operation) => (operation.kind === 'mark' ? [operation.point] : [])),
  );
  const points = [...VOCABULARY.points, ...marks];
  const problems = [
    ...enabled.filter((id) => !fixes.includes(id)).map((id) => unknown('fix', id, fixes)),
    ...(document.decideAt ?? [])
      .filter((point) => !points.includes(point))
      .map((name) => unknown('point', name, points)),
  ];
  try {
    if (document.switches.kernel !== null) fixesOfKernel(document.switches.kernel);
  } catch (error) {
    if (!(error instanceof BadKernelVersion)) throw error;
    problems.push(error.message);
  }
  if (problems.length > 0) {
    throw new ScheduleDocumentError(`the schedule of ${document.name} cannot be repeated: ${problems.join('; ')}`);
  }
}

function unknown(what: string, name: string, known: readonly string[]): string {
  const nearest = nearestWord(name, known);
  return `there is no ${what} "${name}"${nearest === null ? '' : `; did you mean "${nearest}"?`}`;
}
