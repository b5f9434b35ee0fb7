import { showRange } from '../../base/range.ts';
import { explainStamp, nameOfOperation, type OperationId, operationId, readStamps } from '../../base/stamp.ts';
import { alignDown, type ByteCount } from '../../base/units.ts';
import { type Call, nameOf, precedes } from '../history/calls.ts';
import type { Violation } from '../law.ts';
import type { Sighting, Unexplained } from './explain.ts';
import type { Change } from './history.ts';

/** What setup operations are stamped as: data that was there before the run. */
export const SETUP_TASK = 'setup';

/** What a sighting is judged against, for messages. */
export interface Background {
  readonly changes: readonly Change[];
  readonly initial: Uint8Array | null;
  /** Of the file as it is called in messages. */
  readonly path: string;
  readonly tasks: readonly string[];
  readonly sectorSize: ByteCount;
}

/** One part of a file that holds what no legal order explains. */
export function describeUnexplained(part: Unexplained, sighting: Sighting, background: Background): Violation {
  const bytes = sighting.bytes.subarray(part.start - sighting.offset, part.end - sighting.offset);
  const first = bytes.subarray(0, sectorLength(part, background.sectorSize));
  const nameOfId = (id: OperationId) => nameOfOperation(id, background.tasks);
  const kind = classify(first, part, sighting, background);
  const range = showRange({ start: part.start, length: part.end - part.start });
  const where = `${range} of ${background.path}`;
  const message =
    sighting.reader === null
      ? `${kind}: ${where} on disk after the unmount`
      : `${kind}: ${nameOf(sighting.reader)} read ${where}`;
  return {
    law: 'data',
    message,
    expected: expectation(part, background),
    observed: explainStamp(bytes, part.start, nameOfId),
    evidence: stepsOf(sighting.reader, part.candidates),
  };
}

/** A result of a length, or a file of a size, that was never right. */
export function describeLength(
  reader: Call | null,
  path: string,
  observed: ByteCount,
  legal: readonly ByteCount[],
  changes: readonly Change[],
): Violation {
  const lengths = legal.map((length) => `${length}`).join(' or ');
  return {
    law: 'data',
    message:
      reader === null
        ? `wrong size: ${path} has ${observed} bytes on disk after the unmount`
        : `wrong length: ${nameOf(reader)} read ${observed} bytes of ${path}`,
    expected: `${lengths} bytes`,
    observed: `${observed} bytes`,
    evidence: stepsOf(reader, changes),
  };
}

function classify(bytes: Uint8Array, part: Unexplained, sighting: Sighting, background: Background): string {
  const runs = readStamps(bytes, part.start);
  if (runs.length > 1) return 'torn data';
  const run = runs[0];
  if (run === undefined || run.kind === 'unknown') return 'garbage';
  const lost = sighting.reader === null ? 'lost write' : 'stale data';
  if (run.kind === 'zero') return hadZeroes(part, background) ? lost : 'zero data';
  if (run.shift !== 0) return 'swapped data';

  const owner = background.changes.find((change) => idOf(change.call) === run.operation);
  if (owner === undefined) return isInitial(bytes, part.start, background.initial) ? lost : 'foreign data';
  if (sighting.reader !== null && precedes(sighting.reader, owner.call)) return 'data from the future';
  return lost;
}

/** Zeroes are old data where the file had none, or was cut, before the changes that count. */
function hadZeroes(part: Unexplained, { changes, initial }: Background): boolean {
  if (initial !== null && part.start >= initial.length) return true;
  return changes.some(
    (change) =>
      ['truncate', 'punch', 'zero'].includes(change.kind) && change.start <= part.start && change.end > part.start,
  );
}

function isInitial(bytes: Uint8Array, start: number, initial: Uint8Array | null): boolean {
  if (initial === null) return false;
  const part = initial.subarray(start, start + bytes.length);
  return bytes.every((byte, index) => byte === (part[index] ?? 0));
}

function expectation(part: Unexplained, background: Background): string {
  const parts = part.candidates.map(showChange);
  if (parts.length === 0) {
    const { initial, tasks } = background;
    if (initial === null) return 'what was there before the run';
    const known = initial.subarray(part.start, part.end);
    return `what was there before the run: ${explainStamp(known, part.start, (id) => nameOfOperation(id, tasks))}`;
  }
  return parts.length === 1 ? parts[0]! : `in a legal order: ${parts.join(', ')}`;
}

function showChange(change: Change): string {
  if (change.kind === 'fallocate') return `no bytes of ${nameOf(change.call)} (fallocate)`;
  if (change.kind === 'truncate') return `zeroes of ${nameOf(change.call)} (truncate to ${change.start})`;
  const range = showRange({ start: change.start, length: change.end - change.start });
  if (change.kind === 'punch' || change.kind === 'zero')
    return `zeroes of ${nameOf(change.call)} (${change.kind} ${range})`;
  if (change.kind === 'copy')
    return `what ${nameOf(change.call)} found in its source (${change.call.kind} to ${range})`;
  return `data of ${nameOf(change.call)} (write ${range}${change.isOptional ? ', which may not have happened' : ''})`;
}

function idOf(call: Call): OperationId {
  return operationId(call.record.task, call.record.index, call.record.round);
}

function sectorLength(part: Unexplained, sectorSize: ByteCount): ByteCount {
  return Math.min(part.end, alignDown(part.start, sectorSize) + sectorSize) - part.start;
}

function stepsOf(reader: Call | null, changes: readonly Change[]): number[] {
  const steps = new Set<number>();
  for (const call of [...changes.map((change) => change.call), ...(reader === null ? [] : [reader])]) {
    steps.add(call.started);
    if (call.record.ended !== null) steps.add(call.record.ended);
  }
  return [...steps].sort((a, b) => a - b);
}
