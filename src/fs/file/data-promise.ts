import type { ByteCount } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { allocateChunkOnDemand } from '../transaction/chunk-allocation.ts';
import { commitTransaction } from '../transaction/commit.ts';
import { hasMetadataRoom } from '../transaction/metadata-promise.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { COMPLETION } from './ordered-completion.ts';

/**
 * Promises space to data that gets its place on disk later, so that nobody else takes it in between: every write asks
 * first, direct ones for all of their bytes at once. Where there is none, chunks are allocated while the devices have
 * room; then comes a commit, since what was freed since the last one is not to be had before the next; then ENOSPC.
 * Whoever gives the data its place, or drops it, returns the promise.
 */
export function* promiseDataSpace(files: Files, inode: Inode, bytes: ByteCount): Task<void> {
  const { fs } = files;
  let mayCommit = true;
  while (!mayPromise(files, bytes)) {
    const missing = hasMetadataRoom(fs, COMPLETION.items) ? BLOCK_GROUP_FLAG.DATA : BLOCK_GROUP_FLAG.METADATA;
    if (yield* allocateChunkOnDemand(fs, missing)) continue;
    if (!mayCommit) throw new FsError('ENOSPC', `no space for ${bytes} bytes of inode ${inode.number}`);
    mayCommit = false;
    yield* commitTransaction(fs);
  }
}

/** Data is accepted only while there is metadata space for its items too: once accepted it must not be refused. */
function mayPromise({ fs }: Files, bytes: ByteCount): boolean {
  return hasMetadataRoom(fs, COMPLETION.items) && fs.space.promiseData(bytes);
}
