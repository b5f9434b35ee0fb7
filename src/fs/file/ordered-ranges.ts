import type { ByteCount, LogicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Files } from './files.ts';
import { waitForOrderedExtent } from './ordered-completion.ts';

/**
 * Waits for the ordered extents of all files whose place on disk intersects [logicalStart, logicalStart + length), as
 * many as there are when their file's turn comes; later ones are not waited for. Returns whether there was any.
 */
export function* waitForOrderedInLogicalRange(
  files: Files,
  logicalStart: LogicalAddress,
  length: ByteCount,
): Task<boolean> {
  let hasWaited = false;
  // Those that are being deleted too: the last commit may still lead to their extents.
  for (const inode of files.inodes.unwritten()) {
    if (!inode.isRegular) continue;
    for (const ordered of inode.ordered.onDisk(logicalStart, logicalStart + length)) {
      hasWaited = true;
      yield* waitForOrderedExtent(inode, ordered);
    }
  }
  return hasWaited;
}
