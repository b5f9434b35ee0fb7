import { SteadyStrategy } from '../../src/inject/strategies/steady.ts';
import type { Choice, WorldView } from '../../src/inject/strategy.ts';

/**
 * All orders of `first` steps of one task among `second` steps of another, as lists of task indices: the binomial
 * (first + second over first) of them, in lexical order.
 */
export function interleavings(first: number, second: number): number[][] {
  if (first === 0 && second === 0) return [[]];
  const orders: number[][] = [];
  if (first > 0) for (const rest of interleavings(first - 1, second)) orders.push([0, ...rest]);
  if (second > 0) for (const rest of interleavings(first, second - 1)) orders.push([1, ...rest]);
  return orders;
}

/**
 * Plays one order: whenever all tasks stand at points, the next task of the order passes. Entries of tasks that have
 * given up are skipped, so several orders may be one and the same execution.
 */
export class PlayInOrder extends SteadyStrategy {
  override readonly name = 'play-in-order';
  private readonly tasks: readonly string[];
  private order: readonly number[] = [];
  private position = 0;
  /** Which task passed, decision by decision. */
  readonly passed: number[] = [];

  constructor(tasks: readonly string[]) {
    super('1');
    this.tasks = tasks;
  }

  play(order: readonly number[]): void {
    this.order = order;
    this.position = 0;
    this.passed.length = 0;
  }

  override pick(choices: readonly Choice[], view: WorldView): number {
    const at = this.tasks.map((task) => choices.findIndex(({ kind, name }) => kind === 'task' && name === task));
    if (choices.some(({ kind, effect }) => kind === 'task' && effect !== 'point')) return super.pick(choices, view);
    while (this.position < this.order.length) {
      const task = this.order[this.position++]!;
      if (at[task]! < 0) continue;
      this.passed.push(task);
      return at[task]!;
    }
    return super.pick(choices, view);
  }
}
