import { assert } from '../base/assert.ts';
import { type ResourceId, resource } from '../task/resource.ts';
import type { Task } from '../task/task.ts';
import type { Held, Mutex, RangeLock, RwSemaphore } from '../task/world.ts';
import type { LockGrant } from './lock-grant.ts';
import type { Scheduler } from './scheduler.ts';
import { foldNumber, stableHash } from './stable-hash.ts';

/** Locks are made by the dozen for each mount; ids of one kind count up from its first. */
const LOCKS = resource('lock', 0);
const UNBOUNDED = Number.POSITIVE_INFINITY;

/**
 * What every lock is: wishes that conflict or do not, granted in the order they came. Where waiters queue, a wish also
 * stands behind earlier ones that conflict with it and still wait: so a waiting writer blocks new readers.
 */
export abstract class SimulatedLock {
  readonly scheduler: Scheduler;
  readonly lockClass: string;
  readonly id: number;
  readonly hash: number;
  readonly resource: ResourceId;
  readonly holders: LockGrant[] = [];
  readonly waiters: LockGrant[] = [];
  /** Index of the class in the judge of lock order. */
  readonly classIndex: number;
  /** False: a wish waits for holders only, and may overtake those who wait. */
  readonly waitersQueue: boolean = true;

  constructor(scheduler: Scheduler, lockClass: string, id: number) {
    this.scheduler = scheduler;
    this.lockClass = lockClass;
    this.id = id;
    this.hash = stableHash(lockClass) ^ Math.imul(foldNumber(id), 0x85ebca6b);
    this.resource = LOCKS + this.hash;
    this.classIndex = scheduler.judge.classIndexOf(lockClass);
  }

  get name(): string {
    return `${this.lockClass} ${this.id}`;
  }

  /** True when the wish was granted at once. */
  attempt(grant: LockGrant): boolean {
    const isFree = this.isFreeFor(grant);
    this.touch(grant, grant.isExclusive || !isFree);
    if (isFree) this.give(grant);
    return isFree;
  }

  enqueue(grant: LockGrant): void {
    grant.state = 'waiting';
    this.waiters.push(grant);
  }

  release(grant: LockGrant): void {
    grant.state = 'released';
    removeFrom(this.holders, grant);
    removeFrom(grant.task.held, grant);
    this.touch(grant, grant.isExclusive || this.waiters.length > 0);
    if (this.scheduler.keepsEvents) this.scheduler.record(grant.task.name, 'release', grant.show());
    if (this.waiters.length > 0) this.grantWaiters();
  }

  /** A waiter was killed. */
  withdraw(grant: LockGrant): void {
    removeFrom(this.waiters, grant);
    this.touch(grant, true);
    this.grantWaiters();
  }

  /** What this wish has to do with others. */
  protected touch(_grant: LockGrant, isWrite: boolean): void {
    this.scheduler.touchWhat(this.resource, isWrite);
  }

  private give(grant: LockGrant): void {
    grant.state = 'held';
    this.holders.push(grant);
    grant.task.held.push(grant);
  }

  private isFreeFor(grant: LockGrant): boolean {
    const { holders, waiters } = this;
    for (let i = 0; i < holders.length; i++) if (holders[i]!.conflictsWith(grant)) return false;
    if (!this.waitersQueue) return true;
    for (let i = 0; i < waiters.length; i++) {
      const waiter = waiters[i]!;
      if (waiter === grant) break;
      if (waiter.conflictsWith(grant)) return false;
    }
    return true;
  }

  private grantWaiters(): void {
    for (let i = 0; i < this.waiters.length; ) {
      const waiter = this.waiters[i]!;
      if (!this.isFreeFor(waiter)) {
        i++;
        continue;
      }
      this.scheduler.wake(waiter.task);
      removeFrom(this.waiters, waiter);
      this.give(waiter);
    }
  }
}

export class SimulatedMutex extends SimulatedLock implements Mutex {
  acquire(): Task<Held> {
    return this.scheduler.acquire(this, true, 0, UNBOUNDED);
  }

  get isHeld(): boolean {
    this.scheduler.touchWhat(this.resource, false);
    return this.holders.length > 0;
  }
}

export class SimulatedRwSemaphore extends SimulatedLock implements RwSemaphore {
  acquire(mode: 'shared' | 'exclusive'): Task<Held> {
    return this.scheduler.acquire(this, mode === 'exclusive', 0, UNBOUNDED);
  }

  tryAcquire(mode: 'shared' | 'exclusive'): Task<Held | null> {
    return this.scheduler.tryAcquire(this, mode === 'exclusive', 0, UNBOUNDED);
  }

  changesGuarded(field: string): void {
    const { scheduler, holders } = this;
    // Also a shared holder must not change places with this, or pruning would lose the order that is wrong.
    scheduler.touchWhat(this.resource, true);
    const changer = scheduler.currentTask;
    for (let i = 0; i < holders.length; i++) {
      const holder = holders[i]!;
      if (holder.task !== changer)
        scheduler.judge.reportGuarded(changer?.name ?? 'world', holder, field, scheduler.steps);
    }
  }

  get isContended(): boolean {
    this.scheduler.touchWhat(this.resource, false);
    return this.waiters.length > 0;
  }
}

export class SimulatedRangeLock extends SimulatedLock implements RangeLock {
  /** As btrfs's extent lock: a reader that holds its first sectors may lock the next ones past a waiting writer. */
  override readonly waitersQueue = false;

  protected override touch(grant: LockGrant, isWrite: boolean): void {
    this.scheduler.touchPart(this.resource, grant.start, grant.end, isWrite);
  }

  acquire(start: number, length: number, mode: 'shared' | 'exclusive' = 'exclusive'): Task<Held> {
    assert(length > 0, 'a range lock locks at least one byte', { lock: this.name, start, length });
    return this.scheduler.acquire(this, mode === 'exclusive', start, start + length);
  }
}

/** Keeps the order of the others. */
export function removeFrom<T>(list: T[], item: T): void {
  let i = list.length - 1;
  while (i >= 0 && list[i] !== item) i--;
  if (i < 0) return;
  for (const last = list.length - 1; i < last; i++) list[i] = list[i + 1]!;
  list.pop();
}
