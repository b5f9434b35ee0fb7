import { showName } from '../../base/show-name.ts';
import type { MountedFilesystem } from '../../fs/filesystem.ts';
import { KEY_TYPE, TREE_ID } from '../../fs/format/key.ts';
import { decodeRootRef } from '../../fs/format/root-item.ts';
import { openSubvolumeTree } from '../../fs/transaction/open-tree.ts';
import { searchTree } from '../../fs/tree/cursor.ts';
import type { Task } from '../../task/task.ts';

/** A subvolume or snapshot, and its path from the top-level one; null where that is damaged. */
export interface Subvolume {
  readonly id: number;
  readonly path: string | null;
}

interface Place {
  readonly parent: number;
  readonly dirid: number;
  readonly name: Uint8Array;
}

const ROOT_DIRECTORY = 256;
const INODE_REF_HEAD = 10;
const DEPTH_MAX = 256;

/** All subvolumes that have a name, by their ids; the top-level one first. Throws FsError. */
export function* findSubvolumes(fs: MountedFilesystem): Task<Subvolume[]> {
  const places = yield* findPlaces(fs);
  const subvolumes: Subvolume[] = [{ id: TREE_ID.FS_TREE, path: '/' }];
  for (const id of [...places.keys()].sort((a, b) => a - b)) {
    const names = yield* namesOf(fs, places, id);
    subvolumes.push({ id, path: names === null ? null : names.map((name) => `/${showName(name)}`).join('') });
  }
  return subvolumes;
}

function* findPlaces(fs: MountedFilesystem): Task<Map<number, Place>> {
  const places = new Map<number, Place>();
  const { root } = fs.info.trees;
  const first = { objectid: ROOT_DIRECTORY, type: KEY_TYPE.ROOT_BACKREF, offset: 0 };
  const cursor = yield* searchTree(fs.info, root, first);
  try {
    // Negative ids, of trees that are no subvolumes, sort after all others.
    while (cursor.isValid && cursor.objectid >= ROOT_DIRECTORY) {
      if (cursor.type === KEY_TYPE.ROOT_BACKREF) {
        const { dirid, name } = decodeRootRef(cursor.data);
        places.set(cursor.objectid, { parent: cursor.offset, dirid, name });
      }
      yield* cursor.next();
    }
    return places;
  } finally {
    cursor.release();
  }
}

/** From the top-level subvolume down. */
function* namesOf(fs: MountedFilesystem, places: ReadonlyMap<number, Place>, id: number): Task<Uint8Array[] | null> {
  const names: Uint8Array[] = [];
  for (let at = id; at !== TREE_ID.FS_TREE; ) {
    const place = places.get(at);
    if (place === undefined || names.length > DEPTH_MAX) return null;
    names.unshift(place.name);
    const folders = yield* foldersOf(fs, place);
    if (folders === null) return null;
    names.unshift(...folders);
    at = place.parent;
  }
  return names;
}

function* foldersOf(fs: MountedFilesystem, { parent, dirid }: Place): Task<Uint8Array[] | null> {
  const tree = yield* openSubvolumeTree(fs.info, parent);
  const names: Uint8Array[] = [];
  for (let inode = dirid; inode !== ROOT_DIRECTORY; ) {
    if (tree === null || names.length > DEPTH_MAX) return null;
    const cursor = yield* searchTree(fs.info, tree, { objectid: inode, type: KEY_TYPE.INODE_REF, offset: 0 });
    try {
      if (!cursor.isAt(inode, KEY_TYPE.INODE_REF)) return null;
      names.unshift(cursor.data.slice(INODE_REF_HEAD));
      inode = cursor.offset;
    } finally {
      cursor.release();
    }
  }
  return names;
}
