import type { Errno } from '../../base/errno.ts';
import { alignDown, type ByteCount, type LogicalAddress, MIB, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import type { BlockGroup } from '../space/block-group.ts';
import { findAndGetGroup, freezeGroup, putGroup, unfreezeGroup } from '../transaction/block-group-holds.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import type { Device } from '../volume/device.ts';
import { submitDiscard } from '../volume/volume.ts';

const DISCARD_PURPOSE = { kind: 'data' } as const;
/**
 * What is hidden from writers at a time, so that a trim makes none of them run out of space: least of all a commit, which
 * cannot turn back. Linux takes whole free ranges, of up to 2 GiB since 6.12; our block groups are smaller by as much.
 */
const DISCARD_BYTES_MAX = MIB;
const DATA_PIECES_MIN = 4;
const METADATA_PIECES_MIN = 16;

/** What a user may ask of a trim. */
export interface TrimOptions {
  /** Logical addresses; `length` null: to the end. */
  readonly offset: LogicalAddress;
  readonly length: ByteCount | null;
  readonly minimum: ByteCount;
}

/** Half-open. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Discards free space, as FITRIM: what is free in block groups inside the range of logical addresses and at least
 * `minimum` long, then, whatever the range is, what no chunk lies on. Never the first MiB of a device, nor superblock
 * copies; never what a transaction freed that is not committed. It enters no transaction, so commits and removals of
 * block groups go on around it. Returns how many bytes of block groups and devices it discarded.
 *
 * Throws EINVAL: a range shorter than a sector. EROFS: a transaction was aborted, or a log tree was not replayed. EIO: a
 * discard failed; the rest was tried all the same.
 */
export function* trimFilesystem(fs: FsInfo, options: TrimOptions): Task<ByteCount> {
  // The blocks of the log are in no tree that says what is free.
  if (fs.superblock.logRoot !== 0) throw new FsError('EROFS', 'trim: the log tree was not replayed');
  if (options.length !== null && options.length < SECTOR_SIZE) {
    throw new FsError('EINVAL', `trim: a range of ${options.length} bytes is shorter than a sector`);
  }
  // What is free in memory may be in use on disk once a commit has failed half way.
  if (fs.aborted !== null) throw new FsError('EROFS', `trim: aborted with ${fs.aborted} at ${fs.abortedWhere}`);
  const range = { start: options.offset, end: options.offset + (options.length ?? Number.POSITIVE_INFINITY) };
  const minimum = Math.max(options.minimum, SECTOR_SIZE);
  const tally = { trimmed: 0, failure: null as FsError | null };
  let position = range.start;
  for (;;) {
    yield* fs.world.point('trim-block-group');
    const group = getGroupFrom(fs, position);
    if (group === null) break;
    position = group.start + group.length;
    if (group.start < range.end) yield* trimBlockGroup(fs, group, { range, minimum }, tally);
    putGroup(fs, group);
    if (position >= range.end) break;
  }
  yield* trimDevices(fs, tally);
  if (tally.failure !== null) throw tally.failure;
  return tally.trimmed;
}

interface Tally {
  trimmed: ByteCount;
  /** The first error; trimming goes on. */
  failure: FsError | null;
}

interface Limits {
  readonly range: Span;
  readonly minimum: ByteCount;
}

/** The group that holds `position`, else the first one after it, with a reference. Plain. */
function getGroupFrom(fs: FsInfo, position: number): BlockGroup | null {
  const group = fs.space.allGroups().find(({ start, length }) => start + length > position);
  return group === undefined ? null : findAndGetGroup(fs, group.start);
}

/**
 * While its free ranges are discarded, the group may be removed and another one get its place on the devices: unless it
 * is frozen, or was removed before the trim came.
 */
function* trimBlockGroup(fs: FsInfo, group: BlockGroup, limits: Limits, tally: Tally): Task<void> {
  const keepsChunk = fs.fixes.isOn('keep-trimmed-chunk');
  fs.world.touch(group.resource, 'read');
  if (keepsChunk && group.isRemoved) return;
  if (keepsChunk) freezeGroup(fs, group);
  let position = Math.max(limits.range.start, group.start);
  for (;;) {
    const span = nextFreeSpan(fs, group, position, limits);
    if (span === null) break;
    position = Math.min(span.end, span.start + pieceBytesMax(fs, group));
    yield* trimSpan(fs, group, { start: span.start, end: position }, tally);
  }
  if (keepsChunk && !fs.mutations.has('forget-unfreeze')) unfreezeGroup(fs, group);
}

function pieceBytesMax(fs: FsInfo, group: BlockGroup): ByteCount {
  const isData = (group.flags & BLOCK_GROUP_FLAG.DATA) !== 0;
  const share = alignDown(group.length / (isData ? DATA_PIECES_MIN : METADATA_PIECES_MIN), fs.nodeSize);
  return Math.min(DISCARD_BYTES_MAX, Math.max(share, fs.nodeSize));
}

/** The first free range from `position` on that is worth a discard, or the rest of one, cut to the trim's range. Plain. */
function nextFreeSpan(fs: FsInfo, group: BlockGroup, position: number, { range, minimum }: Limits): Span | null {
  fs.world.touch(group.resource, 'read');
  for (const free of group.free.all()) {
    const from = Math.max(free.start, range.start);
    const end = Math.min(free.start + free.length, range.end);
    const start = Math.max(from, position);
    if (end - from >= minimum && end > start) return { start, end };
  }
  return null;
}

/** Takes a free range out of the group, so that nobody gets it, discards it, and gives it back. */
function* trimSpan(fs: FsInfo, group: BlockGroup, { start, end }: Span, tally: Tally): Task<void> {
  const length = end - start;
  const isReserved = fs.space.takeForTrim(group, start, length);
  yield* fs.world.point('trim-discard');
  const discard = yield* submitDiscard(fs, start, length);
  const error = yield* discard.wait();
  fs.space.giveBackFromTrim(group, start, length, isReserved);
  note(tally, length, error, `discard of ${length} bytes at logical ${start}`);
}

function note(tally: Tally, length: ByteCount, error: Errno | null, what: string): void {
  if (error === null) tally.trimmed += length;
  else tally.failure ??= new FsError(error, `trim: ${what}`);
}

/** Space that no chunk lies on. The chunk mutex keeps allocations away from the piece that is being discarded. */
function* trimDevices(fs: FsInfo, tally: Tally): Task<void> {
  const members = yield* fs.deviceListMutex.acquire();
  try {
    for (const device of fs.volume.devices()) {
      if (device.block !== null && device.isWritable) yield* trimDevice(fs, device, tally);
    }
  } finally {
    members.release();
  }
}

function* trimDevice(fs: FsInfo, device: Device, tally: Tally): Task<void> {
  let position = 0;
  for (;;) {
    yield* fs.world.point('trim-device');
    const chunks = yield* fs.chunkMutex.acquire();
    try {
      const span = nextUnallocatedSpan(fs, device, position);
      if (span === null) return;
      position = span.end;
      const length = span.end - span.start;
      const request = { operation: 'discard', offset: span.start, length, purpose: DISCARD_PURPOSE } as const;
      const result = yield* device.block!.perform(request);
      note(tally, length, result.error, `discard of ${length} bytes of device ${device.id} at ${span.start}`);
    } finally {
      chunks.release();
    }
  }
}

function nextUnallocatedSpan(fs: FsInfo, device: Device, position: number): Span | null {
  fs.world.touch(device.resource, 'read');
  for (const { start, length } of device.unallocated.all()) {
    if (start + length > position) return { start: Math.max(start, position), end: start + length };
  }
  return null;
}
