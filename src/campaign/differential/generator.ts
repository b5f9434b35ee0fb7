import { randomStream } from '../../base/random.ts';
import { Draws, PAGE } from './draws.ts';
import { KnownPaths } from './known-paths.ts';
import { GROWING, type Limitation, NOT_PORTABLE } from './limitations.ts';
import { drawName, drawXattrName } from './name-pool.ts';
import type {
  FallocateMode,
  InodeFlag,
  NodeKind,
  OpenFlag,
  Operation,
  OperationKind,
  Outcome,
  PathText,
  Target,
} from './operation.ts';

/** Open files at once. */
export const SLOTS = 6;
const DEPTH_MAX = 5;
/** Above this many names removals become likelier, so that listings stay short. */
const NAMES_MANY = 60;

/** How often each operation is drawn; missing: never. */
export type Weights = Partial<Record<OperationKind, number>>;

export const WEIGHTS_OF_ALL: Weights = {
  mkdir: 8,
  create: 12,
  open: 14,
  close: 8,
  unlink: 10,
  rmdir: 6,
  rename: 14,
  link: 8,
  symlink: 6,
  mknod: 3,
  readdir: 3,
  readlink: 3,
  stat: 6,
  chmod: 4,
  chown: 3,
  utimes: 3,
  setFlags: 2,
  setXattr: 10,
  getXattr: 4,
  removeXattr: 4,
  listXattrs: 2,
  readDirectory: 4,
  seekDirectory: 2,
  truncate: 12,
  write: 40,
  read: 10,
  mapWrite: 6,
  mapRead: 4,
  msync: 2,
  fallocate: 16,
  seek: 6,
  fiemap: 4,
  reflink: 8,
  dedupe: 5,
  copyRange: 4,
  fsync: 6,
  fdatasync: 2,
  dropPages: 3,
  sync: 3,
  dropCaches: 1,
  remount: 1,
  statfs: 1,
};

/** Draws operations: equal seeds and equal outcomes give equal sequences. */
export class Generator extends Draws {
  private readonly kinds: readonly OperationKind[];
  private readonly limits: readonly number[];
  private readonly known = new KnownPaths();
  private readonly open = new Set<number>();
  private readonly direct = new Set<number>();
  private nextSeed = 1;

  private readonly limitation: Limitation | null;

  constructor(
    seed: string,
    weights: Weights,
    supports: (kind: OperationKind) => boolean,
    limitation: Limitation | null = null,
  ) {
    super(randomStream(seed, 'differential'));
    this.limitation = limitation;
    const entries = (Object.entries(weights) as [OperationKind, number][]).filter(
      ([kind]) => supports(kind) && !(this.isPortable && NOT_PORTABLE.has(kind)),
    );
    this.kinds = entries.map(([kind]) => kind);
    let sum = 0;
    this.limits = entries.map(([, weight]) => (sum += weight));
  }

  private get isPortable(): boolean {
    return this.limitation === 'portable';
  }

  next(): Operation {
    const kind = this.drawKind();
    const isCrowded = this.known.count > NAMES_MANY;
    if (isCrowded && (kind === 'create' || kind === 'mkdir' || kind === 'symlink')) {
      return this.make(this.random.chance(1, 3) ? 'rmdir' : 'unlink');
    }
    return this.make(kind);
  }

  /** What came of the operation drawn last. */
  note(operation: Operation, outcome: Outcome): void {
    if ('error' in outcome) return;
    this.known.note(operation);
    if (operation.do === 'open') {
      this.open.add(operation.slot);
      if (operation.flags.includes('direct')) this.direct.add(operation.slot);
      else this.direct.delete(operation.slot);
    }
    if (operation.do === 'close') this.open.delete(operation.slot);
    if (operation.do === 'remount') this.open.clear();
  }

  private drawKind(): OperationKind {
    const roll = this.random.below(this.limits.at(-1)!);
    return this.kinds[this.limits.findIndex((limit) => roll < limit)]!;
  }

