import { type Call, nameOf, openerOf, textArgument } from './calls.ts';
import { exploreOrders, type Orders, seenBy } from './orders.ts';

/** A file or directory as such, whatever it is called. */
export interface Identity {
  readonly kind: 'file' | 'directory' | 'unknown';
  /** Where it lay before the run; null when the run made it. */
  readonly initialPath: string | null;
  /** What made it; null when it was there before the run. */
  readonly madeBy: Call | null;
}

/** What a path is at one moment. */
export type PathState = 'file' | 'directory' | 'missing' | 'no-parent' | 'parent-is-file' | 'unknown';

/** The names that were there before the run: path to kind. Null: not known. */
export type InitialNames = ReadonlyMap<string, 'file' | 'directory' | 'unknown'> | null;

const MUTATIONS = new Set(['mkdir', 'create', 'unlink', 'rmdir', 'rename', 'link', 'symlink', 'mknod']);
/** These errnos of a mutation say that nothing was changed. */
const UNCHANGED = new Set([
  'EEXIST',
  'ENOENT',
  'ENOTDIR',
  'EISDIR',
  'ENOTEMPTY',
  'EINVAL',
  'ENAMETOOLONG',
  'EBADF',
  'ENOSPC',
  'EPERM',
  'EMLINK',
  'EXDEV',
  'ELOOP',
]);

/** Symlinks and special files hold no bytes that anybody judges. */
const MADE: Readonly<Record<string, Identity['kind']>> = { mkdir: 'directory', create: 'file', tmpfile: 'file' };

const ROOT: Identity = { kind: 'directory', initialPath: '/', madeBy: null };

/** Names that differ from the initial ones: null where a name has gone. Never changed once made. */
type Names = ReadonlyMap<string, Identity | null>;

/**
 * Which names may have meant what, and when: every legal order of the operations that change names. Conservative:
 * where orders are too many or paths too tangled, everything is possible.
 */
export class Namespace {
  private readonly initial: InitialNames;
  private readonly aliases: ReadonlyMap<string, string>;
  private readonly initialIdentities = new Map<string, Identity>();
  private readonly made = new Map<Call, Identity>();
  private readonly calls: readonly Call[];
  private readonly mutations: readonly Call[];
  /** Null: too ambiguous. */
  private readonly orders: Orders<Call, Names> | null;

  /**
   * `aborted`: the engine's memory may show the half of a change that failed. `aliases`: to further names that a file
   * had before the run, its first one.
   */
  constructor(
    calls: readonly Call[],
    initial: InitialNames,
    aborted = false,
    aliases: ReadonlyMap<string, string> = new Map(),
  ) {
    this.aliases = aliases;
    this.initial = initial;
    this.calls = calls;
    this.mutations = calls.filter((call) => isMutation(call, aborted));
    this.orders =
      this.mutations.length === 0
        ? null
        : exploreOrders<Call, Names>(this.mutations, new Map(), {
            step: (names, call) => this.outcomes(names, call),
            same: sameNames,
          });
  }

  /** Mutations that no order explains; empty when there is one, or when it cannot be told. */
  contradiction(): readonly Call[] {
    if (this.orders === null || this.orders.configurations.length > 0) return [];
    return this.movesDirectories() ? [] : this.orders.stuck;
  }

  /** All that `path` may have been to `call`, and all that it may have denoted. */
  situationsOf(call: Call, path: string): { readonly states: Set<PathState>; readonly identities: Set<Identity> } {
    const states = new Set<PathState>();
    const identities = new Set<Identity>();
    const look = (names: Names) => {
      states.add(this.stateOf(names, path));
      const identity = this.lookup(names, path);
      if (identity !== null) identities.add(identity);
    };
    if (this.mutations.length === 0) look(NO_CHANGES);
    else if (this.isUnjudged()) states.add('unknown');
    else for (const configuration of seenBy(this.orders!, call)) look(configuration.state);
    return { states, identities };
  }

  /** Whether a directory at `path` may have had something in it. */
  mayHaveChildren(call: Call, path: string): boolean {
    if (this.initial === null || this.mutations.length === 0 || this.isUnjudged()) return true;
    for (const { state } of seenBy(this.orders!, call)) if (this.childrenOf(state, path).length > 0) return true;
    return false;
  }

