import { readU64 } from '../../base/bytes.ts';
import type { ChunkMap } from './chunk-map.ts';
import { ExtentLedger } from './extent-ledger.ts';
import type { FaultCollector } from './fault-report.ts';
import { ROOT_ITEM_LEGACY_SIZE, SUPER, showKey, TREE, TYPE } from './layout.ts';
import type { Superblock } from './superblock.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';
import { TreeWalker } from './tree-walk.ts';

const LOG_ITEM_TYPES: ReadonlySet<number> = new Set([
  TYPE.INODE_ITEM,
  TYPE.INODE_REF,
  TYPE.INODE_EXTREF,
  TYPE.XATTR_ITEM,
  TYPE.DIR_LOG_ITEM,
  TYPE.DIR_LOG_INDEX,
  TYPE.DIR_ITEM,
  TYPE.DIR_INDEX,
  TYPE.EXTENT_DATA,
  TYPE.EXTENT_CSUM,
  TYPE.VERITY_DESC,
  TYPE.VERITY_MERKLE,
]);

interface LogRoot {
  readonly bytenr: number;
  readonly level: number;
  readonly generation: number;
}

class LogRootVisitor implements ItemVisitor {
  readonly logs: LogRoot[] = [];
  readonly #faults: FaultCollector;

  constructor(faults: FaultCollector) {
    this.#faults = faults;
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void {
    if (objectid !== TREE.TREE_LOG || type !== TYPE.ROOT_ITEM || size < ROOT_ITEM_LEGACY_SIZE) {
      this.#faults.item(block, slot, 'unexpected-item', `${showKey(objectid, type, offset)} does not belong here`);
      return;
    }
    const { view } = block;
    this.logs.push({
      bytenr: readU64(view, at + 176),
      level: view.getUint8(at + 238),
      generation: readU64(view, at + 160),
    });
  }
}

class LogItemVisitor implements ItemVisitor {
  readonly #faults: FaultCollector;

  constructor(faults: FaultCollector) {
    this.#faults = faults;
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number): void {
    if (LOG_ITEM_TYPES.has(type)) return;
    this.#faults.item(block, slot, 'unexpected-item', `${showKey(objectid, type, offset)} does not belong in a log`);
  }
}

/**
 * Walks the log trees that fsync left for the next mount. Their blocks lie in space that everything else takes for
 * free, one generation ahead; what replaying them would give is not judged.
 */
export function checkLogTrees(
  sup: Superblock,
  chunks: ChunkMap,
  allocated: ExtentLedger,
  options: { readonly verifyCopies: boolean },
  faults: FaultCollector,
): void {
  const root = readU64(sup.view, SUPER.logRoot);
  if (root === 0) return;
  faults.leaveOut('a log tree waits for replay: the state after it was not judged');
  const ledger = new ExtentLedger();
  const walker = new TreeWalker(sup, chunks, ledger, faults, options);
  const generation = sup.generation + 1;
  const shared = { shareable: false, counted: false, generationMax: generation, lastSnapshot: 0, id: TREE.TREE_LOG };
  const roots = new LogRootVisitor(faults);
  walker.walk({ ...shared, root, level: sup.view.getUint8(SUPER.logRootLevel), generation, visitor: roots });
  for (const log of roots.logs) {
    const visitor = new LogItemVisitor(faults);
    walker.walk({ ...shared, root: log.bytenr, level: log.level, generation: log.generation, visitor });
  }
  for (const block of ledger.visited()) {
    if (!allocated.find(block.start)?.hasItem) continue;
    const what = 'a log block lies on an allocated extent';
    faults.error('leaf', { tree: TREE.TREE_LOG, block: block.start }, 'log-block-allocated', what);
  }
}
