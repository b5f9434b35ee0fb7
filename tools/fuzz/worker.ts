import { fuzzBases } from './bases.ts';
import { type FuzzResult, runCases } from './run-cases.ts';

/** What a process is given: cases `first`, `first + step`, … below `count`. */
export interface WorkerTask {
  readonly seed: number;
  readonly first: number;
  readonly step: number;
  readonly count: number;
}

/** What a batch gave, and the most memory of the process so far. `next`: the case with which the next batch begins. */
export type WorkerMessage = FuzzResult & { readonly next: number; readonly mib: number };

/** Few enough that a batch which does not end is a hang. */
const BATCH = 20;

process.once('message', async (task: WorkerTask) => {
  const { seed, first, step, count } = task;
  const bases = fuzzBases();
  for (let from = first; from < count; from += step * BATCH) {
    const next = from + step * BATCH;
    const result = runCases(seed, { from, to: Math.min(next, count), step }, bases);
    const message: WorkerMessage = { ...result, next, mib: process.resourceUsage().maxRSS / 1024 };
    // Whoever only sends never empties the pipe's queue.
    await new Promise((sent) => process.send!(message, sent));
  }
  process.disconnect();
});
