import { operationId, stampBytes } from '../../base/stamp.ts';
import type { ByteCount, FileOffset } from '../../base/units.ts';
import type { RunRecord } from '../../record/run-record.ts';
import { type Call, isDirect, numberArgument, openerOf } from '../history/calls.ts';
import type { Faults } from '../history/faults.ts';
import type { Identity, Namespace } from '../history/namespace.ts';
import type { ImageContents } from '../image-contents.ts';

/** Everything that happened to one file's bytes. */
export interface FileHistory {
  readonly identity: Identity;
  /** What it held before the run; null: not known. */
  readonly initial: Uint8Array | null;
  readonly changes: Change[];
  readonly reads: Call[];
  /** Damage to a copy of its data, on purpose. */
  readonly damages: Damage[];
}

/** A range of which one copy on disk was turned into its complement; or no copy was right before the run. */
export interface Damage {
  /** Null: before the run. */
  readonly call: Call | null;
  readonly start: FileOffset;
  readonly end: FileOffset;
}

/**
 * Something that may have changed bytes or size. A fallocate changes the size alone, for what it allocates reads as
 * zeros; a punch changes bytes alone, a zero may change both; a copy leaves what its source held when it looked.
 */
export interface Change {
  readonly kind: 'write' | 'truncate' | 'fallocate' | 'punch' | 'zero' | 'copy';
  readonly call: Call;
  /** Half-open; a truncate changes everything from its size on. An append's are not known before it is placed. */
  readonly start: FileOffset;
  readonly end: FileOffset;
  readonly isAppend: boolean;
  /** It may not have happened at all, or only to some of its sectors. */
  readonly isOptional: boolean;
  readonly isDirect: boolean;
  /** What a write wrote; of an append, from its own start. */
  readonly bytes: Uint8Array;
  /** Of a copy: the files that it may have been made from, and where in them it began. */
  readonly sources?: readonly FileHistory[];
  readonly sourceOffset?: FileOffset;
}

const NO_BYTES = new Uint8Array(0);

/** Sorts the calls of a run by the files that they may have been about. */
export function fileHistories(
  record: RunRecord,
  calls: readonly Call[],
  namespace: Namespace,
  before: ImageContents | null,
  faults: Faults,
): FileHistory[] {
  const histories = new Map<Identity, FileHistory>();
  const historyOf = (identity: Identity): FileHistory => {
    let history = histories.get(identity);
    if (history === undefined) {
      const damages = damagesBefore(identity, before);
      history = { identity, initial: initialOf(identity, record, before), changes: [], reads: [], damages };
      histories.set(identity, history);
    }
    return history;
  };
  for (const call of calls) {
    if (!ABOUT_BYTES.has(call.kind)) continue;
    if ((call.kind === 'read' && !call.succeeded) || foundNothing(call)) continue;
    const identities = identitiesOf(call, calls, namespace);
    for (const identity of identities) {
      const history = historyOf(identity);
      const isDoubtful = identities.size > 1 || faults.mayHaveFailed;
      if (COPIES.has(call.kind)) {
        const sources = [...identitiesOf(sourceOf(call), calls, namespace)].map(historyOf);
        addCopy(history.changes, call, sources, isDoubtful);
      } else if (call.kind === 'read') history.reads.push(call);
      else if (call.kind === 'corrupt') addDamage(history.damages, call);
      else addChanges(history.changes, call, isDoubtful);
    }
  }
  for (const history of histories.values()) cutMappedWrites(history);
  return [...histories.values()];
}

/**
 * What a mapping stores past the end of the file, in its last page, is gone when the file grows: a mapped write may have
 * been cut wherever the file may have ended.
 */
function cutMappedWrites({ changes, initial }: FileHistory): void {
  if (!changes.some(isMapped)) return;
  const ends = new Set([initial?.length ?? 0]);
  for (const change of changes) if (!isMapped(change)) ends.add(change.kind === 'truncate' ? change.start : change.end);
  const cut = changes.flatMap((change) => {
    if (!isMapped(change)) return [change];
    const inside = [...ends].filter((end) => end > change.start && end < change.end).sort((a, b) => a - b);
    const edges = [change.start, ...inside, change.end];
    return edges.slice(1).map((end, index): Change => {
      const start = edges[index]!;
      const bytes = change.bytes.subarray(start - change.start, end - change.start);
      return { ...change, start, end, bytes, isOptional: change.isOptional || index > 0 };
    });
  });
  changes.splice(0, changes.length, ...cut);
}

function isMapped({ call }: Change): boolean {
  return call.record.args['mapped'] === true;
}

const COPIES = new Set(['reflink', 'copy']);
const ABOUT_BYTES = new Set([...COPIES, 'read', 'write', 'truncate', 'fallocate', 'punch', 'zero', 'corrupt']);

/** It failed before it got to any file. */
function foundNothing(call: Call): boolean {
  const error = call.record.result?.error ?? null;
  return error === 'ENOENT' || error === 'ENOTDIR' || error === 'EISDIR' || error === 'EBADF';
}

