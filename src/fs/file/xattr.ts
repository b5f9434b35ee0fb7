import { sameBytes, viewOf } from '../../base/bytes.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { MODE_TYPE } from '../format/inode.ts';
import type { TransactionHandle } from '../transaction/handle.ts';
import type { ChangeCursor } from '../tree/change-cursor.ts';
import { changeAttributes } from './attributes.ts';
import { checkCompressionProperty, compressionFlags } from './compression-property.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { showName } from './path.ts';
import { decodeAcl, encodeAcl, modeOfAcl } from './posix-acl.ts';
import { dropXattr, findXattr, listXattrItems, putXattr, type Xattr, xattrFits, xattrsLike } from './xattr-items.ts';
import { CAPABILITY, checkXattrAccess, isAcl, nameClassOf, VALUE_SIZE_MAX } from './xattr-names.ts';

export interface SetXattrHow {
  /** EEXIST when there is one. */
  readonly create: boolean;
  /** ENODATA when there is none. */
  readonly replace: boolean;
}

const LIST_SIZE_MAX = 65536;
/** By version, in the highest byte: two sets of 32 capabilities; from 3 on with the user they are for. */
const CAPABILITY_SIZES: ReadonlyMap<number, number> = new Map([
  [2, 20],
  [3, 24],
]);
const EMPTY = new Uint8Array(0);

/** Throws EOPNOTSUPP, EPERM, EINVAL, EACCES, E2BIG, ENOSPC (too large for a leaf), EEXIST, ENODATA, EROFS. */
export function* setInodeXattr(files: Files, inode: Inode, xattr: Xattr, how: SetXattrHow): Task<void> {
  const { name, value } = xattr;
  if (value.length > VALUE_SIZE_MAX) throw new FsError('E2BIG', `${showName(name)}: a value of ${value.length} bytes`);
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    checkXattrAccess(inode, name, 'write');
    if (isAcl(name)) {
      yield* setAcl(files, inode, name, value);
      return;
    }
    if (sameBytes(name, CAPABILITY)) checkCapability(value);
    const isProperty = nameClassOf(name) === 'btrfs';
    if (isProperty) {
      checkCompressionProperty(inode, name, value);
      if (!inode.isRegular && !inode.isDirectory) return;
      if (value.length === 0) {
        yield* removeExisting(files, inode, name, how.replace);
        return;
      }
    }
    yield* checkXattrRoom(files, inode, xattr, how);
    yield* changeXattrs(files, inode, function* put(cursor, handle) {
      yield* putXattr(cursor, handle, inode, xattr);
      if (sameBytes(name, CAPABILITY)) inode.hasCapability = true;
      if (isProperty) inode.setFlags(compressionFlags(inode.flags, value));
    });
  } finally {
    lock.release();
  }
}

function checkCapability(value: Uint8Array): void {
  if (value.length === 0) return;
  const magic = value.length < 4 ? 0 : viewOf(value).getUint32(0, true);
  const isKnown = (magic & 0x00fffffe) === 0 && CAPABILITY_SIZES.get(magic >>> 24) === value.length;
  if (!isKnown) throw new FsError('EINVAL', `${value.length} bytes are no set of capabilities`);
}

/** As a write to the file takes them away. */
export function* dropCapability(files: Files, inode: Inode): Task<void> {
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    if (!inode.hasCapability) return;
    if ((yield* findXattr(files, inode, CAPABILITY)) === null) inode.hasCapability = false;
    else yield* removeExisting(files, inode, CAPABILITY, true);
  } finally {
    lock.release();
  }
}

/** Throws ENOSPC, and ENODATA or EEXIST by `how`. The caller holds the lock of the inode. */
export function* checkXattrRoom(files: Files, inode: Inode, xattr: Xattr, how: SetXattrHow): Task<void> {
  const shown = showName(xattr.name);
  const alike = yield* xattrsLike(files, inode, xattr.name);
  const exists = alike.some(({ name }) => sameBytes(name, xattr.name));
  const tooLarge = new FsError('ENOSPC', `${shown}: a value of ${xattr.value.length} bytes has no room in a leaf`);
  if (!xattrFits(files.fs, [], xattr)) throw tooLarge;
  if (how.replace && !exists) throw new FsError('ENODATA', `${shown} of inode ${inode.number} is not there`);
  if (how.create && exists) throw new FsError('EEXIST', `${shown} of inode ${inode.number} exists`);
  if (!xattrFits(files.fs, alike, xattr)) throw tooLarge;
}

