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
}

const SET_GROUP_ID = 0o2000;
/** Inode flags of a file whose data is overwritten in place and has no checksums, as of an empty one after `chattr +C`. */
export const NODATACOW_FLAGS = INODE_FLAG.NODATACOW | INODE_FLAG.NODATASUM;

/**
 * The INODE_ITEM of a new node in a directory: owned by root, with what the directory passes on. `newFileFlags`: what the
 * mount options give regular files.
 */
export function newInodeItem(
  node: NewNode,
  directory: Inode,
  generation: Generation,
  now: number,
  newFileFlags: number,
): Uint8Array {
  const item = new Uint8Array(INODE_ITEM_SIZE);
  const view = viewOf(item);
  setInodeGeneration(view, 0, generation);
  setInodeNlink(view, 0, 1);
  setInodeMode(view, 0, node.mode);
  const ofMount = isOfType(node, MODE_TYPE.REGULAR) ? newFileFlags : 0;
  setInodeFlags(view, 0, inheritedFlags(directory.flags, node) | ofMount);
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

/** Compression or its absence, and no copy-on-write; then a regular file has no checksums either. */
function inheritedFlags(ofDirectory: number, node: NewNode): number {
  let flags = node.flags ?? 0;
  if ((ofDirectory & INODE_FLAG.NOCOMPRESS) !== 0) flags |= INODE_FLAG.NOCOMPRESS;
  else if ((ofDirectory & INODE_FLAG.COMPRESS) !== 0) flags |= INODE_FLAG.COMPRESS;
  if ((ofDirectory & INODE_FLAG.NODATACOW) !== 0) {
    flags |= isOfType(node, MODE_TYPE.REGULAR) ? NODATACOW_FLAGS : INODE_FLAG.NODATACOW;
  }
  return flags;
}

function isOfType(node: NewNode, type: number): boolean {
  return (node.mode & MODE_TYPE.MASK) === type;
}
