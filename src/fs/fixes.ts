import { closest } from 'fastest-levenshtein';

/**
 * The registry of fix switches. A switch that is on changes exactly the code that the upstream commit changed; off, the
 * engine behaves as the kernel did before it. The engine asks `isOn` at that one place; no oracle sees a switch.
 */
export interface Fix {
  /** Readable, says what the fix does: `reuse-covering-map`. */
  readonly id: string;
  /** The first mainline kernel that has it, `4.16`. */
  readonly kernel: string;
  /** The first mainline kernel that had the bug, where it is known and matters; older kernels count as fixed. */
  readonly introduced?: string;
  readonly year: number;
  /** Upstream commit, as many digits as are confirmed; empty where none is. */
  readonly commit: string;
  /** What the commit did, in our words. */
  readonly title: string;
  readonly class: 'race' | 'crash' | 'error-path' | 'deadlock' | 'leak' | 'logic';
  /** The law that breaks when it is off and the schedule is unlucky. */
  readonly law: string;
  /** Ids of fixes that this one builds on: off implies nothing, on without them is refused. */
  readonly requires: readonly string[];
  /** Ids whose code this fix replaced: while it is on, they make no difference. */
  readonly supersedes: readonly string[];
}

export const FIXES = [
  {
    id: 'reuse-identical-map',
    kernel: '4.9',
    year: 2016,
    commit: '8dff9c853410',
    title: 'a lookup that finds an identical extent map already inserted takes it',
    class: 'race',
    law: 'errors',
    requires: [],
    supersedes: [],
  },
  {
    id: 'reuse-encompassing-map',
    kernel: '4.10',
    year: 2016,
    commit: '8e2bd3b7fac9',
    title: 'a lookup that finds a longer extent map with the same start takes it',
    class: 'race',
    law: 'errors',
    requires: ['reuse-identical-map'],
    supersedes: [],
  },
  {
    id: 'reuse-covering-map',
    kernel: '4.16',
    year: 2018,
    commit: '18e83ac75bfe',
    title: 'a lookup that finds any extent map covering the requested offset takes it',
    class: 'race',
    law: 'errors',
    requires: [],
    supersedes: ['reuse-identical-map', 'reuse-encompassing-map'],
  },
  {
    id: 'set-gap-block-length',
    kernel: '4.16',
    year: 2018,
    // Of the same series as 18e83ac75bfe; no digit of its id could be confirmed, so none is given.
    commit: '',
    title: 'an extent map cut down to fit a gap gets the block length of what is left, also when its tail was cut',
    class: 'logic',
    law: 'extent-maps',
    requires: [],
    supersedes: [],
  },
  {
    id: 'merge-only-unshared-maps',
    kernel: '5.6',
    year: 2020,
    commit: 'ac05ca913e9f',
    title: 'an extent map that somebody else holds does not grow by merging',
    class: 'race',
    law: 'errors',
    requires: [],
    supersedes: [],
  },
  {
    id: 'keep-end-when-skipping-pinned',
    kernel: '6.5',
    year: 2023,
    commit: 'c962098ca4af',
    title: 'dropping a range of extent maps around a pinned one keeps the end of the range where it was',
    class: 'logic',
    law: 'extent-maps',
    requires: [],
    supersedes: [],
  },
  {
    id: 'advance-compressed-offset',
    kernel: '6.11',
    introduced: '6.11',
    year: 2024,
    commit: 'de9f46cb0044',
    title: 'a compressed extent map cut down to fit a gap moves its offset into the extent too',
    class: 'logic',
    law: 'data',
    requires: [],
    supersedes: [],
  },
  {
    id: 'keep-trimmed-chunk',
    kernel: '3.19',
    year: 2014,
    commit: '04216820fe83',
    title:
      'a chunk whose free space is being trimmed keeps its place when its block group is removed, until the trimmer is done',
    class: 'race',
    law: 'discard',
    requires: [],
    supersedes: [],
  },
  {
    id: 'skip-removed-block-group',
    kernel: '4.4',
    year: 2015,
    commit: '020d5b7366fc',
    title: 'a scrub that finds no chunk map passes over the block group if that was removed meanwhile',
    class: 'race',
    law: 'errors',
    requires: [],
    supersedes: [],
  },
  {
    id: 'requeue-unused-after-scrub',
    kernel: '4.4',
    year: 2015,
    commit: '758f2dfcf8a2',
    title: 'a scrub that is done with an unused block group puts it back on the list for the cleaner',
    class: 'race',
    law: 'block-groups',
    requires: [],
    supersedes: [],
  },
  {
    id: 'duplicate-writes-while-replacing',
    kernel: '4.7',
    year: 2016,
    // As the model M1 that the changelog tells: the code it changed duplicated all writes already (docs/FIXES.md).
    commit: '22ab04e814f4',
    title: 'while a device replace runs, every write to the source goes to the target too, wherever the copy stands',
    class: 'race',
    law: 'replication',
    requires: [],
    supersedes: [],
  },
  {
    id: 'move-cursor-before-read-write',
    kernel: '4.7',
    year: 2016,
    commit: '1a1a8b732c7e',
    title: 'a device replace moves its left cursor past a block group before that becomes writable again',
    class: 'race',
    law: 'replication',
    requires: [],
    supersedes: [],
  },
  {
    id: 'lock-replace-cursor',
    kernel: '4.7',
    year: 2016,
    commit: '81e87a736c55',
    title: 'a device replace moves its left cursor under the lock that those who map writes hold',
    class: 'race',
    law: 'locks',
    requires: [],
    supersedes: [],
  },
  {
    id: 'lock-devices-while-removing-chunk',
    kernel: '4.7',
    year: 2016,
    commit: '57ba4cb85bff',
    title: 'the removal of a chunk keeps the end of a device replace from changing ids of devices meanwhile',
    class: 'race',
    law: 'errors',
    requires: [],
    supersedes: [],
  },
  {
    id: 'repeat-finishing-commit',
    kernel: '5.2',
    year: 2019,
    commit: 'debd1c065d20',
    title: 'the end of a device replace commits again until no chunk allocation on the source is pending',
    class: 'race',
    law: 'structure',
    requires: [],
    supersedes: [],
  },
  {
    id: 'require-read-only-for-replace',
    kernel: '5.6',
    introduced: '5.5',
    year: 2020,
    commit: '1bbb97b8ce7d',
    title: 'a device replace copies a block group only when it is read-only, and waits for writes in place before',
    class: 'race',
    law: 'replication',
    requires: [],
    supersedes: [],
  },
  {
    id: 'freeze-scrubbed-block-group',
    kernel: '5.8',
    year: 2020,
    commit: '2473d24f2b77',
    title: 'a scrub freezes the block group it is in, so that its logical and physical addresses are not reused',
    class: 'race',
    law: 'scrub',
    requires: [],
    supersedes: [],
  },
  {
    id: 'delete-item-before-removed',
    kernel: '5.8',
    year: 2020,
    commit: 'ffcb9d44572a',
    title: 'the item of a block group is deleted before others can see that the group is removed and reuse its address',
    class: 'race',
    law: 'errors',
    requires: [],
    supersedes: [],
  },
  {
    id: 'drop-reference-on-failed-removal',
    kernel: '5.8',
    year: 2020,
    commit: '9fecd13202f5',
    title: 'a removal of a block group that fails half way drops the reference that the set of block groups held',
    class: 'leak',
    law: 'block-groups',
    requires: [],
    supersedes: [],
  },
  {
    id: 'transfer-allocation-state',
    kernel: '5.9',
    introduced: '5.2',
    year: 2020,
    commit: '4c8f353272dd',
    title: 'the target of a device replace takes over which of its ranges are allocated',
    class: 'logic',
    law: 'discard',
    requires: [],
    supersedes: [],
  },
  {
    id: 'mark-new-block-group',
    kernel: '6.5',
    introduced: '6.5',
    year: 2023,
    commit: '0657b20c5a76',
    title: 'a block group whose creation is not finished stays on the list of new ones when it becomes unused',
    class: 'race',
    law: 'block-groups',
    requires: [],
    supersedes: [],
  },
] as const satisfies readonly Fix[];

