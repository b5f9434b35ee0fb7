import { viewOf } from '../../base/bytes.ts';
import type { ByteCount, LogicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { DATA_REFERENCE_ITEM } from '../format/data-reference.ts';
import { decodeExtentItem, extentRefs } from '../format/extent-item.ts';
import {
  FILE_EXTENT_TYPE,
  fileExtentDiskBytenr,
  fileExtentDiskNumBytes,
  fileExtentGeneration,
  fileExtentType,
} from '../format/file-extent.ts';
import { KEY_TYPE } from '../format/key.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { DELAYED_REFERENCES } from '../transaction/shared-state.ts';
import { type Cursor, searchTree, visitItems } from '../tree/cursor.ts';
import { itemEnd } from './file-extent-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import type { SectorRange } from './remap-range.ts';
import { lastSnapshotOf } from './write-in-place.ts';

/** A place on disk that a file's item refers to. */
interface PlacedItem extends SectorRange {
  readonly logical: LogicalAddress;
  readonly length: ByteCount;
  /** Blocks from its leaf up to the root, where a snapshot may share one of them; else none. */
  readonly path: readonly LogicalAddress[];
}

/**
 * Which ranges of the file lie in extents that something else refers to as well: another file, another place of the file,
 * or a snapshot. In file order; what was changed since the last commit counts.
 */
export function* findSharedRanges(files: Files, inode: Inode): Task<SectorRange[]> {
  const shared: SectorRange[] = [];
  const known = new Map<LogicalAddress, boolean>();
  for (const { start, end, logical, length, path } of yield* listPlacedItems(files, inode)) {
    let isShared = known.get(logical) ?? (yield* hasSeveralReferrers(files.fs, logical, length));
    known.set(logical, isShared);
    for (const block of path) {
      if (isShared) break;
      isShared = known.get(block) ?? (yield* hasSeveralReferrers(files.fs, block, null));
      known.set(block, isShared);
    }
    if (isShared) shared.push({ start, end });
  }
  return shared;
}

function* listPlacedItems(files: Files, inode: Inode): Task<PlacedItem[]> {
  const items: PlacedItem[] = [];
  const lastSnapshot = lastSnapshotOf(inode);
  const from = { objectid: inode.number, type: KEY_TYPE.EXTENT_DATA, offset: 0 };
  yield* visitItems(files.fs, inode.tree, from, (cursor) => {
    if (!cursor.isAt(inode.number, KEY_TYPE.EXTENT_DATA)) return false;
    const end = itemEnd(cursor);
    const { view, dataOffset: at } = cursor;
    if (fileExtentType(view, at) === FILE_EXTENT_TYPE.INLINE || fileExtentDiskBytenr(view, at) === 0) return true;
    const path = fileExtentGeneration(view, at) <= lastSnapshot ? cursor.pathAddresses() : [];
    const place = { logical: fileExtentDiskBytenr(view, at), length: fileExtentDiskNumBytes(view, at) };
    items.push({ start: cursor.offset, end, ...place, path });
    return true;
  });
  return items;
}

/** By the extent item and what is pending. `length` null: a tree block. Several references of one referrer count as one. */
function* hasSeveralReferrers(fs: FsInfo, logical: LogicalAddress, length: ByteCount | null): Task<boolean> {
  const counts = new Map<string, number>();
  const add = (key: string, change: number) => counts.set(key, (counts.get(key) ?? 0) + change);
  const cursor = yield* searchTree(fs, fs.trees.extent, { objectid: logical, type: 0, offset: 0 });
  try {
    for (; cursor.isValid && cursor.objectid === logical; yield* cursor.next()) {
      if (length === null && isExtentItem(cursor)) add('blocks', extentRefs(cursor.view, cursor.dataOffset));
      else if (length !== null) addDataReferrers(cursor, add);
    }
  } finally {
    cursor.release();
  }
  // Nothing suspends between the item and this: a reference is found in one of both places.
  fs.world.touch(DELAYED_REFERENCES, 'read');
  const pending = fs.runningTransaction?.delayedReferences.find(logical)?.references ?? [];
  for (const { root, parent, inode, offset, change } of pending) {
    add(length === null ? 'blocks' : `${root} ${parent} ${inode} ${offset}`, change);
  }
  if (length === null) return (counts.get('blocks') ?? 0) > 1;
  return [...counts.values()].filter((count) => count > 0).length > 1;
}

function isExtentItem({ type }: Cursor): boolean {
  return type === KEY_TYPE.EXTENT_ITEM || type === KEY_TYPE.METADATA_ITEM;
}

function addDataReferrers(cursor: Cursor, add: (key: string, change: number) => void): void {
  const { type, data } = cursor;
  if (type === KEY_TYPE.EXTENT_ITEM) {
    for (const ref of decodeExtentItem(type, data).inlineRefs) {
      if (ref.type === KEY_TYPE.EXTENT_DATA_REF) add(`${ref.root} 0 ${ref.objectid} ${ref.offset}`, ref.count);
      if (ref.type === KEY_TYPE.SHARED_DATA_REF) add(`0 ${ref.parent} 0 0`, ref.count);
    }
  } else if (type === KEY_TYPE.EXTENT_DATA_REF) {
    const { root, objectid, offset, count } = DATA_REFERENCE_ITEM.decode(data);
    add(`${root} 0 ${objectid} ${offset}`, count);
  } else if (type === KEY_TYPE.SHARED_DATA_REF) {
    add(`0 ${cursor.offset} 0 0`, viewOf(data).getUint32(0, true));
  }
}
