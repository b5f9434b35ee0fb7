import type { RandomStream } from '../../base/random.ts';

const KIB = 1024;
export const PAGE = 4096;

/** What the generator draws besides names: numbers that lie where file systems have their edges. */
export class Draws {
  protected readonly random: RandomStream;

  constructor(random: RandomStream) {
    this.random = random;
  }

  protected mode(): number {
    return this.oneOf([0o644, 0o600, 0o755, 0o777, 0o000, 0o4755, 0o2755, 0o6777, 0o2770, 0o1777]);
  }

  protected owner(): number | null {
    return this.oneOf([null, 0, 1, 1000, 65534, 4_000_000_000]);
  }

  /** None is where a clock may be; all are exact as numbers. */
  protected time(): number | null {
    return this.oneOf([null, 1_400_000_000_000_000_000, 1_600_000_000_000_000_000, 1_700_000_000_500_000_000]);
  }

  protected aligned(): number {
    return this.random.below(48) * PAGE;
  }

  protected offset(): number {
    const roll = this.random.below(10);
    if (roll < 4) return this.aligned();
    if (roll < 6) return this.random.below(6000);
    if (roll < 8) return this.random.below(200 * KIB);
    return Math.max(0, this.aligned() + this.random.below(5) - 2);
  }

  protected farOffset(): number {
    return this.oneOf([2 ** 31 - 1, 2 ** 31, 2 ** 32 + 5, 2 ** 40, 2 ** 43 + PAGE, 20 * 1024 * KIB]);
  }

  protected length(): number {
    const roll = this.random.below(20);
    if (roll < 6) return 1 + this.random.below(3000);
    if (roll < 12) return PAGE * (1 + this.random.below(12));
    if (roll < 16) return 1 + this.random.below(40 * KIB);
    if (roll < 18) return 1 + this.random.below(20);
    if (roll < 19) return 1 + this.random.below(300 * KIB);
    return this.oneOf([0, 2048, 2049, PAGE - 1, PAGE + 1, 128 * KIB, 128 * KIB + 1]);
  }

  protected one(of: number): boolean {
    return this.random.below(of) === 0;
  }

  protected oneOf<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)]!;
  }
}
