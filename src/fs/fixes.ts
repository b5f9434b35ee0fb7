/**
 * The registry of fix switches. A switch that is on changes exactly the code that the upstream commit changed; off, the
 * engine behaves as the kernel did before it. The engine asks `isOn` at that one place; no oracle sees a switch.
 */
export interface Fix {
  /** Readable, says what the fix does: `reuse-covering-map`. */
  readonly id: string;
  /** The first mainline kernel that has it, `4.16`. */
  readonly kernel: string;
  readonly year: number;
  /** Upstream commit, as many digits as are confirmed. */
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
] as const satisfies readonly Fix[];

/** The switches of one run. */
export class FixSet {
  private readonly on: ReadonlySet<string>;

  constructor(on: Iterable<string>) {
    this.on = new Set(on);
  }

  isOn(id: string): boolean {
    return this.on.has(id);
  }

  ids(): string[] {
    return [...this.on].sort();
  }
}
