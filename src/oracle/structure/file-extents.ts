import { readU64 } from '../../base/bytes.ts';
import { decompressData } from '../../fs/format/compression.ts';
import type { ChunkMap } from './chunk-map.ts';
import { beginsAsCompressed, describeBeginning } from './compressed-data.ts';
import type { CsumTreeVisitor } from './csum-tree.ts';
import type { ExtentLedger } from './extent-ledger.ts';
import type { FaultCollector } from './fault-report.ts';
import {
  COMPRESSED_EXTENT_MAX,
  COMPRESSION_NAMES,
  FILE_EXTENT_INLINE,
  FILE_EXTENT_INLINE_START,
  FILE_EXTENT_PREALLOC,
  FILE_EXTENT_REGULAR,
  FILE_EXTENT_SIZE,
  SECTOR,
  TYPE,
} from './layout.ts';
import type { Superblock } from './superblock.ts';
import type { TreeBlock } from './tree-block.ts';

/** What the file extents of one inode add up to. */
export class FileExtentTally {
  /** As `nbytes` counts: holes are nothing, inline data its length. */
  bytes = 0;
  /** End of the last extent. */
  end = 0;
  /** End of the last written (not preallocated, not hole) extent. */
  writtenEnd = 0;
  /** End of the contiguous run of extents from the start of the file. */
  contiguousEnd = 0;
  inlineBytes = -1;
  /** Among the bytes of inline data is a zero. */
  inlineHasNul = false;
  isInlineCompressed = false;
  regularCount = 0;
  preallocCount = 0;

  clear(): void {
    this.bytes = 0;
    this.end = 0;
    this.writtenEnd = 0;
    this.contiguousEnd = 0;
    this.inlineBytes = -1;
    this.inlineHasNul = false;
    this.isInlineCompressed = false;
    this.regularCount = 0;
    this.preallocCount = 0;
  }
}

/** Whether the data of an inode must have checksums. `unknown` where the rule does not apply. */
export type CsumRule = 'required' | 'forbidden' | 'unknown';

/** Checks single file extent items, and counts their references. */
export class FileExtentChecker {
  readonly #sup: Superblock;
  readonly #ledger: ExtentLedger;
  readonly #csums: CsumTreeVisitor | null;
  readonly #extentTreeComplete: boolean;
  readonly #data: ChunkMap | null;
  readonly #faults: FaultCollector;
  /** Compressed extents that have given their bytes back: many files may share one. */
  readonly #unpacked = new Set<string>();

  /** `data`: where compressed data may be looked at; null when no data is to be read. */
  constructor(
    sup: Superblock,
    ledger: ExtentLedger,
    csums: CsumTreeVisitor | null,
    extentTreeComplete: boolean,
    data: ChunkMap | null,
    faults: FaultCollector,
  ) {
    this.#data = data;
    this.#sup = sup;
    this.#ledger = ledger;
    this.#csums = csums;
    this.#extentTreeComplete = extentTreeComplete;
    this.#faults = faults;
  }

  check(
    block: TreeBlock,
    slot: number,
    inode: number,
    offset: number,
    at: number,
    size: number,
    csums: CsumRule,
    tally: FileExtentTally,
  ): void {
    const { view } = block;
    const faults = this.#faults;
    if (size <= FILE_EXTENT_INLINE_START) {
      faults.item(block, slot, 'item-size', 'a file extent is too short', size, `> ${FILE_EXTENT_INLINE_START}`);
      return;
    }
    const generation = readU64(view, at);
    const compression = view.getUint8(at + 16);
    const type = view.getUint8(at + 20);
    if (block.first) this.#checkCommon(block, slot, offset, generation, compression, type, at);
    if (offset < tally.end) {
      const what = 'overlaps the file extent before';
      faults.item(block, slot, 'file-extent-overlap', what, offset, `≥ ${tally.end}`);
    }
    if (type === FILE_EXTENT_INLINE) {
      this.#inline(block, slot, offset, compression, at, size, tally);
    } else if (size !== FILE_EXTENT_SIZE) {
      faults.item(block, slot, 'item-size', 'size of a file extent is wrong', size, FILE_EXTENT_SIZE);
    } else {
      this.#regular(block, slot, inode, offset, compression, type, at, csums, tally);
    }
  }

