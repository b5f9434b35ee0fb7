import { viewOf } from '../../base/bytes.ts';
import type { ByteCount, FileOffset, LogicalAddress } from '../../base/units.ts';
import { SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { DATA_CHECKSUM_SIZE } from '../format/checksum.ts';
import { decodeExtentItem } from '../format/extent-item.ts';
import {
  COMPRESSION,
  FILE_EXTENT_TYPE,
  fileExtentCompression,
  fileExtentDiskBytenr,
  fileExtentDiskNumBytes,
  fileExtentGeneration,
  fileExtentOffset,
  fileExtentRamBytes,
  fileExtentType,
} from '../format/file-extent.ts';
import { KEY_TYPE, OBJECT_ID } from '../format/key.ts';
import { rootItemLastSnapshot } from '../format/root-item.ts';
import type { BlockGroup } from '../space/block-group.ts';
import type { DataOwner } from '../transaction/delayed-references.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { DELAYED_REFERENCES } from '../transaction/shared-state.ts';
import { type Cursor, findItem, searchTree } from '../tree/cursor.ts';
import { checkExtentItem, itemEnd, ownerOf, searchExtentItem } from './file-extent-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';

/**
 * Whether data may be written over what the file has on disk, rather than to newly allocated space: the kernel's
 * can_nocow_extent of 5.x and the count of its writers in the block group (f78c436c3931).
 */

/** A range of a file that will be written where it lies. Its writer is counted in the group until it takes itself off. */
export interface PlaceInPlace {
  /** Space that holds no data yet, or the file's old data. */
  readonly kind: 'prealloc' | 'nocow';
  readonly start: FileOffset;
  readonly length: ByteCount;
  readonly logical: LogicalAddress;
  /** Of the whole extent: where its byte 0 would be in the file, its size on disk and in memory. */
  readonly originalStart: FileOffset;
  readonly originalBlockLength: ByteCount;
  readonly ramBytes: ByteCount;
  readonly group: BlockGroup;
}

/** What an extent item says of a range that may be written in place as far as the item itself goes. */
type Candidate = Omit<PlaceInPlace, 'group'> & { readonly diskStart: LogicalAddress };

/**
 * The place of the front of [start, end), as much of it as one extent item has; null when new space must be allocated.
 * The caller holds the range, and takes the writer off the group's count once the ordered extent is there to be waited
 * for. Passes the point `nocow-write-check` before the step that asks and counts. Throws EIO.
 */
export function* findPlaceInPlace(
  files: Files,
  inode: Inode,
  start: FileOffset,
  end: FileOffset,
): Task<PlaceInPlace | null> {
  const candidate = yield* readCandidate(files, inode, start, end);
  if (candidate === null) return null;
  const { diskStart, originalBlockLength, originalStart, logical, length } = candidate;
  const owner = ownerOf(inode, originalStart);
  if (yield* isShared(files.fs, diskStart, originalBlockLength, owner)) return null;
  // Data with checksums is never overwritten: for a while they would be those of the old bytes.
  if (yield* hasChecksums(files.fs, logical, length)) return null;
  yield* files.world.point('nocow-write-check', inode.mapsId);
  const group = countWriter(files.fs, logical);
  return group === null ? null : { ...candidate, group };
}

/** As `findPlaceInPlace`, but only asks. */
export function* mayBeWrittenInPlace(files: Files, inode: Inode, start: FileOffset, end: FileOffset): Task<boolean> {
  const place = yield* findPlaceInPlace(files, inode, start, end);
  if (place === null) return false;
  place.group.nocowWriters.add(-1);
  return place.start + place.length >= end;
}

/** One step: nobody can set the group read-only between the question and the count, and nobody who does misses it. */
function countWriter(fs: FsInfo, logical: LogicalAddress): BlockGroup | null {
  const group = fs.space.findGroup(logical);
  if (group === null) return null;
  fs.world.touch(group.resource, 'read');
  if (group.readOnlyHolders > 0) return null;
  group.nocowWriters.add(1);
  return group;
}

/** How far from `start`, at most to `end`, data must be copied: to the next item whose space might be written in place. */
export function* endOfCopied(files: Files, inode: Inode, start: FileOffset, end: FileOffset): Task<FileOffset> {
  const cursor = yield* searchExtentItem(files, inode, start);
  try {
    let isFirst = true;
    while (cursor.isAt(inode.number, KEY_TYPE.EXTENT_DATA) && cursor.offset < end) {
      checkExtentItem(cursor);
      const isCandidate = kindOf(cursor, inode) !== null;
      // The one at the start was refused, all of it.
      if (isCandidate && cursor.offset <= start && isFirst) return Math.min(end, itemEnd(cursor));
      if (isCandidate) return cursor.offset;
      isFirst = false;
      yield* cursor.next();
    }
    return end;
  } finally {
    cursor.release();
  }
}

function* readCandidate(files: Files, inode: Inode, start: FileOffset, end: FileOffset): Task<Candidate | null> {
  const cursor = yield* searchExtentItem(files, inode, start);
  try {
    if (!cursor.isAt(inode.number, KEY_TYPE.EXTENT_DATA) || cursor.offset > start) return null;
    const kind = kindOf(cursor, inode);
    if (kind === null) return null;
    const { view, dataOffset: at } = cursor;
    if (fileExtentGeneration(view, at) <= lastSnapshotOf(inode)) return null;
    const stop = Math.min(end, itemEnd(cursor));
    if (stop <= start) throw new FsError('EUCLEAN', `the extent item of inode ${inode.number} at ${start} is empty`);
    const originalStart = cursor.offset - fileExtentOffset(view, at);
    const diskStart = fileExtentDiskBytenr(view, at);
    return {
      kind,
      start,
      length: stop - start,
      logical: diskStart + (start - originalStart),
      originalStart,
      originalBlockLength: fileExtentDiskNumBytes(view, at),
      ramBytes: fileExtentRamBytes(view, at),
      diskStart,
    };
  } finally {
    cursor.release();
  }
}

/** How the extent of the item at the cursor could be written in place; null when it never can. */
function kindOf(cursor: Cursor, inode: Inode): PlaceInPlace['kind'] | null {
  const { view, dataOffset: at } = cursor;
  const type = fileExtentType(view, at);
  if (type === FILE_EXTENT_TYPE.INLINE || fileExtentDiskBytenr(view, at) === 0) return null;
  if (fileExtentCompression(view, at) !== COMPRESSION.NONE) return null;
  if (type === FILE_EXTENT_TYPE.PREALLOC) return 'prealloc';
  return inode.isNodatacow ? 'nocow' : null;
}

/** A snapshot shares the leaf with the item, which no back reference of the extent tells. */
export function lastSnapshotOf(inode: Inode): number {
  return rootItemLastSnapshot(viewOf(inode.tree.rootItem), 0);
}

/** Whether anybody but `owner` refers to the extent, by its item or by references that are not in the tree yet. */
function* isShared(fs: FsInfo, logical: LogicalAddress, length: ByteCount, owner: DataOwner): Task<boolean> {
  const key = { objectid: logical, type: KEY_TYPE.EXTENT_ITEM, offset: length };
  const item = yield* findItem(fs, fs.trees.extent, key);
  if (item !== null && !isSoleReference(item, owner)) return true;
  fs.world.touch(DELAYED_REFERENCES, 'read');
  const pending = fs.runningTransaction?.delayedReferences.find(logical)?.references ?? [];
  return pending.some(
    ({ change, root, inode, offset }) =>
      change > 0 && (root !== owner.tree || inode !== owner.inode || offset !== owner.offset),
  );
}

function isSoleReference(item: Uint8Array, owner: DataOwner): boolean {
  const { refs, inlineRefs } = decodeExtentItem(KEY_TYPE.EXTENT_ITEM, item);
  const [only] = inlineRefs;
  if (inlineRefs.length !== 1 || only?.type !== KEY_TYPE.EXTENT_DATA_REF) return false;
  if (only.count !== refs) return false;
  return only.root === owner.tree && only.objectid === owner.inode && only.offset === owner.offset;
}

/** Whether any sector of the logical range has a checksum. */
function* hasChecksums(fs: FsInfo, logical: LogicalAddress, length: ByteCount): Task<boolean> {
  const end = { objectid: OBJECT_ID.EXTENT_CSUM, type: KEY_TYPE.EXTENT_CSUM, offset: logical + length };
  const cursor = yield* searchTree(fs, fs.trees.csum, end);
  try {
    if (!(yield* cursor.previous()) || !cursor.isAt(OBJECT_ID.EXTENT_CSUM, KEY_TYPE.EXTENT_CSUM)) return false;
    return cursor.offset + (cursor.dataSize / DATA_CHECKSUM_SIZE) * SECTOR_SIZE > logical;
  } finally {
    cursor.release();
  }
}
