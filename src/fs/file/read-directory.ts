import type { InodeNumber } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { decodeDirEntries } from '../format/directory.ts';
import { KEY_TYPE } from '../format/key.ts';
import { searchTree } from '../tree/cursor.ts';
import { ROOT_DIRECTORY } from './directory-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { findParentDirectory } from './subvolume-root.ts';

/** What an entry says its target is. */
const KINDS = ['file', 'file', 'directory', 'character', 'block', 'fifo', 'socket', 'symlink'] as const;
const DOT = Uint8Array.of(0x2e);
const DOT_DOT = Uint8Array.of(0x2e, 0x2e);
const DOT_CURSOR = 0;
const DOT_DOT_CURSOR = 1;
const FIRST_CURSOR = 2;
/** Where the directory has been read to its end, also of what was made since. */
const END_CURSOR = 2 ** 31 - 1;

export interface DirectoryEntry {
  readonly name: Uint8Array;
  /** Of a subvolume, that of its root directory. */
  readonly inode: InodeNumber;
  readonly kind: (typeof KINDS)[number];
  /** Where to go on reading after this entry. */
  readonly cursor: number;
}

/** How far an open directory has been read. */
export interface DirectoryPosition {
  /** Of the next entry: its index, or 0 and 1 for `.` and `..`. */
  cursor: number;
  /** Names made later than the open, or the last rewind, have higher ones: reading ends before them. */
  lastIndex: number;
}

/** At the start of the directory as it is now. */
export function* startPosition(files: Files, directory: Inode): Task<DirectoryPosition> {
  return { cursor: DOT_CURSOR, lastIndex: yield* findLastIndex(files, directory) };
}

/** Reads at most `count` entries, from where the last read ended. The caller holds the directory's lock. */
export function* readEntries(
  files: Files,
  directory: Inode,
  position: DirectoryPosition,
  count: number,
): Task<DirectoryEntry[]> {
  const entries: DirectoryEntry[] = [];
  if (position.cursor === DOT_CURSOR && count > 0) {
    entries.push({ name: DOT, inode: directory.number, kind: 'directory', cursor: DOT_DOT_CURSOR });
    position.cursor = DOT_DOT_CURSOR;
  }
  if (position.cursor === DOT_DOT_CURSOR && entries.length < count) {
    const parent = yield* findParentDirectory(files, directory);
    entries.push({ name: DOT_DOT, inode: parent.number, kind: 'directory', cursor: FIRST_CURSOR });
    files.inodes.put(parent);
    position.cursor = FIRST_CURSOR;
  }
  if (entries.length < count) yield* readItems(files, directory, position, count, entries);
  return entries;
}

function* readItems(
  files: Files,
  directory: Inode,
  position: DirectoryPosition,
  count: number,
  entries: DirectoryEntry[],
): Task<void> {
  const key = { objectid: directory.number, type: KEY_TYPE.DIR_INDEX, offset: position.cursor };
  const cursor = yield* searchTree(files.fs, directory.tree, key);
  try {
    while (cursor.isAt(directory.number, KEY_TYPE.DIR_INDEX) && cursor.offset <= position.lastIndex) {
      if (entries.length === count) return;
      const next = cursor.offset + 1;
      for (const { name, type, location } of decodeDirEntries(cursor.data)) {
        const inode = location.type === KEY_TYPE.ROOT_ITEM ? ROOT_DIRECTORY : location.objectid;
        entries.push({ name, inode, kind: KINDS[type] ?? 'file', cursor: next });
      }
      position.cursor = next;
      yield* cursor.next();
    }
    position.cursor = Math.max(position.cursor, END_CURSOR);
  } finally {
    cursor.release();
  }
}

function* findLastIndex(files: Files, directory: Inode): Task<number> {
  if (directory.nextIndex > 0) return directory.nextIndex - 1;
  const key = { objectid: directory.number, type: KEY_TYPE.DIR_INDEX, offset: Number.MAX_SAFE_INTEGER };
  const cursor = yield* searchTree(files.fs, directory.tree, key);
  try {
    const hasItem = yield* cursor.previous();
    const last = hasItem && cursor.isAt(directory.number, KEY_TYPE.DIR_INDEX) ? cursor.offset : FIRST_CURSOR - 1;
    // From here on no index is given again, or a rename could put a new name where this listing still looks.
    if (directory.nextIndex === 0) directory.nextIndex = last + 1;
    return directory.nextIndex - 1;
  } finally {
    cursor.release();
  }
}
