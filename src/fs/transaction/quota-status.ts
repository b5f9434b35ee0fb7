import { readU64, writeU64 } from '../../base/bytes.ts';
import type { Task } from '../../task/task.ts';
import { KEY_TYPE } from '../format/key.ts';
import { openForChange } from '../tree/change-cursor.ts';
import type { TransactionHandle } from './handle.ts';

const FLAGS_AT = 16;
const STATUS_SIZE = 32;
/** Flags of the status item. */
const QUOTA_FLAG = { ON: 1, INCONSISTENT: 4 } as const;

/**
 * The engine counts nothing for quota groups: in an image that has them on, the first commit says that their counts
 * need a rescan, as Linux does when it has lost count.
 */
export function* markQuotaInconsistent(handle: TransactionHandle): Task<void> {
  const { fs } = handle;
  const tree = fs.trees.quota;
  if (tree === null || fs.isQuotaMarked) return;
  fs.isQuotaMarked = true;
  const cursor = yield* openForChange(handle, tree);
  try {
    yield* cursor.seek(0, KEY_TYPE.QGROUP_STATUS, 0);
    if (!cursor.found || cursor.dataSize < STATUS_SIZE) return;
    const flags = readU64(cursor.view, cursor.dataOffset + FLAGS_AT);
    if ((flags & QUOTA_FLAG.ON) === 0 || (flags & QUOTA_FLAG.INCONSISTENT) !== 0) return;
    cursor.prepare();
    writeU64(cursor.view, cursor.dataOffset + FLAGS_AT, flags | QUOTA_FLAG.INCONSISTENT);
  } finally {
    cursor.release();
  }
}
