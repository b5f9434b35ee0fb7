import { describe, expect, test } from 'vitest';
import { ImageEditor } from '../../tests/support/image-editor.ts';
import {
  disksWithFiles,
  MIRRORED,
  operation,
  runRecord,
  SIZE,
  StagedContext,
} from '../../tests/support/judged-disks.ts';
import { readU64, writeU64 } from '../base/bytes.ts';
import type { DiskImage } from '../record/image.ts';
import type { RunRecord } from '../record/run-record.ts';
import type { BlockGroupView, SpaceInfoView, Unmounted } from '../task/observation.ts';
import { blockGroups } from './block-groups.ts';
import { GROUP_TYPES, TREE, TYPE } from './structure/layout.ts';
import { spaceOnDisk } from './structure/space-on-disk.ts';

const SOUND = disksWithFiles(MIRRORED, [SIZE, SIZE]);
const ON_DISK = spaceOnDisk(SOUND)!;

const GROUPS: readonly BlockGroupView[] = ON_DISK.groups.map(({ start, length, flags, used }) =>
  groupOf({ start, length, flags, used }),
);
const DATA = GROUPS.find(({ flags }) => (flags & 1) !== 0)!;

/** Free ranges are what the counters leave over, unless the test says otherwise. */
function groupOf(parts: Partial<BlockGroupView>): BlockGroupView {
  const group = plainGroup(parts);
  const { length, used, reserved, pinned } = group;
  return { ...group, freeRangeBytes: parts.freeRangeBytes ?? length - used - reserved - pinned };
}

function plainGroup(parts: Partial<BlockGroupView>): BlockGroupView {
  return {
    start: 0,
    length: 0,
    flags: 0,
    used: 0,
    pinned: 0,
    reserved: 0,
    superblockBytes: 0,
    freeRangeBytes: 0,
    readOnlyHolders: 0,
    frozen: 0,
    references: 1,
    isRemoved: false,
    isNew: false,
    list: null,
    ...parts,
  };
}

/** Totals that are right. */
function spacesOf(groups: readonly BlockGroupView[]): SpaceInfoView[] {
  const types = [...new Set(groups.map(({ flags }) => flags & GROUP_TYPES))];
  return types.map((type) => {
    const own = groups.filter(({ flags }) => (flags & GROUP_TYPES) === type);
    const sum = (value: (group: BlockGroupView) => number) => own.reduce((total, group) => total + value(group), 0);
    const readOnly = own.filter(({ readOnlyHolders }) => readOnlyHolders > 0);
    return {
      type,
      total: sum(({ length }) => length),
      used: sum(({ used }) => used),
      reserved: sum(({ reserved }) => reserved),
      pinned: sum(({ pinned }) => pinned),
      readOnly: readOnly.reduce(
        (total, { length, used, reserved, pinned }) => total + length - used - reserved - pinned,
        0,
      ),
      mayUse: 0,
    };
  });
}

function changed(change: Partial<BlockGroupView>, which: BlockGroupView = DATA): BlockGroupView[] {
  return GROUPS.map((group) => {
    if (group !== which) return group;
    const { freeRangeBytes, ...others } = group;
    return groupOf({ ...others, ...change });
  });
}

/** After a commit: these groups in memory, these totals, these disks. */
function committed(
  groups: readonly BlockGroupView[] = GROUPS,
  spaces: readonly SpaceInfoView[] = spacesOf(groups),
  images: readonly DiskImage[] = SOUND,
  generation = ON_DISK.generation,
): string[] {
  const session = blockGroups.begin(new StagedContext(images));
  session.observe!({ kind: 'block-groups', moment: 'committed', generation, groups, spaces }, 50);
  return session.judge(runRecord({})).map(({ message }) => message);
}