/** The files that a call may have been about. */
export function identitiesOf(call: Call, calls: readonly Call[], namespace: Namespace): Set<Identity> {
  if (call.handle === null) {
    return call.path === null ? new Set() : namespace.situationsOf(call, call.path).identities;
  }
  const opener = openerOf(call, calls);
  if (opener?.kind === 'tmpfile') return opener.succeeded ? new Set([namespace.madeBy(opener)]) : new Set();
  if (opener !== null && opener.path !== null) {
    if (opener.kind === 'create' && opener.succeeded) return new Set([namespace.madeBy(opener)]);
    return namespace.situationsOf(opener, opener.path).identities;
  }
  return call.path === null ? new Set() : namespace.situationsOf(call, call.path).identities;
}

function initialOf(identity: Identity, record: RunRecord, before: ImageContents | null): Uint8Array | null {
  if (identity.initialPath === null) return NO_BYTES;
  if (record.before.length === 0 || before === null) return null;
  return before.readFile(identity.initialPath);
}

export function damagesBefore({ initialPath }: Identity, before: ImageContents | null): Damage[] {
  if (initialPath === null || before === null) return [];
  return before.damagedIn(initialPath).map((range) => ({ call: null, ...range }));
}

function addChanges(changes: Change[], call: Call, isDoubtful: boolean): void {
  const isOptional = isDoubtful || !call.succeeded;
  if (call.kind === 'truncate') {
    const size = numberArgument(call, 'size');
    if (size === null || size < 0) return;
    changes.push({
      kind: 'truncate',
      call,
      start: size,
      end: Number.POSITIVE_INFINITY,
      isAppend: false,
      isOptional,
      isDirect: false,
      bytes: NO_BYTES,
    });
    return;
  }
  const length = numberArgument(call, 'length') ?? 0;
  const offset = numberArgument(call, 'offset');
  if (call.kind === 'fallocate') {
    const start = offset ?? 0;
    const range = { start, end: start + length };
    if (call.record.args['keepSize'] === true) return;
    changes.push({ kind: 'fallocate', call, ...range, isAppend: false, isOptional, isDirect: false, bytes: NO_BYTES });
    return;
  }
  if (call.kind === 'punch' || call.kind === 'zero') {
    const start = offset ?? 0;
    const kind = call.kind === 'punch' || call.record.args['keepSize'] === true ? 'punch' : 'zero';
    changes.push({
      kind,
      call,
      start,
      end: start + length,
      isAppend: false,
      isOptional,
      isDirect: false,
      bytes: NO_BYTES,
    });
    return;
  }
  const isAppend = offset === null || call.record.args['append'] === true;
  const start = isAppend ? 0 : offset;
  const bytes = contentOf(call, start, length);
  const written = writtenBytes(call, length);
  if (written > 0) changes.push(writeOf(call, start, bytes.subarray(0, written), isAppend, isOptional));
  // What a short write left out may have reached the file all the same, but nobody may count on it.
  if (written < length && !isAppend) {
    changes.push(writeOf(call, start + written, bytes.subarray(written), false, true));
  }
}

/** The same call, about the file that it reads. */
function sourceOf(call: Call): Call {
  const source = call.record.args['source'] as { readonly path?: string; readonly handle?: string };
  return { ...call, path: source.path ?? null, handle: source.handle ?? null };
}

function addCopy(changes: Change[], call: Call, sources: readonly FileHistory[], isDoubtful: boolean): void {
  const start = numberArgument(call, 'offset') ?? 0;
  const length = numberArgument(call, 'length') ?? 0;
  const done = writtenBytes(call, length);
  const sourceOffset = numberArgument(call, 'sourceOffset') ?? 0;
  const copy = { kind: 'copy', call, isAppend: false, isDirect: false, bytes: NO_BYTES, sources } as const;
  const isOptional = isDoubtful || !call.succeeded;
  if (done > 0) changes.push({ ...copy, start, end: start + done, sourceOffset, isOptional });
}

function addDamage(damages: Damage[], call: Call): void {
  const start = numberArgument(call, 'offset') ?? 0;
  damages.push({ call, start, end: start + (numberArgument(call, 'length') ?? 0) });
}

function writeOf(call: Call, start: FileOffset, bytes: Uint8Array, isAppend: boolean, isOptional: boolean): Change {
  const end = start + bytes.length;
  return { kind: 'write', call, start, end, isAppend, isOptional, isDirect: isDirect(call), bytes };
}

function writtenBytes(call: Call, length: ByteCount): ByteCount {
  const result = call.record.result;
  if (result === null || result.error !== null || typeof result.value !== 'number') return length;
  return Math.max(0, Math.min(length, result.value));
}

/** What a write was asked to write: its stamp, or the bytes that it names. */
function contentOf(call: Call, start: FileOffset, length: ByteCount): Uint8Array {
  const data = call.record.args['data'];
  if (data instanceof Uint8Array && data.length === length) return data;
  return stampBytes(operationId(call.record.task, call.record.index, call.record.round), start, length);
}