export type FixId = (typeof FIXES)[number]['id'];

/** The switches of one run. */
export class FixSet {
  private readonly on: ReadonlySet<string>;
  private readonly kernel: string | null;

  /** `kernel`: the mainline release whose code the run imitates where one bug had several shapes; null: the newest. */
  constructor(on: Iterable<string>, kernel: string | null = null) {
    this.on = new Set(on);
    this.kernel = kernel;
  }

  isOn(id: string): boolean {
    return this.on.has(id);
  }

  ids(): string[] {
    return [...this.on].sort();
  }

  /** Whether the run imitates a kernel older than `kernel`; false when it imitates none in particular. */
  isBefore(kernel: string): boolean {
    return this.kernel !== null && compareKernels(this.kernel, kernel) < 0;
  }
}

/** No fix of that name; `nearest` is the registered word closest to what was asked. */
export class UnknownFix extends Error {
  readonly asked: string;
  readonly nearest: string;

  constructor(asked: string, nearest: string) {
    super(`no fix is called '${asked}'; did you mean '${nearest}'?`);
    this.name = 'UnknownFix';
    this.asked = asked;
    this.nearest = nearest;
  }
}

/** Not the number of a mainline kernel release. */
export class BadKernelVersion extends Error {
  constructor(asked: string) {
    super(`'${asked}' is no mainline kernel release; write it like '4.15' or '6.1'`);
    this.name = 'BadKernelVersion';
  }
}