  /** Everything that may be there at the end: one map of path to identity per legal ending. Null: not known. */
  endings(): ReadonlyMap<string, Identity>[] | null {
    if (this.initial === null) return null;
    if (this.mutations.length === 0) return [this.allNames(NO_CHANGES)];
    if (this.isUnjudged()) return null;
    const endings: Map<string, Identity>[] = [];
    for (const { state } of this.orders!.complete) endings.push(this.allNames(state));
    return endings;
  }

  /** True when nothing can be said about names. */
  isUnjudged(): boolean {
    if (this.mutations.length === 0) return false;
    return this.orders === null || this.orders.configurations.length === 0 || this.movesDirectories();
  }

  /** The identity that `call` made, if it makes one and may have worked. */
  madeBy(call: Call): Identity {
    let identity = this.made.get(call);
    if (identity === undefined) {
      identity = { kind: MADE[call.kind] ?? 'unknown', initialPath: null, madeBy: call };
      this.made.set(call, identity);
    }
    return identity;
  }

  /** Path walks are not atomic: a directory that moves under a walk makes almost anything legal. */
  private movesDirectories(): boolean {
    if (this.directoryMoves === null) {
      this.directoryMoves = this.mutations.some(
        (call) =>
          call.kind === 'rename' &&
          call.path !== null &&
          (this.mayBeDirectory(call.path) || (isExchange(call) && this.mayBeDirectory(textArgument(call, 'to')!))),
      );
    }
    return this.directoryMoves;
  }
  private directoryMoves: boolean | null = null;

  private mayBeDirectory(path: string): boolean {
    if (this.initial === null || this.initial.get(path) === 'directory') return true;
    return this.mutations.some((call) => call.kind === 'mkdir' && (call.path === path || this.mayBeMovedTo(path)));
  }

  private mayBeMovedTo(path: string): boolean {
    return this.mutations.some((call) => call.kind === 'rename' && textArgument(call, 'to') === path);
  }

  private outcomes(names: Names, call: Call): readonly Names[] {
    const after = this.apply(names, call);
    if (call.succeeded) return after === null ? [] : [after];
    return after === null ? [names] : [names, after];
  }

  /** Null when the operation cannot succeed there. */
  private apply(names: Names, call: Call): Names | null {
    if (call.kind === 'link') return this.applyLink(names, call);
    const path = call.path;
    if (path === null) return names;
    const state = this.stateOf(names, path);
    switch (call.kind) {
      case 'mkdir':
      case 'create':
      case 'symlink':
      case 'mknod':
        return state === 'missing' || state === 'unknown' ? withName(names, path, this.madeBy(call)) : null;
      case 'unlink':
        return state === 'file' || state === 'unknown' ? withName(names, path, null) : null;
      case 'rmdir':
        if (state === 'unknown') return withName(names, path, null);
        return state === 'directory' && this.childrenOf(names, path).length === 0 ? withName(names, path, null) : null;
      default:
        return isExchange(call)
          ? this.applyExchange(names, path, textArgument(call, 'to') ?? path)
          : this.applyRename(names, path, textArgument(call, 'to') ?? path, call.record.args['noReplace'] === true);
    }
  }

  private applyLink(names: Names, call: Call): Names | null {
    const to = textArgument(call, 'to');
    if (to === null) return names;
    const source = call.path === null ? this.heldBy(call) : this.lookup(names, call.path);
    if (source === null || source.kind === 'directory') return null;
    const state = this.stateOf(names, to);
    return state === 'missing' || state === 'unknown' ? withName(names, to, source) : null;
  }

  /** What the handle of a call leads to, as far as its opener tells. */
  private heldBy(call: Call): Identity {
    const opener = openerOf(call, this.calls);
    return opener?.kind === 'tmpfile' || opener?.kind === 'create' ? this.madeBy(opener) : this.madeBy(call);
  }

