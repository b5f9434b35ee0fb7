import { suggest } from '../base/nearest.ts';
import type { OperationList, PlacedOperation } from './check-operations.ts';
import type { Checker } from './checker.ts';
import type { Path } from './located.ts';
import type { FileReference, Operation, Outcome } from './model.ts';

/** `other`: a symlink or a special file, which holds no bytes of its own. */
type FileKind = 'file' | 'directory' | 'other';

/** Which names there are; what cannot be known is not claimed. */
export class Namespace {
  private readonly kinds = new Map<string, FileKind>();
  /** Directories under which anything may be. */
  private readonly unknownBelow: string[] = [];
  isCertain = true;

  copy(): Namespace {
    const other = new Namespace();
    for (const [path, kind] of this.kinds) other.kinds.set(path, kind);
    other.unknownBelow.push(...this.unknownBelow);
    other.isCertain = this.isCertain;
    return other;
  }

  kindOf(path: string): FileKind | null {
    return path === '' || path === '/' ? 'directory' : (this.kinds.get(path) ?? null);
  }

  mayExist(path: string): boolean {
    return this.kindOf(path) !== null || this.unknownBelow.some((directory) => path.startsWith(`${directory}/`));
  }

  add(path: string, kind: FileKind): void {
    this.kinds.set(path, kind);
  }

  remove(path: string): void {
    this.kinds.delete(path);
  }

  below(path: string): readonly string[] {
    return [...this.kinds.keys()].filter((other) => other.startsWith(`${path}/`));
  }

  move(from: string, to: string): void {
    for (const path of [from, ...this.below(from)]) {
      const kind = this.kinds.get(path);
      this.kinds.delete(path);
      if (kind !== undefined) this.kinds.set(to + path.slice(from.length), kind);
    }
  }

  forgetBelow(path: string): void {
    this.unknownBelow.push(path);
  }

  paths(kind: FileKind | null = null): readonly string[] {
    return [...this.kinds].filter(([, found]) => kind === null || found === kind).map(([path]) => path);
  }
}

/** Follows setup step by step, reports what is certain to fail, and returns the names it leaves. */
export function checkSetupNames(checker: Checker, setup: OperationList): Namespace {
  const names = new Namespace();
  for (const placed of setup.operations) {
    if (!names.isCertain || !setup.isComplete) break;
    const { operation } = placed;
    if (operation.expect !== null && !operation.expect.includes('ok')) continue; // it fails, as intended
    if (operation.expect !== null && operation.expect.length > 1) {
      names.isCertain = false;
      break;
    }
    followSetup(checker, names, placed);
  }
  if (!setup.isComplete) names.isCertain = false;
  return names;
}

function followSetup(checker: Checker, names: Namespace, placed: PlacedOperation): void {
  const { operation } = placed;
  const refuse = (path: Path, message: string, hint: string | null = null) =>
    checker.reportAt(placed.node, path, 'file-state', message, hint);
  const newName = newNameOf(operation);
  if (newName !== null) {
    checkParent(names, names, newName, refuse);
    if (mustBeFree(operation) && names.kindOf(newName.path) !== null) {
      refuse(newName.at, `${newName.path} already exists (EEXIST)`);
    }
  }
  const existing = existingNameOf(operation);
  if (existing !== null) checkExists(names, names, existing, operation, refuse);
  switch (operation.kind) {
    case 'mkdir':
      names.add(operation.path, 'directory');
      break;
    case 'create':
      names.add(operation.path, 'file');
      break;
    case 'link':
      names.add(operation.to, kindOfFile(names, operation.file));
      break;
    case 'symlink':
    case 'mknod':
      names.add(operation.path, 'other');
      break;
    case 'unlink':
    case 'rmdir':
      names.remove(operation.path);
      break;
    case 'rename':
      followRename(names, operation, refuse);
      break;
  }
}

type Refuse = (path: Path, message: string, hint?: string | null) => void;
interface NamedPath {
  readonly path: string;
  readonly at: Path;
}

