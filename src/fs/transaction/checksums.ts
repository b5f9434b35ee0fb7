import { assert } from '../../base/assert.ts';
import { alignDown, type ByteCount, type LogicalAddress, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { DATA_CHECKSUM_SIZE } from '../format/checksum.ts';
import { KEY_TYPE, OBJECT_ID } from '../format/key.ts';
import { ITEM_SIZE, leafCapacity } from '../format/tree-block.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import { searchTree } from '../tree/cursor.ts';
import type { FsInfo } from './fs-info.ts';
import type { TransactionHandle } from './handle.ts';

const CSUM_OBJECT = OBJECT_ID.EXTENT_CSUM;
const CSUM_TYPE = KEY_TYPE.EXTENT_CSUM;

/** Checksums that one item holds at most: two items must fit into a leaf with room to spare, as in btrfs. */
function checksumsPerItemMax(nodeSize: ByteCount): number {
  return Math.floor((leafCapacity(nodeSize) - 2 * ITEM_SIZE) / DATA_CHECKSUM_SIZE) - 1;
}

/**
 * Records the CRC-32C of each 4096-byte sector from `logical` on. Bytes are four per sector, little-endian. What is
 * recorded already for a sector is overwritten.
 */
export function* insertChecksums(
  handle: TransactionHandle,
  logical: LogicalAddress,
  sums: Uint32Array | Uint8Array,
): Task<void> {
  const { fs } = handle;
  if (fs.mutations.has('skip-data-checksum')) return;
  const bytes = sums instanceof Uint32Array ? bytesOf(sums) : sums;
  assert(bytes.length % DATA_CHECKSUM_SIZE === 0, 'checksums are whole', { length: bytes.length });
  const cursor = yield* openForChange(handle, fs.trees.csum);
  try {
    let done = 0;
    while (done < bytes.length) {
      const at = logical + (done / DATA_CHECKSUM_SIZE) * SECTOR_SIZE;
      done += yield* insertSome(fs, cursor, at, bytes.subarray(done));
    }
  } finally {
    cursor.release();
  }
}

/** Stores as many checksums as one item takes; returns how many bytes of them. */
function* insertSome(fs: FsInfo, cursor: ChangeCursor, logical: LogicalAddress, bytes: Uint8Array): Task<number> {
  const sizeMax = checksumsPerItemMax(fs.nodeSize) * DATA_CHECKSUM_SIZE;
  yield* cursor.seek(CSUM_OBJECT, CSUM_TYPE, logical);
  let nextStart = Number.POSITIVE_INFINITY;
  if (cursor.found) {
    checkItem(cursor);
    return overwrite(cursor, 0, bytes);
  }
  if ((cursor.isValid || (yield* cursor.next())) && cursor.isAt(CSUM_OBJECT, CSUM_TYPE)) {
    checkItem(cursor);
    nextStart = cursor.offset;
  }
  const room =
    nextStart === Number.POSITIVE_INFINITY ? bytes.length : ((nextStart - logical) / SECTOR_SIZE) * DATA_CHECKSUM_SIZE;
  yield* cursor.seek(CSUM_OBJECT, CSUM_TYPE, logical);
  if ((yield* cursor.previous()) && cursor.isAt(CSUM_OBJECT, CSUM_TYPE)) {
    checkItem(cursor);
    const start = cursor.offset;
    const size = cursor.dataSize;
    const end = start + (size / DATA_CHECKSUM_SIZE) * SECTOR_SIZE;
    if (logical < end) return overwrite(cursor, ((logical - start) / SECTOR_SIZE) * DATA_CHECKSUM_SIZE, bytes);
    if (logical === end && size < sizeMax) {
      const added = Math.min(bytes.length, room, sizeMax - size);
      cursor.resize(size + added);
      cursor.data.set(bytes.subarray(0, added), size);
      return added;
    }
  }
  const size = Math.min(bytes.length, room, sizeMax);
  yield* cursor.seek(CSUM_OBJECT, CSUM_TYPE, logical);
  cursor.insert({ objectid: CSUM_OBJECT, type: CSUM_TYPE, offset: logical }, bytes.subarray(0, size));
  return size;
}

/** Throws EUCLEAN for what cannot be an item of checksums: it would lead nowhere. */
function checkItem({ dataSize, offset }: ChangeCursor): void {
  if (dataSize > 0 && dataSize % DATA_CHECKSUM_SIZE === 0 && offset >= 0 && offset % SECTOR_SIZE === 0) return;
  throw new FsError('EUCLEAN', `the checksum item at logical ${offset} has ${dataSize} bytes`);
}

function overwrite(cursor: ChangeCursor, at: number, bytes: Uint8Array): number {
  cursor.prepare();
  const size = Math.min(bytes.length, cursor.dataSize - at);
  cursor.data.set(bytes.subarray(0, size), at);
  return size;
}

function bytesOf(sums: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(sums.length * DATA_CHECKSUM_SIZE);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < sums.length; index++) view.setUint32(index * DATA_CHECKSUM_SIZE, sums[index]!, true);
  return bytes;
}

