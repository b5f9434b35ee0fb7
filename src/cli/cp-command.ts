import { Command } from 'commander';
import { type CopiedOut, copyFromImage } from '../campaign/host/copy-from-image.ts';
import { copyIntoImage } from '../campaign/host/copy-into-image.ts';
import { splitImagePath } from '../campaign/host/image-path.ts';
import { showCount } from '../report/wording.ts';
import { EXIT, UsageError } from './exit.ts';
import {
  addMountOptions,
  imagePathsOf,
  type MountArguments,
  onImagesSlowly,
  PATHS_HELP,
  sayNotes,
  sourceOf,
} from './image-arguments.ts';
import { interruptible } from './interruption.ts';
import { print, say } from './terminal.ts';

interface CpOptions extends MountArguments {
  readonly recursive?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `Examples:
  $ fsquake cp notes.txt disk.img:/            into an image
  $ fsquake cp -r src/ README.md disk.img:/home
  $ fsquake cp disk.img:/etc/fstab .           out of one
  $ fsquake cp -r disk.img:/home backup
  $ fsquake cp -r disk.img:/ old --subvolume /snapshots/monday
`;
const TAIL = `
Modes, owners, times, extended attributes, hard links and holes are kept; symbolic links are copied as links.
An image changes as a whole, when all is copied, or not at all; a file of the host appears when it is whole.

Exit codes: 0 all copied, 1 damage, no room, or not all could be copied, 2 bad usage, nothing was copied.`;

export function cpCommand(end: (code: number) => void): Command {
  const command = new Command('cp')
    .description('copy files into a btrfs image, or out of one')
    .usage('[options] <from...> <to>')
    .argument('<places...>', 'files of this host, or IMAGE:/path; the last one is where to')
    .option('-r, --recursive', 'directories with all that is in them')
    .option('--json', 'one JSON document: {files, bytes, problems, notes}');
  return addMountOptions(command)
    .addHelpText('before', EXAMPLES)
    .addHelpText('after', PATHS_HELP + TAIL)
    .action(async (places: string[], _options: unknown, self: Command) => {
      const options = self.optsWithGlobals<CpOptions>();
      const from = places.slice(0, -1);
      const to = places.at(-1)!;
      if (from.length === 0) throw new UsageError(`say where ${to} is to be copied`);
      const notes = new Set<string>();
      const { files, bytes, problems, ...copied } = await copy(from, to, options, notes);
      for (const note of copied.notes) notes.add(note);
      if (options.json) await print(`${JSON.stringify({ files, bytes, problems, notes: [...notes] }, null, 2)}\n`);
      sayNotes(notes);
      for (const problem of problems) say(`fsquake: ${problem}`);
      if (!options.json) say(`copied ${showCount(files)} ${files === 1 ? 'file' : 'files'}, ${showCount(bytes)} bytes`);
      end(problems.length > 0 ? EXIT.violation : EXIT.asExpected);
    });
}

function copy(from: readonly string[], to: string, options: CpOptions, notes: Set<string>): Promise<CopiedOut> {
  const recursive = options.recursive === true;
  const inImages = from.filter((text) => splitImagePath(text) !== null);
  if (splitImagePath(to) === null) {
    if (inImages.length === 0) throw new UsageError('neither side is in an image: write IMAGE:/path for one that is');
    if (inImages.length < from.length) throw new UsageError('some of what is to be copied is in an image, some is not');
    const places = imagePathsOf(from, { bareIsRoot: false });
    const image = places[0]!.image;
    if (places.some((place) => place.image !== image)) throw new UsageError('copy out of one image at a time');
    const source = sourceOf(image, options, notes);
    return onImagesSlowly(() => interruptible((breathe) => copyFromImage(source, places, to, { recursive, breathe })));
  }
  if (inImages.length > 0) throw new UsageError('both sides are in images: copy out to this host first, then in');
  const [place] = imagePathsOf([to], { bareIsRoot: false });
  const source = sourceOf(place!.image, options, notes);
  return onImagesSlowly(() =>
    interruptible(async (breathe) => {
      const copied = await copyIntoImage(source, from, place!, { recursive, breathe });
      return { ...copied, problems: [] };
    }),
  );
}
