import type { Errno } from '../../base/errno.ts';

/**
 * What must be so for an operation to return an errno. Each is judged from the record alone: `path` situations by every
 * legal order of the operations that change names, the others as said.
 */
export type Situation =
  /** The name is taken. */
  | 'exists'
  /** The name, or a directory on its way, does not exist. */
  | 'missing'
  /** Of rename: the directory that is to take the new name does not exist. */
  | 'target-missing'
  /** Of link, and of a rename that may replace nothing: the new name is taken. */
  | 'target-exists'
  /** Of an exchange: nothing has the other name. */
  | 'target-absent'
  /** There is no such extended attribute, or there is one. */
  | 'no-such-attribute'
  | 'attribute-exists'
  /** Beyond the last byte, or the last page, of the file. */
  | 'past-end'
  /** Neither a regular file nor a directory. */
  | 'special-file'
  /** Of what takes bytes from another file: that may not exist; may end before the range does; may be the same range. */
  | 'source-missing'
  | 'source-too-short'
  | 'overlapping'
  /** Something on the way to the name is no directory. */
  | 'parent-is-file'
  | 'is-directory'
  | 'is-file'
  /** The directory may have entries. */
  | 'has-entries'
  /** Rename: the new name is a directory and the old one is not, or the other way round. */
  | 'target-is-directory'
  | 'target-is-file'
  | 'target-has-entries'
  /** Rename: the new name lies inside the old one. */
  | 'into-itself'
  /** The handle was never opened, or is closed, or was opened for something else. */
  | 'bad-handle'
  /** Direct I/O that is not in whole sectors. */
  | 'unaligned-direct'
  | 'negative-argument'
  /** Beyond 2^63 − 1. */
  | 'past-maximum'
  | 'name-too-long'
  /** A range of broken sectors where only whole ones do. */
  | 'unaligned-range'
  /** Resize: less than a device must have, or more than the disk has. */
  | 'size-too-small'
  | 'size-too-large'
  /** The devices may be full: what the run wrote comes near what they hold. */
  | 'may-be-full'
  /** The devices may have had no room for the chunk that is made where a block group goes read-only. */
  | 'no-room-for-chunk'
  /** No device has this id, or the one that has it is missing. */
  | 'no-such-device'
  /** No device is missing. */
  | 'none-missing'
  /** The disk that is to come in is a member already. */
  | 'is-member'
  /** The disk that is to come in is smaller than it must be. */
  | 'too-small'
  /** The profiles need the device, or some chunk lies on what would go. */
  | 'device-needed'
  /** What excludes it is under way. */
  | 'in-progress'
  /** Nothing is under way that could be cancelled. */
  | 'none-running'
  /** Somebody took its device away. */
  | 'being-removed'
  /** Somebody cancelled it, or made the file system read-only. */
  | 'cancelled'
  /** Mounted read-only, or made so. */
  | 'read-only'
  /** Files were open, or something was at work. */
  | 'in-use'
  /** A member has no disk. */
  | 'device-missing'
  /** A copy of the data was damaged. */
  | 'corrupted'
  /** Nothing can be had at this place of the file. */
  | 'no-copy'
  /** The devices have nothing to offer there, or no range is given. */
  | 'empty-range'
  /** A rule made something fail. */
  | 'fault'
  /** The transaction was aborted. */
  | 'aborted';

/** Which operation may return which errno, and in which of these situations at least. */
export type Contract = Readonly<Partial<Record<Errno, readonly Situation[]>>>;

/** What injected faults and an aborted transaction excuse, whatever the operation. Never a namespace errno. */
const TROUBLE: Contract = {
  EIO: ['fault', 'aborted'],
  ENOMEM: ['fault', 'aborted'],
  ETIMEDOUT: ['fault', 'aborted'],
  EAGAIN: ['fault', 'aborted'],
  ENODEV: ['fault', 'aborted'],
  ENXIO: ['fault', 'aborted'],
  EUCLEAN: ['fault', 'aborted'],
};

