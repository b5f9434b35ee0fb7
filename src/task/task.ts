/**
 * A computation that suspends only at `yield*`. `function*` bodies and ready-made results are both tasks: the world
 * takes a decision inside the plain call that makes an effect, and the effect really yields only when somebody else
 * must run. So most effects cost tens of nanoseconds, and a plain function is a proof of atomicity.
 *
 * Dropping a task is a power cut or a kill: no `catch` and no `finally` of it runs.
 * Write task bodies as module-level `function*` or methods, never inside a closure made per run (3 to 8 times slower).
 */
export type Task<T> = Iterable<Suspension, T, undefined>;

/** What travels through a raw `yield`; only the world looks at it. */
export type Suspension = undefined;

/** An effect that needed no suspension: `yield*` on it takes its value and goes on. */
export class Completed<T> implements Iterable<Suspension, T, undefined>, Iterator<Suspension, T, undefined> {
  private readonly result: IteratorReturnResult<T>;

  constructor(value: T) {
    this.result = { done: true, value };
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorReturnResult<T> {
    return this.result;
  }
}

/** The commonest effect result: nothing, at once. */
export const DONE: Task<void> = new Completed<void>(undefined);

/** Runs a task that must not suspend, outside any world: for tests and for pure tools. Throws when it does suspend. */
export function runAtomically<T>(task: Task<T>): T {
  const step = task[Symbol.iterator]().next();
  if (step.done !== true) throw new Error('a task that was said not to suspend suspended');
  return step.value;
}
