import { type RandomStream, randomStream } from '../../base/random.ts';

/** The stream `faults`, made when it is first needed: most runs have no rule that draws. */
export class DataDraws {
  private readonly seed: string;
  private stream: RandomStream | null = null;

  constructor(seed: string) {
    this.seed = seed;
  }

  below(bound: number): number {
    this.stream ??= randomStream(this.seed, 'faults');
    return this.stream.below(bound);
  }

  chance(numerator: number, denominator: number): boolean {
    return this.below(denominator) < numerator;
  }
}
