import { readU64 } from '../../base/bytes.ts';
import { rawCrc32c } from '../../base/crc32c.ts';
import { type FaultCollector, showName } from './fault-report.ts';
import { DIR_ITEM_SIZE, NAME_MAX, showKey, TYPE } from './layout.ts';
import { byteString } from './raw-fields.ts';
import { checkSubvolumeEntry } from './subvolume-entry.ts';
import type { TreeBlock } from './tree-block.ts';
import { checkXattr } from './xattr-items.ts';

const NAME_HASH_SEED = 0xfffffffe;

/** One name in a DIR_ITEM or DIR_INDEX, or one attribute of an XATTR_ITEM. */
export interface DirectoryEntry {
  /** One character per byte. */
  readonly name: string;
  readonly child: number;
  readonly type: number;
  readonly isSubvolume: boolean;
}

/** The names in one item, up to the first that is malformed; all that can be judged without other items is. */
export function readDirectoryItems(
  block: TreeBlock,
  slot: number,
  keyType: number,
  offset: number,
  at: number,
  size: number,
  faults: FaultCollector,
): DirectoryEntry[] {
  const { view, bytes } = block;
  const end = at + size;
  const isXattr = keyType === TYPE.XATTR_ITEM;
  const entries: DirectoryEntry[] = [];
  for (let cursor = at; cursor < end; ) {
    const fits = cursor + DIR_ITEM_SIZE <= end;
    const dataLength = fits ? view.getUint16(cursor + 25, true) : 0;
    const nameLength = fits ? view.getUint16(cursor + 27, true) : 0;
    const nameAt = cursor + DIR_ITEM_SIZE;
    const next = nameAt + nameLength + dataLength;
    if (nameLength === 0 || nameLength > NAME_MAX || next > end) {
      const what = 'length of a name does not fit the item';
      faults.item(block, slot, 'dir-item-size', what, nameLength, `1 to ${NAME_MAX}, within ${size} bytes`);
      return entries;
    }
    if (keyType !== TYPE.DIR_INDEX && block.first) {
      const expect = rawCrc32c(NAME_HASH_SEED, bytes.subarray(nameAt, nameAt + nameLength));
      if (offset !== expect) faults.item(block, slot, 'name-hash', 'key is not the hash of the name', offset, expect);
    }
    const transid = readU64(view, cursor + 17);
    if ((transid < 0 || transid > block.written) && block.first) {
      const what = 'transid of an entry is from the future';
      // mkfs.btrfs --rootdir writes whatever was in its memory there.
      faults.warnItem(block, slot, 'dir-item-transid', what, transid, `≤ ${block.written}`);
    }
    const name = byteString(bytes, nameAt, nameLength);
    if (isXattr) {
      if (block.first) checkXattr(block, slot, cursor, name, faults);
      if (entries.some((other) => other.name === name)) {
        faults.item(block, slot, 'xattr-twice', 'an inode has an attribute twice', showName(name));
      }
      entries.push({ name, child: 0, type: view.getUint8(cursor + 29), isSubvolume: false });
    } else entries.push(readEntry(block, slot, cursor, name, dataLength, faults));
    cursor = next;
  }
  if (entries.length === 0) faults.item(block, slot, 'dir-item-size', 'an entry without a name', 0);
  if (keyType === TYPE.DIR_INDEX && entries.length > 1) {
    faults.item(block, slot, 'dir-index-count', 'more than one name for one index', entries.length, 1);
  }
  return entries;
}

function readEntry(
  block: TreeBlock,
  slot: number,
  at: number,
  name: string,
  dataLength: number,
  faults: FaultCollector,
): DirectoryEntry {
  const { view } = block;
  const type = view.getUint8(at + 29);
  if (dataLength !== 0) faults.item(block, slot, 'dir-item-data', 'a directory entry carries data', dataLength, 0);
  if (type < 1 || type > 7) faults.item(block, slot, 'dir-item-type', 'type of an entry is unknown', type, '1 to 7');
  const child = readU64(view, at);
  const locationType = view.getUint8(at + 8);
  const locationOffset = readU64(view, at + 9);
  const isSubvolume = locationType === TYPE.ROOT_ITEM;
  // A subvolume is named with offset −1, or by older kernels with the transaction of the snapshot.
  if ((!isSubvolume && locationType !== TYPE.INODE_ITEM) || (!isSubvolume && locationOffset !== 0)) {
    const what = 'an entry leads to something that is no inode';
    faults.item(block, slot, 'dir-item-location', what, showKey(child, locationType, locationOffset));
  }
  if (isSubvolume) checkSubvolumeEntry(block, slot, child, locationOffset, type, faults);
  return { name, child, type, isSubvolume };
}
