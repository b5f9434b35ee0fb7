import { readU64 } from '../../base/bytes.ts';
import type { DiskImage } from '../../record/image.ts';
import { type Chunk, ChunkMap } from './chunk-map.ts';
import { ChunkTreeVisitor, readSystemChunks } from './chunk-tree.ts';
import { type DeviceExtent, DeviceTreeVisitor } from './device-tree.ts';
import { ExtentLedger } from './extent-ledger.ts';
import { FaultCollector } from './fault-report.ts';
import {
  EXTENT_FLAG_TREE_BLOCK,
  EXTENT_ITEM_SIZE,
  FILE_EXTENT_REGULAR,
  FILE_EXTENT_SIZE,
  FIRST_FREE_OBJECTID,
  ROOT_ITEM_LEGACY_SIZE,
  SECTOR,
  SUPER_OFFSETS,
  SUPER_SIZE,
  TREE,
  TYPE,
} from './layout.ts';
import { findMembers, missingDevices, presumedMembers, readSuperblocks } from './members.ts';
import { isReplaceUnderWay, type ReplaceItem } from './replace-item.ts';
import { checkSuperblock, type Superblock } from './superblock.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';
import { TreeWalker } from './tree-walk.ts';
import { chunkTreeOf, rootTreeOf, systemTree } from './trees-to-walk.ts';

/** An allocated extent: of data, or one tree block. */
export interface LiveExtent {
  readonly start: number;
  readonly length: number;
  /** Transaction that allocated it: who comes back at the same address has a higher one. */
  readonly generation: number;
  readonly isTree: boolean;
}

interface Root {
  readonly bytenr: number;
  readonly level: number;
  readonly generation: number;
  readonly lastSnapshot: number;
}

/**
 * What the committed roots on these disks reach, and where it lies: read for judges of copies, scrubs and discards, who
 * want to know it at moments in the middle of a run. Trees are read when first asked for. A fault of the images makes
 * what cannot be read empty; to complain of it is the business of `checkImage`.
 */
export class LiveSpace {
  readonly generation: number;
  readonly nodeSize: number;
  readonly chunks: ChunkMap;
  /** Index of the image of each device that is present, by device id. */
  readonly imageOf: ReadonlyMap<number, number>;
  /** Size that each device has for the file system, by id; also of those that are missing. */
  readonly sizes: ReadonlyMap<number, number>;
  readonly missing: readonly number[];
  /** Index of the image that a device replace under way copies to. */
  readonly target: number | null;
  readonly #sup: Superblock;
  readonly #walker: TreeWalker;
  readonly #roots = new Map<number, Root>();
  #isWhole = true;
  #extents: readonly LiveExtent[] | null = null;
  #csums: Checksums | null = null;
  #written: readonly number[] | null = null;
  #devices: DeviceTreeVisitor | null = null;

  /** Null when superblock, chunk tree or root tree cannot be read. */
  static read(images: readonly DiskImage[]): LiveSpace | null {
    const faults = new FaultCollector();
    const options = { crashed: true };
    const { supers } = readSuperblocks(images, options, faults);
    const sup = supers[0];
    if (sup === undefined || !checkSuperblock(sup, faults)) return null;
    const chunks = new ChunkMap(presumedMembers(supers, images).images);
    const walker = new TreeWalker(sup, chunks, new ExtentLedger(), faults, { verifyCopies: false });
    chunks.replaceChunks(readSystemChunks(sup, faults));
    const tree = new ChunkTreeVisitor(sup, faults);
    if (!walker.walk(chunkTreeOf(sup, tree)).complete) return null;
    chunks.replaceChunks(tree.chunks);
    const members = findMembers(supers, tree.devices, images, options, faults);
    chunks.devices = members.images;
    const sizes = new Map([...tree.devices.values()].map((device) => [device.id, device.total]));
    const missing = missingDevices(members, tree.devices);
    const imageOf = new Map(members.supers.map((member) => [member.deviceId, member.image]));
    const live = new LiveSpace(sup, walker, chunks, imageOf, sizes, missing, members.target?.image ?? null);
    return live.#readRoots() ? live : null;
  }

