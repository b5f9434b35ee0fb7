import type { Violation } from '../oracle/law.ts';
import type { OperationRecord } from '../record/run-record.ts';
import type { Expectation } from '../workload/model.ts';
import type { Ending, StageResult } from './verdict.ts';

/** `clean`, `violation of errors (EEXIST)`: what an expectation says, in a few words. */
export function showExpectation(expectation: Expectation): string {
  if (expectation.verdict === 'clean') return 'clean';
  const laws = expectation.laws.length === 0 ? '' : ` of ${expectation.laws.join(' or ')}`;
  const errno = expectation.errno === null ? '' : ` (${expectation.errno})`;
  return `violation${laws}${errno}`;
}

/** What a tally has counted, in plain data. */
export interface TallyState {
  /** For each expectation, whether what it expects has come. */
  readonly hasAppeared: readonly boolean[];
  /** By stage. */
  readonly unexpected: readonly (readonly [string, { readonly count: number; readonly first: string }])[];
}

/** Follows the executions of one setting and says in the end whether they went as the workload expects. */
export class ExpectationTally {
  private readonly expectations: readonly Expectation[];
  private readonly hasAppeared: boolean[];
  private readonly unexpected = new Map<string, { count: number; first: string }>();

  /** `state`: goes on from there. */
  constructor(expectations: readonly Expectation[], state: TallyState | null = null) {
    this.expectations = expectations;
    this.hasAppeared = expectations.map((_, index) => state?.hasAppeared[index] ?? false);
    for (const [stage, counted] of state?.unexpected ?? []) this.unexpected.set(stage, { ...counted });
  }

  state(): TallyState {
    return {
      hasAppeared: this.hasAppeared.slice(),
      unexpected: [...this.unexpected].map(([stage, counted]) => [stage, { ...counted }]),
    };
  }

  /** Counts an execution in which a law broke; true when the workload expects such a violation of this stage. */
  add(stage: string, violations: readonly Violation[], operations: readonly OperationRecord[]): boolean {
    let isExpected = false;
    for (const [index, expectation] of this.expectations.entries()) {
      if (expectation.verdict === 'clean' || !expectation.stages.includes(stage)) continue;
      const named = violations.filter(
        (violation) => expectation.laws.length === 0 || expectation.laws.includes(violation.law),
      );
      if (named.length === 0) continue;
      isExpected = true;
      if (saysMessage(expectation, named) && returnedErrno(expectation, operations)) this.hasAppeared[index] = true;
    }
    if (!isExpected) {
      const known = this.unexpected.get(stage);
      if (known === undefined) this.unexpected.set(stage, { count: 1, first: showViolation(violations[0]!) });
      else known.count += 1;
    }
    return isExpected;
  }

  /** The verdict over all stages, with a line for each thing that is not as it should be. */
  conclude(stages: readonly StageResult[]): { readonly ending: Ending; readonly reasons: readonly string[] } {
    const reasons: string[] = [];
    let ending: Ending = 'as-expected';
    for (const [stage, { count, first }] of this.unexpected) {
      ending = 'unexpected-violation';
      const others = count === 1 ? '' : ` (and ${count - 1} more executions)`;
      reasons.push(`stage ${stage}: unexpected violation: ${first}${others}`);
    }
    for (const [index, expectation] of this.expectations.entries()) {
      if (expectation.verdict === 'violation' && !this.hasAppeared[index]) {
        if (ending === 'as-expected') ending = 'missing-violation';
        reasons.push(missingReason(expectation, stages));
      }
      for (const reason of countReasons(expectation, stages)) {
        if (ending === 'as-expected') ending = 'count-differs';
        reasons.push(reason);
      }
    }
    return { ending, reasons };
  }
}

export function showViolation(violation: Violation): string {
  return `${violation.law}: ${violation.message}`;
}

function saysMessage(expectation: Expectation, violations: readonly Violation[]): boolean {
  const text = expectation.message;
  return text === null || violations.some((violation) => violation.message.includes(text));
}

function returnedErrno(expectation: Expectation, operations: readonly OperationRecord[]): boolean {
  const { errno } = expectation;
  return errno === null || operations.some((operation) => operation.result?.error === errno);
}

function missingReason(expectation: Expectation, stages: readonly StageResult[]): string {
  const mine = stages.filter((stage) => expectation.stages.includes(stage.name));
  const explored = mine.reduce((sum, stage) => sum + stage.explored, 0);
  const violating = mine.reduce((sum, stage) => sum + stage.violating, 0);
  const saw = violating === 0 ? 'none broke a law' : `${violating} broke a law, but not in this way`;
  const text = expectation.message === null ? '' : ` saying '${expectation.message}'`;
  return `expected a ${showExpectation(expectation)}${text} in ${expectation.stages.join(', ')}: of ${explored} executions ${saw}`;
}

function countReasons(expectation: Expectation, stages: readonly StageResult[]): string[] {
  const { counts } = expectation;
  if (counts === null) return [];
  const reasons: string[] = [];
  for (const stage of stages) {
    if (stage.strategy !== 'exhaustive' || !expectation.stages.includes(stage.name)) continue;
    if (counts.explored !== null && stage.explored !== counts.explored) {
      reasons.push(`stage ${stage.name}: expected ${counts.explored} schedules explored, got ${stage.explored}`);
    }
    if (counts.violating !== null && stage.violating !== counts.violating) {
      reasons.push(`stage ${stage.name}: expected ${counts.violating} of them to break a law, got ${stage.violating}`);
    }
  }
  return reasons;
}
