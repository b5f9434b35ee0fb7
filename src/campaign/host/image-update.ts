import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { BlockTable } from '../../record/block-table.ts';
import { onHost } from './host-failure.ts';
import { dataRangesOf, readFully, writeFully } from './host-files.ts';
import { NoImage, openImageFile } from './image-file.ts';

const PIECE = 2 ** 20;
/** After so many bytes a signal can come through. */
const BREATH = 64 * PIECE;
/** What is left out as a whole when it is zero. */
const HOLE_UNIT = 65536;
const ZEROES = new Uint8Array(HOLE_UNIT);

/**
 * New content for image files, put together in temporary files beside them. The images change all at the end, by a
 * rename each, or not at all. Throws `NoImage` for what cannot be replaced by a file, `HostFailure`.
 */
export class ImageUpdate {
  private readonly files: readonly { readonly path: string; readonly temporary: string; isMade: boolean }[];

  /** The images need not exist. */
  constructor(paths: readonly string[]) {
    this.files = paths.map((path) => {
      const real = realPathOf(path);
      const temporary = join(dirname(real), `.fsquake-${randomBytes(8).toString('hex')}`);
      return { path: real, temporary, isMade: false };
    });
  }

  /** Starts from nothing: sparse files of these sizes. */
  startEmpty(sizes: readonly number[]): void {
    for (const [index, file] of this.files.entries()) {
      onHost(`${file.path} cannot be made`, () => {
        const descriptor = this.make(file);
        try {
          ftruncateSync(descriptor, sizes[index]!);
        } finally {
          closeSync(descriptor);
        }
      });
    }
  }

  /** Starts from what the images hold now. Throws what `breathe` throws to stop it. */
  async startFromImages(breathe: () => Promise<void>): Promise<void> {
    for (const file of this.files) {
      const what = `${file.path} cannot be copied, to be changed`;
      if (onHost(what, () => sharesContent(file.path, file.temporary))) file.isMade = true;
      else {
        const target = onHost(what, () => this.make(file));
        const pieces = contentOf(file.path, target);
        try {
          while (onHost(what, () => pieces.next()).done !== true) await breathe();
        } finally {
          pieces.return(undefined);
          closeSync(target);
        }
      }
      onHost(what, () => copyOwnership(file.path, file.temporary));
    }
  }

  /** The new content so far. */
  disks(): BlockTable[] {
    return this.files.map(({ temporary }) => BlockTable.over(openImageFile(temporary)));
  }

  /** Writes to the temporary files. */
  write(device: number, changes: Iterable<{ readonly offset: number; readonly bytes: Uint8Array }>): void {
    const { path, temporary } = this.files[device]!;
    onHost(`the new ${path} cannot be written`, () => {
      const descriptor = openSync(temporary, 'r+');
      try {
        for (const { offset, bytes } of changes) writeFully(descriptor, bytes, offset);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  /** From here on the images are the new ones. */
  commit(): void {
    onHost('the new images cannot be put in place', () => {
      for (const { temporary } of this.files) syncPath(temporary);
      for (const file of this.files) {
        renameSync(file.temporary, file.path);
        file.isMade = false;
      }
      for (const folder of new Set(this.files.map(({ path }) => dirname(path)))) syncPath(folder);
    });
  }

  /** Removes what was not committed. */
  discard(): void {
    for (const { temporary, isMade } of this.files) if (isMade) rmSync(temporary, { force: true });
  }

  private make(file: { readonly temporary: string; isMade: boolean }): number {
    const descriptor = openSync(file.temporary, 'wx+');
    file.isMade = true;
    return descriptor;
  }
}

function realPathOf(path: string): string {
  if (path.endsWith('.gz')) throw new NoImage(`${path} is packed: unpack it, to change it`);
  let real = path;
  try {
    real = realpathSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new NoImage(`${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
    return path;
  }
  if (!statSync(real).isFile()) {
    throw new NoImage(`${path} is no plain file: images are changed by putting a new file in their place`);
  }
  return real;
}

/** Where the host's file system can, a copy takes no room and no time. */
function sharesContent(from: string, to: string): boolean {
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return true;
  } catch {
    // Most file systems cannot; what was begun is gone again.
    return false;
  }
}

/** Copies without holes and zeroes, piece by piece. */
function* contentOf(from: string, target: number): Generator<void> {
  const source = openSync(from, 'r');
  try {
    const { size } = fstatSync(source);
    ftruncateSync(target, size);
    const piece = new Uint8Array(PIECE);
    let copied = 0;
    for (const { start, end } of dataRangesOf(Buffer.from(from), size)) {
      for (let offset = start; offset < end; offset += PIECE) {
        const count = readFully(source, piece.subarray(0, Math.min(PIECE, end - offset)), offset);
        writeData(target, piece.subarray(0, count), offset);
        copied += count;
        if (copied < BREATH) continue;
        copied = 0;
        yield;
      }
    }
  } finally {
    closeSync(source);
  }
}

/** Zeroes are there already. */
function writeData(target: number, bytes: Uint8Array, offset: number): void {
  for (let at = 0; at < bytes.length; at += HOLE_UNIT) {
    const part = bytes.subarray(at, at + HOLE_UNIT);
    if (Buffer.compare(part, ZEROES.subarray(0, part.length)) !== 0) writeFully(target, part, offset + at);
  }
}

function copyOwnership(from: string, to: string): void {
  const { mode, uid, gid } = statSync(from);
  chmodSync(to, mode & 0o7777);
  try {
    chownSync(to, uid, gid);
  } catch {
    // Only root may; then the file belongs to whoever changed it.
  }
}

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
