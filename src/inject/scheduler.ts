import { AssertionFailure } from '../base/assert.ts';
import type { Errno } from '../base/errno.ts';
import type { VirtualNanoseconds } from '../base/units.ts';
import type { RunEvent, Step } from '../record/run-record.ts';
import { type ResourceId, resource } from '../task/resource.ts';
import { DONE, type Task } from '../task/task.ts';
import { type Held, type IoRequest, type IoResult, type TaskHandle, TaskKilled } from '../task/world.ts';
import { Footprint } from './footprint.ts';
import { Holds } from './holds.ts';
import { LockGrant } from './lock-grant.ts';
import type { LockJudge } from './lock-judge.ts';
import { type ActiveRule, RuleEngine } from './rule-engine.ts';
import type { SimulatedDevice } from './simulated-device.ts';
import { SimulatedIo, showRequest } from './simulated-io.ts';
import { removeFrom, type SimulatedLock } from './simulated-lock.ts';
import { Immediate, SimulatedTask, type Stage } from './simulated-task.ts';
import { foldNumber, stableHash } from './stable-hash.ts';
import { ABANDON, type EffectKind, type Strategy, type WorldView } from './strategy.ts';
import type { SimulatedCounter, SimulatedWaitQueue } from './wait-queue.ts';
import { PlainWait, type Waitable } from './waitable.ts';
import type { WorldOptions } from './world-options.ts';

type Entity = SimulatedTask | SimulatedIo;

const DEFAULT_STEP_LIMIT = 1_000_000;
const DEFAULT_HUNG_AFTER = 600e9;
/** Spawns count the same ids, so two of them never change places. */
const SPAWN_SEQUENCE = resource('task', -1);
/** Tape entries: choices are even, data are odd. */
const DATA = 1;

const SPAWN_HASH = stableHash('spawn');
const END_HASH = stableHash('end');
const FAULT_HASH = stableHash('fault');
const EFFECT_HASH: Readonly<Record<EffectKind, number>> = {
  start: stableHash('start'),
  point: stableHash('point'),
  acquire: stableHash('acquire'),
  'try-acquire': stableHash('try-acquire'),
  wait: stableHash('wait'),
  'wait-zero': stableHash('wait-zero'),
  sleep: stableHash('sleep'),
  join: stableHash('join'),
  submit: stableHash('submit'),
  'wait-io': stableHash('wait-io'),
  completion: stableHash('completion'),
};
const POINT_HASH = EFFECT_HASH.point;
const JOIN_HASH = EFFECT_HASH.join;

/**
 * Runs the tasks of one execution after another. Every effect is a plain call into here: it announces itself, the next
 * to run is chosen at once, and only when that is somebody else does the effect suspend its task. Completions that are
 * chosen meanwhile are delivered inside the same call.
 */
export class Scheduler implements WorldView {
  readonly judge: LockJudge;
  readonly keepsEvents: boolean;
  readonly keepsFootprint: boolean;
  readonly events: RunEvent[] = [];
  readonly rules: RuleEngine | null;
  steps: Step = 0;
  decisions = 0;
  switches = 0;
  lastTask = -1;
  clock: VirtualNanoseconds = 0;
  isPruned = false;
  isMainDone = false;
  hasCycle = false;
  /** Tasks that are neither done nor killed. */
  aliveCount = 0;
  failedCount = 0;

  private readonly strategy: Strategy;
  private readonly asksAlways: boolean;
  private readonly decisionPoints: ReadonlySet<string> | null;
  private readonly stepLimit: Step;
  private readonly hungAfter: VirtualNanoseconds;
  /** True when each step needs more than a decision: events, footprints, rules. */
  private readonly isSlow: boolean;
  /** Rules that let one step depend on how many others came before it. */
  private readonly isEntangled: boolean;
  private readonly holds: Holds;
  private readonly immediate = new Immediate();

  private readonly pool: SimulatedTask[] = [];
  private taskCount = 0;
  /** Whoever may go on now, unless parked: tasks by id, then completions by id. */
  private readonly choices: Entity[] = [];
  private readonly parked: SimulatedTask[] = [];
  private readonly timers: Entity[] = [];
  private current: SimulatedTask | null = null;
  private next: SimulatedTask | null = null;
  private isExploring = false;
  private isEnded = false;
  private failure: { readonly error: unknown } | null = null;
  private footprint = new Footprint();
  private readonly tapeCells: number[] = [];
  private tapeLength = 0;
  private hashLow = 0;
  private hashHigh = 0;

