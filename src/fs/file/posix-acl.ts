import { viewOf } from '../../base/bytes.ts';
import { FsError } from '../errors.ts';

/** Whom an entry of an access control list is for. */
const TAG = { USER_OBJ: 1, USER: 2, GROUP_OBJ: 4, GROUP: 8, MASK: 16, OTHER: 32 } as const;
const VERSION = 2;
const HEADER_SIZE = 4;
const ENTRY_SIZE = 8;
const NO_ID = 0xffffffff;
const PERMISSIONS = 7;

interface AclEntry {
  readonly tag: number;
  readonly permissions: number;
  /** Of the user or group; else none. */
  readonly id: number;
}

/** A POSIX access control list: user object, users, group object, groups, mask, other. */
export type Acl = readonly AclEntry[];

/**
 * Decodes and checks the value of a `system.posix_acl_*` attribute. Null: an empty list, which removes. Throws
 * EOPNOTSUPP for another version, EINVAL for a list that is none.
 */
export function decodeAcl(value: Uint8Array): Acl | null {
  if (value.length === 0) return null;
  if (value.length < HEADER_SIZE) throw new FsError('EINVAL', `an access control list of ${value.length} bytes`);
  const view = viewOf(value);
  if (view.getUint32(0, true) !== VERSION) throw new FsError('EOPNOTSUPP', 'an access control list of another version');
  if ((value.length - HEADER_SIZE) % ENTRY_SIZE !== 0) {
    throw new FsError('EINVAL', `an access control list of ${value.length} bytes`);
  }
  const acl: AclEntry[] = [];
  for (let at = HEADER_SIZE; at < value.length; at += ENTRY_SIZE) {
    const tag = view.getUint16(at, true);
    const isNamed = tag === TAG.USER || tag === TAG.GROUP;
    const id = isNamed ? view.getUint32(at + 4, true) : NO_ID;
    acl.push({ tag, permissions: view.getUint16(at + 2, true), id });
  }
  if (acl.length === 0) return null;
  checkAcl(acl);
  return acl;
}

export function encodeAcl(acl: Acl): Uint8Array {
  const value = new Uint8Array(HEADER_SIZE + acl.length * ENTRY_SIZE);
  const view = viewOf(value);
  view.setUint32(0, VERSION, true);
  for (const [index, { tag, permissions, id }] of acl.entries()) {
    const at = HEADER_SIZE + index * ENTRY_SIZE;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, permissions, true);
    view.setUint32(at + 4, id, true);
  }
  return value;
}

/** The order of the entries: each tag may come only after those before it, and USER and GROUP alone more than once. */
const ORDER = [TAG.USER_OBJ, TAG.USER, TAG.GROUP_OBJ, TAG.GROUP, TAG.MASK, TAG.OTHER] as const;

function checkAcl(acl: Acl): void {
  let place = -1;
  for (const { tag, permissions, id } of acl) {
    const at = (ORDER as readonly number[]).indexOf(tag);
    const isNamed = tag === TAG.USER || tag === TAG.GROUP;
    const isInOrder = at > place || (isNamed && at === place);
    if (at < 0 || !isInOrder || permissions > PERMISSIONS) throw invalid();
    if (isNamed && id === NO_ID) throw invalid();
    place = at;
  }
  const has = (tag: number) => acl.some((entry) => entry.tag === tag);
  const needsMask = has(TAG.USER) || has(TAG.GROUP);
  if (!has(TAG.USER_OBJ) || !has(TAG.GROUP_OBJ) || !has(TAG.OTHER)) throw invalid();
  if (needsMask && !has(TAG.MASK)) throw invalid();
}

function invalid(): FsError {
  return new FsError('EINVAL', 'an access control list whose entries are not valid together');
}

/** The nine permission bits of a mode that a list stands for, and whether the list says no more than they do. */
export function modeOfAcl(acl: Acl): { readonly permissions: number; readonly isPlain: boolean } {
  let permissions = 0;
  let isPlain = true;
  let group = 0;
  for (const { tag, permissions: bits } of acl) {
    if (tag === TAG.USER_OBJ) permissions |= bits << 6;
    else if (tag === TAG.OTHER) permissions |= bits;
    else if (tag === TAG.GROUP_OBJ && isPlain) group = bits;
    else isPlain = false;
    if (tag === TAG.MASK) group = bits;
  }
  return { permissions: permissions | (group << 3), isPlain };
}

/** The list after a chmod: the owner, the mask (or the group where there is none) and the others change. */
export function aclWithMode(acl: Acl, mode: number): Acl {
  const hasMask = acl.some(({ tag }) => tag === TAG.MASK);
  const groupTag = hasMask ? TAG.MASK : TAG.GROUP_OBJ;
  return acl.map((entry) => {
    if (entry.tag === TAG.USER_OBJ) return { ...entry, permissions: (mode >> 6) & PERMISSIONS };
    if (entry.tag === groupTag) return { ...entry, permissions: (mode >> 3) & PERMISSIONS };
    if (entry.tag === TAG.OTHER) return { ...entry, permissions: mode & PERMISSIONS };
    return entry;
  });
}

/** What a new node gets from the default list of its directory: each side has what both allow. */
export function inheritAcl(acl: Acl, mode: number): { readonly acl: Acl | null; readonly mode: number } {
  const hasMask = acl.some(({ tag }) => tag === TAG.MASK);
  const groupTag = hasMask ? TAG.MASK : TAG.GROUP_OBJ;
  let permissions = mode & 0o777;
  let isPlain = true;
  const inherited = acl.map((entry) => {
    const shift = entry.tag === TAG.USER_OBJ ? 6 : entry.tag === groupTag ? 3 : entry.tag === TAG.OTHER ? 0 : -1;
    if (entry.tag !== TAG.USER_OBJ && entry.tag !== TAG.GROUP_OBJ && entry.tag !== TAG.OTHER) isPlain = false;
    if (shift < 0) return entry;
    const both = entry.permissions & (permissions >> shift) & PERMISSIONS;
    permissions = (permissions & ~(PERMISSIONS << shift)) | (both << shift);
    return { ...entry, permissions: both };
  });
  return { acl: isPlain ? null : inherited, mode: (mode & ~0o777) | permissions };
}
