import type { Choice, Strategy, WorldView } from '../strategy.ts';
import { indexOfChoice } from '../strategy.ts';
import { DataDraws } from './data-draws.ts';

/** The task that ran last, else completions, else the lowest id. One execution like the next. */
export class SteadyStrategy implements Strategy {
  readonly name: string = 'steady';
  readonly wantsEveryStep: boolean = false;
  readonly wantsFootprints: boolean = false;
  private readonly draws: DataDraws;

  constructor(seed: string) {
    this.draws = new DataDraws(seed);
  }

  beginExecution(): boolean {
    return true;
  }

  pick(choices: readonly Choice[], view: WorldView): number {
    return steadyPick(choices, view);
  }

  pickBelow(bound: number): number {
    return this.draws.below(bound);
  }

  chance(numerator: number, denominator: number): boolean {
    return this.draws.chance(numerator, denominator);
  }

  endExecution(_view: WorldView): void {}
}

export function steady(options: { readonly seed: string }): SteadyStrategy {
  return new SteadyStrategy(options.seed);
}

/** The default order as an index into `choices`. */
export function steadyPick(choices: readonly Choice[], view: WorldView): number {
  const last = indexOfChoice(choices, view.lastTask);
  if (last >= 0) return last;
  for (let index = 0; index < choices.length; index++) if (choices[index]!.kind === 'completion') return index;
  return 0;
}
