import { AssertionFailure } from '../base/assert.ts';
import type { Held } from '../task/world.ts';
import type { SimulatedLock } from './simulated-lock.ts';
import type { SimulatedTask } from './simulated-task.ts';
import type { Waitable } from './waitable.ts';

/** One wish for a lock, from the announcement to the release. [start, end) matters to range locks only. */
export class LockGrant implements Held, Waitable {
  readonly lock: SimulatedLock;
  readonly task: SimulatedTask;
  readonly isExclusive: boolean;
  readonly start: number;
  readonly end: number;
  state: 'wanted' | 'waiting' | 'held' | 'released' = 'wanted';

  constructor(lock: SimulatedLock, task: SimulatedTask, isExclusive: boolean, start: number, end: number) {
    this.lock = lock;
    this.task = task;
    this.isExclusive = isExclusive;
    this.start = start;
    this.end = end;
  }

  release(): void {
    if (this.state !== 'held') {
      throw new AssertionFailure('a lock is released once, by whoever holds it', {
        lock: this.show(),
        state: this.state,
      });
    }
    this.lock.release(this);
  }

  conflictsWith(other: LockGrant): boolean {
    return (this.isExclusive || other.isExclusive) && this.start < other.end && other.start < this.end;
  }

  get lockName(): string {
    return this.lock.name;
  }

  /** `inode 257 (shared)`, `file-range 257 [0, 4096)`. */
  show(): string {
    const range = this.end === Number.POSITIVE_INFINITY ? '' : ` [${this.start}, ${this.end})`;
    return `${this.lock.name}${range}${this.isExclusive ? '' : ' (shared)'}`;
  }

  showWait(): string {
    const holders = this.lock.holders.filter((holder) => holder.conflictsWith(this));
    const ahead = this.ahead();
    const by = holders.map((holder) => holder.task.name + (holder.task.state === 'killed' ? ' (killed)' : ''));
    const behind = ahead.map((waiter) => waiter.task.name);
    return `${this.show()}${by.length > 0 ? ` held by ${by.join(', ')}` : ''}${
      behind.length > 0 ? `, behind ${behind.join(', ')}` : ''
    }`;
  }

  blockers(): readonly SimulatedTask[] {
    const found: SimulatedTask[] = [];
    for (const holder of this.lock.holders) if (holder.conflictsWith(this)) found.push(holder.task);
    for (const waiter of this.ahead()) found.push(waiter.task);
    return found;
  }

  /** Who asked earlier, still waits, and must be served first. */
  private ahead(): readonly LockGrant[] {
    const { waiters, waitersQueue } = this.lock;
    if (!waitersQueue) return [];
    return waiters.slice(0, Math.max(0, waiters.indexOf(this))).filter((waiter) => waiter.conflictsWith(this));
  }

  forget(): void {
    this.lock.withdraw(this);
  }
}
