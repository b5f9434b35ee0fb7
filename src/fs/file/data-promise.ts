import type { ByteCount } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { commitTransaction } from '../transaction/commit.ts';
import { hasMetadataRoom } from '../transaction/handle.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { COMPLETION } from './ordered-completion.ts';

/**
 * Promises space to data that gets its place on disk later, so that nobody else takes it in between: every write asks
 * first, direct ones for all of their bytes at once. What was freed since the last commit is not to be had before the
 * next one: that is tried before ENOSPC. Whoever gives the data its place, or drops it, returns the promise.
 */
export function* promiseDataSpace(files: Files, inode: Inode, bytes: ByteCount): Task<void> {
  if (mayPromise(files, bytes)) return;
  yield* commitTransaction(files.fs);
  if (!mayPromise(files, bytes)) {
    throw new FsError('ENOSPC', `no space for ${bytes} bytes of inode ${inode.number}`);
  }
}

/** Data is accepted only while there is metadata space for its items too: once accepted it must not be refused. */
function mayPromise({ fs }: Files, bytes: ByteCount): boolean {
  return hasMetadataRoom(fs, COMPLETION.items) && fs.space.promiseData(bytes);
}