  constructor(options: WorldOptions, strategy: Strategy, judge: LockJudge) {
    this.strategy = strategy;
    this.judge = judge;
    this.keepsEvents = options.keepEvents ?? false;
    this.keepsFootprint = strategy.wantsFootprints;
    this.asksAlways = strategy.wantsEveryStep;
    const decideAt = options.decideAt ?? 'everything';
    this.decisionPoints = decideAt === 'everything' ? null : decideAt;
    this.stepLimit = options.stepLimit ?? DEFAULT_STEP_LIMIT;
    this.hungAfter = options.hungAfter ?? DEFAULT_HUNG_AFTER;
    this.holds = new Holds(this);
    const rules = options.rules ?? [];
    this.rules = rules.length === 0 ? null : new RuleEngine(rules, this);
    this.isSlow = this.keepsEvents || this.keepsFootprint || this.rules !== null;
    this.isEntangled = rules.some(({ then }) => then.kind === 'reorder' || (then.kind === 'delay' && !('for' in then)));
  }

  // ─── One execution ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Runs `main` and all that it starts until nobody can go on. Throws what nobody caught, and faults of the bench. */
  run(main: Task<unknown>): void {
    this.next = this.add('main', main);
    while (this.next !== null) this.resumeTask(this.next);
    if (this.failure !== null) throw this.failure.error;
  }

  /** Forgets the last execution, also one that ended in an error. */
  reset(): void {
    this.steps = 0;
    this.decisions = 0;
    this.switches = 0;
    this.lastTask = -1;
    this.clock = 0;
    this.isPruned = false;
    this.isMainDone = false;
    this.hasCycle = false;
    this.aliveCount = 0;
    this.failedCount = 0;
    this.taskCount = 0;
    if (this.choices.length !== 0) this.choices.length = 0;
    if (this.parked.length !== 0) this.parked.length = 0;
    if (this.timers.length !== 0) this.timers.length = 0;
    if (this.events.length !== 0) this.events.length = 0;
    this.current = null;
    this.next = null;
    this.isExploring = false;
    this.isEnded = false;
    this.failure = null;
    this.tapeLength = 0;
    this.hashLow = 0x1b873593;
    this.hashHigh = 0x2545f491;
    if (this.keepsFootprint) this.footprint = new Footprint();
    if (this.rules !== null) {
      this.rules.reset();
      this.holds.reset();
    }
    this.judge.reset();
  }

  setExploring(isExploring: boolean): void {
    this.isExploring = isExploring;
    if (isExploring) {
      if (this.keepsFootprint) this.footprint = new Footprint();
      return;
    }
    // Whoever is late now is late in a run that is no longer explored.
    if (this.keepsFootprint) this.footprint.addEverything();
    for (const task of this.parked) {
      task.state = 'ready';
      insert(this.choices, task);
    }
    this.parked.length = 0;
  }

  get exploring(): boolean {
    return this.isExploring;
  }

  get currentTask(): SimulatedTask | null {
    return this.current;
  }

  /** 16 hex digits over every announcement, completion, start and end. */
  get eventHash(): string {
    return hex32(this.hashHigh) + hex32(this.hashLow);
  }

  tape(): number[] {
    return this.tapeCells.slice(0, this.tapeLength);
  }

  tasksAlive(): SimulatedTask[] {
    return this.tasks().filter((task) => task.state !== 'done' && task.state !== 'killed');
  }

  /** True when some task, ended or not, has not released all that it acquired. */
  get isAnyLockHeld(): boolean {
    for (let id = 0; id < this.taskCount; id++) if (this.pool[id]!.held.length !== 0) return true;
    return false;
  }

  tasks(): SimulatedTask[] {
    return this.pool.slice(0, this.taskCount);
  }

  waiting(): string[] {
    return this.tasksAlive().flatMap((task) => {
      if (task.waitsFor !== null) return [`${task.name} waits for ${task.waitsFor.showWait()}`];
      const isStanding = task !== this.current && task.effect !== 'start';
      return isStanding ? [`${task.name} stands before ${task.effect} ${task.place}`] : [];
    });
  }

