import { inflateSync } from 'node:zlib';
import { readU64, sameBytes } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import type { DiskImage } from '../../record/image.ts';
import type { ImageChunk, ImageContents, ImageEntry, ImageExtent } from '../image-contents.ts';
import { ChunkMap } from './chunk-map.ts';
import { ChunkTreeVisitor, readSystemChunks } from './chunk-tree.ts';
import { ExtentLedger } from './extent-ledger.ts';
import { FaultCollector, type StructureFault } from './fault-report.ts';
import {
  DIR_ITEM_SIZE,
  FILE_EXTENT_INLINE,
  FILE_EXTENT_INLINE_START,
  FILE_EXTENT_PREALLOC,
  FILE_EXTENT_SIZE,
  FIRST_FREE_OBJECTID,
  GROUP,
  INODE_ITEM_SIZE,
  MODE_TYPE,
  ROOT_ITEM_LEGACY_SIZE,
  SECTOR,
  TREE,
  TYPE,
} from './layout.ts';
import { Checksums } from './live-space.ts';
import { findMembers, presumedMembers, readSuperblocks } from './members.ts';
import { byteString } from './raw-fields.ts';
import { checkSuperblock, type Superblock } from './superblock.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';
import { TreeWalker } from './tree-walk.ts';
import { chunkTreeOf, rootTreeOf, systemTree } from './trees-to-walk.ts';

/** What a directory entry leads to and its inode says. */
export interface ImageStat {
  readonly tree: number;
  readonly inode: number;
  readonly mode: number;
  readonly size: number;
  readonly bytes: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  /** What it has on disk need not have checksums (`nodatasum`). */
  readonly lacksChecksums: boolean;
}

/** Files larger than this are not read into memory at once. */
const READ_MAX = 2 ** 30;
const ZLIB = 1;
/** Of the flags of an inode item. */
const NODATASUM = 1;

/**
 * Opens the file system on raw images, one per device in any order, with the walker's own code; null when its
 * superblock, chunks or root tree cannot be read. Damage below that makes single files or trees unreadable.
 */
export function openImage(images: readonly DiskImage[]): ImageReader | null {
  const faults = new FaultCollector();
  const options = { crashed: true };
  const { supers } = readSuperblocks(images, options, faults);
  const sup = supers[0];
  if (sup === undefined || !checkSuperblock(sup, faults)) return null;
  const chunks = new ChunkMap(presumedMembers(supers, images).images);
  const walker = new TreeWalker(sup, chunks, new ExtentLedger(), faults, { verifyCopies: false });
  chunks.replaceChunks(readSystemChunks(sup, faults));
  const chunkTree = new ChunkTreeVisitor(sup, faults);
  if (!walker.walk(chunkTreeOf(sup, chunkTree)).complete) return null;
  chunks.replaceChunks(chunkTree.chunks);
  chunks.devices = findMembers(supers, chunkTree.devices, images, options, faults).images;
  const roots = new RootFinder();
  if (!walker.walk(rootTreeOf(sup, roots)).complete) return null;
  return new ImageReader(sup, chunks, walker, roots.roots, faults);
}

interface Root {
  readonly bytenr: number;
  readonly level: number;
  readonly generation: number;
  readonly lastSnapshot: number;
}

class RootFinder implements ItemVisitor {
  readonly roots = new Map<number, Root>();

  item(block: TreeBlock, _slot: number, objectid: number, type: number, _offset: number, at: number, size: number) {
    if (type !== TYPE.ROOT_ITEM || size < ROOT_ITEM_LEGACY_SIZE) return;
    const { view } = block;
    const root = {
      bytenr: readU64(view, at + 176),
      level: view.getUint8(at + 238),
      generation: readU64(view, at + 160),
    };
    this.roots.set(objectid, { ...root, lastSnapshot: readU64(view, at + 200) });
  }
}

interface Inode {
  readonly stat: ImageStat;
  readonly entries: Entry[];
  readonly extents: Extent[];
}

interface Entry {
  readonly name: string;
  readonly child: number;
  readonly isSubvolume: boolean;
}

