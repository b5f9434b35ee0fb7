import type { ByteCount, FileOffset, LogicalAddress } from '../../base/units.ts';
import { SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Counter } from '../../task/world.ts';
import { reserveDataExtent } from '../space/data-reservation.ts';
import { COMPRESSED, FILLING, GENERATION_IN_FLIGHT, PINNED } from './extent-map.ts';
import { insertNewExtentMap, replaceExtentMaps } from './extent-map-access.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { OrderedExtent } from './ordered-extent.ts';
import type { PlaceInPlace } from './write-in-place.ts';

/**
 * From a place on disk to an ordered extent. On the way the data is counted in its block group: whoever has set that
 * read-only waits for these counts first and for ordered extents then, and so misses no write.
 */

/** Space given out for data, counted in its block group among the reservations until `count` is taken down by one. */
export interface CountedReservation {
  readonly logical: LogicalAddress;
  readonly length: ByteCount;
  readonly count: Counter;
}

/** As `reserveDataExtent`, in as few bytes as a sector unless `lengthMin` says more, and counted. Throws ENOSPC. */
export function* reserveCounted(
  files: Files,
  length: ByteCount,
  lengthMin: ByteCount = SECTOR_SIZE,
): Task<CountedReservation> {
  const { fs } = files;
  const { logical, length: got } = yield* reserveDataExtent(fs, length, lengthMin);
  // Nothing suspends between the allocation and this.
  const count = fs.space.groupAt(logical).reservations;
  count.add(1);
  return { logical, length: got, count };
}

/** New space gets its map and ordered extent. The caller holds the range. */
export function* placeCopied(
  files: Files,
  inode: Inode,
  start: FileOffset,
  reserved: CountedReservation,
  isDirect: boolean,
): Task<OrderedExtent> {
  const { logical, length, count } = reserved;
  yield* insertNewExtentMap(files, inode, start, length, logical);
  const ordered = new OrderedExtent(start, length, logical, isDirect);
  inode.ordered.add(ordered);
  count.add(-1);
  return ordered;
}

/** As `placeCopied` for compressed data, which takes less space than it has bytes in the file. */
export function* placeCompressed(
  files: Files,
  inode: Inode,
  start: FileOffset,
  length: ByteCount,
  { logical, length: diskLength, count }: CountedReservation,
  compression: number,
): Task<OrderedExtent> {
  yield* replaceExtentMaps(files, inode, {
    start,
    length,
    blockStart: logical,
    blockLength: diskLength,
    originalBlockLength: diskLength,
    ramBytes: length,
    compression,
    generation: GENERATION_IN_FLIGHT,
    flags: PINNED | COMPRESSED,
  });
  const ordered = new OrderedExtent(start, length, logical, false, 'regular', { diskLength, compression });
  inode.ordered.add(ordered);
  count.add(-1);
  return ordered;
}

/** As `placeCopied` for what is written in place: old data keeps its map, preallocated space gets one that is filled. */
export function* placeInPlace(files: Files, inode: Inode, place: PlaceInPlace, isDirect: boolean): Task<OrderedExtent> {
  const { kind, start, length, logical, group } = place;
  if (kind === 'prealloc') {
    yield* replaceExtentMaps(files, inode, {
      start,
      length,
      blockStart: logical,
      originalStart: place.originalStart,
      originalBlockLength: place.originalBlockLength,
      ramBytes: place.ramBytes,
      generation: GENERATION_IN_FLIGHT,
      flags: PINNED | FILLING,
    });
  }
  const ordered = new OrderedExtent(start, length, logical, isDirect, kind);
  inode.ordered.add(ordered);
  group.nocowWriters.add(-1);
  return ordered;
}
