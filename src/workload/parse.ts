import type { Workload } from './model.ts';
import type { Problem } from './problem.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface ParseContext {
  /** Shown in problems; its base name is the workload's default name. */
  readonly file: string;
  readonly vocabulary: Vocabulary;
}

/** A checked workload, or every problem of the text in order of position. Never throws, whatever the text. */
export type ParseResult =
  | { readonly workload: Workload; readonly problems?: never }
  | { readonly problems: readonly Problem[]; readonly workload?: never };

export declare function parseWorkload(text: string, context: ParseContext): ParseResult;
