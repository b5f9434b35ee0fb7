import type { Choice, WorldView } from '../strategy.ts';
import { SteadyStrategy, steadyPick } from './steady.ts';

/** `task` passes `point`, and not before all earlier entries were passed. */
export interface ScriptEntry {
  readonly task: string;
  readonly point: string;
}

export interface ScriptOutcome {
  /** How many entries were passed, in order. */
  readonly reached: number;
  /** The first entry that was not, and why; both null when the whole script was followed. */
  readonly missing: ScriptEntry | null;
  readonly reason: string | null;
}

/**
 * Follows an interleaving written by hand, as a changelog draws it. A task is free at every point that the rest of the
 * script does not name for it, and stands at a named one until its turn. Having passed an entry it runs on to its next
 * point, or until it has to wait: the step that the entry names is done before the next entry is passed. The task whose turn it is goes first; when it
 * is blocked, completions, then tasks that the script does not name, then the others. A script that cannot be followed
 * is given up at that entry, and the run goes on steadily.
 */
export class ScriptStrategy extends SteadyStrategy {
  override readonly name = 'script';
  override readonly wantsEveryStep = true;
  private readonly entries: readonly ScriptEntry[];
  private readonly named: ReadonlySet<string>;
  private position = 0;
  private reason: string | null = null;
  /** Who passed the last entry and may still be in the step behind it. */
  private inStep: string | null = null;

  constructor(entries: readonly ScriptEntry[], seed: string) {
    super(seed);
    this.entries = entries;
    this.named = new Set(entries.map(({ task }) => task));
  }

  get outcome(): ScriptOutcome {
    const { position, entries, reason } = this;
    return { reached: position, missing: entries[position] ?? null, reason };
  }

  override beginExecution(): boolean {
    this.position = 0;
    this.reason = null;
    this.inStep = null;
    return true;
  }

  override pick(choices: readonly Choice[], view: WorldView): number {
    if (this.reason !== null) return steadyPick(choices, view);
    const head = this.entries[this.position];
    if (head === undefined) return steadyPick(choices, view);
    const unfinished = this.indexInStep(choices);
    if (unfinished >= 0) return unfinished;
    const index = this.preferred(choices, head);
    if (index < 0) {
      const ahead = 'everybody else stands at a later entry or waits';
      this.giveUp(head, `${ahead}: ${view.waiting().join('; ')}`);
      return steadyPick(choices, view);
    }
    if (isAt(choices[index]!, head)) {
      this.position += 1;
      this.inStep = head.task;
    }
    return index;
  }

  /** Where the task stands that has yet to finish its step; -1 when it has, or waits. */
  private indexInStep(choices: readonly Choice[]): number {
    if (this.inStep === null) return -1;
    for (let index = 0; index < choices.length; index++) {
      const { kind, name, effect } = choices[index]!;
      if (kind === 'task' && name === this.inStep && effect !== 'point') return index;
    }
    this.inStep = null;
    return -1;
  }

  override endExecution(view: WorldView): void {
    const head = this.entries[this.position];
    if (head === undefined || this.reason !== null) return;
    const waits = view.waiting();
    this.giveUp(head, `the run ended${waits.length === 0 ? '' : `; ${waits.join('; ')}`}`);
  }

  private preferred(choices: readonly Choice[], head: ScriptEntry): number {
    let best = -1;
    let bestRank = Number.POSITIVE_INFINITY;
    for (let index = 0; index < choices.length; index++) {
      const choice = choices[index]!;
      if (!this.isFree(choice, head)) continue;
      const rank = this.rankOf(choice, head);
      if (rank < bestRank) {
        best = index;
        bestRank = rank;
      }
    }
    return best;
  }

  private rankOf(choice: Choice, head: ScriptEntry): number {
    if (choice.kind === 'completion') return 2;
    if (choice.name === head.task) return 1;
    return this.named.has(choice.name) ? 4 : 3;
  }

  private isFree(choice: Choice, head: ScriptEntry): boolean {
    if (choice.kind === 'completion' || choice.effect !== 'point' || isAt(choice, head)) return true;
    for (let later = this.position + 1; later < this.entries.length; later++) {
      if (isAt(choice, this.entries[later]!)) return false;
    }
    return true;
  }

  private giveUp(head: ScriptEntry, why: string): void {
    this.reason = `entry ${this.position + 1} of ${this.entries.length}, "${head.task}: ${head.point}", was not reached: ${why}`;
  }
}

export function script(entries: readonly ScriptEntry[], options: { readonly seed?: string } = {}): ScriptStrategy {
  return new ScriptStrategy(entries, options.seed ?? '0');
}

function isAt(choice: Choice, entry: ScriptEntry): boolean {
  return choice.effect === 'point' && choice.place === entry.point && choice.name === entry.task;
}
