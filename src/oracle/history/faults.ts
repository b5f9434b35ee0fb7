import type { Errno } from '../../base/errno.ts';
import type { RunRecord } from '../../record/run-record.ts';

/** What the record shows of faults that the world injected: what else may excuse an error. */
export interface Faults {
  /** Some I/O, allocation or reservation may have been made to fail. */
  readonly wasInjected: boolean;
  /** That, or the transaction was aborted: what was acknowledged may be lost. */
  readonly mayHaveFailed: boolean;
  /** The errnos injected; null when a rule fired that does not say what it does. */
  readonly errnos: ReadonlySet<Errno> | null;
  readonly aborted: Errno | null;
}

export function faultsOf(record: RunRecord): Faults {
  let wasInjected = false;
  let errnos: Set<Errno> | null = new Set();
  for (const rule of record.rules) {
    if (rule.fired === 0 || rule.act === 'delay' || rule.act === 'reorder') continue;
    wasInjected = true;
    if (rule.errno === undefined) errnos = null;
    else errnos?.add(rule.errno);
  }
  return { wasInjected, mayHaveFailed: wasInjected || record.aborted !== null, errnos, aborted: record.aborted };
}
