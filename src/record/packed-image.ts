import type { ByteCount, PhysicalAddress } from '../base/units.ts';
import { BlockTable } from './block-table.ts';
import type { DiskImage } from './image.ts';

/** A disk image in plain data, its bytes in one array of its own: what can be handed to another thread. */
export interface PackedImage {
  readonly size: ByteCount;
  /** Of the non-zero extents, in ascending order. */
  readonly offsets: readonly PhysicalAddress[];
  readonly lengths: readonly ByteCount[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export function packImage(image: DiskImage): PackedImage {
  const extents = [...image.written()];
  const lengths = extents.map((extent) => extent.bytes.length);
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const extent of extents) {
    bytes.set(extent.bytes, at);
    at += extent.bytes.length;
  }
  return { size: image.size, offsets: extents.map((extent) => extent.offset), lengths, bytes };
}

/** Takes over the bytes: nobody may change them. Equal content has an equal fingerprint again. */
export function unpackImage(packed: PackedImage): DiskImage {
  const table = new BlockTable(packed.size);
  let at = 0;
  for (const [index, offset] of packed.offsets.entries()) {
    const length = packed.lengths[index]!;
    table.write(offset, packed.bytes.subarray(at, at + length));
    at += length;
  }
  return table;
}
