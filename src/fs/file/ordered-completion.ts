import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { releaseDataReservation } from '../space/data-reservation.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { insertChecksums } from '../transaction/checksums.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import { insertCompressedExtent } from './compressed-items.ts';
import { dropExtentMaps, unpinExtentMap } from './extent-map-access.ts';
import { dropFileExtents, insertFileExtent } from './file-extent-items.ts';
import type { Files } from './files.ts';
import { plugLostData } from './hole-items.ts';
import type { Inode } from './inode.ts';
import { updateDiskSize, writeInodeItem } from './inode-items.ts';
import type { OrderedExtent } from './ordered-extent.ts';
import { markExtentWritten } from './prealloc-items.ts';

/** A commit that waits for other writers lets completions in: it may be waiting for their data. */
export const COMPLETION = { items: 4, joins: true, releasesSpace: true } as const;

/** Waits until the ordered extent is over, well or badly. */
export function* waitForOrderedExtent(inode: Inode, ordered: OrderedExtent): Task<void> {
  while (inode.ordered.has(ordered)) yield* inode.ordered.waitForOne();
}

/** Waits until no ordered extent lies in [start, end). */
export function* waitForOrderedRange(inode: Inode, start: number, end: number): Task<void> {
  for (;;) {
    const ordered = inode.ordered.find(start, end);
    if (ordered === null) return;
    yield* waitForOrderedExtent(inode, ordered);
  }
}

/**
 * Body of the task that ends an ordered extent once its write is through: the file's items, back references and
 * checksums in one transaction, the extent map unpinned, the inode updated; then those who wait for it go on. After a
 * failed write, or when the transaction fails, the map goes and the inode keeps the error for the next fsync.
 */
export function* finishOrderedExtent(files: Files, inode: Inode, ordered: OrderedExtent): Task<void> {
  yield* files.world.point('ordered-extent-finish', inode.mapsId);
  const wrote = ordered.error === null;
  if (wrote) {
    try {
      yield* insertOrderedExtent(files, inode, ordered);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      ordered.error = error.code;
    }
  }
  if (ordered.error !== null) {
    yield* giveUp(files, inode, ordered);
    inode.noteWriteError(ordered.error);
  }
  inode.ordered.finish(ordered);
}

function* insertOrderedExtent(files: Files, inode: Inode, ordered: OrderedExtent): Task<void> {
  const range = yield* inode.ranges.acquire(ordered.start, ordered.length, 'exclusive');
  try {
    const handle = yield* startTransaction(files.fs, COMPLETION);
    try {
      yield* changeItems(files, handle, inode, ordered);
    } catch (error) {
      if (error instanceof FsError) abortTransaction(files.fs, error.code, 'completion of an ordered extent');
      throw error;
    } finally {
      leaveTransaction(handle);
    }
  } finally {
    range.release();
  }
}

function* changeItems(files: Files, handle: TransactionHandle, inode: Inode, ordered: OrderedExtent): Task<void> {
  const cursor = yield* openForChange(handle, inode.tree);
  try {
    yield* changeExtentItems(files, cursor, handle, inode, ordered);
    inode.ordered.noteItem(ordered);
    updateDiskSize(files, inode);
    yield* writeInodeItem(cursor, handle, inode);
  } finally {
    cursor.release();
  }
  if (ordered.checksums.length > 0) yield* insertChecksums(handle, ordered.diskStart, ordered.checksums);
  // What overwrote data in place left its map as it was.
  if (ordered.kind === 'nocow') return;
  yield* unpinExtentMap(files, inode, ordered.start, ordered.length, handle.generation);
}

/** What the file's items must say of it now; old data that was overwritten in place is where they say already. */
function* changeExtentItems(
  files: Files,
  cursor: ChangeCursor,
  handle: TransactionHandle,
  inode: Inode,
  ordered: OrderedExtent,
): Task<void> {
  const { kind, start, end, length, diskStart } = ordered;
  const isLost = files.mutations.has('lost-write');
  if (kind === 'regular') {
    yield* dropFileExtents(cursor, handle, inode, start, end);
    if (isLost) return;
    if (ordered.compression === 0) yield* insertFileExtent(cursor, handle, inode, start, length, diskStart);
    else yield* insertCompressedExtent(cursor, handle, inode, ordered);
  } else if (kind === 'prealloc' && !isLost) {
    yield* markExtentWritten(cursor, handle, inode, start, end);
  }
}

function* giveUp(files: Files, inode: Inode, ordered: OrderedExtent): Task<void> {
  const range = yield* inode.ranges.acquire(ordered.start, ordered.length, 'exclusive');
  try {
    yield* dropExtentMaps(files, inode, ordered.start, ordered.end, false);
    // Space that was the file's before stays so. With an item it is an extent of the file already, in a transaction that never becomes durable.
    if (ordered.kind === 'regular' && !ordered.hasItem) {
      yield* releaseDataReservation(files.fs, { logical: ordered.diskStart, length: ordered.diskLength });
    }
    yield* plugLostData(files, inode, ordered.start, ordered.end);
  } finally {
    range.release();
  }
}
