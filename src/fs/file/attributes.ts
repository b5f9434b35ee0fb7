import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { MODE_TYPE } from '../format/inode.ts';
import { abortTransaction } from '../transaction/abort.ts';
import { leaveTransaction, startTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { type ChangeCursor, openForChange } from '../tree/change-cursor.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { writeInodeItem } from './inode-items.ts';
import { checkMayChange, checkNotImmutable, checkSubvolumeWritable } from './permission.ts';
import { aclWithMode, decodeAcl, encodeAcl } from './posix-acl.ts';
import { dropXattr, findXattr, putXattr } from './xattr-items.ts';
import { ACCESS_ACL, CAPABILITY } from './xattr-names.ts';

const ATTRIBUTES = { items: 3 } as const;
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

/** An access list of the inode changes with the mode. Throws EOPNOTSUPP for a symbolic link, ENOSPC, EROFS. */
export function* changeMode(files: Files, inode: Inode, mode: number): Task<void> {
  if (inode.isSymlink) throw new FsError('EOPNOTSUPP', `chmod of inode ${inode.number}, a symbolic link`);
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    checkMayChange(inode);
    const value = yield* findXattr(files, inode, ACCESS_ACL);
    const acl = value === null ? null : decodeAcl(value);
    yield* changeAttributes(files, inode, function* apply(cursor, handle) {
      inode.setMode((inode.mode & MODE_TYPE.MASK) | (mode & PERMISSIONS));
      if (acl === null) return;
      const changed = { name: ACCESS_ACL, value: encodeAcl(aclWithMode(acl, mode)) };
      yield* putXattr(cursor, handle, inode, changed);
    });
  } finally {
    lock.release();
  }
}

/** Null leaves the user or the group as it is. Throws EINVAL for a number that is none, ENOSPC, EROFS. */
export function* changeOwner(files: Files, inode: Inode, uid: number | null, gid: number | null): Task<void> {
  for (const id of [uid, gid]) {
    if (id === null || (Number.isInteger(id) && id >= 0 && id <= OWNER_MAX)) continue;
    throw new FsError('EINVAL', `chown of inode ${inode.number}: ${id} is no user or group`);
  }
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    if (uid !== null || gid !== null) checkMayChange(inode);
    yield* changeAttributes(files, inode, function* apply(cursor) {
      inode.setOwner(uid ?? inode.uid, gid ?? inode.gid);
      if (inode.isDirectory) return;
      inode.setMode(withoutPrivileges(inode.mode));
      yield* dropXattr(cursor, inode, CAPABILITY);
      inode.hasCapability = false;
    });
  } finally {
    lock.release();
  }
}

/** What a change of the owner leaves of a mode: group members that may not execute keep mandatory locks. */
function withoutPrivileges(mode: number): number {
  const runsAsGroup = (mode & GROUP_EXECUTES) !== 0;
  return mode & ~(SET_USER_ID | (runsAsGroup ? SET_GROUP_ID : 0));
}

export function* changeTimes(files: Files, inode: Inode, { access, modify }: NewTimes): Task<void> {
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    // Both to the present is what reading and writing do.
    if (access === null && modify === null) checkNotImmutable(inode);
    else checkMayChange(inode);
    yield* changeAttributes(files, inode, function* apply() {
      const now = files.world.now();
      if (access !== undefined) inode.setTime('atime', access ?? now);
      if (modify !== undefined) inode.setTime('mtime', modify ?? now);
    });
  } finally {
    lock.release();
  }
}

/**
 * Changes the inode, whose lock the caller holds, and what it has with it in the tree; writes its item and the time of
 * its change. All in one transaction.
 */
export function* changeAttributes(
  files: Files,
  inode: Inode,
  change: (cursor: ChangeCursor, handle: TransactionHandle) => Task<void>,
): Task<void> {
  checkSubvolumeWritable(inode);
  const handle = yield* startTransaction(files.fs, ATTRIBUTES);
  try {
    const cursor = yield* openForChange(handle, inode.tree);
    try {
      yield* change(cursor, handle);
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
}
