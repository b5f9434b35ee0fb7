import type { ByteCount, FileOffset } from '../../base/units.ts';
import type { Call } from '../history/calls.ts';
import { exploreOrders, type Orders, seenBy } from '../history/orders.ts';
import type { Change, FileHistory } from './history.ts';

/** Beyond this many ways to place concurrent appends, the file is not judged. */
const PLACEMENTS_MAX = 64;

interface SizeState {
  readonly size: ByteCount;
  /** Where each append went, in the order they took effect: index into the appends, offset. */
  readonly placed: readonly number[];
}

/** One way to place all appends of a file: the changes with their offsets, and the sizes that go with it. */
export interface Placement {
  readonly changes: readonly Change[];
  /** The sizes that a call may have seen; null: not known. `call` null: at the end of the run. */
  sizesFor(call: Call | null): ReadonlySet<ByteCount> | null;
}

/** Every way to place the appends; just one when there are none. Null: too many, or an append that failed. */
export function placementsOf(history: FileHistory): Placement[] | null {
  const { changes, initial } = history;
  const resizing = changes.filter(mayResize);
  const appends = changes.filter((change) => change.isAppend);
  const isCut = initial === null || resizing.some((change) => change.kind === 'truncate');
  const sizing = isCut ? resizing : resizing.filter((change) => change.isAppend || change.end > initial.length);
  if (sizing.length === 0) return [fixedSize(changes, initial)];
  if (initial === null) return appends.length > 0 ? null : [{ changes, sizesFor: () => null }];
  // One that failed may have left any part of itself, and everything after it anywhere.
  if (appends.some((append) => !append.call.succeeded)) return null;

  const calls = [...new Set(sizing.map((change) => change.call))];
  const byCall = new Map(calls.map((call) => [call, sizing.filter((change) => change.call === call)]));
  const orders = exploreOrders<Call, SizeState>(
    calls,
    { size: initial.length, placed: [] },
    { step: (state, call) => resize(state, byCall.get(call)!, appends), same: sameSize },
  );
  if (orders === null) return appends.length > 0 ? null : [{ changes, sizesFor: () => null }];
  if (appends.length === 0) return [{ changes, sizesFor: (call) => sizesSeen(orders, call, null) }];

  const placements = new Map<string, FileOffset[]>();
  for (const { state } of orders.complete) {
    const offsets: FileOffset[] = [];
    for (let i = 0; i < state.placed.length; i += 2) offsets[state.placed[i]!] = state.placed[i + 1]!;
    placements.set(offsets.join(), offsets);
    if (placements.size > PLACEMENTS_MAX) return null;
  }
  return [...placements.values()].map((offsets) => ({
    changes: changes.flatMap((change) => (change.isAppend ? moved(change, offsets[appends.indexOf(change)]) : change)),
    sizesFor: (call) => sizesSeen(orders, call, offsets),
  }));
}

/** A store through a mapping lies within the file. */
function mayResize({ kind, call }: Change): boolean {
  return kind !== 'punch' && call.record.args['mapped'] !== true;
}

function fixedSize(changes: readonly Change[], initial: Uint8Array | null): Placement {
  const sizes = initial === null ? null : new Set([initial.length]);
  return { changes, sizesFor: () => sizes };
}

function resize(state: SizeState, changes: readonly Change[], appends: readonly Change[]): SizeState[] {
  let states = [state];
  for (const change of changes) {
    states = states.flatMap((before) => {
      const after = resizeOnce(before, change, appends);
      return change.isOptional && (change.isAppend || after.size !== before.size) ? [before, after] : [after];
    });
  }
  return states;
}

function resizeOnce(state: SizeState, change: Change, appends: readonly Change[]): SizeState {
  if (change.kind === 'truncate') return { ...state, size: change.start };
  if (!change.isAppend) return { ...state, size: Math.max(state.size, change.end) };
  return { size: state.size + change.bytes.length, placed: [...state.placed, appends.indexOf(change), state.size] };
}

/** Empty for an append that went to another file. */
function moved(change: Change, offset: FileOffset | undefined): Change[] {
  return offset === undefined ? [] : [{ ...change, start: offset, end: offset + change.bytes.length }];
}

function sizesSeen(
  orders: Orders<Call, SizeState>,
  call: Call | null,
  offsets: readonly FileOffset[] | null,
): ReadonlySet<ByteCount> {
  const sizes = new Set<ByteCount>();
  for (const { state } of call === null ? orders.complete : seenBy(orders, call)) {
    if (offsets === null || agrees(state, offsets)) sizes.add(state.size);
  }
  return sizes;
}

function agrees(state: SizeState, offsets: readonly FileOffset[]): boolean {
  for (let i = 0; i < state.placed.length; i += 2) {
    if (offsets[state.placed[i]!] !== state.placed[i + 1]) return false;
  }
  return true;
}

function sameSize(a: SizeState, b: SizeState): boolean {
  if (a.size !== b.size || a.placed.length !== b.placed.length) return false;
  if (a.placed.length === 0) return true;
  // The order in which appends were placed does not matter, where they went does.
  for (let i = 0; i < a.placed.length; i += 2) {
    let found = false;
    for (let j = 0; j < b.placed.length && !found; j += 2) {
      found = a.placed[i] === b.placed[j] && a.placed[i + 1] === b.placed[j + 1];
    }
    if (!found) return false;
  }
  return true;
}
