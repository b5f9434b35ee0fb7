import { readU64, viewOf } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import type { DiskImage } from '../../record/image.ts';
import { checkBackups } from './backup-roots.ts';
import type { FaultCollector, FaultPlace } from './fault-report.ts';
import {
  COMPAT_RO,
  CSUM_TYPES,
  INCOMPAT,
  INCOMPAT_UNSUPPORTED,
  LABEL_SIZE,
  LEVEL_MAX,
  SECTOR,
  SUPER,
  SUPER_FLAG_ERROR,
  SUPER_FLAG_NAMES,
  SUPER_FLAG_WRITTEN,
  SUPER_MAGIC_HIGH,
  SUPER_MAGIC_LOW,
  SUPER_OFFSETS,
  SUPER_SIZE,
  SYS_CHUNK_ARRAY_MAX,
} from './layout.ts';
import { isPowerOfTwo, isZero, sameUuid, showUuid } from './raw-fields.ts';

/** The fields of one superblock that the walk needs; the rest is read from `view`. */
export class Superblock {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly image: number;
  readonly generation: number;
  readonly nodeSize: number;
  readonly incompat: number;
  readonly compatRo: number;
  readonly deviceId: number;

  constructor(bytes: Uint8Array, image: number) {
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.image = image;
    this.generation = readU64(this.view, SUPER.generation);
    this.nodeSize = this.view.getUint32(SUPER.nodeSize, true);
    this.incompat = this.view.getUint32(SUPER.incompat, true);
    this.compatRo = this.view.getUint32(SUPER.compatRo, true);
    this.deviceId = readU64(this.view, SUPER.devItem);
  }

  has(feature: keyof typeof INCOMPAT): boolean {
    return (this.incompat & INCOMPAT[feature]) !== 0;
  }

  hasReadOnly(feature: keyof typeof COMPAT_RO): boolean {
    return (this.compatRo & COMPAT_RO[feature]) !== 0;
  }

  /** Where the id stored in every block header lies in this superblock. */
  get headerFsidAt(): number {
    return this.has('METADATA_UUID') ? SUPER.metadataUuid : SUPER.fsid;
  }
}

const SEEDING_BIT = 32;
/** METADUMP and METADUMP_V2, of the upper half of the flags. */
const METADUMP_HIGH = 0x6;

export interface SuperblockOptions {
  /** The images are what a power cut left: copies that lag behind the newest are expected. */
  readonly crashed: boolean;
}

/** As `btrfs-image` makes it: there is no data. */
export function isMetadataOnly({ view }: Superblock): boolean {
  return (view.getUint32(SUPER.flags + 4, true) & METADUMP_HIGH) !== 0;
}

export function hasSuperblockMagic(image: DiskImage, mirror: number): boolean {
  const offset = SUPER_OFFSETS[mirror]!;
  if (offset + SUPER_SIZE > image.size) return false;
  const bytes = image.read(offset, SUPER_SIZE);
  const view = viewOf(bytes);
  return (
    view.getUint32(SUPER.magic, true) === SUPER_MAGIC_LOW && view.getUint32(SUPER.magic + 4, true) === SUPER_MAGIC_HIGH
  );
}

/** One copy by itself; null, after a complaint, when it cannot be used. */
export function readSuperblockCopy(
  image: DiskImage,
  index: number,
  mirror: number,
  faults: FaultCollector,
): Superblock | null {
  const place = { image: index, mirror };
  const offset = SUPER_OFFSETS[mirror]!;
  if (offset + SUPER_SIZE > image.size) {
    faults.error('superblock', place, 'superblock-missing', 'the device is too small to hold one', image.size);
    return null;
  }
  const copy = new Superblock(image.read(offset, SUPER_SIZE), index);
  const { view } = copy;
  if (!hasSuperblockMagic(image, mirror)) {
    faults.error('superblock', place, 'superblock-magic', 'magic is wrong', showBytes(copy.bytes, 64, 8), '_BHRfS_M');
    return null;
  }
  const csumType = view.getUint16(SUPER.csumType, true);
  if (csumType !== 0) {
    const name = CSUM_TYPES[csumType];
    if (name === undefined) {
      faults.error('superblock', place, 'superblock-csum-type', 'checksum type is unknown', csumType, '0 (crc32c)');
    } else {
      faults.unsupported.push(`checksum ${name}`);
    }
    return null;
  }
  const have = view.getUint32(SUPER.csum, true);
  const expect = crc32c(copy.bytes.subarray(32));
  if (have !== expect) {
    faults.error('superblock', place, 'superblock-checksum', 'checksum is wrong', hex(have), hex(expect));
    return null;
  }
  if (!isZero(view, 4, 28)) {
    faults.warn('superblock', place, 'superblock-checksum-padding', 'bytes after the checksum are not zero');
  }
  const bytenr = readU64(view, SUPER.bytenr);
  if (bytenr !== offset) {
    faults.error('superblock', place, 'superblock-bytenr', 'bytenr is not where it lies', bytenr, offset);
    if (mirror > 0) return null;
  }
  return copy;
}

