import { viewOf } from './bytes.ts';
import type { ByteCount, FileOffset } from './units.ts';

/**
 * Every byte that a workload writes is stamped: 16-byte cells, aligned by file offset, each naming the operation that
 * wrote it and the file offset it was written for. So lost, stale, swapped, torn and zero data are told apart by name.
 *
 * Cell, little-endian: check u32 @0, operation u48 @4, file offset / 16 u48 @10.
 */

/** Names one operation of a run; 0 < id < 2^48. */
export type OperationId = number;

const CELL_SIZE = 16;
const TWO_16 = 2 ** 16;
const TWO_32 = 2 ** 32;
const INDEX_BITS = 14;
const INDEX_MAX = 2 ** INDEX_BITS - 1;
/** The cache starts anew when it would hold more. */
const CACHED_BYTES_MAX = 32 * 1024 * 1024;

interface CachedStamp {
  readonly offset: FileOffset;
  readonly bytes: Uint8Array;
}

const cache = new Map<OperationId, CachedStamp[]>();
let cachedBytes = 0;

/**
 * The id of the operation at position `index` of `task`'s list in repetition `round` (all from 0; beyond 16383 ids
 * repeat). Depends on nothing else, so it is the same in every execution.
 */
export function operationId(task: string, index: number, round: number): OperationId {
  return taskHash(task) * 2 ** (2 * INDEX_BITS) + (round & INDEX_MAX) * 2 ** INDEX_BITS + (index & INDEX_MAX);
}

/** `writer#0`, `writer#0 (round 2)`: which operation of `tasks` has this id; null when none of them can have it. */
export function nameOfOperation(operation: OperationId, tasks: readonly string[]): string | null {
  const unit = 2 ** (2 * INDEX_BITS);
  const task = tasks.find((name) => taskHash(name) === Math.floor(operation / unit));
  if (task === undefined) return null;
  const round = Math.floor((operation % unit) / 2 ** INDEX_BITS);
  return showOperation(task, operation % 2 ** INDEX_BITS, round);
}

/** How messages name an operation. */
export function showOperation(task: string, index: number, round: number): string {
  return round === 0 ? `${task}#${index}` : `${task}#${index} (round ${round})`;
}

/**
 * The bytes that `operation` writes at [offset, offset + length) of a file. An append, which does not know its offset
 * beforehand, stamps from offset 0. The array is shared between calls: nobody may change it.
 */
export function stampBytes(operation: OperationId, offset: FileOffset, length: ByteCount): Uint8Array {
  const known = cache.get(operation);
  if (known !== undefined) {
    for (const entry of known) if (entry.offset === offset && entry.bytes.length === length) return entry.bytes;
  }
  if (cachedBytes + length > CACHED_BYTES_MAX) {
    cache.clear();
    cachedBytes = 0;
  }
  const entry = { offset, bytes: makeStamp(operation, offset, length) };
  cachedBytes += length;
  const list = cache.get(operation);
  if (list === undefined) cache.set(operation, [entry]);
  else list.push(entry);
  return entry.bytes;
}

function makeStamp(operation: OperationId, offset: FileOffset, length: ByteCount): Uint8Array {
  const first = Math.floor(offset / CELL_SIZE);
  const skip = offset - first * CELL_SIZE;
  const cells = Math.ceil((skip + length) / CELL_SIZE);
  const bytes = new Uint8Array(cells * CELL_SIZE);
  const view = viewOf(bytes);
  for (let i = 0; i < cells; i++) {
    const at = i * CELL_SIZE;
    const cell = first + i;
    view.setUint32(at, checkOf(operation, cell), true);
    view.setUint16(at + 4, operation % TWO_16, true);
    view.setUint32(at + 6, Math.floor(operation / TWO_16), true);
    view.setUint32(at + 10, cell % TWO_32, true);
    view.setUint16(at + 14, Math.floor(cell / TWO_32), true);
  }
  return skip === 0 && bytes.length === length ? bytes : bytes.subarray(skip, skip + length);
}

/** A maximal run of bytes of one origin. */
export type StampRun =
  | { readonly kind: 'zero'; readonly start: FileOffset; readonly length: ByteCount }
  | { readonly kind: 'unknown'; readonly start: FileOffset; readonly length: ByteCount }
  | {
      readonly kind: 'stamp';
      readonly start: FileOffset;
      readonly length: ByteCount;
      readonly operation: OperationId;
      /** Stamped offset minus the offset where it was found: 0 when it lies where it belongs. */
      readonly shift: number;
    };

