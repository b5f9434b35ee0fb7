import type { DiskImage } from '../record/image.ts';

/** What judges want to know of an image, read by a walker that shares no code with the engine. */
export interface ImageContents {
  /** All paths of the default subvolume, `/` excluded. */
  entries(): readonly ImageEntry[];
  /** The whole file, holes and preallocated space as zeroes; null when there is none or it cannot be read. */
  readFile(path: string): Uint8Array | null;
  /** Whether the data of a file has checksums; null when there is none. */
  hasChecksums(path: string): boolean | null;
  /** Where the data of a file has checksums that no copy meets: half-open, in file order. */
  damagedIn(path: string): readonly { readonly start: number; readonly end: number }[];
  /** File extent items of one inode in file order; null when the tree or the inode does not exist. */
  extentsOf(tree: number, inode: number): readonly ImageExtent[] | null;
  /** Chunks in ascending order of their logical address. */
  chunks(): readonly ImageChunk[];
}

export interface ImageEntry {
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'other';
  /** Equal for all names of one file; absent: not known. */
  readonly file?: string;
}

/** One file extent item, in bytes. */
export interface ImageExtent {
  readonly start: number;
  readonly length: number;
  readonly kind: 'regular' | 'prealloc' | 'inline' | 'hole';
  readonly isCompressed: boolean;
  /** Logical address of the on-disk extent and the offset into it; 0 of inline extents and holes. */
  readonly diskStart: number;
  readonly diskLength: number;
  readonly offset: number;
}

export interface ImageChunk {
  readonly logical: number;
  readonly length: number;
  readonly isData: boolean;
}

/** Null when the image cannot be walked: that is for the law `structure` to say, not for others. */
export type OpenContents = (images: readonly DiskImage[]) => ImageContents | null;

/**
 * Remembers the last images opened by their fingerprints, and the files read in them: executions of one workload start
 * from one image and often end in equal ones. Nobody may change what `readFile` returns.
 */
export function rememberingContents(open: OpenContents, rememberedMax = 16): OpenContents {
  const known = new Map<string, ImageContents | null>();
  return (images) => {
    if (images.length === 0) return null;
    const key = images.map((image) => image.fingerprint).join();
    const found = known.get(key);
    if (found !== undefined) return found;
    if (known.size >= rememberedMax) known.delete(known.keys().next().value!);
    const opened = open(images);
    const contents = opened === null ? null : rememberingFiles(opened);
    known.set(key, contents);
    return contents;
  };
}

function rememberingFiles(contents: ImageContents): ImageContents {
  const files = new Map<string, Uint8Array | null>();
  const damaged = new Map<string, ReturnType<ImageContents['damagedIn']>>();
  let entries: readonly ImageEntry[] | null = null;
  return {
    entries: () => (entries ??= contents.entries()),
    readFile: (path) => {
      let bytes = files.get(path);
      if (bytes === undefined) {
        bytes = contents.readFile(path);
        files.set(path, bytes);
      }
      return bytes;
    },
    hasChecksums: (path) => contents.hasChecksums(path),
    damagedIn: (path) => {
      let found = damaged.get(path);
      if (found === undefined) {
        found = contents.damagedIn(path);
        damaged.set(path, found);
      }
      return found;
    },
    extentsOf: (tree, inode) => contents.extentsOf(tree, inode),
    chunks: () => contents.chunks(),
  };
}

/**
 * Reads names as UTF-8 where the walker hands out one character per byte. Names that are no UTF-8 stay as they are.
 */
export function withUnicodePaths(contents: ImageContents): ImageContents {
  return {
    entries: () => contents.entries().map((entry) => ({ ...entry, path: toUnicode(entry.path) })),
    readFile: (path) => contents.readFile(toByteString(path)) ?? (isAscii(path) ? null : contents.readFile(path)),
    hasChecksums: (path) =>
      contents.hasChecksums(toByteString(path)) ?? (isAscii(path) ? null : contents.hasChecksums(path)),
    damagedIn: (path) =>
      contents.damagedIn(contents.hasChecksums(toByteString(path)) === null ? path : toByteString(path)),
    extentsOf: (tree, inode) => contents.extentsOf(tree, inode),
    chunks: () => contents.chunks(),
  };
}

function toUnicode(path: string): string {
  if (isAscii(path)) return path;
  const bytes = Buffer.from(path, 'latin1');
  const text = bytes.toString('utf8');
  return Buffer.compare(Buffer.from(text, 'utf8'), bytes) === 0 ? text : path;
}

function toByteString(path: string): string {
  return isAscii(path) ? path : Buffer.from(path, 'utf8').toString('latin1');
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}
