import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Workload } from '../../workload/model.ts';
import { SettingExploration } from '../explore.ts';
import { NO_OVERRIDES, type Overrides, planSettings } from '../settings.ts';
import type { SettingResult } from '../verdict.ts';
import { type JudgeCount, type JudgingBudget, NO_JUDGING, OutsideJudging } from './outside-judging.ts';

/** Milliseconds of exploration between two looks at signals, judges and the progress line. */
const SLICE = 20;

export interface CampaignOptions {
  readonly overrides?: Overrides;
  readonly judging?: JudgingBudget;
  /** Stops after the execution under way; what was found by then is in the outcome. */
  readonly signal?: AbortSignal;
  /** Called a few dozen times a second. */
  readonly onProgress?: (progress: CampaignProgress) => void;
  /** Called when a setting's exploration is over; judges may still add to it. */
  readonly onSetting?: (done: number, total: number) => void;
}

export interface CampaignProgress {
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

/**
 * Explores all settings of all workloads, one after the other, with outside judges at work beside it. The verdicts
 * depend on the workloads and overrides only; the times and how many images were judged are the host's. Throws
 * `SelectionError` before anything runs.
 */
export async function runCampaign(
  workloads: readonly Workload[],
  options: CampaignOptions = {},
): Promise<CampaignOutcome> {
  const started = performance.now();
  const budget = options.judging ?? NO_JUDGING;
  const explorations = workloads.flatMap((workload) =>
    planSettings(workload, options.overrides ?? NO_OVERRIDES).map(
      (plan) => new SettingExploration(workload, plan, { samplesMax: budget.checksPerSetting }),
    ),
  );
  const judging = new OutsideJudging(budget);
  options.signal?.addEventListener('abort', () => judging.stop(), { once: true });
  const times: ExplorationTimes[] = [];
  for (const [index, exploration] of explorations.entries()) {
    if (options.signal?.aborted) break;
    const report = () => options.onProgress?.(progressOf(exploration, index, explorations.length));
    times.push(await explore(exploration, judging, options.signal, report));
    options.onSetting?.(index + 1, explorations.length);
  }
  const images = new Set(explorations.flatMap((exploration) => [...exploration.fingerprints]));
  const { counts, reasons } = await judging.finish(images.size);
  const isInterrupted = options.signal?.aborted === true && !explorations.every((exploration) => exploration.isDone);
  return {
    results: explorations.slice(0, times.length).map((exploration, index) => ({
      result: exploration.conclude({ isInterrupted: !exploration.isDone }),
      ...times[index]!,
    })),
    judges: counts,
    notJudged: reasons,
    milliseconds: performance.now() - started,
    isInterrupted,
  };
}

type ExplorationTimes = Omit<TimedResult, 'result'>;

async function explore(
  exploration: SettingExploration,
  judging: OutsideJudging,
  signal: AbortSignal | undefined,
  report: () => void,
): Promise<ExplorationTimes> {
  let total = 0;
  let violationAfter: number | null = null;
  let isMore = true;
  while (isMore && !signal?.aborted) {
    const started = performance.now();
    let now = started;
    while (isMore && now - started < SLICE) {
      isMore = exploration.step();
      now = performance.now();
      if (violationAfter === null && exploration.hasViolation) violationAfter = total + now - started;
    }
    total += now - started;
    report();
    for (const sample of exploration.takeSamples()) await judging.offer(sample, exploration);
    await nextTurn();
  }
  return { milliseconds: total, violationAfter };
}

function progressOf(exploration: SettingExploration, index: number, settings: number): CampaignProgress {
  const { progress, plan, workload } = exploration;
  return {
    setting: index + 1,
    settings,
    workload: workload.name,
    switches: plan.switches.label,
    stage: progress?.stage ?? '',
    explored: progress?.explored ?? 0,
  };
}
