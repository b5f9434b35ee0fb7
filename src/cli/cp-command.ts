import { Command } from 'commander';
import { copyFromImage } from '../campaign/host/copy-from-image.ts';
import { type Copied, copyIntoImage } from '../campaign/host/copy-into-image.ts';
import { splitImagePath } from '../campaign/host/image-path.ts';
import { showCount } from '../report/wording.ts';
import { EXIT, UsageError } from './exit.ts';
import {
  addMountOptions,
  imagePathsOf,
  type MountArguments,
  onImages,
  PATHS_HELP,
  sourceOf,
} from './image-arguments.ts';
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
`;
const TAIL = `
Modes, owners, times, hard links and holes of sparse files are kept; symbolic links are copied as links.
An image changes as a whole, when all is copied, or not at all; a file of the host appears when it is whole.

Exit codes: 0 all copied, 1 damage, no room, or not all could be copied, 2 bad usage, nothing was copied.`;

export function cpCommand(end: (code: number) => void): Command {
  const command = new Command('cp')
    .description('copy files into a btrfs image, or out of one')
    .usage('[options] <from...> <to>')
    .argument('<places...>', 'files of this host, or IMAGE:/path; the last one is where to')
    .option('-r, --recursive', 'directories with all that is in them')
    .option('--json', 'one JSON document: {files, bytes, problems}');
  return addMountOptions(command)
    .addHelpText('before', EXAMPLES)
    .addHelpText('after', PATHS_HELP + TAIL)
    .action(async (places: string[], _options: unknown, self: Command) => {
      const options = self.optsWithGlobals<CpOptions>();
      const from = places.slice(0, -1);
      const to = places.at(-1)!;
      if (from.length === 0) throw new UsageError(`say where ${to} is to be copied`);
      const { problems, ...copied } = copy(from, to, options);
      if (options.json) await print(`${JSON.stringify({ ...copied, problems }, null, 2)}\n`);
      for (const problem of problems) say(`fsquake: ${problem}`);
      if (!options.json) say(`copied ${showCount(copied.files)} files, ${showCount(copied.bytes)} bytes`);
      end(problems.length > 0 ? EXIT.violation : EXIT.asExpected);
    });
}

interface Outcome extends Copied {
  readonly problems: readonly string[];
}

function copy(from: readonly string[], to: string, options: CpOptions): Outcome {
  const recursive = options.recursive === true;
  const inImages = from.filter((text) => splitImagePath(text) !== null);
  if (splitImagePath(to) === null) {
    if (inImages.length === 0) throw new UsageError('neither side is in an image: write IMAGE:/path for one that is');
    if (inImages.length < from.length) throw new UsageError('some of what is to be copied is in an image, some is not');
    const places = imagePathsOf(from, { bareIsRoot: false });
    const image = places[0]!.image;
    if (places.some((place) => place.image !== image)) throw new UsageError('copy out of one image at a time');
    const { files, bytes, problems } = onImages(() =>
      copyFromImage(sourceOf(image, options), places, to, { recursive }),
    );
    return { files, bytes, problems };
  }
  if (inImages.length > 0) throw new UsageError('both sides are in images: copy out to this host first, then in');
  const [place] = imagePathsOf([to], { bareIsRoot: false });
  const copied = onImages(() => copyIntoImage(sourceOf(place!.image, options), from, place!, { recursive }));
  return { ...copied, problems: [] };
}
