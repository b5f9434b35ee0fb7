import { readU64 } from '../../base/bytes.ts';
import type { FaultCollector } from './fault-report.ts';
import { MODE_TYPE } from './layout.ts';
import { isZero } from './raw-fields.ts';
import type { RootItem } from './root-tree.ts';
import type { TreeBlock } from './tree-block.ts';

const NANOSECONDS = 1_000_000_000;
/** Bit 48 of the flags: the deletion has begun. */
const DEAD_HIGH = 0x10000;
const DROP_PROGRESS_SIZE = 17;
const TIMES = [
  ['ctime', 327],
  ['otime', 339],
  ['stime', 351],
  ['rtime', 363],
] as const;

/** Fields of a ROOT_ITEM that say nothing of where the tree is. */
export function checkRootFields(
  block: TreeBlock,
  slot: number,
  root: RootItem,
  isSubvolume: boolean,
  faults: FaultCollector,
): void {
  const { view, at } = root;
  if (root.refs > 0 && !isZero(view, at + 220, DROP_PROGRESS_SIZE + 1)) {
    faults.item(block, slot, 'root-drop-progress', 'a tree that is in use is dropped in part', root.id);
  }
  if (root.refs > 0 && view.getUint32(at + 212, true) & DEAD_HIGH) {
    faults.warnItem(block, slot, 'root-flags', 'a tree that is in use is marked as deleted', root.id);
  }
  if (readU64(view, at + 184) !== 0) {
    faults.warnItem(block, slot, 'root-byte-limit', 'byte_limit is not zero', readU64(view, at + 184), 0);
  }
  checkInode(block, slot, root, faults);
  if (root.isLegacy) return;
  checkTransactions(block, slot, root, isSubvolume, faults);
  for (const [name, field] of TIMES) {
    const nanoseconds = view.getUint32(at + field + 8, true);
    if (nanoseconds < NANOSECONDS) continue;
    const what = `nanoseconds of ${name} are too many`;
    faults.item(block, slot, 'root-time', what, nanoseconds, `< ${NANOSECONDS}`);
  }
  if (!isZero(view, at + 375, 64)) faults.warnItem(block, slot, 'root-reserved', 'reserved bytes are not zero');
}

/** The inode within a root item has no use; what it is when it was made stays. */
function checkInode(block: TreeBlock, slot: number, root: RootItem, faults: FaultCollector): void {
  const { view, at } = root;
  const mode = view.getUint32(at + 52, true);
  // mkfs.btrfs leaves it empty for trees of the system.
  if (mode === 0 || mode >>> 12 === MODE_TYPE.DIRECTORY) return;
  const what = 'the inode within a root item is no directory';
  faults.warnItem(block, slot, 'root-inode', what, `mode 0${mode.toString(8)}`);
}

function checkTransactions(
  block: TreeBlock,
  slot: number,
  root: RootItem,
  isSubvolume: boolean,
  faults: FaultCollector,
): void {
  const { view, at } = root;
  const fields = [
    ['ctransid', 295],
    ['otransid', 303],
    // stransid counts transactions of the file system that sent it.
    ['rtransid', 319],
  ] as const;
  for (const [name, field] of fields) {
    const value = readU64(view, at + field);
    if (value >= 0 && value <= block.written) continue;
    faults.item(block, slot, 'root-transid', `${name} is from the future`, value, `≤ ${block.written}`);
  }
  const created = readU64(view, at + 303);
  if (isSubvolume && root.keyOffset !== 0 && created !== 0 && created !== root.keyOffset) {
    const what = 'offset of the key is not the transaction of the snapshot';
    faults.item(block, slot, 'root-key-offset', what, root.keyOffset, created);
  }
}
