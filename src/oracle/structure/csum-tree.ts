import { crc32c } from '../../base/crc32c.ts';
import type { ChunkMap } from './chunk-map.ts';
import type { ExtentLedger } from './extent-ledger.ts';
import type { FaultCollector } from './fault-report.ts';
import { SECTOR, showKey, TREE, TYPE } from './layout.ts';
import { hex } from './superblock.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';

const CSUM_BYTES = 4;

/** Which data sectors have checksums; checks the data against them on the way if asked. */
export class CsumTreeVisitor implements ItemVisitor {
  /** Ascending `start, end` pairs, neighbours joined. */
  readonly ranges: number[] = [];
  readonly #chunks: ChunkMap;
  readonly #verifyData: boolean;
  readonly #verifyCopies: boolean;
  readonly #faults: FaultCollector;
  #lastEnd = 0;

  constructor(
    chunks: ChunkMap,
    options: { readonly verifyData: boolean; readonly verifyCopies: boolean },
    faults: FaultCollector,
  ) {
    this.#chunks = chunks;
    this.#verifyData = options.verifyData;
    this.#verifyCopies = options.verifyCopies;
    this.#faults = faults;
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void {
    const faults = this.#faults;
    if (type !== TYPE.EXTENT_CSUM) {
      faults.item(block, slot, 'unexpected-item', `${showKey(objectid, type, offset)} does not belong here`);
      return;
    }
    if (objectid !== TREE.EXTENT_CSUM) {
      faults.item(block, slot, 'csum-objectid', 'objectid of a checksum item is wrong', objectid, TREE.EXTENT_CSUM);
    }
    if (offset < 0 || offset % SECTOR !== 0) {
      faults.item(block, slot, 'csum-alignment', 'address is not a multiple of 4096', offset);
      return;
    }
    if (size === 0 || size % CSUM_BYTES !== 0) {
      faults.item(
        block,
        slot,
        'csum-item-size',
        'not a whole number of checksums',
        size,
        `a multiple of ${CSUM_BYTES}`,
      );
    }
    const sectors = Math.floor(size / CSUM_BYTES);
    if (offset < this.#lastEnd) {
      const what = 'checksums overlap those of the item before';
      faults.item(block, slot, 'csum-overlap', what, offset, `≥ ${this.#lastEnd}`);
    }
    const end = offset + sectors * SECTOR;
    if (this.ranges.length > 0 && this.ranges.at(-1) === offset) this.ranges[this.ranges.length - 1] = end;
    else this.ranges.push(offset, end);
    this.#lastEnd = Math.max(end, this.#lastEnd);
    if (this.#verifyData) this.#verify(block, slot, offset, sectors, at);
  }

  /** How many bytes of [start, end) have checksums. */
  covered(start: number, end: number): number {
    const { ranges } = this;
    let low = 0;
    let high = ranges.length >>> 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ranges[middle * 2 + 1]! <= start) low = middle + 1;
      else high = middle;
    }
    let bytes = 0;
    for (let i = low * 2; i < ranges.length && ranges[i]! < end; i += 2) {
      bytes += Math.min(end, ranges[i + 1]!) - Math.max(start, ranges[i]!);
    }
    return bytes;
  }

  /** Checksums lie in allocated data extents and nowhere else. */
  checkAgainstExtents(ledger: ExtentLedger): void {
    const { ranges } = this;
    const items = ledger.items;
    let next = 0;
    for (let i = 0; i < ranges.length; i += 2) {
      const end = ranges[i + 1]!;
      let position = ranges[i]!;
      while (position < end) {
        while (next < items.length && (items[next]!.isTree || items[next]!.start + items[next]!.length <= position)) {
          next++;
        }
        const extent = items[next];
        if (extent !== undefined && extent.start <= position) {
          position = extent.start + extent.length;
          continue;
        }
        const until = Math.min(end, extent === undefined ? end : extent.start);
        const place = { tree: TREE.CSUM, start: position, length: until - position };
        this.#faults.error('checksum', place, 'csum-without-extent', 'checksums for space that holds no data extent');
        position = until;
      }
    }
  }

  #verify(block: TreeBlock, slot: number, start: number, sectors: number, at: number): void {
    const chunks = this.#chunks;
    const copies = chunks.copiesAt(start);
    if (copies === 0) {
      this.#faults.item(block, slot, 'csum-outside-chunks', 'checksums for addresses that no chunk holds', start);
      return;
    }
    this.#faults.counts.checksummedBytes += sectors * SECTOR * copies;
    for (let sector = 0; sector < sectors; sector++) {
      const expect = block.view.getUint32(at + sector * CSUM_BYTES, true);
      this.#verifySector(block, slot, start + sector * SECTOR, copies, expect);
    }
  }

  /** One sector at a time: an image hands out whole blocks without copying them. */
  #verifySector(block: TreeBlock, slot: number, address: number, copies: number, expect: number): void {
    let good = 0;
    for (let copy = 0; copy < copies; copy++) {
      const bytes = this.#chunks.read(address, SECTOR, copy);
      if (bytes !== null && crc32c(bytes) === expect) {
        good++;
        if (!this.#verifyCopies) return;
      } else if (this.#verifyCopies) {
        this.#badSector(block, slot, address, copy, bytes, expect);
      }
    }
    if (good > 0) return;
    for (let copy = 0; copy < copies; copy++) {
      if (this.#chunks.isPresent(address, copy)) {
        if (this.#verifyCopies) continue;
        this.#badSector(block, slot, address, copy, this.#chunks.read(address, SECTOR, copy), expect);
        continue;
      }
      const what = `copy ${copy} of the data at ${address} is outside the images`;
      this.#faults.item(block, slot, 'data-unreadable', what, this.#chunks.describe(address, copy));
    }
  }

  /** That of a missing device is the device's fault, not the data's. */
  #badSector(
    block: TreeBlock,
    slot: number,
    address: number,
    copy: number,
    bytes: Uint8Array | null,
    expect: number,
  ): void {
    const where = this.#chunks.describe(address, copy);
    if (bytes !== null) {
      const what = `data at ${address} (copy ${copy}, ${where}) does not match its checksum`;
      this.#faults.item(block, slot, 'data-checksum', what, hex(crc32c(bytes)), hex(expect));
    } else if (this.#chunks.isPresent(address, copy)) {
      const what = `copy ${copy} of the data at ${address} is outside the images`;
      this.#faults.item(block, slot, 'data-unreadable', what, where);
    }
  }
}