/** The checksums of `sectorCount` sectors from `logical` on, four bytes each; null when one of them has none. */
export function* lookupChecksums(fs: FsInfo, logical: LogicalAddress, sectorCount: number): Task<Uint8Array | null> {
  const cursor = yield* searchTree(fs, fs.trees.csum, { objectid: CSUM_OBJECT, type: CSUM_TYPE, offset: logical });
  try {
    const found = cursor.found || ((yield* cursor.previous()) && cursor.isAt(CSUM_OBJECT, CSUM_TYPE));
    if (!found) return null;
    const bytes = new Uint8Array(sectorCount * DATA_CHECKSUM_SIZE);
    let done = 0;
    while (cursor.isAt(CSUM_OBJECT, CSUM_TYPE)) {
      const position = logical + (done / DATA_CHECKSUM_SIZE) * SECTOR_SIZE;
      const from = ((position - cursor.offset) / SECTOR_SIZE) * DATA_CHECKSUM_SIZE;
      const available = cursor.dataSize - from;
      if (from < 0 || available <= 0) return null;
      const take = Math.min(available, bytes.length - done);
      bytes.set(cursor.data.subarray(from, from + take), done);
      done += take;
      if (done === bytes.length) return bytes;
      yield* cursor.next();
    }
    return null;
  } finally {
    cursor.release();
  }
}

/** Forgets the checksums of all sectors in [logical, logical + length). */
export function* deleteChecksums(handle: TransactionHandle, logical: LogicalAddress, length: ByteCount): Task<void> {
  const { fs } = handle;
  assert(alignDown(logical, SECTOR_SIZE) === logical && length % SECTOR_SIZE === 0, 'sectors are whole', {
    logical,
    length,
  });
  const cursor = yield* openForChange(handle, fs.trees.csum);
  try {
    const end = logical + length;
    for (;;) {
      // From the end backwards: the last item that begins before the end of the range.
      yield* cursor.seek(CSUM_OBJECT, CSUM_TYPE, end);
      if (!(yield* cursor.previous()) || !cursor.isAt(CSUM_OBJECT, CSUM_TYPE)) return;
      checkItem(cursor);
      const start = cursor.offset;
      const itemEnd = start + (cursor.dataSize / DATA_CHECKSUM_SIZE) * SECTOR_SIZE;
      if (itemEnd <= logical) return;
      yield* cutItem(cursor, start, itemEnd, logical, end);
    }
  } finally {
    cursor.release();
  }
}

/** Takes [from, to) out of the item at the cursor, which covers [start, end) and overlaps that range. */
function* cutItem(cursor: ChangeCursor, start: number, end: number, from: number, to: number): Task<void> {
  const keptBefore = ((Math.max(start, from) - start) / SECTOR_SIZE) * DATA_CHECKSUM_SIZE;
  const keptAfter = ((end - Math.min(end, to)) / SECTOR_SIZE) * DATA_CHECKSUM_SIZE;
  if (keptBefore === 0 && keptAfter === 0) {
    cursor.remove();
    return;
  }
  const tail = cursor.data.slice(cursor.dataSize - keptAfter);
  const tailKey = { objectid: CSUM_OBJECT, type: CSUM_TYPE, offset: to };
  if (keptBefore === 0) {
    cursor.prepare();
    cursor.data.copyWithin(0, cursor.dataSize - keptAfter);
    cursor.resize(keptAfter);
    cursor.rekey(tailKey);
    return;
  }
  cursor.resize(keptBefore);
  if (keptAfter === 0) return;
  yield* cursor.seek(CSUM_OBJECT, CSUM_TYPE, to);
  cursor.insert(tailKey, tail);
}