interface Extent extends ImageExtent {
  readonly compression: number;
  readonly ramBytes: number;
  /** Of inline extents: the bytes as stored. */
  readonly inline: Uint8Array | null;
}

/** All inodes of one subvolume. */
class FileTreeReader implements ItemVisitor {
  readonly inodes = new Map<number, Inode>();
  readonly #tree: number;

  constructor(tree: number) {
    this.#tree = tree;
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
    if (type === TYPE.INODE_ITEM && size === INODE_ITEM_SIZE) this.#inode(block.view, objectid, at);
    else if (type === TYPE.DIR_INDEX) this.#entry(block, objectid, at, size);
    else if (type === TYPE.EXTENT_DATA) this.#extent(block, objectid, offset, at, size);
  }

  #inode(view: DataView, inode: number, at: number): void {
    const stat: ImageStat = {
      tree: this.#tree,
      inode,
      mode: view.getUint32(at + 52, true),
      size: readU64(view, at + 16),
      bytes: readU64(view, at + 24),
      links: view.getUint32(at + 40, true),
      uid: view.getUint32(at + 44, true),
      gid: view.getUint32(at + 48, true),
      lacksChecksums: (view.getUint32(at + 64, true) & NODATASUM) !== 0,
    };
    this.inodes.set(inode, { stat, entries: [], extents: [] });
  }

  #entry(block: TreeBlock, directory: number, at: number, size: number): void {
    if (size < DIR_ITEM_SIZE) return;
    const length = block.view.getUint16(at + 27, true);
    if (DIR_ITEM_SIZE + length > size) return;
    const name = byteString(block.bytes, at + DIR_ITEM_SIZE, length);
    const isSubvolume = block.view.getUint8(at + 8) === TYPE.ROOT_ITEM;
    this.inodes.get(directory)?.entries.push({ name, child: readU64(block.view, at), isSubvolume });
  }

  #extent(block: TreeBlock, inode: number, start: number, at: number, size: number): void {
    const { view } = block;
    if (size <= FILE_EXTENT_INLINE_START) return;
    const type = view.getUint8(at + 20);
    const compression = view.getUint8(at + 16);
    const ramBytes = readU64(view, at + 8);
    const common = { start, compression, ramBytes, isCompressed: compression !== 0 };
    const extents = this.inodes.get(inode)?.extents;
    if (type === FILE_EXTENT_INLINE) {
      const inline = block.bytes.subarray(at + FILE_EXTENT_INLINE_START, at + size);
      const length = compression === 0 ? inline.length : ramBytes;
      extents?.push({ ...common, length, kind: 'inline', diskStart: 0, diskLength: 0, offset: 0, inline });
      return;
    }
    if (size !== FILE_EXTENT_SIZE) return;
    const diskStart = readU64(view, at + 21);
    const kind = diskStart === 0 ? 'hole' : type === FILE_EXTENT_PREALLOC ? 'prealloc' : 'regular';
    const length = readU64(view, at + 45);
    const isHole = kind === 'hole';
    extents?.push({
      ...common,
      length,
      kind,
      diskStart,
      diskLength: isHole ? 0 : readU64(view, at + 29),
      offset: isHole ? 0 : readU64(view, at + 37),
      inline: null,
    });
  }
}

/** Reads trees, directories and files of one set of images. Names are one character per byte. */
export class ImageReader implements ImageContents {
  readonly generation: number;
  readonly #sup: Superblock;
  readonly #chunks: ChunkMap;
  readonly #walker: TreeWalker;
  readonly #roots: ReadonlyMap<number, Root>;
  readonly #faults: FaultCollector;
  readonly #trees = new Map<number, FileTreeReader | null>();
  #csums: Checksums | null = null;
  #entries: ImageEntry[] | null = null;
  #paths: Map<string, ImageStat> | null = null;

  constructor(
    sup: Superblock,
    chunks: ChunkMap,
    walker: TreeWalker,
    roots: ReadonlyMap<number, Root>,
    faults: FaultCollector,
  ) {
    this.#sup = sup;
    this.#chunks = chunks;
    this.#walker = walker;
    this.#roots = roots;
    this.#faults = faults;
    this.generation = sup.generation;
  }

  /** What went wrong on the way to what was read so far. */
  get faults(): readonly StructureFault[] {
    return this.#faults.errors;
  }

