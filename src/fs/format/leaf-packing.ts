import { viewOf } from '../../base/bytes.ts';
import type { ByteCount, Generation, LogicalAddress } from '../../base/units.ts';
import { FormatError } from './format-error.ts';
import {
  compareStoredKeys,
  type ExactKey,
  KEY_SIZE,
  type Key,
  readKey,
  showKey,
  writeExactKey,
  writeKey,
} from './key.ts';
import {
  ITEM_SIZE,
  initTreeBlock,
  itemHeaderAt,
  KEY_POINTER_SIZE,
  keyPointerAt,
  sealTreeBlock,
  setItemCount,
  setItemData,
  setPointer,
  type TreeBlockHeader,
} from './tree-block.ts';

/** One item of a leaf that is built as a whole. */
export interface LeafItem {
  readonly key: Key | ExactKey;
  readonly data: Uint8Array;
}

export interface NodePointer {
  readonly key: Key | ExactKey;
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
  const sorted = sortedByKey(items);
  let dataAt = nodeSize;
  for (const [slot, { key, value }] of sorted.entries()) {
    const { data } = value;
    dataAt -= data.length;
    if (dataAt < itemHeaderAt(sorted.length)) {
      const size = sorted.reduce((sum, item) => sum + ITEM_SIZE + item.value.data.length, 0);
      throw new FormatError('leaf', `cannot hold ${size} bytes of items, expect at most ${nodeSize - itemHeaderAt(0)}`);
    }
    bytes.set(key, itemHeaderAt(slot));
    setItemData(view, slot, dataAt, data.length);
    bytes.set(data, dataAt);
  }
  setItemCount(view, sorted.length);
  sealTreeBlock(bytes);
  return bytes;
}

/** A finished node with its checksum. Throws FormatError when two keys are equal or the pointers do not fit. */
export function packNode(nodeSize: ByteCount, header: TreeBlockHeader, pointers: readonly NodePointer[]): Uint8Array {
  const sorted = sortedByKey(pointers);
  if (keyPointerAt(sorted.length) > nodeSize) {
    const most = Math.floor((nodeSize - keyPointerAt(0)) / KEY_POINTER_SIZE);
    throw new FormatError('node', `cannot hold ${sorted.length} key pointers, expect at most ${most}`);
  }
  const bytes = new Uint8Array(nodeSize);
  initTreeBlock(bytes, header);
  const view = viewOf(bytes);
  for (const [slot, { key, value }] of sorted.entries()) {
    bytes.set(key, keyPointerAt(slot));
    setPointer(view, slot, value.address, value.generation);
  }
  setItemCount(view, sorted.length);
  sealTreeBlock(bytes);
  return bytes;
}

/** Sorts by the stored form of the keys, which is exact. */
function sortedByKey<T extends { readonly key: Key | ExactKey }>(
  values: readonly T[],
): { key: Uint8Array; value: T }[] {
  const sorted = values.map((value) => ({ key: storedKey(value.key), value }));
  sorted.sort((a, b) => compareStoredKeys(viewOf(a.key), 0, viewOf(b.key), 0));
  for (let slot = 1; slot < sorted.length; slot++) {
    const view = viewOf(sorted[slot]!.key);
    if (compareStoredKeys(viewOf(sorted[slot - 1]!.key), 0, view, 0) === 0) {
      throw new FormatError('tree block', `has ${showKey(readKey(view, 0))} twice`);
    }
  }
  return sorted;
}

function storedKey(key: Key | ExactKey): Uint8Array {
  const bytes = new Uint8Array(KEY_SIZE);
  if (typeof key.objectid === 'bigint') writeExactKey(viewOf(bytes), 0, key as ExactKey);
  else writeKey(viewOf(bytes), 0, key as Key);
  return bytes;
}
