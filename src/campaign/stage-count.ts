import type { Strategy } from '../inject/strategy.ts';
import { type ExploreStage, isRandomised } from '../workload/model.ts';
import type { Execution } from './bench.ts';
import { foldHash, HASH_START, showHash } from './rolling-hash.ts';
import { whyNotFollowed } from './strategies.ts';
import type { StageResult } from './verdict.ts';

/** Counts what a stage does, execution by execution. */
export class StageCount {
  readonly stage: ExploreStage;
  explored = 0;
  pruned = 0;
  selfChecks = 0;
  private violating = 0;
  private firstViolation: number | null = null;
  private readonly laws = new Map<string, number>();
  private readonly ruleNames: string[] = [];
  private readonly firedRules = new Set<string>();
  private hash = HASH_START;
  private isExhausted = false;
  private notFollowed: string | null = null;

  constructor(stage: ExploreStage) {
    this.stage = stage;
  }

  /** All that was asked for has been done, or the bound is reached. */
  get isFull(): boolean {
    if (isRandomised(this.stage)) return this.explored >= this.stage.runs;
    if (this.stage.strategy === 'exhaustive') return this.explored + this.pruned >= this.stage.bound;
    return this.explored >= 1;
  }

  add(execution: Execution, fingerprint: string): void {
    const { record, violations } = execution;
    this.explored += 1;
    this.hash = foldHash(foldHash(this.hash, record.eventHash), fingerprint);
    for (const { rule, fired } of record.rules) {
      if (this.explored === 1) this.ruleNames.push(rule);
      if (fired > 0) this.firedRules.add(rule);
    }
    if (violations.length === 0) return;
    this.violating += 1;
    this.firstViolation ??= this.explored;
    for (const law of new Set(violations.map((violation) => violation.law))) {
      this.laws.set(law, (this.laws.get(law) ?? 0) + 1);
    }
  }

  /** What followed was explored already. */
  addPruned(): void {
    this.pruned += 1;
  }

  /** Nothing more will come: the stage is full, or the strategy has nothing left. */
  end(strategy: Strategy): void {
    this.notFollowed = whyNotFollowed(strategy);
    if (this.stage.strategy !== 'exhaustive') this.isExhausted = this.isFull;
    // The bound may be just enough: then there is nothing left to begin either.
    else this.isExhausted = !this.isFull || !strategy.beginExecution();
  }

  result(): StageResult {
    return {
      name: this.stage.name,
      strategy: this.stage.strategy,
      explored: this.explored,
      pruned: this.pruned,
      isComplete: this.isExhausted,
      violating: this.violating,
      firstViolation: this.firstViolation,
      laws: Object.fromEntries([...this.laws].sort(([a], [b]) => (a < b ? -1 : 1))),
      idleRules: this.ruleNames.filter((name) => !this.firedRules.has(name)),
      notFollowed: this.notFollowed,
      selfChecks: this.selfChecks,
      eventHash: showHash(this.hash),
    };
  }
}