  #checkCommon(
    block: TreeBlock,
    slot: number,
    offset: number,
    generation: number,
    compression: number,
    type: number,
    at: number,
  ): void {
    const faults = this.#faults;
    if (generation < 0 || generation > block.written) {
      const what = 'generation of a file extent is from the future';
      faults.item(block, slot, 'file-extent-generation', what, generation, `≤ ${block.written}`);
    }
    if (offset < 0 || offset % SECTOR !== 0) {
      faults.item(block, slot, 'file-extent-alignment', 'file offset is not a multiple of 4096', offset);
    }
    if (type > FILE_EXTENT_PREALLOC) {
      faults.item(block, slot, 'file-extent-type', 'type of a file extent is unknown', type, '0, 1 or 2');
    }
    if (compression >= COMPRESSION_NAMES.length) {
      faults.item(block, slot, 'file-extent-compression', 'compression is unknown', compression, '0 to 3');
    }
    const feature = compression === 2 ? 'COMPRESS_LZO' : compression === 3 ? 'COMPRESS_ZSTD' : null;
    if (feature !== null && !this.#sup.has(feature)) {
      const what = `compressed by ${COMPRESSION_NAMES[compression]} without the feature ${feature}`;
      faults.item(block, slot, 'file-extent-compression', what);
    }
    if (block.view.getUint8(at + 17) !== 0 || block.view.getUint16(at + 18, true) !== 0) {
      const what = 'encryption or another encoding is set';
      faults.item(block, slot, 'file-extent-encoding', what, block.view.getUint8(at + 17), 0);
    }
  }

  #inline(
    block: TreeBlock,
    slot: number,
    offset: number,
    compression: number,
    at: number,
    size: number,
    tally: FileExtentTally,
  ): void {
    const faults = this.#faults;
    const ramBytes = readU64(block.view, at + 8);
    if (offset !== 0) faults.item(block, slot, 'inline-extent-offset', 'inline data not at the start', offset, 0);
    const stored = size - FILE_EXTENT_INLINE_START;
    if (compression === 0 && ramBytes !== stored) {
      const what = 'ram_bytes is not the length of the inline data';
      faults.item(block, slot, 'inline-extent-ram-bytes', what, ramBytes, stored);
    }
    if (ramBytes <= 0 || ramBytes > SECTOR) {
      faults.item(block, slot, 'inline-extent-ram-bytes', 'ram_bytes is impossible', ramBytes, `1 to ${SECTOR}`);
    }
    const data = block.bytes.subarray(at + FILE_EXTENT_INLINE_START, at + size);
    if (compression !== 0 && compression < COMPRESSION_NAMES.length && block.first) {
      if (!beginsAsCompressed(compression, data, stored)) this.#checkCompressed(block, slot, compression, data, stored);
      else if (ramBytes > 0 && ramBytes <= SECTOR && decompressData(compression, data, ramBytes, true) === null) {
        this.#cannotUnpack(block, slot, compression);
      }
    }
    tally.bytes += compression === 0 ? stored : ramBytes;
    tally.inlineBytes = ramBytes;
    tally.inlineHasNul = data.includes(0);
    tally.isInlineCompressed = compression !== 0;
    tally.end = offset + SECTOR;
    tally.writtenEnd = tally.end;
    tally.contiguousEnd = tally.end;
  }

  #regular(
    block: TreeBlock,
    slot: number,
    inode: number,
    offset: number,
    compression: number,
    type: number,
    at: number,
    csums: CsumRule,
    tally: FileExtentTally,
  ): void {
    const { view } = block;
    const ramBytes = readU64(view, at + 8);
    const diskStart = readU64(view, at + 21);
    const diskLength = readU64(view, at + 29);
    const extentOffset = readU64(view, at + 37);
    const length = readU64(view, at + 45);
    if (block.first) this.#checkSizes(block, slot, compression, ramBytes, diskStart, diskLength, extentOffset, length);
    const end = offset + length;
    if (end > FILE_END_MAX && block.first) {
      const what = 'a file extent ends beyond the largest file';
      this.#faults.item(block, slot, 'file-extent-end', what, end, '≤ 2^63');
    }
    if (tally.contiguousEnd === offset) tally.contiguousEnd = end;
    tally.end = Math.max(tally.end, end);
    if (diskStart === 0) {
      if (type === FILE_EXTENT_PREALLOC && block.first) {
        this.#faults.item(block, slot, 'file-extent-disk-bytenr', 'a preallocated extent without space', 0, '> 0');
      } else if (compression !== 0 && block.first) {
        this.#faults.item(block, slot, 'file-extent-hole', 'a hole that is compressed', compression, 0);
      }
      return;
    }
    tally.bytes += length;
    if (type === FILE_EXTENT_REGULAR) {
      tally.regularCount++;
      tally.writtenEnd = Math.max(tally.writtenEnd, end);
    } else {
      tally.preallocCount++;
      if (compression !== 0 && block.first) {
        const what = 'a preallocated extent cannot be compressed';
        this.#faults.item(block, slot, 'file-extent-compression', what, compression, 0);
      }
    }
    if (!block.first) return;
    this.countReference(block, slot, inode, offset, at);
    if (compression !== 0) {
      this.#checkStored(block, slot, compression, type, diskStart, diskLength, ramBytes, csums);
    }
    this.#checkCsums(block, slot, compression, type, diskStart, diskLength, extentOffset, length, csums);
  }

  /** The beginning of compressed data on disk. Linux compresses nothing that has no checksums. */
  #checkStored(
    block: TreeBlock,
    slot: number,
    compression: number,
    type: number,
    start: number,
    length: number,
    ramBytes: number,
    rule: CsumRule,
  ): void {
    if (rule === 'forbidden') {
      const what = 'compressed data of a NODATASUM inode';
      this.#faults.warnItem(block, slot, 'file-extent-compressed-nodatasum', what, compression, 0);
    }
    if (type !== FILE_EXTENT_REGULAR || compression >= COMPRESSION_NAMES.length || this.#data === null) return;
    if (!(start > 0) || start % SECTOR !== 0 || !(length > 0) || !(ramBytes > 0)) return;
    let seen: Uint8Array | null = null;
    let beginsRight = false;
    for (let copy = 0; copy < this.#data.copiesAt(start); copy++) {
      const bytes = this.#data.read(start, SECTOR, copy);
      if (bytes === null) continue;
      // A copy that is damaged is the checksum's business.
      if (!beginsAsCompressed(compression, bytes, length)) seen ??= bytes;
      else if (this.#unpacks(compression, start, length, ramBytes, copy)) return;
      else beginsRight = true;
    }
    if (seen !== null) this.#checkCompressed(block, slot, compression, seen, length);
    else if (beginsRight) this.#cannotUnpack(block, slot, compression);
  }

  /** Whether one copy of a compressed extent gives its bytes back. */
  #unpacks(compression: number, start: number, length: number, ramBytes: number, copy: number): boolean {
    if (length > COMPRESSED_EXTENT_MAX || ramBytes > COMPRESSED_EXTENT_MAX) return true;
    const key = `${start} ${copy} ${length} ${ramBytes} ${compression}`;
    if (this.#unpacked.has(key)) return true;
    const stored = this.#data!.read(start, length, copy);
    if (stored === null || decompressData(compression, stored, ramBytes, false) === null) return false;
    this.#unpacked.add(key);
    return true;
  }

  #cannotUnpack(block: TreeBlock, slot: number, compression: number): void {
    const what = 'compressed data does not give its bytes back';
    this.#faults.item(block, slot, 'compressed-data-format', what, COMPRESSION_NAMES[compression]);
  }

  #checkCompressed(block: TreeBlock, slot: number, compression: number, bytes: Uint8Array, length: number): void {
    if (compression >= COMPRESSION_NAMES.length || beginsAsCompressed(compression, bytes, length)) return;
    const [have, expect] = describeBeginning(compression, bytes);
    const what = 'compressed data does not begin as its method says';
    this.#faults.item(block, slot, 'compressed-data-format', what, have, expect);
  }

  /** The extent item's side of a regular file extent: it exists, has this length, and refers back. */
  countReference(block: TreeBlock, slot: number, inode: number, offset: number, at: number): void {
    const { view } = block;
    const diskStart = readU64(view, at + 21);
    const diskLength = readU64(view, at + 29);
    if (diskStart === 0) return;
    const extent = this.#ledger.at(diskStart);
    if (!extent.hasItem) {
      if (this.#extentTreeComplete) {
        const what = 'a file extent whose disk space has no extent item';
        this.#faults.item(block, slot, 'file-extent-without-extent-item', what, diskStart);
      }
    } else if (extent.isTree) {
      this.#faults.item(block, slot, 'file-extent-on-tree-block', 'a file extent on a tree block', diskStart);
    } else if (extent.length !== diskLength) {
      const what = 'disk_num_bytes is not the length of the extent item';
      this.#faults.item(block, slot, 'file-extent-disk-num-bytes', what, diskLength, extent.length);
    }
    if (block.fullBackref) {
      extent.reference(TYPE.SHARED_DATA_REF, block.logical, 0, 0).expected++;
    } else {
      const refOffset = offset - readU64(view, at + 37);
      extent.reference(TYPE.EXTENT_DATA_REF, block.owner, inode, refOffset).expected++;
    }
  }

  #checkSizes(
    block: TreeBlock,
    slot: number,
    compression: number,
    ramBytes: number,
    diskStart: number,
    diskLength: number,
    extentOffset: number,
    length: number,
  ): void {
    const faults = this.#faults;
    const fields = [ramBytes, diskStart, diskLength, extentOffset, length];
    for (let i = 0; i < fields.length; i++) {
      const value = fields[i]!;
      if (value >= 0 && value % SECTOR === 0) continue;
      const what = `${EXTENT_FIELDS[i]} is not a multiple of 4096`;
      faults.item(block, slot, 'file-extent-alignment', what, value);
    }
    if (length <= 0) faults.item(block, slot, 'file-extent-num-bytes', 'num_bytes is not positive', length, '> 0');
    if (diskStart === 0) {
      if (diskLength !== 0) faults.item(block, slot, 'file-extent-hole', 'a hole with disk_num_bytes', diskLength, 0);
      return;
    }
    if (diskLength <= 0) {
      faults.item(block, slot, 'file-extent-disk-num-bytes', 'disk_num_bytes is not positive', diskLength, '> 0');
    }
    if (extentOffset + length > ramBytes) {
      const what = 'reaches beyond the data of its extent';
      faults.item(block, slot, 'file-extent-ram-bytes', what, extentOffset + length, `≤ ram_bytes ${ramBytes}`);
    }
    if (compression === 0) {
      if (extentOffset + length > diskLength) {
        const what = 'reaches beyond its extent on disk';
        faults.item(block, slot, 'file-extent-num-bytes', what, extentOffset + length, `≤ ${diskLength}`);
      }
      if (ramBytes !== diskLength) {
        const what = 'ram_bytes is not disk_num_bytes though nothing is compressed';
        faults.warnItem(block, slot, 'file-extent-ram-bytes', what, ramBytes, diskLength);
      }
      return;
    }
    if (ramBytes > COMPRESSED_EXTENT_MAX || diskLength > COMPRESSED_EXTENT_MAX) {
      const what = 'a compressed extent is too long';
      faults.item(
        block,
        slot,
        'file-extent-compressed-size',
        what,
        Math.max(ramBytes, diskLength),
        COMPRESSED_EXTENT_MAX,
      );
    }
  }

  #checkCsums(
    block: TreeBlock,
    slot: number,
    compression: number,
    type: number,
    diskStart: number,
    diskLength: number,
    extentOffset: number,
    length: number,
    rule: CsumRule,
  ): void {
    const csums = this.#csums;
    if (csums === null || rule === 'unknown' || !(length > 0) || !(diskLength > 0)) return;
    // Compressed data is checked as stored, and always as a whole.
    const start = compression === 0 ? diskStart + extentOffset : diskStart;
    const bytes = compression === 0 ? length : diskLength;
    const covered = csums.covered(start, start + bytes);
    const faults = this.#faults;
    if (type === FILE_EXTENT_PREALLOC) {
      if (covered > 0) {
        faults.item(block, slot, 'csum-on-prealloc', 'preallocated space has checksums', covered, 0);
      }
    } else if (rule === 'forbidden') {
      if (covered > 0)
        faults.item(block, slot, 'csum-on-nodatasum', 'data of a NODATASUM inode has checksums', covered, 0);
    } else if (covered < bytes) {
      faults.item(block, slot, 'csum-missing', 'written data lacks checksums', covered, bytes);
    }
  }
}

/** Sizes of files are signed. */
const FILE_END_MAX = 2 ** 63;
const EXTENT_FIELDS = ['ram_bytes', 'disk_bytenr', 'disk_num_bytes', 'offset', 'num_bytes'] as const;
