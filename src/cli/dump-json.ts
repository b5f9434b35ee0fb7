import type { DumpSection } from '../campaign/host/dump-image.ts';
import { print } from './terminal.ts';

type Block = Extract<DumpSection, { kind: 'block' }>['block'];
type TreeSection = Extract<DumpSection, { kind: 'tree' }>;

/** One document, written block by block so that the size of the image does not matter. Whether damage was met. */
export async function printDumpJson(sections: Iterable<DumpSection>, files: readonly string[]): Promise<boolean> {
  const iterator = sections[Symbol.iterator]();
  // What was asked for and is not there fails before the first byte.
  let next = iterator.next();
  await print(`{\n  "format": "fsquake-dump-1",\n  "files": ${JSON.stringify(files)}`);
  let hasDamage = false;
  let list: string | null = null;
  for (; next.done !== true; next = iterator.next()) {
    const section = next.value;
    hasDamage ||= isDamaged(section);
    const name = LISTS[section.kind];
    // Sections of one list follow each other.
    await print(list === name ? ',\n    ' : `${list === null ? '' : '\n  ]'},\n  "${name}": [\n    `);
    list = name;
    if (section.kind === 'tree') hasDamage = (await printTree(section)) || hasDamage;
    else await print(elementsOf(section, files).join(',\n    '));
  }
  await print(`${list === null ? '' : '\n  ]'}\n}\n`);
  return hasDamage;
}

const LISTS = {
  problems: 'problems',
  superblocks: 'superblocks',
  chunks: 'chunks',
  tree: 'trees',
  block: 'blocks',
  'extent-maps': 'extentMaps',
} as const;

function elementsOf(section: Exclude<DumpSection, TreeSection>, files: readonly string[]): string[] {
  switch (section.kind) {
    case 'problems':
      return section.problems.map((problem) => JSON.stringify(problem));
    case 'superblocks':
      return [JSON.stringify({ file: files[section.image], copies: section.copies })];
    case 'chunks':
      return section.chunks.map((chunk) => JSON.stringify(chunk));
    case 'block':
      return [JSON.stringify(section.block)];
    case 'extent-maps':
      return [JSON.stringify(section.file)];
  }
}

async function printTree({ tree, blocks }: TreeSection): Promise<boolean> {
  await print(`${JSON.stringify(tree).slice(0, -1)},"blocks":[`);
  let hasDamage = false;
  let separator = '';
  for (const block of blocks) {
    hasDamage ||= isDamagedBlock(block);
    await print(`${separator}\n      ${JSON.stringify(block)}`);
    separator = ',';
  }
  await print(']}');
  return hasDamage;
}

export function isDamagedBlock(block: Block): boolean {
  return block.problems.length > 0 || block.items.some(({ problem }) => problem !== null);
}

export function isDamaged(section: DumpSection): boolean {
  if (section.kind === 'problems') return true;
  if (section.kind === 'block') return isDamagedBlock(section.block);
  return section.kind === 'superblocks' && section.copies.some(({ problems }) => problems.length > 0);
}
