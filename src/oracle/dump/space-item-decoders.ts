import { toHex } from '../../base/bytes.ts';
import { SECTOR_SIZE } from '../../base/units.ts';
import { BLOCK_GROUP_ITEM, showBlockGroupFlags } from '../../fs/format/block-group.ts';
import { DATA_CHECKSUM_SIZE } from '../../fs/format/checksum.ts';
import { decodeChunk } from '../../fs/format/chunk.ts';
import { DATA_REFERENCE_ITEM, SHARED_DATA_REFERENCE_ITEM } from '../../fs/format/data-reference.ts';
import { DEVICE_EXTENT, DEVICE_ITEM, DEVICE_REPLACE, DEVICE_STATS } from '../../fs/format/device.ts';
import { decodeExtentItem, EXTENT_FLAG } from '../../fs/format/extent-item.ts';
import { FormatError } from '../../fs/format/format-error.ts';
import { decodeFreeSpaceBitmap, FREE_SPACE_FLAG, FREE_SPACE_INFO } from '../../fs/format/free-space.ts';
import { KEY_TYPE, type Key, OBJECT_ID, showKey, showKeyType } from '../../fs/format/key.ts';
import { Layout, u64 } from '../../fs/format/layout.ts';
import { type DumpRecord, flags, plainNumber, plainRecord } from './dump-value.ts';
import type { ItemDecoder } from './item-decoder.ts';

const RAID_STRIPE = new Layout('raid stripe', 16, { devid: u64(0), physical: u64(8) });
/** A bitmap describes at most this much in one item; a longer one is damaged. */
const BITMAP_BYTES_MAX = 256;

/** Items of the extent, chunk, device, checksum, free space and block group trees. */
export const SPACE_ITEMS: readonly (readonly [number, ItemDecoder])[] = [
  [KEY_TYPE.EXTENT_ITEM, extentFields],
  [KEY_TYPE.METADATA_ITEM, extentFields],
  [KEY_TYPE.EXTENT_OWNER_REF, () => ({})],
  [KEY_TYPE.TREE_BLOCK_REF, () => ({})],
  [KEY_TYPE.SHARED_BLOCK_REF, () => ({})],
  [KEY_TYPE.EXTENT_DATA_REF, (bytes) => plainRecord(DATA_REFERENCE_ITEM.decode(bytes))],
  [KEY_TYPE.SHARED_DATA_REF, (bytes) => plainRecord(SHARED_DATA_REFERENCE_ITEM.decode(bytes))],
  [KEY_TYPE.EXTENT_CSUM, checksumFields],
  [KEY_TYPE.BLOCK_GROUP_ITEM, blockGroupFields],
  [KEY_TYPE.FREE_SPACE_INFO, freeSpaceInfo],
  [KEY_TYPE.FREE_SPACE_EXTENT, () => ({})],
  [KEY_TYPE.FREE_SPACE_BITMAP, freeSpaceBitmap],
  [KEY_TYPE.DEV_EXTENT, (bytes) => plainRecord(DEVICE_EXTENT.decode(bytes))],
  [KEY_TYPE.DEV_ITEM, (bytes) => plainRecord(DEVICE_ITEM.decode(bytes))],
  [KEY_TYPE.CHUNK_ITEM, chunkFields],
  [KEY_TYPE.RAID_STRIPE, raidStripes],
  [KEY_TYPE.DEV_REPLACE, (bytes) => plainRecord(DEVICE_REPLACE.decode(bytes))],
  [KEY_TYPE.PERSISTENT_ITEM, persistentItem],
];

function extentFields(bytes: Uint8Array, key: Key): DumpRecord {
  const { flags: bits, treeBlockInfo, inlineRefs, ...head } = decodeExtentItem(key.type, bytes);
  const info = treeBlockInfo === null ? {} : { firstKey: showKey(treeBlockInfo.firstKey), level: treeBlockInfo.level };
  return {
    ...plainRecord(head),
    flags: flags(bits, EXTENT_FLAG),
    ...info,
    inlineRefs: inlineRefs.map(({ type, ...ref }) => ({ type: showKeyType(type), ...plainRecord(ref) })),
  };
}

function checksumFields(bytes: Uint8Array, { offset }: Key): DumpRecord {
  if (bytes.length % DATA_CHECKSUM_SIZE !== 0) {
    throw new FormatError('checksum item', `has ${bytes.length} bytes, expect a multiple of ${DATA_CHECKSUM_SIZE}`);
  }
  const count = bytes.length / DATA_CHECKSUM_SIZE;
  const checksums = Array.from({ length: count }, (_, index) => {
    const at = index * DATA_CHECKSUM_SIZE;
    return toHex(Uint8Array.from(bytes.subarray(at, at + DATA_CHECKSUM_SIZE)).reverse());
  });
  return { start: plainNumber(offset), end: plainNumber(offset + count * SECTOR_SIZE), checksums };
}

function blockGroupFields(bytes: Uint8Array): DumpRecord {
  const { flags: bits, ...group } = BLOCK_GROUP_ITEM.decode(bytes);
  return { ...plainRecord(group), flags: showBlockGroupFlags(bits) };
}

function freeSpaceInfo(bytes: Uint8Array): DumpRecord {
  const { extentCount, flags: bits } = FREE_SPACE_INFO.decode(bytes);
  return { extentCount, flags: flags(bits, FREE_SPACE_FLAG) };
}

function freeSpaceBitmap(bytes: Uint8Array, key: Key): DumpRecord {
  if (bytes.length > BITMAP_BYTES_MAX) {
    throw new FormatError('free space bitmap', `has ${bytes.length} bytes, expect at most ${BITMAP_BYTES_MAX}`);
  }
  const free = decodeFreeSpaceBitmap(key.objectid, key.offset, bytes);
  return { free: free.map(({ start, length }) => ({ start: plainNumber(start), length: plainNumber(length) })) };
}

function chunkFields(bytes: Uint8Array): DumpRecord {
  const { type, stripes, ...head } = decodeChunk(bytes);
  return { ...plainRecord(head), type: showBlockGroupFlags(type), stripes: stripes.map(plainRecord) };
}

function persistentItem(bytes: Uint8Array, { objectid }: Key): DumpRecord {
  return objectid === OBJECT_ID.DEV_STATS ? plainRecord(DEVICE_STATS.decode(bytes)) : { data: toHex(bytes) };
}

function raidStripes(bytes: Uint8Array): DumpRecord {
  const { size, name } = RAID_STRIPE;
  if (bytes.length % size !== 0) throw new FormatError(name, `has ${bytes.length} bytes, expect a multiple of ${size}`);
  const stripes = Array.from({ length: bytes.length / size }, (_, index) =>
    plainRecord(RAID_STRIPE.decode(bytes.subarray(index * size))),
  );
  return { stripes };
}
