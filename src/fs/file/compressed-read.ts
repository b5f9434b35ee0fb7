import { sameBytes } from '../../base/bytes.ts';
import { type FileOffset, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { COMPRESSED_UNIT, decompressData } from '../format/compression.ts';
import { readVerified } from './data-checksum.ts';
import type { ExtentMap } from './extent-map.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';

/** Where a sector of a file lies in a compressed extent: a copy, for those who let go of the map. */
export interface CompressedPlace {
  readonly logical: number;
  readonly diskLength: number;
  readonly ramBytes: number;
  readonly compression: number;
  /** Of the sector, in the data before compression. */
  readonly offset: number;
}

/** By a map that covers the sector at `start`. */
export function compressedPlace(map: ExtentMap, start: FileOffset): CompressedPlace {
  return {
    logical: map.blockStart,
    diskLength: map.blockLength,
    ramBytes: map.ramBytes,
    compression: map.compression,
    offset: map.diskOffset + (start - map.start),
  };
}

/** Reads the whole extent, checks it, and decompresses the sector. Throws EIO, EUCLEAN for what is no such extent. */
export function* readCompressed(files: Files, inode: Inode, place: CompressedPlace): Task<Uint8Array> {
  const { logical, diskLength, ramBytes, compression, offset } = place;
  if (diskLength > COMPRESSED_UNIT || ramBytes > COMPRESSED_UNIT || offset < 0 || offset >= ramBytes) {
    const extent = `${diskLength} bytes at ${logical}, ${ramBytes} before compression`;
    throw new FsError('EUCLEAN', `inode ${inode.number} has no compressed sector ${offset} in an extent of ${extent}`);
  }
  const packed = yield* readVerified(files, inode, logical, diskLength);
  const bytes = decompressOnce(compression, packed, ramBytes);
  if (bytes !== null) return bytes.subarray(offset, offset + SECTOR_SIZE);
  throw new FsError('EIO', `compressed data of inode ${inode.number} at logical ${logical} is damaged`);
}

/** What was decompressed last. Sectors of an extent are mostly read one after the other, and each needs all of it. */
let last: Decompressed = { compression: -1, packed: new Uint8Array(0), ramBytes: 0, bytes: null };

interface Decompressed {
  readonly compression: number;
  readonly packed: Uint8Array;
  readonly ramBytes: number;
  readonly bytes: Uint8Array | null;
}

/** `decompressData`, remembered by its arguments: so what it gives depends on nothing else. */
function decompressOnce(compression: number, packed: Uint8Array, ramBytes: number): Uint8Array | null {
  const isSame = last.compression === compression && last.ramBytes === ramBytes && sameBytes(last.packed, packed);
  if (!isSame) last = { compression, packed, ramBytes, bytes: decompressData(compression, packed, ramBytes, false) };
  return last.bytes;
}
