import type { LockReport, RunRecord } from '../record/run-record.ts';
import type { Law, Violation } from './law.ts';

const EXPECTED: Readonly<Record<LockReport['kind'], string>> = {
  'wait-cycle': 'no task waits, directly or through others, for a lock that it holds itself',
  'order-violation': 'locks are taken in one order, outermost first',
  'held-at-end': 'every lock is released when its task ends',
  'waiting-at-end': 'nobody waits for ever',
  'guarded-change': 'what a lock protects changes only while nobody else holds it',
};

const HEADLINES: Readonly<Record<LockReport['kind'], string>> = {
  'wait-cycle': 'deadlock',
  'order-violation': 'locks taken against their order',
  'held-at-end': 'lock left behind',
  'waiting-at-end': 'still waiting at the end',
  'guarded-change': 'changed behind the back of whoever holds its lock',
};

/** The world sees locks itself; this law only says what its reports mean. */
export const locks: Law = {
  name: 'locks',
  title:
    'nobody deadlocks, takes locks against their order, leaves one behind, waits for ever or changes what others have locked',
  begin: () => ({ judge: (record: RunRecord) => record.locks.map(violationOf) }),
};

function violationOf(report: LockReport): Violation {
  const who = report.tasks.length === 0 ? '' : ` (${report.tasks.join(', ')})`;
  return {
    law: 'locks',
    message: `${HEADLINES[report.kind]}${who}: ${report.message}`,
    expected: EXPECTED[report.kind],
    observed: report.locks.length === 0 ? report.message : `${report.message} [${report.locks.join(', ')}]`,
    evidence: [report.step],
  };
}
