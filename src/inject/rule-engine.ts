import { AssertionFailure } from '../base/assert.ts';
import type { Errno } from '../base/errno.ts';
import { overlaps } from '../base/range.ts';
import type { FailedIo, RuleReport } from '../record/run-record.ts';
import { resource } from '../task/resource.ts';
import type { IoRequest } from '../task/world.ts';
import type { Dispatcher } from './dispatcher.ts';
import { type DelayAction, type FaultRule, problemsOf, type ReorderAction, subjectOf } from './fault-rule.ts';
import type { SimulatedIo } from './simulated-io.ts';
import type { SimulatedTask } from './simulated-task.ts';

/** A rule with its counts in the running execution. */
export class ActiveRule {
  readonly rule: FaultRule;
  readonly index: number;
  matches = 0;
  fired = 0;
  released = 0;
  /** What it made to fail, each kind once for each device. */
  readonly failedIo: FailedIo[] = [];
  /** Completions that a reorder rule gathers until the epoch ends. */
  readonly gathered: SimulatedIo[] = [];
  private readonly taskPrefix: string | null;

  constructor(rule: FaultRule, index: number) {
    this.rule = rule;
    this.index = index;
    const { task } = rule.when;
    this.taskPrefix = task?.endsWith('*') ? task.slice(0, -1) : null;
  }

  matchesTask(name: string): boolean {
    const { task } = this.rule.when;
    if (task === undefined) return true;
    return this.taskPrefix === null ? task === name : name.startsWith(this.taskPrefix);
  }

  /** True when its answer depends on how often it matched before, or on a draw. */
  get counts(): boolean {
    return this.rule.when.occurrence !== undefined || this.rule.when.probability !== undefined;
  }
}

export interface IoVerdict {
  readonly errno: Errno | null;
  readonly delay: { readonly rule: ActiveRule; readonly action: DelayAction | ReorderAction } | null;
}

const UNTOUCHED: IoVerdict = { errno: null, delay: null };

/** Matches the effects of a run against its rules. Decides; the scheduler acts. */
export class RuleEngine {
  readonly rules: readonly ActiveRule[];
  private readonly scheduler: Dispatcher;
  private readonly ioRules: readonly ActiveRule[];
  private readonly pointRules: readonly ActiveRule[];
  private readonly lockRules: readonly ActiveRule[];
  private readonly siteRules: readonly ActiveRule[];

  /** Throws an AssertionFailure that lists every unsound rule. */
  constructor(rules: readonly FaultRule[], scheduler: Dispatcher) {
    const problems = rules.flatMap(problemsOf);
    if (problems.length > 0) throw new AssertionFailure(`fault rules make sense: ${problems.join('; ')}`);
    this.scheduler = scheduler;
    this.rules = rules.map((rule, index) => new ActiveRule(rule, index));
    const about = (subject: string) => this.rules.filter(({ rule }) => subjectOf(rule) === subject);
    this.ioRules = about('io');
    this.pointRules = about('point');
    this.lockRules = about('lock');
    this.siteRules = about('site');
  }

  reset(): void {
    for (const active of this.rules) {
      active.matches = 0;
      active.fired = 0;
      active.released = 0;
      active.failedIo.length = 0;
      active.gathered.length = 0;
    }
  }

  reports(): RuleReport[] {
    return this.rules.map(({ rule, fired, released, failedIo }) => ({
      rule: rule.name,
      fired,
      released,
      act: rule.then.kind,
      ...(rule.then.kind === 'fail' ? { errno: rule.then.errno, failedIo: failedIo.slice() } : {}),
    }));
  }

  onIo(task: SimulatedTask, device: number, request: IoRequest): IoVerdict {
    let errno: Errno | null = null;
    let delay: IoVerdict['delay'] = null;
    for (const active of this.ioRules) {
      if (!selectsIo(active.rule, device, request) || !this.fires(active, task.name)) continue;
      const { then } = active.rule;
      if (then.kind === 'fail') {
        errno ??= then.errno;
        noteFailed(active.failedIo, device, request.operation);
      } else delay ??= { rule: active, action: then };
    }
    return errno === null && delay === null ? UNTOUCHED : { errno, delay };
  }

  onPoint(task: SimulatedTask, point: string): ActiveRule | null {
    for (const active of this.pointRules) {
      if (active.rule.when.point === point && this.fires(active, task.name)) return active;
    }
    return null;
  }

  onAcquire(task: SimulatedTask, lockClass: string): ActiveRule | null {
    for (const active of this.lockRules) {
      if (active.rule.when.lock === lockClass && this.fires(active, task.name)) return active;
    }
    return null;
  }

  onSite(task: string, site: string): Errno | null {
    for (const active of this.siteRules) {
      const { when, then } = active.rule;
      if (when.site === site && then.kind === 'fail' && this.fires(active, task)) return then.errno;
    }
    return null;
  }

  /** Counts the match, and says whether this is one on which the rule acts. */
  private fires(active: ActiveRule, task: string): boolean {
    if (!active.matchesTask(task)) return false;
    if (active.counts) this.scheduler.touchWhat(resource('rule', active.index), true);
    active.matches += 1;
    const { occurrence, probability } = active.rule.when;
    if (!selectsOccurrence(occurrence, active.matches)) return false;
    if (probability !== undefined && !this.scheduler.chance(probability.numerator, probability.denominator))
      return false;
    active.fired += 1;
    return true;
  }
}

function noteFailed(known: FailedIo[], device: number, operation: IoRequest['operation']): void {
  if (!known.some((one) => one.device === device && one.operation === operation)) known.push({ device, operation });
}

function selectsOccurrence(occurrence: FaultRule['when']['occurrence'], nth: number): boolean {
  if (occurrence === undefined) return true;
  if (typeof occurrence === 'number') return nth === occurrence;
  if ('every' in occurrence) return nth % occurrence.every === 0;
  return nth >= occurrence.from && (occurrence.to === undefined || nth <= occurrence.to);
}

function selectsIo({ when }: FaultRule, device: number, request: IoRequest): boolean {
  const { operation, offset, length, purpose, logical } = request;
  if (when.operation !== undefined && when.operation !== operation && !when.operation.includes(operation)) return false;
  if (when.device !== undefined && when.device !== device) return false;
  if (when.purpose !== undefined && when.purpose !== purpose.kind) return false;
  if (when.tree !== undefined && !(purpose.kind === 'tree-block' && purpose.tree === when.tree)) return false;
  if (when.physical !== undefined && !overlaps(when.physical, { start: offset, length })) return false;
  if (when.logical !== undefined) {
    if (logical === undefined || !overlaps(when.logical, { start: logical, length })) return false;
  }
  return true;
}
