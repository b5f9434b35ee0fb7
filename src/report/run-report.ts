import type { Violation } from '../oracle/law.ts';
import type { RunRecord } from '../record/run-record.ts';

/**
 * What a whole `fsquake run` came to, in plain data: the source of the table, of the failure texts and of `--json`.
 * Every figure in it was measured or counted.
 */
export interface RunReport {
  /** In the order in which they ran. */
  readonly settings: readonly SettingReport[];
  readonly judges: readonly JudgeReport[];
  /** One line for each reason why an outside judge did not judge. */
  readonly notJudged: readonly string[];
  readonly milliseconds: number;
  /** Where everything about this run lies; null when nothing was kept. */
  readonly results: string | null;
  readonly exitCode: number;
}

/** One workload under one setting of the fix switches. */
export interface SettingReport {
  readonly workload: string;
  readonly title: string;
  readonly file: string;
  readonly switches: {
    readonly label: string;
    readonly kernel: string | null;
    readonly on: readonly string[];
    readonly off: readonly string[];
  };
  readonly expected: string | null;
  readonly ending:
    | 'bench-fault'
    | 'setup-failed'
    | 'unexpected-violation'
    | 'missing-violation'
    | 'count-differs'
    | 'interrupted'
    | 'as-expected';
  readonly reasons: readonly string[];
  readonly stages: readonly StageReport[];
  readonly failure: FailureReport | null;
  readonly fault: {
    readonly message: string;
    readonly stack: string;
    readonly stage: string | null;
    readonly execution: number | null;
  } | null;
  readonly milliseconds: number;
  /** From the setting's start, mkfs and setup included, to the first violation; null when there was none. */
  readonly violationAfter: number | null;
}

export interface StageReport {
  readonly name: string;
  readonly strategy: string;
  readonly explored: number;
  readonly pruned: number;
  readonly isComplete: boolean;
  readonly violating: number;
  readonly firstViolation: number | null;
  readonly laws: Readonly<Record<string, number>>;
  readonly idleRules: readonly string[];
  readonly notFollowed: string | null;
  readonly selfChecks: number;
  readonly eventHash: string;
}

export interface FailureReport {
  readonly stage: string;
  readonly seed: string | null;
  readonly execution: number;
  readonly violations: readonly Violation[];
  readonly record: RunRecord;
  readonly isExpected: boolean;
}

/** What one outside judge did. */
export interface JudgeReport {
  /** `btrfs check`, `kernel mount`. */
  readonly name: string;
  readonly judged: number;
  readonly refused: number;
  /** How many different images there were to judge. */
  readonly available: number;
}

/** How text is to look. */
export interface TextStyle {
  readonly color: boolean;
  /** Columns that fit. */
  readonly width: number;
  /** Only characters that every terminal shows. */
  readonly ascii: boolean;
}

export const PLAIN: TextStyle = { color: false, width: 120, ascii: false };
