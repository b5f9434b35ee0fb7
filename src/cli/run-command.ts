import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { combinedHash } from '../campaign/explore.ts';
import { parseFixSelection, SelectionError } from '../campaign/fix-selection.ts';
import { NO_JUDGING, SAMPLED_JUDGING, THOROUGH_JUDGING } from '../campaign/host/outside-judging.ts';
import { fsquakeVersion } from '../campaign/host/package-root.ts';
import { ResultsStore, ResultsUnavailable } from '../campaign/host/results-store.ts';
import { type CampaignOutcome, type CampaignProgress, runCampaign } from '../campaign/host/run-campaign.ts';
import { failureFolders, saveFailure } from '../campaign/host/save-run.ts';
import type { Overrides } from '../campaign/settings.ts';
import { exitCodeOf } from '../campaign/verdict.ts';
import { showFailure } from '../report/failure-text.ts';
import { verdictDocument } from '../report/run-json.ts';
import { PLAIN, type RunReport } from '../report/run-report.ts';
import { showBad, showSummary } from '../report/summary-text.ts';
import { showCount } from '../report/wording.ts';
import { EXIT, Reading, readCount, UsageError } from './exit.ts';
import { loadWorkloads } from './load-workloads.ts';
import { ProgressLine, print, say, styleOf } from './terminal.ts';

interface RunOptions {
  readonly filter?: string;
  readonly fixes?: string;
  readonly kernel?: string;
  readonly seed?: string;
  readonly runs?: string;
  readonly threads?: string;
  readonly json?: boolean;
  readonly results: string;
  readonly quiet?: boolean;
  readonly thorough?: boolean;
  readonly outside: boolean;
  readonly color: boolean;
}

const EXAMPLES = `Examples:
  $ fsquake run                                     everything shipped
  $ fsquake run 'dio-*' --quiet                     by pattern; prints only what is not as expected
  $ fsquake run my/workload.yaml --json             a file of your own; the verdict as JSON
  $ fsquake run --fixes all,-reuse-covering-map     one fix off, by its name or its upstream commit
  $ fsquake run --kernel 4.15                       the fixes that Linux 4.15 had
  $ fsquake run NAME --seed 7 --runs 100000         a longer random search
`;

export function runCommand(end: (code: number) => void): Command {
  return new Command('run')
    .description('explore workloads, judge what they leave, compare with what they expect')
    .argument('[workloads...]', 'names of shipped workloads, files, folders or patterns; none: everything shipped')
    .option('--filter <text>', 'only workloads whose name contains this, or matches it as a pattern')
    .option('--fixes <list>', 'switches: all, none, +name, -name; a plain list means exactly those fixes')
    .option('--kernel <release>', 'switches as this mainline kernel had them, before --fixes')
    .option('--seed <text>', 'seed of the random stages, instead of that in the workload')
    .option('--runs <count>', 'executions of each random stage')
    .option('--threads <count>', 'threads that explore; one for each processor unless given')
    .option('--thorough', 'outside judges see every distinct image')
    .option('--no-outside', 'ask no outside judges (btrfs check, the kernel)')
    .option('--results <dir>', 'where to keep what was found', 'results')
    .option('--json', 'one JSON document on standard output instead of text')
    .option('--quiet', 'print only what is not as expected')
    .addHelpText('before', EXAMPLES)
    .action(async (words: string[], _options: unknown, command: Command) => {
      end(await run(words, command.optsWithGlobals<RunOptions>()));
    });
}

async function run(words: readonly string[], options: RunOptions): Promise<number> {
  const reading = new Reading();
  const fixes = reading.attempt(
    () => parseFixSelection(options.fixes ?? null, options.kernel ?? null),
    isSelectionError,
  );
  const runs = reading.attempt(() => (options.runs === undefined ? null : readCount('--runs', options.runs)));
  const threads = reading.attempt(() =>
    options.threads === undefined ? availableParallelism() : readCount('--threads', options.threads),
  );
  const seed = reading.attempt(() => readSeed(options.seed));
  const found = reading.attempt(() => loadWorkloads(words, options.filter ?? null));
  reading.conclude();
  const loaded = found!;
  if ('problems' in loaded) {
    if (options.json) await print(`${JSON.stringify(loaded.document, null, 2)}\n`);
    else say(loaded.show(styleOf(process.stderr, options)));
    return EXIT.usage;
  }
  const store = openStore(options.results);
  const outcome = await explore(loaded.workloads, { overrides: { fixes, seed, runs }, threads: threads! }, options);
  const results = outcome.results.map(({ result }) => result);
  const report: RunReport = {
    settings: outcome.results.map(({ result, ...times }) => ({ ...result, ...times })),
    judges: outcome.judges,
    notJudged: options.outside ? outcome.notJudged : ['not judged by btrfs check and kernel mount: --no-outside'],
    milliseconds: outcome.milliseconds,
    results: null,
    exitCode: outcome.isInterrupted ? EXIT.interrupted : exitCodeOf(results.map(({ ending }) => ending)),
  };
  const saved = await save(store, report, results, loaded.textOf);
  if (options.json) await print(`${JSON.stringify(saved.document, null, 2)}\n`);
  else {
    const style = styleOf(process.stdout, options);
    await print(options.quiet ? showBad(saved.report, style) : showSummary(saved.report, style));
  }
  return saved.report.exitCode;
}

