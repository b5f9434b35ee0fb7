import { readU64 } from '../../base/bytes.ts';
import { CsumTreeVisitor } from './csum-tree.ts';
import { ExtentLedger } from './extent-ledger.ts';
import type { FaultCollector } from './fault-report.ts';
import { LEVEL_MAX, ROOT_ITEM_LEGACY_SIZE, ROOT_ITEM_SIZE, SECTOR, SUPER, showKey, TREE, TYPE } from './layout.ts';
import { type LogFacts, LogItemVisitor } from './log-items.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';
import { TreeWalker } from './tree-walk.ts';

interface LogRoot {
  readonly subvolume: number;
  readonly bytenr: number;
  readonly level: number;
  readonly generation: number;
  readonly block: TreeBlock;
  readonly slot: number;
}

/** The tree of logs: one root item per subvolume that has one. */
class LogRootVisitor implements ItemVisitor {
  readonly logs: LogRoot[] = [];
  readonly #faults: FaultCollector;

  constructor(faults: FaultCollector) {
    this.#faults = faults;
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void {
    const faults = this.#faults;
    if (objectid !== TREE.TREE_LOG || type !== TYPE.ROOT_ITEM) {
      faults.item(block, slot, 'unexpected-item', `${showKey(objectid, type, offset)} does not belong here`);
      return;
    }
    if (size !== ROOT_ITEM_SIZE && size !== ROOT_ITEM_LEGACY_SIZE) {
      faults.item(block, slot, 'item-size', 'size of a root item is wrong', size, ROOT_ITEM_SIZE);
      return;
    }
    const { view } = block;
    const generation = readU64(view, at + 160);
    const bytenr = readU64(view, at + 176);
    if (bytenr <= 0 || bytenr % SECTOR !== 0) {
      faults.item(block, slot, 'root-bytenr', 'address of the root is not a multiple of 4096', bytenr);
    }
    if (readU64(view, at + 208) !== 0) {
      faults.item(block, slot, 'root-flags', 'a log has flags', readU64(view, at + 208), 0);
    }
    if (view.getUint8(at + 237) >= LEVEL_MAX) {
      faults.item(block, slot, 'root-drop-level', 'drop_level is too high', view.getUint8(at + 237), `< ${LEVEL_MAX}`);
    }
    for (const [name, field] of ROOT_GENERATIONS) {
      if (field >= size) continue;
      const value = readU64(view, at + field);
      if (value >= 0 && value <= block.written) continue;
      faults.item(block, slot, 'root-generation', `${name} of a log is impossible`, value, `≤ ${block.written}`);
    }
    this.logs.push({ subvolume: offset, bytenr, level: view.getUint8(at + 238), generation, block, slot });
  }
}

const ROOT_GENERATIONS = [
  ['generation', 160],
  ['last_snapshot', 200],
  ['generation_v2', 239],
] as const;

export interface LogCheck extends LogFacts {
  readonly verifyData: boolean;
  readonly verifyCopies: boolean;
  /** Ids of the trees that the root tree has. */
  readonly trees: ReadonlySet<number>;
}

/**
 * Walks the log trees that fsync left for the next mount. Their blocks lie in space that everything else takes for
 * free, one generation ahead; what replaying them would give is not judged.
 */
export function checkLogTrees(check: LogCheck, faults: FaultCollector): void {
  const { sup, chunks } = check;
  const root = readU64(sup.view, SUPER.logRoot);
  if (root === 0) return;
  faults.leaveOut('a log tree waits for replay: the state after it was not judged');
  const ledger = new ExtentLedger();
  const walker = new TreeWalker(sup, chunks, ledger, faults, check);
  const generation = sup.generation + 1;
  const shared = { shareable: false, counted: false, generationMax: generation, lastSnapshot: 0, id: TREE.TREE_LOG };
  const roots = new LogRootVisitor(faults);
  walker.walk({ ...shared, root, level: sup.view.getUint8(SUPER.logRootLevel), generation, visitor: roots });
  for (const log of roots.logs) {
    if (!check.trees.has(log.subvolume)) {
      // Linux leaves it out, for the subvolume may have been deleted since.
      faults.warnItem(log.block, log.slot, 'log-of-no-tree', 'a log of a tree that does not exist', log.subvolume);
    }
    const visitor = new LogItemVisitor(check, new CsumTreeVisitor(chunks, check, faults), faults);
    const walked = walker.walk({ ...shared, root: log.bytenr, level: log.level, generation: log.generation, visitor });
    if (walked.complete) visitor.finish();
  }
  for (const block of ledger.visited()) {
    if (check.allocated?.overlapping(block.start, sup.nodeSize) === undefined) continue;
    const what = 'a log block lies on an allocated extent';
    faults.error('leaf', { tree: TREE.TREE_LOG, block: block.start }, 'log-block-allocated', what);
  }
}
