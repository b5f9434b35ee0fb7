import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Workload } from '../../workload/model.ts';
import type { ExploredSetting } from '../conclude.ts';
import { type ImageSample, SettingExploration } from '../explore.ts';
import type { SettingPlan } from '../settings.ts';
import { loadZstdFor } from './load-zstd.ts';

/** Milliseconds of exploration between two looks at signals, judges and the progress line. */
const SLICE = 20;

/** Whoever wants to know how an exploration goes on, and may stop it. */
export interface Watcher {
  readonly isStopped: () => boolean;
  /** Called every few dozen milliseconds. */
  readonly onProgress: (progress: StageProgress) => void;
  /** An image for outside judges; exploration goes on when this resolves. */
  readonly onSample: (sample: ImageSample) => Promise<void>;
}

export interface StageProgress {
  readonly stage: string;
  readonly explored: number;
}

/** What was found, and how long it took on this host. */
export interface TimedExploration {
  readonly explored: ExploredSetting;
  /** Judges and waiting excluded. */
  readonly milliseconds: number;
  /** From the setting's start, mkfs and setup included, to the first violation; null when there was none. */
  readonly violationAfter: number | null;
}

/** Explores one setting to its end, or until it is stopped. */
export async function exploreSetting(
  workload: Workload,
  plan: SettingPlan,
  samplesMax: number,
  watcher: Watcher,
): Promise<TimedExploration> {
  await loadZstdFor(workload);
  const exploration = new SettingExploration(workload, plan, { samplesMax });
  let total = 0;
  let violationAfter: number | null = null;
  let isMore = true;
  while (isMore && !watcher.isStopped()) {
    const started = performance.now();
    let now = started;
    while (isMore && now - started < SLICE) {
      isMore = exploration.step();
      now = performance.now();
      if (violationAfter === null && exploration.hasViolation) violationAfter = total + now - started;
    }
    total += now - started;
    const { stage = '', explored = 0 } = exploration.progress ?? {};
    watcher.onProgress({ stage, explored });
    for (const sample of exploration.takeSamples()) await watcher.onSample(sample);
    await nextTurn();
  }
  return { explored: exploration.outcome(), milliseconds: total, violationAfter };
}
