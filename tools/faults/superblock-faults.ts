import { readU64, writeU64 } from '../../src/base/bytes.ts';
import { SUPER } from '../../src/oracle/structure/layout.ts';
import { type DeliberateFault, fault } from './fault.ts';

/** Superblock fields of linux-files.img. */
export const SUPERBLOCK_FAULTS: readonly DeliberateFault[] = [
  fault('magic', 'superblock-magic', (edit) => edit.super.setUint8(SUPER.magic, 0)),
  fault('csum_type', 'superblock-csum-type', (edit) => edit.super.setUint16(SUPER.csumType, 77, true)),
  fault('bytenr', 'superblock-bytenr', (edit) => writeU64(edit.super, SUPER.bytenr, 69632)),
  fault('flags without WRITTEN', 'superblock-flags', (edit) => writeU64(edit.super, SUPER.flags, 0)),
  fault('flags with ERROR', 'superblock-error-flag', (edit) => writeU64(edit.super, SUPER.flags, 5)),
  fault('generation', 'block-parent-generation', (edit) => writeU64(edit.super, SUPER.generation, 99)),
  fault('root', 'block-outside-chunks', (edit) => writeU64(edit.super, SUPER.root, 2 ** 40)),
  fault('root unaligned', 'superblock-root', (edit) => writeU64(edit.super, SUPER.root, 5611521)),
  fault('chunk_root', 'block-checksum', (edit) => writeU64(edit.super, SUPER.chunkRoot, 1052672 + 4096 * 900)),
  fault('log_root unaligned', 'superblock-log-root', (edit) => writeU64(edit.super, SUPER.logRoot, 1)),
  fault('root_level', 'block-level', (edit) => edit.super.setUint8(SUPER.rootLevel, 2)),
  fault('root_level too high', 'superblock-root-level', (edit) => edit.super.setUint8(SUPER.rootLevel, 8)),
  fault('chunk_root_level', 'superblock-chunk-root-level', (edit) => edit.super.setUint8(SUPER.chunkRootLevel, 9)),
  fault('chunk_root_generation', 'block-parent-generation', (edit) =>
    writeU64(edit.super, SUPER.chunkRootGeneration, 1),
  ),
  fault('chunk_root_generation future', 'superblock-chunk-root-generation', (edit) =>
    writeU64(edit.super, SUPER.chunkRootGeneration, 999),
  ),
  fault('total_bytes', 'superblock-total-bytes', (edit) => writeU64(edit.super, SUPER.totalBytes, 32 * 1024 * 1024)),
  fault('bytes_used', 'superblock-bytes-used', (edit) =>
    writeU64(edit.super, SUPER.bytesUsed, readU64(edit.super, SUPER.bytesUsed) + 4096),
  ),
  fault('root_dir', 'superblock-root-dir', (edit) => writeU64(edit.super, SUPER.rootDir, 7)),
  fault('num_devices', 'superblock-num-devices', (edit) => writeU64(edit.super, SUPER.numDevices, 2)),
  fault('sectorsize', 'superblock-sectorsize', (edit) => edit.super.setUint32(SUPER.sectorSize, 512, true)),
  fault('nodesize', 'superblock-nodesize', (edit) => edit.super.setUint32(SUPER.nodeSize, 5000, true)),
  fault('leafsize', 'superblock-leafsize', (edit) => edit.super.setUint32(SUPER.leafSize, 16384, true)),
  fault('stripesize', 'superblock-stripesize', (edit) => edit.super.setUint32(SUPER.stripeSize, 65536, true)),
  fault('sys_chunk_array_size', 'superblock-sys-chunk-array', (edit) =>
    edit.super.setUint32(SUPER.sysChunkArraySize, 4000, true),
  ),
  fault('compat', 'superblock-compat', (edit) => writeU64(edit.super, SUPER.compat, 1)),
  fault('compat_ro', 'superblock-compat-ro', (edit) => edit.super.setUint8(SUPER.compatRo + 3, 0x40)),
  fault('incompat', 'superblock-incompat', (edit) => edit.super.setUint8(SUPER.incompat + 3, 0x40)),
  fault('cache_generation', 'superblock-cache-generation', (edit) => writeU64(edit.super, SUPER.cacheGeneration, 999)),
  fault('uuid_tree_generation', 'superblock-uuid-tree-generation', (edit) =>
    writeU64(edit.super, SUPER.uuidTreeGeneration, 999),
  ),
  fault('metadata_uuid', 'superblock-metadata-uuid', (edit) => edit.super.setUint8(SUPER.metadataUuid, 1)),
  fault('fsid', 'block-fsid', (edit) => edit.super.setUint8(SUPER.fsid, 1)),
  fault('label', 'superblock-label', (edit) => {
    for (let i = 0; i < 256; i++) edit.super.setUint8(SUPER.label + i, 65);
  }),
  fault('dev_item.devid', 'chunk-stripe-device', (edit) => writeU64(edit.super, SUPER.devItem, 7)),
  fault('dev_item.total_bytes', 'superblock-dev-item', (edit) => writeU64(edit.super, SUPER.devItem + 8, 4096)),
  fault('dev_item.bytes_used', 'superblock-dev-item', (edit) => writeU64(edit.super, SUPER.devItem + 16, 4096)),
  fault('dev_item.uuid', 'superblock-dev-item', (edit) => edit.super.setUint8(SUPER.devItem + 66, 1)),
  fault('dev_item.fsid', 'superblock-dev-item-fsid', (edit) => edit.super.setUint8(SUPER.devItem + 82, 1)),
  fault('sys_chunk_array key', 'sys-chunk-array', (edit) => edit.super.setUint8(SUPER.sysChunkArray + 8, 1)),
  fault('sys_chunk_array chunk type', 'sys-chunk-type', (edit) =>
    writeU64(edit.super, SUPER.sysChunkArray + 17 + 24, 4),
  ),
  fault('sys_chunk_array chunk io_width', 'sys-chunk-differs', (edit) =>
    edit.super.setUint32(SUPER.sysChunkArray + 17 + 36, 8192, true),
  ),
  fault('backup root', 'backup-root', (edit) => {
    for (let slot = 0; slot < 4; slot++) writeU64(edit.super, SUPER.superRoots + slot * 168, 4096);
  }),
];
