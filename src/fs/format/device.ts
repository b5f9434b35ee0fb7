import { Layout, u8, u32, u64, uuidField, type ValueOf } from './layout.ts';

/** A device as the chunk tree and each superblock describe it (DEV_ITEM, 98 bytes). */
export const DEVICE_ITEM = new Layout('dev item', 98, {
  devid: u64(0),
  totalBytes: u64(8),
  bytesUsed: u64(16),
  ioAlign: u32(24),
  ioWidth: u32(28),
  sectorSize: u32(32),
  type: u64(36),
  generation: u64(44),
  startOffset: u64(52),
  deviceGroup: u32(60),
  seekSpeed: u8(64),
  bandwidth: u8(65),
  uuid: uuidField(66),
  fsid: uuidField(82),
});
export type DeviceItem = ValueOf<typeof DEVICE_ITEM>;
export const DEVICE_ITEM_SIZE = 98;

/** A run of a device that belongs to a chunk (DEV_EXTENT, 48 bytes). */
export const DEVICE_EXTENT = new Layout('dev extent', 48, {
  chunkTree: u64(0),
  chunkObjectid: u64(8),
  chunkOffset: u64(16),
  length: u64(24),
  chunkTreeUuid: uuidField(32),
});
export type DeviceExtent = ValueOf<typeof DEVICE_EXTENT>;

/** Error counters of a device (PERSISTENT_ITEM of objectid 0, 40 bytes). */
export const DEVICE_STATS = new Layout('dev stats', 40, {
  writeErrors: u64(0),
  readErrors: u64(8),
  flushErrors: u64(16),
  corruptionErrors: u64(24),
  generationErrors: u64(32),
});
export type DeviceStats = ValueOf<typeof DEVICE_STATS>;

/** The progress of a device replace (DEV_REPLACE, 72 bytes). */
export const DEVICE_REPLACE = new Layout('dev replace', 72, {
  sourceDevid: u64(0),
  cursorLeft: u64(8),
  cursorRight: u64(16),
  continueReadingFromSource: u64(24),
  state: u64(32),
  timeStarted: u64(40),
  timeStopped: u64(48),
  writeErrors: u64(56),
  uncorrectableReadErrors: u64(64),
});
export type DeviceReplace = ValueOf<typeof DEVICE_REPLACE>;
