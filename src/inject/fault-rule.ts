import { type Errno, isErrno } from '../base/errno.ts';
import type { Range } from '../base/range.ts';
import type { TreeId, VirtualNanoseconds } from '../base/units.ts';
import type { IoOperation, IoPurpose } from '../task/world.ts';

/**
 * A sentence about the world: when something that looks like this happens, do that. Rules are data, they match only
 * while the run is being explored, and one that never fired is reported with `fired: 0`.
 *
 * `when.point` and `when.lock` select places where a task may be delayed, `when.site` a step of the engine that may
 * fail (`World.mayFail`); a rule with none of these selects I/O requests.
 */
export interface FaultRule {
  readonly name: string;
  readonly when: FaultMatch;
  readonly then: FaultAction;
}

/** Everything that is given must hold. */
export interface FaultMatch {
  /** The task that makes the effect, by name; a `*` at the end stands for any rest. */
  readonly task?: string;
  readonly operation?: IoOperation | readonly IoOperation[];
  /** Device index, from 0. */
  readonly device?: number;
  /** Bytes on the device; requests that overlap it match. */
  readonly physical?: Range;
  /** Bytes of the logical address space; requests that say where they lie and overlap it match. */
  readonly logical?: Range;
  readonly purpose?: IoPurpose['kind'];
  /** Tree blocks of this tree. */
  readonly tree?: TreeId;
  /** Class of a lock that is about to be acquired. */
  readonly lock?: string;
  readonly point?: string;
  readonly site?: string;
  /** Which of this rule's matches, counted from 1 in each run; all when absent. */
  readonly occurrence?: Occurrence;
  /** Drawn from the stream `faults` for each occurrence selected. */
  readonly probability?: { readonly numerator: number; readonly denominator: number };
}

/** The nth; every nth; from the `from`th to the `to`th, both included. */
export type Occurrence = number | { readonly every: number } | { readonly from: number; readonly to?: number };

export type FaultAction = DelayAction | FailAction | ReorderAction;

/**
 * Delays an I/O's completion, or a task at its point or before its acquire. A delay that nothing can end any more (all
 * else waits) is released and counted in the report as `released`.
 */
export type DelayAction =
  | { readonly kind: 'delay'; readonly for: VirtualNanoseconds }
  | { readonly kind: 'delay'; readonly until: { readonly task: string; readonly passes: string } }
  /** Until so many other effects and completions happened. */
  | { readonly kind: 'delay'; readonly events: number };

/** The completion carries the errno, and a failed write leaves the medium unchanged; or `mayFail` returns it. */
export interface FailAction {
  readonly kind: 'fail';
  readonly errno: Errno;
}

/** Completions in another order than submissions. An epoch ends at the device's next flush, or when all else waits. */
export type ReorderAction =
  /** Held past so many other completions. */
  | { readonly kind: 'reorder'; readonly hold: number }
  | { readonly kind: 'reorder'; readonly order: 'last-first' | 'shuffle' };

const IO_CRITERIA = ['operation', 'device', 'physical', 'logical', 'purpose', 'tree'] as const;

/** What a rule is asked about. */
export type RuleSubject = 'io' | 'point' | 'lock' | 'site';

export function subjectOf(rule: FaultRule): RuleSubject {
  if (rule.when.point !== undefined) return 'point';
  if (rule.when.lock !== undefined) return 'lock';
  return rule.when.site !== undefined ? 'site' : 'io';
}

/** Every reason why a rule could not mean anything, one line each; empty for a sound rule. */
export function problemsOf(rule: FaultRule): string[] {
  const { when, then } = rule;
  const problems: string[] = [];
  const say = (text: string) => problems.push(`rule "${rule.name}": ${text}`);
  const subject = subjectOf(rule);
  const places = (['point', 'lock', 'site'] as const).filter((key) => when[key] !== undefined);
  if (places.length > 1) say(`selects ${places.join(' and ')}; one effect is only one of these`);
  const foreign = IO_CRITERIA.filter((key) => when[key] !== undefined);
  if (subject !== 'io' && foreign.length > 0)
    say(`${foreign.join(', ')} selects I/O, but the rule is about a ${subject}`);
  if (then.kind === 'fail' && (subject === 'point' || subject === 'lock')) say(`a ${subject} cannot fail, only delay`);
  if (then.kind === 'fail' && !isErrno(then.errno)) say(`${String(then.errno)} is not an errno`);
  if (then.kind === 'delay' && subject === 'site') say('a step that may fail is one instant and cannot be delayed');
  if (then.kind === 'reorder' && subject !== 'io') say('only I/O completions can be reordered');
  if (when.tree !== undefined && when.purpose !== undefined && when.purpose !== 'tree-block') {
    say(`a tree is only known of tree blocks, not of purpose "${when.purpose}"`);
  }
  for (const [what, number, least] of numbersOf(rule)) {
    if (!Number.isSafeInteger(number) || number < least)
      say(`${what} is ${number}, expected a whole number ≥ ${least}`);
  }
  const odds = when.probability;
  if (odds !== undefined && odds.numerator > odds.denominator) say('the probability is above 1');
  const { occurrence } = when;
  if (typeof occurrence === 'object' && 'from' in occurrence && (occurrence.to ?? occurrence.from) < occurrence.from) {
    say(`occurrence from ${occurrence.from} to ${occurrence.to} selects nothing`);
  }
  return problems;
}

function numbersOf(rule: FaultRule): [what: string, value: number, least: number][] {
  const { when, then } = rule;
  const found: [string, number, number][] = [];
  if (when.device !== undefined) found.push(['device', when.device, 0]);
  for (const key of ['physical', 'logical'] as const) {
    const range = when[key];
    if (range !== undefined) found.push([`${key}.start`, range.start, 0], [`${key}.length`, range.length, 1]);
  }
  const { occurrence, probability } = when;
  if (typeof occurrence === 'number') found.push(['occurrence', occurrence, 1]);
  else if (occurrence !== undefined && 'every' in occurrence) found.push(['occurrence.every', occurrence.every, 1]);
  else if (occurrence !== undefined) found.push(['occurrence.from', occurrence.from, 1]);
  if (probability !== undefined) {
    found.push(['probability.numerator', probability.numerator, 0]);
    found.push(['probability.denominator', probability.denominator, 1]);
  }
  if (then.kind === 'delay' && 'for' in then) found.push(['delay', then.for, 0]);
  if (then.kind === 'delay' && 'events' in then) found.push(['events', then.events, 1]);
  if (then.kind === 'reorder' && 'hold' in then) found.push(['hold', then.hold, 1]);
  return found;
}