function followRename(names: Namespace, operation: Operation & { readonly kind: 'rename' }, refuse: Refuse): void {
  const { from, to, exchange } = operation;
  if (exchange) {
    // Whole trees may change places: from here on nothing is certain.
    if (names.kindOf(to) === null && !names.mayExist(to)) refuse(['rename', 'to'], `nothing makes ${to} (ENOENT)`);
    names.isCertain = false;
    return;
  }
  if (to.startsWith(`${from}/`)) {
    refuse(['rename', 'to'], `${from} cannot move into itself (EINVAL)`);
    return;
  }
  const target = names.kindOf(to);
  const source = names.kindOf(from);
  if (from !== to && target !== null && source !== null && target !== source) {
    refuse(['rename', 'to'], `${to} is a ${target}, ${from} a ${source}: one cannot replace the other`);
  } else if (from !== to && target === 'directory' && names.below(to).length > 0) {
    refuse(['rename', 'to'], `the directory ${to} is not empty (ENOTEMPTY)`);
  }
  names.move(from, to);
}

/** Reports what is certain to fail whatever the interleaving: names that neither setup nor any task makes. */
export function checkTaskNames(checker: Checker, before: Namespace, tasks: readonly OperationList[]): void {
  if (!before.isCertain || tasks.some((task) => !task.isComplete)) return;
  const possible = before.copy();
  const lasting = before.copy();
  for (const { operation } of tasks.flatMap((task) => task.operations)) collect(operation, possible, lasting);
  for (const placed of tasks.flatMap((task) => task.operations)) {
    const { operation, node } = placed;
    const refuse: Refuse = (path, message, hint = null) => checker.reportAt(node, path, 'file-state', message, hint);
    const newName = newNameOf(operation);
    if (newName !== null && !isExpected(operation, ['ENOENT', 'ENOTDIR']))
      checkParent(possible, lasting, newName, refuse);
    if (
      newName !== null &&
      mustBeFree(operation) &&
      lasting.kindOf(newName.path) !== null &&
      !isExpected(operation, ['EEXIST'])
    ) {
      refuse(newName.at, `${newName.path} already exists and nobody removes it (EEXIST)`, 'or say expect: EEXIST');
    }
    const existing = existingNameOf(operation);
    if (existing !== null && !isExpected(operation, ['ENOENT', 'EISDIR', 'ENOTDIR']))
      checkExists(possible, lasting, existing, operation, refuse);
  }
}

function collect(operation: Operation, possible: Namespace, lasting: Namespace): void {
  switch (operation.kind) {
    case 'mkdir':
      possible.add(operation.path, 'directory');
      break;
    case 'create':
      if (possible.kindOf(operation.path) === null) possible.add(operation.path, 'file');
      break;
    case 'link':
      if (possible.kindOf(operation.to) === null) possible.add(operation.to, kindOfFile(possible, operation.file));
      break;
    case 'symlink':
    case 'mknod':
      if (possible.kindOf(operation.path) === null) possible.add(operation.path, 'other');
      break;
    case 'unlink':
    case 'rmdir':
      lasting.remove(operation.path);
      break;
    case 'rename':
      // What it moves may be a directory with anything in it.
      possible.add(operation.to, possible.kindOf(operation.from) ?? 'file');
      possible.forgetBelow(operation.to);
      for (const path of [operation.from, ...lasting.below(operation.from)]) lasting.remove(path);
      if (!operation.exchange) break;
      possible.forgetBelow(operation.from);
      for (const path of [operation.to, ...lasting.below(operation.to)]) lasting.remove(path);
      break;
  }
}

function isExpected(operation: Operation, outcomes: readonly Outcome[]): boolean {
  return operation.expect?.some((outcome) => outcomes.includes(outcome)) === true;
}

/** `sure` has the names that nobody removes: only of these it is certain what kind they are. */
function checkParent(names: Namespace, sure: Namespace, name: NamedPath, refuse: Refuse): void {
  const parent = name.path.slice(0, name.path.lastIndexOf('/'));
  if (
    parent === '' ||
    names.kindOf(parent) === 'directory' ||
    (names.kindOf(parent) === null && names.mayExist(parent))
  )
    return;
  if (sure.kindOf(parent) === 'file') refuse(name.at, `${parent} is a file, not a directory (ENOTDIR)`);
  else if (names.kindOf(parent) === null)
    refuse(
      name.at,
      `nothing makes the directory ${parent} (ENOENT)`,
      suggestPath(parent, names.paths('directory')) ?? `mkdir: ${parent} first`,
    );
}

