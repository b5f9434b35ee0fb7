import type { RunRecord } from '../record/run-record.ts';
import { CONTRACTS, type Contract, RENAME_CONTRACTS, SITUATION_TEXT, type Situation } from './errors/contracts.ts';
import { type Evidence, mayBe, mayBeFull } from './errors/situations.ts';
import { type Call, callsOf, nameOf, textArgument } from './history/calls.ts';
import { initialDevices } from './history/devices.ts';
import { faultsOf } from './history/faults.ts';
import { Namespace } from './history/namespace.ts';
import { aliasesIn, namesIn } from './history/start.ts';
import type { OpenContents } from './image-contents.ts';
import type { Law, LawContext, Violation } from './law.ts';

/** `open` reads the names that were there before the run. */
export function errorsLaw(open: OpenContents): Law {
  return {
    name: 'errors',
    title:
      'no operation returns an errno that its contract does not allow in that situation, every one ends, and nothing aborts by itself',
    begin: (context) => ({ judge: (record) => judgeErrors(record, open, context) }),
  };
}

function judgeErrors(record: RunRecord, open: OpenContents, context: LawContext): Violation[] {
  const calls = callsOf(record);
  const chunks = () => open(record.before)?.chunks() ?? null;
  const namespace = new Namespace(calls, namesIn(record, open), record.aborted !== null, aliasesIn(record, open));
  const devices = () => initialDevices(record);
  const faults = faultsOf(record);
  const hasDamage = () => {
    const before = open(record.before);
    return before?.entries().some(({ kind, path }) => kind === 'file' && before.damagedIn(path).length > 0) ?? false;
  };
  const evidence: Evidence = {
    record,
    calls,
    namespace,
    faults,
    context,
    chunks,
    hasDamage,
    initialDevices: devices,
  };
  const violations: Violation[] = [];
  for (const call of calls) {
    const violation = judgeCall(call, evidence);
    if (violation !== null) violations.push(violation);
  }
  const abort = judgeAbort(evidence);
  if (abort !== null) violations.push(abort);
  const contradiction = namespace.contradiction();
  if (contradiction.length > 0 && violations.length === 0) violations.push(contradictionOf(contradiction));
  return violations;
}

function judgeCall(call: Call, evidence: Evidence): Violation | null {
  const result = call.record.result;
  if (call.record.ended === null || result === null) return judgeUnfinished(call, evidence.record);

  const outcome = result.error ?? 'ok';
  const expected = call.record.args['expect'];
  if (Array.isArray(expected)) {
    if (expected.includes(outcome)) return null;
    const message = `${describe(call)} ended with ${outcome}${result.error === null ? '' : ` (${result.where})`}`;
    return violationOf(call, message, `${expected.join(' or ')}, as the workload says`, outcome);
  }
  if (result.error === null) return judgeSuccess(call, evidence);

  const contract = contractOf(call);
  if (contract === undefined) return null;
  const situations = contract[result.error];
  if (situations?.some((situation) => mayBe(situation, call, result.error, evidence))) return null;
  return violationOf(
    call,
    `${describe(call)} returned ${result.error} (${result.where})`,
    expectation(call, contract, situations),
    result.error,
  );
}

function contractOf({ kind, record }: Call): Contract | undefined {
  const contract = CONTRACTS[kind];
  if (kind !== 'rename') return contract;
  const { exchange, noReplace } = RENAME_CONTRACTS;
  if (record.args['exchange'] === true) return { ...contract, ...exchange };
  return record.args['noReplace'] === true ? { ...contract, ...noReplace } : contract;
}

/** A mutation's success is judged with all the others; a file operation needs a file that it may have found. */
function judgeSuccess(call: Call, { namespace }: Evidence): Violation | null {
  if (call.path === null || call.handle !== null || !FILE_OPERATIONS.has(call.kind)) return null;
  const { states } = namespace.situationsOf(call, call.path);
  if (states.size === 0 || states.has('file') || states.has('unknown')) return null;
  if (call.kind === 'fsync' && states.has('directory')) return null;
  return violationOf(
    call,
    `${describe(call)} succeeded although ${call.path} was no file at any time it may have looked`,
    states.has('directory') ? 'EISDIR' : 'ENOENT',
    'success',
  );
}

const FILE_OPERATIONS = new Set([
  'open',
  'truncate',
  'read',
  'write',
  'fsync',
  'fdatasync',
  'fiemap',
  'drop-caches',
  'fallocate',
  'punch',
  'zero',
  'reflink',
  'copy',
  'dedupe',
  'msync',
  'seek',
  'corrupt',
]);

/** Whatever the operations returned: only an injected fault or a full disk may make the file system give up. */
function judgeAbort(evidence: Evidence): Violation | null {
  const { aborted, wasInjected } = evidence.faults;
  if (aborted === null || wasInjected || (aborted === 'ENOSPC' && mayBeFull(evidence))) return null;
  return {
    law: 'errors',
    message: `the file system went read-only with ${aborted} although no fault was injected`,
    expected: 'no transaction is aborted',
    observed: aborted,
    evidence: [evidence.record.steps],
  };
}

function judgeUnfinished(call: Call, record: RunRecord): Violation | null {
  // A deadlock is the law `locks`'s to report, once.
  if (record.locks.some((report) => report.kind === 'wait-cycle' || report.kind === 'waiting-at-end')) return null;
  return violationOf(call, `${describe(call)} never ended`, 'every operation returns to its caller', 'no result');
}

function contradictionOf(calls: readonly Call[]): Violation {
  const names = calls.map((call) => describe(call)).join(', ');
  return {
    law: 'errors',
    message: `no order of the operations on names explains that all of them succeeded: ${names}`,
    expected: 'results that the operations could have had one after the other',
    observed: calls.map((call) => `${nameOf(call)} succeeded`).join(', '),
    evidence: calls.flatMap((call) => [call.started, ...(call.record.ended === null ? [] : [call.record.ended])]),
  };
}

function expectation(call: Call, contract: Contract, situations: readonly Situation[] | undefined): string {
  if (situations === undefined) {
    const allowed = Object.keys(contract).sort();
    return `${call.kind} never returns this${allowed.length === 0 ? '' : `; it may return ${allowed.join(', ')}`}`;
  }
  const when = situations.map((situation) => SITUATION_TEXT[situation]).join(', or ');
  return `only when ${when}: the run shows nothing of the kind`;
}

function describe(call: Call): string {
  const { args } = call.record;
  const where = call.path ?? (call.handle === null ? '' : `$${call.handle}`);
  const to = textArgument(call, 'to');
  const parts = [nameOf(call), call.kind, where];
  if (to !== null) parts.push(`to ${to}`);
  if (typeof args['length'] === 'number') {
    parts.push(
      typeof args['offset'] === 'number'
        ? `[${args['offset']}, ${args['offset'] + args['length']})`
        : `of ${args['length']} bytes`,
    );
  }
  if (typeof args['size'] === 'number') parts.push(`to ${args['size']} bytes`);
  return parts.filter((part) => part !== '').join(' ');
}

function violationOf(call: Call, message: string, expected: string, observed: string): Violation {
  const evidence = call.record.ended === null ? [call.started] : [call.started, call.record.ended];
  return { law: 'errors', message, expected, observed, evidence };
}
