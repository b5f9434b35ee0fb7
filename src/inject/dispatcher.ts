import { AssertionFailure } from '../base/assert.ts';
import type { VirtualNanoseconds } from '../base/units.ts';
import type { RunEvent, Step } from '../record/run-record.ts';
import { type AccessMode, type ResourceId, resource } from '../task/resource.ts';
import { Footprint } from './footprint.ts';
import { Holds } from './holds.ts';
import { LockGrant } from './lock-grant.ts';
import type { LockJudge } from './lock-judge.ts';
import { RuleEngine } from './rule-engine.ts';
import type { SimulatedIo } from './simulated-io.ts';
import { removeFrom } from './simulated-lock.ts';
import { SimulatedTask } from './simulated-task.ts';
import { ABANDON, type Strategy, type WorldView } from './strategy.ts';
import type { Waitable } from './waitable.ts';
import type { IoWatcher, WorldOptions } from './world-options.ts';

type Entity = SimulatedTask | SimulatedIo;

const DEFAULT_STEP_LIMIT = 1_000_000;
const DEFAULT_HUNG_AFTER = 600e9;
/** Tape entries: choices are even, data are odd. */
const DATA = 1;
const FAULT_STREAM = resource('rule', -1);

/**
 * Decides who runs next: keeps all that may go on, asks the strategy where it is to be asked, moves the clock when
 * nobody can go on, and writes down each choice. What the effects themselves do is the scheduler's.
 */
export abstract class Dispatcher implements WorldView {
  readonly judge: LockJudge;
  readonly keepsEvents: boolean;
  /** Whether what the running transition touches is noted down. */
  keepsFootprint: boolean;
  private readonly mayKeepFootprint: boolean;
  readonly events: RunEvent[] = [];
  readonly rules: RuleEngine | null;
  readonly ioWatcher: IoWatcher | null;
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
  protected readonly asksAlways: boolean;
  protected readonly decisionPoints: ReadonlySet<string> | null;
  private readonly stepLimit: Step;
  private readonly hungAfter: VirtualNanoseconds;
  /** True when each step needs more than a decision: events, footprints, rules. */
  protected readonly isSlow: boolean;
  /** Rules that let one step depend on how many others came before it. */
  private readonly isEntangled: boolean;
  protected readonly holds: Holds;

  protected readonly pool: SimulatedTask[] = [];
  protected taskCount = 0;
  /** Whoever may go on now, unless parked: tasks by id, then completions by id. */
  protected readonly choices: Entity[] = [];
  protected readonly parked: SimulatedTask[] = [];
  protected readonly timers: Entity[] = [];
  protected current: SimulatedTask | null = null;
  protected next: SimulatedTask | null = null;
  protected isExploring = false;
  private isEnded = false;
  protected failure: { readonly error: unknown } | null = null;
  private footprint = new Footprint();
  private readonly tapeCells: number[] = [];
  private tapeLength = 0;
  private hashLow = 0;
  private hashHigh = 0;

  constructor(options: WorldOptions, strategy: Strategy, judge: LockJudge) {
    this.strategy = strategy;
    this.judge = judge;
    this.keepsEvents = options.keepEvents ?? false;
    this.mayKeepFootprint = strategy.wantsFootprints;
    this.keepsFootprint = this.mayKeepFootprint;
    this.asksAlways = strategy.wantsEveryStep;
    const decideAt = options.decideAt ?? 'everything';
    this.decisionPoints = decideAt === 'everything' ? null : decideAt;
    this.stepLimit = options.stepLimit ?? DEFAULT_STEP_LIMIT;
    this.hungAfter = options.hungAfter ?? DEFAULT_HUNG_AFTER;
    this.holds = new Holds(this);
    const rules = options.rules ?? [];
    this.rules = rules.length === 0 ? null : new RuleEngine(rules, this);
    this.ioWatcher = options.ioWatcher ?? null;
    this.isSlow = this.keepsEvents || this.keepsFootprint || this.rules !== null;
    this.isEntangled = rules.some(({ then }) => then.kind === 'reorder' || (then.kind === 'delay' && !('for' in then)));
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
    this.keepsFootprint = this.mayKeepFootprint;
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

  keepFootprint(isWanted: boolean): void {
    this.keepsFootprint = isWanted && this.mayKeepFootprint;
  }

  takeFootprint(): Footprint {
    const taken = this.footprint;
    if (this.isEntangled) taken.addEverything();
    this.footprint = new Footprint();
    return taken;
  }

  touchWhat(id: ResourceId, isWrite: boolean): void {
    if (this.keepsFootprint) this.footprint.add(id, isWrite ? 'write' : 'read');
  }

  touchHow(id: ResourceId, mode: AccessMode): void {
    if (this.keepsFootprint) this.footprint.add(id, mode);
  }

  /** As `touchWhat`, of [start, end) alone. */
  touchPart(id: ResourceId, start: number, end: number, isWrite: boolean): void {
    if (this.keepsFootprint) this.footprint.addPart(id, start, end, isWrite);
  }

  readTask(task: SimulatedTask): void {
    if (this.keepsFootprint) this.footprint.add(resource('task', task.id), 'read');
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

  protected step(): void {
    this.steps += 1;
    if (this.steps > this.stepLimit) this.runAway();
    if (this.rules !== null && !this.holds.isEmpty) this.holds.releaseDue();
  }

  /** A step of its own between two effects: of two things that happen there, the later one gets the higher number. */
  countMoment(): Step {
    this.steps += 1;
    return this.steps;
  }

  /** Throwing here would let a retry loop of the engine catch it: instead nobody is ever chosen again. */
  private runAway(): void {
    const alive = this.tasksAlive().map((task) => `${task.name}: ${task.effect} ${task.place}`);
    const error = new AssertionFailure('a run ends within its limit of steps', { limit: this.stepLimit, tasks: alive });
    this.failure ??= { error };
    this.isEnded = true;
  }

  protected mix(what: number, where: number): void {
    let low = this.hashLow ^ what;
    low = Math.imul((low << 15) | (low >>> 17), 0x9e3779b1) ^ where;
    this.hashLow = Math.imul((low << 13) | (low >>> 19), 0x85ebca6b);
    let high = (this.hashHigh + where) | 0;
    high = Math.imul(high ^ (high >>> 15), 0xc2b2ae35) + what;
    this.hashHigh = Math.imul(high ^ (high >>> 13), 0x27d4eb2f);
  }

  /** True when the running task, having announced its effect, goes on at once. */
  protected passes(task: SimulatedTask): boolean {
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

  protected isDecisionPoint(task: SimulatedTask): boolean {
    return this.decisionPoints !== null && task.effect === 'point' && this.decisionPoints.has(task.place);
  }

  private park(task: SimulatedTask): void {
    task.state = 'parked';
    insert(this.parked, task);
  }

  /** Chooses who runs next. True when it is still the same task; otherwise that one must suspend. */
  protected yieldTo(): boolean {
    const next = this.choose();
    if (next !== null && next === this.current) return true;
    this.current = null;
    this.next = next;
    return false;
  }

  protected choose(): SimulatedTask | null {
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
    if (this.keepsFootprint) this.footprint.add(resource('task', chosen.id), 'read');
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

  protected block(task: SimulatedTask, waitsFor: Waitable, state: 'blocked' | 'sleeping'): void {
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

  /** Lets a completion that was chosen take effect. */
  protected abstract deliver(io: SimulatedIo): void;
}

/** Keeps the list sorted by id. */
export function insert<T extends Entity>(list: T[], entity: T): void {
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
