import { sameBytes, viewOf } from '../base/bytes.ts';
import type { TreeId } from '../base/units.ts';
import type { Task } from '../task/task.ts';
import { FsError } from './errors.ts';
import { ROOT_DIRECTORY } from './file/directory-items.ts';
import { Files } from './file/files.ts';
import { walk } from './file/namespace.ts';
import { parsePath } from './file/path.ts';
import { decodeDirEntries, encodeName, nameHash } from './format/directory.ts';
import { INCOMPAT } from './format/feature-flags.ts';
import { KEY_TYPE, TREE_ID } from './format/key.ts';
import { rootItemRefs } from './format/root-item.ts';
import type { FsInfo, FsOptions } from './transaction/fs-info.ts';
import { openSubvolumeTree } from './transaction/open-tree.ts';
import { findItem } from './tree/cursor.ts';
import type { Tree } from './tree/tree.ts';

const DEFAULT_NAME = encodeName('default');

/**
 * The subvolume that paths of the mount start in: the one that the option names, by its id or by its path from the
 * top-level one; without the option the image's default one (`btrfs subvolume set-default`). Throws ENOENT where there is
 * none, EINVAL for a path to something else, as Linux.
 */
export function* findMountedSubvolume(fs: FsInfo, wanted: FsOptions['subvolume']): Task<Tree> {
  if (wanted === undefined) return yield* openLiving(fs, yield* defaultSubvolume(fs));
  if (typeof wanted === 'number') return yield* openLiving(fs, wanted === 0 ? TREE_ID.FS_TREE : wanted);
  const path = parsePath(typeof wanted === 'string' && !wanted.startsWith('/') ? `/${wanted}` : wanted);
  const files = new Files(fs, fs.trees.fs);
  const inode = yield* walk(files, path);
  const { number, tree } = inode;
  files.inodes.put(inode);
  if (number !== ROOT_DIRECTORY) throw new FsError('EINVAL', `mount: '${path.text}' is not a valid subvolume`);
  return tree;
}

function* openLiving(fs: FsInfo, id: TreeId): Task<Tree> {
  const isSubvolume = id === TREE_ID.FS_TREE || id >= ROOT_DIRECTORY;
  const tree = isSubvolume ? yield* openSubvolumeTree(fs, id) : null;
  // One that is being deleted keeps its root item until the last of its blocks is gone.
  const isDead = tree !== null && tree.id !== TREE_ID.FS_TREE && rootItemRefs(viewOf(tree.rootItem), 0) === 0;
  if (tree === null || isDead) throw new FsError('ENOENT', `mount: there is no subvolume ${id}`);
  return tree;
}

/** What the entry `default` of the root tree's directory leads to. */
function* defaultSubvolume(fs: FsInfo): Task<TreeId> {
  if ((fs.superblock.incompatFlags & INCOMPAT.DEFAULT_SUBVOL) === 0) return TREE_ID.FS_TREE;
  const key = {
    objectid: fs.superblock.rootDirObjectid,
    type: KEY_TYPE.DIR_ITEM,
    offset: nameHash(DEFAULT_NAME),
  };
  const item = yield* findItem(fs, fs.trees.root, key);
  if (item === null) return TREE_ID.FS_TREE;
  const entry = decodeDirEntries(item).find(({ name }) => sameBytes(name, DEFAULT_NAME));
  return entry === undefined ? TREE_ID.FS_TREE : entry.location.objectid;
}
