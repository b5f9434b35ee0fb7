import type { JudgeReport } from '../../src/oracle/judges/report.ts';

/** Null of a clean report; else all that the judge said, so that a failing test shows it. */
export function complaintOf({ judge, verdict, reason, output }: JudgeReport): string | null {
  return verdict === 'clean' ? null : `${judge}: ${verdict}: ${reason}\n${output ?? ''}`;
}
