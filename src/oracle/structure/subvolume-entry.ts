import type { FaultCollector } from './fault-report.ts';
import { DIRECTORY_ENTRY_TYPE, FIRST_FREE_OBJECTID, showKey, TYPE } from './layout.ts';
import type { TreeBlock } from './tree-block.ts';

/** A directory entry that leads to the subvolume `child`; `offset` and `type` are those of its location and its kind. */
export function checkSubvolumeEntry(
  block: TreeBlock,
  slot: number,
  child: number,
  offset: number,
  type: number,
  faults: FaultCollector,
): void {
  if (type !== DIRECTORY_ENTRY_TYPE) {
    const what = 'an entry that leads to a subvolume is not called a directory';
    faults.item(block, slot, 'dir-item-type', what, type, DIRECTORY_ENTRY_TYPE);
  }
  // The offset is −1, or by older kernels the transaction of the snapshot.
  if (child < FIRST_FREE_OBJECTID || offset < -1 || offset > block.written) {
    const what = 'an entry leads to something that is no subvolume';
    faults.item(block, slot, 'dir-item-location', what, showKey(child, TYPE.ROOT_ITEM, offset));
  }
}