/** What is true of operations that change the file system. */
const CHANGING: Contract = {
  ...TROUBLE,
  EROFS: ['read-only', 'fault', 'aborted'],
  ECANCELED: ['aborted'],
  ENOSPC: ['may-be-full', 'fault', 'aborted'],
  EDQUOT: ['fault'],
};

const BY_PATH: Contract = {
  ENOENT: ['missing'],
  ENOTDIR: ['parent-is-file'],
  ENAMETOOLONG: ['name-too-long'],
};

const BY_FILE: Contract = { ...BY_PATH, EBADF: ['bad-handle'], EISDIR: ['is-directory'] };

const MAKING: Contract = { ...CHANGING, ...BY_PATH, EEXIST: ['exists'] };

/** What all that changes the set of devices has in common. */
const CHANGING_DEVICES: Contract = { ...CHANGING, EINPROGRESS: ['in-progress'], EBUSY: ['in-progress'] };

/**
 * What administrators do. Never: EINVAL of a scrub or of a cleaner, for they are asked nothing that could be wrong;
 * EEXIST and ENOENT of anything that finds its own keys twice, or not at all.
 * Sources: the ioctl pages of btrfs-progs, and what Linux returns for each.
 */
const ADMINISTRATION: Readonly<Record<string, Contract>> = {
  clean: CHANGING,
  scrub: {
    ...TROUBLE,
    ENODEV: ['no-such-device', 'fault', 'aborted'],
    EINPROGRESS: ['in-progress'],
    ECANCELED: ['cancelled', 'aborted'],
    EROFS: ['read-only', 'being-removed', 'fault', 'aborted'],
    ENOSPC: ['may-be-full', 'fault', 'aborted'],
  },
  'scrub-cancel': { ENOTCONN: ['none-running'] },
  replace: {
    ...CHANGING_DEVICES,
    ENOSPC: ['no-room-for-chunk', 'may-be-full', 'fault', 'aborted'],
    ENOENT: ['no-such-device'],
    ENODEV: ['no-such-device', 'fault', 'aborted'],
    EINVAL: ['too-small'],
    EEXIST: ['is-member'],
    ECANCELED: ['cancelled', 'aborted'],
  },
  'replace-cancel': { ...CHANGING, ENOTCONN: ['none-running'] },
  'device-add': { ...CHANGING_DEVICES, EEXIST: ['is-member'], EINVAL: ['too-small'] },
  'device-remove': {
    ...CHANGING_DEVICES,
    ENODEV: ['no-such-device', 'fault', 'aborted'],
    ENOENT: ['no-such-device', 'none-missing'],
    EINVAL: ['device-needed'],
    EPERM: ['device-needed'],
    EOPNOTSUPP: ['device-needed'],
  },
  'device-resize': {
    ...CHANGING_DEVICES,
    ENODEV: ['no-such-device', 'fault', 'aborted'],
    EINVAL: ['unaligned-range', 'size-too-small'],
    EFBIG: ['size-too-large'],
    EOPNOTSUPP: ['device-needed'],
    EPERM: ['in-progress', 'device-missing'],
    ETXTBSY: ['in-progress'],
  },
  trim: { ...CHANGING, EINVAL: ['empty-range'], EOPNOTSUPP: ['fault'] },
  reconfigure: { ...CHANGING, EBUSY: ['in-use'], EINVAL: ['aborted'], EACCES: ['device-missing'] },
};

/**
 * Anything not listed is never allowed: no file operation can return EEXIST, whatever went wrong.
 * Sources: the Linux manual pages of each call; what btrfs adds to them is ENOSPC on every change and EROFS after an
 * abort.
 */
