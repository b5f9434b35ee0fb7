import { toHex, viewOf } from '../../base/bytes.ts';
import { showName } from '../../base/show-name.ts';
import { needBytes } from '../../fs/format/format-error.ts';
import { KEY_TYPE, type Key, readKey, showKey } from '../../fs/format/key.ts';
import { bytesField, Layout, u32, u64 } from '../../fs/format/layout.ts';
import { decodeRootItem, decodeRootRef, ROOT_FLAG } from '../../fs/format/root-item.ts';
import { decodeUuidItem } from '../../fs/format/uuid.ts';
import { type DumpRecord, flags, plainNumber, plainRecord } from './dump-value.ts';
import { inodeFields } from './file-item-decoders.ts';
import { BALANCE_ITEM, FREE_SPACE_HEADER, type ItemDecoder } from './item-decoder.ts';

/** Items of the root, uuid and quota trees, and of what comes and goes. */
export const TREE_ITEMS: readonly (readonly [number, ItemDecoder])[] = [
  [KEY_TYPE.ROOT_ITEM, rootFields],
  [KEY_TYPE.ROOT_REF, rootReference],
  [KEY_TYPE.ROOT_BACKREF, rootReference],
  [KEY_TYPE.UUID_KEY_SUBVOL, uuidFields],
  [KEY_TYPE.UUID_KEY_RECEIVED_SUBVOL, uuidFields],
  [KEY_TYPE.STRING_ITEM, (bytes) => ({ text: showName(bytes) })],
  [KEY_TYPE.QGROUP_STATUS, quotaStatus],
  [KEY_TYPE.QGROUP_INFO, (bytes) => plainRecord(QUOTA_INFO.decode(bytes))],
  [KEY_TYPE.QGROUP_LIMIT, (bytes) => plainRecord(QUOTA_LIMIT.decode(bytes))],
  [KEY_TYPE.QGROUP_RELATION, () => ({})],
  [KEY_TYPE.TEMPORARY_ITEM, (bytes) => ({ data: toHex(bytes) })],
  [BALANCE_ITEM, balanceFields],
  [FREE_SPACE_HEADER, freeSpaceHeader],
];

const QUOTA_STATUS = new Layout('qgroup status', 32, {
  version: u64(0),
  generation: u64(8),
  flags: u64(16),
  rescan: u64(24),
});
const QUOTA_STATUS_FLAG = { ON: 1, RESCAN: 2, INCONSISTENT: 4, SIMPLE_MODE: 8 } as const;
const QUOTA_INFO = new Layout('qgroup info', 40, {
  generation: u64(0),
  referenced: u64(8),
  referencedCompressed: u64(16),
  exclusive: u64(24),
  exclusiveCompressed: u64(32),
});
const QUOTA_LIMIT = new Layout('qgroup limit', 40, {
  flags: u64(0),
  maxReferenced: u64(8),
  maxExclusive: u64(16),
  reservedReferenced: u64(24),
  reservedExclusive: u64(32),
});
const BALANCE_PART = new Layout('balance args', 136, {
  profiles: u64(0),
  usage: u64(8),
  devid: u64(16),
  physicalStart: u64(24),
  physicalEnd: u64(32),
  virtualStart: u64(40),
  virtualEnd: u64(48),
  target: u64(56),
  flags: u64(64),
  limit: u64(72),
  stripesMin: u32(80),
  stripesMax: u32(84),
});
const BALANCE = new Layout('balance item', 448, {
  flags: u64(0),
  data: bytesField(8, BALANCE_PART.size),
  metadata: bytesField(144, BALANCE_PART.size),
  system: bytesField(280, BALANCE_PART.size),
});
const SPACE_HEADER = new Layout('free space header', 41, { generation: u64(17), entries: u64(25), bitmaps: u64(33) });
const INODE_SIZE = 160;

function rootFields(bytes: Uint8Array): DumpRecord {
  const { flags: bits, inode: _inode, dropProgress, ...root } = decodeRootItem(bytes);
  return {
    ...plainRecord(root),
    flags: flags(bits, ROOT_FLAG),
    dropProgress: showKey(dropProgress),
    inode: inodeFields(bytes.subarray(0, INODE_SIZE)),
  };
}

function rootReference(bytes: Uint8Array): DumpRecord {
  const { name, ...rest } = decodeRootRef(bytes);
  return { ...plainRecord(rest), name: showName(name) };
}

function uuidFields(bytes: Uint8Array): DumpRecord {
  return { subvolumes: decodeUuidItem(bytes).map(plainNumber) };
}

function quotaStatus(bytes: Uint8Array): DumpRecord {
  const { flags: bits, ...status } = QUOTA_STATUS.decode(bytes);
  return { ...plainRecord(status), flags: flags(bits, QUOTA_STATUS_FLAG) };
}

function balanceFields(bytes: Uint8Array): DumpRecord {
  const { flags: bits, data, metadata, system } = BALANCE.decode(bytes);
  const part = (args: Uint8Array) => plainRecord(BALANCE_PART.decode(args));
  return {
    flags: flags(bits, { DATA: 1, SYSTEM: 2, METADATA: 4, FORCE: 8, RESUME: 32 }),
    data: part(data),
    metadata: part(metadata),
    system: part(system),
  };
}

function freeSpaceHeader(bytes: Uint8Array, _key: Key): DumpRecord {
  needBytes('free space header', bytes.length, SPACE_HEADER.size);
  return { location: showKey(readKey(viewOf(bytes), 0)), ...plainRecord(SPACE_HEADER.decode(bytes)) };
}
