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
  /** The devices may be full: what the run wrote comes near what they hold. */
  | 'may-be-full'
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
  EROFS: ['fault', 'aborted'],
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

/**
 * Anything not listed is never allowed: no file operation can return EEXIST, whatever went wrong.
 * Sources: the Linux manual pages of each call; what btrfs adds to them is ENOSPC on every change and EROFS after an
 * abort.
 */
export const CONTRACTS: Readonly<Record<string, Contract>> = {
  mkdir: MAKING,
  create: MAKING,
  open: { ...TROUBLE, ...BY_PATH, EISDIR: ['is-directory'], EROFS: ['aborted'] },
  close: { ...CHANGING, EBADF: ['bad-handle'] },
  unlink: { ...CHANGING, ...BY_PATH, EISDIR: ['is-directory'], EPERM: ['is-directory'] },
  rmdir: { ...CHANGING, ...BY_PATH, ENOTDIR: ['parent-is-file', 'is-file'], ENOTEMPTY: ['has-entries'] },
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
    EINVAL: ['unaligned-direct', 'negative-argument', 'past-maximum'],
    EFBIG: ['past-maximum'],
  },
  read: { ...TROUBLE, ...BY_FILE, EINVAL: ['unaligned-direct', 'negative-argument', 'past-maximum'] },
  fsync: { ...CHANGING, ...BY_FILE },
  fdatasync: { ...CHANGING, ...BY_FILE },
  fiemap: {
    ...TROUBLE,
    ...BY_FILE,
    EOPNOTSUPP: ['is-directory'],
    ENOSPC: ['may-be-full', 'fault', 'aborted'],
    EROFS: ['aborted'],
  },
  sync: CHANGING,
  'drop-caches': { ...CHANGING, ...BY_FILE },
  remount: CHANGING,
  sleep: {},
  mark: {},
};

/** One line for reports: `the name is taken`. */
export const SITUATION_TEXT: Readonly<Record<Situation, string>> = {
  exists: 'the name was taken',
  missing: 'the name did not exist',
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
  fault: 'a fault was injected',
  aborted: 'the transaction was aborted',
};
