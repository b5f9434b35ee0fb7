import { createHash } from 'node:crypto';
import { FsError } from '../../fs/errors.ts';
import type { MountedFilesystem } from '../../fs/filesystem.ts';
import { read, seek, stat } from '../../fs/syscalls.ts';
import { BlockTable } from '../../record/block-table.ts';
import type { Task } from '../../task/task.ts';
import { openImageFiles } from './image-file.ts';
import type { ImagePath } from './image-path.ts';
import { ImageUnusable, isFaultOfImage, type SessionOptions, workOnDisks } from './image-session.ts';
import { type Listing, listImage } from './list-image.ts';

/** Which files of the host hold the file system, and how it is mounted. */
export interface ImageSource {
  /** The devices of one file system. */
  readonly images: readonly string[];
  /** Although devices are missing. */
  readonly degraded: boolean;
  /** Where paths start: an id, or a path from the top-level subvolume; by default where the image's default is. */
  readonly subvolume?: number | Uint8Array;
  /** Takes what its user should know about the image. */
  readonly onNote?: (note: string) => void;
}

/** How the sessions that one command needs mount its image. */
export function sessionOf(
  { images, degraded, subvolume, onNote }: ImageSource,
  { readOnly }: { readonly readOnly: boolean },
): SessionOptions {
  return {
    name: images.join(' '),
    readOnly,
    degraded,
    ...(subvolume === undefined ? {} : { subvolume }),
    ...(onNote === undefined ? {} : { onNote }),
  };
}

const PIECE = 2 ** 20;
/** What is read between a mount and an unmount. */
const PART = 16 * PIECE;

/** Mounts image files for reading only: they are never changed. Throws `NoImage`, `ImageUnusable`. */
export function workOnImages(source: ImageSource, work: (fs: MountedFilesystem) => Task<void>): void {
  const disks = openImageFiles(source.images).map((image) => BlockTable.over(image));
  workOnDisks(disks, sessionOf(source, { readOnly: true }), work);
}

/** What `fsquake ls` prints. Throws `ImageUnusable` where the path leads nowhere. */
export function listFiles(source: ImageSource, place: ImagePath, recursive: boolean): Listing[] {
  let listings: Listing[] = [];
  workOnImages(source, function* list(fs) {
    try {
      listings = yield* listImage(fs, place.path, recursive);
    } catch (error) {
      throw unreadable(place, error);
    }
  });
  return listings;
}

/** Throws `ImageUnusable` for one that is not there, or is no file. */
export function checkFile(source: ImageSource, place: ImagePath): void {
  workOnImages(source, function* look(fs) {
    try {
      const { kind } = yield* stat(fs, place.path);
      if (kind === 'file') return;
      throw new ImageUnusable(`${place.text} is no file, but a ${KIND_WORDS[kind]}`, false);
    } catch (error) {
      throw unreadable(place, error);
    }
  });
}

const KIND_WORDS = {
  directory: 'directory',
  symlink: 'symbolic link',
  fifo: 'fifo',
  socket: 'socket',
  character: 'character device',
  block: 'block device',
} as const;

/**
 * The bytes of a file in parts, so that whoever takes them need not hold all at once; symbolic links are followed.
 * Throws `ImageUnusable`.
 */
export function* readFile(source: ImageSource, place: ImagePath): Generator<Uint8Array> {
  const disks = openImageFiles(source.images).map((image) => BlockTable.over(image));
  const options = sessionOf(source, { readOnly: true });
  let size = 0;
  for (let offset = 0; offset === 0 || offset < size; offset += PART) {
    let part: Uint8Array = new Uint8Array(0);
    workOnDisks(disks, options, function* readPart(fs) {
      try {
        size = (yield* stat(fs, place.path)).size;
        part = new Uint8Array(yield* read(fs, place.path, offset, PART));
      } catch (error) {
        throw unreadable(place, error);
      }
    });
    yield part;
  }
}

/** A file as one JSON document has it. */
export interface WholeFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
  readonly base64: string;
}

export function readWholeFile(source: ImageSource, place: ImagePath): WholeFile {
  const bytes = Buffer.concat([...readFile(source, place)]);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { path: place.text, size: bytes.length, sha256, base64: bytes.toString('base64') };
}

/**
 * The next run of data of a file from `offset` on; null where nothing but a hole follows. Preallocated space counts as
 * a hole. Throws FsError.
 */
export function* nextDataRange(
  fs: MountedFilesystem,
  path: Uint8Array,
  offset: number,
): Task<{ readonly start: number; readonly end: number } | null> {
  try {
    const start = yield* seek(fs, path, offset, 'data');
    return { start, end: yield* seek(fs, path, start, 'hole') };
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENXIO') return null;
    throw error;
  }
}

/** What the file system said no to, as an error about the image. */
export function unreadable(place: ImagePath, error: unknown): unknown {
  if (!(error instanceof FsError)) return error;
  return new ImageUnusable(`${place.text}: ${error.message}`, isFaultOfImage(error));
}
