import type { Errno } from '../../base/errno.ts';
import type { FailedIo, RunRecord } from '../../record/run-record.ts';

/** What the record shows of faults that the world injected: what else may excuse an error. */
export interface Faults {
  /** Some I/O, allocation or reservation may have been made to fail. */
  readonly wasInjected: boolean;
  /** That, or the transaction was aborted: what was acknowledged may be lost. */
  readonly mayHaveFailed: boolean;
  /** The errnos injected; null when a rule fired that does not say what it does. */
  readonly errnos: ReadonlySet<Errno> | null;
  readonly aborted: Errno | null;
  /** Whether reads from the device with this index may have been made to fail. */
  readonly readsMayFail: (device: number) => boolean;
  /** Whether writes to it, or flushes of it, may have been made to fail: then it may lack what others have. */
  readonly writesMayFail: (device: number) => boolean;
}

export function faultsOf(record: RunRecord): Faults {
  if (record.rules.length === 0 && record.aborted === null) return NO_FAULTS;
  let wasInjected = false;
  let errnos: Set<Errno> | null = new Set();
  let failedIo: FailedIo[] | null = [];
  for (const rule of record.rules) {
    if (rule.fired === 0 || rule.act === 'delay' || rule.act === 'reorder') continue;
    wasInjected = true;
    if (rule.errno === undefined) errnos = null;
    else errnos?.add(rule.errno);
    failedIo = rule.failedIo === undefined ? null : (failedIo?.concat(rule.failedIo) ?? null);
  }
  const { aborted } = record;
  const mayFail = (device: number, isRead: boolean) =>
    failedIo === null || failedIo.some((io) => io.device === device && (io.operation === 'read') === isRead);
  return {
    wasInjected,
    mayHaveFailed: wasInjected || aborted !== null,
    errnos,
    aborted,
    readsMayFail: (device) => mayFail(device, true),
    writesMayFail: (device) => mayFail(device, false),
  };
}

/** Of most runs; several laws ask. */
const NO_FAULTS: Faults = {
  wasInjected: false,
  mayHaveFailed: false,
  errnos: new Set(),
  aborted: null,
  readsMayFail: () => false,
  writesMayFail: () => false,
};
