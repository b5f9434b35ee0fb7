import type { OperationCounts, OperationRecord } from '../record/run-record.ts';
import type { FailureReport, RunReport, SettingReport } from './run-report.ts';

/** The form of the document; it changes when a field changes its meaning or goes away. */
export const VERDICT_FORMAT = 'fsquake-verdict-1';

/**
 * What `--json` prints and `verdict.json` holds: the run report without events and images, plus
 * - `format`, `version` (of fsquake), `node` (version);
 * - in each setting with a violation, `failure.folder`: where its record, schedule and images lie, relative to
 *   `results`, or null when nothing was kept; `failure.operations`: every operation with its errno or null;
 *   `failure.eventHash`; for each scrub, `counts`.
 *
 * All counts are whole numbers, times are milliseconds of the host's clock.
 */
export function verdictDocument(
  report: RunReport,
  context: {
    readonly version: string;
    readonly node: string;
    readonly folderOf: (setting: SettingReport) => string | null;
  },
): object {
  return {
    format: VERDICT_FORMAT,
    version: context.version,
    node: context.node,
    exitCode: report.exitCode,
    milliseconds: Math.round(report.milliseconds),
    results: report.results,
    judges: report.judges,
    notJudged: report.notJudged,
    settings: report.settings.map((setting) => ({
      ...setting,
      milliseconds: Math.round(setting.milliseconds),
      violationAfter: setting.violationAfter === null ? null : Math.round(setting.violationAfter),
      failure: setting.failure === null ? null : failureDocument(setting.failure, context.folderOf(setting)),
    })),
  };
}

function failureDocument(failure: FailureReport, folder: string | null): object {
  const { record, ...rest } = failure;
  return {
    ...rest,
    folder,
    eventHash: record.eventHash,
    operations: record.operations.map((operation) => ({
      task: operation.task,
      index: operation.index,
      round: operation.round,
      operation: operation.operation,
      error: operation.result === null ? null : operation.result.error,
      ended: operation.ended !== null,
      ...countsOf(operation),
    })),
  };
}

/** The figures of a scrub, by the names of `btrfs scrub status -R`. */
function countsOf({ result }: OperationRecord): { readonly counts?: OperationCounts['counts'] } {
  if (result === null || result.error !== null || result.value === null) return {};
  return typeof result.value === 'object' && 'counts' in result.value ? { counts: result.value.counts } : {};
}