  private make(kind: OperationKind): Operation {
    return this.makeName(kind) ?? this.makeAttribute(kind) ?? this.makeData(kind);
  }

  private makeName(kind: OperationKind): Operation | null {
    switch (kind) {
      case 'mkdir':
      case 'create':
        return { do: kind, path: this.newPath(), ...this.maybeMode() };
      case 'mknod': {
        const node = this.oneOf<NodeKind>(['fifo', 'socket', 'character', 'block', 'file']);
        const hasDevice = node === 'character' || node === 'block';
        const device = {
          major: this.oneOf([1, 8, 259, this.isPortable ? 300 : 4095]),
          minor: this.oneOf([0, 3, 300, 70000]),
        };
        return { do: kind, path: this.newPath(), kind: node, ...this.maybeMode(), ...(hasDevice ? { device } : {}) };
      }
      case 'symlink':
        return { do: kind, target: this.linkTarget(), path: this.newPath() };
      case 'unlink':
        return { do: kind, path: this.path(['file', 'symlink', 'special']) };
      case 'rmdir':
      case 'readdir':
        return { do: kind, path: this.path(['directory']) };
      case 'readlink':
        return { do: kind, path: this.path(['symlink']) };
      case 'rename':
        return {
          do: kind,
          from: this.path(['file', 'directory', 'symlink', 'special']),
          to: this.one(2) ? this.newPath() : this.path(['file', 'directory', 'symlink', 'special']),
          ...(this.one(6) ? { exchange: true } : {}),
          ...(this.one(10) ? { noReplace: true } : {}),
        };
      case 'link':
        return { do: kind, from: this.target(['file', 'symlink', 'special']), to: this.newPath(), ...this.follow() };
      case 'open':
        return { do: kind, slot: this.random.below(SLOTS), ...this.openHow(), ...this.maybeMode() };
      case 'close':
        return { do: kind, slot: this.slot() };
      case 'readDirectory':
        return { do: kind, slot: this.slot(), count: 1 + this.random.below(8) };
      case 'seekDirectory':
        return { do: kind, slot: this.slot(), to: this.one(2) ? 'start' : 'last' };
      default:
        return null;
    }
  }

  private makeAttribute(kind: OperationKind): Operation | null {
    const file = () => this.target(['file', 'directory', 'symlink', 'special']);
    switch (kind) {
      case 'stat':
      case 'listXattrs':
        return { do: kind, file: file(), ...this.follow() };
      case 'chmod':
        return { do: kind, file: file(), mode: this.mode() };
      case 'chown':
        return { do: kind, file: file(), uid: this.owner(), gid: this.owner(), ...this.follow() };
      case 'utimes':
        return { do: kind, file: file(), access: this.time(), modify: this.time(), ...this.follow() };
      case 'setFlags':
        return { do: kind, file: this.target(['file', 'directory']), ...this.flagChanges() };
      case 'setXattr':
        return {
          do: kind,
          file: file(),
          name: this.xattrName(),
          length: this.oneOf(this.isPortable ? [0, 1, 10, 60] : [0, 1, 10, 100, 100, 1000, 2000, 65536, 65537]),
          seed: this.seed(),
          ...(this.one(6) ? { create: true } : {}),
          ...(this.one(6) && !this.isPortable ? { replace: true } : {}),
          ...this.follow(),
        };
      case 'getXattr':
      case 'removeXattr':
        return { do: kind, file: file(), name: this.xattrName(), ...this.follow() };
      default:
        return null;
    }
  }

