import type { RunRecord } from '../../record/run-record.ts';
import type { ImageContents, OpenContents } from '../image-contents.ts';
import type { InitialNames } from './namespace.ts';

const namesOf = new WeakMap<ImageContents, InitialNames>();

/**
 * The names that were there before the run. Null when they are not known: no disk was kept, or it cannot be walked.
 */
export function namesIn(record: RunRecord, open: OpenContents): InitialNames {
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
