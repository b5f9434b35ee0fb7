import { assert } from '../base/assert.ts';
import { type ResourceId, resource } from '../task/resource.ts';
import type { Task } from '../task/task.ts';
import type { Counter, WaitQueue } from '../task/world.ts';
import type { Scheduler } from './scheduler.ts';
import { removeFrom } from './simulated-lock.ts';
import type { SimulatedTask } from './simulated-task.ts';
import { foldNumber, stableHash } from './stable-hash.ts';
import type { Waitable } from './waitable.ts';

const WAIT_QUEUES = resource('wait-queue', 0);
const COUNTERS = resource('counter', 0);

/** Sleepers in the order they came. A sleeper is in the queue before anybody else runs, so no wake-up is lost. */
export class SimulatedWaitQueue implements WaitQueue, Waitable {
  readonly name: string;
  readonly id: number;
  readonly hash: number;
  readonly resource: ResourceId;
  readonly sleepers: SimulatedTask[] = [];
  private readonly scheduler: Scheduler;

  constructor(scheduler: Scheduler, name: string, id: number) {
    this.scheduler = scheduler;
    this.name = name;
    this.id = id;
    this.hash = stableHash(name) ^ Math.imul(foldNumber(id), 0xc2b2ae35);
    this.resource = WAIT_QUEUES + this.hash;
  }

  wait(): Task<void> {
    return this.scheduler.waitOn(this);
  }

  wakeOne(): void {
    this.scheduler.touchWhat(this.resource, true);
    const first = this.sleepers[0];
    if (first === undefined) return;
    removeFrom(this.sleepers, first);
    this.scheduler.wake(first);
  }

  wakeAll(): void {
    this.scheduler.touchWhat(this.resource, true);
    wakeEach(this.scheduler, this.sleepers);
  }

  showWait(): string {
    return `wait queue ${this.name} ${this.id}`;
  }

  blockers(): readonly SimulatedTask[] {
    return [];
  }

  forget(task: SimulatedTask): void {
    this.scheduler.touchWhat(this.resource, true);
    removeFrom(this.sleepers, task);
  }
}

/** A count with sleepers that wait until it is zero. */
export class SimulatedCounter implements Counter, Waitable {
  readonly name: string;
  readonly id: number;
  readonly hash: number;
  readonly resource: ResourceId;
  readonly sleepers: SimulatedTask[] = [];
  private readonly scheduler: Scheduler;
  private count = 0;
  /** Net additions by task id: whoever added more than it took away is expected to end the wait. */
  private additions: Map<number, number> | null = null;

  constructor(scheduler: Scheduler, name: string, id: number) {
    this.scheduler = scheduler;
    this.name = name;
    this.id = id;
    this.hash = stableHash(name) ^ Math.imul(foldNumber(id), 0x27d4eb2f);
    this.resource = COUNTERS + this.hash;
  }

  get value(): number {
    this.scheduler.touchWhat(this.resource, false);
    return this.count;
  }

  /** Reads without a trace in the footprint: the scheduler announces its own. */
  get isZero(): boolean {
    return this.count === 0;
  }

  add(change: number): void {
    this.addFor(this.scheduler.currentTask, change);
  }

  /** A completion counts for its submitter, whoever runs at that moment. */
  addFor(task: SimulatedTask | null, change: number): void {
    this.count += change;
    // Counting commutes, waking somebody does not.
    this.scheduler.touchHow(this.resource, this.count === 0 && this.sleepers.length > 0 ? 'write' : 'update');
    assert(this.count >= 0, 'a counter never falls below zero', { counter: this.name, id: this.id, change });
    if (task !== null) this.noteAddition(task, change);
    if (this.count === 0) wakeEach(this.scheduler, this.sleepers);
  }

  waitZero(): Task<void> {
    return this.scheduler.waitZero(this);
  }

  showWait(): string {
    return `counter ${this.name} ${this.id} to fall from ${this.count} to 0`;
  }

  blockers(): readonly SimulatedTask[] {
    return [];
  }

  suspects(): readonly SimulatedTask[] {
    return this.scheduler.tasksAlive().filter((task) => (this.additions?.get(task.id) ?? 0) > 0);
  }

  private noteAddition({ id }: SimulatedTask, change: number): void {
    this.additions ??= new Map();
    const sum = (this.additions.get(id) ?? 0) + change;
    if (sum === 0) this.additions.delete(id);
    else this.additions.set(id, sum);
  }

  get lockName(): string {
    return `${this.name} ${this.id}`;
  }

  forget(task: SimulatedTask): void {
    this.scheduler.touchWhat(this.resource, true);
    removeFrom(this.sleepers, task);
  }
}

function wakeEach(scheduler: Scheduler, sleepers: SimulatedTask[]): void {
  for (let i = 0; i < sleepers.length; i++) scheduler.wake(sleepers[i]!);
  if (sleepers.length !== 0) sleepers.length = 0;
}
