import { isDeepStrictEqual } from 'node:util';
import { crc32c } from '../../base/crc32c.ts';
import { type ComparedAs, isFieldCompared } from './exceptions.ts';
import type { DirectoryEntryValue, ExtentValue, Operation, Outcome, StatusValue } from './operation.ts';

/** What both sides answered, as far as it is to be equal, as text. Null: no difference. */
export interface Disagreement {
  readonly engine: string;
  readonly linux: string;
}

export function compareOutcomes(
  type: ComparedAs,
  operation: Operation,
  engine: Outcome,
  linux: Outcome,
): Disagreement | null {
  if ('error' in engine || 'error' in linux) {
    const same = 'error' in engine && 'error' in linux && engine.error === linux.error;
    return same ? null : { engine: showOutcome(engine), linux: showOutcome(linux) };
  }
  return compareValues(comparable(type, operation, engine.value), comparable(type, operation, linux.value));
}

export function compareValues(engine: unknown, linux: unknown): Disagreement | null {
  if (engine instanceof Uint8Array && linux instanceof Uint8Array) return compareBytes(engine, linux);
  return isDeepStrictEqual(engine, linux) ? null : { engine: showValue(engine), linux: showValue(linux) };
}

function compareBytes(engine: Uint8Array, linux: Uint8Array): Disagreement | null {
  const length = Math.min(engine.length, linux.length);
  let at = 0;
  while (at < length && engine[at] === linux[at]) at++;
  if (at === engine.length && at === linux.length) return null;
  const show = (bytes: Uint8Array) => `${showValue(bytes)}, from byte ${at}: ${hexHead(bytes.subarray(at))}`;
  return { engine: show(engine), linux: show(linux) };
}

/** Only what is to be equal on this file system. */
function comparable(type: ComparedAs, operation: Operation, value: unknown): unknown {
  switch (operation.do) {
    case 'stat':
      return comparableStatus(type, value as StatusValue, false);
    case 'readdir':
      return isFieldCompared(type, 'order') ? value : [...(value as string[])].sort();
    case 'listXattrs':
      return [...(value as string[])].sort();
    case 'readDirectory':
      return isFieldCompared(type, 'order') ? comparableEntries(value as DirectoryEntryValue[]) : null;
    case 'fiemap':
      return isFieldCompared(type, 'extents') ? mergeExtents(type, value as ExtentValue[]) : null;
    case 'seek':
      return isFieldCompared(type, 'data-ranges') ? value : null;
    case 'statfs':
      return null;
    default:
      return value;
  }
}

/** `isSettled`: all data is on disk, so that blocks can be compared. */
export function comparableStatus(type: ComparedAs, status: StatusValue, isSettled: boolean): Partial<StatusValue> {
  const isDirectory = status.kind === 'directory';
  const entries = Object.entries(status).filter(
    ([field]) =>
      (isSettled || field !== 'blocks') &&
      isFieldCompared(type, field) &&
      (!isDirectory || isFieldCompared(type, `directory.${field}`)),
  );
  return Object.fromEntries(entries);
}

/** Cursors are compared by where they lead, see the exception `cursors`. */
function comparableEntries(entries: readonly DirectoryEntryValue[]): object[] {
  return entries.map(({ name, kind }) => ({ name, kind }));
}

/** Where one extent ends and the next begins depends on when data was written out. */
export function mergeExtents(type: ComparedAs, extents: readonly ExtentValue[]): ExtentValue[] {
  const merged: { logical: number; length: number; flags: readonly string[] }[] = [];
  for (const { logical, length, flags } of extents) {
    const kept = flags.filter((flag) => flag !== 'LAST' && isFieldCompared(type, `extents.${flag}`)).sort();
    const last = merged.at(-1);
    if (last !== undefined && last.logical + last.length === logical && isDeepStrictEqual(last.flags, kept))
      last.length += length;
    else merged.push({ logical, length, flags: kept });
  }
  return merged;
}

export function showOutcome(outcome: Outcome): string {
  return 'error' in outcome ? `${outcome.error} (${outcome.where})` : showValue(outcome.value);
}

const SHOWN_MAX = 400;

export function showValue(value: unknown): string {
  if (value === undefined || value === null) return 'ok';
  if (value instanceof Uint8Array) return `${value.length} bytes with crc32c ${crc32c(value).toString(16)}`;
  const text = JSON.stringify(value);
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}

function hexHead(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'nothing';
  return Array.from(bytes.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
