import type { RunRecord } from '../../record/run-record.ts';
import type { ImageContents, OpenContents } from '../image-contents.ts';
import type { InitialNames } from './namespace.ts';

const aliasesOf = new WeakMap<ImageContents, ReadonlyMap<string, string>>();
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

/** For each further name that a file had before the run, the first one. */
export function aliasesIn(record: RunRecord, open: OpenContents): ReadonlyMap<string, string> {
  const contents = open(record.before);
  if (contents === null) return new Map();
  let aliases = aliasesOf.get(contents);
  if (aliases === undefined) {
    aliases = findAliases(contents);
    aliasesOf.set(contents, aliases);
  }
  return aliases;
}

function findAliases(contents: ImageContents): ReadonlyMap<string, string> {
  const first = new Map<string, string>();
  const aliases = new Map<string, string>();
  for (const { path, kind, file } of contents.entries()) {
    if (kind === 'directory' || file === undefined) continue;
    const known = first.get(file);
    if (known === undefined) first.set(file, path);
    else aliases.set(path, known);
  }
  return aliases;
}
