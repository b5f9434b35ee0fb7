import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { evictDoomed } from '../file/evict.ts';
import { getInodeXattr, listInodeXattrs, removeInodeXattr, setInodeXattr } from '../file/xattr.ts';
import { parseXattrName, VALUE_SIZE_MAX } from '../file/xattr-names.ts';
import type { MountedFilesystem } from '../filesystem.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';
import { type FileTarget, type FollowOption, hold, holdToChange } from './target.ts';

/** What tells and changes extended attributes. Their names are text (UTF-8) or bytes. */

export type XattrName = string | Uint8Array;

export interface SetXattrOptions extends FollowOption {
  /** EEXIST when there is one. */
  readonly create?: boolean;
  /** ENODATA when there is none. */
  readonly replace?: boolean;
}

/** Throws ERANGE for the length of the name, E2BIG for a value beyond 64 KiB, ENOSPC for one too large for a leaf. */
export function* setXattr(
  fs: MountedFilesystem,
  target: FileTarget,
  name: XattrName,
  value: Uint8Array,
  { create = false, replace = false, follow = true }: SetXattrOptions = {},
): Task<void> {
  const bytes = parseXattrName(name);
  // Linux takes over name and value before it looks for the file.
  if (value.length > VALUE_SIZE_MAX) throw new FsError('E2BIG', `setxattr: a value of ${value.length} bytes`);
  throwIfReadOnly(fs.info);
  const inode = yield* holdToChange(fs, target, follow);
  try {
    yield* setInodeXattr(fs.files, inode, { name: bytes, value: value.slice() }, { create, replace });
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
}

export function* getXattr(
  fs: MountedFilesystem,
  target: FileTarget,
  name: XattrName,
  { follow = true }: FollowOption = {},
): Task<Uint8Array> {
  const bytes = parseXattrName(name);
  const inode = yield* hold(fs, target, follow);
  try {
    return yield* getInodeXattr(fs.files, inode, bytes);
  } finally {
    fs.files.inodes.put(inode);
  }
}

export function* listXattrs(
  fs: MountedFilesystem,
  target: FileTarget,
  { follow = true }: FollowOption = {},
): Task<Uint8Array[]> {
  const inode = yield* hold(fs, target, follow);
  try {
    return yield* listInodeXattrs(fs.files, inode);
  } finally {
    fs.files.inodes.put(inode);
  }
}

export function* removeXattr(
  fs: MountedFilesystem,
  target: FileTarget,
  name: XattrName,
  { follow = true }: FollowOption = {},
): Task<void> {
  const bytes = parseXattrName(name);
  throwIfReadOnly(fs.info);
  const inode = yield* holdToChange(fs, target, follow);
  try {
    yield* removeInodeXattr(fs.files, inode, bytes);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
}
