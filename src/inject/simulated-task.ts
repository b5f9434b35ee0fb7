import type { VirtualNanoseconds } from '../base/units.ts';
import type { ResourceId } from '../task/resource.ts';
import type { Suspension, Task } from '../task/task.ts';
import type { IoRequest, TaskHandle } from '../task/world.ts';
import type { LockGrant } from './lock-grant.ts';
import type { Scheduler } from './scheduler.ts';
import type { Choice, EffectKind } from './strategy.ts';
import type { Waitable } from './waitable.ts';

/** `ready` tasks may go on; `parked` ones too, but they stand at a decision point until the strategy names them. */
export type TaskState = 'ready' | 'parked' | 'blocked' | 'sleeping' | 'done' | 'killed';

/** What remains to be done when a suspended effect goes on. */
export type Stage =
  | 'go-on'
  | 'pass'
  | 'attempt'
  | 'granted'
  | 'try'
  | 'submit'
  | 'submit-and-wait'
  | 'io'
  | 'join'
  | 'wait-zero';

/** An effect with nothing left to do: `yield*` takes the value at once. Reused, since it is consumed at once. */
export class Immediate implements Iterable<Suspension, unknown, undefined>, Iterator<Suspension, unknown, undefined> {
  readonly result: { value: unknown; done: true } = { value: undefined, done: true };

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorReturnResult<unknown> {
    return this.result;
  }
}

const SUSPENDED: IteratorYieldResult<undefined> = { value: undefined, done: false };

/**
 * The one place where a task really suspends: what `yield*` meets when an effect cannot go on at once. Its first `next`
 * leaves the generator, each later one comes from the scheduler and tries to finish the effect.
 */
export class PendingEffect
  implements Iterable<Suspension, unknown, undefined>, Iterator<Suspension, unknown, undefined>
{
  isEntered = false;
  private readonly task: SimulatedTask;
  private readonly scheduler: Scheduler;
  private readonly result: { value: unknown; done: true } = { value: undefined, done: true };

  constructor(task: SimulatedTask, scheduler: Scheduler) {
    this.task = task;
    this.scheduler = scheduler;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<Suspension, unknown> {
    if (!this.isEntered) {
      this.isEntered = true;
      return SUSPENDED;
    }
    if (this.task.stage !== 'go-on' && !this.scheduler.perform(this.task)) return SUSPENDED;
    this.result.value = this.task.value;
    return this.result;
  }
}

/** One task of a run. Records are reused by the next execution, so nobody keeps one. */
export class SimulatedTask implements Choice, TaskHandle<unknown> {
  readonly kind = 'task';
  readonly id: number;
  readonly scheduler: Scheduler;
  readonly pending: PendingEffect;
  name = '';
  state: TaskState = 'done';
  iterator: Iterator<Suspension, unknown, undefined> = NOTHING;

  effect: EffectKind = 'start';
  place = '';
  on: ResourceId | undefined = undefined;
  stage: Stage = 'go-on';
  /** What the stage works on; its type follows from the stage. */
  subject: unknown = undefined;
  request: IoRequest | null = null;
  /** What the effect gives to its caller, and at the end what the task returned. */
  value: unknown = undefined;

  /** Null unless blocked, sleeping or delayed. */
  waitsFor: Waitable | null = null;
  blockedSince: VirtualNanoseconds = 0;
  deadline: VirtualNanoseconds = 0;
  readonly held: LockGrant[] = [];
  readonly joiners: SimulatedTask[] = [];
  hasFailed = false;
  /** Somebody joined, so the failure has an owner. */
  isFailureTaken = false;
  submissions = 0;
  /** Marks of the search for wait cycles. */
  visit = 0;

  constructor(id: number, scheduler: Scheduler) {
    this.id = id;
    this.scheduler = scheduler;
    this.pending = new PendingEffect(this, scheduler);
  }

  begin(name: string, body: Task<unknown>): void {
    this.name = name;
    this.iterator = body[Symbol.iterator]();
    this.state = 'ready';
    this.effect = 'start';
    this.place = '';
    this.on = undefined;
    this.stage = 'go-on';
    this.subject = undefined;
    this.value = undefined;
    this.waitsFor = null;
    if (this.held.length !== 0) this.held.length = 0;
    if (this.joiners.length !== 0) this.joiners.length = 0;
    this.hasFailed = false;
    this.isFailureTaken = false;
    this.submissions = 0;
    this.visit = 0;
  }

  /** Its record stays until the run ends, but not what it worked on, which may be large. */
  letGo(): void {
    this.iterator = NOTHING;
    this.subject = undefined;
    this.request = null;
  }

  get isDone(): boolean {
    this.scheduler.readTask(this);
    return this.state === 'done' || this.state === 'killed';
  }

  join(): Task<unknown> {
    return this.scheduler.join(this);
  }

  kill(): void {
    this.scheduler.kill(this);
  }

  showWait(): string {
    return `task ${this.name}`;
  }

  blockers(): readonly SimulatedTask[] {
    return [this];
  }
}

const NOTHING: Iterator<Suspension, unknown, undefined> = { next: () => ({ value: undefined, done: true }) };