/** Every switch on. */
export function allFixes(): FixSet {
  return new FixSet(FIXES.map((fix) => fix.id));
}

/**
 * The switches as mainline `kernel` (`4.15`, `v5.6`, `6.1.9`: stable numbers are cut off) had them: on for every fix
 * that is in it, and for every bug that came later. Throws `BadKernelVersion`.
 */
export function fixesOfKernel(kernel: string): FixSet {
  const version = parseKernel(kernel);
  if (version === null) throw new BadKernelVersion(kernel);
  const release = `${version[0]}.${version[1]}`;
  return new FixSet(
    (FIXES as readonly Fix[]).filter((fix) => hadFix(fix, release)).map((fix) => fix.id),
    release,
  );
}

function hadFix(fix: Fix, kernel: string): boolean {
  if (compareKernels(kernel, fix.kernel) >= 0) return true;
  return fix.introduced !== undefined && compareKernels(kernel, fix.introduced) < 0;
}

/** At least this many digits of a commit must be given. */
const COMMIT_DIGITS_MIN = 7;

/**
 * The fix that answers to `name`: its id, or its upstream commit with at least 7 digits and at most 40. Digits beyond
 * those that the registry knows are not compared. Throws `UnknownFix` with the nearest id or commit.
 */
export function resolveFix(name: string): Fix {
  const asked = name.trim().toLowerCase();
  for (const fix of FIXES as readonly Fix[]) {
    if (fix.id === asked || isCommitOf(fix, asked)) return fix;
  }
  throw new UnknownFix(name, nearestName(asked));
}

function isCommitOf(fix: Fix, asked: string): boolean {
  if (fix.commit === '' || !/^[0-9a-f]{7,40}$/.test(asked)) return false;
  return fix.commit.startsWith(asked) || asked.startsWith(fix.commit);
}

function nearestName(asked: string): string {
  const words = (FIXES as readonly Fix[]).flatMap((fix) =>
    fix.commit.length >= COMMIT_DIGITS_MIN ? [fix.id, fix.commit] : [fix.id],
  );
  return closest(asked, words);
}

function parseKernel(text: string): readonly [number, number] | null {
  const match = /^v?(\d{1,2})\.(\d{1,3})(?:\.\d+)*$/.exec(text.trim());
  return match === null ? null : [Number(match[1]), Number(match[2])];
}

/** Negative when `a` is the older release. */
export function compareKernels(a: string, b: string): number {
  const first = parseKernel(a);
  const second = parseKernel(b);
  if (first === null) throw new BadKernelVersion(a);
  if (second === null) throw new BadKernelVersion(b);
  return first[0] - second[0] || first[1] - second[1];
}