  takeFootprint(): Footprint {
    const taken = this.footprint;
    if (this.isEntangled) taken.addEverything();
    this.footprint = new Footprint();
    return taken;
  }

  // ─── Effects, called by the running task ──────────────────────────────────────────────────────────────────────────

  point(name: string, on: ResourceId | undefined): Task<void> {
    const task = this.running('point');
    this.announce(task, 'point', name, POINT_HASH, stableHash(name), on);
    if (this.isSlow) {
      task.stage = 'pass';
      return this.go(task) as Task<void>;
    }
    task.stage = 'go-on';
    return this.passes(task) ? DONE : (this.leave(task) as Task<void>);
  }

  acquire(lock: SimulatedLock, isExclusive: boolean, start: number, end: number): Task<Held> {
    return this.lockEffect('acquire', 'attempt', lock, isExclusive, start, end) as Task<Held>;
  }

  tryAcquire(lock: SimulatedLock, isExclusive: boolean, start: number, end: number): Task<Held | null> {
    return this.lockEffect('try-acquire', 'try', lock, isExclusive, start, end) as Task<Held | null>;
  }

  waitOn(queue: SimulatedWaitQueue): Task<void> {
    const task = this.running('wait');
    this.announce(task, 'wait', queue.name, EFFECT_HASH.wait, queue.hash, queue.resource);
    this.touchWhat(queue.resource, true);
    task.stage = 'go-on';
    queue.sleepers.push(task);
    this.block(task, queue, 'blocked');
    return this.yieldTo() ? DONE : (this.leave(task) as Task<void>);
  }

  waitZero(counter: SimulatedCounter): Task<void> {
    const task = this.running('waitZero');
    this.announce(task, 'wait-zero', counter.name, EFFECT_HASH['wait-zero'], counter.hash, counter.resource);
    task.stage = 'wait-zero';
    task.subject = counter;
    this.touchWhat(counter.resource, false);
    return (counter.isZero ? this.go(task) : this.finishInline(task)) as Task<void>;
  }

  sleep(duration: VirtualNanoseconds): Task<void> {
    const task = this.running('sleep');
    if (!(duration >= 0)) throw new AssertionFailure('a sleep takes time, or none', { task: task.name, duration });
    this.announce(task, 'sleep', '', EFFECT_HASH.sleep, foldNumber(duration), undefined);
    task.stage = 'go-on';
    if (duration === 0) return this.passes(task) ? DONE : (this.leave(task) as Task<void>);
    this.block(task, new PlainWait(`${duration} ns to pass`), 'sleeping');
    this.startTimer(task, duration);
    return this.yieldTo() ? DONE : (this.leave(task) as Task<void>);
  }

  join(target: SimulatedTask): Task<unknown> {
    const task = this.running('join');
    this.announce(task, 'join', target.name, JOIN_HASH, target.id, undefined);
    // To block and be woken leaves the same state as to come late, unless a wake-up and what follows are one transition.
    if (this.decisionPoints !== null) this.readTask(target);
    task.stage = 'join';
    task.subject = target;
    return isOver(target) ? this.go(task) : this.finishInline(task);
  }

  submit(device: SimulatedDevice, request: IoRequest, stage: 'submit' | 'submit-and-wait'): Task<unknown> {
    const task = this.running('submit');
    device.check(request);
    const where = foldNumber(request.offset) ^ Math.imul(device.index + 1, 0x27d4eb2f) ^ (request.length << 7);
    const hash = EFFECT_HASH.submit ^ stableHash(request.operation);
    this.announce(task, 'submit', request.operation, hash, where ^ stableHash(request.purpose.kind), undefined);
    task.stage = stage;
    task.subject = device;
    task.request = request;
    return this.go(task);
  }

  waitIo(io: SimulatedIo): Task<IoResult> {
    const task = this.running('wait');
    this.announce(task, 'wait-io', io.place, EFFECT_HASH['wait-io'], foldNumber(io.id), io.resource);
    if (this.decisionPoints !== null) this.touchWhat(io.resource, false);
    task.stage = 'io';
    task.subject = io;
    return (io.state === 'done' ? this.go(task) : this.finishInline(task)) as Task<IoResult>;
  }

