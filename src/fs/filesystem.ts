import { resource } from '../task/resource.ts';
import type { Task } from '../task/task.ts';
import type { World } from '../task/world.ts';
import { FsError } from './errors.ts';
import { cleanUpOrphans, evictDoomed, forgetAllInodes } from './file/evict.ts';
import { Files } from './file/files.ts';
import type { Inode } from './file/inode.ts';
import { findFirstFreeNumber } from './file/inode-items.ts';
import type { DirectoryPosition } from './file/read-directory.ts';
import { flushAll } from './file/sync.ts';
import { resumeReplace, suspendReplace } from './maintenance/device-replace.ts';
import { type MountOptions, mount, unmountCore } from './mount.ts';
import { findMountedSubvolume } from './mounted-subvolume.ts';
import type { FsInfo } from './transaction/fs-info.ts';
import { cancelAllScrubs } from './transaction/scrub-control.ts';
import type { Tree } from './tree/tree.ts';

export type { MountOptions };

/** One open of a file or directory. */
export interface OpenFile {
  readonly inode: Inode;
  /** Default for reads and writes through this handle. */
  readonly direct: boolean;
  readonly append: boolean;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  /** How far a directory has been read; null for everything else. */
  readonly position: DirectoryPosition | null;
  /** Failed writes of data that this open has reported or was opened after. */
  errorsSeen: number;
}

/** A mounted file system with its open files. */
export class MountedFilesystem {
  readonly world: World;
  readonly info: FsInfo;
  readonly files: Files;
  private readonly table: (OpenFile | null)[] = [];

  /** `subvolume`: where paths start; by default the top-level one. */
  constructor(info: FsInfo, subvolume: Tree = info.trees.fs) {
    this.world = info.world;
    this.info = info;
    this.files = new Files(info, subvolume);
  }

  /** The lowest free handle, from 0, for a file that the caller holds. */
  addOpenFile(file: OpenFile): number {
    this.touchTable('write');
    let handle = 0;
    while (handle < this.table.length && this.table[handle] !== null) handle++;
    this.table[handle] = file;
    return handle;
  }

  /** Throws EBADF. */
  openFile(handle: number): OpenFile {
    this.touchTable('read');
    const file = this.table[handle] ?? null;
    if (file === null) throw new FsError('EBADF', `handle ${handle} is not open`);
    return file;
  }

  /** Throws EBADF. The caller ends the hold on the inode. */
  removeOpenFile(handle: number): OpenFile {
    const file = this.openFile(handle);
    this.touchTable('write');
    this.table[handle] = null;
    return file;
  }

  /** The open file was told of that many failed writes. */
  noteErrorsSeen(file: OpenFile, count: number): void {
    this.touchTable('write');
    file.errorsSeen = count;
  }

  get openCount(): number {
    this.touchTable('read');
    return this.table.filter((file) => file !== null).length;
  }

  private touchTable(mode: 'read' | 'write'): void {
    this.world.touch(resource('file-table', 0), mode);
  }
}

/**
 * Mounts the file system on the world's devices, frees what a crash left without a name, and lets a device replace that
 * was interrupted go on in a task of its own.
 * Throws FsError: EINVAL (no btrfs, or of a kind that this engine cannot mount), EIO, EUCLEAN.
 */
export function* mountFilesystem(world: World, options: MountOptions): Task<MountedFilesystem> {
  const info = yield* mount(world, options);
  const fs = new MountedFilesystem(info, yield* findMountedSubvolume(info, options.subvolume));
  if (fs.info.isReadOnly) return fs;
  yield* findFirstFreeNumber(fs.files, fs.files.tree);
  yield* cleanUpOrphans(fs.files, fs.files.tree);
  yield* resumeReplace(fs.files);
  return fs;
}

/**
 * Writes everything out, stops a device replace and scrubs, commits, and lets go of all that is in memory. Throws EBUSY while files are open; after an
 * abort nothing is written.
 */
export function* unmountFilesystem(fs: MountedFilesystem): Task<void> {
  const open = fs.openCount;
  if (open > 0) throw new FsError('EBUSY', `unmount: ${open} files are open`);
  yield* evictDoomed(fs.files);
  yield* flushAll(fs.files);
  yield* suspendReplace(fs.files);
  if (fs.info.scrubs.running > 0) yield* cancelAllScrubs(fs.info);
  yield* unmountCore(fs.info);
  forgetAllInodes(fs.files);
}
