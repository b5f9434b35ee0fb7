import { AssertionFailure } from '../base/assert.ts';
import type { Errno } from '../base/errno.ts';
import type { VirtualNanoseconds } from '../base/units.ts';
import { type ResourceId, resource } from '../task/resource.ts';
import { DONE, type Task } from '../task/task.ts';
import { type Held, type IoRequest, type IoResult, type TaskHandle, TaskKilled } from '../task/world.ts';
import { Dispatcher, insert } from './dispatcher.ts';
import { LockGrant } from './lock-grant.ts';
import type { ActiveRule } from './rule-engine.ts';
import type { SimulatedDevice } from './simulated-device.ts';
import { SimulatedIo, showRequest } from './simulated-io.ts';
import { removeFrom, type SimulatedLock } from './simulated-lock.ts';
import { Immediate, SimulatedTask, type Stage } from './simulated-task.ts';
import { foldNumber, hashOnce, stableHash } from './stable-hash.ts';
import type { EffectKind } from './strategy.ts';
import type { SimulatedCounter, SimulatedWaitQueue } from './wait-queue.ts';
import { PlainWait } from './waitable.ts';

/** Spawns count the same ids, so two of them never change places. */
const SPAWN_SEQUENCE = resource('task', -1);

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
export class Scheduler extends Dispatcher {
  private readonly immediate = new Immediate();

  /** Runs `main` and all that it starts until nobody can go on. Throws what nobody caught, and faults of the bench. */
  run(main: Task<unknown>): void {
    this.next = this.add('main', main);
    while (this.next !== null) this.resumeTask(this.next);
    if (this.failure !== null) throw this.failure.error;
  }

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

  spawn<T>(name: string, body: Task<T>): TaskHandle<T> {
    this.step();
    const task = this.add(name, body);
    this.mix(SPAWN_HASH ^ task.id, hashOnce(name));
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
    task.letGo();
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
    task.letGo();
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

  private reportPending(entity: SimulatedTask | SimulatedIo): void {
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

  protected override deliver(io: SimulatedIo): void {
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