export const CONTRACTS: Readonly<Record<string, Contract>> = {
  mkdir: MAKING,
  create: MAKING,
  open: { ...TROUBLE, ...BY_PATH, EISDIR: ['is-directory'], EROFS: ['read-only', 'aborted'] },
  close: { ...CHANGING, EBADF: ['bad-handle'] },
  unlink: { ...CHANGING, ...BY_PATH, EISDIR: ['is-directory'], EPERM: ['is-directory'] },
  rmdir: { ...CHANGING, ...BY_PATH, ENOTDIR: ['parent-is-file', 'is-file'], ENOTEMPTY: ['has-entries'] },
  link: {
    ...CHANGING,
    ...BY_PATH,
    ENOENT: ['missing', 'target-missing'],
    EEXIST: ['target-exists'],
    EPERM: ['is-directory'],
    EBADF: ['bad-handle'],
  },
  symlink: MAKING,
  mknod: MAKING,
  tmpfile: { ...CHANGING, ...BY_PATH, ENOTDIR: ['parent-is-file', 'is-file'] },
  readdir: { ...TROUBLE, ...BY_PATH, ENOTDIR: ['parent-is-file', 'is-file'] },
  chmod: { ...CHANGING, ...BY_PATH, EBADF: ['bad-handle'] },
  chown: { ...CHANGING, ...BY_PATH, EBADF: ['bad-handle'] },
  'set-xattr': {
    ...CHANGING,
    ...BY_PATH,
    EBADF: ['bad-handle'],
    EEXIST: ['attribute-exists'],
    ENODATA: ['no-such-attribute'],
    ENOSPC: ['may-be-full', 'attribute-exists', 'fault', 'aborted'],
    EOPNOTSUPP: ['no-such-attribute'],
    EPERM: ['special-file'],
  },
  'remove-xattr': {
    ...CHANGING,
    ...BY_PATH,
    EBADF: ['bad-handle'],
    ENODATA: ['no-such-attribute'],
    EOPNOTSUPP: ['no-such-attribute'],
    EPERM: ['special-file'],
  },
  punch: { ...CHANGING, ...BY_FILE, EIO: ['fault', 'aborted', 'corrupted'], EINVAL: ['empty-range'] },
  zero: { ...CHANGING, ...BY_FILE, EIO: ['fault', 'aborted', 'corrupted'], EINVAL: ['empty-range'] },
  reflink: {
    ...CHANGING,
    ...BY_FILE,
    ENOENT: ['missing', 'source-missing'],
    EINVAL: ['unaligned-range', 'source-too-short', 'overlapping'],
  },
  copy: {
    ...CHANGING,
    ...BY_FILE,
    ENOENT: ['missing', 'source-missing'],
    EIO: ['fault', 'aborted', 'corrupted'],
    EINVAL: ['overlapping'],
  },
  dedupe: {
    ...CHANGING,
    ...BY_FILE,
    ENOENT: ['missing', 'source-missing'],
    EIO: ['fault', 'aborted', 'corrupted'],
    EINVAL: ['unaligned-range', 'source-too-short', 'overlapping'],
  },
  msync: { ...CHANGING, ...BY_FILE, EINVAL: ['unaligned-range'], ENOMEM: ['past-end', 'fault', 'aborted'] },
  seek: { ...TROUBLE, ...BY_FILE, ENXIO: ['past-end', 'fault', 'aborted'], EINVAL: ['negative-argument'] },
  rename: {
    ...CHANGING,
    ENOENT: ['missing', 'target-missing'],
    ENOTDIR: ['parent-is-file', 'target-is-file'],
    EISDIR: ['target-is-directory'],
    ENOTEMPTY: ['target-has-entries'],
    EINVAL: ['into-itself'],
    ENAMETOOLONG: ['name-too-long'],
  },
  truncate: { ...CHANGING, ...BY_FILE, EINVAL: ['negative-argument'], EFBIG: ['past-maximum'] },
  write: {
    ...CHANGING,
    ...BY_FILE,
    EIO: ['fault', 'aborted', 'corrupted'],
    EINVAL: ['unaligned-direct', 'negative-argument', 'past-maximum'],
    EFBIG: ['past-maximum'],
    EFAULT: ['past-end'],
  },
  fallocate: {
    ...CHANGING,
    ...BY_FILE,
    EINVAL: ['negative-argument', 'empty-range', 'unaligned-range'],
    EFBIG: ['past-maximum'],
  },
  corrupt: {
    ...TROUBLE,
    ...BY_FILE,
    EINVAL: ['no-copy'],
    ENODATA: ['no-copy'],
    ENODEV: ['no-copy', 'fault'],
    EOPNOTSUPP: ['no-copy'],
  },
  read: {
    ...TROUBLE,
    ...BY_FILE,
    EIO: ['fault', 'aborted', 'corrupted'],
    EINVAL: ['unaligned-direct', 'negative-argument', 'past-maximum'],
  },
  fsync: { ...CHANGING, ...BY_FILE },
  fdatasync: { ...CHANGING, ...BY_FILE },
  fiemap: {
    ...TROUBLE,
    ...BY_FILE,
    EOPNOTSUPP: ['is-directory'],
    ENOSPC: ['may-be-full', 'fault', 'aborted'],
    EROFS: ['read-only', 'aborted'],
  },
  sync: CHANGING,
  'drop-caches': { ...CHANGING, ...BY_FILE },
  remount: CHANGING,
  ...ADMINISTRATION,
  wipe: {},
  sleep: {},
  mark: {},
};