  // ─── Plain calls ──────────────────────────────────────────────────────────────────────────────────────────────────

  spawn<T>(name: string, body: Task<T>): TaskHandle<T> {
    this.step();
    const task = this.add(name, body);
    this.mix(SPAWN_HASH ^ task.id, stableHash(name));
    if (this.isSlow) {
      this.touchWhat(SPAWN_SEQUENCE, true);
      this.record(this.current?.name ?? 'world', 'spawn', name);
    }
    return task as unknown as TaskHandle<T>;
  }

  kill(task: SimulatedTask): void {
    this.touchWhat(resource('task', task.id), true);
    if (task === this.current) throw new AssertionFailure('a task does not kill itself', { task: task.name });
    if (isOver(task)) return;
    if (task.state === 'ready') removeFrom(this.choices, task);
    if (task.state === 'parked') removeFrom(this.parked, task);
    removeFrom(this.timers, task);
    this.holds.forget(task);
    const { waitsFor } = task;
    task.state = 'killed';
    task.waitsFor = null;
    this.aliveCount -= 1;
    if (waitsFor instanceof SimulatedTask) removeFrom(waitsFor.joiners, task);
    else waitsFor?.forget?.(task);
    this.record(task.name, 'killed', '');
    this.mix(END_HASH, task.id);
    this.wakeJoiners(task);
  }

  mayFail(site: string): Errno | null {
    if (this.rules === null || !this.isExploring) return null;
    const task = this.current?.name ?? 'world';
    const errno = this.rules.onSite(task, site);
    if (errno === null) return null;
    this.mix(FAULT_HASH, stableHash(site));
    this.record(task, 'fault', `${errno} at ${site}`);
    return errno;
  }

  touchWhat(id: ResourceId, isWrite: boolean): void {
    if (this.keepsFootprint) this.footprint.add(id, isWrite);
  }

  readTask(task: SimulatedTask): void {
    if (this.keepsFootprint) this.footprint.add(resource('task', task.id), false);
  }

  record(task: string, kind: string, what: string): void {
    if (this.keepsEvents) this.events.push({ step: this.steps, time: this.clock, task, kind, what });
  }

  /** A draw of a fault rule, on the tape. */
  chance(numerator: number, denominator: number): boolean {
    const isHit = this.strategy.chance(numerator, denominator);
    this.tapeCells[this.tapeLength++] = (isHit ? 2 : 0) + DATA;
    this.touchWhat(FAULT_STREAM, true);
    return isHit;
  }

  drawBelow(bound: number): number {
    const value = this.strategy.pickBelow(bound);
    this.tapeCells[this.tapeLength++] = value * 2 + DATA;
    this.touchWhat(FAULT_STREAM, true);
    return value;
  }

  // ─── For locks, queues, devices and rules ─────────────────────────────────────────────────────────────────────────

  /** What the task waited for has come. */
  wake(task: SimulatedTask): void {
    if (this.keepsEvents) this.record(task.name, 'wake', task.waitsFor?.showWait() ?? '');
    task.state = 'ready';
    task.waitsFor = null;
    insert(this.choices, task);
  }

  /** A rule's delay is over. */
  resume(held: Entity): void {
    if (held.kind === 'completion') {
      held.state = 'ready';
      insert(this.choices, held);
      return;
    }
    this.wake(held);
    if (!this.isDecisionPoint(held) || !this.isExploring) return;
    removeFrom(this.choices, held);
    this.park(held);
  }

  startTimer(entity: Entity, duration: VirtualNanoseconds): void {
    entity.deadline = this.clock + duration;
    this.timers.push(entity);
  }

