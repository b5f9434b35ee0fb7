import type { Violation } from '../oracle/law.ts';
import type { Failure, Switches } from './verdict.ts';

export const SCHEDULE_FORMAT = 'fsquake-schedule-1';

/** All that repeats one run, as `schedule.json` and the files of `results/corpus` hold it. */
export interface ScheduleDocument {
  readonly format: typeof SCHEDULE_FORMAT;
  /** Version of fsquake that wrote it. */
  readonly fsquake: string;
  /** Name of the workload, and the whole text of its file. */
  readonly name: string;
  readonly workload: string;
  /** Ids of the fixes that are on; all others are off. */
  readonly switches: { readonly on: readonly string[]; readonly kernel: string | null };
  /** Where it was found: nothing that a repetition needs. */
  readonly stage: string;
  readonly seed: string | null;
  readonly execution: number;
  /** The points at which the schedule is decided; null: at every effect. */
  readonly decideAt: readonly string[] | null;
  readonly tape: readonly number[];
  readonly eventHash: string;
  /** All laws that broke, in alphabetical order. */
  readonly expect: { readonly verdict: 'clean' | 'violation'; readonly laws: readonly string[] };
}

export function scheduleOf(
  failure: Failure,
  context: { readonly version: string; readonly name: string; readonly text: string; readonly switches: Switches },
): ScheduleDocument {
  return {
    format: SCHEDULE_FORMAT,
    fsquake: context.version,
    name: context.name,
    workload: context.text,
    switches: { on: context.switches.on, kernel: context.switches.kernel },
    stage: failure.stage,
    seed: failure.seed,
    execution: failure.execution,
    decideAt: failure.decideAt,
    tape: failure.record.tape,
    eventHash: failure.record.eventHash,
    expect: { verdict: 'violation', laws: lawsOf(failure.violations) },
  };
}

export function lawsOf(violations: readonly Violation[]): string[] {
  return [...new Set(violations.map((violation) => violation.law))].sort();
}

/** The text is no schedule document; the message names everything that is wrong with it. */
export class ScheduleDocumentError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ScheduleDocumentError';
  }
}

/** Reads `schedule.json`. Throws `ScheduleDocumentError`. */
export function parseScheduleDocument(text: string, file: string): ScheduleDocument {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ScheduleDocumentError(`${file} is no JSON: ${(error as Error).message.replace(/\s+/g, ' ')}`);
  }
  if (typeof value !== 'object' || value === null) throw new ScheduleDocumentError(`${file} is no schedule: no object`);
  const fields = value as Record<string, unknown>;
  if (fields['format'] !== SCHEDULE_FORMAT) {
    throw new ScheduleDocumentError(
      `${file} is no schedule: its format is ${JSON.stringify(fields['format'])}, expected "${SCHEDULE_FORMAT}"`,
    );
  }
  const problems = Object.entries(FIELDS).flatMap(([name, { isValid, expected }]) =>
    isValid(fields[name]) ? [] : [`${name} should be ${expected}`],
  );
  if (problems.length > 0) throw new ScheduleDocumentError(`${file}: ${problems.join('; ')}`);
  return value as ScheduleDocument;
}

interface FieldRule {
  readonly isValid: (value: unknown) => boolean;
  readonly expected: string;
}

const isText = (value: unknown) => typeof value === 'string';
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText);
const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const FIELDS: Readonly<Record<string, FieldRule>> = {
  name: { isValid: isText, expected: 'text' },
  workload: { isValid: isText, expected: 'the text of a workload file' },
  switches: {
    isValid: (value) =>
      isObject(value) && isTexts(value['on']) && (value['kernel'] === null || isText(value['kernel'])),
    expected: '{ "on": [fix ids], "kernel": null or a release }',
  },
  decideAt: { isValid: (value) => value === null || isTexts(value), expected: 'null or a list of points' },
  tape: {
    isValid: (value) => Array.isArray(value) && value.every(isCount),
    expected: 'a list of whole numbers',
  },
  eventHash: { isValid: isText, expected: 'text' },
  expect: {
    isValid: (value) =>
      isObject(value) && ['clean', 'violation'].includes(String(value['verdict'])) && isTexts(value['laws']),
    expected: '{ "verdict": "clean" or "violation", "laws": [law names] }',
  },
};