  private constructor(
    sup: Superblock,
    walker: TreeWalker,
    chunks: ChunkMap,
    imageOf: ReadonlyMap<number, number>,
    sizes: ReadonlyMap<number, number>,
    missing: readonly number[],
    target: number | null,
  ) {
    this.#sup = sup;
    this.#walker = walker;
    this.chunks = chunks;
    this.imageOf = imageOf;
    this.sizes = sizes;
    this.missing = missing;
    this.target = target;
    this.generation = sup.generation;
    this.nodeSize = sup.nodeSize;
  }

  /** Whether all that was asked for so far could be read in full. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** In ascending order of their addresses. */
  get extents(): readonly LiveExtent[] {
    if (this.#extents === null) {
      const visitor = new ExtentVisitor(this.nodeSize);
      this.#walk(TREE.EXTENT, visitor);
      this.#extents = visitor.extents;
    }
    return this.#extents;
  }

  get csums(): Checksums {
    if (this.#csums === null) {
      this.#csums = new Checksums();
      this.#walk(TREE.CSUM, this.#csums);
    }
    return this.#csums;
  }

  /** Data that files lead to, as `start, end` pairs, ascending and disjoint; never preallocated space. */
  get written(): readonly number[] {
    if (this.#written === null) {
      const visitor = new WrittenVisitor();
      for (const id of [...this.#roots.keys()].sort((a, b) => a - b)) {
        if (id === TREE.FS || id >= FIRST_FREE_OBJECTID || id === TREE.DATA_RELOC) this.#walk(id, visitor);
      }
      this.#written = visitor.merged();
    }
    return this.#written;
  }

  get deviceExtents(): readonly DeviceExtent[] {
    return this.#deviceTree.extents;
  }

  /** The device replace under way, if there is one. */
  get replace(): ReplaceItem | null {
    return this.#deviceTree.replaces.find(isReplaceUnderWay) ?? null;
  }

  /** The extent that holds this address; null when none does. */
  extentAt(logical: number): LiveExtent | null {
    const { extents } = this;
    let low = 0;
    let high = extents.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (extents[middle]!.start <= logical) low = middle + 1;
      else high = middle;
    }
    const found = extents[low - 1];
    return found !== undefined && logical < found.start + found.length ? found : null;
  }

  /** Calls `visit` for each contiguous piece of each copy of a range. */
  eachPiece(start: number, length: number, visit: (piece: Piece) => void): void {
    const place = { device: 0, offset: 0, length: 0 };
    for (let done = 0; done < length; ) {
      const logical = start + done;
      const chunk = this.chunks.find(logical);
      if (chunk === null) return;
      let part = Math.min(length - done, chunk.end - logical);
      for (let copy = 0; copy < chunk.copies; copy++) {
        chunk.locate(logical, copy, place);
        part = Math.min(part, place.length);
      }
      for (let copy = 0; copy < chunk.copies; copy++) {
        chunk.locate(logical, copy, place);
        visit({ chunk, logical, length: part, copy, device: place.device, offset: place.offset });
      }
      done += part;
    }
  }

  get #deviceTree(): DeviceTreeVisitor {
    if (this.#devices === null) {
      this.#devices = new DeviceTreeVisitor(new FaultCollector());
      this.#walk(TREE.DEV, this.#devices);
    }
    return this.#devices;
  }

  #readRoots(): boolean {
    const roots = this.#roots;
    const visitor: ItemVisitor = {
      item: ({ view }, _slot, objectid, type, _offset, at, size) => {
        if (type !== TYPE.ROOT_ITEM || size < ROOT_ITEM_LEGACY_SIZE) return;
        const [bytenr, generation] = [readU64(view, at + 176), readU64(view, at + 160)];
        const level = view.getUint8(at + 238);
        roots.set(objectid, { bytenr, level, generation, lastSnapshot: readU64(view, at + 200) });
      },
    };
    return this.#walker.walk(rootTreeOf(this.#sup, visitor)).complete;
  }

  #walk(id: number, visitor: ItemVisitor): void {
    const root = this.#roots.get(id);
    if (root === undefined) return;
    const tree = systemTree(this.#sup, id, root.bytenr, root.level, root.generation, visitor);
    const shareable = id === TREE.FS || id >= FIRST_FREE_OBJECTID || id === TREE.DATA_RELOC;
    const { complete } = this.#walker.walk({ ...tree, shareable, lastSnapshot: root.lastSnapshot });
    if (!complete) this.#isWhole = false;
  }
}

