import type { RunRecord } from '../../record/run-record.ts';
import type { ImageContents, OpenContents } from '../image-contents.ts';
import type { Call } from './calls.ts';
import type { InitialNames } from './namespace.ts';

const EMPTY: InitialNames = new Map();
const namesOf = new WeakMap<ImageContents, InitialNames>();

/**
 * The names that were there before the run. Null when they are not known: no disk was kept, or it cannot be walked.
 * Runs without any path need none.
 */
export function namesIn(record: RunRecord, calls: readonly Call[], open: OpenContents): InitialNames {
  if (calls.every((call) => call.path === null)) return EMPTY;
  const contents = open(record.before);
  if (contents === null) return null;
  let names = namesOf.get(contents);
  if (names === undefined) {
    names = new Map(
      contents.entries().map((entry) => [entry.path, entry.kind === 'other' ? 'unknown' : entry.kind] as const),
    );
    namesOf.set(contents, names);
  }
  return names;
}
