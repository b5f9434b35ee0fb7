import { randomUUID } from 'node:crypto';
import { Command } from 'commander';
import { type MadeImages, type MakeImageOptions, makeImages } from '../campaign/host/make-image.ts';
import { readSize } from '../workload/scalars.ts';
import { EXIT, UsageError } from './exit.ts';
import { onImages } from './image-arguments.ts';
import { print } from './terminal.ts';

interface MkfsOptions {
  readonly size?: string;
  readonly nodeSize?: string;
  readonly metadata?: string;
  readonly data?: string;
  readonly label?: string;
  readonly mixed?: boolean;
  readonly blockGroupTree?: boolean;
  readonly freeSpaceTree: boolean;
  readonly holeItems?: boolean;
  readonly seed?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

type Profile = NonNullable<MakeImageOptions['dataProfile']>;

const NODE_SIZE_DEFAULT = 16384;
const NODE_SIZE_MIXED = 4096;
const PROFILES = 'single, dup, raid0, raid1, raid1c3, raid1c4';
const EXAMPLES = `Examples:
  $ fsquake mkfs disk.img --size 1G
  $ fsquake mkfs a.img b.img --size 512M --metadata raid1 --data raid1 --label mirror
  $ fsquake mkfs small.img --size 32M --mixed
  $ fsquake mkfs same.img --size 64M --seed 7     the same bytes every time
`;

export function mkfsCommand(end: (code: number) => void): Command {
  return new Command('mkfs')
    .description('make an empty btrfs file system in image files')
    .argument('<images...>', 'files to make, one for each device')
    .option('--size <bytes>', 'of each image: 64M, 1G …; files that are there keep theirs')
    .option('--node-size <bytes>', 'of tree blocks: 4K to 64K (default: 16K; mixed: 4K)')
    .option('--metadata <profile>', `${PROFILES} (default: dup, of several devices raid1)`)
    .option('--data <profile>', `the same (default: single)`)
    .option('--label <text>', 'up to 255 bytes')
    .option('--mixed', 'data and metadata in the same block groups')
    .option('--block-group-tree', 'block group items in a tree of their own')
    .option('--no-free-space-tree', 'without a free space tree')
    .option('--hole-items', 'items for the holes of files (without NO_HOLES)')
    .option('--seed <text>', 'ids follow from it and times are zero: equal options give equal bytes')
    .option('--force', 'over what the files hold')
    .option('--json', 'one JSON document: {images, uuid, label, nodeSize, features}')
    .addHelpText('before', EXAMPLES)
    .addHelpText('after', '\nExit codes: 0 made, 2 bad usage or no room on this host; then nothing has changed.')
    .action(async (paths: string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<MkfsOptions>();
      const wanted = wantedOf(paths, options);
      const made = onImages(() => makeImages(paths, wanted));
      await print(options.json ? `${JSON.stringify(made, null, 2)}\n` : showMade(made));
      end(EXIT.asExpected);
    });
}

function wantedOf(paths: readonly string[], options: MkfsOptions): MakeImageOptions {
  const problems: string[] = [];
  const sizeOf = (name: string, text: string | undefined): number | null => {
    if (text === undefined) return null;
    const size = readSize(text);
    if (typeof size === 'number') return size;
    problems.push(`${name}: ${size.refused}${size.hint ? `; ${size.hint}` : ''}`);
    return null;
  };
  const size = sizeOf('--size', options.size);
  const nodeSize = sizeOf('--node-size', options.nodeSize);
  if (options.seed === '') problems.push('--seed takes a whole number or text, not ""');
  if (problems.length > 0) throw new UsageError(problems.join('\n'));
  const mixed = options.mixed === true;
  return {
    size,
    nodeSize: nodeSize ?? (mixed ? NODE_SIZE_MIXED : NODE_SIZE_DEFAULT),
    ...profilesOf(paths.length, options, mixed),
    mixed,
    blockGroupTree: options.blockGroupTree === true,
    freeSpaceTree: options.freeSpaceTree,
    noHoles: options.holeItems !== true,
    ...(options.label === undefined ? {} : { label: options.label }),
    seed: options.seed ?? randomUUID(),
    now: options.seed === undefined ? Date.now() * 1_000_000 : 0,
    force: options.force === true,
  };
}

/** Mixed block groups have one profile for both. */
function profilesOf(
  devices: number,
  { metadata, data }: MkfsOptions,
  mixed: boolean,
): Pick<MakeImageOptions, 'metadataProfile' | 'dataProfile'> {
  const metadataProfile =
    metadata ?? (mixed ? (data ?? (devices > 1 ? 'raid1' : 'single')) : devices > 1 ? 'raid1' : 'dup');
  const dataProfile = data ?? (mixed ? metadataProfile : 'single');
  // What is none is refused, with the nearest that is one.
  return { metadataProfile: metadataProfile as Profile, dataProfile: dataProfile as Profile };
}

function showMade({ images, uuid, label, nodeSize, features }: MadeImages): string {
  const lines = [
    ...images.map(({ file, size }, index) => `${file}: device ${index + 1}, ${size} bytes`),
    `uuid ${uuid}${label === '' ? '' : `, label ${label}`}, node size ${nodeSize}`,
    `features ${features.join(', ')}`,
  ];
  return lines.map((line) => `${line}\n`).join('');
}
