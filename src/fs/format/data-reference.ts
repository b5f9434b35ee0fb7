import { viewOf, writeU64 } from '../../base/bytes.ts';
import { rawCrc32c } from '../../base/crc32c.ts';
import type { FileOffset, InodeNumber, TreeId } from '../../base/units.ts';
import { Layout, u32, u64, type ValueOf } from './layout.ts';

/** Who uses a data extent: an inode of a tree. `offset` is file offset − extent offset and may be negative. */
export interface DataReference {
  readonly root: TreeId;
  readonly objectid: InodeNumber;
  readonly offset: FileOffset;
}

/** The 64 bits of a data reference's hash in two unsigned words. */
export interface HashWords {
  readonly high: number;
  readonly low: number;
}

/** A data reference as an item of its own: (logical, EXTENT_DATA_REF, hash), 28 bytes. */
export const DATA_REFERENCE_ITEM = new Layout('extent data ref', 28, {
  root: u64(0),
  objectid: u64(8),
  offset: u64(16),
  count: u32(24),
});
export type DataReferenceItem = ValueOf<typeof DATA_REFERENCE_ITEM>;

/** A shared data reference as an item of its own: (logical, SHARED_DATA_REF, parent), 4 bytes. */
export const SHARED_DATA_REFERENCE_ITEM = new Layout('shared data ref', 4, { count: u32(0) });

const SEED = 0xffffffff;
const scratch = new Uint8Array(16);
const scratchView = viewOf(scratch);
const scratchHead = scratch.subarray(0, 8);

/** Raw CRC-32C of the root shifted by 31, xor that of inode and offset. Orders inline references, keys the others. */
export function dataReferenceHash(reference: DataReference): HashWords {
  writeU64(scratchView, 0, reference.root);
  const high = rawCrc32c(SEED, scratchHead);
  writeU64(scratchView, 0, reference.objectid);
  writeU64(scratchView, 8, reference.offset);
  const low = rawCrc32c(SEED, scratch);
  return { high: high >>> 1, low: ((high << 31) ^ low) >>> 0 };
}

/** The hash as the exact offset of a key. */
export function exactDataReferenceHash(reference: DataReference): bigint {
  const { high, low } = dataReferenceHash(reference);
  return (BigInt(high) << 32n) | BigInt(low);
}

export function compareDataReferenceHashes(a: HashWords, b: HashWords): number {
  return a.high - b.high || a.low - b.low;
}