/** The further copies on the same device. */
export function checkMirrors(
  image: DiskImage,
  primary: Superblock,
  options: SuperblockOptions,
  faults: FaultCollector,
): void {
  const size = Math.min(readU64(primary.view, SUPER.devItem + 8), image.size);
  for (let mirror = 1; mirror < SUPER_OFFSETS.length; mirror++) {
    if (SUPER_OFFSETS[mirror]! + SUPER_SIZE > size) continue;
    const copy = readSuperblockCopy(image, primary.image, mirror, faults);
    if (copy === null) continue;
    const place = { image: primary.image, mirror };
    if (options.crashed && copy.generation < primary.generation) continue;
    if (copy.generation !== primary.generation) {
      const what = 'the mirror is of another generation';
      faults.error('superblock', place, 'superblock-mirror-stale', what, copy.generation, primary.generation);
      continue;
    }
    // An fsync moves log_root in the primary only; the mirrors follow with the next commit.
    const hasLog = readU64(primary.view, SUPER.logRoot) !== 0;
    const ownField = (at: number) =>
      at < 32 ||
      (at >= SUPER.bytenr && at < SUPER.flags) ||
      (hasLog && ((at >= SUPER.logRoot && at < SUPER.logRoot + 8) || at === SUPER.logRootLevel));
    const different = firstDifference(copy.bytes, primary.bytes, ownField);
    if (different >= 0) {
      const what = `the mirror differs from the primary at byte ${different}`;
      faults.error(
        'superblock',
        place,
        'superblock-mirror-differs',
        what,
        copy.bytes[different],
        primary.bytes[different],
      );
    }
  }
}

export function firstDifference(a: Uint8Array, b: Uint8Array, skip: (at: number) => boolean): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i] && !skip(i)) return i;
  return -1;
}

/**
 * Checks the fields of one primary superblock that can be judged without any tree.
 * @returns false when the walk cannot go on: a feature it does not know, or sizes it cannot use.
 */
export function checkSuperblock(sup: Superblock, faults: FaultCollector): boolean {
  const place = { image: sup.image };
  checkFlags(sup, place, faults);
  const usable = checkFeatures(sup, place, faults) && checkSizes(sup, place, faults);
  checkRootPointers(sup, place, faults);
  checkUsage(sup, place, faults);
  const { view } = sup;
  if (sup.has('METADATA_UUID') === false && !isZero(view, SUPER.metadataUuid, 16)) {
    const what = 'metadata_uuid is set without its feature flag';
    const have = showUuid(view, SUPER.metadataUuid);
    // btrfs-convert sets it to what it would be anyway.
    const isHarmless = sameUuid(view, SUPER.metadataUuid, view, SUPER.fsid);
    if (isHarmless) faults.warn('superblock', place, 'superblock-metadata-uuid', what, have, 'zero');
    else faults.error('superblock', place, 'superblock-metadata-uuid', what, have, 'zero');
  }
  if (isZero(view, SUPER.fsid, 16)) faults.error('superblock', place, 'superblock-fsid', 'fsid is zero');
  if (sup.bytes.indexOf(0, SUPER.label) >= SUPER.label + LABEL_SIZE || sup.bytes.indexOf(0, SUPER.label) < 0) {
    faults.error('superblock', place, 'superblock-label', 'the label has no end');
  }
  if (!sameUuid(view, SUPER.devItem + 82, view, sup.headerFsidAt)) {
    const have = showUuid(view, SUPER.devItem + 82);
    const what = 'dev_item.fsid is not that of the file system';
    faults.error('superblock', place, 'superblock-dev-item-fsid', what, have, showUuid(view, sup.headerFsidAt));
  }
  checkBackups(sup, place, faults);
  checkUnused(sup, place, faults);
  return usable;
}