function isSelectionError(error: unknown): error is SelectionError {
  return error instanceof SelectionError;
}

function readSeed(text: string | undefined): string | null {
  if (text === '') throw new UsageError('--seed takes a whole number or text, not ""');
  return text ?? null;
}

function openStore(folder: string): ResultsStore {
  try {
    return new ResultsStore(folder);
  } catch (error) {
    throw error instanceof ResultsUnavailable ? new UsageError(error.message) : error;
  }
}

/** SIGINT stops after the execution under way; a second one at once. */
async function explore(
  workloads: Parameters<typeof runCampaign>[0],
  settings: { readonly overrides: Overrides; readonly threads: number },
  options: RunOptions,
): Promise<CampaignOutcome> {
  const progress = new ProgressLine(process.stderr, { quiet: options.quiet === true || options.json === true });
  const stopping = new AbortController();
  const onInterrupt = () => {
    if (stopping.signal.aborted) process.exit(EXIT.interrupted);
    stopping.abort();
    progress.clear();
    say('stopping; what was found is being saved (once more: stop at once)');
  };
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onInterrupt);
  try {
    return await runCampaign(workloads, {
      ...settings,
      judging: options.outside ? (options.thorough ? THOROUGH_JUDGING : SAMPLED_JUDGING) : NO_JUDGING,
      signal: stopping.signal,
      onProgress: (state) => progress.show(showProgress(state)),
      onSetting: (done, total) => {
        if (done === total) progress.show('waiting for the outside judges');
      },
    });
  } catch (error) {
    throw error instanceof SelectionError ? new UsageError(error.message) : error;
  } finally {
    progress.clear();
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onInterrupt);
  }
}

function showProgress(state: CampaignProgress): string {
  const place = `[${state.setting}/${state.settings}] ${state.workload} [${state.switches}]`;
  return state.stage === '' ? place : `${place} ${state.stage}: ${showCount(state.explored)}`;
}

/** Everything is on disk before the first word about it is printed. A disk that is full costs the folder only. */
async function save(
  store: ResultsStore,
  report: RunReport,
  results: Parameters<typeof failureFolders>[0],
  textOf: (file: string) => string,
): Promise<{ readonly report: RunReport; readonly document: object }> {
  const folders = failureFolders(results);
  const folderOf = (setting: RunReport['settings'][number]) => folders[report.settings.indexOf(setting)] ?? null;
  const context = { version: fsquakeVersion(), node: process.versions.node, folderOf };
  const run = await store.begin(store.newRunId(new Date(), combinedHash(results)));
  const kept: RunReport = { ...report, results: run.place };
  try {
    for (const [index, result] of results.entries()) {
      const folder = folders[index];
      if (folder === null || folder === undefined) continue;
      const failure = showFailure(report.settings[index]!, PLAIN, { isBrief: false });
      await saveFailure(run, folder, result, { workload: textOf(result.file), failure });
    }
    const document = verdictDocument(kept, context);
    await run.writeJson('verdict.json', document);
    await run.writeText('summary.txt', showSummary(kept, PLAIN));
    await run.commit();
    return { report: kept, document };
  } catch (error) {
    await run.discard().catch(() => undefined);
    say(`fsquake: nothing was kept in ${store.folder}: ${(error as Error).message}`);
    const lost: RunReport = { ...report, exitCode: report.exitCode === 0 ? EXIT.usage : report.exitCode };
    return { report: lost, document: verdictDocument(lost, { ...context, folderOf: () => null }) };
  }
}
