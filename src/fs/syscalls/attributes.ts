import type { Task } from '../../task/task.ts';
import type { MountedFilesystem } from '../filesystem.ts';
import { type FileTarget, hold } from './target.ts';

/** What tells and changes attributes. */

export interface FileStatus {
  readonly inode: number;
  readonly kind: 'file' | 'directory' | 'other';
  readonly mode: number;
  readonly size: number;
  /** Bytes of extents that the file refers to. */
  readonly allocatedBytes: number;
  readonly links: number;
}

export function* stat(fs: MountedFilesystem, target: FileTarget): Task<FileStatus> {
  const inode = yield* hold(fs, target);
  try {
    const kind = inode.isDirectory ? 'directory' : inode.isRegular ? 'file' : 'other';
    const { number, mode, size, allocatedBytes, links } = inode;
    return { inode: number, kind, mode, size, allocatedBytes, links };
  } finally {
    fs.files.inodes.put(inode);
  }
}
