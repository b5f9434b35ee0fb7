import { createHash } from 'node:crypto';
import { FsError } from '../../fs/errors.ts';
import type { MountedFilesystem } from '../../fs/filesystem.ts';
import { dropCaches, read, stat } from '../../fs/syscalls.ts';
import { BlockTable } from '../../record/block-table.ts';
import type { Task } from '../../task/task.ts';
import { openImageFiles } from './image-file.ts';
import type { ImagePath } from './image-path.ts';
import { ImageUnusable, isFaultOfImage, workOnDisks } from './image-session.ts';
import { type Listing, listImage } from './list-image.ts';

/** Which files of the host hold the file system, and how it is mounted. */
export interface ImageSource {
  /** The devices of one file system. */
  readonly images: readonly string[];
  /** Although devices are missing. */
  readonly degraded: boolean;
}

const PIECE = 2 ** 20;
/** What is read between a mount and an unmount. */
const PART = 16 * PIECE;
/** After this many bytes what is cached of them is forgotten. */
const CACHED_BYTES_MAX = 64 * PIECE;

/** Mounts image files for reading only: they are never changed. Throws `NoImage`, `ImageUnusable`. */
export function workOnImages({ images, degraded }: ImageSource, work: (fs: MountedFilesystem) => Task<void>): void {
  const disks = openImageFiles(images).map((image) => BlockTable.over(image));
  workOnDisks(disks, { readOnly: true, degraded }, work);
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

/**
 * The bytes of a file in parts, so that whoever takes them need not hold all at once; symbolic links are followed.
 * Throws `ImageUnusable`.
 */
export function* readFile(source: ImageSource, place: ImagePath): Generator<Uint8Array> {
  const disks = openImageFiles(source.images).map((image) => BlockTable.over(image));
  const options = { readOnly: true, degraded: source.degraded };
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

/** Reads a file from its start to its end; a piece is not to be kept. Throws FsError. */
export function* readPieces(
  fs: MountedFilesystem,
  path: Uint8Array,
  take: (bytes: Uint8Array, offset: number) => Task<void>,
): Task<void> {
  const { size } = yield* stat(fs, path);
  for (let offset = 0; offset === 0 || offset < size; offset += PIECE) {
    const bytes = yield* read(fs, path, offset, PIECE);
    yield* take(bytes, offset);
    if ((offset + PIECE) % CACHED_BYTES_MAX === 0) yield* dropCaches(fs);
  }
}

/** What the file system said no to, as an error about the image. */
export function unreadable(place: ImagePath, error: unknown): unknown {
  if (!(error instanceof FsError)) return error;
  return new ImageUnusable(`${place.text}: ${error.message}`, isFaultOfImage(error));
}