  /** Finishes the effect of a task that runs now; false when the task must suspend (again). */
  perform(task: SimulatedTask): boolean {
    for (;;) {
      switch (task.stage) {
        case 'go-on':
          return true;
        case 'pass':
          this.record(task.name, 'point', task.place);
          if (this.rules !== null) this.holds.onPass(task.name, task.place);
          return true;
        case 'attempt': {
          const grant = task.subject as LockGrant;
          if (task.held.length !== 0) this.judge.checkOrder(grant, this.steps);
          task.stage = 'granted';
          if (grant.lock.attempt(grant)) break;
          grant.lock.enqueue(grant);
          this.block(task, grant, 'blocked');
          if (!this.yieldTo()) return false;
          break;
        }
        case 'granted':
          task.value = task.subject;
          if (this.keepsEvents) this.record(task.name, 'acquire', (task.subject as LockGrant).show());
          return true;
        case 'try': {
          const grant = task.subject as LockGrant;
          const isGranted = grant.lock.attempt(grant);
          task.value = isGranted ? grant : null;
          if (this.keepsEvents) this.record(task.name, isGranted ? 'acquire' : 'try-failed', grant.show());
          return true;
        }
        case 'submit':
          task.value = this.beginIo(task);
          return true;
        case 'submit-and-wait':
          task.subject = this.beginIo(task);
          task.stage = 'io';
          break;
        case 'io': {
          const io = task.subject as SimulatedIo;
          if (io.state === 'done') {
            this.touchWhat(io.resource, false);
            task.value = io.result;
            return true;
          }
          io.waiter = task;
          this.block(task, io, 'blocked');
          if (!this.yieldTo()) return false;
          break;
        }
        case 'join': {
          const target = task.subject as SimulatedTask;
          if (isOver(target)) {
            this.readTask(target);
            task.value = outcomeOf(target);
            return true;
          }
          target.joiners.push(task);
          this.block(task, target, 'blocked');
          if (!this.yieldTo()) return false;
          break;
        }
        case 'wait-zero': {
          const counter = task.subject as SimulatedCounter;
          this.touchWhat(counter.resource, !counter.isZero);
          if (counter.isZero) {
            task.value = undefined;
            return true;
          }
          counter.sleepers.push(task);
          this.block(task, counter, 'blocked');
          if (!this.yieldTo()) return false;
          break;
        }
      }
    }
  }

  // ─── The life of tasks ────────────────────────────────────────────────────────────────────────────────────────────

  private add(name: string, body: Task<unknown>): SimulatedTask {
    const id = this.taskCount++;
    let task = this.pool[id];
    if (task === undefined) {
      task = new SimulatedTask(id, this);
      this.pool.push(task);
    }
    task.begin(name, body);
    this.aliveCount += 1;
    insert(this.choices, task);
    return task;
  }

  private resumeTask(task: SimulatedTask): void {
    this.next = null;
    this.current = task;
    if (task.id !== this.lastTask) {
      this.switches += 1;
      this.lastTask = task.id;
    }
    let step: IteratorResult<undefined, unknown>;
    try {
      step = task.iterator.next();
    } catch (error) {
      this.end(task, error, true);
      return;
    }
    if (this.failure !== null) this.next = null;
    else if (step.done === true) this.end(task, step.value, false);
    else if (this.current !== null) {
      const law = 'a task suspends only in an effect of its world, entered by yield* at once';
      this.failure = { error: new AssertionFailure(law, { task: task.name }) };
      this.next = null;
    }
  }

  private end(task: SimulatedTask, outcome: unknown, hasFailed: boolean): void {
    task.state = 'done';
    task.value = outcome;
    task.hasFailed = hasFailed;
    this.aliveCount -= 1;
    if (hasFailed) this.failedCount += 1;
    removeFrom(this.choices, task);
    this.mix(END_HASH, task.id);
    if (this.isSlow) {
      this.touchWhat(resource('task', task.id), true);
      this.record(task.name, hasFailed ? 'throw' : 'end', hasFailed ? String(outcome) : '');
    }
    if (hasFailed && (task.id === 0 || isBenchFault(outcome))) {
      this.failure ??= { error: outcome };
      this.next = null;
      return;
    }
    if (task.id === 0) {
      this.isMainDone = true;
      this.onMainDone();
    }
    this.wakeJoiners(task);
    this.current = null;
    this.next = this.choose();
  }

  /** I/O that nobody awaited before the end of main is a finding, though it still completes. */
  private onMainDone(): void {
    for (const entity of this.choices) this.reportPending(entity);
    for (const entity of this.timers) this.reportPending(entity);
  }

