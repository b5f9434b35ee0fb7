import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { makeNode } from '../file/create.ts';
import { type DeviceNumber, encodeDevice } from '../file/device-number.ts';
import { listNames } from '../file/directory-items.ts';
import { evictDoomed } from '../file/evict.ts';
import { linkInode } from '../file/link.ts';
import { walk } from '../file/namespace.ts';
import { type NewNode, NODATACOW_FLAGS } from '../file/new-inode-item.ts';
import { parsePath } from '../file/path.ts';
import { renameNode } from '../file/rename.ts';
import { checkSymlinkTarget, readSymlink } from '../file/symlink.ts';
import { removeDirectory, unlinkFile } from '../file/unlink.ts';
import type { MountedFilesystem } from '../filesystem.ts';
import { encodeName } from '../format/directory.ts';
import { MODE_TYPE } from '../format/inode.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';
import { type FileTarget, type FollowOption, hold, type Path } from './target.ts';

/** What makes, removes and lists names. */

export interface CreateOptions extends ModeOption {
  /** Data of the new file is overwritten in place and has no checksums (`chattr +C`). */
  readonly nodatacow?: boolean;
  /** Data of the new file is compressed (the property `btrfs.compression`), unless it is `nodatacow`. */
  readonly compress?: 'zlib' | 'zstd';
}

export interface ModeOption {
  /** Permissions, without a mask. */
  readonly mode?: number;
}

export function* mkdir(fs: MountedFilesystem, path: Path, { mode = 0o755 }: ModeOption = {}): Task<void> {
  throwIfReadOnly(fs.info);
  const inode = yield* makeNode(fs.files, parsePath(path), { mode: MODE_TYPE.DIRECTORY | (mode & 0o1777) });
  fs.files.inodes.put(inode);
}

/** Makes an empty file; EEXIST when the name is taken. */
export function* create(fs: MountedFilesystem, path: Path, options: CreateOptions = {}): Task<void> {
  throwIfReadOnly(fs.info);
  const inode = yield* makeNode(fs.files, parsePath(path), newFileOf(options));
  fs.files.inodes.put(inode);
}

export function newFileOf({ mode = 0o644, nodatacow = false, compress }: CreateOptions): NewNode {
  const node = { mode: MODE_TYPE.REGULAR | (mode & 0o7777), flags: nodatacow ? NODATACOW_FLAGS : 0 };
  return compress === undefined ? node : { ...node, compression: encodeName(compress) };
}

/** Makes a symbolic link at `path`. Throws also ENOENT for an empty target, ENAMETOOLONG. */
export function* symlink(fs: MountedFilesystem, target: Path, path: Path): Task<void> {
  throwIfReadOnly(fs.info);
  const bytes = typeof target === 'string' ? encodeName(target) : target.slice();
  checkSymlinkTarget(bytes);
  const node = { mode: MODE_TYPE.SYMLINK | 0o777, target: bytes };
  const inode = yield* makeNode(fs.files, parsePath(path), node, { slashError: 'ENOENT' });
  fs.files.inodes.put(inode);
}

/** The target of a symbolic link, as it was given. Throws EINVAL for what is none. */
export function* readlink(fs: MountedFilesystem, path: Path): Task<Uint8Array> {
  const inode = yield* walk(fs.files, parsePath(path), false);
  try {
    return yield* readSymlink(fs.files, inode);
  } finally {
    fs.files.inodes.put(inode);
  }
}

const NODE_TYPES = {
  file: MODE_TYPE.REGULAR,
  fifo: MODE_TYPE.FIFO,
  socket: MODE_TYPE.SOCKET,
  character: MODE_TYPE.CHARACTER_DEVICE,
  block: MODE_TYPE.BLOCK_DEVICE,
} as const;

export interface MknodOptions extends ModeOption {
  readonly kind: keyof typeof NODE_TYPES;
  /** Of a character or block device: below 2^12 and 2^20. */
  readonly device?: DeviceNumber;
}

/** Makes a node that is no directory and no symbolic link. Throws EINVAL for a device number that is too large. */
export function* mknod(fs: MountedFilesystem, path: Path, options: MknodOptions): Task<void> {
  throwIfReadOnly(fs.info);
  const { kind, mode = 0o644 } = options;
  const isDevice = kind === 'character' || kind === 'block';
  const device = isDevice ? encodeDevice(options.device ?? { major: 0, minor: 0 }) : 0;
  const node = { mode: NODE_TYPES[kind] | (mode & 0o7777), device };
  const inode = yield* makeNode(fs.files, parsePath(path), node, { slashError: 'ENOENT' });
  fs.files.inodes.put(inode);
}

/** Another name for a file, in the same subvolume. The handle of a file without a name gives it its first. */
export function* link(
  fs: MountedFilesystem,
  from: FileTarget,
  to: Path,
  { follow = false }: FollowOption = {},
): Task<void> {
  throwIfReadOnly(fs.info);
  const inode = yield* hold(fs, from, follow);
  try {
    yield* linkInode(fs.files, inode, parsePath(to));
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
}

export function* unlink(fs: MountedFilesystem, path: Path): Task<void> {
  throwIfReadOnly(fs.info);
  yield* unlinkFile(fs.files, parsePath(path));
  yield* evictDoomed(fs.files);
}

export function* rmdir(fs: MountedFilesystem, path: Path): Task<void> {
  throwIfReadOnly(fs.info);
  yield* removeDirectory(fs.files, parsePath(path));
  yield* evictDoomed(fs.files);
}

export interface RenameOptions {
  /** Both names must be there, and change places. */
  readonly exchange?: boolean;
  /** EEXIST when the new name is taken. */
  readonly noReplace?: boolean;
}

export function* rename(fs: MountedFilesystem, from: Path, to: Path, options: RenameOptions = {}): Task<void> {
  const { exchange = false, noReplace = false } = options;
  if (exchange && noReplace) throw new FsError('EINVAL', 'rename: an exchange needs what noReplace refuses');
  throwIfReadOnly(fs.info);
  yield* renameNode(fs.files, parsePath(from), () => parsePath(to), { exchange, noReplace });
  yield* evictDoomed(fs.files);
}

/** Names in the order of their directory index, without `.` and `..`. */
export function* readdir(fs: MountedFilesystem, path: Path): Task<Uint8Array[]> {
  const inode = yield* walk(fs.files, parsePath(path));
  try {
    if (!inode.isDirectory) throw new FsError('ENOTDIR', `readdir: inode ${inode.number} is no directory`);
    const lock = yield* inode.lock.acquire('shared');
    try {
      return yield* listNames(fs.files, inode);
    } finally {
      lock.release();
    }
  } finally {
    fs.files.inodes.put(inode);
  }
}
