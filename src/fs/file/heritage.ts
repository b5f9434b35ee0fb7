import { sameBytes } from '../../base/bytes.ts';
import type { Task } from '../../task/task.ts';
import { decodeDirEntries, encodeName, nameHash } from '../format/directory.ts';
import { INODE_FLAG, MODE_TYPE } from '../format/inode.ts';
import { KEY_TYPE } from '../format/key.ts';
import type { TransactionHandle } from '../transaction/handle.ts';
import type { ChangeCursor } from '../tree/change-cursor.ts';
import { algorithmOf, COMPRESSION_PROPERTY } from './compression-property.ts';
import type { Heritage, Inode } from './inode.ts';
import { type NewNode, NODATACOW_FLAGS, newNodeFlags } from './new-inode-item.ts';
import { decodeAcl, encodeAcl, inheritAcl } from './posix-acl.ts';
import { putXattr, type Xattr } from './xattr-items.ts';
import { ACCESS_ACL, DEFAULT_ACL } from './xattr-names.ts';

/** What of the attributes of a directory becomes attributes of what is made in it: its default access list, compression. */

/** Items that attributes of a new node may add. */
const ITEMS_OF_HEIRS = 3;

/** How many items more the creation of a node in the directory may change. */
export function itemsOfHeritage(directory: Inode, node: NewNode): number {
  const { heritage } = directory;
  const isNothing = heritage !== null && heritage.defaultAcl === null && heritage.compression === null;
  return isNothing && node.compression === undefined ? 0 : ITEMS_OF_HEIRS;
}

/** From memory, or read from the directory's items before anything changes. */
export function* heritageOf(cursor: ChangeCursor, directory: Inode): Task<Heritage> {
  if (directory.heritage !== null) return directory.heritage;
  const defaultAcl = yield* readXattr(cursor, directory, DEFAULT_ACL);
  const isCompressed = (directory.flags & INODE_FLAG.COMPRESS) !== 0;
  const property = isCompressed ? yield* readXattr(cursor, directory, COMPRESSION_PROPERTY) : null;
  const algorithm = property === null ? null : algorithmOf(property);
  directory.heritage = { defaultAcl, compression: algorithm === null ? null : encodeName(algorithm) };
  return directory.heritage;
}

function* readXattr(cursor: ChangeCursor, inode: Inode, name: Uint8Array): Task<Uint8Array | null> {
  yield* cursor.seek(inode.number, KEY_TYPE.XATTR_ITEM, nameHash(name));
  if (!cursor.found) return null;
  return decodeDirEntries(cursor.data).find((entry) => sameBytes(entry.name, name))?.data ?? null;
}

/** The node as it comes out in the directory, and the attributes it gets. */
export interface Heir {
  readonly node: NewNode;
  readonly xattrs: readonly Xattr[];
}

export function heirOf(node: NewNode, directory: Inode, heritage: Heritage, newFileFlags: number): Heir {
  const type = node.mode & MODE_TYPE.MASK;
  const xattrs: Xattr[] = [];
  const isDirectory = type === MODE_TYPE.DIRECTORY;
  let { mode } = node;
  let flags = newNodeFlags(node, directory, newFileFlags);
  const compression = node.compression ?? heritage.compression;
  const mayCompress = (isDirectory || type === MODE_TYPE.REGULAR) && (flags & NODATACOW_FLAGS) === 0;
  if (compression !== null && mayCompress) {
    xattrs.push({ name: COMPRESSION_PROPERTY, value: compression });
    flags = (flags & ~INODE_FLAG.NOCOMPRESS) | INODE_FLAG.COMPRESS;
  }
  const defaultAcl = heritage.defaultAcl === null || type === MODE_TYPE.SYMLINK ? null : decodeAcl(heritage.defaultAcl);
  if (defaultAcl !== null) {
    const inherited = inheritAcl(defaultAcl, mode);
    mode = inherited.mode;
    if (isDirectory) xattrs.push({ name: DEFAULT_ACL, value: heritage.defaultAcl! });
    if (inherited.acl !== null) xattrs.push({ name: ACCESS_ACL, value: encodeAcl(inherited.acl) });
  }
  return { node: { ...node, mode, flags }, xattrs };
}

export function* insertXattrs(
  cursor: ChangeCursor,
  handle: TransactionHandle,
  inode: Inode,
  xattrs: readonly Xattr[],
): Task<void> {
  for (const xattr of xattrs) yield* putXattr(cursor, handle, inode, xattr);
}