function checkExists(names: Namespace, sure: Namespace, name: NamedPath, operation: Operation, refuse: Refuse): void {
  const kind = names.kindOf(name.path);
  if (kind === null) {
    if (!names.mayExist(name.path)) {
      const hint = suggestPath(name.path, names.paths()) ?? `create: ${name.path} first, or say expect: ENOENT`;
      refuse(name.at, `nothing makes ${name.path} (ENOENT)`, hint);
    }
    return;
  }
  if (WANTS_DIRECTORY.has(operation.kind)) {
    if (sure.kindOf(name.path) !== null && sure.kindOf(name.path) !== 'directory')
      refuse(name.at, `${name.path} is no directory (ENOTDIR)`);
    return;
  }
  if (sure.kindOf(name.path) === 'other' && !TAKES_ANY_KIND.has(operation.kind)) {
    refuse(name.at, `${name.path} is a symlink or special file`, 'name the file itself: judges do not follow links');
  }
  const mayBeDirectory = TAKES_DIRECTORIES.has(operation.kind);
  if (sure.kindOf(name.path) === 'directory' && !mayBeDirectory)
    refuse(name.at, `${name.path} is a directory (EISDIR)`);
}

/** What leads to a directory as well as to a file; what must be one; what is about the name and not what it leads to. */
const TAKES_DIRECTORIES = new Set(['rename', 'fsync', 'fdatasync', 'chmod', 'chown', 'set-xattr', 'remove-xattr']);
const WANTS_DIRECTORY = new Set(['rmdir', 'readdir', 'tmpfile']);
const TAKES_ANY_KIND = new Set(['rename', 'unlink', 'link']);

/** Only another path of one's own is worth a word; a list of all is not. */
function suggestPath(path: string, known: readonly string[]): string | null {
  const hint = suggest(path, known);
  return hint?.startsWith('did you mean') === true ? hint : null;
}

/** A rename replaces what has the new name. */
function mustBeFree(operation: Operation): boolean {
  return operation.kind !== 'rename' || operation.noReplace;
}

function kindOfFile(names: Namespace, file: FileReference): FileKind {
  return file.kind === 'path' ? (names.kindOf(file.path) ?? 'file') : 'file';
}

function newNameOf(operation: Operation): NamedPath | null {
  switch (operation.kind) {
    case 'mkdir':
      return { path: operation.path, at: ['mkdir'] };
    case 'create':
      return { path: operation.path, at: ['create'] };
    case 'rename':
    case 'link':
      return { path: operation.to, at: [operation.kind, 'to'] };
    case 'symlink':
    case 'mknod':
      return { path: operation.path, at: [operation.kind, 'path'] };
    default:
      return null;
  }
}

function existingNameOf(operation: Operation): NamedPath | null {
  switch (operation.kind) {
    case 'open':
      return { path: operation.path, at: ['open', 'file'] };
    case 'unlink':
    case 'rmdir':
    case 'readdir':
      return { path: operation.path, at: [operation.kind] };
    case 'tmpfile':
      return { path: operation.directory, at: ['tmpfile', 'directory'] };
    case 'rename':
      return { path: operation.from, at: ['rename', 'from'] };
    case 'truncate':
    case 'write':
    case 'read':
    case 'fsync':
    case 'fdatasync':
    case 'fiemap':
    case 'fallocate':
    case 'corrupt':
    case 'link':
    case 'chmod':
    case 'chown':
    case 'set-xattr':
    case 'remove-xattr':
    case 'punch':
    case 'zero':
    case 'reflink':
    case 'copy':
    case 'dedupe':
    case 'msync':
    case 'seek':
      return pathOf(operation.kind, operation.file);
    case 'drop-caches':
      return operation.range === undefined ? null : pathOf(operation.kind, operation.range.file);
    default:
      return null;
  }
}

function pathOf(kind: string, file: FileReference): NamedPath | null {
  return file.kind === 'path' ? { path: file.path, at: [kind, 'file'] } : null;
}
