import { showName } from '../../base/show-name.ts';
import { FsError } from '../../fs/errors.ts';
import type { MountedFilesystem } from '../../fs/filesystem.ts';
import { OBJECT_ID } from '../../fs/format/key.ts';
import { type FileStatus, readdir, readlink, stat } from '../../fs/syscalls.ts';
import type { Task } from '../../task/task.ts';
import { joinPath } from './image-path.ts';

/** One name in an image. Texts are escaped by `showName`; times are nanoseconds since 1970. */
export interface ListedFile extends FileStatus {
  readonly name: string;
  readonly path: string;
  /** Of a symbolic link, else null. */
  readonly target: string | null;
}

/** A directory and what is in it, or what is no directory, alone. */
export interface Listing {
  readonly path: string;
  readonly isDirectory: boolean;
  readonly files: readonly ListedFile[];
  /** What could not be read, one line each. */
  readonly problems: readonly string[];
}

/**
 * Lists a directory in the order of the bytes of names; with `recursive`, then those below it. A damaged name is a
 * problem of its listing and hides no other. Throws FsError where the path itself leads nowhere.
 */
export function* listImage(fs: MountedFilesystem, path: Uint8Array, recursive: boolean): Task<Listing[]> {
  const top = yield* statusAt(fs, path, path);
  if (top.kind !== 'directory') return [{ path: showName(path), isDirectory: false, files: [top], problems: [] }];
  const listings: Listing[] = [];
  const pending: Uint8Array[] = [path];
  const entered = new Set<string>();
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { listing, folders } = yield* listDirectory(fs, next);
    listings.push(listing);
    if (!recursive) break;
    // Damage may make a directory its own ancestor.
    for (const { path: folder, key } of folders.reverse()) {
      if (key !== null && entered.has(key)) continue;
      if (key !== null) entered.add(key);
      pending.push(folder);
    }
  }
  return listings;
}

interface Folder {
  readonly path: Uint8Array;
  readonly key: string | null;
}

/**
 * What tells a directory from all others of an image. Null for what stands in a snapshot where the origin has a
 * subvolume: all of these have one number, and nothing is below them.
 */
export function directoryKey({ subvolume, inode }: FileStatus): string | null {
  return inode === OBJECT_ID.EMPTY_SUBVOL_DIR ? null : `${subvolume}/${inode}`;
}

function* listDirectory(
  fs: MountedFilesystem,
  path: Uint8Array,
): Task<{ readonly listing: Listing; readonly folders: Folder[] }> {
  const files: ListedFile[] = [];
  const folders: Folder[] = [];
  const problems: string[] = [];
  const names = yield* namesIn(fs, path, problems);
  for (const name of [...names].sort(Buffer.compare)) {
    const full = joinPath(path, name);
    try {
      const file = yield* statusAt(fs, full, name);
      files.push(file);
      if (file.kind === 'directory') folders.push({ path: full, key: directoryKey(file) });
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      problems.push(`${showName(full)}: ${error.message}`);
    }
  }
  return { listing: { path: showName(path), isDirectory: true, files, problems }, folders };
}

function* namesIn(fs: MountedFilesystem, path: Uint8Array, problems: string[]): Task<Uint8Array[]> {
  try {
    return yield* readdir(fs, path);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    problems.push(`${showName(path)}: ${error.message}`);
    return [];
  }
}

function* statusAt(fs: MountedFilesystem, path: Uint8Array, name: Uint8Array): Task<ListedFile> {
  const status = yield* stat(fs, path, { follow: false });
  const target = status.kind === 'symlink' ? showName(yield* readlink(fs, path)) : null;
  return { name: showName(name), path: showName(path), ...status, target };
}
