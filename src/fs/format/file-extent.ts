import { readU64, viewOf, writeU64 } from '../../base/bytes.ts';
import type { ByteCount, FileOffset, Generation, LogicalAddress } from '../../base/units.ts';
import { FormatError, needBytes } from './format-error.ts';

/** How the bytes of a file extent are stored. */
export const FILE_EXTENT_TYPE = { INLINE: 0, REGULAR: 1, PREALLOC: 2 } as const;
export const COMPRESSION = { NONE: 0, ZLIB: 1, LZO: 2, ZSTD: 3 } as const;

/** Bytes before the data of an inline extent. */
export const FILE_EXTENT_INLINE_HEAD_SIZE = 21;
/** Bytes of a regular or preallocated extent. */
export const FILE_EXTENT_SIZE = 53;

interface FileExtentHead {
  readonly generation: Generation;
  /** Bytes of the extent before compression. */
  readonly ramBytes: ByteCount;
  readonly compression: number;
  readonly encryption: number;
  readonly otherEncoding: number;
}

export interface InlineFileExtent extends FileExtentHead {
  readonly type: typeof FILE_EXTENT_TYPE.INLINE;
  readonly data: Uint8Array;
}

/** A run of a file inside an extent; `diskBytenr` 0 is a hole. */
export interface DiskFileExtent extends FileExtentHead {
  readonly type: typeof FILE_EXTENT_TYPE.REGULAR | typeof FILE_EXTENT_TYPE.PREALLOC;
  /** Where the whole extent begins, not this run of it. */
  readonly diskBytenr: LogicalAddress;
  readonly diskNumBytes: ByteCount;
  /** Where the run begins within the extent (before compression). */
  readonly offset: ByteCount;
  readonly numBytes: ByteCount;
}

/** EXTENT_DATA; its key is (inode, EXTENT_DATA, file offset). */
export type FileExtent = InlineFileExtent | DiskFileExtent;

/** Accessors in place; `at` is where the item's data begins. */
export function fileExtentGeneration(view: DataView, at: number): Generation {
  return readU64(view, at);
}

export function setFileExtentGeneration(view: DataView, at: number, generation: Generation): void {
  writeU64(view, at, generation);
}

export function fileExtentRamBytes(view: DataView, at: number): ByteCount {
  return readU64(view, at + 8);
}

export function setFileExtentRamBytes(view: DataView, at: number, bytes: ByteCount): void {
  writeU64(view, at + 8, bytes);
}

export function fileExtentCompression(view: DataView, at: number): number {
  return view.getUint8(at + 16);
}

export function setFileExtentCompression(view: DataView, at: number, compression: number): void {
  view.setUint8(at + 16, compression);
}

export function fileExtentType(view: DataView, at: number): number {
  return view.getUint8(at + 20);
}

export function setFileExtentType(view: DataView, at: number, type: number): void {
  view.setUint8(at + 20, type);
}

export function fileExtentDiskBytenr(view: DataView, at: number): LogicalAddress {
  return readU64(view, at + 21);
}

export function setFileExtentDiskBytenr(view: DataView, at: number, address: LogicalAddress): void {
  writeU64(view, at + 21, address);
}

export function fileExtentDiskNumBytes(view: DataView, at: number): ByteCount {
  return readU64(view, at + 29);
}

export function setFileExtentDiskNumBytes(view: DataView, at: number, bytes: ByteCount): void {
  writeU64(view, at + 29, bytes);
}

export function fileExtentOffset(view: DataView, at: number): FileOffset {
  return readU64(view, at + 37);
}

export function setFileExtentOffset(view: DataView, at: number, offset: FileOffset): void {
  writeU64(view, at + 37, offset);
}

export function fileExtentNumBytes(view: DataView, at: number): ByteCount {
  return readU64(view, at + 45);
}

export function setFileExtentNumBytes(view: DataView, at: number, bytes: ByteCount): void {
  writeU64(view, at + 45, bytes);
}

/** Throws FormatError for a wrong size or an unknown type. */
export function decodeFileExtent(bytes: Uint8Array): FileExtent {
  needBytes('file extent item', bytes.length, FILE_EXTENT_INLINE_HEAD_SIZE);
  const view = viewOf(bytes);
  const head = {
    generation: fileExtentGeneration(view, 0),
    ramBytes: fileExtentRamBytes(view, 0),
    compression: fileExtentCompression(view, 0),
    encryption: view.getUint8(17),
    otherEncoding: view.getUint16(18, true),
  };
  const type = fileExtentType(view, 0);
  if (type === FILE_EXTENT_TYPE.INLINE) return { ...head, type, data: bytes.slice(FILE_EXTENT_INLINE_HEAD_SIZE) };
  if (type !== FILE_EXTENT_TYPE.REGULAR && type !== FILE_EXTENT_TYPE.PREALLOC) {
    throw new FormatError('file extent item', `has type ${type}, expect [0, 2]`);
  }
  if (bytes.length !== FILE_EXTENT_SIZE) {
    throw new FormatError('file extent item', `has ${bytes.length} bytes, expect ${FILE_EXTENT_SIZE}`);
  }
  return {
    ...head,
    type,
    diskBytenr: fileExtentDiskBytenr(view, 0),
    diskNumBytes: fileExtentDiskNumBytes(view, 0),
    offset: fileExtentOffset(view, 0),
    numBytes: fileExtentNumBytes(view, 0),
  };
}

export function encodeFileExtent(extent: FileExtent): Uint8Array {
  const isInline = extent.type === FILE_EXTENT_TYPE.INLINE;
  const bytes = new Uint8Array(isInline ? FILE_EXTENT_INLINE_HEAD_SIZE + extent.data.length : FILE_EXTENT_SIZE);
  const view = viewOf(bytes);
  writeHead(view, extent);
  setFileExtentType(view, 0, extent.type);
  if (isInline) {
    bytes.set(extent.data, FILE_EXTENT_INLINE_HEAD_SIZE);
    return bytes;
  }
  setFileExtentDiskBytenr(view, 0, extent.diskBytenr);
  setFileExtentDiskNumBytes(view, 0, extent.diskNumBytes);
  setFileExtentOffset(view, 0, extent.offset);
  setFileExtentNumBytes(view, 0, extent.numBytes);
  return bytes;
}

function writeHead(view: DataView, head: FileExtentHead): void {
  setFileExtentGeneration(view, 0, head.generation);
  setFileExtentRamBytes(view, 0, head.ramBytes);
  view.setUint8(16, head.compression);
  view.setUint8(17, head.encryption);
  view.setUint16(18, head.otherEncoding, true);
}
