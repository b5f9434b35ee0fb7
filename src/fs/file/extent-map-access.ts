import { EXTENT_MAP_INLINE } from '../../task/observation.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { ExtentMap, type ExtentMapFields, GENERATION_IN_FLIGHT, LOGGING, PINNED } from './extent-map.ts';
import { type ExtentMapTree, logWhole, takeFilling } from './extent-map-tree.ts';
import { listExtentItems, readExtentMap } from './file-extent-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';

/**
 * The extent maps of an inode as tasks use them, each step a critical section of its own as in the kernel (§ direct I/O
 * of Linux 4.9 to 4.15): the lock is not held while the tree is read, which is what 18e83ac75bfe is about.
 */

/**
 * The map that covers `start`, held for the caller, who gives it back with `putExtentMap`. Passes two points, whether
 * the map is in memory or must be read: before the lookup, and before the step that inserts what was read.
 *
 * `ignoreInline`: a page is to be filled, so a cached inline map does not help. Throws EIO when the tree says nothing
 * about `start`, ENOMEM, and what the resolution of a conflict comes to.
 */
export function* getExtentMap(
  files: Files,
  inode: Inode,
  start: number,
  length: number,
  ignoreInline: boolean,
): Task<ExtentMap> {
  yield* files.world.point('extent-map-lookup', inode.mapsId);
  const lookup = yield* inode.mapsLock.acquire('shared');
  const cached = usableMap(inode.readMaps().lookup(start, length), start, ignoreInline);
  if (cached !== null) cached.references++;
  lookup.release();
  if (cached !== null) {
    yield* files.world.point('extent-map-insert', inode.mapsId);
    inode.touchMaps();
    observeReturned(files, inode, start, cached);
    return cached;
  }

  const refused = files.world.mayFail('extent-map-allocation');
  if (refused !== null) throw new FsError(refused, `no memory for the extent map of inode ${inode.number} at ${start}`);
  const candidate = yield* readExtentMap(files, inode, start, length);
  if (!candidate.covers(start)) {
    throw new FsError('EIO', `the extent item found for inode ${inode.number} at ${start} does not cover it`);
  }

  yield* files.world.point('extent-map-insert', inode.mapsId);
  const insertion = yield* inode.mapsLock.acquire('exclusive');
  const map = inode.changeMaps().addOrResolve(candidate, start);
  if (typeof map !== 'string' && map !== candidate) map.references++;
  observeMaps(files, inode);
  insertion.release();
  if (typeof map === 'string') {
    throw new FsError(map, `lookup of the extent map of inode ${inode.number} at ${start}`);
  }
  observeReturned(files, inode, start, map);
  return map;
}

function usableMap(map: ExtentMap | null, start: number, ignoreInline: boolean): ExtentMap | null {
  if (map === null || !map.covers(start)) return null;
  return ignoreInline && map.blockStart === EXTENT_MAP_INLINE ? null : map;
}

/** Ends the caller's hold on a map. Holds come and go in any order, but not around a merge, which asks for them. */
export function putExtentMap(inode: Inode, map: ExtentMap): void {
  inode.touchMaps();
  map.references--;
}

/**
 * A new, pinned, modified map for data on its way to disk, in place of all that the range had. A reader may put a stale
 * map back between the drop and the insertion: then both are done again (18e83ac75bfe leaves this loop as it was).
 */
export function insertNewExtentMap(
  files: Files,
  inode: Inode,
  start: number,
  length: number,
  blockStart: number,
): Task<void> {
  const fields = { start, length, blockStart, generation: GENERATION_IN_FLIGHT, flags: PINNED };
  return replaceExtentMaps(files, inode, fields);
}

/** As `insertNewExtentMap`, for a map of which more is to be said: modified, in place of all that its range had. */
export function* replaceExtentMaps(files: Files, inode: Inode, fields: ExtentMapFields): Task<void> {
  const map = new ExtentMap(fields);
  for (;;) {
    yield* dropExtentMaps(files, inode, fields.start, fields.start + fields.length, false);
    yield* files.world.point('extent-map-insert-new', inode.mapsId);
    const held = yield* inode.mapsLock.acquire('exclusive');
    const isIn = inode.changeMaps().insert(map, true);
    observeMaps(files, inode);
    held.release();
    if (isIn) break;
  }
  putExtentMap(inode, map);
}