  private reportPending(entity: Entity): void {
    if (entity.kind !== 'completion') return;
    this.judge.reportWaiting(entity.name, `${entity.showWait()}, which is in flight`, undefined, this.steps);
  }

  private wakeJoiners(task: SimulatedTask): void {
    const { joiners } = task;
    if (joiners.length === 0) return;
    for (let i = 0; i < joiners.length; i++) this.wake(joiners[i]!);
    // Popping keeps the array's memory for the next execution.
    while (joiners.length !== 0) joiners.pop();
  }

  // ─── Announcing and choosing ──────────────────────────────────────────────────────────────────────────────────────

  private running(effect: string): SimulatedTask {
    const task = this.current;
    if (task !== null) return task;
    throw new AssertionFailure('effects are made by a running task, and entered by yield* at once', { effect });
  }

  private announce(
    task: SimulatedTask,
    effect: EffectKind,
    place: string,
    what: number,
    where: number,
    on: ResourceId | undefined,
  ): void {
    task.effect = effect;
    task.place = place;
    task.on = on;
    task.value = undefined;
    this.step();
    this.mix(what ^ task.id, on === undefined ? where : where ^ foldNumber(on));
  }

  private step(): void {
    this.steps += 1;
    if (this.steps > this.stepLimit) this.runAway();
    if (this.rules !== null && !this.holds.isEmpty) this.holds.releaseDue();
  }

  /** Throwing here would let a retry loop of the engine catch it: instead nobody is ever chosen again. */
  private runAway(): void {
    const alive = this.tasksAlive().map((task) => `${task.name}: ${task.effect} ${task.place}`);
    const error = new AssertionFailure('a run ends within its limit of steps', { limit: this.stepLimit, tasks: alive });
    this.failure ??= { error };
    this.isEnded = true;
  }

  private mix(what: number, where: number): void {
    let low = this.hashLow ^ what;
    low = Math.imul((low << 15) | (low >>> 17), 0x9e3779b1) ^ where;
    this.hashLow = Math.imul((low << 13) | (low >>> 19), 0x85ebca6b);
    let high = (this.hashHigh + where) | 0;
    high = Math.imul(high ^ (high >>> 15), 0xc2b2ae35) + what;
    this.hashHigh = Math.imul(high ^ (high >>> 13), 0x27d4eb2f);
  }

  private lockEffect(
    effect: 'acquire' | 'try-acquire',
    stage: Stage,
    lock: SimulatedLock,
    isExclusive: boolean,
    start: number,
    end: number,
  ): Task<unknown> {
    const task = this.running(effect);
    this.announce(task, effect, lock.lockClass, EFFECT_HASH[effect], lock.hash, lock.resource);
    task.stage = stage;
    task.subject = new LockGrant(lock, task, isExclusive, start, end);
    return this.go(task);
  }

  /** Asks whether the announced effect may go on now, and if so does it. */
  private go(task: SimulatedTask): Task<unknown> {
    if (this.rules !== null && this.isExploring && this.isDelayedByRule(task)) {
      if (!this.yieldTo()) return this.leave(task);
    } else if (!this.passes(task)) return this.leave(task);
    return this.finishInline(task);
  }

  private finishInline(task: SimulatedTask): Task<unknown> {
    if (!this.perform(task)) return this.leave(task);
    this.immediate.result.value = task.value;
    return this.immediate;
  }

  private leave(task: SimulatedTask): Task<unknown> {
    task.pending.isEntered = false;
    return task.pending;
  }

  private isDelayedByRule(task: SimulatedTask): boolean {
    let rule: ActiveRule | null = null;
    if (task.effect === 'point') rule = this.rules!.onPoint(task, task.place);
    else if (task.effect === 'acquire') rule = this.rules!.onAcquire(task, task.place);
    if (rule === null || rule.rule.then.kind !== 'delay') return false;
    this.record(task.name, 'delay', `${rule.rule.name}: before ${task.effect} ${task.place}`);
    this.mix(FAULT_HASH, rule.index);
    this.block(task, new PlainWait(`the end of the delay "${rule.rule.name}"`), 'blocked');
    this.holds.begin(task, rule, rule.rule.then);
    return true;
  }

