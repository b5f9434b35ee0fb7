import type { ByteCount, PhysicalAddress } from '../base/units.ts';

/** A disk's bytes at one moment: what oracles and outside judges read. Unwritten bytes are zero. */
export interface DiskImage {
  readonly size: ByteCount;
  /** Exactly `length` bytes from `offset`; not to be changed. Bytes past the end of the device read as zero. */
  read(offset: PhysicalAddress, length: ByteCount): Uint8Array;
  /** The non-zero extents in ascending order, as written: for saving an image sparsely. */
  written(): Iterable<{ readonly offset: PhysicalAddress; readonly bytes: Uint8Array }>;
  /** Two images of one base with equal content have equal fingerprints: lets a judge skip what it has judged. */
  readonly fingerprint: string;
}