function checkUnused(sup: Superblock, place: FaultPlace, faults: FaultCollector): void {
  const { view } = sup;
  if (!isZero(view, SUPER.unusedLogRootTransid, 8)) {
    const what = '__unused_log_root_transid is not zero';
    faults.warn('superblock', place, 'superblock-reserved', what, readU64(view, SUPER.unusedLogRootTransid), 0);
  }
  if (!isZero(view, SUPER.padding, SUPER_SIZE - SUPER.padding)) {
    faults.warn('superblock', place, 'superblock-reserved', 'padding is not zero');
  }
  if (!isZero(view, SUPER.globalRoots, 8)) {
    const what = 'nr_global_roots is set without the feature EXTENT_TREE_V2';
    faults.warn('superblock', place, 'superblock-reserved', what, readU64(view, SUPER.globalRoots), 0);
  }
  if (readU64(view, SUPER.logRoot) === 0 && view.getUint8(SUPER.logRootLevel) !== 0) {
    const what = 'log_root_level of no log';
    faults.warn('superblock', place, 'superblock-log-root-level', what, view.getUint8(SUPER.logRootLevel), 0);
  }
  if (!isZero(view, SUPER.reserved, SUPER.sysChunkArray - SUPER.reserved)) {
    faults.warn('superblock', place, 'superblock-reserved', 'reserved bytes are not zero');
  }
}

function checkFlags(sup: Superblock, place: FaultPlace, faults: FaultCollector): void {
  const low = sup.view.getUint32(SUPER.flags, true);
  const high = sup.view.getUint32(SUPER.flags + 4, true);
  if ((low & SUPER_FLAG_WRITTEN) === 0) {
    faults.error('superblock', place, 'superblock-flags', 'the WRITTEN flag is not set', hex(low));
  }
  if (low & SUPER_FLAG_ERROR) {
    faults.error('superblock', place, 'superblock-error-flag', 'the ERROR flag is set', hex(low));
  }
  if ((low & ~(SUPER_FLAG_WRITTEN | SUPER_FLAG_ERROR)) !== 0) {
    faults.error('superblock', place, 'superblock-flags', 'unknown flags are set', hex(low));
  }
  for (let bit = 32; bit < 64; bit++) {
    // A seed by itself is as any other file system.
    if ((high & (1 << (bit - 32))) === 0 || bit === SEEDING_BIT) continue;
    const name = SUPER_FLAG_NAMES[bit];
    if (name === undefined) faults.error('superblock', place, 'superblock-flags', `unknown flag bit ${bit} is set`);
    else faults.unsupported.push(`super flag ${name}`);
  }
}

function checkFeatures(sup: Superblock, place: FaultPlace, faults: FaultCollector): boolean {
  const { view } = sup;
  const fields = [
    ['compat', SUPER.compat, 0],
    ['compat_ro', SUPER.compatRo, maskOf(COMPAT_RO)],
    ['incompat', SUPER.incompat, maskOf(INCOMPAT)],
  ] as const;
  let known = true;
  for (const [name, at, mask] of fields) {
    const unknown = (view.getUint32(at, true) & ~mask) >>> 0;
    const unknownHigh = view.getUint32(at + 4, true);
    if (unknown === 0 && unknownHigh === 0) continue;
    const what = `${name}_flags has unknown feature bits`;
    faults.error(
      'superblock',
      place,
      `superblock-${name.replace('_', '-')}`,
      what,
      hex(unknownHigh * 2 ** 32 + unknown),
    );
    if (name === 'incompat') known = false;
  }
  for (const name of INCOMPAT_UNSUPPORTED) {
    if (!sup.has(name)) continue;
    faults.unsupported.push(name);
    known = false;
  }
  if (sup.hasReadOnly('FREE_SPACE_TREE_VALID') && !sup.hasReadOnly('FREE_SPACE_TREE')) {
    const what = 'FREE_SPACE_TREE_VALID without FREE_SPACE_TREE';
    faults.error('superblock', place, 'superblock-compat-ro', what, hex(sup.compatRo));
  }
  if (sup.hasReadOnly('BLOCK_GROUP_TREE') && !(sup.has('NO_HOLES') && sup.hasReadOnly('FREE_SPACE_TREE_VALID'))) {
    const what = 'BLOCK_GROUP_TREE without NO_HOLES and a valid free space tree';
    faults.error('superblock', place, 'superblock-compat-ro', what, hex(sup.compatRo));
  }
  if (!sup.has('MIXED_BACKREF')) {
    const what = 'the feature MIXED_BACKREF, which all have, is off';
    faults.warn('superblock', place, 'superblock-incompat', what, hex(sup.incompat));
  }
  if (sup.has('MIXED_GROUPS') && sup.nodeSize !== view.getUint32(SUPER.sectorSize, true)) {
    const what = 'mixed block groups need nodes as large as sectors';
    faults.error('superblock', place, 'superblock-mixed-nodesize', what, sup.nodeSize, SECTOR);
  }
  return known;
}

