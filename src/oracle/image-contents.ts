import type { DiskImage } from '../record/image.ts';

/** What judges want to know of an image, read by a walker that shares no code with the engine. */
export interface ImageContents {
  /** All paths of the default subvolume, `/` excluded. */
  entries(): readonly ImageEntry[];
  /** The whole file, holes and preallocated space as zeroes; null when there is none or it cannot be read. */
  readFile(path: string): Uint8Array | null;
  /** File extent items of one inode in file order; null when the tree or the inode does not exist. */
  extentsOf(tree: number, inode: number): readonly ImageExtent[] | null;
  /** Chunks in ascending order of their logical address. */
  chunks(): readonly ImageChunk[];
}

export interface ImageEntry {
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'other';
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
 * Remembers the last images opened by their fingerprints: executions of one workload start from one image and often
 * end in equal ones.
 */
export function rememberingContents(open: OpenContents, rememberedMax = 32): OpenContents {
  const known = new Map<string, ImageContents | null>();
  return (images) => {
    if (images.length === 0) return null;
    const key = images.map((image) => image.fingerprint).join();
    const found = known.get(key);
    if (found !== undefined) return found;
    if (known.size >= rememberedMax) known.delete(known.keys().next().value!);
    const contents = open(images);
    known.set(key, contents);
    return contents;
  };
}
