import { readU64 } from '../../base/bytes.ts';
import type { DeviceItem } from './chunk-tree.ts';
import type { FaultCollector, FaultPlace } from './fault-report.ts';
import { DEV_REPLACE, DEV_REPLACE_SIZE, REPLACE_STATE_NAMES, SUPER, showKey, TREE, TYPE } from './layout.ts';
import { type Members, REPLACE_TARGET } from './members.ts';
import type { SuperblockOptions } from './superblock.ts';
import type { TreeBlock } from './tree-block.ts';

/** The DEV_REPLACE item: how far the one device replace of a file system has come. */
export interface ReplaceItem {
  readonly source: number;
  readonly cursorLeft: number;
  readonly cursorRight: number;
  readonly state: (typeof REPLACE_STATE_NAMES)[number];
  readonly place: FaultPlace;
}

/** States in which the target is still to become a member. On disk they mean the same: Linux leaves either of them. */
export function isReplaceUnderWay(item: ReplaceItem): boolean {
  return item.state === 'STARTED' || item.state === 'SUSPENDED';
}

/** Null, after a complaint, when its size or state makes the rest meaningless. */
export function readReplaceItem(
  block: TreeBlock,
  slot: number,
  objectid: number,
  offset: number,
  at: number,
  size: number,
  faults: FaultCollector,
): ReplaceItem | null {
  const { view } = block;
  if (objectid !== 0 || offset !== 0) {
    const have = showKey(objectid, TYPE.DEV_REPLACE, offset);
    faults.item(block, slot, 'dev-replace-key', 'key of the device replace is wrong', have, '(0 DEV_REPLACE 0)');
  }
  if (size !== DEV_REPLACE_SIZE) {
    faults.item(block, slot, 'item-size', 'size of a device replace item is wrong', size, DEV_REPLACE_SIZE);
    return null;
  }
  const state = REPLACE_STATE_NAMES[readU64(view, at + DEV_REPLACE.state)];
  if (state === undefined) {
    const have = readU64(view, at + DEV_REPLACE.state);
    faults.item(block, slot, 'dev-replace-state', 'state of the device replace is unknown', have, '0 to 4');
    return null;
  }
  const mode = readU64(view, at + DEV_REPLACE.readMode);
  if (mode !== 0 && mode !== 1) {
    const what = 'cont_reading_from_srcdev_mode is unknown';
    faults.item(block, slot, 'dev-replace-mode', what, mode, '0 or 1');
  }
  for (const name of ['writeErrors', 'uncorrectableReadErrors'] as const) {
    const value = readU64(view, at + DEV_REPLACE[name]);
    if (value < 0) faults.item(block, slot, 'dev-replace-errors', `the count ${name} is impossible`, value, '≥ 0');
  }
  checkTimes(block, slot, state, at, faults);
  return {
    source: readU64(view, at + DEV_REPLACE.sourceDevid),
    cursorLeft: readU64(view, at + DEV_REPLACE.cursorLeft),
    cursorRight: readU64(view, at + DEV_REPLACE.cursorRight),
    state,
    place: { tree: TREE.DEV, block: block.logical, slot },
  };
}

function checkTimes(
  block: TreeBlock,
  slot: number,
  state: ReplaceItem['state'],
  at: number,
  faults: FaultCollector,
): void {
  const started = readU64(block.view, at + DEV_REPLACE.timeStarted);
  const stopped = readU64(block.view, at + DEV_REPLACE.timeStopped);
  if (state === 'STARTED' && stopped !== 0) {
    faults.warnItem(block, slot, 'dev-replace-time', 'a running device replace has a time of its end', stopped, 0);
  } else if (stopped !== 0 && stopped < started) {
    faults.warnItem(block, slot, 'dev-replace-time', 'the device replace ended before it began', stopped, started);
  }
}

/** The item against the devices and the disks: its source exists, its cursors lie on it, its target is at hand. */
export function checkReplace(
  items: readonly ReplaceItem[],
  devices: ReadonlyMap<number, DeviceItem>,
  members: Members,
  options: SuperblockOptions,
  faults: FaultCollector,
): void {
  const item = items[0];
  if (item === undefined || !isReplaceUnderWay(item)) {
    const { target } = members;
    if (target === null || options.crashed) return;
    const what = 'the superblock of a replace target, although no device replace is under way';
    const have = item?.state ?? 'no DEV_REPLACE item';
    faults.error('superblock', { image: target.image }, 'replace-target-left-behind', what, have);
    return;
  }
  const wrong = (fault: string, what: string, have: unknown, expect: unknown) =>
    faults.error('device replace', item.place, fault, what, have, expect);
  const source = devices.get(item.source);
  if (source === undefined || item.source === REPLACE_TARGET) {
    const expect = `one of ${[...devices.keys()].sort((a, b) => a - b).join()}`;
    wrong('dev-replace-source', 'the source is no device of the file system', item.source, expect);
  } else if (item.cursorLeft > source.total || item.cursorRight > source.total) {
    const have = Math.max(item.cursorLeft, item.cursorRight);
    wrong('dev-replace-cursor', 'a cursor lies beyond the end of the source', have, `≤ ${source.total}`);
  }
  if (item.cursorLeft < 0 || item.cursorLeft > item.cursorRight) {
    const expect = `0 to cursor_right ${item.cursorRight}`;
    wrong('dev-replace-cursor', 'cursor_left is not left of cursor_right', item.cursorLeft, expect);
  }
  checkTarget(item, source, members, options, faults);
}

function checkTarget(
  item: ReplaceItem,
  source: DeviceItem | undefined,
  { target }: Members,
  options: SuperblockOptions,
  faults: FaultCollector,
): void {
  if (target === null) {
    if (options.crashed) return;
    const what = 'no disk has the superblock of the target, so that the device replace cannot go on';
    faults.error('device replace', item.place, 'dev-replace-target-missing', what);
    return;
  }
  const total = readU64(target.view, SUPER.devItem + 8);
  if (source === undefined || total >= source.total) return;
  const what = 'dev_item.total_bytes of the target is less than the source has';
  faults.error('superblock', { image: target.image }, 'replace-target-size', what, total, `≥ ${source.total}`);
}
