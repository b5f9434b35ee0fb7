import { fuzzBases } from './bases.ts';
import { type FuzzResult, runCases } from './run-cases.ts';

/** What a process is given: cases `first`, `first + step`, … below `count`. */
export interface WorkerTask {
  readonly seed: number;
  readonly first: number;
  readonly step: number;
  readonly count: number;
}

/** A number: the case that begins. Else what a batch of them gave, and the most memory of the process so far. */
export type WorkerMessage = number | (FuzzResult & { readonly mib: number });

const BATCH = 500;

process.once('message', (task: WorkerTask) => {
  const { seed, first, step, count } = task;
  const bases = fuzzBases();
  for (let from = first; from < count; from += step * BATCH) {
    const to = Math.min(from + step * BATCH, count);
    const result = runCases(seed, { from, to, step }, (number) => tell(number), bases);
    tell({ ...result, mib: process.resourceUsage().maxRSS / 1024 });
  }
  process.disconnect();
});

function tell(message: WorkerMessage): void {
  process.send!(message);
}
