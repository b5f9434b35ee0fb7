import { AssertionFailure } from '../base/assert.ts';
import type { Errno } from '../base/errno.ts';
import type { VirtualNanoseconds } from '../base/units.ts';
import type { BlockTable } from '../record/block-table.ts';
import type { RunEvent, Step } from '../record/run-record.ts';
import type { Observation } from '../task/observation.ts';
import type { AccessMode, ResourceId } from '../task/resource.ts';
import type { Task } from '../task/task.ts';
import type { Counter, Mutex, RangeLock, RwSemaphore, TaskHandle, WaitQueue, World } from '../task/world.ts';
import { LockJudge } from './lock-judge.ts';
import { Scheduler } from './scheduler.ts';
import { SimulatedDevice } from './simulated-device.ts';
import { SimulatedMutex, SimulatedRangeLock, SimulatedRwSemaphore } from './simulated-lock.ts';
import type { SimulatedTask } from './simulated-task.ts';
import { steady } from './strategies/steady.ts';
import type { Strategy } from './strategy.ts';
import { SimulatedCounter, SimulatedWaitQueue } from './wait-queue.ts';
import type { WorldOptions, WorldReport } from './world-options.ts';

type Observer = (observation: Observation, step: Step) => void;

/**
 * The world in which the engine is tormented. One object runs any number of executions; between them it forgets all but
 * its options, so tasks, locks and devices of one execution mean nothing in the next.
 *
 * ```ts
 * const world = new SimulatedWorld({ strategy: seededRandom({ seed: '7' }), devices: [image] });
 * for (let i = 0; i < 1000 && world.execute(main); i++) judge(world.report());
 * ```
 * Main runs unexplored until it calls `beginExploration`: mounting and unmounting are the same in each execution.
 */
export class SimulatedWorld implements World {
  readonly devices: readonly SimulatedDevice[];
  private readonly scheduler: Scheduler;
  private readonly strategy: Strategy;
  private readonly judge: LockJudge;
  private readonly images: readonly BlockTable[];
  private observer: Observer | null;
  private isHung = false;

  constructor(options: WorldOptions = {}) {
    this.strategy = options.strategy ?? steady({ seed: options.seed ?? '0' });
    this.judge = new LockJudge(options.lockOrder ?? []);
    this.scheduler = new Scheduler(options, this.strategy, this.judge);
    this.images = options.devices ?? [];
    this.devices = this.images.map((image, index) => new SimulatedDevice(index, this.scheduler, image));
    this.observer = options.observer ?? null;
  }

  /**
   * Runs one execution of `main` to its end and lets everything else come to rest. False, and nothing ran, when the
   * strategy has nothing left. `images` replace the devices' content for this execution.
   *
   * Throws what a task threw and nobody joined, and faults of the bench (`AssertionFailure`: also a runaway loop).
   * A hang throws nothing: see `report().hung`.
   */
  execute(main: (world: SimulatedWorld) => Task<void>, images: readonly BlockTable[] = this.images): boolean {
    const { scheduler } = this;
    if (!this.strategy.beginExecution()) return false;
    scheduler.reset();
    for (let index = 0; index < this.devices.length; index++) this.devices[index]!.reset(images[index]!);
    this.isHung = false;
    try {
      scheduler.run(main(this));
      this.conclude();
    } finally {
      this.strategy.endExecution(scheduler);
    }
    return true;
  }

  /** What the last execution left behind. */
  report(): WorldReport {
    const { scheduler } = this;
    return {
      events: scheduler.events.slice(),
      locks: this.judge.reports.slice(),
      rules: scheduler.rules?.reports() ?? [],
      tape: scheduler.tape(),
      eventHash: scheduler.eventHash,
      steps: scheduler.steps,
      decisions: scheduler.decisions,
      switches: scheduler.switches,
      pruned: scheduler.isPruned,
      hung: this.isHung,
      time: scheduler.clock,
    };
  }

  /** As in the report, without the cost of making one. */
  get isPruned(): boolean {
    return this.scheduler.isPruned;
  }

  /** From here on the strategy decides and fault rules match. */
  beginExploration(): void {
    this.scheduler.setExploring(true);
  }

  endExploration(): void {
    this.scheduler.setExploring(false);
  }

  get exploring(): boolean {
    return this.scheduler.exploring;
  }

  /** Numbers this moment, so that an operation that ends before another starts has the lower step. */
  countMoment(): Step {
    return this.scheduler.countMoment();
  }

  /** The number of effects announced, and moments counted, so far. */
  get step(): Step {
    return this.scheduler.steps;
  }

