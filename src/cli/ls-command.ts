import { Command } from 'commander';
import { splitImagePath } from '../campaign/host/image-path.ts';
import type { Listing } from '../campaign/host/list-image.ts';
import { listFiles } from '../campaign/host/read-image.ts';
import { type ListedName, showLongNames } from '../report/listing-text.ts';
import { EXIT } from './exit.ts';
import {
  addMountOptions,
  imagePathsOf,
  type MountArguments,
  onEach,
  PATHS_HELP,
  sayNotes,
  sourceOf,
} from './image-arguments.ts';
import { print, say } from './terminal.ts';

interface LsOptions extends MountArguments {
  readonly long?: boolean;
  readonly recursive?: boolean;
  readonly json?: boolean;
}

/** Listings of one argument. */
interface Listed {
  readonly image: string;
  readonly listings: readonly Listing[];
}

const EXAMPLES = `Examples:
  $ fsquake ls disk.img                        the root of its default subvolume
  $ fsquake ls -l disk.img:/etc
  $ fsquake ls -lR disk.img:/home --json
  $ fsquake ls disk.img --subvolume /          the root of its top-level subvolume
  $ fsquake ls a.img --device b.img            a file system on two devices
`;

export function lsCommand(end: (code: number) => void): Command {
  const command = new Command('ls')
    .description('list files in a btrfs image, without mounting it on this host')
    .argument('<places...>', 'IMAGE or IMAGE:/path')
    .option('-l, --long', 'kind, mode, links, owner, group, size and time (UTC)')
    .option('-R, --recursive', 'directories below, too')
    .option('--json', 'one JSON document: a list of {image, listings: [{path, files, problems}]}');
  return addMountOptions(command)
    .addHelpText('before', EXAMPLES)
    .addHelpText('after', `${PATHS_HELP}\n\nExit codes: 0 all listed, 1 damage was met, 2 no such image or path.`)
    .action(async (texts: string[], _options: unknown, self: Command) => {
      const options = self.optsWithGlobals<LsOptions>();
      const places = imagePathsOf(texts, { bareIsRoot: true });
      const notes = new Set<string>();
      const listed = onEach(places, (place): Listed => {
        const listings = listFiles(sourceOf(place.image, options, notes), place, options.recursive === true);
        return { image: place.image, listings };
      });
      if (options.json) await print(`${JSON.stringify(listed.map(documentOf), null, 2)}\n`);
      else await print(showAll(listed, texts, options));
      sayNotes(notes);
      const problems = listed.flatMap(({ listings }) => listings.flatMap((listing) => listing.problems));
      for (const problem of problems) say(`fsquake: ${problem}`);
      end(problems.length > 0 ? EXIT.violation : EXIT.asExpected);
    });
}

function showAll(listed: readonly Listed[], texts: readonly string[], options: LsOptions): string {
  const blocks = listed.flatMap(({ image, listings }, index) => {
    const hasHeads = listed.length > 1 || listings.length > 1;
    const isBare = splitImagePath(texts[index]!) === null;
    return listings.map((listing) => {
      const lines = showFiles(listing, options);
      const head = isBare && listings.length === 1 ? image : `${image}:${listing.path}`;
      return `${hasHeads && listing.isDirectory ? `${head}:\n` : ''}${lines.map((line) => `${line}\n`).join('')}`;
    });
  });
  return blocks.join('\n');
}

function showFiles({ files }: Listing, { long }: LsOptions): string[] {
  return long === true ? showLongNames(files.map(namesOf)) : files.map(({ name }) => name);
}

function namesOf(file: Listing['files'][number]): ListedName {
  return { ...file, modified: isoOf(file.modifyTime).replace('T', ' ').slice(0, 19) };
}

function documentOf({ image, listings }: Listed): object {
  return {
    image,
    listings: listings.map(({ path, files, problems }) => ({
      path,
      files: files.map(({ accessTime, modifyTime, changeTime, birthTime, ...file }) => ({
        ...file,
        mode: file.mode.toString(8),
        accessed: isoOf(accessTime),
        modified: isoOf(modifyTime),
        changed: isoOf(changeTime),
        born: isoOf(birthTime),
      })),
      problems,
    })),
  };
}

/** Beyond what JavaScript calls a date, the seconds. */
function isoOf(nanoseconds: number): string {
  const date = new Date(Math.floor(nanoseconds / 1_000_000));
  return Number.isNaN(date.getTime()) ? `${Math.floor(nanoseconds / 1_000_000_000)} s` : date.toISOString();
}
