import type { Dispatcher } from './dispatcher.ts';
import type { DelayAction, ReorderAction } from './fault-rule.ts';
import type { ActiveRule } from './rule-engine.ts';
import type { SimulatedIo } from './simulated-io.ts';
import { removeFrom } from './simulated-lock.ts';
import type { SimulatedTask } from './simulated-task.ts';

/** Something that a rule holds back, and what ends it; exactly one of the three ends is given. */
interface Hold {
  readonly rule: ActiveRule;
  readonly held: SimulatedTask | SimulatedIo;
  readonly untilStep: number | null;
  readonly until: { readonly task: string; readonly passes: string } | null;
  completionsLeft: number | null;
}

/** Everything that fault rules hold back in a run, in the order in which it began. */
export class Holds {
  private readonly scheduler: Dispatcher;
  private readonly list: Hold[] = [];
  /** Rules that have gathered completions for the end of the epoch. */
  private readonly gathering: ActiveRule[] = [];

  constructor(scheduler: Dispatcher) {
    this.scheduler = scheduler;
  }

  reset(): void {
    this.list.length = 0;
    this.gathering.length = 0;
  }

  get isEmpty(): boolean {
    return this.list.length === 0;
  }

  /** Holds a task or completion that is in no list of choices. */
  begin(held: SimulatedTask | SimulatedIo, rule: ActiveRule, action: DelayAction | ReorderAction): void {
    if (action.kind === 'reorder' && 'order' in action) {
      if (rule.gathered.length === 0) this.gathering.push(rule);
      rule.gathered.push(held as SimulatedIo);
      return;
    }
    if ('for' in action) {
      this.scheduler.startTimer(held, action.for);
      return;
    }
    this.list.push({
      rule,
      held,
      untilStep: 'events' in action ? this.scheduler.steps + action.events : null,
      until: 'until' in action ? action.until : null,
      completionsLeft: 'hold' in action ? action.hold : null,
    });
  }

  /** After each step. */
  releaseDue(): void {
    const now = this.scheduler.steps;
    this.releaseIf((hold) => hold.untilStep !== null && hold.untilStep <= now);
  }

  onPass(task: string, point: string): void {
    this.releaseIf(({ until }) => until !== null && until.passes === point && nameMatches(until.task, task));
  }

  /** A completion that was not itself held back by this rule came. */
  onCompletion(): void {
    for (const hold of this.list) if (hold.completionsLeft !== null) hold.completionsLeft -= 1;
    this.releaseIf((hold) => hold.completionsLeft !== null && hold.completionsLeft <= 0);
  }

  /** Ends the epoch of one device, or of all; true when that let anything go. */
  endEpoch(device: number | null): boolean {
    let hasReleased = false;
    for (const rule of this.gathering.slice()) {
      const mine = rule.gathered.filter((io) => device === null || io.device.index === device);
      if (mine.length === 0) continue;
      hasReleased = true;
      for (const io of mine) removeFrom(rule.gathered, io);
      if (rule.gathered.length === 0) removeFrom(this.gathering, rule);
      const { then } = rule.rule;
      if (then.kind === 'reorder' && 'order' in then && then.order === 'shuffle') this.shuffle(mine);
      else mine.reverse();
      for (let i = 0; i + 1 < mine.length; i++) mine[i]!.followedBy = mine[i + 1]!;
      this.scheduler.resume(mine[0]!);
    }
    return hasReleased;
  }

  /** Nothing else can run: these delays would never end. True when there were any. */
  releaseStuck(): boolean {
    if (this.list.length === 0) return false;
    for (const hold of this.list) {
      hold.rule.released += 1;
      this.scheduler.record(hold.held.name, 'release-delay', `${hold.rule.rule.name}: nothing else can run`);
    }
    this.releaseIf(() => true);
    return true;
  }

  /** The task was killed, or its run ends. */
  forget(task: SimulatedTask): void {
    for (const hold of this.list.slice()) if (hold.held === task) removeFrom(this.list, hold);
  }

  private releaseIf(isOver: (hold: Hold) => boolean): void {
    for (let i = 0; i < this.list.length; ) {
      const hold = this.list[i]!;
      if (!isOver(hold)) {
        i++;
        continue;
      }
      removeFrom(this.list, hold);
      this.scheduler.resume(hold.held);
    }
  }

  /** Fisher and Yates, each draw on the tape. */
  private shuffle(ios: SimulatedIo[]): void {
    for (let i = ios.length - 1; i > 0; i--) {
      const other = this.scheduler.drawBelow(i + 1);
      const kept = ios[i]!;
      ios[i] = ios[other]!;
      ios[other] = kept;
    }
  }
}

function nameMatches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}
