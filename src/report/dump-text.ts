import type { DumpedExtentMaps } from '../oracle/dump/dump-extent-maps.ts';
import type { DumpSection } from '../oracle/dump/dump-sections.ts';
import type { DumpedSuperblock } from '../oracle/dump/dump-superblock.ts';
import type { DumpedBlock, DumpedItem, DumpedKey } from '../oracle/dump/dump-tree.ts';
import type { DumpRecord, DumpValue } from '../oracle/dump/dump-value.ts';
import { showRecord } from './record-text.ts';

/** One part of a dump for people, in the manner of `btrfs inspect-internal dump-tree`; the blocks of a tree are apart. */
export function showDumpSection(section: DumpSection, files: readonly string[]): string {
  switch (section.kind) {
    case 'problems':
      return lines(section.problems.map((problem) => `problem: ${problem}`));
    case 'superblocks':
      return section.copies.map((copy) => showSuperblock(files[section.image]!, copy)).join('');
    case 'chunks':
      return lines(['chunks', ...section.chunks.flatMap(showChunk)]);
    case 'tree': {
      const { name, id, address, level, generation } = section.tree;
      return `\ntree ${name} (${id}), root ${address} level ${level} generation ${generation}\n`;
    }
    case 'block':
      return showBlock(section.block);
    case 'extent-maps':
      return showExtentMaps(section.file);
  }
}

/** Ends with a newline. */
export function showBlock(block: DumpedBlock): string {
  const { header, address, problems, items, pointers } = block;
  const complaints = problems.map((problem) => `  problem: ${problem}`);
  if (header === null) return lines([`block ${address}`, ...complaints]);
  const { level, count, generation, owner, freeBytes } = header;
  const kind = level === 0 ? 'leaf' : 'node';
  const head = `${kind} ${address} level ${level} items ${count} free space ${freeBytes} generation ${generation} owner ${owner}`;
  return lines([
    head,
    ...complaints,
    ...pointers.map((pointer) => {
      const place = `block ${pointer.address} generation ${pointer.generation}`;
      return `  key ${showKey(pointer.key)} ${place}`;
    }),
    ...items.flatMap(showItem),
  ]);
}

function showItem(item: DumpedItem): string[] {
  const head = `  item ${item.slot} key ${showKey(item.key)} itemoff ${item.dataOffset} itemsize ${item.dataSize}`;
  if (item.problem === null) return [head, ...showRecord(item.fields, 4)];
  const raw = item.raw === null || item.raw === '' ? [] : [`    data ${item.raw}`];
  return [head, `    problem: ${item.problem}`, ...raw];
}

function showKey({ objectid, type, offset }: DumpedKey): string {
  return `(${objectid} ${type} ${offset})`;
}

function showSuperblock(file: string, { mirror, offset, problems, fields }: DumpedSuperblock): string {
  const which = mirror === 0 ? 'superblock' : `superblock mirror ${mirror}`;
  return lines([
    `${which} of ${file} at ${offset}`,
    ...problems.map((problem) => `  problem: ${problem}`),
    ...Object.entries(fields).flatMap(([name, value]) => showRecord({ [name]: value }, 2)),
  ]);
}

function showChunk(chunk: DumpRecord): string[] {
  const stripes = chunk['stripes'] as readonly DumpRecord[];
  return [
    `  logical ${chunk['logical']} length ${chunk['length']} ${chunk['type']}`,
    ...stripes.map(
      ({ device, offset, missing }) => `    device ${device} at ${offset}${missing === true ? ' (missing)' : ''}`,
    ),
  ];
}

function showExtentMaps({ path, inode, subvolume, size, maps }: DumpedExtentMaps): string {
  return lines([
    `${path}: inode ${inode} of subvolume ${subvolume}, ${size} bytes, ${maps.length} extent maps`,
    ...maps.map((map) => {
      const end = Number(map['start']) + Number(map['length']);
      const disk = map['diskStart'] === undefined ? '' : ` extent ${map['diskStart']}+${map['diskLength']}`;
      const offset = map['diskStart'] === undefined ? '' : ` offset ${map['offset']}`;
      const compressed = map['compressed'] === true ? ' compressed' : '';
      return `  [${map['start']}, ${end}) ${map['kind']}${compressed}${disk}${offset}${showPlaces(map['places'])}`;
    }),
  ]);
}

function showPlaces(places: DumpValue | undefined): string {
  return Array.isArray(places) && places.length > 0 ? `: ${places.join(', ')}` : '';
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('');
}
