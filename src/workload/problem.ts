/** The closed set of what can be wrong with a workload file. */
export type ProblemCode =
  | 'alias'
  | 'contradiction'
  | 'document'
  | 'duplicate-key'
  | 'encoding'
  | 'errno'
  | 'expectation'
  | 'file-state'
  | 'fix'
  | 'handle'
  | 'missing-key'
  | 'number'
  | 'range'
  | 'rule'
  | 'schedule'
  | 'size'
  | 'syntax'
  | 'tag'
  | 'unaligned'
  | 'unknown-key'
  | 'unknown-name'
  | 'value';

/** One thing that is wrong, and where. */
export interface Problem {
  readonly code: ProblemCode;
  /** What is wrong and why, one line without the place. */
  readonly message: string;
  readonly file: string;
  /** Both from 1; columns count characters. */
  readonly line: number;
  readonly column: number;
  /** Half-open range of the text, in UTF-16 units; may be empty at the end of the text. */
  readonly start: number;
  readonly end: number;
  /** The nearest right thing, as a sentence: `did you mean "offset"?` */
  readonly hint: string | null;
  /** The source line with its number and carets under the place. */
  readonly frame: string;
}
