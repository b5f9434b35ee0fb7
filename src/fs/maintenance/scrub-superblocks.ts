import { readU64, viewOf } from '../../base/bytes.ts';
import type { PhysicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { KEY_TYPE, TREE_ID } from '../format/key.ts';
import {
  hasSuperblockMagic,
  SUPERBLOCK_SIZE,
  superblockChecksumMatches,
  superblockOffsets,
} from '../format/superblock.ts';
import { commitTransaction } from '../transaction/commit.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { leaveTransaction, startTransaction } from '../transaction/handle.ts';
import { searchForChange } from '../tree/change-cursor.ts';
import { SCRUB_PURPOSE, type ScrubContext } from './scrub-context.ts';

const ADDRESS_AT = 48;
const GENERATION_AT = 72;

/** Counts superblock copies of the device that cannot be read, are not intact, or are not of the last commit. */
export function* scrubSuperblocks({ fs, device, statistics }: ScrubContext): Task<void> {
  const { block } = device;
  if (block === null) return;
  for (const offset of superblockOffsets(device.committedTotalBytes)) {
    const request = { operation: 'read', offset, length: SUPERBLOCK_SIZE, purpose: SCRUB_PURPOSE } as const;
    const result = yield* block.perform(request);
    if (result.error === null && isGood(fs, result.bytes, offset)) continue;
    if (result.error !== null) fs.volume.countError(device, 'read');
    statistics.super_errors++;
  }
}

/** No commit is under way here: it would have this scrub pause. */
function isGood(fs: FsInfo, bytes: Uint8Array, offset: PhysicalAddress): boolean {
  if (!superblockChecksumMatches(bytes) || !hasSuperblockMagic(bytes)) return false;
  const view = viewOf(bytes);
  return readU64(view, ADDRESS_AT) === offset && readU64(view, GENERATION_AT) === fs.lastCommitted;
}

/** A commit, even if nothing has changed: it writes every superblock anew. */
export function* rewriteSuperblocks(fs: FsInfo): Task<void> {
  const handle = yield* startTransaction(fs);
  try {
    const key = { objectid: TREE_ID.EXTENT_TREE, type: KEY_TYPE.ROOT_ITEM, offset: 0 };
    const cursor = yield* searchForChange(handle, fs.trees.root, key, 0);
    cursor.release();
  } finally {
    leaveTransaction(handle);
  }
  yield* commitTransaction(fs);
}
