import { AssertionFailure } from '../base/assert.ts';
import type { Strategy } from '../inject/strategy.ts';
import type { Law, Violation } from '../oracle/law.ts';
import { LAWS } from '../oracle/laws.ts';
import type { DiskImage } from '../record/image.ts';
import type { OperationRecord, RunRecord } from '../record/run-record.ts';
import type { Workload } from '../workload/model.ts';
import { Bench, type Execution, SetupFailed } from './bench.ts';
import {
  concludeSetting,
  type ExecutionOrigin,
  type ExploredSetting,
  executionOptions,
  type FailureOrigin,
  faultOf,
  showFailure,
} from './conclude.ts';
import { ExpectationTally } from './expectation.ts';
import { foldHash, HASH_START, showHash } from './rolling-hash.ts';
import type { SettingPlan } from './settings.ts';
import { StageCount } from './stage-count.ts';
import { replayOf, strategyOf } from './strategies.ts';
import type { BenchFault, Failure, SettingResult } from './verdict.ts';

/** Every so many executions one is done again and compared; so is the first of each stage. */
const SELF_CHECK_EVERY = 64;

/** Disks that an execution left, for outside judges. */
export interface ImageSample {
  readonly images: readonly DiskImage[];
  readonly fingerprint: string;
  readonly origin: ExecutionOrigin;
  /** Our own laws found nothing wrong with them. */
  readonly isSound: boolean;
}

export interface ExplorationOptions {
  /** Default: all. */
  readonly laws?: readonly Law[];
  /** Distinct images to hand out for outside judges, besides the last one; default 0. */
  readonly samplesMax?: number;
}

/**
 * Explores one workload under one setting of the switches, one execution per `step`, so that whoever drives it can
 * watch the clock, show progress and stop between any two. Deterministic: what it does depends on its arguments only.
 */
export class SettingExploration {
  readonly workload: Workload;
  readonly plan: SettingPlan;
  private readonly laws: readonly Law[];
  private readonly samplesMax: number;
  private readonly tally: ExpectationTally;
  private bench: Bench | null = null;
  private readonly counts: StageCount[] = [];
  private current: { readonly count: StageCount; readonly strategy: Strategy } | null = null;
  private fault: BenchFault | null = null;
  private setupProblem: string | null = null;
  private firstExpected: FailureOrigin | null = null;
  private firstUnexpected: FailureOrigin | null = null;
  /** Of all different disks that the executions have left so far. */
  readonly fingerprints = new Set<string>();
  private samples: ImageSample[] = [];
  private lastSample: ImageSample | null = null;
  /** Nothing is left to explore, or the bench failed. */
  isDone = false;

  constructor(workload: Workload, plan: SettingPlan, options: ExplorationOptions = {}) {
    this.workload = workload;
    this.plan = plan;
    this.laws = options.laws ?? LAWS;
    this.samplesMax = options.samplesMax ?? 0;
    this.tally = new ExpectationTally(plan.expectations);
  }

  /** Where it is: stage, executions so far; null before the start and after the end. */
  get progress(): { readonly stage: string; readonly explored: number; readonly pruned: number } | null {
    if (this.current === null) return null;
    const { stage, explored, pruned } = this.current.count;
    return { stage: stage.name, explored, pruned };
  }

  /** A law broke in some execution, expected or not. */
  get hasViolation(): boolean {
    return this.firstExpected !== null || this.firstUnexpected !== null;
  }

  /** Does one execution. False when nothing is left to do, also because the bench failed. */
  step(): boolean {
    if (this.isDone) return false;
    try {
      this.bench ??= new Bench(this.workload, this.plan.fixes, this.laws);
      this.isDone = !this.stepStage(this.bench);
    } catch (error) {
      if (error instanceof SetupFailed) this.setupProblem = error.message;
      else this.fault = faultOf(error, this.executionUnderWay(), this.bench?.lastTape ?? []);
      this.current = null;
      this.isDone = true;
    }
    return !this.isDone;
  }

  private executionUnderWay(): { readonly stage: string; readonly execution: number } | null {
    const count = this.current?.count;
    return count === undefined ? null : { stage: count.stage.name, execution: count.explored + 1 };
  }

