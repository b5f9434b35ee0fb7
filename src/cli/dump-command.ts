import { Command, Option } from 'commander';
import { type DumpSection, type DumpWish, dumpImageFiles, NothingToDump } from '../campaign/host/dump-image.ts';
import { NoImage } from '../campaign/host/image-file.ts';
import { showBlock, showDumpSection } from '../report/dump-text.ts';
import { isDamaged, isDamagedBlock, printDumpJson } from './dump-json.ts';
import { EXIT, ImageFault, readCount, UsageError } from './exit.ts';
import { print } from './terminal.ts';

interface DumpOptions {
  readonly tree?: string;
  readonly super?: boolean;
  readonly chunks?: boolean;
  readonly block?: string;
  readonly extentMaps?: string;
  readonly json?: boolean;
}

const EXAMPLES = `Examples:
  $ fsquake dump disk.img                             superblock, chunks and every tree
  $ fsquake dump disk.img --super
  $ fsquake dump disk.img --tree fs                   a tree by name; subvolumes by number
  $ fsquake dump disk.img --extent-maps /etc/passwd   where the bytes of a file lie
  $ fsquake dump a.img b.img --chunks --json          the devices of one file system together
`;
const TAIL = `
Trees: root, extent, chunk, dev, fs, csum, quota, uuid, free-space, block-group, raid-stripe, data-reloc, log, or a number.
Names and paths show bytes that are no printable UTF-8 as \\xNN, and are typed so.

Exit codes: 0 all shown, 1 damage was met, 2 no image, or nothing of that name in it.`;

export function dumpCommand(end: (code: number) => void): Command {
  return new Command('dump')
    .description('show what is on the disks of a btrfs image, item by item, however damaged it is')
    .argument('<images...>', 'raw images, .gz too, or block devices: the devices of one file system')
    .addOption(
      new Option('--tree <tree>', 'one tree, by name or number').conflicts(['super', 'chunks', 'block', 'extentMaps']),
    )
    .addOption(new Option('--super', 'the superblocks').conflicts(['chunks', 'block', 'extentMaps']))
    .addOption(new Option('--chunks', 'how logical addresses lie on the devices').conflicts(['block', 'extentMaps']))
    .addOption(new Option('--block <address>', 'one tree block, by its logical address').conflicts(['extentMaps']))
    .option('--extent-maps <file>', 'the extents of a file, by its path from the top-level subvolume')
    .option('--json', 'one JSON document: {format, files, problems, superblocks, chunks, trees, ...}')
    .addHelpText('before', EXAMPLES)
    .addHelpText('after', TAIL)
    .action(async (paths: string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<DumpOptions>();
      try {
        const sections = dumpImageFiles(paths, wishOf(options));
        const hasDamage = options.json ? await printDumpJson(sections, paths) : await printText(sections, paths);
        end(hasDamage ? EXIT.violation : EXIT.asExpected);
      } catch (error) {
        if (error instanceof NothingToDump && error.isFault) throw new ImageFault(error.message);
        if (error instanceof NoImage || error instanceof NothingToDump) throw new UsageError(error.message);
        throw error;
      }
    });
}

function wishOf(options: DumpOptions): DumpWish {
  if (options.tree !== undefined) return { kind: 'tree', tree: options.tree };
  if (options.super) return { kind: 'super' };
  if (options.chunks) return { kind: 'chunks' };
  if (options.block !== undefined) return { kind: 'block', address: readCount('--block', options.block) };
  if (options.extentMaps !== undefined) return { kind: 'extent-maps', path: options.extentMaps };
  return { kind: 'everything' };
}

/** Block by block, so that the size of the image does not matter. Whether damage was met. */
async function printText(sections: Iterable<DumpSection>, files: readonly string[]): Promise<boolean> {
  let hasDamage = false;
  for (const section of sections) {
    hasDamage ||= isDamaged(section);
    await print(showDumpSection(section, files));
    if (section.kind !== 'tree') continue;
    for (const block of section.blocks) {
      hasDamage ||= isDamagedBlock(block);
      // A reader that has gone needs no more.
      if (!(await print(showBlock(block)))) return hasDamage;
    }
  }
  return hasDamage;
}
