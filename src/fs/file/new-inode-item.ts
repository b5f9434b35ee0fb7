import { viewOf } from '../../base/bytes.ts';
import type { Generation } from '../../base/units.ts';
import {
  INODE_FLAG,
  INODE_ITEM,
  INODE_ITEM_SIZE,
  INODE_TIME_AT,
  MODE_TYPE,
  setInodeFlags,
  setInodeGeneration,
  setInodeMode,
  setInodeNbytes,
  setInodeNlink,
  setInodeSize,
} from '../format/inode.ts';
import { writeNanoseconds } from '../format/timestamp.ts';
import type { Inode } from './inode.ts';

/** What is made. */
export interface NewNode {
  /** With the bits of its type. */
  readonly mode: number;
  /** Bits of `INODE_FLAG`. */
  readonly flags?: number;
  /** Of a device: 2^20 times its major number and its minor number. */
  readonly device?: number;
  /** Of a symbolic link. */
  readonly target?: Uint8Array;
  /** Value of the property of compression, instead of what the directory passes on. */
  readonly compression?: Uint8Array;
}

const SET_GROUP_ID = 0o2000;
/** Inode flags of a file whose data is overwritten in place and has no checksums, as of an empty one after `chattr +C`. */
export const NODATACOW_FLAGS = INODE_FLAG.NODATACOW | INODE_FLAG.NODATASUM;

/** The INODE_ITEM of a new node in a directory, owned by root; its flags and mode are worked out already. */
export function newInodeItem(node: NewNode, directory: Inode, generation: Generation, now: number): Uint8Array {
  const item = new Uint8Array(INODE_ITEM_SIZE);
  const view = viewOf(item);
  setInodeGeneration(view, 0, generation);
  setInodeNlink(view, 0, 1);
  setInodeMode(view, 0, node.mode);
  setInodeFlags(view, 0, node.flags ?? 0);
  if ((directory.mode & SET_GROUP_ID) !== 0) {
    view.setUint32(INODE_ITEM.fields.gid.at, directory.gid, true);
    if (isOfType(node, MODE_TYPE.DIRECTORY)) setInodeMode(view, 0, node.mode | SET_GROUP_ID);
  }
  if (node.device !== undefined) INODE_ITEM.fields.rdev.write(view, INODE_ITEM.fields.rdev.at, node.device);
  if (node.target !== undefined) {
    setInodeSize(view, 0, node.target.length);
    setInodeNbytes(view, 0, node.target.length);
  }
  for (const at of Object.values(INODE_TIME_AT)) writeNanoseconds(view, at, now);
  return item;
}

/**
 * Flags of a new node: its own, what the directory passes on (compression or its absence, and no copy-on-write), and what
 * the mount options give regular files. A regular file that is not copied on write has no checksums either.
 */
export function newNodeFlags(node: NewNode, directory: Inode, newFileFlags: number): number {
  const isFile = isOfType(node, MODE_TYPE.REGULAR);
  let flags = (node.flags ?? 0) | (isFile ? newFileFlags : 0);
  if ((directory.flags & INODE_FLAG.NOCOMPRESS) !== 0) flags |= INODE_FLAG.NOCOMPRESS;
  else if ((directory.flags & INODE_FLAG.COMPRESS) !== 0) flags |= INODE_FLAG.COMPRESS;
  if ((directory.flags & INODE_FLAG.NODATACOW) !== 0) flags |= isFile ? NODATACOW_FLAGS : INODE_FLAG.NODATACOW;
  return flags;
}

function isOfType(node: NewNode, type: number): boolean {
  return (node.mode & MODE_TYPE.MASK) === type;
}