/** Drops [start, end) from the maps, splitting those that reach beyond it; `end` may be `FILE_OFFSET_LIMIT`. */
export function* dropExtentMaps(
  files: Files,
  inode: Inode,
  start: number,
  end: number,
  skipPinned: boolean,
): Task<void> {
  yield* files.world.point('extent-map-drop', inode.mapsId);
  const held = yield* inode.mapsLock.acquire('exclusive');
  const maps = inode.changeMaps();
  maps.drop(start, end, skipPinned, files.maySplit);
  if (files.mutations.has('extent-map-overlap')) addOverlap(maps);
  observeMaps(files, inode);
  held.release();
}

/** The ordered extent of [start, start + length) is in the tree since transaction `generation`. */
export function* unpinExtentMap(
  files: Files,
  inode: Inode,
  start: number,
  length: number,
  generation: number,
): Task<void> {
  yield* files.world.point('extent-map-unpin', inode.mapsId);
  const held = yield* inode.mapsLock.acquire('exclusive');
  const maps = inode.changeMaps();
  const map = maps.beginUnpin(start, length, generation);
  if (map !== null) {
    const wasFilling = takeFilling(map);
    yield* mergeInSteps(files, inode, maps, map);
    if (wasFilling) logWhole(map);
    putExtentMap(inode, map);
  }
  observeMaps(files, inode);
  held.release();
}

/**
 * After the commit that stands in for a fast fsync: takes the modified maps off their list, as logging does, and lets
 * them merge one by one.
 */
export function* settleModifiedMaps(files: Files, inode: Inode): Task<void> {
  const held = yield* inode.mapsLock.acquire('exclusive');
  const maps = inode.changeMaps();
  const taken = maps.takeModifiedForLogging();
  for (const map of taken) {
    map.flags &= ~LOGGING;
    if (map.isInTree) yield* mergeInSteps(files, inode, maps, map);
    putExtentMap(inode, map);
  }
  if (taken.length > 0) observeMaps(files, inode);
  held.release();
}

/** Merges with the lock held, but as a holder without the lock sees it: first where the map starts, then how long it is. */
function* mergeInSteps(files: Files, inode: Inode, maps: ExtentMapTree, map: ExtentMap): Task<void> {
  if (!maps.mayGrow(map)) return;
  const previous = maps.beginMergeWithPredecessor(map);
  if (previous !== null) {
    yield* files.world.point('extent-map-merge', inode.mapsId);
    inode.changeMaps();
    maps.finishMergeWithPredecessor(map, previous);
  }
  maps.mergeWithSuccessor(map);
}

/**
 * Drops what is on disk and can be read again: extent item by extent item, around the pinned maps of writes in flight,
 * which is how relocation drops maps; then what lies between the items. The caller holds the whole file range.
 */
export function* shrinkExtentMaps(files: Files, inode: Inode): Task<void> {
  if (inode.readMaps().maps.length === 0) return;
  const items = yield* listExtentItems(files, inode);
  // A modified map may go too: a fast fsync could no longer find it.
  if (inode.readMaps().modifiedMaps.length > 0) inode.changeMaps().needsFullSync = true;
  for (const [start, end] of items) yield* dropExtentMaps(files, inode, start, end, true);
  const held = yield* inode.mapsLock.acquire('exclusive');
  if (inode.changeMaps().shrink() > 0) observeMaps(files, inode);
  held.release();
}

function observeMaps(files: Files, inode: Inode): void {
  if (!files.world.observed) return;
  const maps = inode.readMaps().maps;
  files.world.observe({ kind: 'extent-maps', tree: inode.tree.id, inode: inode.number, maps });
}

function observeReturned(files: Files, inode: Inode, asked: number, map: ExtentMap): void {
  if (!files.world.observed) return;
  files.world.observe({ kind: 'extent-map-returned', tree: inode.tree.id, inode: inode.number, asked, map });
}

/** Mutation: a second map of what the first one says already. */
function addOverlap(maps: ExtentMapTree): void {
  const first = maps.maps[0];
  if (first === undefined) return;
  const { start, length, blockStart } = first;
  const copy = new ExtentMap({ start, length, blockStart });
  maps.insertUnchecked(copy);
  copy.references--;
}
