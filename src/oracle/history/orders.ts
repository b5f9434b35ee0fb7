import type { Step } from '../../record/run-record.ts';
import { type Call, precedes } from './calls.ts';

/** What a history of calls can have led to at one moment: some calls have taken effect, the others not yet. */
export interface Configuration<State> {
  readonly state: State;
  /** How many of the sorted calls have all taken effect, and the indices of further ones, ascending. */
  readonly prefix: number;
  readonly extras: readonly number[];
  /** When the last of those that have taken effect began, and when the first of the others ended. */
  readonly latestStart: Step;
  readonly firstEnd: Step;
}

/** All legal orders of a history at once. */
export interface Orders<C extends Call, State> {
  /** Sorted by their start. */
  readonly calls: readonly C[];
  /** Only those from which every call can still take effect; the last ones are complete. */
  readonly configurations: readonly Configuration<State>[];
  readonly complete: readonly Configuration<State>[];
  /** When no order is legal: the calls that could not be placed next in the furthest attempt. */
  readonly stuck: readonly C[];
}

interface Node<State> extends Configuration<State> {
  readonly parents: Node<State>[];
  isLive: boolean;
}

/**
 * Explores every order of `calls` that respects real time. `step` gives the states that a call may lead to, none when
 * its result is impossible there. Null when there are more than `limit` configurations: too ambiguous to judge.
 */
export function exploreOrders<C extends Call, State>(
  calls: readonly C[],
  initial: State,
  rules: {
    readonly step: (state: State, call: C) => readonly State[];
    readonly same: (a: State, b: State) => boolean;
  },
  limit = 4096 + 4 * calls.length,
): Orders<C, State> | null {
  const sorted = [...calls].sort(byStart);
  const root = makeNode(sorted, initial, 0, [], []);
  const nodes: Node<State>[] = [root];
  let level: Node<State>[] = [root];
  let stuck: C[] = [];
  for (let placed = 0; placed < sorted.length; placed++) {
    const next = new Map<string, Node<State>[]>();
    stuck = [];
    for (const node of level) {
      for (const index of enabledIn(node, sorted)) {
        const states = rules.step(node.state, sorted[index]!);
        if (states.length === 0) stuck.push(sorted[index]!);
        for (const state of states) {
          const reached = reach(next, sorted, node, index, state, rules.same);
          if (reached !== null) nodes.push(reached);
          if (nodes.length > limit) return null;
        }
      }
    }
    level = [...next.values()].flat();
    if (level.length === 0) return { calls: sorted, configurations: [], complete: [], stuck: [...new Set(stuck)] };
  }
  for (const node of level) node.isLive = true;
  for (let i = nodes.length - 1; i >= 0; i--) {
    if (nodes[i]!.isLive) for (const parent of nodes[i]!.parents) parent.isLive = true;
  }
  return { calls: sorted, configurations: nodes.filter((node) => node.isLive), complete: level, stuck: [] };
}

/** The configurations in which `call` may have looked. */
export function* seenBy<C extends Call, State>(
  orders: Orders<C, State>,
  call: Call,
): Generator<Configuration<State>, void, undefined> {
  for (const configuration of orders.configurations) {
    if (mayBeSeen(orders.calls, configuration, call)) yield configuration;
  }
}

function mayBeSeen<State>(calls: readonly Call[], configuration: Configuration<State>, call: Call): boolean {
  const { prefix, extras, latestStart, firstEnd } = configuration;
  if (latestStart > call.ended || firstEnd < call.started) return false;
  if (latestStart < call.ended && firstEnd > call.started) return true;
  for (let i = 0; i < prefix; i++) if (calls[i] !== call && precedes(call, calls[i]!)) return false;
  for (const i of extras) if (calls[i] !== call && precedes(call, calls[i]!)) return false;
  for (let i = prefix; i < calls.length; i++) {
    if (calls[i] !== call && !extras.includes(i) && precedes(calls[i]!, call)) return false;
  }
  return true;
}

function enabledIn<State>(node: Node<State>, calls: readonly Call[]): number[] {
  const enabled: number[] = [];
  let endsFirst: Step = Number.POSITIVE_INFINITY;
  for (let i = node.prefix; i < calls.length; i++) {
    const call = calls[i]!;
    // Sorted by start: whatever starts after one of the rest has ended must wait for it, and so must all later ones.
    if (call.started > endsFirst) break;
    if (node.extras.includes(i)) continue;
    let isFree = true;
    for (let j = node.prefix; j < calls.length && isFree; j++) {
      if (j !== i && calls[j]!.started > call.started) break;
      if (j !== i && !node.extras.includes(j) && precedes(calls[j]!, call)) isFree = false;
    }
    if (isFree) enabled.push(i);
    if (call.ended < endsFirst) endsFirst = call.ended;
  }
  return enabled;
}

function makeNode<State>(
  calls: readonly Call[],
  state: State,
  prefix: number,
  extras: readonly number[],
  parents: Node<State>[],
): Node<State> {
  let latestStart = prefix === 0 ? Number.NEGATIVE_INFINITY : calls[prefix - 1]!.started;
  for (const index of extras) latestStart = Math.max(latestStart, calls[index]!.started);
  let firstEnd = Number.POSITIVE_INFINITY;
  for (let i = prefix; i < calls.length && calls[i]!.started < firstEnd; i++) {
    if (!extras.includes(i)) firstEnd = Math.min(firstEnd, calls[i]!.ended);
  }
  return { state, prefix, extras, latestStart, firstEnd, parents, isLive: false };
}

/** The configuration after one more call; null when it was known already. */
function reach<State>(
  level: Map<string, Node<State>[]>,
  calls: readonly Call[],
  from: Node<State>,
  index: number,
  state: State,
  same: (a: State, b: State) => boolean,
): Node<State> | null {
  const extras = [...from.extras, index].sort((a, b) => a - b);
  let prefix = from.prefix;
  while (extras[0] === prefix) {
    extras.shift();
    prefix++;
  }
  const key = `${prefix}:${extras.join()}`;
  const group = level.get(key);
  const known = group?.find((node) => same(node.state, state));
  if (known !== undefined) {
    if (!known.parents.includes(from)) known.parents.push(from);
    return null;
  }
  const node = makeNode(calls, state, prefix, extras, [from]);
  if (group === undefined) level.set(key, [node]);
  else group.push(node);
  return node;
}

function byStart(a: Call, b: Call): number {
  if (a.started !== b.started) return a.started - b.started;
  if (precedes(a, b)) return -1;
  return precedes(b, a) ? 1 : 0;
}
