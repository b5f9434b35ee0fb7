import { AssertionFailure } from '../../base/assert.ts';
import type { Task } from '../../task/task.ts';
import { compareOutcomes } from './compare.ts';
import { type ComparedAs, exceptionFor } from './exceptions.ts';
import { SLOTS } from './generator.ts';
import type { Operation, Outcome } from './operation.ts';
import type { TestedFileSystem } from './tested-file-system.ts';
import { compareSnapshots, type TreeSnapshot, takeSnapshot } from './tree-snapshot.ts';

/** The first thing in which two file systems differ. */
export interface Difference {
  /** Index of the operation; as many as there were when it showed only afterwards. */
  readonly step: number;
  /** What was compared: `outcome`, `size of /a`, `structure of the engine's image`. */
  readonly what: string;
  readonly engine: string;
  readonly linux: string;
}

/** Where the operations come from. */
export interface OperationSource {
  /** Null at the end. */
  next(): Operation | null;
  note(operation: Operation, outcome: Outcome): void;
}

export interface LockstepOptions {
  readonly type: ComparedAs;
  /** Trees are compared after so many operations, and at the end. */
  readonly compareEvery: number;
  /** Told of each exception that was made use of. */
  readonly onException?: (name: string) => void;
  /** Told of refusals with different errnos, after which the run goes on; absent: they end it. */
  readonly onRefusals?: ((difference: Difference, operation: Operation) => void) | undefined;
}

/** What was done, and how it went. */
export interface LockstepResult {
  readonly operations: readonly Operation[];
  readonly difference: Difference | null;
  /** Positions of those that both refused: a shorter sequence may do without. */
  readonly refused: ReadonlySet<number>;
  /** Of Linux's tree at the end; null after a difference. */
  readonly tree: TreeSnapshot | null;
}

/** Performs each operation on both and compares. Ends at the first difference. */
export function* runLockstep(
  engine: TestedFileSystem,
  linux: TestedFileSystem,
  source: OperationSource,
  options: LockstepOptions,
): Task<LockstepResult> {
  const operations: Operation[] = [];
  const refused = new Set<number>();
  const end = (difference: Difference | null, tree: TreeSnapshot | null): LockstepResult => ({
    operations,
    refused,
    difference,
    tree,
  });
  for (let operation = source.next(); operation !== null; operation = source.next()) {
    operations.push(operation);
    const answer = yield* linux.perform(operation);
    const ours = yield* performGuarded(engine, operation);
    source.note(operation, answer);
    if ('error' in answer && 'error' in ours) refused.add(operations.length - 1);
    const found = compareOutcomes(options.type, operation, ours, answer);
    if (found !== null) {
      const exception = exceptionFor(options.type, operation, ours, answer);
      const difference = { step: operations.length - 1, what: 'outcome', ...found };
      const areRefusals = 'error' in ours && 'error' in answer && ours.error !== 'crash';
      if (exception !== null) options.onException?.(exception.name);
      else if (areRefusals && options.onRefusals !== undefined) options.onRefusals(difference, operation);
      else return end(difference, null);
    }
    if (operations.length % options.compareEvery !== 0) continue;
    const { difference } = yield* compareTrees(engine, linux, options.type, false, operations.length - 1);
    if (difference !== null) return end(difference, null);
  }
  // Unlinked files that are still open share extents with others, which neither image shows later.
  for (const fs of [linux, engine]) {
    for (let slot = 0; slot < SLOTS; slot++) yield* fs.perform({ do: 'close', slot });
    yield* fs.perform({ do: 'sync' });
  }
  const { difference, tree } = yield* compareTrees(engine, linux, options.type, true, operations.length);
  return end(difference, tree);
}

/** A fault of the engine is a difference too, so that it can be cut down like others. */
function* performGuarded(engine: TestedFileSystem, operation: Operation): Task<Outcome> {
  try {
    return yield* engine.perform(operation);
  } catch (error) {
    return { error: 'crash', where: showCrash(error) };
  }
}

export function showCrash(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = error.stack?.split('\n').filter((line) => line.includes('/src/fs/')) ?? [];
  const facts = error instanceof AssertionFailure ? ` ${error.message}` : error.message;
  return `${error.name}:${facts} ${place
    .slice(0, 4)
    .map((line) => line.trim().replace(/^at (\S+) .*\/(src\/fs\/[^:]+:\d+).*$/, '$1 $2'))
    .join(' < ')}`;
}

export function* compareTrees(
  engine: TestedFileSystem,
  linux: TestedFileSystem,
  type: ComparedAs,
  isSettled: boolean,
  step: number,
): Task<{ difference: Difference | null; tree: TreeSnapshot }> {
  const tree = yield* takeSnapshot(linux, { type, isSettled });
  let ours: TreeSnapshot;
  try {
    ours = yield* takeSnapshot(engine, { type, isSettled });
  } catch (error) {
    return { difference: { step, what: 'listing the tree', engine: showCrash(error), linux: 'ok' }, tree };
  }
  return { difference: treeDifference(ours, tree, step), tree };
}

export function treeDifference(engine: TreeSnapshot, linux: TreeSnapshot, step: number): Difference | null {
  const found = compareSnapshots(engine, linux);
  if (found === null) return null;
  return { step, what: `${found.field} of ${JSON.stringify(found.path)}`, engine: found.engine, linux: found.linux };
}
