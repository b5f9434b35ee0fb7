import { readU64 } from '../../base/bytes.ts';
import type { DiskImage } from '../../record/image.ts';
import { type BlockGroup, BlockGroupList, BlockGroupTreeVisitor } from './block-group-list.ts';
import { ChunkMap } from './chunk-map.ts';
import { ChunkTreeVisitor, readSystemChunks } from './chunk-tree.ts';
import { ExtentLedger } from './extent-ledger.ts';
import { ExtentTreeVisitor } from './extent-tree.ts';
import { FaultCollector, type StructureFault } from './fault-report.ts';
import { checkFreeSpace, FreeSpaceVisitor } from './free-space-tree.ts';
import { ROOT_ITEM_LEGACY_SIZE, TREE, TYPE } from './layout.ts';
import { findMembers, presumedMembers, readSuperblocks } from './members.ts';
import { checkSpace } from './space-accounts.ts';
import { checkSuperblock } from './superblock.ts';
import type { ItemVisitor } from './tree-block.ts';
import { TreeWalker } from './tree-walk.ts';
import { chunkTreeOf, rootTreeOf, systemTree } from './trees-to-walk.ts';

/** What the committed trees say of space, at one moment. */
export interface SpaceOnDisk {
  readonly generation: number;
  readonly groups: readonly BlockGroup[];
  /** Where block group items, extents and the free space tree do not agree. */
  readonly faults: readonly StructureFault[];
}

/** What says that the accounts do not agree; that an item is malformed, or a tree damaged, is another law's. */
const ACCOUNTING: ReadonlySet<string> = new Set([
  'block-group-used',
  'block-group-missing',
  'block-group-without-chunk',
  'block-group-length',
  'block-group-flags',
  'extent-outside-block-groups',
  'extent-beyond-block-group',
  'superblock-bytes-used',
  'free-space-info-missing',
  'free-space-info-length',
  'free-space-info-without-group',
  'free-space-count',
  'free-space-missing',
  'free-space-allocated',
]);

const REMEMBERED_MAX = 256;
const remembered = new Map<string, SpaceOnDisk | null>();

/** Walks only what counts space: a fraction of the image. Null when it cannot be read. Remembered by fingerprints. */
export function spaceOnDisk(images: readonly DiskImage[]): SpaceOnDisk | null {
  let key = '';
  for (const image of images) key += `${image.fingerprint}/`;
  const known = remembered.get(key);
  if (known !== undefined) return known;
  const space = readSpace(images);
  if (remembered.size >= REMEMBERED_MAX) remembered.delete(remembered.keys().next().value!);
  remembered.set(key, space);
  return space;
}

interface Root {
  readonly bytenr: number;
  readonly level: number;
  readonly generation: number;
}

function readSpace(images: readonly DiskImage[]): SpaceOnDisk | null {
  const ignored = new FaultCollector();
  const options = { crashed: true };
  const { supers } = readSuperblocks(images, options, ignored);
  const sup = supers[0];
  if (sup === undefined || !checkSuperblock(sup, ignored)) return null;
  const chunks = new ChunkMap(presumedMembers(supers, images).images);
  const ledger = new ExtentLedger();
  const walker = new TreeWalker(sup, chunks, ledger, ignored, { verifyCopies: false });
  chunks.replaceChunks(readSystemChunks(sup, ignored));
  const chunkTree = new ChunkTreeVisitor(sup, ignored);
  if (!walker.walk(chunkTreeOf(sup, chunkTree)).complete) return null;
  chunks.replaceChunks(chunkTree.chunks);
  chunks.devices = findMembers(supers, chunkTree.devices, images, options, ignored).images;

  const roots = new RootFinder();
  let isComplete = walker.walk(rootTreeOf(sup, roots)).complete;
  const walk = (id: number, visitor: ItemVisitor) => {
    const root = roots.found.get(id);
    if (root === undefined) return;
    const tree = systemTree(sup, id, root.bytenr, root.level, root.generation, visitor);
    if (!walker.walk(tree).complete) isComplete = false;
  };
  const list = new BlockGroupList(ignored);
  walk(TREE.EXTENT, new ExtentTreeVisitor(sup, ledger, list, ignored));
  walk(TREE.BLOCK_GROUP, new BlockGroupTreeVisitor(list, ignored));
  const freeSpace = new FreeSpaceVisitor(ignored);
  if (sup.hasReadOnly('FREE_SPACE_TREE_VALID')) walk(TREE.FREE_SPACE, freeSpace);
  if (!isComplete) return null;

  const { groups } = list;
  groups.sort((a, b) => a.start - b.start);
  ledger.items.sort((a, b) => a.start - b.start);
  const faults = new FaultCollector();
  const facts = { sup, chunks, groups, ledger };
  checkSpace({ ...facts, chunkTreeComplete: true, groupsComplete: true, extentTreeComplete: true }, faults);
  if (sup.hasReadOnly('FREE_SPACE_TREE_VALID')) checkFreeSpace(facts, freeSpace.infos, faults);
  return {
    generation: sup.generation,
    groups,
    faults: faults.errors.filter(({ fault }) => ACCOUNTING.has(fault)),
  };
}

class RootFinder implements ItemVisitor {
  readonly found = new Map<number, Root>();

  item(
    { view }: { readonly view: DataView },
    _slot: number,
    objectid: number,
    type: number,
    _offset: number,
    at: number,
    size: number,
  ): void {
    if (type !== TYPE.ROOT_ITEM || size < ROOT_ITEM_LEGACY_SIZE) return;
    const [bytenr, generation] = [readU64(view, at + 176), readU64(view, at + 160)];
    this.found.set(objectid, { bytenr, level: view.getUint8(at + 238), generation });
  }
}