function checkSizes(sup: Superblock, place: FaultPlace, faults: FaultCollector): boolean {
  const { view, nodeSize } = sup;
  const sector = view.getUint32(SUPER.sectorSize, true);
  const wrong = (field: string, have: number, expect: number | string) =>
    faults.error('superblock', place, `superblock-${field}`, `${field} is wrong`, have, expect);
  if (sector !== SECTOR && isPowerOfTwo(sector) && sector > SECTOR && sector <= 65536) {
    faults.unsupported.push(`sectorsize ${sector}`);
    return false;
  }
  if (sector !== SECTOR) wrong('sectorsize', sector, SECTOR);
  const nodeSizeRight = isPowerOfTwo(nodeSize) && nodeSize >= SECTOR && nodeSize <= 65536;
  if (!nodeSizeRight) wrong('nodesize', nodeSize, 'a power of two from 4096 to 65536');
  const leafSize = view.getUint32(SUPER.leafSize, true);
  if (leafSize !== nodeSize) wrong('leafsize', leafSize, nodeSize);
  const stripeSize = view.getUint32(SUPER.stripeSize, true);
  if (stripeSize !== SECTOR) wrong('stripesize', stripeSize, SECTOR);
  return sector === SECTOR && nodeSizeRight;
}

function checkRootPointers(sup: Superblock, place: FaultPlace, faults: FaultCollector): void {
  const { view } = sup;
  const pointers = [
    ['root', SUPER.root, SUPER.rootLevel],
    ['chunk-root', SUPER.chunkRoot, SUPER.chunkRootLevel],
    ['log-root', SUPER.logRoot, SUPER.logRootLevel],
  ] as const;
  for (const [name, at, levelAt] of pointers) {
    const address = readU64(view, at);
    const level = view.getUint8(levelAt);
    if (address % SECTOR !== 0 || address < 0 || (address === 0 && name !== 'log-root')) {
      faults.error('superblock', place, `superblock-${name}`, 'address is not a multiple of 4096', address);
    }
    if (level >= LEVEL_MAX) {
      faults.error('superblock', place, `superblock-${name}-level`, 'level is too high', level, `< ${LEVEL_MAX}`);
    }
  }
  const generation = sup.generation;
  if (generation <= 0)
    faults.error('superblock', place, 'superblock-generation', 'generation is wrong', generation, '≥ 1');
  const chunkGeneration = readU64(view, SUPER.chunkRootGeneration);
  if (chunkGeneration > generation || chunkGeneration <= 0) {
    const what = 'chunk_root_generation is wrong';
    faults.error('superblock', place, 'superblock-chunk-root-generation', what, chunkGeneration, `1 to ${generation}`);
  }
  const cache = readU64(view, SUPER.cacheGeneration);
  if (cache !== -1 && (cache > generation || cache < 0)) {
    const what = 'cache_generation is from the future';
    faults.error('superblock', place, 'superblock-cache-generation', what, cache, `≤ ${generation}`);
  }
  const uuidGeneration = readU64(view, SUPER.uuidTreeGeneration);
  if (uuidGeneration > generation || uuidGeneration < 0) {
    const what = 'uuid_tree_generation is from the future';
    faults.error('superblock', place, 'superblock-uuid-tree-generation', what, uuidGeneration, `≤ ${generation}`);
  }
  const rootDir = readU64(view, SUPER.rootDir);
  if (rootDir !== 6) faults.warn('superblock', place, 'superblock-root-dir', 'root_dir_objectid is wrong', rootDir, 6);
}

function checkUsage(sup: Superblock, place: FaultPlace, faults: FaultCollector): void {
  const { view } = sup;
  const total = readU64(view, SUPER.totalBytes);
  const used = readU64(view, SUPER.bytesUsed);
  if (total <= 0 || total % SECTOR !== 0) {
    faults.error('superblock', place, 'superblock-total-bytes', 'total_bytes is not a multiple of 4096', total);
  }
  if (used < 6 * sup.nodeSize || used > total) {
    const what = 'bytes_used is impossible';
    faults.error('superblock', place, 'superblock-bytes-used', what, used, `${6 * sup.nodeSize} to ${total}`);
  }
  const devices = readU64(view, SUPER.numDevices);
  if (devices <= 0 || devices > 65536) {
    faults.error('superblock', place, 'superblock-num-devices', 'num_devices is impossible', devices, '≥ 1');
  }
  const arraySize = view.getUint32(SUPER.sysChunkArraySize, true);
  if (arraySize > SYS_CHUNK_ARRAY_MAX || arraySize < 97) {
    const what = 'sys_chunk_array_size is impossible';
    faults.error('superblock', place, 'superblock-sys-chunk-array', what, arraySize, `97 to ${SYS_CHUNK_ARRAY_MAX}`);
  }
}

function maskOf(flags: Readonly<Record<string, number>>): number {
  return Object.values(flags).reduce((mask, flag) => mask | flag, 0);
}

function showBytes(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.subarray(at, at + length)).toString('hex');
}

export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
