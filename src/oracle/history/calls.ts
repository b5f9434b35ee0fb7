import { showOperation } from '../../base/stamp.ts';
import type { OperationRecord, RunRecord, Step } from '../../record/run-record.ts';

/**
 * One operation of the record, read for judging. Arguments are those of the workload's operation: `path` or `from` and
 * `to` of namespace operations; `file` ({kind: 'path', path} or {kind: 'handle', handle}), or plain `path` or `handle`,
 * of the others; `range` (of one `file`, of drop-caches); `offset` (null or absent when appending), `length`, `size`, `direct`, `append`, `as`.
 */
export interface Call {
  readonly record: OperationRecord;
  readonly kind: string;
  readonly started: Step;
  /** Infinity when it never ended. */
  readonly ended: Step;
  readonly succeeded: boolean;
  /** The path it names; for rename the old one; null when it names a handle or nothing. */
  readonly path: string | null;
  readonly handle: string | null;
}

export function callsOf(record: RunRecord): Call[] {
  const calls: Call[] = [];
  for (const operation of record.operations) calls.push(readCall(operation));
  return calls;
}

function readCall(record: OperationRecord): Call {
  const args = record.args;
  const range = args['range'] as { readonly file?: unknown } | undefined;
  const file = args['file'] ?? range?.file;
  let path = textOf(args['path']) ?? textOf(args['from']);
  let handle = textOf(args['handle']);
  if (typeof file === 'string') path = file;
  else if (file !== null && typeof file === 'object') {
    const reference = file as { readonly path?: unknown; readonly handle?: unknown };
    path = textOf(reference.path) ?? path;
    handle = textOf(reference.handle) ?? handle;
  }
  return {
    record,
    kind: record.operation,
    started: record.started,
    ended: record.ended ?? Number.POSITIVE_INFINITY,
    succeeded: record.result !== null && record.result.error === null,
    path,
    handle,
  };
}

export function nameOf(call: Call): string {
  return showOperation(call.record.task, call.record.index, call.record.round);
}

export function numberArgument(call: Call, name: string): number | null {
  const value = call.record.args[name];
  return typeof value === 'number' ? value : null;
}

export function textArgument(call: Call, name: string): string | null {
  return textOf(call.record.args[name]);
}

export function isDirect(call: Call): boolean {
  return call.record.args['direct'] === true;
}

/**
 * True when `a` was over before `b` began: by the task's own order, or by time. Two operations of different tasks that
 * both took no step at the same moment are unordered.
 */
export function precedes(a: Call, b: Call): boolean {
  const x = a.record;
  const y = b.record;
  if (x.task === y.task) return x.round === y.round ? x.index < y.index : x.round < y.round;
  return a.ended <= b.started && b.ended > a.started;
}

export function areConcurrent(a: Call, b: Call): boolean {
  return !precedes(a, b) && !precedes(b, a);
}

/**
 * The operation of the same task that opened the handle which `call` uses, if the record has it: the latest one
 * before `call` that gave the handle its name.
 */
export function openerOf(call: Call, calls: readonly Call[]): Call | null {
  let best: Call | null = null;
  for (const other of calls) {
    if (other.record.task !== call.record.task || !precedes(other, call)) continue;
    if (textArgument(other, 'as') !== call.handle) continue;
    if (best === null || precedes(best, other)) best = other;
  }
  return best;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
