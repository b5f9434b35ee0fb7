import { MIB } from '../../src/base/units.ts';
import type { BlockTable } from '../../src/record/block-table.ts';
import { ImageEditor, loadFixture } from '../../tests/support/image-editor.ts';
import { RARE_FAULTS } from './added-faults.ts';
import { CHUNK_FAULTS } from './chunk-faults.ts';
import { ENGINE_FAULTS } from './engine-faults.ts';
import { engineImage } from './engine-image.ts';
import type { DeliberateFault } from './fault.ts';
import { FILE_FAULTS } from './file-faults.ts';
import { MIXED_FAULTS } from './mixed-faults.ts';
import { OLD_FAULTS } from './old-faults.ts';
import { ROOT_FAULTS } from './root-faults.ts';
import { SPACE_FAULTS } from './space-faults.ts';
import { SUPERBLOCK_FAULTS } from './superblock-faults.ts';
import { TREE_BLOCK_FAULTS } from './tree-block-faults.ts';

export type BaseName = 'engine' | 'files' | 'mixed' | 'old';

/** A fault, the image it is made in, and what part of it is concerned. */
export interface PlacedFault extends DeliberateFault {
  readonly base: BaseName;
  readonly part: string;
}

/** Those that Linux made; the engine makes its own anew. */
const FIXTURES: Readonly<Record<Exclude<BaseName, 'engine'>, readonly [fixture: string, bytes: number]>> = {
  files: ['linux-files.img.gz', 64 * MIB],
  mixed: ['linux-mixed.img.gz', 64 * MIB],
  old: ['linux-old.img.gz', 128 * MIB],
};
const loaded = new Map<BaseName, BlockTable>();

/** The whole image; not to be changed. */
export function baseImage(name: BaseName): BlockTable {
  let image = loaded.get(name);
  if (image === undefined) {
    image = name === 'engine' ? engineImage() : loadFixture(...FIXTURES[name]);
    loaded.set(name, image);
  }
  return image;
}

export const BASE_NAMES: readonly BaseName[] = ['engine', 'files', 'mixed', 'old'];

const place = (base: BaseName, part: string, faults: readonly DeliberateFault[]): PlacedFault[] =>
  faults.map((one) => ({ base, part, ...one }));

/** In the order of the table in docs/FIDELITY.md. */
export const ALL_FAULTS: readonly PlacedFault[] = [
  ...place('files', 'superblock', SUPERBLOCK_FAULTS),
  ...place('files', 'tree block', TREE_BLOCK_FAULTS),
  ...place('files', 'chunk and device', CHUNK_FAULTS),
  ...place('files', 'space', SPACE_FAULTS),
  ...place('files', 'root tree', ROOT_FAULTS),
  ...place('files', 'file tree', FILE_FAULTS),
  ...place('files', 'rare field', RARE_FAULTS),
  ...place('mixed', 'mixed and shared', MIXED_FAULTS),
  ...place('old', 'old and two copies', OLD_FAULTS),
  ...place('engine', 'files of the engine', ENGINE_FAULTS),
];

/** The image with this one thing wrong. */
export function damagedImage({ base, damage }: PlacedFault): BlockTable {
  const edit = new ImageEditor([baseImage(base)]);
  damage(edit);
  return edit.finish()[0]!;
}
