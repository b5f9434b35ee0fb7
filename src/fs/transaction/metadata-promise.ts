import { type ByteCount, SECTOR_SIZE } from '../../base/units.ts';
import type { FsInfo } from './fs-info.ts';

/**
 * How much metadata space a change is promised before it may begin, and what must be left beside it: for the commit of
 * what is pending, for the items of data that was accepted and has none yet, and for deletions.
 */

/** Levels that a single item change may copy or split, twice each. */
const BLOCKS_PER_LEVEL = 2;
/** Tree blocks that the commit needs at most for one extent with pending reference changes. */
const BLOCKS_PER_DELAYED_HEAD = 3;
/** By which the trees may grow for it, in leaves that are half full: extent item, free space on both sides. */
const BYTES_PER_DELAYED_HEAD = 256;
/** The same for each further referrer of an extent, whose reference may be an item of its own. */
const BYTES_PER_REFERRER = 128;
/** By which the trees may grow for an extent of data: file extent, checksums, extent item, free space, half full. */
export const BYTES_PER_DATA_EXTENT = 512;

export interface Need {
  /** How many items will be changed. */
  readonly items: number;
  /** It frees more than it takes: it may use the reserve, and needs no room for what others have pending. */
  readonly releasesSpace: boolean;
  /** As the completion of ordered extents. */
  readonly joins: boolean;
}

/** Promises what the change needs, until `returnPromise`. Null when there is not so much. */
export function promiseMetadata(fs: FsInfo, need: Need): ByteCount | null {
  const { space } = fs;
  const promised = bytesFor(fs, need);
  const commit = commitNeed(fs);
  if (need.releasesSpace) return space.promiseMetadata(promised, commit, true) ? promised : null;
  // Each sector an extent of its own is the worst; only where that is too much is it worth counting.
  const sectors = space.unplacedDataBytes() / SECTOR_SIZE;
  const worst = sectors * (BYTES_PER_DATA_EXTENT + fs.maxInline);
  if (space.promiseMetadata(promised, commit + worst, false)) return promised;
  const counted = Math.min(worst, fs.pendingItemBytes());
  return space.promiseMetadata(promised, commit + counted, false) ? promised : null;
}

/** Whether a change of so many items would be let in now, as far as metadata space goes. */
export function hasMetadataRoom(fs: FsInfo, items: number): boolean {
  const promised = promiseMetadata(fs, { items, releasesSpace: false, joins: false });
  if (promised === null) return false;
  fs.space.returnPromise(promised);
  return true;
}

/** A deletion splits nothing: it copies leaves, and the levels above them once or twice. */
function bytesFor(fs: FsInfo, { items, releasesSpace, joins }: Need): ByteCount {
  const levels = deepestLevel(fs) + 2;
  const blocks = releasesSpace && !joins ? (items + levels) * BLOCKS_PER_LEVEL : items * levels * BLOCKS_PER_LEVEL;
  return blocks * fs.nodeSize;
}

/** Of the subvolumes in memory: which of them will be changed is not known here. */
function deepestLevel(fs: FsInfo): number {
  let { level } = fs.trees.fs.root;
  for (const { root } of fs.subvolumes.values()) level = Math.max(level, root.level);
  return level;
}

/** What the commit may take for what is pending: no more than a copy of all metadata there is, and what is added to it. */
function commitNeed(fs: FsInfo): ByteCount {
  const delayed = fs.runningTransaction?.delayedReferences;
  if (delayed === undefined) return 0;
  const { size: heads, furtherReferrers } = delayed;
  if (heads <= 8 && furtherReferrers <= 8) return 0;
  const copies = (heads + furtherReferrers) * BLOCKS_PER_DELAYED_HEAD * fs.nodeSize;
  const growth = heads * BYTES_PER_DELAYED_HEAD + furtherReferrers * BYTES_PER_REFERRER;
  return Math.min(copies, fs.space.usedMetadataBytes()) + growth;
}
