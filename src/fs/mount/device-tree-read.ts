import type { Task } from '../../task/task.ts';
import { DEVICE_STATS } from '../format/device.ts';
import { KEY_TYPE, OBJECT_ID } from '../format/key.ts';
import { setStoredStats } from '../transaction/device-items.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { loadReplaceState } from '../transaction/replace-item.ts';
import { searchTree } from '../tree/cursor.ts';
import type { Device } from '../volume/device.ts';

/**
 * Reads what the device tree keeps about devices besides their extents: error counters, and the state of a device
 * replace. `target`: the device whose superblock says that it is the target of one.
 */
export function* readDeviceState(fs: FsInfo, target: Device | null): Task<void> {
  const hasReplaceItem = yield* readDeviceStats(fs);
  if (hasReplaceItem || target !== null) yield* loadReplaceState(fs, target);
}

/** Returns whether there is an item of a device replace. */
function* readDeviceStats(fs: FsInfo): Task<boolean> {
  const from = { objectid: OBJECT_ID.DEV_STATS, type: KEY_TYPE.PERSISTENT_ITEM, offset: 0 };
  const cursor = yield* searchTree(fs, fs.trees.dev, from);
  try {
    while (cursor.isAt(OBJECT_ID.DEV_STATS, KEY_TYPE.PERSISTENT_ITEM)) {
      const device = fs.volume.findDevice(cursor.offset);
      // Older kernels wrote fewer counters, newer ones may write more; those of a former member stay behind.
      if (device !== null && cursor.data.length >= DEVICE_STATS.size) {
        setStoredStats(device, DEVICE_STATS.decode(cursor.data.subarray(0, DEVICE_STATS.size)));
      }
      yield* cursor.next();
    }
    return cursor.isAt(OBJECT_ID.DEV_STATS, KEY_TYPE.DEV_REPLACE);
  } finally {
    cursor.release();
  }
}
