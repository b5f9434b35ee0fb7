import { type RandomStream, randomStream } from '../../base/random.ts';
import type { Choice, Strategy, WorldView } from '../strategy.ts';
import { DataDraws } from './data-draws.ts';

/** A depth is drawn from 1 … this for each execution: a depth fixed too high hides bugs near the end of a run. */
const DEPTH_MAX = 5;
const PRIORITY_RANGE = 2 ** 30;

/**
 * Probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010): everybody has a random priority, the highest
 * runs, and at `depth − 1` random decisions the one that would run falls below all others. The length of a run is
 * taken from the runs before it.
 */
export class PriorityStrategy implements Strategy {
  readonly name = 'priorities';
  readonly wantsEveryStep = false;
  readonly wantsFootprints = false;
  private readonly schedule: RandomStream;
  private readonly draws: DataDraws;
  private readonly priorities = new Map<number, number>();
  private readonly changes = new Set<number>();
  private decision = 0;
  private longest = 1;
  private lowest = 0;

  constructor(seed: string) {
    this.schedule = randomStream(seed, 'schedule');
    this.draws = new DataDraws(seed);
  }

  beginExecution(): boolean {
    this.priorities.clear();
    this.changes.clear();
    this.decision = 0;
    this.lowest = 0;
    const depth = 1 + this.schedule.below(DEPTH_MAX);
    for (let change = 1; change < depth; change++) this.changes.add(this.schedule.below(this.longest));
    return true;
  }

  pick(choices: readonly Choice[], _view: WorldView): number {
    let best = this.highest(choices);
    if (this.changes.has(this.decision)) {
      this.lowest -= 1;
      this.priorities.set(choices[best]!.id, this.lowest);
      best = this.highest(choices);
    }
    this.decision += 1;
    return best;
  }

  pickBelow(bound: number): number {
    return this.draws.below(bound);
  }

  chance(numerator: number, denominator: number): boolean {
    return this.draws.chance(numerator, denominator);
  }

  endExecution(_view: WorldView): void {
    this.longest = Math.max(this.longest, this.decision);
  }

  private highest(choices: readonly Choice[]): number {
    let best = 0;
    let bestPriority = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < choices.length; index++) {
      const priority = this.priorityOf(choices[index]!.id);
      if (priority > bestPriority) {
        best = index;
        bestPriority = priority;
      }
    }
    return best;
  }

  private priorityOf(id: number): number {
    const known = this.priorities.get(id);
    if (known !== undefined) return known;
    const drawn = this.schedule.below(PRIORITY_RANGE);
    this.priorities.set(id, drawn);
    return drawn;
  }
}

export function randomPriorities(options: { readonly seed: string }): PriorityStrategy {
  return new PriorityStrategy(options.seed);
}
