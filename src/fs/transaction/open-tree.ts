import { viewOf } from '../../base/bytes.ts';
import type { Generation, LogicalAddress, TreeId } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { COMPAT_RO } from '../format/feature-flags.ts';
import { FormatError } from '../format/format-error.ts';
import { KEY_TYPE, TREE_ID } from '../format/key.ts';
import {
  ROOT_ITEM_LEGACY_SIZE,
  ROOT_ITEM_SIZE,
  rootItemBytenr,
  rootItemGeneration,
  rootItemLevel,
} from '../format/root-item.ts';
import { type Cursor, searchTree } from '../tree/cursor.ts';
import { Tree } from '../tree/tree.ts';
import { readTreeBlock } from '../tree/tree-block-read.ts';
import type { FsInfo } from './fs-info.ts';

const EMPTY = new Uint8Array(0);

/** Opens a tree by its root block. Trees that the superblock points to have no root item: leave it empty. */
export function* openTree(
  fs: FsInfo,
  id: TreeId,
  address: LogicalAddress,
  generation: Generation,
  level: number,
  rootItem: Uint8Array = EMPTY,
  rootKeyOffset = 0,
): Task<Tree> {
  const purpose = { kind: 'tree-block', tree: id } as const;
  const root = yield* readTreeBlock(fs, { id, purpose }, address, generation, level);
  return new Tree(fs.world, id, root, rootItem, rootKeyOffset);
}

/** Opens the root tree and all trees it leads to that every mount needs. */
export function* openRootTrees(fs: FsInfo, chunk: Tree): Task<void> {
  const { superblock } = fs;
  const root = yield* openTree(
    fs,
    TREE_ID.ROOT_TREE,
    superblock.root,
    superblock.generation,
    superblock.rootLevel,
    EMPTY,
  );
  const cursor = yield* searchTree(fs, root, { objectid: TREE_ID.EXTENT_TREE, type: KEY_TYPE.ROOT_ITEM, offset: 0 });
  try {
    const extent = yield* openByRootItem(fs, cursor, TREE_ID.EXTENT_TREE);
    const dev = yield* openByRootItem(fs, cursor, TREE_ID.DEV_TREE);
    const top = yield* openByRootItem(fs, cursor, TREE_ID.FS_TREE);
    const csum = yield* openByRootItem(fs, cursor, TREE_ID.CSUM_TREE);
    const uuid = yield* openOptional(fs, cursor, TREE_ID.UUID_TREE);
    const freeSpace = yield* openFreeSpaceTree(fs, cursor);
    const hasGroupTree = (superblock.compatRoFlags & COMPAT_RO.BLOCK_GROUP_TREE) !== 0;
    const blockGroup = hasGroupTree ? yield* openByRootItem(fs, cursor, TREE_ID.BLOCK_GROUP_TREE) : null;
    const dataReloc = yield* openOptional(fs, cursor, TREE_ID.DATA_RELOC_TREE);
    const quota = yield* openOptional(fs, cursor, TREE_ID.QUOTA_TREE);
    fs.trees = { root, extent, chunk, dev, fs: top, csum, uuid, freeSpace, blockGroup, dataReloc, quota };
  } finally {
    cursor.release();
  }
}

/** Valid only with both bits: without the second one its content is stale. */
function* openFreeSpaceTree(fs: FsInfo, cursor: Cursor): Task<Tree | null> {
  const flags = fs.superblock.compatRoFlags;
  const isUsable = (flags & COMPAT_RO.FREE_SPACE_TREE) !== 0 && (flags & COMPAT_RO.FREE_SPACE_TREE_VALID) !== 0;
  if (isUsable) return yield* openByRootItem(fs, cursor, TREE_ID.FREE_SPACE_TREE);
  const isStale = (flags & COMPAT_RO.FREE_SPACE_TREE) !== 0;
  fs.staleFreeSpaceTree = isStale ? yield* openOptional(fs, cursor, TREE_ID.FREE_SPACE_TREE) : null;
  return null;
}

function* openByRootItem(fs: FsInfo, cursor: Cursor, id: TreeId): Task<Tree> {
  const tree = yield* openOptional(fs, cursor, id);
  if (tree === null) throw new FsError('EUCLEAN', `mount: the root tree has no item of tree ${id}`);
  return tree;
}

function* openOptional(fs: FsInfo, cursor: Cursor, id: TreeId): Task<Tree | null> {
  yield* cursor.seek(id, KEY_TYPE.ROOT_ITEM, 0);
  if (!cursor.isAt(id, KEY_TYPE.ROOT_ITEM)) return null;
  // Nothing changes the root tree during a mount.
  return yield* openTreeAt(fs, cursor, cursor.data);
}

/** Opens the tree whose root item the cursor of the root tree is at; keeps the bytes it is given. */
function* openTreeAt(fs: FsInfo, cursor: Cursor, stored: Uint8Array): Task<Tree> {
  const id = cursor.objectid;
  const { offset } = cursor;
  const item = wholeRootItem(stored);
  const view = viewOf(item);
  return yield* openTree(
    fs,
    id,
    rootItemBytenr(view, 0),
    rootItemGeneration(view, 0),
    rootItemLevel(view, 0),
    item,
    offset,
  );
}

function wholeRootItem(stored: Uint8Array): Uint8Array {
  if (stored.length === ROOT_ITEM_SIZE) return stored;
  if (stored.length !== ROOT_ITEM_LEGACY_SIZE) {
    throw new FormatError(
      'root item',
      `has ${stored.length} bytes, expect ${ROOT_ITEM_SIZE} or ${ROOT_ITEM_LEGACY_SIZE}`,
    );
  }
  const padded = new Uint8Array(ROOT_ITEM_SIZE);
  padded.set(stored);
  return padded;
}

/** The tree of a subvolume, from memory or opened by its root item; null when there is none with this id. */
export function* openSubvolumeTree(fs: FsInfo, id: TreeId): Task<Tree | null> {
  if (id === TREE_ID.FS_TREE) return fs.trees.fs;
  const known = fs.subvolumes.get(id);
  if (known !== undefined) return known;
  const cursor = yield* searchTree(fs, fs.trees.root, { objectid: id, type: KEY_TYPE.ROOT_ITEM, offset: 0 });
  try {
    if (!cursor.isAt(id, KEY_TYPE.ROOT_ITEM)) return null;
    // A copy: the leaf may belong to the running transaction, which goes on changing it.
    const tree = yield* openTreeAt(fs, cursor, cursor.data.slice());
    const meanwhile = fs.subvolumes.get(id);
    if (meanwhile !== undefined) return meanwhile;
    fs.subvolumes.set(id, tree);
    return tree;
  } finally {
    cursor.release();
  }
}
