import { alignDown, alignUp, type ByteCount, type FileOffset, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { Held } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { INODE_FLAG } from '../format/inode.ts';
import { FILE_OFFSET_LIMIT } from './extent-map.ts';
import { FILE_SIZE_MAX } from './file-limits.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { releaseAll } from './namespace.ts';
import { PAGE_SIZE } from './page-cache.ts';
import { flushRange, startWriteback } from './writeback.ts';

/**
 * What reflink, dedupe and copy_file_range have in common: which ranges Linux lets two files share, and the state of both
 * files in which extents may change hands. The checks are those of its generic layer and of btrfs, in its order.
 */
export interface Remap {
  readonly source: Inode;
  readonly sourceOffset: FileOffset;
  readonly target: Inode;
  readonly targetOffset: FileOffset;
  /** 0: to the end of the source; for a dedupe nothing. */
  readonly length: ByteCount;
  readonly isDedupe: boolean;
  /** The caller is content with fewer bytes than it asked for. */
  readonly mayShorten: boolean;
}

/** Throws EISDIR for a directory, EINVAL for what is no regular file. */
export function checkRemapKinds(source: Inode, target: Inode): void {
  for (const inode of [source, target]) {
    if (inode.isDirectory) throw new FsError('EISDIR', `reflink: inode ${inode.number} is a directory`);
  }
  for (const inode of [source, target]) {
    if (!inode.isRegular) throw new FsError('EINVAL', `reflink: inode ${inode.number} is no regular file`);
  }
}

/**
 * Before Linux looks at the ranges it writes out both, and starts to write out all of the source, so that what is to be
 * written in place gets there before the place is shared. So a request that is refused then may still have given data its
 * place. The caller holds both inodes. Throws EINVAL when only one of the files has checksums.
 */
export function* writeOutToRemap(files: Files, remap: Remap): Task<void> {
  const { source, sourceOffset, target, targetOffset, length, isDedupe } = remap;
  if (source.hasChecksums !== target.hasChecksums) {
    throw refusal(remap, 'EINVAL', 'only one of the files has checksums');
  }
  const from = alignDown(sourceOffset, SECTOR_SIZE);
  const to = alignDown(targetOffset, SECTOR_SIZE);
  const covered = alignUp(length === 0 && !isDedupe ? source.size - from : length, SECTOR_SIZE);
  yield* startWriteback(files, source, 0, FILE_OFFSET_LIMIT);
  yield* flushRange(files, source, from, from + covered);
  yield* flushRange(files, target, to, to + covered);
}

/**
 * How many bytes the request is about, none beyond the end of the source; 0 when there is nothing to do. Asked with both
 * inodes locked. Throws EINVAL, EPERM for an immutable target, EFBIG.
 */
export function bytesToRemap(remap: Remap): ByteCount {
  const { source, sourceOffset, target, isDedupe } = remap;
  if ((target.flags & INODE_FLAG.IMMUTABLE) !== 0) throw refusal(remap, 'EPERM', 'the target is immutable');
  if (remap.length > 0) return checkRange(remap, remap.length);
  if (isDedupe || sourceOffset === source.size) return 0;
  if (sourceOffset > source.size) throw refusal(remap, 'EINVAL', 'the source ends before');
  return checkRange(remap, source.size - sourceOffset);
}

function checkRange(remap: Remap, asked: ByteCount): ByteCount {
  const { source, sourceOffset, target, targetOffset, isDedupe, mayShorten } = remap;
  if (sourceOffset % SECTOR_SIZE !== 0 || targetOffset % SECTOR_SIZE !== 0) {
    throw refusal(remap, 'EINVAL', `both offsets must be multiples of ${SECTOR_SIZE}`);
  }
  if (isDedupe && (sourceOffset + asked > source.size || targetOffset + asked > target.size)) {
    throw refusal(remap, 'EINVAL', 'both ranges must lie within their files');
  }
  if (sourceOffset >= source.size) throw refusal(remap, 'EINVAL', 'the source ends before');
  if (targetOffset >= FILE_SIZE_MAX) throw refusal(remap, 'EFBIG', 'the target would be too large');
  let length = Math.min(asked, source.size - sourceOffset, FILE_SIZE_MAX - targetOffset);
  const reachesEnd = sourceOffset + length === source.size;
  let covered = alignUp(length, SECTOR_SIZE);
  if (!reachesEnd || (isDedupe && targetOffset + length !== target.size)) {
    length = alignDown(length, SECTOR_SIZE);
    covered = length;
  }
  if (source === target && targetOffset + covered > sourceOffset && targetOffset < sourceOffset + covered) {
    throw refusal(remap, 'EINVAL', 'the ranges overlap');
  }
  if (length !== asked && !mayShorten) {
    throw refusal(remap, 'EINVAL', 'the length is no multiple of the block size, or reaches beyond the source');
  }
  return length;
}

/** Without a last part of a block that would come to lie in the middle of the target. Throws EINVAL where that is wanted. */
export function withoutPartOfBlock(remap: Remap, length: ByteCount): ByteCount {
  const { target, targetOffset, mayShorten } = remap;
  if (length % SECTOR_SIZE === 0 || targetOffset + length >= target.size) return length;
  if (!mayShorten) throw refusal(remap, 'EINVAL', 'a part of a block would lie before the end of the target');
  return alignDown(length, SECTOR_SIZE);
}

function refusal(remap: Remap, code: 'EINVAL' | 'EPERM' | 'EFBIG', why: string): FsError {
  const { source, sourceOffset, target, targetOffset, length } = remap;
  const range = `[${sourceOffset}, +${length}) of inode ${source.number} to ${targetOffset} of inode ${target.number}`;
  return new FsError(code, `reflink of ${range}: ${why}`);
}

/** Half-open bytes of a file, in whole sectors. */
export interface SectorRange {
  readonly start: FileOffset;
  readonly end: FileOffset;
}

/**
 * Writes out both ranges and locks them once nothing of them is on its way to the disk: that of the source, and all of
 * the target, so that no lookup elsewhere in it brings back a map of what its range had before. The caller holds both
 * inodes. Throws the error of a write that failed meanwhile.
 */
export function* lockSettledRanges(
  files: Files,
  source: Inode,
  from: SectorRange,
  target: Inode,
  to: SectorRange,
): Task<Held[]> {
  const seen = [source.failedWrites, target.failedWrites] as const;
  yield* source.directIo.waitZero();
  yield* target.directIo.waitZero();
  for (;;) {
    yield* flushRange(files, source, from.start, from.end);
    yield* flushRange(files, target, to.start, to.end);
    const error = source.writeErrorSince(seen[0]) ?? target.writeErrorSince(seen[1]);
    if (error !== null) throw new FsError(error, `writeback before a reflink of inode ${source.number} failed`);
    const held: Held[] = [];
    yield* lockRanges(source, from, target, held);
    if (isSettled(source, from) && isSettled(target, to)) return held;
    releaseAll(held);
  }
}

/** By ascending inode, so that nobody can wait in a circle. */
function* lockRanges(source: Inode, from: SectorRange, target: Inode, held: Held[]): Task<void> {
  if (source !== target && source.id < target.id) {
    held.push(yield* source.ranges.acquire(from.start, from.end - from.start, 'exclusive'));
  }
  held.push(yield* target.ranges.acquire(0, FILE_OFFSET_LIMIT, 'exclusive'));
  if (source !== target && source.id > target.id) {
    held.push(yield* source.ranges.acquire(from.start, from.end - from.start, 'exclusive'));
  }
}

function isSettled(inode: Inode, { start, end }: SectorRange): boolean {
  if (inode.ordered.find(start, end) !== null) return false;
  if (inode.pages.isEmpty) return true;
  const pages = inode.pages.within(start / PAGE_SIZE, end / PAGE_SIZE);
  return !pages.some((page) => page.isDirty || page.isUnderWriteback);
}