  private makeData(kind: OperationKind): Operation {
    const file = () => this.target(['file']);
    switch (kind) {
      case 'truncate':
        return { do: kind, file: file(), size: this.newSize() };
      case 'write': {
        const target = file();
        const offset = this.one(8) ? null : this.one(40) ? this.farOffset() : this.offset();
        return { do: kind, file: target, ...this.asDirect(target, offset, this.length()), seed: this.seed() };
      }
      case 'read': {
        const target = file();
        return { do: kind, file: target, ...this.asDirect(target, this.offset(), this.length()) };
      }
      case 'mapRead':
        return { do: kind, file: file(), offset: this.offset(), length: this.length() + 1 };
      case 'msync':
        return { do: kind, file: file(), offset: this.aligned(), length: this.length() + 1 };
      case 'mapWrite':
        return { do: kind, file: file(), offset: this.offset(), length: this.length() + 1, seed: this.seed() };
      case 'fallocate':
        return { do: kind, file: file(), ...this.fallocateRange(this.fallocateMode()) };
      case 'seek': {
        const what = this.one(2) ? 'data' : 'hole';
        // Whether there is data behind a negative offset depends on what the kernel has written out meanwhile.
        const isBefore = what === 'hole' && this.one(10);
        return { do: kind, file: file(), offset: isBefore ? -1 - this.offset() : this.offset(), what };
      }
      case 'reflink':
      case 'dedupe':
      case 'copyRange': {
        const isWhole = this.one(4);
        const from = isWhole ? 0 : this.oneOf([this.aligned(), this.aligned(), this.offset()]);
        const to = isWhole ? 0 : this.oneOf([this.aligned(), this.aligned(), this.offset()]);
        const length =
          isWhole && kind === 'reflink' ? 0 : this.oneOf([PAGE * (1 + this.random.below(20)), this.length()]);
        return { do: kind, source: file(), from, target: file(), to, length };
      }
      case 'fiemap':
      case 'fsync':
      case 'fdatasync':
      case 'dropPages':
        return { do: kind, file: file() };
      case 'sync':
      case 'dropCaches':
      case 'remount':
      case 'statfs':
        return { do: kind };
      default:
        throw new Error(`the generator does not know ${kind}`);
    }
  }

  /** Whole sectors through a handle for direct I/O: see the exception `unaligned-direct`. */
  private asDirect<Offset extends number | null>(target: Target, offset: Offset, length: number) {
    if (typeof target !== 'number' || !this.direct.has(target)) return { offset, length };
    const sectors = (bytes: number) => Math.floor(bytes / PAGE) * PAGE;
    return { offset: sectors(offset ?? this.aligned()), length: sectors(length) };
  }

  private openHow(): { path: PathText; flags: OpenFlag[] } {
    if (this.one(6)) return { path: this.path(['directory']), flags: ['directory'] };
    if (this.one(12)) return { path: this.path(['directory']), flags: ['tmpfile', ...this.flags(['exclusive'])] };
    const access = this.one(6) ? [this.oneOf<OpenFlag>(['readOnly', 'writeOnly'])] : [];
    const flags = [
      ...access,
      ...this.flags([
        this.isPortable ? 'append' : this.oneOf<OpenFlag>(['append', 'direct']),
        'noFollow',
        'truncate',
        'directory',
      ]),
    ];
    if (this.one(3)) return { path: this.newPath(), flags: ['create', ...this.flags(['exclusive']), ...flags] };
    return { path: this.path(['file', 'symlink']), flags };
  }

  private flags(of: readonly OpenFlag[]): OpenFlag[] {
    return of.filter(() => this.one(8));
  }

  /** What locks files is given back soon: later operations are to get somewhere. */
  private flagChanges(): { set: InodeFlag[]; clear: InodeFlag[] } {
    const locks: InodeFlag[] = ['immutable', 'append'];
    if (this.one(2)) return { set: [], clear: locks };
    const others: InodeFlag[] = ['sync', 'nodump', 'noatime', 'dirsync', 'nodatacow', 'nocompress'];
    if (this.one(3)) return { set: [this.oneOf(locks)], clear: [] };
    return { set: others.filter(() => this.one(4)), clear: others.filter(() => this.one(8)) };
  }

  private fallocateMode(): FallocateMode {
    return this.oneOf([
      'allocate',
      'allocate',
      'keep-size',
      'keep-size',
      'punch-hole',
      'punch-hole',
      'punch-hole',
      'zero-range',
      'zero-range',
      'zero-range-keep-size',
      ...(this.one(10) && !this.isPortable ? (['collapse-range', 'insert-range'] as const) : []),
    ]);
  }

