import type { Operation } from './operation.ts';

/**
 * Takes operations away as long as what is left still fails, in ever smaller pieces. `fails` gets a sequence and says
 * how many of its operations were needed, or null when it does not fail. At most `attemptsMax` sequences are tried.
 */
export function shrinkSequence(
  failing: readonly Operation[],
  fails: (operations: readonly Operation[]) => number | null,
  attemptsMax: number,
): readonly Operation[] {
  let best = failing;
  let attempts = 0;
  const attempt = (operations: readonly Operation[]): boolean => {
    if (attempts++ >= attemptsMax) return false;
    const needed = fails(operations);
    if (needed === null) return false;
    best = operations.slice(0, needed);
    return true;
  };
  for (let size = Math.ceil(best.length / 2); size >= 1 && attempts < attemptsMax; ) {
    let hasShrunk = false;
    for (let end = best.length; end > 0; end = Math.min(end - size, best.length)) {
      const start = Math.max(0, end - size);
      if (attempt([...best.slice(0, start), ...best.slice(end)])) hasShrunk = true;
    }
    if (size > 1) size = Math.ceil(size / 2);
    else if (!hasShrunk) break;
  }
  return best;
}
