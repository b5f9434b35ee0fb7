import { readU64 } from '../../base/bytes.ts';
import type { FaultCollector } from './fault-report.ts';
import {
  entryTypeOf,
  FIRST_FREE_OBJECTID,
  INODE_FLAGS_KNOWN,
  INODE_RO_FLAGS_KNOWN,
  LAST_FREE_OBJECTID,
  LINKS_MAX,
  MODE_TYPE,
  TREE,
} from './layout.ts';
import { isZero } from './raw-fields.ts';
import { hex } from './superblock.ts';
import type { TreeBlock } from './tree-block.ts';

const NANOSECONDS = 1_000_000_000;
const TIMES = [
  ['atime', 112],
  ['ctime', 124],
  ['mtime', 136],
  ['otime', 148],
] as const;

/** The fields of one INODE_ITEM that can be judged by themselves; `at` is where its 160 bytes begin. */
export function checkInodeItem(
  block: TreeBlock,
  slot: number,
  objectid: number,
  offset: number,
  at: number,
  faults: FaultCollector,
): void {
  const { view } = block;
  const isFileId = objectid >= FIRST_FREE_OBJECTID || (objectid < 0 && objectid <= LAST_FREE_OBJECTID);
  const isRootDirectory = block.tree === TREE.ROOT && objectid === TREE.ROOT_TREE_DIR;
  if (!isFileId && !isRootDirectory && objectid !== TREE.FREE_INO) {
    faults.item(block, slot, 'inode-number', 'inode number is outside the range of files', objectid, '≥ 256');
  }
  if (offset !== 0) faults.item(block, slot, 'inode-key-offset', 'offset of an inode key is not zero', offset, 0);
  for (const [name, field] of [['generation', 0] as const, ['transid', 8] as const]) {
    const value = readU64(view, at + field);
    if (value >= 0 && value <= block.written) continue;
    const what = `${name} of an inode is from the future`;
    faults.item(block, slot, `inode-${name}`, what, value, `≤ ${block.written}`);
  }
  const size = readU64(view, at + 16);
  if (size < 0) faults.item(block, slot, 'inode-size', 'size is beyond 2^63', size);
  const links = view.getUint32(at + 40, true);
  if (links > LINKS_MAX) faults.item(block, slot, 'link-count-limit', 'too many links', links, `≤ ${LINKS_MAX}`);
  checkMode(block, slot, at, size, faults);
  checkFlags(block, slot, at, faults);
  for (const [name, field] of TIMES) {
    const nanoseconds = view.getUint32(at + field + 8, true);
    if (nanoseconds < NANOSECONDS) continue;
    const what = `nanoseconds of ${name} are too many`;
    faults.item(block, slot, 'inode-time', what, nanoseconds, `< ${NANOSECONDS}`);
  }
  // In a log Linux leaves there what was in its memory.
  const isLogged = block.tree === TREE.TREE_LOG;
  if (!isLogged && !isZero(view, at + 80, 32))
    faults.warnItem(block, slot, 'inode-reserved', 'reserved bytes are not zero');
}

function checkMode(block: TreeBlock, slot: number, at: number, size: number, faults: FaultCollector): void {
  const mode = block.view.getUint32(at + 52, true);
  if (entryTypeOf(mode) === 0 || mode > 0xffff) {
    faults.item(block, slot, 'inode-mode', 'mode has no valid file type', `0${mode.toString(8)}`);
    return;
  }
  const device = readU64(block.view, at + 56);
  switch (mode >>> 12) {
    case MODE_TYPE.CHARACTER:
    case MODE_TYPE.BLOCK:
      // Linux keeps 12 bits of a major and 20 of a minor number.
      if (device < 0 || device > 0xffffffff) {
        faults.item(block, slot, 'inode-rdev', 'the device number is impossible', device, '≤ 4294967295');
      }
      break;
    default:
      // Only devices are read for it.
      if (device !== 0) faults.warnItem(block, slot, 'inode-rdev', 'a device number of what is no device', device, 0);
  }
  const kind = mode >>> 12;
  const hasSize = kind === MODE_TYPE.REGULAR || kind === MODE_TYPE.DIRECTORY || kind === MODE_TYPE.SYMLINK;
  if (!hasSize && size !== 0) faults.item(block, slot, 'special-file-size', 'a special file has a size', size, 0);
}

function checkFlags(block: TreeBlock, slot: number, at: number, faults: FaultCollector): void {
  const flags = block.view.getUint32(at + 64, true);
  const roFlags = block.view.getUint32(at + 68, true);
  if ((flags & ~INODE_FLAGS_KNOWN) === 0 && (roFlags & ~INODE_RO_FLAGS_KNOWN) === 0) return;
  faults.item(block, slot, 'inode-flags', 'unknown flags', `${hex(roFlags)} ${hex(flags)}`);
}
