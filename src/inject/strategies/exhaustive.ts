import { AssertionFailure } from '../../base/assert.ts';
import { Footprint } from '../footprint.ts';
import { ABANDON, type Choice, indexOfChoice, type Strategy, type WorldView } from '../strategy.ts';

export interface ExhaustiveOptions {
  /** Skip interleavings that only reorder steps which do not touch the same things. Default true. */
  readonly sleepSets?: boolean;
  /** Stop after so many executions, pruned ones included. */
  readonly executionsMax?: number;
}

export interface ExhaustiveResult {
  /** Executions that ran to their end. */
  readonly explored: number;
  /** Executions that were cut because all that could follow had been explored. */
  readonly pruned: number;
  /** True when nothing is left: the explored executions stand for all. */
  readonly complete: boolean;
}

/** A place where the run branches: by who goes on, or by a draw of a fault rule. */
interface Branch {
  readonly isData: boolean;
  /** Ids of choices, or values of a draw. */
  readonly options: readonly number[];
  chosen: number;
  /** What the chosen transition touched, in all runs through it. */
  footprint: Footprint;
  /** Not to be taken here: explored from an earlier state, and since then nothing conflicted. */
  readonly sleeping: Map<number, Footprint>;
}

/**
 * Depth-first search over all choices, by running the program again for each. Sleep sets (Godefroid) drop the
 * executions that differ only in the order of independent transitions. A transition's footprint is what it touched
 * when it ran from the state at which it was put to sleep.
 */
export class ExhaustiveStrategy implements Strategy {
  readonly name = 'exhaustive';
  readonly wantsEveryStep: boolean;
  readonly wantsFootprints: boolean;
  private readonly usesSleepSets: boolean;
  private readonly executionsMax: number;
  private readonly stack: Branch[] = [];
  private depth = 0;
  /** The choice whose transition is running, or null before the first. */
  private running: Branch | null = null;
  private explored = 0;
  private pruned = 0;
  private isComplete = false;
  private isRecording = false;
  private latest = new Footprint();
  private isAbandoned = false;

  constructor(options: ExhaustiveOptions = {}) {
    this.usesSleepSets = options.sleepSets ?? true;
    this.wantsEveryStep = this.usesSleepSets;
    this.wantsFootprints = this.usesSleepSets;
    this.executionsMax = options.executionsMax ?? Number.POSITIVE_INFINITY;
  }

  get result(): ExhaustiveResult {
    return { explored: this.explored, pruned: this.pruned, complete: this.isComplete };
  }

  beginExecution(): boolean {
    if (this.isComplete || this.explored + this.pruned >= this.executionsMax) return false;
    this.depth = 0;
    this.running = null;
    this.isRecording = this.usesSleepSets;
    this.isAbandoned = false;
    return true;
  }

  pick(choices: readonly Choice[], view: WorldView): number {
    this.settle(view);
    const branch = this.stack[this.depth];
    this.isRecording = this.usesSleepSets && this.isUnknown(this.depth);
    view.keepFootprint(this.isRecording);
    if (branch === undefined) return this.open(choices);
    this.depth += 1;
    this.running = branch;
    const index = branch.isData ? -1 : indexOfChoice(choices, branch.options[branch.chosen]!);
    if (index >= 0) return index;
    throw new AssertionFailure('the same choices lead to the same state', {
      step: view.steps,
      expected: branch.options[branch.chosen],
      offered: choices.map(({ id, name, effect, place }) => `${id} ${name} ${effect} ${place}`),
    });
  }

  pickBelow(bound: number): number {
    const branch = this.stack[this.depth];
    if (branch !== undefined && (!branch.isData || branch.options.length !== bound)) {
      throw new AssertionFailure('the same choices lead to the same draws', { bound });
    }
    const options = Array.from({ length: bound }, (_, value) => value);
    const own = branch ?? { isData: true, options, chosen: 0, footprint: new Footprint(), sleeping: new Map() };
    if (branch === undefined) this.stack.push(own);
    this.depth += 1;
    return own.options[own.chosen]!;
  }

  /** Both answers are possible unless the odds are certain. */
  chance(numerator: number, denominator: number): boolean {
    if (numerator <= 0) return false;
    return numerator >= denominator || this.pickBelow(2) === 1;
  }

  endExecution(view: WorldView): void {
    this.settle(view);
    if (this.isAbandoned) this.pruned += 1;
    else this.explored += 1;
    this.backtrack();
  }

  /** The transition that ran since the last choice has ended: note what it touched. */
  private settle(view: WorldView): void {
    if (!this.isRecording) return;
    const footprint = view.takeFootprint();
    this.running?.footprint.merge(footprint);
    this.latest = footprint;
  }

  /** Whether the transition that starts here has not run before, or goes on behind a draw that is new. */
  private isUnknown(depth: number): boolean {
    return depth >= this.stack.length - 1 || this.stack[depth + 1]!.isData;
  }

  private open(choices: readonly Choice[]): number {
    const sleeping = this.inherited(choices);
    const options: number[] = [];
    for (let index = 0; index < choices.length; index++) {
      if (!sleeping.has(choices[index]!.id)) options.push(choices[index]!.id);
    }
    if (options.length === 0) {
      this.isAbandoned = true;
      this.running = null;
      return ABANDON;
    }
    const branch: Branch = { isData: false, options, chosen: 0, footprint: new Footprint(), sleeping };
    this.stack.push(branch);
    this.depth += 1;
    this.running = branch;
    return indexOfChoice(choices, options[0]!);
  }

  /** Who sleeps after the last transition: those that slept before it and touched nothing that it touched. */
  private inherited(choices: readonly Choice[]): Map<number, Footprint> {
    const sleeping = new Map<number, Footprint>();
    if (!this.usesSleepSets || this.running === null) return sleeping;
    for (const [id, footprint] of this.running.sleeping) {
      if (!footprint.conflictsWith(this.latest) && indexOfChoice(choices, id) >= 0) sleeping.set(id, footprint);
    }
    return sleeping;
  }

  private backtrack(): void {
    for (;;) {
      const branch = this.stack.pop();
      if (branch === undefined) {
        this.isComplete = true;
        return;
      }
      if (!branch.isData && this.usesSleepSets) branch.sleeping.set(branch.options[branch.chosen]!, branch.footprint);
      branch.chosen += 1;
      if (branch.chosen >= branch.options.length) continue;
      branch.footprint = new Footprint();
      this.stack.push(branch);
      return;
    }
  }
}

export function exhaustive(options: ExhaustiveOptions = {}): ExhaustiveStrategy {
  return new ExhaustiveStrategy(options);
}
