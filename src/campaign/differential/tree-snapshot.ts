import type { Task } from '../../task/task.ts';
import { comparableStatus, compareValues, type Disagreement, mergeExtents } from './compare.ts';
import { type ComparedAs, isFieldCompared } from './exceptions.ts';
import type { ExtentValue, Operation, PathText, StatusValue } from './operation.ts';
import type { TestedFileSystem } from './tested-file-system.ts';

/** Everything that a program can learn of a tree: by path, then by field. */
export type TreeSnapshot = ReadonlyMap<PathText, ReadonlyMap<string, unknown>>;

export interface SnapshotOptions {
  readonly type: ComparedAs;
  /** All data is on disk: ask for blocks and FIEMAP, too. */
  readonly isSettled: boolean;
}

const READ_MAX = 4 * 2 ** 20;
const PIECE = 2 ** 20;

export function* takeSnapshot(fs: TestedFileSystem, options: SnapshotOptions): Task<TreeSnapshot> {
  const tree = new Map<PathText, ReadonlyMap<string, unknown>>();
  const waiting: PathText[] = ['/'];
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    const fields = new Map<string, unknown>();
    tree.set(path, fields);
    const status = (yield* ask(fs, { do: 'stat', file: path, follow: false })) as StatusValue;
    if (typeof status === 'string') {
      fields.set('status', status);
      continue;
    }
    for (const [name, value] of Object.entries(comparableStatus(options.type, status, options.isSettled)))
      fields.set(name, value);
    yield* addXattrs(fs, path, fields);
    if (status.kind === 'symlink') fields.set('target', yield* ask(fs, { do: 'readlink', path }));
    if (status.kind === 'file') yield* addContent(fs, path, status.size, fields, options);
    if (status.kind !== 'directory') continue;
    const names = (yield* ask(fs, { do: 'readdir', path })) as readonly PathText[];
    fields.set('names', isFieldCompared(options.type, 'order') ? names : [...names].sort());
    if (typeof names !== 'string')
      waiting.push(...names.map((name) => (path === '/' ? `/${name}` : `${path}/${name}`)));
  }
  return tree;
}

function* addXattrs(fs: TestedFileSystem, path: PathText, fields: Map<string, unknown>): Task<void> {
  if (!fs.supports('listXattrs')) return;
  const names = yield* ask(fs, { do: 'listXattrs', file: path, follow: false });
  if (typeof names === 'string') {
    fields.set('xattrs', names);
    return;
  }
  for (const name of [...(names as PathText[])].sort()) {
    fields.set(`xattr ${name}`, yield* ask(fs, { do: 'getXattr', file: path, name, follow: false }));
  }
}

function* addContent(
  fs: TestedFileSystem,
  path: PathText,
  size: number,
  fields: Map<string, unknown>,
  { type, isSettled }: SnapshotOptions,
): Task<void> {
  if (isSettled && isFieldCompared(type, 'extents')) {
    const list = yield* ask(fs, { do: 'fiemap', file: path });
    fields.set('extents', typeof list === 'string' ? list : mergeExtents(type, list as ExtentValue[]));
  }
  const hasRanges = isFieldCompared(type, 'data-ranges');
  const ranges = hasRanges ? yield* dataRanges(fs, path, size) : bothEnds(size);
  if (hasRanges) fields.set('data', ranges);
  for (const [start, end] of ranges) {
    for (let at = start; at < end && at < size; at += PIECE) {
      const length = Math.min(PIECE, end - at);
      fields.set(`bytes from ${at}`, yield* ask(fs, { do: 'read', file: path, offset: at, length }));
    }
  }
}

function* dataRanges(fs: TestedFileSystem, path: PathText, size: number): Task<readonly (readonly [number, number])[]> {
  const ranges: [number, number][] = [];
  for (let at = 0; at < size; ) {
    const start = yield* ask(fs, { do: 'seek', file: path, offset: at, what: 'data' });
    if (typeof start !== 'number') break;
    const end = yield* ask(fs, { do: 'seek', file: path, offset: start, what: 'hole' });
    if (typeof end !== 'number' || end <= start) break;
    ranges.push([start, end]);
    at = end;
  }
  return ranges;
}

/** Where data ranges differ on purpose, all of a small file is read, and the ends of a large one. */
function bothEnds(size: number): readonly (readonly [number, number])[] {
  if (size <= 2 * READ_MAX) return [[0, size]];
  return [
    [0, READ_MAX],
    [size - READ_MAX, size],
  ];
}

/** The value, or the error's name. */
function* ask(fs: TestedFileSystem, operation: Operation): Task<unknown> {
  const outcome = yield* fs.perform(operation);
  return 'error' in outcome ? outcome.error : outcome.value;
}

export interface TreeDisagreement extends Disagreement {
  readonly path: PathText;
  readonly field: string;
}

/** The first difference, in the order of the walk. */
export function compareSnapshots(engine: TreeSnapshot, linux: TreeSnapshot): TreeDisagreement | null {
  for (const [path, fields] of linux) {
    const others = engine.get(path);
    if (others === undefined) return { path, field: 'name', engine: 'absent', linux: 'there' };
    for (const [field, value] of fields) {
      const difference = compareValues(others.has(field) ? others.get(field) : 'absent', value);
      if (difference !== null) return { path, field, ...difference };
    }
    for (const field of others.keys()) {
      if (!fields.has(field)) return { path, field, engine: 'there', linux: 'absent' };
    }
  }
  for (const path of engine.keys()) {
    if (!linux.has(path)) return { path, field: 'name', engine: 'there', linux: 'absent' };
  }
  return null;
}