  /** Who runs, `main` at first; for records of operations. */
  get taskName(): string {
    return this.scheduler.currentTask?.name ?? 'world';
  }

  /** Takes effect at once, and lasts over executions. */
  setObserver(observer: Observer | null): void {
    this.observer = observer;
  }

  /** Adds an event of the campaign's own, such as the start of an operation, to the events kept. */
  note(kind: string, what: string): void {
    this.scheduler.record(this.taskName, kind, what);
  }

  /** The events so far, when they are kept. */
  get events(): readonly RunEvent[] {
    return this.scheduler.events;
  }

  now(): VirtualNanoseconds {
    return this.scheduler.clock;
  }

  point(name: string, on?: ResourceId): Task<void> {
    return this.scheduler.point(name, on);
  }

  touch(resource: ResourceId, mode: AccessMode): void {
    this.scheduler.touchHow(resource, mode);
  }

  mayFail(site: string): Errno | null {
    return this.scheduler.mayFail(site);
  }

  mutex(lockClass: string, id: number): Mutex {
    return new SimulatedMutex(this.scheduler, lockClass, id);
  }

  rwSemaphore(lockClass: string, id: number): RwSemaphore {
    return new SimulatedRwSemaphore(this.scheduler, lockClass, id);
  }

  rangeLock(lockClass: string, id: number): RangeLock {
    return new SimulatedRangeLock(this.scheduler, lockClass, id);
  }

  waitQueue(name: string, id: number): WaitQueue {
    return new SimulatedWaitQueue(this.scheduler, name, id);
  }

  counter(name: string, id: number): Counter {
    return new SimulatedCounter(this.scheduler, name, id);
  }

  spawn<T>(name: string, body: Task<T>): TaskHandle<T> {
    return this.scheduler.spawn(name, body);
  }

  sleep(duration: VirtualNanoseconds): Task<void> {
    return this.scheduler.sleep(duration);
  }

  observe(observation: Observation): void {
    if (this.observer !== null) this.observer(observation, this.scheduler.steps);
  }

  get observed(): boolean {
    return this.observer !== null;
  }

  /** Nobody can go on: who failed, who hangs, what is still held? */
  private conclude(): void {
    const { scheduler, judge } = this;
    if (scheduler.isPruned) return;
    this.isHung = !scheduler.isMainDone;
    if (scheduler.aliveCount === 0 && scheduler.failedCount === 0 && !scheduler.isAnyLockHeld) return;
    const tasks = scheduler.tasks();
    const orphan = tasks.find((task) => task.hasFailed && !task.isFailureTaken);
    if (orphan !== undefined)
      throw orphan.value instanceof Error ? orphan.value : new AssertionFailure(String(orphan.value));
    const alive = tasks.filter((task) => task.state !== 'done' && task.state !== 'killed');
    if (this.isHung && !scheduler.hasCycle) this.findCycleOfSuspects(alive);
    if (this.isHung) {
      for (const task of alive) if (!scheduler.hasCycle || reachesCycle(task, judge)) this.reportWaiting(task);
      return;
    }
    for (const task of alive) this.reportWaiting(task);
    for (const task of tasks) for (const grant of task.held) judge.reportHeld(grant, scheduler.steps);
  }

  /** All wait. If counters were the fault of those who added to them, would that close a circle? */
  private findCycleOfSuspects(alive: readonly SimulatedTask[]): void {
    const hasFound = alive.some((task) => this.judge.checkCycle(task, this.scheduler.steps, true));
    this.scheduler.hasCycle ||= hasFound;
  }

  private reportWaiting(task: SimulatedTask): void {
    const inCycle = this.judge.reports.some(({ kind, tasks }) => kind === 'wait-cycle' && tasks.includes(task.name));
    if (inCycle) return;
    const { waitsFor } = task;
    const what = waitsFor === null ? `its turn before ${task.effect} ${task.place}`.trimEnd() : waitsFor.showWait();
    this.judge.reportWaiting(task.name, what, waitsFor?.lockName, this.scheduler.steps);
  }
}

/** True when what the task waits for leads, through joins and locks, to tasks in a reported cycle. */
function reachesCycle(task: SimulatedTask, judge: LockJudge, visited = new Set<SimulatedTask>()): boolean {
  if (visited.has(task)) return false;
  visited.add(task);
  if (judge.reports.some(({ kind, tasks }) => kind === 'wait-cycle' && tasks.includes(task.name))) return true;
  return (task.waitsFor?.blockers() ?? []).some((blocker) => reachesCycle(blocker, judge, visited));
}
