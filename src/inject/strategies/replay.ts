import type { Choice, Strategy, WorldView } from '../strategy.ts';
import { indexOfChoice } from '../strategy.ts';
import { steadyPick } from './steady.ts';

/** The first place where a run did not follow its tape. */
export interface Divergence {
  /** Position on the tape. */
  readonly entry: number;
  readonly step: number;
  readonly message: string;
}

/**
 * Makes the choices of a tape. Where the run offers something else, it says so in `divergence` and goes on steadily:
 * a program that changed since is still run to its end.
 */
export class ReplayStrategy implements Strategy {
  readonly name = 'replay';
  readonly wantsEveryStep = false;
  readonly wantsFootprints = false;
  divergence: Divergence | null = null;
  private tape: readonly number[];
  private position = 0;
  private step = 0;

  constructor(tape: readonly number[]) {
    this.tape = tape;
  }

  /** Another tape for the next execution. */
  setTape(tape: readonly number[]): void {
    this.tape = tape;
  }

  beginExecution(): boolean {
    this.position = 0;
    this.step = 0;
    this.divergence = null;
    return true;
  }

  pick(choices: readonly Choice[], view: WorldView): number {
    this.step = view.steps;
    if (this.divergence !== null) return steadyPick(choices, view);
    const entry = this.tape[this.position];
    const offered = () =>
      choices.map((choice) => `${choice.id} ${choice.name} ${choice.effect} ${choice.place}`.trimEnd());
    if (entry === undefined) {
      this.diverge(`the tape ends, but the run asks for a choice of ${offered().join(', ')}`);
    } else if (entry % 2 !== 0) {
      this.diverge(`the tape has the draw ${(entry - 1) / 2}, but the run offers ${offered().join(', ')}`);
    } else {
      const index = indexOfChoice(choices, entry / 2);
      if (index >= 0) {
        this.position += 1;
        return index;
      }
      this.diverge(`the tape picks ${entry / 2}, but the run offers ${offered().join(', ')}`);
    }
    return steadyPick(choices, view);
  }

  pickBelow(bound: number): number {
    const value = this.datum();
    if (value < bound) return value;
    this.diverge(`the tape has the draw ${value}, but the run draws below ${bound}`);
    return 0;
  }

  chance(_numerator: number, _denominator: number): boolean {
    return this.datum() === 1;
  }

  endExecution(view: WorldView): void {
    this.step = view.steps;
    const left = this.tape.length - this.position;
    if (left > 0 && this.divergence === null) this.diverge(`the run ended with ${left} entries of the tape left`);
  }

  private datum(): number {
    if (this.divergence !== null) return 0;
    const entry = this.tape[this.position];
    if (entry !== undefined && entry % 2 !== 0) {
      this.position += 1;
      return (entry - 1) / 2;
    }
    this.diverge(
      entry === undefined ? 'the tape ends, but a rule draws' : `the tape picks ${entry / 2}, but a rule draws`,
    );
    return 0;
  }

  private diverge(message: string): void {
    this.divergence ??= { entry: this.position, step: this.step, message: `entry ${this.position}: ${message}` };
  }
}

export function replay(tape: readonly number[]): ReplayStrategy {
  return new ReplayStrategy(tape);
}