/**
 * Splits `bytes`, found at `offset` of a file, into runs of one origin. Stamps are recognised at any alignment; cells
 * cut at an edge are told by their whole neighbours. Fewer than 16 zero bytes beside unknown ones count as unknown.
 */
export function readStamps(bytes: Uint8Array, offset: FileOffset): StampRun[] {
  const runs: StampRun[] = [];
  const view = viewOf(bytes);
  let plainFrom = 0;
  let at = 0;
  while (at < bytes.length) {
    const stamp = cellAt(view, at);
    if (stamp === null) {
      at++;
      continue;
    }
    const position = stamp.cell * CELL_SIZE;
    const lead = Math.min(CELL_SIZE - 1, at - plainFrom, position);
    const before = makeStamp(stamp.operation, position - lead, lead);
    let start = at;
    while (at - start < lead && bytes[start - 1] === before[lead - 1 - (at - start)]) start--;

    const expected = makeStamp(stamp.operation, position, bytes.length - at);
    let end = at + CELL_SIZE;
    while (end < bytes.length && bytes[end] === expected[end - at]) end++;

    addPlainRuns(runs, bytes, offset, plainFrom, start);
    const shift = position - (offset + at);
    runs.push({ kind: 'stamp', start: offset + start, length: end - start, operation: stamp.operation, shift });
    plainFrom = at = end;
  }
  addPlainRuns(runs, bytes, offset, plainFrom, bytes.length);
  return runs;
}

function addPlainRuns(runs: StampRun[], bytes: Uint8Array, offset: FileOffset, from: number, to: number): void {
  let unknownFrom = from;
  let at = from;
  while (at < to) {
    let end = at;
    while (end < to && bytes[end] === 0) end++;
    if (end - at >= CELL_SIZE || (end > at && at === from && end === to)) {
      if (at > unknownFrom) runs.push({ kind: 'unknown', start: offset + unknownFrom, length: at - unknownFrom });
      runs.push({ kind: 'zero', start: offset + at, length: end - at });
      unknownFrom = end;
    }
    at = Math.max(end, at + 1);
  }
  if (to > unknownFrom) runs.push({ kind: 'unknown', start: offset + unknownFrom, length: to - unknownFrom });
}

/**
 * What `bytes`, found at `offset` of a file, hold, for people: `zeroes`, `data of a#0`, `data of a#0 meant for offset
 * 8192`, or a list of those with their ranges. `nameOf` names an operation; null when it is none of this run.
 */
export function explainStamp(
  bytes: Uint8Array,
  offset: FileOffset,
  nameOf: (operation: OperationId) => string | null = () => null,
): string {
  const runs = readStamps(bytes, offset);
  if (runs.length === 0) return 'nothing';
  if (runs.length === 1) return describeRun(runs[0]!, nameOf);
  const shown = runs.slice(0, 4).map((run) => `[${run.start}, ${run.start + run.length}) ${describeRun(run, nameOf)}`);
  if (runs.length > 4) shown.push(`and ${runs.length - 4} more pieces`);
  return shown.join('; ');
}

function describeRun(run: StampRun, nameOf: (operation: OperationId) => string | null): string {
  if (run.kind === 'zero') return 'zeroes';
  if (run.kind === 'unknown') return 'bytes that no operation wrote';
  const name = nameOf(run.operation) ?? `operation ${run.operation.toString(16)}`;
  return run.shift === 0 ? `data of ${name}` : `data of ${name} meant for offset ${run.start + run.shift}`;
}

function cellAt(view: DataView, at: number): { operation: OperationId; cell: number } | null {
  if (at + CELL_SIZE > view.byteLength) return null;
  const operation = view.getUint32(at + 6, true) * TWO_16 + view.getUint16(at + 4, true);
  const cell = view.getUint16(at + 14, true) * TWO_32 + view.getUint32(at + 10, true);
  return operation !== 0 && view.getUint32(at, true) === checkOf(operation, cell) ? { operation, cell } : null;
}

/** Odd, so that no check is zero; mixes well enough that neighbouring cells differ in most bits. */
function checkOf(operation: OperationId, cell: number): number {
  let hash = Math.imul(operation | 0, 0x9e3779b1) ^ Math.imul(Math.floor(operation / TWO_32) + 0x7f4a7c15, 0x85ebca6b);
  hash = Math.imul(hash ^ (cell | 0) ^ Math.floor(cell / TWO_32), 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) | 1) >>> 0;
}

/** 20 bits of FNV-1a, never zero. */
function taskHash(task: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < task.length; i++) hash = Math.imul(hash ^ task.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 12)) & 0xfffff || 1;
}