  /** Every path below the top of the default tree, subvolumes within it included, parents first. */
  entries(): readonly ImageEntry[] {
    if (this.#entries !== null) return this.#entries;
    const entries: ImageEntry[] = [];
    for (const [path, stat] of this.#pathMap()) {
      if (path !== '/') entries.push({ path, kind: kindOf(stat.mode), file: `${stat.tree}:${stat.inode}` });
    }
    this.#entries = entries;
    return entries;
  }

  /** The inode that an absolute path leads to; null when there is none. */
  stat(path: string): ImageStat | null {
    return this.#pathMap().get(path) ?? null;
  }

  /** Null when there is nothing of that name. */
  hasChecksums(path: string): boolean | null {
    const stat = this.stat(path);
    return stat === null ? null : !stat.lacksChecksums;
  }

  /**
   * Bytes [offset, offset + length) of a file, cut at its size, whole file by default; holes and preallocated space
   * read as zeroes. Null when there is no such file, or its data cannot be read: outside the images, compressed by a
   * method other than zlib, or more than 1 GiB at once.
   */
  readFile(path: string, offset = 0, length = Number.POSITIVE_INFINITY): Uint8Array | null {
    const stat = this.stat(path);
    if (stat === null || kindOf(stat.mode) === 'directory') return null;
    const end = Math.min(stat.size, offset + length);
    const count = Math.max(end - offset, 0);
    if (count > READ_MAX || offset < 0) return null;
    const result = new Uint8Array(count);
    for (const extent of this.#inode(stat.tree, stat.inode)?.extents ?? []) {
      const from = Math.max(extent.start, offset);
      const to = Math.min(extent.start + extent.length, end);
      if (from >= to || extent.kind === 'hole' || extent.kind === 'prealloc') continue;
      const bytes = this.#readExtent(extent, from - extent.start, to - from);
      if (bytes === null) return null;
      result.set(bytes, from - offset);
    }
    return result;
  }

  damagedIn(path: string): { readonly start: number; readonly end: number }[] {
    const stat = this.stat(path);
    const damaged: { start: number; end: number }[] = [];
    if (stat === null) return damaged;
    for (const extent of this.#inode(stat.tree, stat.inode)?.extents ?? []) {
      if (extent.kind !== 'regular' || extent.compression !== 0) continue;
      const from = extent.diskStart + extent.offset;
      for (let at = 0; at < extent.length; at += SECTOR) {
        if (this.#checksums().at(from + at) === null) continue;
        if (this.#verifiedCopy(from + at, Math.max(this.#chunks.copiesAt(from + at), 1)) !== null) continue;
        damaged.push({ start: extent.start + at, end: extent.start + at + SECTOR });
      }
    }
    return damaged;
  }

  extentsOf(tree: number, inode: number): readonly ImageExtent[] | null {
    return this.#inode(tree, inode)?.extents ?? null;
  }

  chunks(): readonly ImageChunk[] {
    return this.#chunks.chunks.map((chunk) => ({
      logical: chunk.start,
      length: chunk.length,
      isData: (chunk.type & GROUP.DATA) !== 0,
    }));
  }

