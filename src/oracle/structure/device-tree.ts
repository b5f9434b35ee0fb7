import { readU64 } from '../../base/bytes.ts';
import type { DiskImage } from '../../record/image.ts';
import type { Chunk, ChunkMap } from './chunk-map.ts';
import type { DeviceItem } from './chunk-tree.ts';
import type { FaultCollector, FaultPlace } from './fault-report.ts';
import {
  DEV_EXTENT_SIZE,
  DEV_STATS_MAX,
  DEV_STATS_NAMES,
  DEV_STATS_OBJECTID,
  DEV_STATS_SIZE,
  FIRST_CHUNK_TREE_OBJECTID,
  GROUP,
  GROUP_PROFILES,
  HEADER,
  SECTOR,
  STRIPE_SIZE,
  SUPER,
  showKey,
  TREE,
  TYPE,
} from './layout.ts';
import { isZero, sameUuid, showUuid } from './raw-fields.ts';
import { type ReplaceItem, readReplaceItem } from './replace-item.ts';
import type { Superblock } from './superblock.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';

/** A DEV_EXTENT: which chunk a stretch of a device belongs to. */
export interface DeviceExtent {
  readonly device: number;
  readonly offset: number;
  readonly length: number;
  readonly chunk: number;
  readonly place: FaultPlace;
}

/** Collects device extents from the device tree. */
export class DeviceTreeVisitor implements ItemVisitor {
  readonly extents: DeviceExtent[] = [];
  readonly replaces: ReplaceItem[] = [];
  readonly #faults: FaultCollector;

