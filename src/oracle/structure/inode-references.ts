import { readU64 } from '../../base/bytes.ts';
import { rawCrc32c } from '../../base/crc32c.ts';
import type { FaultCollector } from './fault-report.ts';
import { INODE_EXTREF_SIZE, INODE_REF_SIZE, NAME_MAX } from './layout.ts';
import { byteString } from './raw-fields.ts';
import type { Superblock } from './superblock.ts';
import type { TreeBlock } from './tree-block.ts';

/** One name of an inode, as its INODE_REF or INODE_EXTREF says. */
export interface InodeReference {
  readonly parent: number;
  readonly index: number;
  /** One character per byte. */
  readonly name: string;
}

/** The names in one INODE_REF, up to the first that is malformed. */
export function readInodeReferences(
  block: TreeBlock,
  slot: number,
  parent: number,
  at: number,
  size: number,
  faults: FaultCollector,
): InodeReference[] {
  const names: InodeReference[] = [];
  const end = at + size;
  if (size === 0) faults.item(block, slot, 'inode-ref-size', 'an inode reference without a name', 0);
  for (let cursor = at; cursor < end; ) {
    const length = cursor + INODE_REF_SIZE <= end ? block.view.getUint16(cursor + 8, true) : 0;
    const next = cursor + INODE_REF_SIZE + length;
    if (!lengthIsRight(block, slot, length, next, end, size, faults)) break;
    const name = byteString(block.bytes, cursor + INODE_REF_SIZE, length);
    names.push({ parent, index: readU64(block.view, cursor), name });
    cursor = next;
  }
  return names;
}

/** The names in one INODE_EXTREF, whose key is the hash of each. */
export function readExtendedReferences(
  sup: Superblock,
  block: TreeBlock,
  slot: number,
  hash: number,
  at: number,
  size: number,
  faults: FaultCollector,
): InodeReference[] {
  const names: InodeReference[] = [];
  const end = at + size;
  if (!sup.has('EXTENDED_IREF')) {
    faults.item(block, slot, 'inode-extref-feature', 'an INODE_EXTREF without the feature EXTENDED_IREF');
  }
  if (size === 0) faults.item(block, slot, 'inode-ref-size', 'an inode reference without a name', 0);
  for (let cursor = at; cursor < end; ) {
    const length = cursor + INODE_EXTREF_SIZE <= end ? block.view.getUint16(cursor + 16, true) : 0;
    const next = cursor + INODE_EXTREF_SIZE + length;
    if (!lengthIsRight(block, slot, length, next, end, size, faults)) break;
    const nameAt = cursor + INODE_EXTREF_SIZE;
    const expect = rawCrc32c(block.view.getUint32(cursor, true), block.bytes.subarray(nameAt, next));
    if (hash !== expect) faults.item(block, slot, 'name-hash', 'key is not the hash of parent and name', hash, expect);
    const name = byteString(block.bytes, nameAt, length);
    names.push({ parent: readU64(block.view, cursor), index: readU64(block.view, cursor + 8), name });
    cursor = next;
  }
  return names;
}

function lengthIsRight(
  block: TreeBlock,
  slot: number,
  length: number,
  next: number,
  end: number,
  size: number,
  faults: FaultCollector,
): boolean {
  if (length > 0 && length <= NAME_MAX && next <= end) return true;
  const what = 'length of a name does not fit the item';
  faults.item(block, slot, 'inode-ref-size', what, length, `1 to ${NAME_MAX}, within ${size} bytes`);
  return false;
}
