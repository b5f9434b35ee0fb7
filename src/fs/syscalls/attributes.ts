import type { Task } from '../../task/task.ts';
import { countBlocks } from '../file/allocated-blocks.ts';
import { changeMode, changeOwner, changeTimes, type NewTimes } from '../file/attributes.ts';
import { type DeviceNumber, decodeDevice } from '../file/device-number.ts';
import { evictDoomed } from '../file/evict.ts';
import type { Inode } from '../file/inode.ts';
import { changeFlags, type FlagChanges } from '../file/inode-flags.ts';
import type { MountedFilesystem } from '../filesystem.ts';
import { MODE_TYPE } from '../format/inode.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';
import { type FileTarget, type FollowOption, hold, holdToChange } from './target.ts';

export type { FlagChanges };

/** What tells and changes attributes. */

export type FileKind = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'character' | 'block';

/** Times are nanoseconds since 1970, rounded as doubles are. */
export interface FileStatus {
  readonly inode: number;
  /** The subvolume; inode numbers are unique within one. */
  readonly subvolume: number;
  readonly generation: number;
  readonly kind: FileKind;
  /** With the bits of the type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Bytes of extents that the file refers to. */
  readonly allocatedBytes: number;
  /** Of 512 bytes, as Linux counts: with what is not written yet. */
  readonly blocks: number;
  readonly links: number;
  /** Of a character or block device, else null. */
  readonly device: DeviceNumber | null;
  /** Bits of the inode item (`INODE_FLAG`). */
  readonly flags: number;
  readonly accessTime: number;
  readonly modifyTime: number;
  readonly changeTime: number;
  readonly birthTime: number;
}

const KINDS: ReadonlyMap<number, FileKind> = new Map([
  [MODE_TYPE.REGULAR, 'file'],
  [MODE_TYPE.DIRECTORY, 'directory'],
  [MODE_TYPE.SYMLINK, 'symlink'],
  [MODE_TYPE.FIFO, 'fifo'],
  [MODE_TYPE.SOCKET, 'socket'],
  [MODE_TYPE.CHARACTER_DEVICE, 'character'],
  [MODE_TYPE.BLOCK_DEVICE, 'block'],
]);

export function* stat(
  fs: MountedFilesystem,
  target: FileTarget,
  { follow = true }: FollowOption = {},
): Task<FileStatus> {
  const inode = yield* hold(fs, target, follow);
  try {
    return statusOf(inode, yield* countBlocks(fs.files, inode));
  } finally {
    fs.files.inodes.put(inode);
  }
}

function statusOf(inode: Inode, blocks: number): FileStatus {
  const { number, tree, generation, mode, uid, gid, size, allocatedBytes, links, flags } = inode;
  const kind = KINDS.get(mode & MODE_TYPE.MASK) ?? 'file';
  const device = kind === 'character' || kind === 'block' ? decodeDevice(inode.device) : null;
  return {
    inode: number,
    subvolume: tree.id,
    generation,
    kind,
    mode,
    uid,
    gid,
    size,
    allocatedBytes,
    blocks,
    links,
    device,
    flags,
    accessTime: inode.time('atime'),
    modifyTime: inode.time('mtime'),
    changeTime: inode.time('ctime'),
    birthTime: inode.time('otime'),
  };
}

/** Sets the permissions, 12 bits. Throws EOPNOTSUPP for a symbolic link itself. */
export function chmod(
  fs: MountedFilesystem,
  target: FileTarget,
  mode: number,
  { follow = true }: FollowOption = {},
): Task<void> {
  return change(fs, target, follow, (inode) => changeMode(fs.files, inode, mode));
}

/** Null leaves the user or the group as it is. Of anything but a directory, the set-user-id bit goes, and that for the group. */
export function chown(
  fs: MountedFilesystem,
  target: FileTarget,
  uid: number | null,
  gid: number | null,
  { follow = true }: FollowOption = {},
): Task<void> {
  return change(fs, target, follow, (inode) => changeOwner(fs.files, inode, uid, gid));
}

/** Sets times in nanoseconds since 1970: null is now, absent stays. */
export function* utimes(
  fs: MountedFilesystem,
  target: FileTarget,
  times: NewTimes,
  { follow = true }: FollowOption = {},
): Task<void> {
  if (times.access === undefined && times.modify === undefined) return;
  yield* change(fs, target, follow, (inode) => changeTimes(fs.files, inode, times));
}

/** Changes flags as chattr. What cannot be together is refused, what the kind of inode cannot have is left out. */
export function setFlags(fs: MountedFilesystem, target: FileTarget, changes: FlagChanges): Task<void> {
  return change(fs, target, true, (inode) => changeFlags(fs.files, inode, changes));
}

function* change(
  fs: MountedFilesystem,
  target: FileTarget,
  follow: boolean,
  apply: (inode: Inode) => Task<void>,
): Task<void> {
  throwIfReadOnly(fs.info);
  const inode = yield* holdToChange(fs, target, follow);
  try {
    yield* apply(inode);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
}