  constructor(faults: FaultCollector) {
    this.#faults = faults;
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void {
    if (type === TYPE.DEV_EXTENT) {
      this.#extent(block, slot, objectid, offset, at, size);
    } else if (type === TYPE.DEV_REPLACE) {
      const item = readReplaceItem(block, slot, objectid, offset, at, size, this.#faults);
      if (item !== null) this.replaces.push(item);
    } else if (type === TYPE.PERSISTENT_ITEM) {
      checkDeviceStats(block, slot, objectid, offset, at, size, this.#faults);
    } else {
      this.#faults.item(block, slot, 'unexpected-item', `${showKey(objectid, type, offset)} does not belong here`);
    }
  }

  #extent(block: TreeBlock, slot: number, device: number, offset: number, at: number, size: number): void {
    const { view } = block;
    const faults = this.#faults;
    if (size !== DEV_EXTENT_SIZE) {
      faults.item(block, slot, 'item-size', 'size of a device extent is wrong', size, DEV_EXTENT_SIZE);
      return;
    }
    const tree = readU64(view, at);
    if (tree !== TREE.CHUNK) faults.item(block, slot, 'dev-extent-chunk-tree', 'chunk_tree is wrong', tree, TREE.CHUNK);
    const objectid = readU64(view, at + 8);
    if (objectid !== FIRST_CHUNK_TREE_OBJECTID) {
      const what = 'chunk_objectid is wrong';
      faults.item(block, slot, 'dev-extent-chunk-objectid', what, objectid, FIRST_CHUNK_TREE_OBJECTID);
    }
    if (!isZero(view, at + 32, 16) && !sameUuid(view, at + 32, view, HEADER.chunkTreeUuid)) {
      const expect = showUuid(view, HEADER.chunkTreeUuid);
      faults.warnItem(block, slot, 'dev-extent-uuid', 'chunk_tree_uuid is wrong', showUuid(view, at + 32), expect);
    }
    const length = readU64(view, at + 24);
    if (length <= 0 || length % SECTOR !== 0) {
      faults.item(block, slot, 'dev-extent-length', 'length is not a positive multiple of 4096', length);
    }
    const place = { tree: TREE.DEV, block: block.logical, slot };
    this.extents.push({ device, offset, length, chunk: readU64(view, at + 16), place });
  }
}

/** Error counters of a device; those of a device that is gone may stay behind, and so may those of a replace target. */
function checkDeviceStats(
  block: TreeBlock,
  slot: number,
  objectid: number,
  device: number,
  at: number,
  size: number,
  faults: FaultCollector,
): void {
  if (objectid !== DEV_STATS_OBJECTID) {
    const what = `${showKey(objectid, TYPE.PERSISTENT_ITEM, device)} does not belong here`;
    faults.item(block, slot, 'unexpected-item', what);
    return;
  }
  if (size !== DEV_STATS_SIZE) {
    faults.item(block, slot, 'item-size', 'size of the error counters of a device is wrong', size, DEV_STATS_SIZE);
    return;
  }
  for (const [index, name] of DEV_STATS_NAMES.entries()) {
    const value = readU64(block.view, at + index * 8);
    if (value >= 0 && value <= DEV_STATS_MAX) continue;
    faults.item(block, slot, 'dev-stats-value', `${name} of device ${device} is impossible`, value);
  }
}

export interface VolumeFacts {
  readonly sup: Superblock;
  readonly images: ReadonlyMap<number, DiskImage>;
  readonly chunks: ChunkMap;
  readonly devices: ReadonlyMap<number, DeviceItem>;
  readonly extents: readonly DeviceExtent[];
  readonly chunkTreeComplete: boolean;
  readonly deviceTreeComplete: boolean;
}

/** Chunks against device extents, both ways; device extents against devices; devices against superblocks. */
export function checkVolume(facts: VolumeFacts, supers: readonly Superblock[], faults: FaultCollector): void {
  checkChunkOverlap(facts.chunks, faults);
  if (facts.chunkTreeComplete) {
    checkDeviceTotals(facts, faults);
    // One that lags behind says what was true when it was written; that it lags is another complaint.
    const newest = Math.max(...supers.map(({ generation }) => generation));
    for (const sup of supers) if (sup.generation === newest) checkSuperDeviceItem(sup, facts, faults);
    for (const chunk of facts.chunks.chunks) checkStripes(chunk, facts, faults);
  }
  if (facts.deviceTreeComplete && facts.chunkTreeComplete) checkDeviceExtents(facts, faults);
}

function checkChunkOverlap(map: ChunkMap, faults: FaultCollector): void {
  const { chunks } = map;
  for (let i = 1; i < chunks.length; i++) {
    const before = chunks[i - 1]!;
    const chunk = chunks[i]!;
    if (before.end <= chunk.start) continue;
    const what = 'overlaps the chunk before';
    faults.error('chunk', { start: chunk.start }, 'chunk-overlap', what, chunk.start, `≥ ${before.end}`);
  }
}

function checkDeviceTotals(facts: VolumeFacts, faults: FaultCollector): void {
  const { sup, devices, images } = facts;
  const count = readU64(sup.view, SUPER.numDevices);
  let present = 0;
  let total = 0;
  for (const device of devices.values()) {
    present++;
    total += device.total;
    const image = images.get(device.id);
    if (image === undefined) {
      faults.error('device', { devid: device.id }, 'device-missing', 'no image of this device was given');
    } else if (device.total > image.size) {
      const what = 'total_bytes is more than the device has';
      faults.error(
        'device',
        { devid: device.id, ...device.place },
        'dev-item-total-bytes',
        what,
        device.total,
        image.size,
      );
    }
  }
  if (count !== present) {
    const what = 'num_devices is not the number of device items';
    faults.error('superblock', { image: sup.image }, 'superblock-num-devices', what, count, present);
  }
  const superTotal = readU64(sup.view, SUPER.totalBytes);
  if (superTotal !== total) {
    const what = 'total_bytes is not the sum of the devices';
    faults.error('superblock', { image: sup.image }, 'superblock-total-bytes', what, superTotal, total);
  }
}

const DEVICE_FIELDS = [
  ['total_bytes', 8, true],
  ['bytes_used', 16, true],
  ['type', 36, false],
  ['generation', 44, false],
  ['io_align and io_width', 24, false],
  ['sector_size and the low half of type', 32, false],
  ['start_offset', 52, false],
  ['dev_group, seek_speed and bandwidth', 58, false],
] as const;

function checkSuperDeviceItem(sup: Superblock, facts: VolumeFacts, faults: FaultCollector): void {
  const place = { image: sup.image };
  const device = facts.devices.get(sup.deviceId);
  if (device === undefined) {
    const what = 'the chunk tree has no such device';
    faults.error('superblock', place, 'superblock-dev-item', what, `devid ${sup.deviceId}`);
    return;
  }
  for (const [name, field, important] of DEVICE_FIELDS) {
    const have = readU64(sup.view, SUPER.devItem + field);
    const expect = readU64(device.view, device.at + field);
    if (have === expect) continue;
    const what = `dev_item.${name} is not that of the chunk tree`;
    if (important) faults.error('superblock', place, 'superblock-dev-item', what, have, expect);
    else faults.warn('superblock', place, 'superblock-dev-item', what, have, expect);
  }
  if (!sameUuid(sup.view, SUPER.devItem + 66, device.view, device.at + 66)) {
    const expect = showUuid(device.view, device.at + 66);
    const what = 'dev_item.uuid is not that of the chunk tree';
    faults.error('superblock', place, 'superblock-dev-item', what, showUuid(sup.view, SUPER.devItem + 66), expect);
  }
}

function checkStripes(chunk: Chunk, facts: VolumeFacts, faults: FaultCollector): void {
  checkDistinctDevices(chunk, faults);
  for (let stripe = 0; stripe < chunk.stripes; stripe++) {
    const place = { start: chunk.start, stripe };
    const id = chunk.deviceOf(stripe);
    const device = facts.devices.get(id);
    if (device === undefined) {
      faults.error('chunk', place, 'chunk-stripe-device', 'no such device', `devid ${id}`);
      continue;
    }
    const uuidAt = chunk.at + 48 + stripe * STRIPE_SIZE + 16;
    if (!sameUuid(chunk.view, uuidAt, device.view, device.at + 66)) {
      const expect = showUuid(device.view, device.at + 66);
      const what = 'uuid is not that of the device';
      faults.error('chunk', place, 'chunk-stripe-uuid', what, showUuid(chunk.view, uuidAt), expect);
    }
    const end = chunk.offsetOf(stripe) + chunk.stripeBytes;
    if (end > device.total) {
      const what = 'reaches beyond the end of the device';
      faults.error('chunk', place, 'chunk-stripe-beyond-device', what, end, `≤ ${device.total}`);
    }
  }
}

/** Copies on one device would go with it; only DUP has them there. */
function checkDistinctDevices(chunk: Chunk, faults: FaultCollector): void {
  if ((chunk.type & GROUP_PROFILES) === 0 || (chunk.type & GROUP.DUP) !== 0) return;
  const devices = new Set<number>();
  for (let stripe = 0; stripe < chunk.stripes; stripe++) devices.add(chunk.deviceOf(stripe));
  if (devices.size === chunk.stripes) return;
  const what = 'several stripes lie on one device';
  const place = { start: chunk.start };
  faults.error('chunk', place, 'chunk-stripes-share-device', what, devices.size, `${chunk.stripes} devices`);
}

function checkDeviceExtents(facts: VolumeFacts, faults: FaultCollector): void {
  const wanted = new Map<string, Chunk>();
  for (const chunk of facts.chunks.chunks) {
    for (let stripe = 0; stripe < chunk.stripes; stripe++) {
      wanted.set(`${chunk.deviceOf(stripe)}/${chunk.offsetOf(stripe)}`, chunk);
    }
  }
  const used = new Map<number, number>();
  let before: DeviceExtent | null = null;
  for (const extent of facts.extents) {
    used.set(extent.device, (used.get(extent.device) ?? 0) + extent.length);
    checkDeviceExtent(extent, before, facts, faults);
    before = extent;
    const key = `${extent.device}/${extent.offset}`;
    const chunk = wanted.get(key);
    const place = { devid: extent.device, offset: extent.offset, ...extent.place };
    if (chunk === undefined) {
      const what = 'no stripe of a chunk lies here';
      faults.error('device extent', place, 'dev-extent-without-chunk', what, `chunk ${extent.chunk}`);
      continue;
    }
    wanted.delete(key);
    if (chunk.start !== extent.chunk) {
      const what = 'belongs to another chunk';
      faults.error('device extent', place, 'dev-extent-chunk', what, extent.chunk, chunk.start);
    }
    if (chunk.stripeBytes !== extent.length) {
      const what = "length is not that of the chunk's stripe";
      faults.error('device extent', place, 'dev-extent-length', what, extent.length, chunk.stripeBytes);
    }
  }
  for (const [key, chunk] of wanted) {
    const [devid, offset] = key.split('/') as [string, string];
    const what = 'no device extent for this stripe';
    faults.error('chunk', { start: chunk.start, devid, offset }, 'dev-extent-missing', what);
  }
  for (const device of facts.devices.values()) {
    const sum = used.get(device.id) ?? 0;
    if (device.used === sum) continue;
    const what = 'bytes_used is not the sum of its device extents';
    faults.error('device', { devid: device.id, ...device.place }, 'dev-item-bytes-used', what, device.used, sum);
  }
}

function checkDeviceExtent(
  extent: DeviceExtent,
  before: DeviceExtent | null,
  facts: VolumeFacts,
  faults: FaultCollector,
): void {
  const place = { devid: extent.device, offset: extent.offset, ...extent.place };
  const device = facts.devices.get(extent.device);
  if (device === undefined) {
    faults.error('device extent', place, 'dev-extent-device', 'no such device', `devid ${extent.device}`);
  } else if (extent.offset < 0 || extent.offset + extent.length > device.total) {
    const what = 'reaches beyond the end of the device';
    faults.error('device extent', place, 'dev-extent-beyond-device', what, extent.offset + extent.length, device.total);
  }
  if (before !== null && before.device === extent.device && before.offset + before.length > extent.offset) {
    const what = 'overlaps the device extent before';
    faults.error(
      'device extent',
      place,
      'dev-extent-overlap',
      what,
      extent.offset,
      `≥ ${before.offset + before.length}`,
    );
  }
}
