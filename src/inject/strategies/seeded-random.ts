import { type RandomStream, randomStream } from '../../base/random.ts';
import type { Choice, Strategy, WorldView } from '../strategy.ts';
import { indexOfChoice } from '../strategy.ts';
import { DataDraws } from './data-draws.ts';

const TWO_16 = 2 ** 16;
/** Switch probabilities are 1/2, 1/4 … 1/32. */
const PERSISTENCES = 5;

/**
 * Walks at random. Each execution draws how readily it leaves a task that could go on, so that dense switching and long
 * stretches without a switch both occur: a bug that needs one task to run far inside another's gap is out of reach of
 * a walk that switches at every other step.
 */
export class RandomStrategy implements Strategy {
  readonly name = 'random';
  readonly wantsEveryStep = false;
  readonly wantsFootprints = false;
  private readonly schedule: RandomStream;
  private readonly draws: DataDraws;
  /** Below this, of 2^16, leaves the current task. */
  private switchBelow = 0;

  constructor(seed: string) {
    this.schedule = randomStream(seed, 'schedule');
    this.draws = new DataDraws(seed);
  }

  beginExecution(): boolean {
    this.switchBelow = TWO_16 >>> (1 + this.schedule.below(PERSISTENCES));
    return true;
  }

  pick(choices: readonly Choice[], view: WorldView): number {
    // One draw serves both questions: its low half whether to leave, its high half where to go.
    const draw = this.schedule.bits();
    if ((draw & 0xffff) >= this.switchBelow) {
      const current = indexOfChoice(choices, view.lastTask);
      if (current >= 0) return current;
    }
    return ((draw >>> 16) * choices.length) >>> 16;
  }

  pickBelow(bound: number): number {
    return this.draws.below(bound);
  }

  chance(numerator: number, denominator: number): boolean {
    return this.draws.chance(numerator, denominator);
  }

  endExecution(_view: WorldView): void {}
}

export function seededRandom(options: { readonly seed: string }): RandomStrategy {
  return new RandomStrategy(options.seed);
}
