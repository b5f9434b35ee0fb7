import { readU64 } from '../../base/bytes.ts';
import { Chunk } from './chunk-map.ts';
import type { FaultCollector, FaultPlace } from './fault-report.ts';
import {
  CHUNK_SIZE,
  DEV_ITEM_SIZE,
  FIRST_CHUNK_TREE_OBJECTID,
  GROUP,
  GROUP_PROFILES,
  GROUP_TYPES,
  KEY_SIZE,
  SECTOR,
  STRIPE_LENGTH,
  STRIPE_SIZE,
  SUPER,
  SYS_CHUNK_ARRAY_MAX,
  showKey,
  TREE,
  TYPE,
} from './layout.ts';
import { isZero, sameUuid, showUuid } from './raw-fields.ts';
import { hex, type Superblock } from './superblock.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';

/** A DEV_ITEM of the chunk tree. */
export interface DeviceItem {
  readonly id: number;
  readonly view: DataView;
  readonly at: number;
  readonly total: number;
  readonly used: number;
  readonly place: FaultPlace;
}

/** Collects devices and chunks from the chunk tree. */
export class ChunkTreeVisitor implements ItemVisitor {
  readonly devices = new Map<number, DeviceItem>();
  readonly chunks: Chunk[] = [];
  readonly #sup: Superblock;
  readonly #faults: FaultCollector;

