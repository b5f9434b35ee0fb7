/**
 * What somebody outside says about an image. `not-judged` is neither good nor bad: the tool, the right or the time was
 * missing, and `reason` says which.
 */
export interface JudgeReport {
  /** `btrfs check`, `kernel mount`. */
  readonly judge: string;
  readonly verdict: 'clean' | 'faulty' | 'not-judged';
  /** One line: what is wrong, or why nothing can be said, or what was done. */
  readonly reason: string;
  /** What the programs printed, for the record. */
  readonly output: string;
}

export function notJudged(judge: string, why: string, output = ''): JudgeReport {
  return { judge, verdict: 'not-judged', reason: `not judged by ${judge}: ${why}`, output };
}