describe('after a commit', () => {
  test('accounts that agree break no law', () => {
    expect(ON_DISK.faults).toEqual([]);
    expect(committed()).toEqual([]);
  });

  test.each(['total', 'used', 'reserved', 'pinned', 'readOnly'] as const)('%s of a type that is off does', (name) => {
    const spaces = spacesOf(GROUPS).map((space) =>
      space.type === 1 ? { ...space, [name]: space[name] + 4096 } : space,
    );
    const found = committed(GROUPS, spaces);
    expect(found).toEqual([expect.stringContaining(`${name} of all data block groups is not the sum over them`)]);
  });

  test('free bytes of a group that is held read-only count, as they are now', () => {
    const groups = changed({ readOnlyHolders: 2, reserved: 8192 });
    expect(committed(groups)).toEqual([]);
    const early = spacesOf(changed({ readOnlyHolders: 2 }));
    const off = early.map((space) => (space.type === 1 ? { ...space, reserved: 8192 } : space));
    expect(committed(groups, off)).toEqual([expect.stringContaining('readOnly of all data block groups')]);
  });

  test('used in memory is used in the item', () => {
    const groups = changed({ used: DATA.used + 4096 });
    expect(committed(groups)).toEqual([expect.stringContaining(`used of block group ${DATA.start} on disk`)]);
  });

  test('every group has an item, and every item a group', () => {
    const other = groupOf({ start: 2 ** 30, length: 2 ** 20, flags: DATA.flags });
    expect(committed([...GROUPS, other])).toEqual([expect.stringContaining('is in memory but not on disk')]);
    const fewer = GROUPS.filter((group) => group !== DATA);
    expect(committed(fewer)).toEqual([
      expect.stringContaining(`block group ${DATA.start} is on disk but not in memory`),
    ]);
    expect(committed([...GROUPS, { ...other, isRemoved: true }], spacesOf(GROUPS))).toEqual([]);
  });

  test('items, extents and the free space tree agree on disk', () => {
    const edit = new ImageEditor(SOUND);
    const item = edit.item(TREE.EXTENT, DATA.start, TYPE.BLOCK_GROUP_ITEM);
    writeU64(item.block.view, item.at, readU64(item.block.view, item.at) + 4096);
    const images = edit.finish();
    const groups = changed({ used: DATA.used + 4096 });
    expect(committed(groups, spacesOf(groups), images)).toEqual([
      expect.stringContaining('used is not the sum of its extents'),
    ]);
    const holes = new ImageEditor(SOUND);
    const free = holes.items(TREE.FREE_SPACE).findLast(({ type }) => type === TYPE.FREE_SPACE_EXTENT)!;
    writeU64(free.block.view, free.header + 9, free.offset - 4096);
    expect(committed(GROUPS, spacesOf(GROUPS), holes.finish())).toEqual([
      expect.stringContaining('free space that the tree does not list'),
    ]);
  });

  test('disks of another commit are not compared', () => {
    const groups = changed({ used: DATA.used + 4096 });
    expect(committed(groups, spacesOf(groups), SOUND, ON_DISK.generation + 1)).toEqual([]);
    expect(committed(groups, spacesOf(groups), [])).toEqual([]);
  });
});

interface Ending {
  readonly left?: readonly BlockGroupView[];
  readonly groups?: readonly BlockGroupView[];
  readonly spaces?: readonly SpaceInfoView[];
  readonly counters?: Unmounted['counters'];
  readonly isAborted?: boolean;
  /** The groups at moments before. */
  readonly moments?: readonly (readonly BlockGroupView[])[];
  readonly record?: Partial<RunRecord>;
}

function unmounted(ending: Ending): string[] {
  const { left = [], groups = GROUPS, counters = [], isAborted = false, moments = [GROUPS], record = {} } = ending;
  const session = blockGroups.begin(new StagedContext([]));
  for (const before of moments) {
    const spaces = spacesOf(before);
    session.observe!({ kind: 'block-groups', moment: 'committed', generation: 7, groups: before, spaces }, 50);
  }
  const spaces = ending.spaces ?? spacesOf(groups);
  session.observe!({ kind: 'unmounted', isAborted, groups: left, groupsBefore: groups, spaces, counters }, 90);
  return session.judge(runRecord(record)).map(({ message }) => message);
}