  private newSize(): number {
    if (this.limitation === 'whole-sectors') return this.aligned();
    if (this.one(25)) return this.farOffset();
    return this.one(6) ? 0 : this.offset();
  }

  /** A punched range has whole sectors, or lies within one: see the exception `ragged-punches`. */
  private fallocateRange(drawn: FallocateMode): { mode: FallocateMode; offset: number; length: number } {
    if (this.isPortable && drawn === 'punch-hole') return this.fallocateRange('allocate');
    const mode = this.limitation === 'no-space-beyond-the-end' ? (GROWING[drawn] ?? drawn) : drawn;
    if (mode !== 'punch-hole') return { mode, offset: this.offset(), length: this.length() };
    if (this.one(3)) {
      const within = this.random.below(PAGE - 1);
      return { mode, offset: this.aligned() + within, length: 1 + this.random.below(PAGE - within) };
    }
    return { mode, offset: this.aligned(), length: PAGE * (1 + this.random.below(12)) };
  }

  private linkTarget(): PathText {
    const roll = this.random.below(12);
    if (roll < 3) return drawName(this.random);
    if (roll < 5) return `../${drawName(this.random)}`;
    if (roll < 9) return this.path(['file', 'directory', 'symlink']);
    if (roll === 9) return 'y/'.repeat(1 + this.random.below(this.isPortable ? 100 : 900));
    if (roll === 10) return '\u00ff\u0080';
    return 'z'.repeat(this.isPortable ? 300 : this.oneOf([3000, 3900, 4060, 4095, 4096]));
  }

  private target(kinds: Parameters<KnownPaths['pick']>[0]): Target {
    return this.open.size > 0 && this.one(3) ? this.slot() : this.path(kinds);
  }

  private slot(): number {
    const slots = [...this.open].sort((a, b) => a - b);
    return slots.length === 0 || this.one(15) ? this.random.below(SLOTS) : this.oneOf(slots);
  }

  /** Mostly one that is there and of such a kind. */
  private path(kinds: Parameters<KnownPaths['pick']>[0]): PathText {
    if (this.one(12)) return this.newPath();
    const wanted = this.one(15) ? (['file', 'directory', 'symlink', 'special'] as const) : kinds;
    const path = this.known.pick(wanted, (bound) => this.random.below(bound)) ?? this.newPath();
    return this.decorate(path);
  }

  private newPath(): PathText {
    const parent = this.one(3) ? '' : (this.known.pick(['directory'], (bound) => this.random.below(bound)) ?? '');
    const isDeep = parent.split('/').length > DEPTH_MAX;
    const through = this.one(20) ? this.known.pick(['symlink', 'file'], (bound) => this.random.below(bound)) : null;
    return this.decorate(`${through ?? (isDeep ? '' : parent)}/${drawName(this.random)}`);
  }

  /** Other spellings of the same path, some of which mean something else. */
  private decorate(path: PathText): PathText {
    if (!this.one(12)) return path;
    const roll = this.random.below(9);
    if (roll < 3) return `${path}/`;
    if (roll === 3) return path.replace('/', '//');
    if (roll === 4) return `${path}/.`;
    if (roll === 5) return `${path}/..`;
    if (roll === 6) return `/../..${path}`;
    if (roll === 7) return path.replace('/', '/./');
    return this.one(4) ? '' : '/';
  }

  private maybeMode(): { mode?: number } {
    return this.one(4) ? { mode: this.mode() } : {};
  }

  private xattrName(): PathText {
    return this.isPortable ? `user.${'abc'[this.random.below(3)]!}` : drawXattrName(this.random);
  }

  private follow(): { follow?: boolean } {
    return this.one(3) ? { follow: false } : this.one(3) ? { follow: true } : {};
  }

  private seed(): number {
    return this.nextSeed++;
  }
}
