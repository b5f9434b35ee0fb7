import { Command } from 'commander';
import { SetupFailed } from '../campaign/bench.ts';
import { loadZstd } from '../campaign/host/load-zstd.ts';
import { findSchedules, NoSchedule } from '../campaign/host/schedule-files.ts';
import { type ReplayOutcome, replaySchedule } from '../campaign/replay.ts';
import { parseScheduleDocument, ScheduleDocumentError } from '../campaign/schedule-document.ts';
import { drawRace } from '../report/race-diagram.ts';
import type { TextStyle } from '../report/run-report.ts';
import { EXIT, UsageError } from './exit.ts';
import { print, styleOf } from './terminal.ts';

export function replayCommand(end: (code: number) => void): Command {
  return new Command('replay')
    .description('repeat recorded runs, bit for bit')
    .argument('<places...>', 'schedule files, or folders with some in them (results/latest, results/corpus)')
    .option(
      '--json',
      'one JSON document: a list of {file, name, isSameRun, isSameVerdict, divergence, eventHash, violations}',
    )
    .addHelpText('before', 'Examples:\n  $ fsquake replay results/latest\n  $ fsquake replay results/corpus --json\n')
    .action(async (places: string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<{ json?: boolean; color: boolean }>();
      await loadZstd();
      const replays = repeatAll(places);
      if (options.json) await print(`${JSON.stringify(replays.map(documentOf), null, 2)}\n`);
      else {
        const style = styleOf(process.stdout, options);
        await print(replays.map((replay) => showReplay(replay, style)).join('\n'));
      }
      end(
        replays.every(({ outcome }) => outcome.isSameRun && outcome.isSameVerdict) ? EXIT.asExpected : EXIT.violation,
      );
    });
}

interface Replay {
  readonly file: string;
  readonly name: string;
  readonly outcome: ReplayOutcome;
}

function repeatAll(places: readonly string[]): Replay[] {
  const problems: string[] = [];
  const attempt = <T>(path: string, act: () => readonly T[]): readonly T[] => {
    try {
      return act();
    } catch (error) {
      const isAboutInput =
        error instanceof ScheduleDocumentError || error instanceof NoSchedule || error instanceof SetupFailed;
      if (!isAboutInput) throw error;
      problems.push(error.message.includes(path) ? error.message : `${path}: ${error.message}`);
      return [];
    }
  };
  const files = places.flatMap((place) => attempt(place, () => findSchedules([place])));
  const replays = files.flatMap(({ path, text }) =>
    attempt(path, () => {
      const document = parseScheduleDocument(text, path);
      return [{ file: path, name: document.name, outcome: replaySchedule(document) }];
    }),
  );
  if (problems.length > 0) throw new UsageError(problems.join('\n'));
  return replays;
}

function documentOf({ file, name, outcome }: Replay): object {
  const { switches, record, violations, isSameRun, isSameVerdict, divergence } = outcome;
  return { file, name, switches, isSameRun, isSameVerdict, divergence, eventHash: record.eventHash, violations };
}

function showReplay({ file, name, outcome }: Replay, style: TextStyle): string {
  const { isSameRun, isSameVerdict, violations, record, switches } = outcome;
  const same = isSameRun ? 'the same run again' : 'not the same run: another version of fsquake, or of the file';
  const lines = [`${name} [${switches.label}] (${file})`, `  ${same}${isSameVerdict ? '' : '; not the same verdict'}`];
  if (outcome.divergence !== null) lines.push(`  the schedule could not be followed: ${outcome.divergence}`);
  for (const violation of violations) {
    lines.push(`  ${violation.law}: ${violation.message}`);
    lines.push(`    expected: ${violation.expected}`, `    observed: ${violation.observed}`);
  }
  if (violations.length === 0) lines.push('  no law broke');
  const evidence = violations.flatMap((violation) => violation.evidence);
  const diagram = drawRace(record, evidence, { ...style, width: style.width - 2 });
  lines.push('', ...diagram.split('\n').map((line) => `  ${line}`));
  return `${lines.join('\n')}\n`;
}