  private stepStage(bench: Bench): boolean {
    while (true) {
      if (this.current === null && !this.beginStage()) return false;
      const { count, strategy } = this.current!;
      const execution = count.isFull ? null : bench.execute(strategy, executionOptions(count.stage));
      if (execution === null) {
        count.end(strategy);
        this.current = null;
        continue;
      }
      if (execution.isPruned) count.addPruned();
      else this.take(bench, count, execution);
      return true;
    }
  }

  private beginStage(): boolean {
    const stage = this.plan.stages[this.counts.length];
    if (stage === undefined) {
      if (this.lastSample !== null) this.samples.push(this.lastSample);
      this.lastSample = null;
      return false;
    }
    const count = new StageCount(stage);
    this.counts.push(count);
    this.current = { count, strategy: strategyOf(stage, this.workload) };
    return true;
  }

  private take(bench: Bench, count: StageCount, execution: Execution): void {
    const { record, violations } = execution;
    const fingerprint = record.after.map((image) => image.fingerprint).join('+');
    count.add(execution, fingerprint);
    const isFirst = count.explored === 1;
    if (isFirst || count.explored % SELF_CHECK_EVERY === 0) this.selfCheck(bench, count, execution, fingerprint);
    const origin = { stage: count.stage, execution: count.explored, tape: record.tape };
    if (violations.length > 0) this.takeViolations(origin, violations, record.operations);
    this.takeImages(origin, record, fingerprint, violations);
  }

  private takeViolations(
    origin: ExecutionOrigin,
    violations: readonly Violation[],
    operations: readonly OperationRecord[],
  ): void {
    const isExpected = this.tally.add(origin.stage.name, violations, operations);
    if (isExpected) this.firstExpected ??= { ...origin, violations };
    else this.firstUnexpected ??= { ...origin, violations };
  }

  private takeImages(
    origin: ExecutionOrigin,
    record: RunRecord,
    fingerprint: string,
    violations: readonly Violation[],
  ): void {
    if (this.fingerprints.has(fingerprint)) return;
    this.fingerprints.add(fingerprint);
    if (this.samplesMax === 0) return;
    const isSound = violations.every((violation) => violation.law !== 'structure');
    const sample = { images: record.after, fingerprint, origin, isSound };
    if (this.fingerprints.size <= this.samplesMax) this.samples.push(sample);
    else this.lastSample = sample;
  }

  /** Images that have come up since this was called last. */
  takeSamples(): ImageSample[] {
    const taken = this.samples;
    this.samples = [];
    return taken;
  }

  /** The same tape must give the same events and the same disks. */
  private selfCheck(bench: Bench, count: StageCount, execution: Execution, fingerprint: string): void {
    const { record } = execution;
    const again = bench.execute(replayOf(record.tape), executionOptions(count.stage));
    const after = again?.record.after.map((image) => image.fingerprint).join('+');
    if (again === null || again.record.eventHash !== record.eventHash || after !== fingerprint) {
      throw new AssertionFailure('the same schedule gives the same events and disks', {
        stage: count.stage.name,
        execution: count.explored,
        first: [record.eventHash, fingerprint],
        again: [again?.record.eventHash, after],
      });
    }
    count.selfChecks += 1;
  }

  /** All that was found so far, in plain data; the execution to show for it is done once more, with its events kept. */
  outcome(): ExploredSetting {
    const shown = this.firstUnexpected ?? this.firstExpected;
    let failure: Failure | null = null;
    if (shown !== null && this.bench !== null && this.fault === null) {
      const again = showFailure(this.bench, shown, { isExpected: this.firstUnexpected === null });
      if ('fault' in again) this.fault = again.fault;
      else failure = again.failure;
    }
    return {
      isDone: this.isDone,
      stages: this.counts.map((count) => count.result()),
      tally: this.tally.state(),
      firstExpected: this.firstExpected,
      firstUnexpected: this.firstUnexpected,
      failure,
      fault: this.fault,
      setupProblem: this.setupProblem,
      fingerprints: [...this.fingerprints],
    };
  }

  /** The verdict so far. */
  conclude(options: { readonly isInterrupted: boolean }): SettingResult {
    const { laws } = this;
    return concludeSetting(this.workload, this.plan, this.outcome(), { ...options, complaints: [], laws });
  }
}

/** Hash over the results of several settings, in order. */
export function combinedHash(results: readonly SettingResult[]): string {
  let hash = HASH_START;
  for (const result of results) for (const stage of result.stages) hash = foldHash(hash, stage.eventHash);
  return showHash(hash);
}