describe('after an unmount', () => {
  test('nothing is left', () => {
    expect(unmounted({})).toEqual([]);
  });

  test('not a block group that somebody still refers to, not even after an abort', () => {
    const left = [{ ...DATA, references: 2 }];
    const expected = [`block group ${DATA.start} (data) was never freed: 2 references left after the unmount`];
    expect(unmounted({ left })).toEqual(expected);
    expect(unmounted({ left, isAborted: true, record: { aborted: 'EIO' } })).toEqual(expected);
  });

  test('nor one that was freed too often', () => {
    const left = [{ ...DATA, references: -1 }];
    expect(unmounted({ left })).toEqual([`block group ${DATA.start} (data) was freed 2 times`]);
  });

  test.each([
    ['readOnlyHolders', 'is still held read-only'],
    ['frozen', 'is still frozen'],
    ['reserved', 'still has reserved bytes'],
    ['pinned', 'still has pinned bytes'],
  ] as const)('nor anything in %s', (field, words) => {
    const groups = changed({ [field]: 1 });
    expect(unmounted({ groups })).toEqual([`block group ${DATA.start} (data) ${words} at the unmount`]);
    expect(unmounted({ groups, isAborted: true })).toEqual([]);
  });

  test('nor free ranges that differ from the counters', () => {
    const groups = changed({ freeRangeBytes: 4096 });
    expect(unmounted({ groups })).toEqual([
      expect.stringContaining(`the free ranges of block group ${DATA.start} are`),
    ]);
    expect(unmounted({ groups, isAborted: true })).toEqual([]);
  });

  test('nor a promise, nor anything that was counted', () => {
    const spaces = spacesOf(GROUPS).map((space) => (space.type === 4 ? { ...space, mayUse: 16384 } : space));
    expect(unmounted({ spaces })).toEqual([
      '16384 bytes of metadata space are still promised to somebody at the unmount',
    ]);
    expect(unmounted({ counters: [{ name: 'running scrubs', value: 1 }] })).toEqual([
      'running scrubs at the unmount: 1',
    ]);
    expect(unmounted({ counters: [{ name: 'running scrubs', value: 0 }] })).toEqual([]);
  });
});

describe('an empty block group', () => {
  const empty = groupOf({ start: 2 ** 30, length: 2 ** 20, flags: DATA.flags });
  const both = [...GROUPS, empty];
  const forgotten = ['block group 1073741824 (data) is empty, and not on the list of those that the cleaner deletes'];
  const clean = operation('clean', {}, 10, 20);

  test('is on the list for the cleaner', () => {
    expect(unmounted({ groups: [...GROUPS, { ...empty, list: 'unused' }], moments: [both] })).toEqual([]);
    expect(unmounted({ groups: both, moments: [both] })).toEqual(forgotten);
    expect(unmounted({ groups: both, moments: [both], record: { operations: [clean] } })).toEqual(forgotten);
  });

  test('may be left alone when it may once have been the last of its kind', () => {
    const { start } = DATA;
    expect(unmounted({ groups: [{ ...empty, start }], moments: [[{ ...empty, start }]] })).toEqual([]);
    // The other one came later.
    expect(unmounted({ groups: both, moments: [[...GROUPS.filter((group) => group !== DATA), empty], both] })).toEqual(
      [],
    );
    const otherKind = { ...empty, flags: 1 };
    expect(unmounted({ groups: [...GROUPS, otherKind], moments: [[...GROUPS, otherKind]] })).toEqual([]);
  });

  test('may be forgotten when something stood in the way of the cleaner', () => {
    const base = { groups: both, moments: [both] };
    const trim = operation('trim', {}, 15, 30);
    expect(unmounted({ ...base, record: { operations: [clean, trim] } })).toEqual([]);
    expect(unmounted({ ...base, record: { operations: [clean, operation('trim', {}, 25, 30)] } })).toEqual(forgotten);
    const failed = operation('write', {}, 15, 30, 'EIO');
    expect(unmounted({ ...base, record: { operations: [clean, failed] } })).toEqual([]);
    const rules = [{ rule: 'r', fired: 1, act: 'fail', errno: 'EIO' }] as const;
    expect(unmounted({ ...base, record: { rules } })).toEqual([]);
    expect(unmounted({ ...base, isAborted: true })).toEqual([]);
  });
});
