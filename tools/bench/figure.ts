import { Bench } from 'tinybench';

/** One measured number. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the project promises or aims at, in words. */
  readonly bound?: string;
}

/** Median nanoseconds of one call, by tinybench: warmed up, then called for `milliseconds`. */
export function medianNanoseconds(name: string, call: () => void, milliseconds = 400): number {
  const bench = new Bench({ time: milliseconds, warmupTime: milliseconds / 2, throws: true });
  bench.add(name, call);
  bench.runSync();
  const result = bench.tasks[0]!.result;
  if (!('latency' in result)) throw new Error(`${name} was not measured`);
  return result.latency.p50 * 1e6;
}