  constructor(sup: Superblock, faults: FaultCollector) {
    this.#sup = sup;
    this.#faults = faults;
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void {
    if (type === TYPE.CHUNK_ITEM) this.#chunk(block, slot, objectid, offset, at, size);
    else if (type === TYPE.DEV_ITEM) this.#device(block, slot, objectid, offset, at, size);
    else this.#faults.item(block, slot, 'unexpected-item', `${showKey(objectid, type, offset)} does not belong here`);
  }

  #chunk(block: TreeBlock, slot: number, objectid: number, offset: number, at: number, size: number): void {
    const place = { tree: TREE.CHUNK, block: block.logical, slot };
    if (objectid !== FIRST_CHUNK_TREE_OBJECTID) {
      const what = 'objectid of a chunk is wrong';
      this.#faults.error('leaf', place, 'chunk-objectid', what, objectid, FIRST_CHUNK_TREE_OBJECTID);
    }
    const chunk = parseChunk(block.view, offset, at, size, place, this.#faults);
    if (chunk === null) return;
    checkChunk(chunk, this.#sup, place, this.#faults);
    this.chunks.push(chunk);
  }

  #device(block: TreeBlock, slot: number, objectid: number, offset: number, at: number, size: number): void {
    const { view } = block;
    const faults = this.#faults;
    if (size !== DEV_ITEM_SIZE) {
      faults.item(block, slot, 'item-size', 'size of a device item is wrong', size, DEV_ITEM_SIZE);
      return;
    }
    if (objectid !== 1) faults.item(block, slot, 'dev-item-key', 'objectid of a device item is wrong', objectid, 1);
    const id = readU64(view, at);
    if (offset <= 0) faults.item(block, slot, 'dev-item-devid', 'devid is not positive', offset, '≥ 1');
    if (id !== offset) faults.item(block, slot, 'dev-item-devid', 'devid is not that of the key', id, offset);
    const place = { tree: TREE.CHUNK, block: block.logical, slot };
    const device = { id: offset, view, at, total: readU64(view, at + 8), used: readU64(view, at + 16), place };
    this.devices.set(offset, device);
    if (device.total <= 0 || device.total % SECTOR !== 0) {
      const what = 'total_bytes of the device is not a multiple of 4096';
      faults.item(block, slot, 'dev-item-total-bytes', what, device.total);
    }
    if (device.used < 0 || device.used > device.total) {
      const what = 'bytes_used of the device is more than it has';
      faults.item(block, slot, 'dev-item-bytes-used', what, device.used, `≤ ${device.total}`);
    }
    const sector = view.getUint32(at + 32, true);
    if (sector !== SECTOR) faults.item(block, slot, 'dev-item-sector-size', 'sector_size is wrong', sector, SECTOR);
    const type = readU64(view, at + 36);
    if (type !== 0) faults.item(block, slot, 'dev-item-type', 'type is not zero', type, 0);
    if (readU64(view, at + 52) !== 0) {
      faults.warnItem(block, slot, 'dev-item-start', 'start_offset is not zero', readU64(view, at + 52), 0);
    }
    // Hints of a placement that nobody reads: start_offset, dev_group, seek_speed, bandwidth.
    if (!isZero(view, at + 60, 6)) {
      faults.warnItem(block, slot, 'dev-item-hints', 'dev_group, seek_speed or bandwidth is not zero');
    }
    const twin = [...this.devices.values()].find(
      (other) => other !== device && sameUuid(other.view, other.at + 66, view, at + 66),
    );
    if (twin !== undefined) {
      const what = `uuid is also that of device ${twin.id}`;
      faults.item(block, slot, 'dev-item-uuid-twice', what, showUuid(view, at + 66));
    }
  }
}

/** Null when the bytes cannot be a chunk item: too short for its own number of stripes. */
function parseChunk(
  view: DataView,
  start: number,
  at: number,
  size: number,
  place: FaultPlace,
  faults: FaultCollector,
): Chunk | null {
  const stripes = size < CHUNK_SIZE + STRIPE_SIZE ? 0 : view.getUint16(at + 44, true);
  if (stripes === 0 || size !== CHUNK_SIZE + stripes * STRIPE_SIZE) {
    const what = `size of a chunk item does not fit its ${stripes} stripes`;
    faults.error('chunk', place, 'chunk-item-size', what, size, CHUNK_SIZE + Math.max(stripes, 1) * STRIPE_SIZE);
    return null;
  }
  return new Chunk(start, view, at, stripes);
}

/** No file system is larger: what is was wrapped around. */
const ADDRESS_MAX = 2 ** 62;

function checkChunk(chunk: Chunk, sup: Superblock, where: FaultPlace, faults: FaultCollector): void {
  const { view, at, type } = chunk;
  const wrong = (fault: string, what: string, have: unknown, expect?: unknown) =>
    faults.error('chunk', { start: chunk.start, ...where }, fault, what, have, expect);
  if (chunk.start < 0 || chunk.start % SECTOR !== 0)
    wrong('chunk-start', 'start is not a multiple of 4096', chunk.start);
  if (chunk.length <= 0 || chunk.length % SECTOR !== 0) {
    wrong('chunk-length', 'length is not a positive multiple of 4096', chunk.length);
  } else if (chunk.end > ADDRESS_MAX) {
    wrong('chunk-length', 'the chunk ends beyond all addresses', chunk.end);
  }
  const owner = readU64(view, at + 8);
  if (owner !== TREE.EXTENT) wrong('chunk-owner', 'owner is wrong', owner, TREE.EXTENT);
  const stripeLength = readU64(view, at + 16);
  if (stripeLength !== STRIPE_LENGTH) wrong('chunk-stripe-length', 'stripe_len is wrong', stripeLength, STRIPE_LENGTH);
  const sector = view.getUint32(at + 40, true);
  if (sector !== SECTOR) wrong('chunk-sector-size', 'sector_size is wrong', sector, SECTOR);
  checkGroupType(type, sup, wrong);
  checkStripeCount(chunk, wrong);
  for (const [name, field] of [['io_align', 32] as const, ['io_width', 36] as const]) {
    const value = view.getUint32(at + field, true);
    if (value === 0 || value % SECTOR !== 0) {
      faults.warn('chunk', { start: chunk.start, ...where }, 'chunk-io-align', `${name} is odd`, value);
    }
  }
  for (let stripe = 0; stripe < chunk.stripes; stripe++) {
    const offset = chunk.offsetOf(stripe);
    if (offset < 0 || offset % SECTOR !== 0) {
      wrong('chunk-stripe-offset', `offset of stripe ${stripe} is not a multiple of 4096`, offset);
    } else if (offset < 1024 * 1024) {
      const what = `stripe ${stripe} lies in the first MiB of the device`;
      faults.warn('chunk', { start: chunk.start, ...where }, 'chunk-in-reserved-space', what, offset);
    }
  }
}

type Complain = (fault: string, what: string, have: unknown, expect?: unknown) => void;

function checkGroupType(type: number, sup: Superblock, wrong: Complain): void {
  const kinds = type & GROUP_TYPES;
  const profile = type & GROUP_PROFILES;
  if (type < 0 || type > 0x7ff) wrong('chunk-type', 'type has unknown bits', hex(type));
  const mixed = (GROUP.DATA | GROUP.METADATA) as number;
  const plain = kinds === GROUP.DATA || kinds === GROUP.METADATA || kinds === GROUP.SYSTEM;
  if (!plain && kinds !== mixed) wrong('chunk-type', 'type is not one of DATA, METADATA, SYSTEM', hex(type));
  if (kinds === mixed && !sup.has('MIXED_GROUPS')) {
    wrong('chunk-type', 'a mixed chunk without the feature MIXED_GROUPS', hex(type));
  }
  if (plain && kinds !== GROUP.SYSTEM && sup.has('MIXED_GROUPS')) {
    wrong('chunk-type', 'data and metadata apart although the feature is MIXED_GROUPS', hex(type));
  }
  if (type & (GROUP.RAID5 | GROUP.RAID6) && !sup.has('RAID56')) {
    wrong('chunk-type', 'RAID5 or RAID6 without the feature RAID56', hex(type));
  }
  if (type & (GROUP.RAID1C3 | GROUP.RAID1C4) && !sup.has('RAID1C34')) {
    wrong('chunk-type', 'RAID1C3 or RAID1C4 without the feature RAID1C34', hex(type));
  }
  if ((profile & (profile - 1)) !== 0) wrong('chunk-type', 'more than one profile', hex(type));
}

function checkStripeCount(chunk: Chunk, wrong: Complain): void {
  const { type, stripes, subStripes } = chunk;
  const bad = (expect: string) =>
    wrong('chunk-stripe-count', 'number of stripes does not fit the profile', stripes, expect);
  if (type & GROUP.RAID10) {
    if (subStripes !== 2) wrong('chunk-sub-stripes', 'sub_stripes is wrong', subStripes, 2);
    if (stripes < 2 || stripes % 2 !== 0) bad('an even number');
  } else if (type & GROUP.RAID1) {
    if (stripes !== 2) bad('2');
  } else if (type & GROUP.RAID1C3) {
    if (stripes !== 3) bad('3');
  } else if (type & GROUP.RAID1C4) {
    if (stripes !== 4) bad('4');
  } else if (type & GROUP.DUP) {
    if (stripes !== 2) bad('2');
  } else if (type & GROUP.RAID5) {
    if (stripes < 2) bad('≥ 2');
  } else if (type & GROUP.RAID6) {
    if (stripes < 3) bad('≥ 3');
  } else if ((type & GROUP.RAID0) === 0) {
    if (stripes !== 1) bad('1');
  }
  if (chunk.dataStripes > 1 && chunk.length % (chunk.dataStripes * STRIPE_LENGTH) !== 0) {
    const what = 'length is not a whole number of stripes';
    wrong('chunk-length', what, chunk.length, `a multiple of ${chunk.dataStripes * STRIPE_LENGTH}`);
  }
}

/** The SYSTEM chunks that the superblock carries, by which the chunk tree is found. */
export function readSystemChunks(sup: Superblock, faults: FaultCollector): Chunk[] {
  const { view } = sup;
  const end = SUPER.sysChunkArray + Math.min(view.getUint32(SUPER.sysChunkArraySize, true), SYS_CHUNK_ARRAY_MAX);
  const chunks: Chunk[] = [];
  for (let at = SUPER.sysChunkArray; at < end; ) {
    const place = { image: sup.image, 'sys-chunk-array': at - SUPER.sysChunkArray };
    if (at + KEY_SIZE + CHUNK_SIZE + STRIPE_SIZE > end) {
      faults.error('superblock', place, 'sys-chunk-array', 'the last entry is cut off');
      break;
    }
    const objectid = readU64(view, at);
    const type = view.getUint8(at + 8);
    const start = readU64(view, at + 9);
    if (objectid !== FIRST_CHUNK_TREE_OBJECTID || type !== TYPE.CHUNK_ITEM) {
      const have = showKey(objectid, type, start);
      faults.error(
        'superblock',
        place,
        'sys-chunk-array',
        'the key is not that of a chunk',
        have,
        '(256 CHUNK_ITEM …)',
      );
      break;
    }
    const stripes = view.getUint16(at + KEY_SIZE + 44, true);
    const size = CHUNK_SIZE + stripes * STRIPE_SIZE;
    if (stripes === 0 || at + KEY_SIZE + size > end) {
      faults.error('superblock', place, 'sys-chunk-array', 'the number of stripes does not fit', stripes);
      break;
    }
    const chunk = new Chunk(start, view, at + KEY_SIZE, stripes);
    if ((chunk.type & GROUP.SYSTEM) === 0) {
      faults.error('superblock', place, 'sys-chunk-type', 'a chunk that is not SYSTEM', hex(chunk.type));
    }
    checkChunk(chunk, sup, place, faults);
    chunks.push(chunk);
    at += KEY_SIZE + size;
  }
  return chunks;
}

/** The array must hold every SYSTEM chunk of the chunk tree, byte for byte, and nothing else. */
export function compareSystemChunks(
  sup: Superblock,
  array: readonly Chunk[],
  tree: readonly Chunk[],
  complete: boolean,
  faults: FaultCollector,
): void {
  for (const chunk of array) {
    const place = { image: sup.image, start: chunk.start };
    const twin = tree.find((other) => other.start === chunk.start);
    if (twin === undefined) {
      if (complete) {
        faults.error('superblock', place, 'sys-chunk-unknown', 'the chunk tree does not know this system chunk');
      }
      continue;
    }
    const size = CHUNK_SIZE + chunk.stripes * STRIPE_SIZE;
    if (twin.stripes !== chunk.stripes || !sameRange(chunk, twin, size)) {
      faults.error('superblock', place, 'sys-chunk-differs', 'the system chunk differs from that of the chunk tree');
    }
  }
  for (const chunk of tree) {
    if ((chunk.type & GROUP.SYSTEM) === 0 || array.some((other) => other.start === chunk.start)) continue;
    const place = { image: sup.image, start: chunk.start };
    faults.error('superblock', place, 'sys-chunk-missing', 'sys_chunk_array lacks this system chunk');
  }
}

function sameRange(a: Chunk, b: Chunk, size: number): boolean {
  for (let i = 0; i < size; i++) if (a.view.getUint8(a.at + i) !== b.view.getUint8(b.at + i)) return false;
  return true;
}
