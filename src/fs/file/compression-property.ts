import { sameBytes } from '../../base/bytes.ts';
import { FsError } from '../errors.ts';
import { encodeName } from '../format/directory.ts';
import { INODE_FLAG } from '../format/inode.ts';
import type { Inode } from './inode.ts';
import { showName } from './path.ts';

/** The only property that btrfs keeps in an attribute. */
export const COMPRESSION_PROPERTY = encodeName('btrfs.compression');

const ALGORITHMS = ['zlib', 'lzo', 'zstd'] as const;
export type CompressionAlgorithm = (typeof ALGORITHMS)[number];

/** What compresses the data of a file by its property, or null for none. A level may follow the name. */
export function algorithmOf(value: Uint8Array): CompressionAlgorithm | null {
  for (const name of ALGORITHMS) if (sameBytes(value.subarray(0, name.length), encodeName(name))) return name;
  return null;
}

function saysNo(value: Uint8Array): boolean {
  return sameBytes(value, encodeName('no')) || sameBytes(value, encodeName('none'));
}

/**
 * `value`: null to remove it. Throws EINVAL for another property, for a value that is none, and for one of a file whose
 * data is not copied on write.
 */
export function checkCompressionProperty(inode: Inode, name: Uint8Array, value: Uint8Array | null): void {
  if (!sameBytes(name, COMPRESSION_PROPERTY)) throw new FsError('EINVAL', `${showName(name)} is no property`);
  if (value === null || value.length === 0) return;
  if ((inode.flags & (INODE_FLAG.NODATACOW | INODE_FLAG.NODATASUM)) !== 0) {
    throw new FsError('EINVAL', `inode ${inode.number} cannot be compressed: its data has no checksums`);
  }
  if (algorithmOf(value) !== null || saysNo(value)) return;
  throw new FsError('EINVAL', `${showName(value)} is no way to compress`);
}

/** The flags of an inode with this value of the property; empty when it has none. */
export function compressionFlags(flags: number, value: Uint8Array): number {
  const rest = flags & ~(INODE_FLAG.COMPRESS | INODE_FLAG.NOCOMPRESS);
  if (algorithmOf(value) !== null) return rest | INODE_FLAG.COMPRESS;
  return saysNo(value) ? rest | INODE_FLAG.NOCOMPRESS : rest;
}
