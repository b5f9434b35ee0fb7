import type { Errno } from '../../base/errno.ts';
import type { FsInfo } from './fs-info.ts';
import { READ_ONLY, TRANSACTION } from './shared-state.ts';

/**
 * Something failed half way: what the running transaction did must never become reachable. From now on the file system
 * is read-only, every change fails with EROFS, and no superblock is written again. The first reason is kept.
 */
export function abortTransaction(fs: FsInfo, errno: Errno, where: string): void {
  fs.world.touch(TRANSACTION, 'write');
  if (fs.aborted !== null) return;
  fs.world.touch(READ_ONLY, 'write');
  fs.aborted = errno;
  fs.abortedWhere = where;
  if (fs.runningTransaction !== null) fs.runningTransaction.state = 'aborted';
  if (fs.committingTransaction !== null) fs.committingTransaction.state = 'aborted';
  fs.transactionQueue.wakeAll();
}
