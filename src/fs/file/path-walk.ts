import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { ROOT_DIRECTORY } from './directory-items.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { getInode } from './inode-items.ts';
import { lookUp } from './namespace.ts';
import { endsInSlash, isDot, isDotDot, namesOf, type ParsedPath, startsWithSlash } from './path.ts';
import { findParentDirectory } from './subvolume-root.ts';
import { readSymlink } from './symlink.ts';

/** Linux's: the 41st symbolic link on the way is one too many. */
const FOLLOWED_LINKS_MAX = 40;

/** A path that is being walked: where it has come to, and the names that are left. */
export interface PathWalk {
  readonly files: Files;
  /** For messages. */
  readonly text: string;
  /** Held until it is moved on or `stopWalk`. */
  at: Inode;
  /** The next name is the last of the array. */
  readonly pending: Uint8Array[];
  /** What was last read ended in `/`, so it must lead to a directory. */
  wantsDirectory: boolean;
  /** Symbolic links so far. */
  followed: number;
}

/** At the root directory. Whoever starts a walk takes over `at`, or calls `stopWalk`. */
export function* startWalk(files: Files, path: ParsedPath): Task<PathWalk> {
  const at = yield* getInode(files, files.tree, ROOT_DIRECTORY);
  const pending = [...path.names].reverse();
  return { files, text: path.text, at, pending, wantsDirectory: path.wantsDirectory, followed: 0 };
}

export function stopWalk(walk: PathWalk): void {
  walk.files.inodes.put(walk.at);
}

/**
 * Walks all names but the last `keep`. Symbolic links on the way are followed, one at the end only with `followsLast` or
 * where a directory is wanted. Throws ENOENT, ENOTDIR, ELOOP.
 */
export function* walkOn(walk: PathWalk, keep: 0 | 1, followsLast = false): Task<void> {
  while (walk.pending.length > keep) {
    const inode = yield* step(walk, walk.pending.pop()!);
    const mustFollow = walk.pending.length > 0 || followsLast || walk.wantsDirectory;
    if (inode.isSymlink && mustFollow) yield* followLink(walk, inode);
    else moveTo(walk, inode);
  }
}

/**
 * Goes on at the target of a symbolic link that lies in the directory where the walk is. Takes over the hold on `link`.
 * Throws ELOOP, EIO, EUCLEAN.
 */
export function* followLink(walk: PathWalk, link: Inode): Task<void> {
  const { files, pending, text } = walk;
  try {
    if (++walk.followed > FOLLOWED_LINKS_MAX) throw new FsError('ELOOP', `${text}: too many symbolic links`);
    const target = yield* readSymlink(files, link);
    if (target.length === 0) throw new FsError('ENOENT', `${text}: a symbolic link has no target`);
    if (pending.length === 0) walk.wantsDirectory ||= endsInSlash(target);
    const names = namesOf(target);
    for (let i = names.length - 1; i >= 0; i--) pending.push(names[i]!);
    if (startsWithSlash(target)) moveTo(walk, yield* getInode(files, files.tree, ROOT_DIRECTORY));
  } finally {
    files.inodes.put(link);
  }
}

/** The name is `.` or `..`, which no directory has an entry for. */
export function isRelative(name: Uint8Array): boolean {
  return isDot(name) || isDotDot(name);
}

function moveTo(walk: PathWalk, inode: Inode): void {
  walk.files.inodes.put(walk.at);
  walk.at = inode;
}

/** One name further; the result is held for the caller. */
function* step(walk: PathWalk, name: Uint8Array): Task<Inode> {
  const { files, text, at: directory } = walk;
  if (!directory.isDirectory) throw new FsError('ENOTDIR', `${text}: a name before the last is no directory`);
  if (isDot(name)) return files.inodes.hold(directory);
  if (isDotDot(name)) return yield* findParentDirectory(files, directory);
  const inode = yield* lookUp(files, directory, name);
  if (inode === null) throw new FsError('ENOENT', `${text} does not exist`);
  return inode;
}