  /** True when the running task, having announced its effect, goes on at once. */
  private passes(task: SimulatedTask): boolean {
    if (this.isEnded) return this.yieldTo();
    if (!this.isExploring) return true;
    if (this.decisionPoints === null) {
      if (this.choices.length === 1 && !this.asksAlways) return true;
      return this.yieldTo();
    }
    if (!this.isDecisionPoint(task)) return true;
    if (this.choices.length === 1 && this.parked.length === 0 && !this.asksAlways) return true;
    removeFrom(this.choices, task);
    this.park(task);
    return this.yieldTo();
  }

  private isDecisionPoint(task: SimulatedTask): boolean {
    return this.decisionPoints !== null && task.effect === 'point' && this.decisionPoints.has(task.place);
  }

  private park(task: SimulatedTask): void {
    task.state = 'parked';
    insert(this.parked, task);
  }

  /** Chooses who runs next. True when it is still the same task; otherwise that one must suspend. */
  private yieldTo(): boolean {
    const next = this.choose();
    if (next !== null && next === this.current) return true;
    this.current = null;
    this.next = next;
    return false;
  }

  private choose(): SimulatedTask | null {
    try {
      for (;;) {
        if (this.isEnded) return null;
        const chosen = this.chooseEntity();
        if (chosen === null) {
          if (this.isEnded || !this.onIdle()) return null;
        } else if (chosen.kind === 'task') return chosen;
        else this.deliver(chosen);
      }
    } catch (error) {
      // Thrown here it would pass through the engine's own catch blocks.
      this.failure ??= { error };
      this.isEnded = true;
      return null;
    }
  }

  private chooseEntity(): Entity | null {
    const { choices } = this;
    if (!this.isExploring) return this.chooseByDefault();
    if (this.decisionPoints === null) return choices.length === 0 ? null : this.ask(choices);
    if (choices.length !== 0) return choices[0]!;
    if (this.parked.length === 0) return null;
    const chosen = this.ask(this.parked) as SimulatedTask | null;
    if (chosen === null) return null;
    removeFrom(this.parked, chosen);
    chosen.state = 'ready';
    insert(choices, chosen);
    return chosen;
  }

  /** The task that ran last, else the completion of the lowest id, else the task of the lowest id. */
  private chooseByDefault(): Entity | null {
    const { choices } = this;
    const count = choices.length;
    if (count === 0) return null;
    const last = this.pool[this.lastTask];
    if (last !== undefined && last.state === 'ready') return last;
    if (choices[count - 1]!.kind === 'task') return choices[0]!;
    let first = count - 1;
    while (first > 0 && choices[first - 1]!.kind === 'completion') first--;
    return choices[first]!;
  }

  private ask(list: readonly Entity[]): Entity | null {
    const count = list.length;
    if (count === 1 && !this.asksAlways) return list[0]!;
    const index = this.strategy.pick(list, this);
    if (index === ABANDON) {
      this.isPruned = true;
      this.isEnded = true;
      return null;
    }
    const chosen = list[index];
    if (chosen === undefined) {
      throw new AssertionFailure('a strategy picks one of its choices', { strategy: this.strategy.name, index, count });
    }
    if (count > 1) {
      this.decisions += 1;
      this.tapeCells[this.tapeLength++] = chosen.id * 2;
    }
    if (this.keepsFootprint) this.footprint.add(resource('task', chosen.id), false);
    return chosen;
  }

  /** Nobody can go on. Lets something happen that only now may; false when there is nothing left. */
  private onIdle(): boolean {
    if (this.rules !== null && this.holds.endEpoch(null)) return true;
    let earliest = Number.POSITIVE_INFINITY;
    for (const entity of this.timers) {
      // Once main has ended, sleepers would only sleep again; I/O still completes.
      if (this.isMainDone && entity.state === 'sleeping') continue;
      if (entity.deadline < earliest) earliest = entity.deadline;
    }
    const isHung = earliest !== Number.POSITIVE_INFINITY && this.isMainHungAt(earliest);
    if (isHung || earliest === Number.POSITIVE_INFINITY) {
      if (this.rules !== null && this.holds.releaseStuck()) return true;
      if (isHung) this.isEnded = true;
      return false;
    }
    this.clock = earliest;
    if (this.keepsFootprint) this.footprint.addEverything();
    for (const entity of this.timers.slice()) {
      if (entity.deadline > earliest || (this.isMainDone && entity.state === 'sleeping')) continue;
      removeFrom(this.timers, entity);
      this.resume(entity);
    }
    return true;
  }

