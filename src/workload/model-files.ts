import type { ByteCount, FileOffset } from '../base/units.ts';
import type { FileReference, OperationBase } from './model.ts';

/** Operations on names, attributes and ranges of files whose arguments stand for themselves. */

export interface RmdirOperation extends OperationBase {
  readonly kind: 'rmdir';
  readonly path: string;
}
/** One more name for a file; of a handle of a temporary file, its first. */
export interface LinkOperation extends OperationBase {
  readonly kind: 'link';
  readonly file: FileReference;
  readonly to: string;
}
export interface SymlinkOperation extends OperationBase {
  readonly kind: 'symlink';
  readonly path: string;
  /** What it says; nobody looks whether there is such a thing. */
  readonly target: string;
}
export const NODE_KINDS = ['fifo', 'socket', 'character', 'block'] as const;
export interface MknodOperation extends OperationBase {
  readonly kind: 'mknod';
  readonly path: string;
  readonly node: (typeof NODE_KINDS)[number];
}
/** An open file without a name: gone with its handle unless it is linked. */
export interface TmpfileOperation extends OperationBase {
  readonly kind: 'tmpfile';
  /** The directory that lends its file system. */
  readonly directory: string;
  readonly as: string;
}
export interface ReaddirOperation extends OperationBase {
  readonly kind: 'readdir';
  readonly path: string;
}
export interface ChmodOperation extends OperationBase {
  readonly kind: 'chmod';
  readonly file: FileReference;
  /** Permission bits. */
  readonly mode: number;
}
export interface ChownOperation extends OperationBase {
  readonly kind: 'chown';
  readonly file: FileReference;
  /** Null: as it is. */
  readonly uid: number | null;
  readonly gid: number | null;
}
export interface SetXattrOperation extends OperationBase {
  readonly kind: 'set-xattr';
  readonly file: FileReference;
  readonly name: string;
  readonly value: string;
  /** EEXIST where there is one; ENODATA where there is none; either way. */
  readonly when: 'missing' | 'present' | null;
}
export interface RemoveXattrOperation extends OperationBase {
  readonly kind: 'remove-xattr';
  readonly file: FileReference;
  readonly name: string;
}
/** punch: the range is a hole then. zero: it reads as zeros, in preallocated space. */
export interface ClearOperation extends OperationBase {
  readonly kind: 'punch' | 'zero';
  readonly file: FileReference;
  readonly offset: FileOffset;
  readonly length: ByteCount;
  /** Of zero: leave the size of the file as it is. A punch always does. */
  readonly keepSize: boolean;
}
/**
 * reflink: [offset, offset + length) of `file` gets the extents of [sourceOffset, …) of `source`. copy: copy_file_range,
 * as far as the source goes. dedupe: both share extents if they hold the same bytes; nothing changes otherwise.
 */
export interface ShareOperation extends OperationBase {
  readonly kind: 'reflink' | 'copy' | 'dedupe';
  readonly source: FileReference;
  readonly sourceOffset: FileOffset;
  readonly file: FileReference;
  readonly offset: FileOffset;
  readonly length: ByteCount;
}
/** Makes what was written through a mapping durable in this range. */
export interface MsyncOperation extends OperationBase {
  readonly kind: 'msync';
  readonly file: FileReference;
  readonly offset: FileOffset;
  readonly length: ByteCount;
}
/** Where the next data, or the next hole, begins: SEEK_DATA, SEEK_HOLE. */
export interface SeekOperation extends OperationBase {
  readonly kind: 'seek';
  readonly file: FileReference;
  readonly offset: FileOffset;
  readonly what: 'data' | 'hole';
}

export type FileChangeOperation =
  | RmdirOperation
  | LinkOperation
  | SymlinkOperation
  | MknodOperation
  | TmpfileOperation
  | ReaddirOperation
  | ChmodOperation
  | ChownOperation
  | SetXattrOperation
  | RemoveXattrOperation
  | ClearOperation
  | ShareOperation
  | MsyncOperation
  | SeekOperation;
