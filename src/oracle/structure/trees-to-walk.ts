import { readU64 } from '../../base/bytes.ts';
import { SUPER, TREE } from './layout.ts';
import type { Superblock } from './superblock.ts';
import type { ItemVisitor } from './tree-block.ts';

/** One tree to walk. */
export interface TreeToWalk {
  readonly id: number;
  readonly root: number;
  readonly level: number;
  readonly generation: number;
  readonly visitor: ItemVisitor;
  /** Blocks may belong to other trees too: subvolumes and their snapshots. */
  readonly shareable: boolean;
  /** Blocks have extent items: all trees but a log. */
  readonly counted: boolean;
  /** Highest generation that a block may have. */
  readonly generationMax: number;
  /** Shared blocks must not be younger than this. */
  readonly lastSnapshot: number;
  /** Told of every block of the tree, shared or not. */
  readonly meet?: (logical: number) => void;
  /** Where the deletion of a dropped tree has come to; what lies before is gone. */
  readonly drop?: { readonly view: DataView; readonly at: number; readonly level: number };
}

/** Fields that every tree of this superblock shares. */
export function systemTree(
  sup: Superblock,
  id: number,
  root: number,
  level: number,
  generation: number,
  visitor: ItemVisitor,
): TreeToWalk {
  return {
    id,
    root,
    level,
    generation,
    visitor,
    shareable: false,
    counted: true,
    generationMax: sup.generation,
    lastSnapshot: 0,
  };
}

export function rootTreeOf(sup: Superblock, visitor: ItemVisitor): TreeToWalk {
  const root = readU64(sup.view, SUPER.root);
  return systemTree(sup, TREE.ROOT, root, sup.view.getUint8(SUPER.rootLevel), sup.generation, visitor);
}

export function chunkTreeOf(sup: Superblock, visitor: ItemVisitor): TreeToWalk {
  const root = readU64(sup.view, SUPER.chunkRoot);
  const generation = readU64(sup.view, SUPER.chunkRootGeneration);
  return systemTree(sup, TREE.CHUNK, root, sup.view.getUint8(SUPER.chunkRootLevel), generation, visitor);
}
