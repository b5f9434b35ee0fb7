import { randomBytes } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { showName } from '../../base/show-name.ts';
import { FsError } from '../../fs/errors.ts';
import type { MountedFilesystem } from '../../fs/filesystem.ts';
import { dropCaches, type FileStatus, read, readdir, readlink, stat } from '../../fs/syscalls.ts';
import type { Task } from '../../task/task.ts';
import type { CopiedOut } from './copy-from-image.ts';
import { imageKeys, whyNotReplaced } from './copy-target.ts';
import { setHostAttributes } from './host-attributes.ts';
import { HostFailure, onHost } from './host-failure.ts';
import { isFolder, writeFully } from './host-files.ts';
import { joinPath } from './image-path.ts';
import { xattrsInImage } from './image-xattrs.ts';
import { LinuxCalls } from './linux-calls.ts';
import { directoryKey } from './list-image.ts';
import { NotCarried } from './not-carried.ts';
import { nextDataRange } from './read-image.ts';

/** Does a part of the copy and puts what is to come next on the list. */
type Step = (fs: MountedFilesystem) => Task<void>;

interface Place {
  readonly from: Uint8Array;
  readonly to: Buffer;
  readonly status: FileStatus;
}

/** A regular file on its way. */
interface Writing extends Place {
  readonly temporary: Buffer;
  readonly descriptor: number;
}

const PIECE = 2 ** 20;
/** After so many bytes or files, what is cached of them is forgotten. */
const CACHED_BYTES_MAX = 64 * PIECE;
const FILE_WEIGHT = 16384;

/** A copy out of an image in steps, between which the image may be unmounted. A file appears when it is whole. */
export class CopyOut {
  private files = 0;
  private bytes = 0;
  private cachedBytes = 0;
  private readonly problems: string[] = [];
  private readonly notCarried = new NotCarried();
  private readonly images: ReadonlySet<string>;
  /** The next one last. */
  private readonly steps: Step[] = [];
  private writing: Writing | null = null;
  /** Where the first name of a file with several went. */
  private readonly linked = new Map<string, Buffer>();
  private readonly entered = new Set<string>();

  constructor(images: readonly string[]) {
    this.images = imageKeys(images);
  }

  get isDone(): boolean {
    return this.steps.length === 0;
  }

  outcome(): CopiedOut {
    const { files, bytes, problems } = this;
    return { files, bytes, problems, notes: this.notCarried.lines() };
  }

  /** `followFolder`: the folder that the user named may be reached by a symbolic link; none below it. */
  begin(from: Uint8Array, status: FileStatus, to: Buffer, options: { readonly followFolder: boolean }): void {
    const place = { from, to, status };
    this.add(from, (fs) =>
      status.kind === 'directory' ? this.enter(fs, place, options.followFolder) : this.beginFile(fs, place),
    );
  }

  *goOn(fs: MountedFilesystem, hasTime: () => boolean): Task<void> {
    do {
      const step = this.steps.pop();
      if (step === undefined) return;
      yield* step(fs);
      if (this.cachedBytes < CACHED_BYTES_MAX) continue;
      this.cachedBytes = 0;
      yield* dropCaches(fs);
    } while (hasTime());
  }

  /** Leaves nothing half written. */
  close(): void {
    if (this.writing !== null) this.drop(this.writing);
  }

  /** Problems are noted, and everything else goes on. */
  private add(from: Uint8Array, step: Step): void {
    this.steps.push(
      function* attempt(this: CopyOut, fs: MountedFilesystem): Task<void> {
        try {
          yield* step(fs);
        } catch (error) {
          if (!(error instanceof FsError || error instanceof HostFailure)) throw error;
          this.problems.push(`${showName(from)}: ${error.message}`);
          this.close();
        }
      }.bind(this),
    );
  }

  private *enter(fs: MountedFilesystem, place: Place, followFolder: boolean): Task<void> {
    const { from, to, status } = place;
    const key = directoryKey(status);
    // Damage may make a directory its own ancestor.
    if (key !== null && this.entered.has(key)) throw new HostFailure('the directory is inside itself');
    if (key !== null) this.entered.add(key);
    const isThere = followFolder ? isFolder(to) : lstatSync(to, { throwIfNoEntry: false })?.isDirectory() === true;
    if (!isThere) onHost(`the folder ${showName(to)} cannot be made`, () => mkdirSync(to, { mode: 0o700 }));
    this.files += 1;
    this.add(from, (now) => this.leave(now, place));
    const names = yield* readdir(fs, from);
    for (const name of [...names].sort(Buffer.compare).reverse()) {
      const path = joinPath(from, name);
      this.add(path, (now) => this.beginAt(now, path, name, to));
    }
  }

  private *leave(fs: MountedFilesystem, { from, to, status }: Place): Task<void> {
    setHostAttributes(to, status, yield* xattrsInImage(fs, from), this.notCarried);
  }

