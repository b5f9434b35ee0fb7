import { readU64 } from '../../base/bytes.ts';
import { nearestWord } from '../../base/nearest.ts';
import { TREE_ID } from '../../fs/format/key.ts';
import type { DiskImage } from '../../record/image.ts';
import { checkImage } from '../structure/check-image.ts';
import { SUPER } from '../structure/layout.ts';
import { dumpChunks } from './dump-chunks.ts';
import { type DumpedExtentMaps, dumpExtentMaps } from './dump-extent-maps.ts';
import { type DumpedSuperblock, dumpSuperblocks } from './dump-superblock.ts';
import { type DumpedBlock, dumpBlockAt, dumpTree, findRoots, type RootPlace } from './dump-tree.ts';
import type { DumpRecord } from './dump-value.ts';
import { openRawFilesystem, type RawFilesystem } from './raw-filesystem.ts';

/** What is to be dumped. */
export type DumpWish =
  | { readonly kind: 'everything' }
  | { readonly kind: 'super' }
  | { readonly kind: 'chunks' }
  /** By name (`fs`, `free-space`) or number; a number is also a subvolume. */
  | { readonly kind: 'tree'; readonly tree: string }
  | { readonly kind: 'block'; readonly address: number }
  | { readonly kind: 'extent-maps'; readonly path: string };

/** One part of a dump; the blocks of a tree follow it. */
export type DumpSection =
  | { readonly kind: 'problems'; readonly problems: readonly string[] }
  | { readonly kind: 'superblocks'; readonly image: number; readonly copies: readonly DumpedSuperblock[] }
  | { readonly kind: 'chunks'; readonly chunks: readonly DumpRecord[] }
  | { readonly kind: 'tree'; readonly tree: DumpedTree; readonly blocks: Iterable<DumpedBlock> }
  | { readonly kind: 'block'; readonly block: DumpedBlock }
  | { readonly kind: 'extent-maps'; readonly file: DumpedExtentMaps };

export interface DumpedTree extends RootPlace {
  readonly name: string;
}

/** There is nothing to dump of what was asked for; the message says what there is. */
export class NothingToDump extends Error {
  /** Damage may hide what was asked for. */
  readonly isFault: boolean;

  constructor(message: string, options = { isFault: false }) {
    super(message);
    this.name = 'NothingToDump';
    this.isFault = options.isFault;
  }
}

/** Names of trees by their ids, as the command line takes them. */
const TREE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(TREE_ID)
    .filter(([name]) => name !== 'ROOT_TREE_DIR')
    .map(([name, id]) => [id, shortName(name)]),
);

/** Dumps raw images, one per device. Damage is part of what is shown. Throws `NothingToDump`. */
export function* dumpSections(images: readonly DiskImage[], wish: DumpWish): Generator<DumpSection> {
  if (wish.kind === 'super' || wish.kind === 'everything') {
    for (const [image, disk] of images.entries()) yield { kind: 'superblocks', image, copies: dumpSuperblocks(disk) };
    if (wish.kind === 'super') return;
  }
  const fs = openRawFilesystem(images);
  // What is not there is said before anything else is.
  const parts = 'chunks' in fs ? partsThatAreThere(images, fs, wish) : [];
  if (fs.problems.length > 0) yield { kind: 'problems', problems: fs.problems };
  yield* parts;
}

/** Of a damaged image nobody can say that something is not in it. */
function partsThatAreThere(images: readonly DiskImage[], fs: RawFilesystem, wish: DumpWish): DumpSection[] {
  try {
    return partsOf(images, fs, wish);
  } catch (error) {
    if (!(error instanceof NothingToDump)) throw error;
    const damage = checkImage(images, { verifyData: false, crashed: true }).errors[0];
    if (damage === undefined) throw error;
    throw new NothingToDump(`${error.message}; damage may hide it: ${damage.message}`, { isFault: true });
  }
}

function partsOf(images: readonly DiskImage[], fs: RawFilesystem, wish: DumpWish): DumpSection[] {
  const chunks = (): DumpSection => ({ kind: 'chunks', chunks: dumpChunks(fs) });
  const blocksOf = (tree: DumpedTree): DumpSection => ({ kind: 'tree', tree, blocks: dumpTree(fs, tree) });
  switch (wish.kind) {
    case 'super':
      return [];
    case 'chunks':
      return [chunks()];
    case 'block':
      return [{ kind: 'block', block: dumpBlockAt(fs, wish.address) }];
    case 'extent-maps':
      return [extentMaps(images, fs, wish.path)];
    case 'tree':
      return findTrees(fs, wish.tree).map(blocksOf);
    case 'everything':
      return [chunks(), ...allTrees(fs).map(blocksOf)];
  }
}

function extentMaps(images: readonly DiskImage[], fs: RawFilesystem, path: string): DumpSection {
  const file = dumpExtentMaps(images, fs, path);
  if (file === null)
    throw new NothingToDump(
      `no regular file ${path} is to be found (paths start at the top-level subvolume, and no symbolic link is followed)`,
    );
  return { kind: 'extent-maps', file };
}

/** Root and chunk tree, every tree of a ROOT_ITEM, then the logs. */
function allTrees(fs: RawFilesystem): DumpedTree[] {
  const { view } = fs.superblock;
  const rootTree = placeInSuperblock(fs, TREE_ID.ROOT_TREE, SUPER.root, SUPER.rootLevel, SUPER.generation);
  const chunkTree = placeInSuperblock(
    fs,
    TREE_ID.CHUNK_TREE,
    SUPER.chunkRoot,
    SUPER.chunkRootLevel,
    SUPER.chunkRootGeneration,
  );
  const trees = [rootTree, chunkTree, ...findRoots(fs, rootTree)];
  if (readU64(view, SUPER.logRoot) !== 0) {
    const place = placeInSuperblock(fs, TREE_ID.TREE_LOG, SUPER.logRoot, SUPER.logRootLevel, SUPER.generation);
    // It is of the transaction that had not ended.
    const log = { ...place, generation: place.generation + 1 };
    trees.push(log, ...findRoots(fs, log));
  }
  return trees.map((tree) => ({ ...tree, name: TREE_NAMES.get(tree.id) ?? `subvolume ${tree.id}` }));
}

function placeInSuperblock(
  fs: RawFilesystem,
  id: number,
  at: number,
  levelAt: number,
  generationAt: number,
): RootPlace {
  const { view } = fs.superblock;
  const level = view.getUint8(levelAt);
  return { id, address: readU64(view, at), level, generation: readU64(view, generationAt) };
}

function findTrees(fs: RawFilesystem, asked: string): DumpedTree[] {
  const trees = allTrees(fs);
  const wanted = shortName(asked);
  const found = trees.filter(({ id, name }) => name === wanted || String(id) === wanted);
  if (found.length > 0) return found;
  const there = trees.map(({ id, name }) => (name === `subvolume ${id}` ? String(id) : name));
  const nearest = nearestWord(wanted, there);
  const hint = nearest === null ? '' : `did you mean ${nearest}? `;
  throw new NothingToDump(
    `there is no tree ${JSON.stringify(asked)}; ${hint}there are: ${[...new Set(there)].join(', ')}`,
  );
}

/** `FREE_SPACE_TREE` is `free-space`, `TREE_LOG` is `log`. */
function shortName(name: string): string {
  return name
    .toLowerCase()
    .replaceAll('_', '-')
    .replace(/-tree$|^tree-/, '');
}
