import { viewOf } from '../../base/bytes.ts';
import type { ByteCount, Generation, LogicalAddress } from '../../base/units.ts';
import { FormatError } from './format-error.ts';
import { compareKeys, type Key, showKey } from './key.ts';
import {
  initTreeBlock,
  ITEM_SIZE,
  itemHeaderAt,
  KEY_POINTER_SIZE,
  keyPointerAt,
  sealTreeBlock,
  setItemCount,
  setItemData,
  setItemKey,
  setPointer,
  setPointerKey,
  type TreeBlockHeader,
} from './tree-block.ts';

/** One item of a leaf that is built as a whole. */
export interface LeafItem {
  readonly key: Key;
  readonly data: Uint8Array;
}

export interface NodePointer {
  readonly key: Key;
  readonly address: LogicalAddress;
  readonly generation: Generation;
}

/**
 * A finished leaf with its checksum; the items may come in any order. Throws FormatError when two keys are equal or the
 * items do not fit.
 */
export function packLeaf(nodeSize: ByteCount, header: TreeBlockHeader, items: readonly LeafItem[]): Uint8Array {
  const bytes = new Uint8Array(nodeSize);
  initTreeBlock(bytes, { ...header, level: 0 });
  const view = viewOf(bytes);
  const sorted = [...items].sort((a, b) => compareKeys(a.key, b.key));
  needDistinct(sorted);
  let dataAt = nodeSize;
  for (const [slot, { key, data }] of sorted.entries()) {
    dataAt -= data.length;
    if (dataAt < itemHeaderAt(sorted.length)) {
      const size = sorted.reduce((sum, item) => sum + ITEM_SIZE + item.data.length, 0);
      throw new FormatError('leaf', `cannot hold ${size} bytes of items, expect at most ${nodeSize - itemHeaderAt(0)}`);
    }
    setItemKey(view, slot, key);
    setItemData(view, slot, dataAt, data.length);
    bytes.set(data, dataAt);
  }
  setItemCount(view, sorted.length);
  sealTreeBlock(bytes);
  return bytes;
}

/** A finished node with its checksum. Throws FormatError when two keys are equal or the pointers do not fit. */
export function packNode(nodeSize: ByteCount, header: TreeBlockHeader, pointers: readonly NodePointer[]): Uint8Array {
  const sorted = [...pointers].sort((a, b) => compareKeys(a.key, b.key));
  needDistinct(sorted);
  if (keyPointerAt(sorted.length) > nodeSize) {
    const most = Math.floor((nodeSize - keyPointerAt(0)) / KEY_POINTER_SIZE);
    throw new FormatError('node', `cannot hold ${sorted.length} key pointers, expect at most ${most}`);
  }
  const bytes = new Uint8Array(nodeSize);
  initTreeBlock(bytes, header);
  const view = viewOf(bytes);
  for (const [slot, { key, address, generation }] of sorted.entries()) {
    setPointerKey(view, slot, key);
    setPointer(view, slot, address, generation);
  }
  setItemCount(view, sorted.length);
  sealTreeBlock(bytes);
  return bytes;
}

function needDistinct(sorted: readonly { readonly key: Key }[]): void {
  for (let slot = 1; slot < sorted.length; slot++) {
    const key = sorted[slot]!.key;
    if (compareKeys(sorted[slot - 1]!.key, key) === 0) throw new FormatError('tree block', `has ${showKey(key)} twice`);
  }
}
