import { FsError } from '../errors.ts';
import { INODE_FLAG } from '../format/inode.ts';
import type { Inode } from './inode.ts';

/**
 * What even root may not do: change a read-only subvolume, and inodes with the flags of chattr. All of it is plain and
 * asked under the inode's lock, or at an open.
 */

export function checkSubvolumeWritable(inode: Inode): void {
  if (!inode.tree.isReadOnly) return;
  throw new FsError('EROFS', `inode ${inode.number}: subvolume ${inode.tree.id} is read-only`);
}

/** To write data, or into a directory. Throws EPERM for an immutable inode, EROFS, EACCES. */
export function checkMayWrite(inode: Inode): void {
  checkNotImmutable(inode);
  const isKindOfTree = inode.isRegular || inode.isDirectory || inode.isSymlink;
  if (isKindOfTree) checkSubvolumeWritable(inode);
  if ((inode.flags & INODE_FLAG.READONLY) !== 0) throw new FsError('EACCES', `inode ${inode.number} is read-only`);
}

/** To change attributes, or to take a name away. Throws EPERM for an immutable inode and an append-only one. */
export function checkMayChange(inode: Inode): void {
  checkNotImmutable(inode);
  if (inode.isAppendOnly) throw new FsError('EPERM', `inode ${inode.number} is append-only`);
}

export function checkNotImmutable(inode: Inode): void {
  if ((inode.flags & INODE_FLAG.IMMUTABLE) !== 0) throw new FsError('EPERM', `inode ${inode.number} is immutable`);
}

/** To take the name of `inode` out of `directory`. */
export function checkMayRemove(directory: Inode, inode: Inode): void {
  checkMayWrite(directory);
  if (directory.isAppendOnly) {
    throw new FsError('EPERM', `directory inode ${directory.number} is append-only`);
  }
  checkMayChange(inode);
}
