import { createRequire } from 'node:module';

/** seedrandom's xor128: about ten times quicker than its default generator, and its state can be saved. */
const xor128 = createRequire(import.meta.url)('seedrandom/lib/xor128') as (seed: string) => { int32(): number };

/** A seeded stream of choices. Always seeded by text: `42` and `'42'` would be different streams. */
export interface RandomStream {
  /** A whole number in [0, bound); 1 ≤ bound ≤ 2^32. */
  below(bound: number): number;
  /** 32 bits as a signed number: the draw that `below` scales. */
  bits(): number;
  /** True in `numerator` of `denominator` cases. */
  chance(numerator: number, denominator: number): boolean;
}

/**
 * Separate streams for separate concerns (`schedule`, `faults`, `workload`, `data`): one more fault draw must not
 * shift the schedule.
 */
export function randomStream(seed: string, concern: string): RandomStream {
  const generator = xor128(`${concern}/${seed}`);
  const below = (bound: number) => Math.floor(((generator.int32() >>> 0) / 2 ** 32) * bound);
  const bits = () => generator.int32();
  return { below, bits, chance: (numerator, denominator) => below(denominator) < numerator };
}