  /** Main waits, directly or through joins, for somebody who has not moved for longer than `hungAfter`. */
  private isMainHungAt(time: VirtualNanoseconds): boolean {
    if (this.isMainDone) return false;
    let last = this.pool[0]!;
    while (last.waitsFor instanceof SimulatedTask) last = last.waitsFor;
    return last.state === 'blocked' && time - last.blockedSince > this.hungAfter && !this.timers.includes(last);
  }

  private block(task: SimulatedTask, waitsFor: Waitable, state: 'blocked' | 'sleeping'): void {
    task.state = state;
    task.waitsFor = waitsFor;
    task.blockedSince = this.clock;
    removeFrom(this.choices, task);
    if (this.keepsEvents) this.record(task.name, 'wait', waitsFor.showWait());
    const mayClose = waitsFor instanceof SimulatedTask ? waitsFor.waitsFor !== null : waitsFor instanceof LockGrant;
    if (!mayClose || !this.judge.checkCycle(task, this.steps, false)) return;
    this.hasCycle = true;
    this.isEnded = true;
  }

  // ─── I/O ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  private beginIo(task: SimulatedTask): SimulatedIo {
    const device = task.subject as SimulatedDevice;
    const request = task.request!;
    task.request = null;
    if (request.operation === 'flush' && this.rules !== null) this.holds.endEpoch(device.index);
    const io = new SimulatedIo(device, request, task, device.completed);
    device.begin(io);
    if (this.keepsEvents) this.record(task.name, 'submit', showRequest(device.index, request));
    if (this.rules === null || !this.isExploring) {
      insert(this.choices, io);
      return io;
    }
    const verdict = this.rules.onIo(task, device.index, request);
    io.failWith = verdict.errno;
    if (verdict.errno !== null) {
      this.mix(FAULT_HASH, stableHash(verdict.errno));
      this.record(task.name, 'fault', `${verdict.errno} for ${io.showWait()}`);
    }
    if (verdict.delay === null) {
      insert(this.choices, io);
      return io;
    }
    const { rule, action } = verdict.delay;
    this.mix(FAULT_HASH, rule.index);
    this.record(task.name, 'delay', `${rule.rule.name}: ${io.showWait()}`);
    io.state = 'held';
    this.holds.begin(io, rule, action);
    return io;
  }

  private deliver(io: SimulatedIo): void {
    removeFrom(this.choices, io);
    this.step();
    this.mix(EFFECT_HASH.completion, foldNumber(io.id));
    io.device.complete(io);
    io.state = 'done';
    this.touchWhat(io.resource, true);
    if (this.keepsEvents) {
      const error = io.result?.error ?? null;
      this.record(io.name, 'complete', `${io.showWait()}${error === null ? '' : ` ${error}`}`);
    }
    if (io.waiter !== null) this.wake(io.waiter);
    if (this.rules === null) return;
    if (io.followedBy !== null) this.resume(io.followedBy);
    if (!this.holds.isEmpty) this.holds.onCompletion();
  }
}

const FAULT_STREAM = resource('rule', -1);

function isOver(task: SimulatedTask): boolean {
  return task.state === 'done' || task.state === 'killed';
}

/** What a join gives, or throws. */
function outcomeOf(task: SimulatedTask): unknown {
  if (task.state === 'killed') throw new TaskKilled(`task ${task.name} was killed`);
  if (!task.hasFailed) return task.value;
  task.isFailureTaken = true;
  throw task.value;
}

/** Errors that are never an answer of the engine: our own assertions, and what JavaScript throws at a wrong program. */
function isBenchFault(error: unknown): boolean {
  return (
    error instanceof AssertionFailure ||
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof ReferenceError ||
    error instanceof SyntaxError
  );
}

/** Keeps the list sorted by id. */
function insert<T extends Entity>(list: T[], entity: T): void {
  let at = list.length;
  list.push(entity);
  while (at > 0 && list[at - 1]!.id > entity.id) {
    list[at] = list[at - 1]!;
    at--;
  }
  list[at] = entity;
}

function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
