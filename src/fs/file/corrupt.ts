import {
  alignDown,
  alignUp,
  type ByteCount,
  type FileOffset,
  type LogicalAddress,
  SECTOR_SIZE,
} from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { endOf } from '../volume/chunk-map.ts';
import { mirrorCount } from '../volume/logical-read.ts';
import { type Piece, piecesOf } from '../volume/stripe-mapping.ts';
import { getExtentMap, putExtentMap } from './extent-map-access.ts';
import { DATA } from './file-limits.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { flushRange } from './writeback.ts';

/** Bytes of the disk, half-open, that hold bytes of a file. */
interface DiskRun {
  readonly logical: LogicalAddress;
  readonly length: ByteCount;
}

/**
 * Damages one copy (`mirror` from 1, as btrfs counts) of what the file has on disk in [offset, offset + length): on the
 * device each byte becomes its complement, durably. Nothing of the file system takes part but the question where the
 * bytes lie; pages in memory stay as they are. Holes and preallocated space have no data to damage.
 * Throws EINVAL where there is no such copy, ENODEV where its device is missing, EOPNOTSUPP for data inside an item, EIO.
 */
export function* corruptFile(
  files: Files,
  inode: Inode,
  offset: FileOffset,
  length: ByteCount,
  mirror: number,
): Task<void> {
  const end = Math.min(offset + length, alignUp(inode.size, SECTOR_SIZE));
  if (end <= offset) return;
  const from = alignDown(offset, SECTOR_SIZE);
  for (;;) {
    yield* flushRange(files, inode, offset, end);
    // Held to the end: what lies there may not be overwritten, nor freed and be somebody else's, in the middle of it.
    const range = yield* inode.ranges.acquire(from, alignUp(end, SECTOR_SIZE) - from, 'exclusive');
    try {
      if (inode.ordered.find(from, alignUp(end, SECTOR_SIZE)) !== null) continue;
      for (const run of yield* findRuns(files, inode, offset, end)) yield* corruptRun(files, run, mirror);
      return;
    } finally {
      range.release();
    }
  }
}

/** The caller holds the range. */
function* findRuns(files: Files, inode: Inode, offset: FileOffset, end: FileOffset): Task<DiskRun[]> {
  const runs: DiskRun[] = [];
  for (let at = offset; at < end; ) {
    const map = yield* getExtentMap(files, inode, alignDown(at, SECTOR_SIZE), SECTOR_SIZE, false);
    inode.touchMaps();
    const { blockStart, start, isReal, isHole, isPrealloc, isCompressed } = map;
    const mapEnd = Math.min(map.end, end);
    putExtentMap(inode, map);
    if (mapEnd <= at) throw new FsError('EUCLEAN', `inode ${inode.number} has no extent map for ${at}`);
    if (isReal && !isPrealloc) {
      if (isCompressed) throw new FsError('EOPNOTSUPP', `corrupt: inode ${inode.number} at ${at} is compressed`);
      runs.push({ logical: blockStart + (at - start), length: mapEnd - at });
    } else if (!isHole && !isPrealloc) {
      throw new FsError('EOPNOTSUPP', `corrupt: the data of inode ${inode.number} at ${at} lies in its item`);
    }
    at = mapEnd;
  }
  return runs;
}

function* corruptRun(files: Files, { logical, length }: DiskRun, mirror: number): Task<void> {
  const { fs } = files;
  const copies = mirrorCount(fs, logical);
  if (mirror < 1 || mirror > copies) {
    throw new FsError('EINVAL', `corrupt: logical ${logical} has ${copies} copies, none of them number ${mirror}`);
  }
  const from = alignDown(logical, SECTOR_SIZE);
  const chunk = fs.volume.chunkAt(logical);
  if (chunk === null || logical + length > endOf(chunk)) throw new FsError('EIO', `corrupt: logical ${logical}`);
  const pieces = piecesOf(chunk, from, alignUp(logical + length, SECTOR_SIZE) - from, mirror - 1);
  for (const piece of pieces) {
    yield* corruptPiece(piece, Math.max(0, logical - from - piece.at), logical + length - from - piece.at);
  }
}

/** Complements bytes [first, end) of a piece, past all that keeps count of I/O. */
function* corruptPiece({ stripe, physical, length }: Piece, first: number, end: number): Task<void> {
  const device = stripe.device.block;
  if (device === null) throw new FsError('ENODEV', `corrupt: device ${stripe.device.id} is missing`);
  const read = yield* device.perform({ operation: 'read', offset: physical, length, purpose: DATA });
  if (read.error !== null) throw new FsError(read.error, `corrupt: read of device ${stripe.device.id}`);
  const bytes = read.bytes.slice();
  for (let at = first; at < Math.min(end, length); at++) bytes[at] = ~bytes[at]!;
  const request = { operation: 'write', offset: physical, length, bytes, fua: true, purpose: DATA } as const;
  const written = yield* device.perform(request);
  if (written.error !== null) throw new FsError(written.error, `corrupt: write to device ${stripe.device.id}`);
}
