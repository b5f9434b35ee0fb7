import { toHex } from '../../base/bytes.ts';
import { showName } from '../../base/show-name.ts';
import { DIR_TYPE, decodeDirEntries } from '../../fs/format/directory.ts';
import { COMPRESSION, decodeFileExtent, FILE_EXTENT_TYPE } from '../../fs/format/file-extent.ts';
import { decodeInodeExtrefs, decodeInodeRefs, INODE_FLAG, INODE_ITEM } from '../../fs/format/inode.ts';
import { KEY_TYPE, type Key, showKey } from '../../fs/format/key.ts';
import { Layout, u64 } from '../../fs/format/layout.ts';
import { type DumpRecord, flags, named, plainNumber, plainRecord } from './dump-value.ts';
import type { ItemDecoder } from './item-decoder.ts';

const LOG_RANGE = new Layout('dir log item', 8, { end: u64(0) });

/** Items of subvolumes and log trees. */
export const FILE_ITEMS: readonly (readonly [number, ItemDecoder])[] = [
  [KEY_TYPE.INODE_ITEM, inodeFields],
  [KEY_TYPE.INODE_REF, (bytes) => ({ refs: decodeInodeRefs(bytes).map(nameFields) })],
  [KEY_TYPE.INODE_EXTREF, (bytes) => ({ refs: decodeInodeExtrefs(bytes).map(nameFields) })],
  [KEY_TYPE.XATTR_ITEM, directoryEntries],
  [KEY_TYPE.DIR_ITEM, directoryEntries],
  [KEY_TYPE.DIR_INDEX, directoryEntries],
  [KEY_TYPE.VERITY_DESC_ITEM, (bytes) => ({ data: toHex(bytes) })],
  [KEY_TYPE.VERITY_MERKLE_ITEM, (bytes) => ({ data: toHex(bytes) })],
  [KEY_TYPE.ORPHAN_ITEM, () => ({})],
  [KEY_TYPE.DIR_LOG_ITEM, (bytes) => plainRecord(LOG_RANGE.decode(bytes))],
  [KEY_TYPE.DIR_LOG_INDEX, (bytes) => plainRecord(LOG_RANGE.decode(bytes))],
  [KEY_TYPE.EXTENT_DATA, fileExtent],
];

export function inodeFields(bytes: Uint8Array): DumpRecord {
  const { mode, flags: bits, ...inode } = INODE_ITEM.decode(bytes);
  const { atime, ctime, mtime, otime, ...rest } = plainRecord(inode);
  return {
    ...rest,
    mode: mode.toString(8).padStart(6, '0'),
    flags: flags(bits, INODE_FLAG),
    atime: atime!,
    ctime: ctime!,
    mtime: mtime!,
    otime: otime!,
  };
}

function nameFields({ name, ...rest }: { readonly name: Uint8Array }): DumpRecord {
  return { ...plainRecord(rest), name: showName(name) };
}

function directoryEntries(bytes: Uint8Array, { type }: Key): DumpRecord {
  const entries = decodeDirEntries(bytes).map((entry): DumpRecord => {
    const common = {
      location: showKey(entry.location),
      transid: plainNumber(entry.transid),
      type: named(entry.type, DIR_TYPE),
      name: showName(entry.name),
    };
    const hasData = type === KEY_TYPE.XATTR_ITEM || entry.data.length > 0;
    return hasData ? { ...common, data: showName(entry.data) } : common;
  });
  return { entries };
}

function fileExtent(bytes: Uint8Array): DumpRecord {
  const { type, compression, ...extent } = decodeFileExtent(bytes);
  const { data, ...rest } = plainRecord(extent);
  const fields = {
    type: named(type, FILE_EXTENT_TYPE),
    compression: named(compression, COMPRESSION),
    ...rest,
  };
  return data === undefined ? fields : { ...fields, dataBytes: (data as string).length / 2, data };
}