/** A stretch of one copy that is contiguous on its device. */
export interface Piece {
  readonly chunk: Chunk;
  readonly logical: number;
  readonly length: number;
  readonly copy: number;
  /** Device id. */
  readonly device: number;
  readonly offset: number;
}

class ExtentVisitor implements ItemVisitor {
  readonly extents: LiveExtent[] = [];
  readonly #nodeSize: number;

  constructor(nodeSize: number) {
    this.#nodeSize = nodeSize;
  }

  item(
    block: TreeBlock,
    _slot: number,
    objectid: number,
    type: number,
    offset: number,
    at: number,
    size: number,
  ): void {
    const isSkinny = type === TYPE.METADATA_ITEM;
    if ((type !== TYPE.EXTENT_ITEM && !isSkinny) || size < EXTENT_ITEM_SIZE) return;
    const isTree = isSkinny || (block.view.getUint32(at + 16, true) & EXTENT_FLAG_TREE_BLOCK) !== 0;
    const length = isSkinny ? this.#nodeSize : offset;
    this.extents.push({ start: objectid, length, generation: readU64(block.view, at + 8), isTree });
  }
}

/** The checksum of every data sector that has one. */
export class Checksums implements ItemVisitor {
  /** Ascending; `at` is where the checksum of the first sector lies in `view`. */
  readonly runs: { readonly start: number; readonly end: number; readonly view: DataView; readonly at: number }[] = [];

  item(
    block: TreeBlock,
    _slot: number,
    _objectid: number,
    type: number,
    offset: number,
    at: number,
    size: number,
  ): void {
    if (type !== TYPE.EXTENT_CSUM) return;
    const sectors = Math.floor(size / 4);
    this.runs.push({ start: offset, end: offset + sectors * SECTOR, view: block.view, at });
  }

  /** Null where the sector has none. */
  at(logical: number): number | null {
    const { runs } = this;
    let low = 0;
    let high = runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (runs[middle]!.start <= logical) low = middle + 1;
      else high = middle;
    }
    const run = runs[low - 1];
    if (run === undefined || logical >= run.end) return null;
    return run.view.getUint32(run.at + ((logical - run.start) / SECTOR) * 4, true);
  }
}

class WrittenVisitor implements ItemVisitor {
  readonly #ranges: [number, number][] = [];

  item(block: TreeBlock, _slot: number, _id: number, type: number, _offset: number, at: number, size: number): void {
    if (type !== TYPE.EXTENT_DATA || size !== FILE_EXTENT_SIZE) return;
    const { view } = block;
    if (view.getUint8(at + 20) !== FILE_EXTENT_REGULAR) return;
    const disk = readU64(view, at + 21);
    if (disk === 0) return;
    const isCompressed = view.getUint8(at + 16) !== 0;
    const start = isCompressed ? disk : disk + readU64(view, at + 37);
    const length = isCompressed ? readU64(view, at + 29) : readU64(view, at + 45);
    if (length > 0) this.#ranges.push([start, start + length]);
  }

  merged(): number[] {
    const result: number[] = [];
    for (const [start, end] of this.#ranges.sort((a, b) => a[0] - b[0])) {
      const last = result.length - 1;
      if (last > 0 && result[last]! >= start) result[last] = Math.max(result[last]!, end);
      else result.push(start, end);
    }
    return result;
  }
}

/** Where the superblocks of a device lie, as `start, end` pairs. */
export function superblockRanges(size: number): number[] {
  return SUPER_OFFSETS.filter((offset) => offset + SUPER_SIZE <= size).flatMap((offset) => [
    offset,
    offset + SUPER_SIZE,
  ]);
}

/** Read before in this process, by fingerprints: runs of one workload pass through many equal moments. */
const REMEMBERED_MAX = 64;
const remembered = new Map<string, LiveSpace | null>();

export function liveSpaceOf(images: readonly DiskImage[]): LiveSpace | null {
  const key = images.map((image) => image.fingerprint).join();
  const known = remembered.get(key);
  if (known !== undefined) return known;
  const live = LiveSpace.read(images);
  if (remembered.size >= REMEMBERED_MAX) remembered.delete(remembered.keys().next().value!);
  remembered.set(key, live);
  return live;
}