/** An access list that says no more than a mode is not kept: it becomes the mode. */
function* setAcl(files: Files, inode: Inode, name: Uint8Array, value: Uint8Array): Task<void> {
  const acl = decodeAcl(value);
  if (nameClassOf(name) === 'default-acl') {
    if (acl !== null && !inode.isDirectory) throw new FsError('EACCES', `inode ${inode.number} is no directory`);
    if (acl === null && !inode.isDirectory) return;
  }
  const meaning = acl !== null && nameClassOf(name) === 'access-acl' ? modeOfAcl(acl) : null;
  const isKept = acl !== null && meaning?.isPlain !== true;
  const xattr = { name, value: acl === null ? EMPTY : encodeAcl(acl) };
  if (isKept) yield* checkXattrRoom(files, inode, xattr, { create: false, replace: false });
  yield* changeXattrs(files, inode, function* put(cursor, handle) {
    if (isKept) yield* putXattr(cursor, handle, inode, xattr);
    else yield* dropXattr(cursor, inode, name);
    if (meaning !== null) inode.setMode((inode.mode & (MODE_TYPE.MASK | 0o7000)) | meaning.permissions);
  });
}

/** Throws ENODATA, EOPNOTSUPP, EINVAL. */
export function* getInodeXattr(files: Files, inode: Inode, name: Uint8Array): Task<Uint8Array> {
  checkXattrAccess(inode, name, 'read');
  const value = yield* findXattr(files, inode, name);
  if (value === null) throw new FsError('ENODATA', `${showName(name)} of inode ${inode.number} is not there`);
  return value;
}

/** In the order of the hashes of the names. Throws E2BIG for more than 64 KiB of names. */
export function* listInodeXattrs(files: Files, inode: Inode): Task<Uint8Array[]> {
  const names = (yield* listXattrItems(files, inode)).map(({ name }) => name);
  const size = names.reduce((sum, name) => sum + name.length + 1, 0);
  if (size > LIST_SIZE_MAX) throw new FsError('E2BIG', `inode ${inode.number} has ${size} bytes of attribute names`);
  return names;
}

/** Throws ENODATA, EOPNOTSUPP, EPERM, EINVAL, EROFS. */
export function* removeInodeXattr(files: Files, inode: Inode, name: Uint8Array): Task<void> {
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    checkXattrAccess(inode, name, 'write');
    if (nameClassOf(name) === 'btrfs') {
      checkCompressionProperty(inode, name, null);
      if (!inode.isRegular && !inode.isDirectory) return;
    }
    if (isAcl(name)) yield* setAcl(files, inode, name, EMPTY);
    else yield* removeExisting(files, inode, name, true);
  } finally {
    lock.release();
  }
}

function* removeExisting(files: Files, inode: Inode, name: Uint8Array, mustExist: boolean): Task<void> {
  const exists = (yield* findXattr(files, inode, name)) !== null;
  if (!exists && mustExist) throw new FsError('ENODATA', `${showName(name)} of inode ${inode.number} is not there`);
  yield* changeXattrs(files, inode, function* drop(cursor) {
    yield* dropXattr(cursor, inode, name);
    if (sameBytes(name, CAPABILITY)) inode.hasCapability = false;
    if (nameClassOf(name) === 'btrfs') inode.setFlags(compressionFlags(inode.flags, EMPTY));
  });
}

/** As `changeAttributes`; what is made in the directory from now on inherits what its attributes are now. */
export function* changeXattrs(
  files: Files,
  inode: Inode,
  change: (cursor: ChangeCursor, handle: TransactionHandle) => Task<void>,
): Task<void> {
  yield* changeAttributes(files, inode, change);
  inode.heritage = null;
}