  #inode(tree: number, inode: number): Inode | null {
    return this.#tree(tree)?.inodes.get(inode) ?? null;
  }

  #tree(id: number): FileTreeReader | null {
    const known = this.#trees.get(id);
    if (known !== undefined) return known;
    const root = this.#roots.get(id);
    let reader: FileTreeReader | null = null;
    if (root !== undefined) {
      reader = new FileTreeReader(id);
      const tree = systemTree(this.#sup, id, root.bytenr, root.level, root.generation, reader);
      this.#walker.walk({ ...tree, shareable: true, lastSnapshot: root.lastSnapshot });
    }
    this.#trees.set(id, reader);
    return reader;
  }

  #pathMap(): Map<string, ImageStat> {
    if (this.#paths !== null) return this.#paths;
    const paths = new Map<string, ImageStat>();
    this.#paths = paths;
    const top = this.#inode(TREE.FS, FIRST_FREE_OBJECTID);
    if (top === null) return paths;
    paths.set('/', top.stat);
    // A directory is entered once: damage may make it its own ancestor.
    const entered = new Set<string>();
    const pending: { readonly path: string; readonly tree: number; readonly inode: Inode }[] = [
      { path: '', tree: TREE.FS, inode: top },
    ];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const key = `${next.tree}/${next.inode.stat.inode}`;
      if (entered.has(key)) continue;
      entered.add(key);
      for (const entry of next.inode.entries) {
        const tree = entry.isSubvolume ? entry.child : next.tree;
        const child = this.#inode(tree, entry.isSubvolume ? FIRST_FREE_OBJECTID : entry.child);
        if (child === null) continue;
        const path = `${next.path}/${entry.name}`;
        paths.set(path, child.stat);
        if (kindOf(child.stat.mode) === 'directory') pending.push({ path, tree, inode: child });
      }
    }
    return paths;
  }

  #readExtent(extent: Extent, from: number, length: number): Uint8Array | null {
    if (extent.compression === 0) {
      if (extent.inline !== null) return extent.inline.subarray(from, from + length);
      return this.#readDisk(extent.diskStart + extent.offset + from, length);
    }
    if (extent.compression !== ZLIB || extent.ramBytes <= 0 || extent.ramBytes > 2 ** 20) return null;
    const stored = extent.inline ?? this.#readDisk(extent.diskStart, extent.diskLength);
    const plain = stored === null ? null : inflate(stored, extent.ramBytes);
    if (plain === null) return null;
    // A stream may end before its extent: what is left reads as zeroes.
    const result = new Uint8Array(length);
    result.set(plain.subarray(extent.offset + from, Math.min(extent.offset + from + length, plain.length)));
    return result;
  }

  /** Of several copies one that verifies, sector by sector, as reads choose; if none does, the first that is there. */
  #readDisk(start: number, length: number): Uint8Array | null {
    if (!(length > 0) || length > READ_MAX) return null;
    const copies = Math.max(this.#chunks.copiesAt(start), 1);
    const first = this.#firstCopy(start, length, copies);
    if (copies === 1 || first === null) return first;
    let result = first;
    for (let done = 0; done < length; ) {
      const within = (start + done) % SECTOR;
      const part = Math.min(SECTOR - within, length - done);
      const good = this.#verifiedCopy(start + done - within, copies)?.subarray(within, within + part);
      if (good !== undefined && !sameBytes(good, result.subarray(done, done + part))) {
        if (result === first) result = new Uint8Array(first);
        result.set(good, done);
      }
      done += part;
    }
    return result;
  }

  #firstCopy(start: number, length: number, copies: number): Uint8Array | null {
    for (let copy = 0; copy < copies; copy++) {
      const bytes = this.#chunks.read(start, length, copy);
      if (bytes !== null) return bytes;
    }
    return null;
  }

  /** Null when the sector has no checksum, or no copy has what it says. */
  #verifiedCopy(address: number, copies: number): Uint8Array | null {
    const expected = this.#checksums().at(address);
    if (expected === null) return null;
    for (let copy = 0; copy < copies; copy++) {
      const bytes = this.#chunks.read(address, SECTOR, copy);
      if (bytes !== null && crc32c(bytes) === expected) return bytes;
    }
    return null;
  }

  #checksums(): Checksums {
    if (this.#csums === null) {
      this.#csums = new Checksums();
      const root = this.#roots.get(TREE.CSUM);
      if (root !== undefined) {
        const { bytenr, level, generation } = root;
        this.#walker.walk(systemTree(this.#sup, TREE.CSUM, bytenr, level, generation, this.#csums));
      }
    }
    return this.#csums;
  }
}

function inflate(stored: Uint8Array, ramBytes: number): Uint8Array | null {
  try {
    return inflateSync(stored, { maxOutputLength: ramBytes + 4096 });
  } catch {
    // The data is damaged: for whoever reads the file, it is unreadable.
    return null;
  }
}

function kindOf(mode: number): ImageEntry['kind'] {
  if (mode >>> 12 === MODE_TYPE.DIRECTORY) return 'directory';
  return mode >>> 12 === MODE_TYPE.REGULAR ? 'file' : 'other';
}