  private *beginAt(fs: MountedFilesystem, from: Uint8Array, name: Uint8Array, folder: Buffer): Task<void> {
    // Damage can make a name that leads out of the folder.
    if (['', '.', '..'].includes(Buffer.from(name).toString('latin1')) || name.includes(0x2f) || name.includes(0)) {
      throw new HostFailure('no file can have this name');
    }
    const status = yield* stat(fs, from, { follow: false });
    this.begin(from, status, Buffer.from(joinPath(folder, name)), { followFolder: false });
  }

  private *beginFile(fs: MountedFilesystem, place: Place): Task<void> {
    const { from, to, status } = place;
    const there = lstatSync(to, { throwIfNoEntry: false });
    const [problem] = there === undefined ? [] : whyNotReplaced(to, there, this.images);
    if (problem !== undefined) throw new HostFailure(problem);
    if (status.size > Number.MAX_SAFE_INTEGER) throw new HostFailure('it is larger than what is copied, 2^53 bytes');
    const temporary = besides(to);
    const first = this.linked.get(linkKey(status));
    try {
      if (first !== undefined) onHost(`${showName(to)} cannot be linked`, () => linkSync(first, temporary));
      else if (status.kind === 'symlink') yield* makeSymlink(fs, place, temporary);
      else if (status.kind !== 'file') makeNode(status, temporary);
      else {
        this.beginData(place, temporary);
        return;
      }
      if (first === undefined) {
        setHostAttributes(temporary, status, yield* xattrsInImage(fs, from), this.notCarried);
      }
      this.putInPlace(place, temporary);
    } catch (error) {
      removeIfThere(temporary);
      throw error;
    }
  }

  private beginData(place: Place, temporary: Buffer): void {
    const { from, to, status } = place;
    const what = `${showName(to)} cannot be written`;
    const descriptor = onHost(what, () => openSync(temporary, 'wx', 0o600));
    const writing = { ...place, temporary, descriptor };
    this.writing = writing;
    onHost(what, () => ftruncateSync(descriptor, status.size));
    this.add(from, (fs) => this.copyData(fs, writing, 0, 0));
  }

  /** Holes are there already. `end`: of the run of data that `offset` is in. */
  private *copyData(fs: MountedFilesystem, writing: Writing, offset: number, end: number): Task<void> {
    const { from, to, status, descriptor } = writing;
    const known = offset < end ? { start: offset, end } : null;
    const range = known ?? (offset < status.size ? yield* nextDataRange(fs, from, offset) : null);
    if (range === null) {
      yield* this.endData(fs, writing);
      return;
    }
    const bytes = yield* read(fs, from, range.start, Math.min(PIECE, range.end - range.start));
    onHost(`${showName(to)} cannot be written`, () => writeFully(descriptor, bytes, range.start));
    this.cachedBytes += bytes.length;
    const next = bytes.length === 0 ? status.size : range.start + bytes.length;
    this.add(from, (now) => this.copyData(now, writing, next, range.end));
  }

  private *endData(fs: MountedFilesystem, writing: Writing): Task<void> {
    const { from, temporary, descriptor, status } = writing;
    const xattrs = yield* xattrsInImage(fs, from);
    setHostAttributes(temporary, status, xattrs, this.notCarried);
    this.writing = null;
    try {
      closeSync(descriptor);
      this.putInPlace(writing, temporary);
    } catch (error) {
      removeIfThere(temporary);
      throw error;
    }
    this.bytes += status.size;
  }

  private putInPlace({ to, status }: Place, temporary: Buffer): void {
    onHost(`${showName(to)} cannot be put in place`, () => renameSync(temporary, to));
    // A rename of one name of a file onto another of it does nothing.
    removeIfThere(temporary);
    if (status.links > 1) this.linked.set(linkKey(status), to);
    this.files += 1;
    this.cachedBytes += FILE_WEIGHT;
  }

  private drop({ descriptor, temporary }: Writing): void {
    this.writing = null;
    closeSync(descriptor);
    removeIfThere(temporary);
  }
}

function linkKey({ subvolume, inode }: FileStatus): string {
  return `${subvolume}/${inode}`;
}

function* makeSymlink(fs: MountedFilesystem, { from, to }: Place, temporary: Buffer): Task<void> {
  const target = yield* readlink(fs, from);
  onHost(`${showName(to)} cannot be made`, () => symlinkSync(Buffer.from(target), temporary));
}

function makeNode({ kind, mode, device }: FileStatus, temporary: Buffer): void {
  const linux = LinuxCalls.load();
  if (typeof linux === 'string') throw new HostFailure(`a special file (${kind}) cannot be made here: ${linux}`);
  linux.makeNode(temporary, mode, device);
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