  private applyExchange(names: Names, a: string, b: string): Names | null {
    const first = this.lookup(names, a);
    const second = this.lookup(names, b);
    if (first === null || second === null || a.startsWith(`${b}/`) || b.startsWith(`${a}/`)) return null;
    const after = new Map(names);
    const moves: [string, Identity | null][] = [];
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const child of this.childrenOf(names, from)) {
        moves.push([to + child.slice(from.length), this.lookup(names, child)]);
        after.set(child, null);
      }
    }
    for (const [path, identity] of moves) after.set(path, identity);
    after.set(a, second);
    after.set(b, first);
    return after;
  }

  private applyRename(names: Names, from: string, to: string, mustBeFree: boolean): Names | null {
    const moved = this.lookup(names, from);
    if (moved === null) return null;
    if (mustBeFree && this.lookup(names, to) !== null) return null;
    const target = this.stateOf(names, to);
    if (target === 'no-parent' || target === 'parent-is-file' || to.startsWith(`${from}/`)) return null;
    const replaced = this.lookup(names, to);
    // Two names of one file: nothing is to be done.
    if (from === to || replaced === moved) return names;
    if (replaced !== null && replaced.kind !== 'unknown' && moved.kind !== 'unknown') {
      if (replaced.kind !== moved.kind) return null;
      if (replaced.kind === 'directory' && this.childrenOf(names, to).length > 0) return null;
    }
    const after = new Map(names);
    for (const child of this.childrenOf(names, from)) {
      after.set(to + child.slice(from.length), this.lookup(names, child));
      after.set(child, null);
    }
    after.set(from, null);
    after.set(to, moved);
    return after;
  }

  private stateOf(names: Names, path: string): PathState {
    const identity = this.lookup(names, path);
    if (identity !== null) return identity.kind;
    const parent = parentOf(path);
    if (parent === null) return 'missing';
    const above = this.lookup(names, parent);
    if (above === null)
      return this.stateOf(names, parent) === 'parent-is-file' ? 'parent-is-file' : this.aboveMissing(names, parent);
    if (above.kind === 'unknown') return 'unknown';
    return above.kind === 'directory' ? 'missing' : 'parent-is-file';
  }

  private aboveMissing(names: Names, parent: string): PathState {
    return this.stateOf(names, parent) === 'unknown' ? 'unknown' : 'no-parent';
  }

  private lookup(names: Names, path: string): Identity | null {
    if (path === '/' || path === '') return ROOT;
    const changed = names.get(path);
    if (changed !== undefined) return changed;
    if (this.initial === null) return this.initialIdentity(path, 'unknown');
    const kind = this.initial.get(path);
    return kind === undefined ? null : this.initialIdentity(path, kind);
  }

  private initialIdentity(name: string, kind: Identity['kind']): Identity {
    const path = this.aliases.get(name) ?? name;
    let identity = this.initialIdentities.get(path);
    if (identity === undefined) {
      identity = { kind, initialPath: path, madeBy: null };
      this.initialIdentities.set(path, identity);
    }
    return identity;
  }

  private childrenOf(names: Names, path: string): string[] {
    const prefix = path === '/' ? '/' : `${path}/`;
    const children: string[] = [];
    for (const [name, identity] of names) if (identity !== null && name.startsWith(prefix)) children.push(name);
    if (this.initial === null) return children;
    for (const name of this.initial.keys()) if (name.startsWith(prefix) && !names.has(name)) children.push(name);
    return children.sort();
  }

  private allNames(names: Names): Map<string, Identity> {
    const all = new Map<string, Identity>();
    for (const path of this.initial!.keys()) {
      if (!names.has(path)) all.set(path, this.lookup(names, path)!);
    }
    for (const [path, identity] of names) if (identity !== null) all.set(path, identity);
    return all;
  }
}

const NO_CHANGES: Names = new Map();

/** `/a/b (made by writer#0)`, for people. */
export function showIdentity(identity: Identity): string {
  if (identity.initialPath !== null) return identity.initialPath;
  return `${identity.madeBy!.path} (made by ${nameOf(identity.madeBy!)})`;
}

function isMutation(call: Call, aborted: boolean): boolean {
  if (!MUTATIONS.has(call.kind) || (call.path === null && call.kind !== 'link')) return false;
  const result = call.record.result;
  if (result === null || result.error === null) return true;
  return !UNCHANGED.has(result.error) || (aborted && result.error === 'ENOSPC');
}

function isExchange(call: Call): boolean {
  return call.record.args['exchange'] === true;
}

function withName(names: Names, path: string, identity: Identity | null): Names {
  const after = new Map(names);
  after.set(path, identity);
  return after;
}

function sameNames(a: Names, b: Names): boolean {
  if (a.size !== b.size) return false;
  for (const [path, identity] of a) if (b.get(path) !== identity || !b.has(path)) return false;
  return true;
}

/** Null of the root. */
function parentOf(path: string): string | null {
  const slash = path.lastIndexOf('/');
  if (path === '/' || slash < 0) return null;
  return slash === 0 ? '/' : path.slice(0, slash);
}
