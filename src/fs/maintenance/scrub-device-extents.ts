import type { ByteCount, LogicalAddress, PhysicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { waitForOrderedInLogicalRange } from '../file/ordered-ranges.ts';
import { DEVICE_EXTENT } from '../format/device.ts';
import { KEY_TYPE } from '../format/key.ts';
import type { BlockGroup } from '../space/block-group.ts';
import {
  decreaseReadOnly,
  findAndGetGroup,
  freezeGroup,
  increaseReadOnly,
  markUnused,
  putGroup,
  unfreezeGroup,
  waitForNocowWriters,
  waitForReservations,
} from '../transaction/block-group-holds.ts';
import { commitTransaction } from '../transaction/commit.ts';
import { pauseBegins, pauseEnds } from '../transaction/scrub-control.ts';
import { type Cursor, searchCommitRoot } from '../tree/cursor.ts';
import type { Chunk } from '../volume/chunk-map.ts';
import { DEVICE_REPLACE } from '../volume/replace-state.ts';
import { type ScrubContext, throwIfStopped } from './scrub-context.ts';
import { scrubStripe } from './scrub-stripe.ts';

/** A run of the scrubbed device that a chunk lies on, as the last commit has it. */
interface CommittedDeviceExtent {
  readonly physical: PhysicalAddress;
  readonly length: ByteCount;
  readonly chunk: LogicalAddress;
}

/** What a visit has taken and must give back. */
interface Visit {
  readonly extent: CommittedDeviceExtent;
  readonly group: BlockGroup;
  isReadOnly: boolean;
  isFrozen: boolean;
}

/**
 * Visits each device extent that overlaps the range, in order. One search of the commit root finds one: what a commit
 * brings between two of them is found if it lies further on.
 */
export function* visitDeviceExtents(context: ScrubContext): Task<void> {
  const { fs, range } = context;
  const end = range.end ?? Number.POSITIVE_INFINITY;
  let position = range.start;
  let found = 0;
  let leftReadOnly: BlockGroup | null = null;
  while (position < end) {
    throwIfStopped(context);
    yield* fs.world.point('scrub-find-device-extent');
    const extent = yield* findDeviceExtent(context, position, end);
    if (extent === null) return;
    position = extent.physical + extent.length;
    if (++found === 2 && fs.mutations.has('skip-one-device-extent')) continue;
    yield* fs.world.point('scrub-find-block-group');
    const group = findAndGetGroup(fs, extent.chunk);
    // Its removal has begun: nothing of it is worth a visit, and its device extents go with the next commit.
    if (group === null) continue;
    const visit: Visit = { extent, group, isReadOnly: false, isFrozen: false };
    yield* visitBlockGroup(context, visit);
    // Only a seeded bug leaves it so.
    if (!visit.isReadOnly) continue;
    if (leftReadOnly !== null) decreaseReadOnly(fs, leftReadOnly);
    leftReadOnly = group;
  }
}

/** The first device extent of the commit root that overlaps [position, end), or null. */
function* findDeviceExtent(
  { fs, device }: ScrubContext,
  position: PhysicalAddress,
  end: PhysicalAddress,
): Task<CommittedDeviceExtent | null> {
  const key = { objectid: device.id, type: KEY_TYPE.DEV_EXTENT, offset: position };
  const cursor = yield* searchCommitRoot(fs, fs.trees.dev, key);
  const isExact = cursor.found;
  if (!isExact && (yield* cursor.previous())) {
    const previous = deviceExtentAt(cursor, device.id);
    if (previous !== null && previous.physical + previous.length > position) return previous;
  }
  if (!isExact) yield* cursor.seek(key.objectid, key.type, key.offset);
  const extent = deviceExtentAt(cursor, device.id);
  return extent !== null && extent.physical < end ? extent : null;
}

function deviceExtentAt(cursor: Cursor, devid: number): CommittedDeviceExtent | null {
  if (!cursor.isAt(devid, KEY_TYPE.DEV_EXTENT)) return null;
  const { chunkOffset, length } = DEVICE_EXTENT.read(cursor.view, cursor.dataOffset);
  return { physical: cursor.offset, length, chunk: chunkOffset };
}

/** Whatever happens in between, what was taken is given back; the caller sees the error after that. */
function* visitBlockGroup(context: ScrubContext, visit: Visit): Task<void> {
  const { fs, range } = context;
  let failure: FsError | null = null;
  try {
    yield* fs.world.point('scrub-set-read-only');
    yield* setReadOnly(context, visit);
    if (range.replace) yield* moveCursors(context, () => enterDeviceExtent(context, visit.extent));
    yield* fs.world.point('scrub-chunk');
    yield* scrubChunk(context, visit);
    if (range.replace) throwIfTargetFailed(context);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    failure = error;
  }
  const isCopied = range.replace && failure === null;
  const movesFirst = fs.fixes.isOn('move-cursor-before-read-write');
  if (isCopied && movesFirst) yield* advance(context);
  yield* fs.world.point('scrub-release-block-group');
  release(context, visit);
  // The block group is writable already, and its writers believe that the copy is still to come.
  if (isCopied && !movesFirst) yield* advance(context);
  if (failure !== null) throw failure;
}

/**
 * Sets the block group read-only, so that nothing is allocated in what is being read. A scrub may do without: it reads
 * what the last commit made, which nobody changes but writers in place. A copy may not do without: such a writer would
 * reach both devices between its read and its write.
 */
function* setReadOnly(context: ScrubContext, visit: Visit): Task<void> {
  const { fs, range } = context;
  const isRequired = range.replace && fs.fixes.isOn('require-read-only-for-replace');
  let failure: FsError | null = null;
  // Joins a transaction, and may wait for a commit: which waits for scrubs that do not stand still.
  pauseBegins(fs);
  try {
    // A scrub allocates no chunks in advance: doing so for each block group fills the system chunk array.
    yield* increaseReadOnly(fs, visit.group, { mayAllocateChunk: isRequired });
    visit.isReadOnly = true;
    if (isRequired) yield* waitForWriters(context, visit.group);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    if (error.code !== 'ENOSPC' || isRequired || visit.isReadOnly) failure = error;
  }
  yield* pauseEnds(fs);
  if (failure !== null) throw failure;
}

/** Writers that chose their place in the block group before it was read-only. */
function* waitForWriters({ fs, files }: ScrubContext, group: BlockGroup): Task<void> {
  yield* waitForReservations(group);
  yield* waitForNocowWriters(group);
  const waited = yield* waitForOrderedInLogicalRange(files, group.start, group.length);
  // The commit root of the extent tree must list what they wrote.
  if (waited) yield* commitTransaction(fs);
}

/** Looks up the chunk and scrubs the stripe that is this device extent. */
function* scrubChunk(context: ScrubContext, visit: Visit): Task<void> {
  const { device } = context;
  const { extent, group } = visit;
  const chunk = takeChunk(context, visit);
  if (chunk === null) return;
  // Another chunk that got the address of a removed one.
  if (chunk.logical !== group.start) return;
  for (const [index, stripe] of chunk.stripes.entries()) {
    if (stripe.device !== device || stripe.physical !== extent.physical) continue;
    yield* scrubStripe(context, chunk, index, extent);
  }
}

/**
 * The chunk map of the block group, kept in place from here on; null when the block group is to be passed over.
 * Linux freezes a few steps earlier, with the lookup of the block group. To freeze where the map is taken covers the
 * same reads, and leaves `skip-removed-block-group` the window that it closed years before. Throws EINVAL.
 */
function takeChunk({ fs }: ScrubContext, visit: Visit): Chunk | null {
  const { group } = visit;
  fs.world.touch(group.resource, 'read');
  const chunk = fs.volume.chunkAt(group.start);
  if (chunk === null) {
    if (group.isRemoved && fs.fixes.isOn('skip-removed-block-group')) return null;
    throw new FsError('EINVAL', `scrub: no chunk map for block group ${group.start}`);
  }
  if (!fs.fixes.isOn('freeze-scrubbed-block-group')) return chunk;
  if (group.isRemoved) return null;
  freezeGroup(fs, group);
  visit.isFrozen = true;
  return chunk;
}

function throwIfTargetFailed({ fs }: ScrubContext): void {
  const { writeErrors } = fs.volume.replace;
  if (writeErrors > 0) throw new FsError('EIO', `device replace: ${writeErrors} writes to the target failed`);
}

/** Plain: all that the visit took goes back at once. */
function release({ fs }: ScrubContext, visit: Visit): void {
  const { group } = visit;
  if (visit.isReadOnly && !fs.mutations.has('forget-read-only-release')) {
    decreaseReadOnly(fs, group);
    visit.isReadOnly = false;
  }
  if (fs.fixes.isOn('requeue-unused-after-scrub')) requeueIfUnused(fs, group);
  if (visit.isFrozen) unfreezeGroup(fs, group);
  putGroup(fs, group);
}

/** A cleaner that came by while the block group was read-only has taken it off the list for good. */
function requeueIfUnused(fs: ScrubContext['fs'], group: BlockGroup): void {
  fs.world.touch(group.resource, 'read');
  if (group.isRemoved || group.readOnlyHolders > 0 || group.reserved > 0 || group.used > 0) return;
  markUnused(fs, group);
}

function enterDeviceExtent({ fs }: ScrubContext, extent: CommittedDeviceExtent): void {
  const { replace } = fs.volume;
  replace.cursorRight = extent.physical + extent.length;
  replace.cursorLeft = extent.physical;
  replace.needsWriteback = true;
}

/** The device extent is copied. */
function* advance(context: ScrubContext): Task<void> {
  const { world, volume } = context.fs;
  const { replace } = volume;
  yield* world.point('replace-advance');
  yield* moveCursors(context, () => {
    replace.cursorLeft = replace.cursorRight;
    replace.needsWriteback = true;
  });
}

/** Whoever maps a write decides by the cursors, with the lock held shared. */
function* moveCursors({ fs }: ScrubContext, move: () => void): Task<void> {
  const { replace } = fs.volume;
  const held = fs.fixes.isOn('lock-replace-cursor') ? yield* replace.lock.acquire('exclusive') : null;
  fs.world.touch(DEVICE_REPLACE, 'write');
  replace.lock.changesGuarded('cursorLeft');
  move();
  held?.release();
}
