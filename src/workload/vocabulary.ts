import type { Errno } from '../base/errno.ts';
import { type ByteCount, GIB, MIB } from '../base/units.ts';
import type { FilesystemSettings } from './model.ts';

/** The names that a workload may use, from those who own them: the checker itself imports neither engine nor oracle. */
export interface Vocabulary {
  /** Named places of the engine. */
  readonly points: readonly string[];
  /** In the order of the registry. */
  readonly fixes: readonly FixWord[];
  readonly laws: readonly string[];
  /** Lock classes. */
  readonly locks: readonly string[];
  /** Failure sites and the errnos that make sense at each. */
  readonly sites: readonly SiteWord[];
  /** First words of the names of tasks that the engine itself starts: `ordered-extent`, `writeback` … */
  readonly engineTasks?: readonly string[];
  readonly limits?: Limits;
  /** What mkfs would refuse of settings that are sound in themselves. */
  readonly refusals?: (settings: FilesystemSettings) => readonly FilesystemRefusal[];
}

export interface FilesystemRefusal {
  /** Keys below `filesystem`: `['devices', 1]`, `['block-groups', 'data']`. */
  readonly at: readonly (string | number)[];
  readonly message: string;
  readonly hint: string | null;
}

export interface FixWord {
  readonly id: string;
  /** The first kernel that has it: `4.16`. */
  readonly kernel: string;
  /** The kernel that brought the bug; absent when it is older than what is modelled. */
  readonly introduced?: string;
  /** Upstream commit, as many digits as are confirmed; may be empty. */
  readonly commit: string;
  readonly requires: readonly string[];
}

export interface SiteWord {
  readonly name: string;
  readonly errnos: readonly Errno[];
}

/** What the engine's mkfs can make. */
export interface Limits {
  readonly devicesMax: number;
  readonly deviceSizeMin: ByteCount;
  readonly deviceSizeMax: ByteCount;
}

export const DEFAULT_LIMITS: Limits = { devicesMax: 16, deviceSizeMin: 8 * MIB, deviceSizeMax: 1024 * GIB };
