import { exhaustive } from '../inject/strategies/exhaustive.ts';
import { PriorityStrategy } from '../inject/strategies/priorities.ts';
import { ReplayStrategy } from '../inject/strategies/replay.ts';
import { ScriptStrategy, script } from '../inject/strategies/script.ts';
import { seededRandom } from '../inject/strategies/seeded-random.ts';
import type { Strategy } from '../inject/strategy.ts';
import type { ExploreStage, Workload } from '../workload/model.ts';

/** Who decides in a stage; lives as long as the stage. */
export function strategyOf(stage: ExploreStage, workload: Workload): Strategy {
  switch (stage.strategy) {
    case 'script':
      return script(workload.schedule);
    case 'exhaustive':
      return exhaustive({ sleepSets: stage.prune });
    case 'random':
      return seededRandom({ seed: stage.seed });
    case 'priorities':
      return new PriorityStrategy(stage.seed);
  }
}

/** Why the schedule of the workload could not be followed in the last execution; null when it was, or there is none. */
export function whyNotFollowed(strategy: Strategy): string | null {
  return strategy instanceof ScriptStrategy ? strategy.outcome.reason : null;
}

/** Follows a tape; `divergence` says where the run offered something else, from where on it goes on steadily. */
export function replayOf(tape: readonly number[]): ReplayStrategy {
  return new ReplayStrategy(tape);
}

const POINT_SETS = new Map<string, ReadonlySet<string>>();

/** Where the strategy of a stage is asked; the same object for the same points. */
export function decideAtOf(points: readonly string[] | null): 'everything' | ReadonlySet<string> {
  if (points === null) return 'everything';
  const key = points.join();
  const known = POINT_SETS.get(key);
  if (known !== undefined) return known;
  const set = new Set(points);
  POINT_SETS.set(key, set);
  return set;
}
