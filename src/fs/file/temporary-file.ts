import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { KEY_TYPE, OBJECT_ID } from '../format/key.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction } from '../transaction/handle.ts';
import { openForChange } from '../tree/change-cursor.ts';
import type { Files } from './files.ts';
import { heirOf, heritageOf, insertXattrs, itemsOfHeritage } from './heritage.ts';
import { Inode } from './inode.ts';
import { findFirstFreeNumber } from './inode-items.ts';
import { type NewNode, newInodeItem } from './new-inode-item.ts';

const CREATION_ITEMS = 4;
const EMPTY = new Uint8Array(0);

/**
 * Makes a file without a name in the subvolume of `directory`, and holds it for the caller: it is an orphan from the
 * start, and goes with its last holder unless `link` gives it a name. Throws ENOSPC, EROFS.
 */
export function* makeTemporaryFile(files: Files, directory: Inode, node: NewNode): Task<Inode> {
  const { tree } = directory;
  if (!files.inodes.knowsFreeNumbers(tree)) yield* findFirstFreeNumber(files, tree);
  const handle = yield* startTransaction(files.fs, { items: CREATION_ITEMS + itemsOfHeritage(directory, node) });
  let isChanging = false;
  try {
    const cursor = yield* openForChange(handle, tree);
    try {
      const heir = heirOf(node, directory, yield* heritageOf(cursor, directory), files.fs.newFileFlags);
      const item = newInodeItem(heir.node, directory, handle.generation, files.world.now());
      const number = files.inodes.takeNumber(tree);
      const inode = new Inode(files.world, tree, number, item, files.rules);
      inode.setLinks(0);
      isChanging = true;
      yield* cursor.seek(number, KEY_TYPE.INODE_ITEM, 0);
      cursor.insert({ objectid: number, type: KEY_TYPE.INODE_ITEM, offset: 0 }, inode.itemFor(handle.generation));
      yield* cursor.seek(OBJECT_ID.ORPHAN, KEY_TYPE.ORPHAN_ITEM, number);
      cursor.insert({ objectid: OBJECT_ID.ORPHAN, type: KEY_TYPE.ORPHAN_ITEM, offset: number }, EMPTY);
      yield* insertXattrs(cursor, handle, inode, heir.xattrs);
      inode.isOrphan = true;
      inode.isLinkable = true;
      files.inodes.add(inode);
      return inode;
    } finally {
      cursor.release();
    }
  } catch (error) {
    if (error instanceof FsError && isChanging)
      abortTransaction(files.fs, error.code, 'creation of a file without a name');
    throw error;
  } finally {
    leaveTransaction(handle);
  }
}
