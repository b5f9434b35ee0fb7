import type { Task } from '../../task/task.ts';
import { bufferedRead, bufferedWrite } from '../file/buffered-io.ts';
import { directRead, directWrite } from '../file/direct-io.ts';
import { evictDoomed } from '../file/evict.ts';
import { truncateFile } from '../file/truncate.ts';
import type { MountedFilesystem } from '../filesystem.ts';
import { throwIfReadOnly } from '../transaction/handle.ts';
import { checkOffset, checkRegular, type FileTarget, hold, holdToWrite, openFileOf } from './target.ts';

/** What reads and writes the bytes of files. */

export interface TransferOptions {
  /** Default: as the handle was opened. */
  readonly direct?: boolean;
  readonly append?: boolean;
}

export function* truncate(fs: MountedFilesystem, target: FileTarget, size: number): Task<void> {
  throwIfReadOnly(fs.info);
  const inode = yield* holdToWrite(fs, target);
  try {
    checkRegular(inode, 'truncate');
    yield* truncateFile(fs.files, inode, size);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
}

/**
 * `offset` null: append. Returns how many bytes were written; fewer than given when space ran out in the middle. Direct
 * writes hand the array itself to the device: do not change it afterwards.
 */
export function* write(
  fs: MountedFilesystem,
  target: FileTarget,
  offset: number | null,
  bytes: Uint8Array,
  options: TransferOptions = {},
): Task<number> {
  throwIfReadOnly(fs.info);
  checkOffset(offset ?? 0, 'write');
  const file = openFileOf(fs, target);
  const at = (options.append ?? file?.append ?? false) ? null : offset;
  const inode = yield* holdToWrite(fs, target);
  let written: number;
  try {
    checkRegular(inode, 'write');
    written =
      (options.direct ?? file?.direct ?? false)
        ? yield* directWrite(fs.files, inode, at, bytes)
        : yield* bufferedWrite(fs.files, inode, at, bytes);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
  return written;
}

/** Fewer bytes than asked for at the end of the file. The bytes are not to be changed. */
export function* read(
  fs: MountedFilesystem,
  target: FileTarget,
  offset: number,
  length: number,
  options: TransferOptions = {},
): Task<Uint8Array> {
  checkOffset(offset, 'read');
  checkOffset(length, 'read');
  const file = openFileOf(fs, target);
  const inode = yield* hold(fs, target);
  let bytes: Uint8Array;
  try {
    checkRegular(inode, 'read');
    bytes =
      (options.direct ?? file?.direct ?? false)
        ? yield* directRead(fs.files, inode, offset, length)
        : yield* bufferedRead(fs.files, inode, offset, length);
  } finally {
    fs.files.inodes.put(inode);
  }
  yield* evictDoomed(fs.files);
  return bytes;
}
