import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { MODE_TYPE } from '../format/inode.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction } from '../transaction/handle.ts';
import { openForChange } from '../tree/change-cursor.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { writeInodeItem } from './inode-items.ts';
import { checkMayChange, checkSubvolumeWritable } from './permission.ts';

const SET_USER_ID = 0o4000;
const SET_GROUP_ID = 0o2000;
const GROUP_EXECUTES = 0o010;
const PERMISSIONS = 0o7777;
/** The highest number of a user or group; the next one stands for none. */
const OWNER_MAX = 2 ** 32 - 2;

/** Nanoseconds since 1970; null is now, absent leaves the time as it is. */
export interface NewTimes {
  readonly access?: number | null;
  readonly modify?: number | null;
}

/** Throws EOPNOTSUPP for a symbolic link, ENOSPC, EROFS. */
export function* changeMode(files: Files, inode: Inode, mode: number): Task<void> {
  if (inode.isSymlink) throw new FsError('EOPNOTSUPP', `chmod of inode ${inode.number}, a symbolic link`);
  yield* changeAttributes(files, inode, () => {
    inode.setMode((inode.mode & MODE_TYPE.MASK) | (mode & PERMISSIONS));
  });
}

/** Null leaves the user or the group as it is. Throws EINVAL for a number that is none, ENOSPC, EROFS. */
export function* changeOwner(files: Files, inode: Inode, uid: number | null, gid: number | null): Task<void> {
  for (const id of [uid, gid]) {
    if (id === null || (Number.isInteger(id) && id >= 0 && id <= OWNER_MAX)) continue;
    throw new FsError('EINVAL', `chown of inode ${inode.number}: ${id} is no user or group`);
  }
  yield* changeAttributes(files, inode, () => {
    inode.setOwner(uid ?? inode.uid, gid ?? inode.gid);
    if (!inode.isDirectory) inode.setMode(withoutPrivileges(inode.mode));
  });
}

/** What a change of the owner leaves of a mode: group members that may not execute keep mandatory locks. */
function withoutPrivileges(mode: number): number {
  const runsAsGroup = (mode & GROUP_EXECUTES) !== 0;
  return mode & ~(SET_USER_ID | (runsAsGroup ? SET_GROUP_ID : 0));
}

export function* changeTimes(files: Files, inode: Inode, { access, modify }: NewTimes): Task<void> {
  yield* changeAttributes(files, inode, () => {
    const now = files.world.now();
    if (access !== undefined) inode.setTime('atime', access ?? now);
    if (modify !== undefined) inode.setTime('mtime', modify ?? now);
  });
}

/** Changes fields of the inode item, and the time of its change, once nothing can fail any more. */
export function* changeAttributes(files: Files, inode: Inode, change: () => void): Task<void> {
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    checkMayChange(inode);
    checkSubvolumeWritable(inode);
    const handle = yield* startTransaction(files.fs);
    try {
      const cursor = yield* openForChange(handle, inode.tree);
      try {
        change();
        inode.touchTimes(false);
        yield* writeInodeItem(cursor, handle, inode);
      } finally {
        cursor.release();
      }
    } catch (error) {
      if (error instanceof FsError) abortTransaction(files.fs, error.code, `attributes of inode ${inode.number}`);
      throw error;
    } finally {
      leaveTransaction(handle);
    }
  } finally {
    lock.release();
  }
}