/** What flags of a rename add. */
export const RENAME_CONTRACTS: Readonly<Record<'exchange' | 'noReplace', Contract>> = {
  exchange: { ENOENT: ['missing', 'target-missing', 'target-absent'] },
  noReplace: { EEXIST: ['target-exists'] },
};

/** One line for reports: `the name is taken`. */
export const SITUATION_TEXT: Readonly<Record<Situation, string>> = {
  exists: 'the name was taken',
  missing: 'the name did not exist',
  'target-absent': 'nothing had the other name',
  'target-exists': 'the new name was taken',
  'no-such-attribute': 'there was no such attribute',
  'attribute-exists': 'the attribute was there',
  'past-end': 'it was past the end of the file',
  'special-file': 'it was neither a file nor a directory',
  'source-missing': 'the source did not exist',
  'source-too-short': 'the source ended before the range',
  overlapping: 'both ranges lay in one file and overlapped',
  'target-missing': 'the directory of the new name did not exist',
  'parent-is-file': 'something on the way was no directory',
  'is-directory': 'it was a directory',
  'is-file': 'it was a file',
  'has-entries': 'the directory had entries',
  'target-is-directory': 'the new name was a directory',
  'target-is-file': 'the new name was a file',
  'target-has-entries': 'the directory to replace had entries',
  'into-itself': 'the new name lay inside the old one',
  'bad-handle': 'the handle was not open',
  'unaligned-direct': 'it was direct I/O of broken sectors',
  'negative-argument': 'an argument was negative',
  'past-maximum': 'it passed the largest file size',
  'name-too-long': 'a name had more than 255 bytes',
  'may-be-full': 'the devices were nearly full',
  'unaligned-range': 'the range was of broken sectors',
  'size-too-small': 'the size was less than a device must have',
  'size-too-large': 'the size was more than the device has',
  'no-room-for-chunk': 'a device had no room for another chunk',
  'no-such-device': 'no device with a disk had this id',
  'none-missing': 'no device was missing',
  'is-member': 'the device was a member already',
  'too-small': 'the new device was too small',
  'device-needed': 'chunks or profiles needed the device',
  'in-progress': 'something that excludes it was under way',
  'none-running': 'nothing was running',
  'being-removed': 'the device was being removed',
  cancelled: 'it was cancelled',
  'read-only': 'the file system was read-only',
  'in-use': 'something was in use',
  'device-missing': 'a device was missing',
  corrupted: 'data was damaged on purpose',
  'no-copy': 'the file had no such copy there',
  'empty-range': 'the range was empty',
  fault: 'a fault was injected',
  aborted: 'the transaction was aborted',
};
