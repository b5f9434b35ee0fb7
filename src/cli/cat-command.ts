import { Command } from 'commander';
import { checkFile, readFile, readWholeFile } from '../campaign/host/read-image.ts';
import { EXIT } from './exit.ts';
import {
  addMountOptions,
  imagePathsOf,
  type MountArguments,
  onEach,
  onImages,
  PATHS_HELP,
  sayNotes,
  sourceOf,
} from './image-arguments.ts';
import { print } from './terminal.ts';

interface CatOptions extends MountArguments {
  readonly json?: boolean;
}

const EXAMPLES = `Examples:
  $ fsquake cat disk.img:/etc/fstab
  $ fsquake cat disk.img:/a disk.img:/b > both
  $ fsquake cat a.img:/f --device b.img
  $ fsquake cat disk.img:/etc/fstab --subvolume 257
`;

export function catCommand(end: (code: number) => void): Command {
  const command = new Command('cat')
    .description('print files of a btrfs image')
    .argument('<files...>', 'IMAGE:/path; symbolic links are followed within the image')
    .option('--json', 'one JSON document: a list of {path, size, sha256, base64}');
  return addMountOptions(command)
    .addHelpText('before', EXAMPLES)
    .addHelpText('after', `${PATHS_HELP}\n\nExit codes: 0 all printed, 1 damaged data, 2 no such image or file.`)
    .action(async (texts: string[], _options: unknown, self: Command) => {
      const options = self.optsWithGlobals<CatOptions>();
      const places = imagePathsOf(texts, { bareIsRoot: false });
      const notes = new Set<string>();
      const sources = onEach(places, (place) => {
        const source = sourceOf(place.image, options, notes);
        checkFile(source, place);
        return source;
      });
      sayNotes(notes);
      if (options.json) {
        const files = places.map((place, index) => onImages(() => readWholeFile(sources[index]!, place)));
        await print(`${JSON.stringify(files, null, 2)}\n`);
      } else {
        for (const [index, place] of places.entries()) await printFile(readFile(sources[index]!, place));
      }
      end(EXIT.asExpected);
    });
}

/** Each part is gone before the next is read. */
async function printFile(parts: Iterator<Uint8Array>): Promise<void> {
  for (;;) {
    const { done, value } = onImages(() => parts.next());
    // A reader that has gone needs no more.
    if (done === true || !(await print(value))) return;
  }
}
