import type { FileOffset } from '../../base/units.ts';
import { alignUp, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { COMPRESSED_UNIT, type CompressionName, compressData, compressionOf } from '../format/compression.ts';
import { INODE_FLAG } from '../format/inode.ts';
import { looksCompressible } from './compression-heuristic.ts';
import { algorithmOf, COMPRESSION_PROPERTY } from './compression-property.ts';
import type { Files } from './files.ts';
import type { InlineForm } from './inline-extent.ts';
import type { Inode } from './inode.ts';
import { PAGE_SIZE } from './page-cache.ts';
import { findXattr } from './xattr-items.ts';

/**
 * Which dirty pages are compressed, as Linux 6.18 decides: never what may be written in place or has no checksums, 128
 * KiB at a time, only where it frees a sector; a file that did not get smaller is marked and left alone from then on.
 */

const PAGES_PER_UNIT = COMPRESSED_UNIT / PAGE_SIZE;
/** When a part of so many pages cannot be compressed, the rest of them is not tried. */
const PAGES_PER_CHUNK = 128;

/** Dirty pages, compressed. */
export interface PackedPages {
  /** The page behind them. */
  readonly end: number;
  readonly compression: number;
  readonly bytes: Uint8Array;
  /** The bytes of the file that went into it. */
  readonly plainLength: number;
  /** It frees a sector at least; otherwise it is of use only inside an item. */
  readonly savesSpace: boolean;
}

/** How a file's data is to be compressed. */
export interface CompressionWish {
  readonly compression: number;
  /** By the mount: tried whatever the data looks like. */
  readonly isForced: boolean;
  /** A file that does not get smaller is not tried again. */
  readonly mayGiveUp: boolean;
}

/** Null: not at all, also when what the file asks for cannot be read. */
export function* compressionWish(files: Files, inode: Inode): Task<CompressionWish | null> {
  if (inode.mayWriteInPlace || !inode.hasChecksums) return null;
  const { compress, compressForce } = files.fs;
  const isForced = compressForce && compress !== null;
  const asksItself = (inode.flags & INODE_FLAG.COMPRESS) !== 0;
  if (!isForced && (inode.flags & INODE_FLAG.NOCOMPRESS) !== 0) return null;
  if (compress === null && !asksItself) return null;
  let property: Uint8Array | null = null;
  try {
    if (asksItself) property = yield* findXattr(files, inode, COMPRESSION_PROPERTY);
  } catch (error) {
    if (error instanceof FsError) return null;
    throw error;
  }
  const algorithm = (property === null ? null : algorithmOf(property)) ?? compress ?? DEFAULT;
  // Linux could go on in LZO; here it is only read.
  if (algorithm === 'lzo') return null;
  return { compression: compressionOf(algorithm), isForced, mayGiveUp: !isForced && property === null };
}

/** Of a file with the flag alone, on a mount that does not say. */
const DEFAULT: CompressionName = 'zlib';

/** As much of a run of dirty pages as one extent takes, compressed; null where it stays as it is. Plain. */
export function packPages(inode: Inode, wish: CompressionWish, first: number, end: number): PackedPages | null {
  const { compression, isForced } = wish;
  const start = first * PAGE_SIZE;
  const plainLength = Math.min(inode.size, end * PAGE_SIZE, start + COMPRESSED_UNIT) - start;
  if (plainLength <= 0) return null;
  // One sector takes one sector, unless it is all of a file, whose item may hold it.
  if (plainLength <= SECTOR_SIZE && (start > 0 || end * PAGE_SIZE < inode.diskSize)) return null;
  const unitEnd = first + Math.ceil(plainLength / PAGE_SIZE);
  const pages = bytesOf(inode, first, Math.min(end, first + PAGES_PER_UNIT));
  if (!isForced && !looksCompressible(pages)) return null;
  const packed = compressData(compression, pages.subarray(0, plainLength));
  if (packed === null) {
    markIncompressible(inode, wish);
    return null;
  }
  const diskLength = alignUp(packed.length, SECTOR_SIZE);
  const savesSpace = diskLength + SECTOR_SIZE <= alignUp(plainLength, SECTOR_SIZE);
  return { end: unitEnd, compression, bytes: packed, plainLength, savesSpace };
}

/** How far a run is written as it is once its front could not be compressed. */
export function endOfUnpacked(wish: CompressionWish | null, first: number, end: number): number {
  return wish === null ? end : Math.min(end, first + PAGES_PER_CHUNK);
}

/** The file's first page as compressed inline data, if it is the whole file and small enough. */
export function packedForm(files: Files, inode: Inode, packed: PackedPages): InlineForm | null {
  const { size } = inode;
  const { bytes, plainLength, compression } = packed;
  if (size !== plainLength || size > SECTOR_SIZE) return null;
  if (bytes.length >= SECTOR_SIZE || bytes.length > files.fs.maxInline) return null;
  return { bytes, ramBytes: size, compression };
}

/** It will not be tried again, unless by force; what the file itself asks for is not taken back. */
export function markIncompressible(inode: Inode, { mayGiveUp }: CompressionWish): void {
  if (mayGiveUp) inode.setFlags(inode.flags | INODE_FLAG.NOCOMPRESS);
}

function bytesOf(inode: Inode, first: number, end: number): Uint8Array {
  const bytes = new Uint8Array((end - first) * PAGE_SIZE);
  for (const page of inode.pages.within(first, end)) bytes.set(page.bytes, offsetOf(page.index - first));
  return bytes;
}

function offsetOf(pages: number): FileOffset {
  return pages * PAGE_SIZE;
}
