import { nearestWord } from '../../base/nearest.ts';
import type { Operation, OperationKind } from './operation.ts';

/** What an operation cannot be without: `name:type`, where t is text, f a path or slot, n a number, o one or null, l a list. */
const NEEDED: Readonly<Record<OperationKind, string>> = {
  mkdir: 'path:t',
  create: 'path:t',
  open: 'slot:n path:t flags:l',
  close: 'slot:n',
  unlink: 'path:t',
  rmdir: 'path:t',
  readdir: 'path:t',
  readlink: 'path:t',
  rename: 'from:t to:t',
  link: 'from:f to:t',
  symlink: 'target:t path:t',
  mknod: 'path:t kind:t',
  stat: 'file:f',
  chmod: 'file:f mode:n',
  chown: 'file:f uid:o gid:o',
  utimes: 'file:f access:o modify:o',
  setFlags: 'file:f set:l clear:l',
  setXattr: 'file:f name:t length:n seed:n',
  getXattr: 'file:f name:t',
  removeXattr: 'file:f name:t',
  listXattrs: 'file:f',
  readDirectory: 'slot:n count:n',
  seekDirectory: 'slot:n to:t',
  truncate: 'file:f size:n',
  write: 'file:f offset:o length:n seed:n',
  read: 'file:f offset:n length:n',
  mapRead: 'file:f offset:n length:n',
  msync: 'file:f offset:n length:n',
  mapWrite: 'file:f offset:n length:n seed:n',
  fallocate: 'file:f mode:t offset:n length:n',
  seek: 'file:f offset:n what:t',
  fiemap: 'file:f',
  reflink: 'source:f from:n target:f to:n length:n',
  dedupe: 'source:f from:n target:f to:n length:n',
  copyRange: 'source:f from:n target:f to:n length:n',
  fsync: 'file:f',
  fdatasync: 'file:f',
  dropPages: 'file:f',
  sync: '',
  dropCaches: '',
  remount: '',
  statfs: '',
};

const TYPES: Readonly<Record<string, readonly [words: string, fits: (value: unknown) => boolean]>> = {
  t: ['text', (value) => typeof value === 'string'],
  f: ['a path or the number of a slot', (value) => typeof value === 'string' || Number.isSafeInteger(value)],
  n: ['a whole number', (value) => typeof value === 'number' && Number.isInteger(value)],
  o: ['a whole number or null', (value) => value === null || (typeof value === 'number' && Number.isInteger(value))],
  l: ['a list', Array.isArray],
};

/** The sequence that was given, or all that is wrong with it, one line each. */
export function checkSequence(value: unknown): readonly Operation[] | { readonly problems: readonly string[] } {
  if (!Array.isArray(value)) return { problems: ['a sequence is a list of operations, as this command prints it'] };
  const problems = value.flatMap((operation: unknown, index) =>
    problemsOf(operation).map((problem) => `operation ${index}: ${problem}`),
  );
  return problems.length > 0 ? { problems } : (value as Operation[]);
}

function problemsOf(operation: unknown): string[] {
  if (typeof operation !== 'object' || operation === null) return [`expected {"do": …}, found ${show(operation)}`];
  const fields = operation as Readonly<Record<string, unknown>>;
  const kind = fields['do'];
  if (typeof kind !== 'string' || !Object.hasOwn(NEEDED, kind)) {
    const nearest = typeof kind === 'string' ? nearestWord(kind, Object.keys(NEEDED)) : null;
    const hint = nearest === null ? `one of: ${Object.keys(NEEDED).join(', ')}` : `did you mean "${nearest}"?`;
    return [`there is no "do": ${show(kind)}; ${hint}`];
  }
  const needed = NEEDED[kind as OperationKind].split(' ').filter((field) => field !== '');
  return needed.flatMap((field) => {
    const [name, letter] = field.split(':') as [string, string];
    const [words, fits] = TYPES[letter]!;
    return fits(fields[name]) ? [] : [`"${kind}" needs "${name}", ${words}, found ${show(fields[name])}`];
  });
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 40);
}
