import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { showName } from '../../base/show-name.ts';
import { FsError } from '../../fs/errors.ts';
import type { MountedFilesystem } from '../../fs/filesystem.ts';
import { dropCaches, type FileStatus, readdir, readlink, stat } from '../../fs/syscalls.ts';
import type { Task } from '../../task/task.ts';
import type { Copied } from './copy-into-image.ts';
import { HostFailure, onHost } from './host-failure.ts';
import { isFolder, writeFully } from './host-files.ts';
import { type ImagePath, joinPath, lastName } from './image-path.ts';
import { type ImageSource, readPieces, unreadable, workOnImages } from './read-image.ts';

/** What was copied, and what was not. */
export interface CopiedOut extends Copied {
  /** One line each; everything else was copied. */
  readonly problems: readonly string[];
}

const ZEROES = new Uint8Array(65536);
/** Names whose cached blocks are kept: after so many files memory is given back. */
const FILES_CACHED_MAX = 4096;

/**
 * Copies files out of an image: each appears under its name when it is whole. Modes, times, hard links and holes are
 * kept, owners where this user may set them; symbolic links are copied as such. Throws `ImageUnusable` and
 * `HostFailure` before anything is copied; what fails later is among the problems.
 */
export function copyFromImage(
  source: ImageSource,
  from: readonly ImagePath[],
  to: string,
  options: { readonly recursive: boolean },
): CopiedOut {
  const isInto = isFolder(to);
  if (!isInto && from.length > 1) throw new HostFailure(`${to} is no folder: several files need one to go into`);
  const copy = new CopyOut();
  workOnImages(source, function* copyAll(fs) {
    const tops: (readonly [ImagePath, FileStatus])[] = [];
    for (const place of from) tops.push([place, yield* statusOf(fs, place, options.recursive)]);
    for (const [place, status] of tops) {
      const name = lastName(place.path);
      const path = isInto && name.length > 0 ? joinPath(Buffer.from(to), name) : Buffer.from(to);
      yield* copy.copyTree(fs, place.path, status, Buffer.from(path));
    }
  });
  return copy;
}

function* statusOf(fs: MountedFilesystem, place: ImagePath, recursive: boolean): Task<FileStatus> {
  let status: FileStatus;
  try {
    status = yield* stat(fs, place.path, { follow: false });
  } catch (error) {
    throw unreadable(place, error);
  }
  if (status.kind !== 'directory' || recursive) return status;
  throw new HostFailure(`${place.text} is a directory: copy it with -r`);
}

class CopyOut implements CopiedOut {
  files = 0;
  bytes = 0;
  readonly problems: string[] = [];
  /** Where the first name of a file with several went. */
  private readonly linked = new Map<string, Buffer>();
  private readonly entered = new Set<string>();

  /** Problems are noted, and everything else goes on. */
  *copyTree(fs: MountedFilesystem, from: Uint8Array, status: FileStatus, to: Buffer): Task<void> {
    try {
      if (status.kind === 'directory') yield* this.copyDirectory(fs, from, status, to);
      else yield* this.copyFile(fs, from, status, to);
    } catch (error) {
      if (!(error instanceof FsError || error instanceof HostFailure)) throw error;
      this.problems.push(`${showName(from)}: ${error.message}`);
    }
  }

  private *copyDirectory(fs: MountedFilesystem, from: Uint8Array, status: FileStatus, to: Buffer): Task<void> {
    const key = `${status.subvolume}/${status.inode}`;
    // Damage may make a directory its own ancestor.
    if (this.entered.has(key)) throw new HostFailure('the directory is inside itself');
    this.entered.add(key);
    if (!isFolder(to)) onHost(`the folder ${showName(to)} cannot be made`, () => mkdirSync(to, { mode: 0o700 }));
    this.files += 1;
    const names = yield* readdir(fs, from);
    for (const name of [...names].sort(Buffer.compare)) {
      const path = joinPath(from, name);
      try {
        const child = yield* stat(fs, path, { follow: false });
        yield* this.copyTree(fs, path, child, Buffer.from(joinPath(to, name)));
      } catch (error) {
        if (!(error instanceof FsError)) throw error;
        this.problems.push(`${showName(path)}: ${error.message}`);
      }
    }
    setAttributes(to, status);
  }

  private *copyFile(fs: MountedFilesystem, from: Uint8Array, status: FileStatus, to: Buffer): Task<void> {
    if (isFolder(to)) throw new HostFailure(`${showName(to)} is a folder`);
    if (!['file', 'symlink'].includes(status.kind)) {
      throw new HostFailure(`a special file (${status.kind}) cannot be made on this host`);
    }
    const key = `${status.subvolume}/${status.inode}`;
    const first = this.linked.get(key);
    const temporary = besides(to);
    try {
      if (first !== undefined) onHost(`${showName(to)} cannot be linked`, () => linkSync(first, temporary));
      else if (status.kind === 'symlink') yield* this.makeSymlink(fs, from, temporary);
      else yield* this.writeFile(fs, from, status, temporary);
      if (first === undefined) setAttributes(temporary, status);
      onHost(`${showName(to)} cannot be put in place`, () => renameSync(temporary, to));
    } finally {
      // Also when all went well: a rename of one name of a file onto another of it does nothing.
      removeIfThere(temporary);
    }
    if (status.links > 1) this.linked.set(key, to);
    this.files += 1;
    if (this.files % FILES_CACHED_MAX === 0) yield* dropCaches(fs);
  }

  private *makeSymlink(fs: MountedFilesystem, from: Uint8Array, to: Buffer): Task<void> {
    const target = yield* readlink(fs, from);
    onHost(`${showName(to)} cannot be made`, () => symlinkSync(Buffer.from(target), to));
  }

  private *writeFile(fs: MountedFilesystem, from: Uint8Array, { size }: FileStatus, to: Buffer): Task<void> {
    const what = `${showName(to)} cannot be written`;
    const descriptor = onHost(what, () => openSync(to, 'wx', 0o600));
    try {
      onHost(what, () => ftruncateSync(descriptor, size));
      yield* readPieces(fs, from, function* writePiece(bytes, offset) {
        onHost(what, () => writeData(descriptor, bytes, offset));
      });
      this.bytes += size;
    } finally {
      closeSync(descriptor);
    }
  }
}

/** In the same folder, so that a rename will do; the name itself may have no room for more. */
function besides(path: Buffer): Buffer {
  const folder = path.subarray(0, path.lastIndexOf('/') + 1);
  return Buffer.concat([folder, Buffer.from(`.fsquake-${randomBytes(8).toString('hex')}`)]);
}

function removeIfThere(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch {
    // It was put in place, or never made.
  }
}

/** Zeroes are there already. */
function writeData(descriptor: number, bytes: Uint8Array, offset: number): void {
  for (let at = 0; at < bytes.length; at += ZEROES.length) {
    const part = bytes.subarray(at, at + ZEROES.length);
    if (Buffer.compare(part, ZEROES.subarray(0, part.length)) !== 0) writeFully(descriptor, part, offset + at);
  }
}

/** The owner first: a change of it takes the set-user-id bit away. */
function setAttributes(path: Buffer, status: FileStatus): void {
  onHost(`mode and times of ${showName(path)} cannot be set`, () => {
    if (process.getuid?.() === 0) lchownSync(path, status.uid, status.gid);
    if (status.kind !== 'symlink') chmodSync(path, status.mode & 0o7777);
    lutimesSync(path, status.accessTime / 1e9, status.modifyTime / 1e9);
  });
}
