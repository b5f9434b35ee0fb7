import { Command } from 'commander';
import { type CheckedFilesystem, checkImages } from '../campaign/host/check-images.ts';
import { NoImage } from '../campaign/host/image-file.ts';
import { showStructure } from '../report/structure-text.ts';
import { EXIT, UsageError } from './exit.ts';
import { print, styleOf } from './terminal.ts';

export function checkCommand(end: (code: number) => void): Command {
  return new Command('check')
    .description('judge the structure of btrfs images: an independent walk of everything that is on disk')
    .argument('<images...>', 'raw images, .gz too, or block devices; several devices of one file system go together')
    .option('--json', 'one JSON document: a list of {files, clean, errors, warnings, counts, ...}')
    .addHelpText('before', 'Examples:\n  $ fsquake check disk.img\n  $ fsquake check results/latest/*/after-0.img.gz\n')
    .addHelpText('after', '\nExit codes: 0 clean, 1 errors found or not all could be judged, 2 no image.')
    .action(async (paths: string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<{ json?: boolean; color: boolean }>();
      const checked = check(paths);
      if (options.json) {
        await print(
          `${JSON.stringify(
            checked.map(({ files, report }) => ({ files, ...report })),
            null,
            2,
          )}\n`,
        );
      } else {
        const style = styleOf(process.stdout, options);
        await print(checked.map(({ files, report }) => showStructure(files, report, style)).join(''));
      }
      end(checked.every(({ report }) => report.clean) ? EXIT.asExpected : EXIT.violation);
    });
}

function check(paths: readonly string[]): CheckedFilesystem[] {
  try {
    return checkImages(paths);
  } catch (error) {
    throw error instanceof NoImage ? new UsageError(error.message) : error;
  }
}
