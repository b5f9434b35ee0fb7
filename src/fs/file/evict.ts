import type { InodeNumber } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { KEY_TYPE, OBJECT_ID } from '../format/key.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { openTrees } from '../transaction/commit.ts';
import { leaveTransaction, startTransaction } from '../transaction/handle.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import { visitItems } from '../tree/cursor.ts';
import type { Tree } from '../tree/tree.ts';
import type { TreeBlock } from '../tree/tree-block.ts';
import { FILE_OFFSET_LIMIT } from './extent-map.ts';
import { shrinkExtentMaps } from './extent-map-access.ts';
import { dropFileExtents, FILE_END } from './file-extent-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { getInode } from './inode-items.ts';
import { waitForOrderedRange } from './ordered-completion.ts';
import { dropPagesFrom } from './truncate.ts';

const DELETION = { items: 8, releasesSpace: true } as const;

/**
 * Removes what inodes without links and holders have on disk. Whoever let go of an inode last does this, and has no part
 * in its failure: then the orphan item stays, and the next mount tries again.
 */
export function* evictDoomed(files: Files): Task<void> {
  for (;;) {
    const inode = files.inodes.takeDoomed();
    if (inode === null) return;
    yield* deleteInode(files, inode);
  }
}

function* deleteInode(files: Files, inode: Inode): Task<void> {
  yield* dropPagesFrom(files, inode, 0);
  yield* waitForOrderedRange(inode, 0, FILE_END);
  try {
    if (!files.fs.isReadOnly) yield* removeItems(files, inode);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
  }
  files.inodes.forget(inode);
}

function* removeItems(files: Files, inode: Inode): Task<void> {
  const handle = yield* startTransaction(files.fs, DELETION);
  try {
    const cursor = yield* openForChange(handle, inode.tree);
    try {
      yield* dropFileExtents(cursor, handle, inode, 0, FILE_END);
      yield* removeObject(cursor, inode.number);
      yield* cursor.seek(OBJECT_ID.ORPHAN, KEY_TYPE.ORPHAN_ITEM, inode.number);
      if (cursor.found) cursor.remove();
    } finally {
      cursor.release();
    }
  } catch (error) {
    if (error instanceof FsError) abortTransaction(files.fs, error.code, `deletion of inode ${inode.number}`);
    throw error;
  } finally {
    leaveTransaction(handle);
  }
}

/** Removes every item of an object. */
function* removeObject(cursor: ChangeCursor, objectid: number): Task<void> {
  for (;;) {
    yield* cursor.seek(objectid, 0, 0);
    if (!cursor.isValid) yield* cursor.next();
    if (!cursor.isValid || cursor.objectid !== objectid) return;
    cursor.remove();
  }
}

/** When a subvolume is first used for writing: frees what a crash left without a name. */
export function* cleanUpOrphans(files: Files, tree: Tree): Task<void> {
  const numbers: number[] = [];
  const from = { objectid: OBJECT_ID.ORPHAN, type: KEY_TYPE.ORPHAN_ITEM, offset: 0 };
  yield* visitItems(files.fs, tree, from, (cursor) => {
    if (!cursor.isAt(OBJECT_ID.ORPHAN, KEY_TYPE.ORPHAN_ITEM)) return false;
    numbers.push(cursor.offset);
    return true;
  });
  for (const number of numbers) {
    const inode = yield* getOrphan(files, tree, number);
    if (inode === null) continue;
    inode.isOrphan = inode.links === 0;
    files.inodes.put(inode);
  }
  yield* evictDoomed(files);
}

/** Null where it is gone already, deleted meanwhile or by whoever damaged the image. */
function* getOrphan(files: Files, tree: Tree, number: InodeNumber): Task<Inode | null> {
  try {
    return yield* getInode(files, tree, number);
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOENT') return null;
    throw error;
  }
}

/**
 * As `echo 3 > /proc/sys/vm/drop_caches`: clean pages, extent maps that nobody needs, inodes that nobody has, and tree
 * blocks that can be read again.
 */
export function* dropCaches(files: Files): Task<void> {
  const inodes = files.inodes.holdAll();
  let next = 0;
  try {
    for (; next < inodes.length; next++) {
      const inode = inodes[next]!;
      yield* dropInodeCaches(files, inode);
      files.inodes.put(inode);
      if (!files.inodes.isHeld(inode) && inode.isAtRest) files.inodes.forget(inode);
    }
  } finally {
    for (const inode of inodes.slice(next)) files.inodes.put(inode);
  }
  const roots = new Set<TreeBlock>();
  for (const tree of openTrees(files.fs)) roots.add(tree.root).add(tree.commitRoot);
  files.fs.blocks.dropClean(roots);
  yield* evictDoomed(files);
}

/**
 * Under the whole range: a lookup elsewhere in the file that has read its item, but not yet inserted the map of it, would
 * bring back what the item said before a write whose newer map goes now.
 */
function* dropInodeCaches(files: Files, inode: Inode): Task<void> {
  const range = yield* inode.ranges.acquire(0, FILE_OFFSET_LIMIT, 'exclusive');
  try {
    for (const page of inode.pages.within(0, Number.POSITIVE_INFINITY)) {
      if (!page.isDirty && !page.isUnderWriteback) inode.pages.remove(page);
    }
    yield* shrinkExtentMaps(files, inode);
  } finally {
    range.release();
  }
}

/** At unmount: everything in memory goes. */
export function forgetAllInodes(files: Files): void {
  for (const inode of files.inodes.holdAll()) {
    files.inodes.put(inode);
    files.inodes.forget(inode);
  }
}
