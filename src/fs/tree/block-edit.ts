import {
  HEADER_SIZE,
  ITEM_SIZE,
  itemDataAt,
  itemSize,
  KEY_POINTER_SIZE,
  leafDataStart,
  setItemCount,
  setItemData,
} from '../format/tree-block.ts';
import type { TreeBlock } from './tree-block.ts';

/**
 * Plain edits of one block that belongs to the running transaction. Item data is contiguous: the data of item k ends
 * where that of item k−1 begins, that of item 0 at the end of the block.
 */

/** Bytes that items [from, to) take with their headers. */
export function leafBytesOf(leaf: TreeBlock, from: number, to: number): number {
  if (from >= to) return 0;
  const end = from === 0 ? leaf.bytes.length : itemDataAt(leaf.view, from - 1);
  return (to - from) * ITEM_SIZE + end - itemDataAt(leaf.view, to - 1);
}

/** Opens a slot with `size` bytes of data, whose content and key the caller sets. Returns where the data begins. */
export function openItem(leaf: TreeBlock, slot: number, size: number): number {
  const count = leaf.count;
  const dataEnd = slot === 0 ? leaf.bytes.length : itemDataAt(leaf.view, slot - 1);
  shiftData(leaf, slot, count, -size);
  const at = HEADER_SIZE + slot * ITEM_SIZE;
  leaf.bytes.copyWithin(at + ITEM_SIZE, at, HEADER_SIZE + count * ITEM_SIZE);
  setItemData(leaf.view, slot, dataEnd - size, size);
  setItemCount(leaf.view, count + 1);
  return dataEnd - size;
}

export function closeItems(leaf: TreeBlock, slot: number, howMany: number): void {
  const count = leaf.count;
  const dataEnd = slot === 0 ? leaf.bytes.length : itemDataAt(leaf.view, slot - 1);
  const dataBytes = dataEnd - itemDataAt(leaf.view, slot + howMany - 1);
  shiftData(leaf, slot + howMany, count, dataBytes);
  const at = HEADER_SIZE + slot * ITEM_SIZE;
  leaf.bytes.copyWithin(at, at + howMany * ITEM_SIZE, HEADER_SIZE + count * ITEM_SIZE);
  setItemCount(leaf.view, count - howMany);
}

/** Changes the size of an item's data; the first bytes stay, new ones at its end are undefined. */
export function resizeItem(leaf: TreeBlock, slot: number, size: number): void {
  const oldSize = itemSize(leaf.view, slot);
  const oldAt = itemDataAt(leaf.view, slot);
  const change = size - oldSize;
  if (change === 0) return;
  const newAt = oldAt - change;
  if (change > 0) {
    shiftData(leaf, slot + 1, leaf.count, -change);
    leaf.bytes.copyWithin(newAt, oldAt, oldAt + oldSize);
  } else {
    leaf.bytes.copyWithin(newAt, oldAt, oldAt + size);
    shiftData(leaf, slot + 1, leaf.count, -change);
  }
  setItemData(leaf.view, slot, newAt, size);
}

/** Moves the data of items [from, count) by `distance` bytes (negative: down, away from the end). */
function shiftData(leaf: TreeBlock, from: number, count: number, distance: number): void {
  if (from >= count || distance === 0) return;
  const end = from === 0 ? leaf.bytes.length : itemDataAt(leaf.view, from - 1);
  const start = itemDataAt(leaf.view, count - 1);
  leaf.bytes.copyWithin(start + distance, start, end);
  const view = leaf.view;
  for (let slot = from; slot < count; slot++) {
    const at = HEADER_SIZE + slot * ITEM_SIZE + 17;
    view.setUint32(at, view.getUint32(at, true) + distance, true);
  }
}

/** Appends items [from, to) of `source` to `target`; the caller has seen that there is room. `source` stays as it is. */
export function appendItems(target: TreeBlock, source: TreeBlock, from: number, to: number): void {
  if (from >= to) return;
  const sourceEnd = from === 0 ? source.bytes.length : itemDataAt(source.view, from - 1);
  const sourceStart = itemDataAt(source.view, to - 1);
  const targetEnd = leafDataStart(target.view);
  const distance = targetEnd - sourceEnd;
  const count = target.count;
  target.bytes.set(source.bytes.subarray(sourceStart, sourceEnd), sourceStart + distance);
  const headers = source.bytes.subarray(HEADER_SIZE + from * ITEM_SIZE, HEADER_SIZE + to * ITEM_SIZE);
  target.bytes.set(headers, HEADER_SIZE + count * ITEM_SIZE);
  const view = target.view;
  for (let slot = count; slot < count + to - from; slot++) {
    const at = HEADER_SIZE + slot * ITEM_SIZE + 17;
    view.setUint32(at, view.getUint32(at, true) + distance, true);
  }
  setItemCount(target.view, count + to - from);
}

/** Forgets items [from, count). */
export function truncateItems(leaf: TreeBlock, from: number): void {
  setItemCount(leaf.view, from);
}

/** Opens a pointer slot, whose key and target the caller sets. */
export function openPointer(node: TreeBlock, slot: number): void {
  const count = node.count;
  const at = HEADER_SIZE + slot * KEY_POINTER_SIZE;
  node.bytes.copyWithin(at + KEY_POINTER_SIZE, at, HEADER_SIZE + count * KEY_POINTER_SIZE);
  setItemCount(node.view, count + 1);
}

export function closePointer(node: TreeBlock, slot: number): void {
  const count = node.count;
  const at = HEADER_SIZE + slot * KEY_POINTER_SIZE;
  node.bytes.copyWithin(at, at + KEY_POINTER_SIZE, HEADER_SIZE + count * KEY_POINTER_SIZE);
  setItemCount(node.view, count - 1);
}

export function appendPointers(target: TreeBlock, source: TreeBlock, from: number, to: number): void {
  const pointers = source.bytes.subarray(HEADER_SIZE + from * KEY_POINTER_SIZE, HEADER_SIZE + to * KEY_POINTER_SIZE);
  target.bytes.set(pointers, HEADER_SIZE + target.count * KEY_POINTER_SIZE);
  setItemCount(target.view, target.count + to - from);
}
