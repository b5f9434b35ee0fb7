import { performance } from 'node:perf_hooks';
import { isRandomised, type Workload } from '../../workload/model.ts';
import { concludeSetting } from '../conclude.ts';
import { NO_OVERRIDES, type Overrides, planSettings, type SettingPlan } from '../settings.ts';
import type { SettingResult } from '../verdict.ts';
import { ExplorePool } from './explore-pool.ts';
import { exploreSetting, type StageProgress, type TimedExploration, type Watcher } from './explore-setting.ts';
import { type JudgeCount, type JudgingBudget, NO_JUDGING, OutsideJudging } from './outside-judging.ts';

/** A thread takes a quarter of a second to get going: fewer settings for each are done sooner without. */
const SETTINGS_PER_THREAD_MIN = 4;

export interface CampaignOptions {
  readonly overrides?: Overrides;
  readonly judging?: JudgingBudget;
  /** At most so many threads explore; 1, the default: this one. Verdicts and their order do not depend on it. */
  readonly threads?: number;
  /** Stops after the execution under way; what was found by then is in the outcome. */
  readonly signal?: AbortSignal;
  /** Called a few dozen times a second. */
  readonly onProgress?: (progress: CampaignProgress) => void;
  /** Called when a setting's exploration is over; judges may still add to it. */
  readonly onSetting?: (done: number, total: number) => void;
}

export interface CampaignProgress {
  /** One more than are done. */
  readonly setting: number;
  readonly settings: number;
  readonly workload: string;
  readonly switches: string;
  readonly stage: string;
  readonly explored: number;
}

/** A setting's result and how long its exploration took on this host, judges excluded. */
export interface TimedResult {
  readonly result: SettingResult;
  readonly milliseconds: number;
  /** From the setting's start, mkfs and setup included, to the first violation; null when there was none. */
  readonly violationAfter: number | null;
}

export interface CampaignOutcome {
  readonly results: readonly TimedResult[];
  readonly judges: readonly JudgeCount[];
  readonly notJudged: readonly string[];
  readonly milliseconds: number;
  readonly isInterrupted: boolean;
}

/** One setting of one workload, with its number in the campaign. */
interface Job {
  readonly workload: Workload;
  readonly plan: SettingPlan;
  /** Among the settings of its workload. */
  readonly setting: number;
  readonly index: number;
}

/**
 * Explores all settings of all workloads, on several threads if asked, with outside judges at work beside it. The
 * verdicts and their order depend on the workloads and overrides only; the times and how many images were judged are
 * the host's. Throws `SelectionError` before anything runs.
 */
export async function runCampaign(
  workloads: readonly Workload[],
  options: CampaignOptions = {},
): Promise<CampaignOutcome> {
  const started = performance.now();
  const jobs = workloads
    .flatMap((workload) =>
      planSettings(workload, options.overrides ?? NO_OVERRIDES).map((plan, setting) => ({ workload, plan, setting })),
    )
    .map((job, index): Job => ({ ...job, index }));
  const judging = new OutsideJudging(options.judging ?? NO_JUDGING);
  options.signal?.addEventListener('abort', () => judging.stop(), { once: true });
  const explored = await exploreAll(jobs, judging, options);

  const images = new Set(explored.flatMap((one) => one?.explored.fingerprints ?? []));
  const { counts, reasons } = await judging.finish(images.size);
  const results = jobs.flatMap(({ workload, plan, index }): TimedResult[] => {
    const one = explored[index];
    if (one === undefined) return [];
    const { explored: found, milliseconds, violationAfter } = one;
    const complaints = judging.complaintsAbout(index);
    const result = concludeSetting(workload, plan, found, { isInterrupted: !found.isDone, complaints });
    return [{ result, milliseconds, violationAfter }];
  });
  const isAllDone = jobs.every((_, index) => explored[index]?.explored.isDone === true);
  return {
    results,
    judges: counts,
    notJudged: reasons,
    milliseconds: performance.now() - started,
    isInterrupted: options.signal?.aborted === true && !isAllDone,
  };
}

/** By number; what was not begun when the signal came is missing. */
async function exploreAll(
  jobs: readonly Job[],
  judging: OutsideJudging,
  options: CampaignOptions,
): Promise<(TimedExploration | undefined)[]> {
  const { signal, overrides = NO_OVERRIDES, judging: budget = NO_JUDGING } = options;
  const samplesMax = budget.checksPerSetting;
  const threads = Math.min(options.threads ?? 1, Math.floor(jobs.length / SETTINGS_PER_THREAD_MIN));
  const pool = threads > 1 ? new ExplorePool(threads) : null;
  const explored: (TimedExploration | undefined)[] = new Array(jobs.length).fill(undefined);
  signal?.addEventListener('abort', () => pool?.stopAll(), { once: true });
  // The longest ones first, or the last of them would keep one thread busy when the others are done.
  const order = pool === null ? jobs : [...jobs].sort((a, b) => costOf(b.plan) - costOf(a.plan) || a.index - b.index);
  let next = 0;
  let done = 0;
  const work = async () => {
    while (next < order.length && !signal?.aborted) {
      const job = order[next++]!;
      const { workload, plan, setting, index } = job;
      const watcher: Omit<Watcher, 'isStopped'> = {
        onProgress: (progress) => options.onProgress?.(progressOf(job, progress, done, jobs.length)),
        onSample: (sample) => judging.offer(sample, index),
      };
      explored[index] =
        pool === null
          ? await exploreSetting(workload, plan, samplesMax, { ...watcher, isStopped: () => signal?.aborted === true })
          : await pool.explore({ workload, overrides, setting, samplesMax }, watcher);
      options.onSetting?.(++done, jobs.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.max(1, threads) }, work));
  } finally {
    await pool?.close();
  }
  return explored;
}

/** How many executions a setting may take, roughly: what an exhaustive search comes to is known only in the end. */
function costOf({ stages }: SettingPlan): number {
  return stages.reduce((sum, stage) => {
    if (isRandomised(stage)) return sum + stage.runs;
    if (stage.strategy === 'script') return sum + 1;
    return sum + Math.min(stage.bound, stage.points === null ? EVERY_EFFECT_COST : POINTS_COST);
  }, 0);
}

const EVERY_EFFECT_COST = 5000;
const POINTS_COST = 50;

function progressOf(
  { workload, plan }: Job,
  progress: StageProgress,
  done: number,
  settings: number,
): CampaignProgress {
  return { setting: done + 1, settings, workload: workload.name, switches: plan.switches.label, ...progress };
}
