import { sameBytes } from '../../base/bytes.ts';
import { FsError } from '../errors.ts';
import { encodeName } from '../format/directory.ts';
import type { Inode } from './inode.ts';
import { showName } from './path.ts';
import { checkMayChange, checkSubvolumeWritable } from './permission.ts';

/** Linux's limits, in bytes. */
const NAME_SIZE_MAX = 255;
export const VALUE_SIZE_MAX = 65536;

/** Which names btrfs has attributes of. */
const PREFIXES = ['user', 'trusted', 'security', 'btrfs'] as const;
export const ACCESS_ACL = encodeName('system.posix_acl_access');
export const CAPABILITY = encodeName('security.capability');
export const DEFAULT_ACL = encodeName('system.posix_acl_default');

export type XattrClass = (typeof PREFIXES)[number] | 'access-acl' | 'default-acl' | 'unknown';

const PREFIX_BYTES = PREFIXES.map((prefix) => ({ prefix, bytes: encodeName(`${prefix}.`) }));

export function nameClassOf(name: Uint8Array): XattrClass {
  if (sameBytes(name, ACCESS_ACL)) return 'access-acl';
  if (sameBytes(name, DEFAULT_ACL)) return 'default-acl';
  for (const { prefix, bytes } of PREFIX_BYTES) if (sameBytes(name.subarray(0, bytes.length), bytes)) return prefix;
  return 'unknown';
}

export function isAcl(name: Uint8Array): boolean {
  const kind = nameClassOf(name);
  return kind === 'access-acl' || kind === 'default-acl';
}

/** Text is UTF-8. Throws ERANGE for no name and one of over 255 bytes, EINVAL for a zero byte in it. */
export function parseXattrName(name: string | Uint8Array): Uint8Array {
  const bytes = typeof name === 'string' ? encodeName(name) : name.slice();
  if (bytes.includes(0)) throw new FsError('EINVAL', `${showName(bytes)}: a zero byte ends no name`);
  if (bytes.length > 0 && bytes.length <= NAME_SIZE_MAX) return bytes;
  throw new FsError('ERANGE', `the name of an attribute has ${bytes.length} bytes of 1 to ${NAME_SIZE_MAX}`);
}

/**
 * Throws EOPNOTSUPP for a name that btrfs has no attributes of, EINVAL for a prefix alone; for `user.` attributes of what
 * is neither file nor directory, EPERM to write and ENODATA to read.
 */
export function checkXattrAccess(inode: Inode, name: Uint8Array, access: 'read' | 'write'): void {
  const kind = nameClassOf(name);
  const shown = `${showName(name)} of inode ${inode.number}`;
  if (access === 'write') {
    checkMayChange(inode);
    checkSubvolumeWritable(inode);
  }
  if (kind === 'user' && !inode.isRegular && !inode.isDirectory) {
    throw new FsError(access === 'write' ? 'EPERM' : 'ENODATA', `${shown}: it is neither file nor directory`);
  }
  if (isAcl(name) && inode.isSymlink) throw new FsError('EOPNOTSUPP', `${shown}, a symbolic link`);
  if (kind === 'unknown') throw new FsError('EOPNOTSUPP', `${shown}: btrfs has no such attributes`);
  const prefix = PREFIX_BYTES.find((known) => known.prefix === kind);
  if (prefix?.bytes.length === name.length) throw new FsError('EINVAL', `${shown}: a name is missing after the prefix`);
}
