import type { LockReport, Step } from '../record/run-record.ts';
import type { LockGrant } from './lock-grant.ts';
import type { SimulatedLock } from './simulated-lock.ts';
import type { SimulatedTask } from './simulated-task.ts';

/** The first time that a lock of one class was taken under a lock of another. */
interface OrderSeen {
  readonly outer: SimulatedLock;
  readonly inner: SimulatedLock;
  readonly task: string;
  readonly step: Step;
}

const UNLISTED = -1;

/**
 * Watches the locks of one run: wait cycles when they form, and the order in which classes nest, as Linux's lockdep
 * does: the order that was declared, and the order that this run itself has shown, whether or not anything hangs.
 */
export class LockJudge {
  readonly reports: LockReport[] = [];
  private readonly classes = new Map<string, number>();
  private readonly rankOfClass: number[] = [];
  /** By outer class, then by inner class. */
  private readonly seen: (OrderSeen | undefined)[][] = [];
  private hasSeen = false;
  private readonly complained = new Set<string>();
  private readonly order: readonly string[];
  private visit = 0;

  constructor(order: readonly string[]) {
    this.order = order;
  }

  reset(): void {
    if (this.reports.length !== 0) this.reports.length = 0;
    if (this.complained.size !== 0) this.complained.clear();
    if (this.hasSeen) for (const row of this.seen) row.fill(undefined);
    this.hasSeen = false;
    this.visit = 0;
  }

  classIndexOf(lockClass: string): number {
    const known = this.classes.get(lockClass);
    if (known !== undefined) return known;
    const index = this.classes.size;
    this.classes.set(lockClass, index);
    this.rankOfClass.push(this.order.indexOf(lockClass));
    this.seen.push([]);
    return index;
  }

  /** Before `grant` is attempted: may its lock be taken under all that the task holds? */
  checkOrder(grant: LockGrant, step: Step): void {
    const { held } = grant.task;
    for (let i = 0; i < held.length; i++) this.checkPair(held[i]!, grant, step);
  }

  /** After `task` began to wait. True, and reported, when it closed a cycle of tasks that wait for each other. */
  checkCycle(task: SimulatedTask, step: Step, withSuspects: boolean): boolean {
    const path: SimulatedTask[] = [];
    this.visit += 1;
    if (!this.reaches(task, task, path, withSuspects)) return false;
    const waits = path.map((member) => `${member.name} waits for ${member.waitsFor!.showWait()}`);
    const locks = path.map((member) => member.waitsFor!.lockName).filter((name) => name !== undefined);
    this.reports.push({
      kind: 'wait-cycle',
      step,
      message: `tasks wait for each other: ${waits.join('; ')}`,
      tasks: path.map((member) => member.name),
      locks: [...new Set(locks)],
    });
    return true;
  }

  reportHeld(grant: LockGrant, step: Step): void {
    const { task } = grant;
    const how = task.state === 'killed' ? 'was killed' : task.isDone ? 'ended' : 'was still alive';
    this.reports.push({
      kind: 'held-at-end',
      step,
      message: `${grant.show()} is still held by ${task.name}, which ${how}`,
      tasks: [task.name],
      locks: [grant.lock.name],
    });
  }

  reportWaiting(name: string, what: string, lockName: string | undefined, step: Step): void {
    this.reports.push({
      kind: 'waiting-at-end',
      step,
      message: `${name} still waits for ${what}`,
      tasks: [name],
      locks: lockName === undefined ? [] : [lockName],
    });
  }

  /** `task` changed a field that the lock protects, while another task held it: once for each lock class and field. */
  reportGuarded(task: string, holder: LockGrant, field: string, step: Step): void {
    const what = `${holder.lock.lockClass}.${field}`;
    if (this.complained.has(what)) return;
    this.complained.add(what);
    this.reports.push({
      kind: 'guarded-change',
      step,
      message: `${task} changes ${field} while ${holder.task.name} holds ${holder.show()}, which protects it`,
      tasks: [task, holder.task.name],
      locks: [holder.lock.name],
    });
  }

  private reaches(from: SimulatedTask, goal: SimulatedTask, path: SimulatedTask[], withSuspects: boolean): boolean {
    const waits = from.waitsFor;
    if (waits === null || from.visit === this.visit) return false;
    from.visit = this.visit;
    path.push(from);
    const direct = waits.blockers();
    const next = withSuspects && waits.suspects !== undefined ? waits.suspects() : direct;
    for (const blocker of next) {
      if (blocker === goal) return true;
      if (this.reaches(blocker, goal, path, withSuspects)) return true;
    }
    path.pop();
    return false;
  }

  private checkPair(outer: LockGrant, inner: LockGrant, step: Step): void {
    const a = outer.lock.classIndex;
    const b = inner.lock.classIndex;
    if (a === b) {
      this.checkSameClass(outer, inner, step);
      return;
    }
    if (this.seen[a]![b] !== undefined) return;
    this.seen[a]![b] = { outer: outer.lock, inner: inner.lock, task: inner.task.name, step };
    this.hasSeen = true;
    const rankA = this.rankOfClass[a]!;
    const rankB = this.rankOfClass[b]!;
    if (rankA !== UNLISTED && rankB !== UNLISTED) {
      if (rankA < rankB) return;
      const order = `${inner.lock.lockClass} comes before ${outer.lock.lockClass} in the declared order`;
      this.complain(outer, inner, step, order);
      return;
    }
    const back = this.pathBetween(b, a);
    if (back === null) return;
    const shown = back.map(
      (edge) => `${edge.task} took ${edge.inner.name} under ${edge.outer.name} at step ${edge.step}`,
    );
    this.complain(outer, inner, step, shown.join(', '));
  }

  private checkSameClass(outer: LockGrant, inner: LockGrant, step: Step): void {
    if (outer.lock === inner.lock) {
      const ascends = outer.end <= inner.start;
      // Overlapping ranges and locks without ranges are a wait for oneself, unless both are shared.
      if (ascends || (outer.conflictsWith(inner) && inner.end !== Number.POSITIVE_INFINITY)) return;
    } else if (outer.lock.id < inner.lock.id) return;
    this.complain(outer, inner, step, `locks of class ${inner.lock.lockClass} nest by ascending id or range only`);
  }

  private complain(outer: LockGrant, inner: LockGrant, step: Step, reason: string): void {
    const pair = `${outer.lock.lockClass}/${inner.lock.lockClass}`;
    if (this.complained.has(pair)) return;
    this.complained.add(pair);
    this.reports.push({
      kind: 'order-violation',
      step,
      message: `${inner.task.name} takes ${inner.show()} while it holds ${outer.show()}; ${reason}`,
      tasks: [inner.task.name],
      locks: [outer.lock.name, inner.lock.name],
    });
  }

  /** The nestings that lead from class `from` to class `to`, or null. */
  private pathBetween(from: number, to: number, visited = new Set<number>()): OrderSeen[] | null {
    visited.add(from);
    const row = this.seen[from]!;
    for (let next = 0; next < row.length; next++) {
      const edge = row[next];
      if (edge === undefined || visited.has(next)) continue;
      if (next === to) return [edge];
      const rest = this.pathBetween(next, to, visited);
      if (rest !== null) return [edge, ...rest];
    }
    return null;
  }
}
