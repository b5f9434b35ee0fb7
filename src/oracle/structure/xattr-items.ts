import { readU64 } from '../../base/bytes.ts';
import { type FaultCollector, showName } from './fault-report.ts';
import { XATTR_ENTRY_TYPE } from './layout.ts';
import type { TreeBlock } from './tree-block.ts';

/** What Linux has handlers for; an attribute of another name cannot be read, changed or removed. */
const PREFIXES = ['user.', 'trusted.', 'security.', 'system.', 'btrfs.'] as const;

/** One attribute of an XATTR_ITEM; `at` is where its 30 bytes of header begin, `name` one character per byte. */
export function checkXattr(block: TreeBlock, slot: number, at: number, name: string, faults: FaultCollector): void {
  const { view } = block;
  const type = view.getUint8(at + 29);
  if (type !== XATTR_ENTRY_TYPE) {
    faults.item(block, slot, 'xattr-type', 'type of an attribute is wrong', type, XATTR_ENTRY_TYPE);
  }
  if (readU64(view, at) !== 0 || view.getUint8(at + 8) !== 0 || readU64(view, at + 9) !== 0) {
    faults.item(block, slot, 'xattr-location', 'an attribute leads somewhere', readU64(view, at), 0);
  }
  if (!PREFIXES.some((prefix) => name.startsWith(prefix) && name.length > prefix.length)) {
    const what = 'an attribute of no known kind';
    faults.warnItem(block, slot, 'xattr-name', what, showName(name), PREFIXES.join(' '));
  }
}
