import { describe, expect, test } from 'vitest';
import { ImageEditor } from '../../tests/support/image-editor.ts';
import {
  copiesOf,
  damage,
  disksWithFiles,
  type LivePlace,
  MIRRORED,
  operation,
  placesOf,
  runRecord,
  SIZE,
  StagedContext,
  WHOLE_SCRUB,
} from '../../tests/support/judged-disks.ts';
import { writeU64 } from '../base/bytes.ts';
import type { DiskImage } from '../record/image.ts';
import type { RunRecord } from '../record/run-record.ts';
import type { LawSession } from './law.ts';
import { Coverage } from './scrub/coverage.ts';
import { scrub } from './scrub.ts';
import { TREE, TYPE } from './structure/layout.ts';
import { LiveSpace } from './structure/live-space.ts';

const SOUND = disksWithFiles(MIRRORED, [SIZE, SIZE]);
const LIVE = LiveSpace.read(SOUND)!;

const STARTED = {
  kind: 'scrub-started',
  scrub: 1,
  isReplace: false,
  device: 0,
  devid: 1,
  start: 0,
  end: SIZE,
} as const;
const ENDED = { kind: 'scrub-ended', scrub: 1, isComplete: true, errorsFound: 0 } as const;

/** All device extents of device 1, as half-open ranges. */
const EXTENTS = LIVE.deviceExtents
  .filter(({ device }) => device === 1)
  .map(({ offset, length }) => [offset, offset + length] as const);

interface Sketch {
  readonly started?: Partial<Omit<typeof STARTED, 'isReplace'>> & {
    readonly isReplace?: boolean;
    readonly end?: number;
  };
  readonly ended?: Partial<{ isComplete: boolean; errorsFound: number }>;
  /** Disk and ranges that are read; default all device extents of the device. */
  readonly reads?: readonly (readonly [start: number, end: number])[];
  readonly writesElsewhere?: readonly (readonly [start: number, end: number])[];
  readonly diskOfReads?: number;
  readonly purpose?: 'scrub' | 'data';
  readonly after?: readonly DiskImage[];
  readonly record?: Partial<RunRecord>;
}

function judge(sketch: Sketch): string[] {
  const context = new StagedContext(SOUND);
  const session = scrub.begin(context);
  session.observe!({ ...STARTED, ...sketch.started } as typeof STARTED, 10);
  const purpose = { kind: sketch.purpose ?? 'scrub' } as const;
  const io = (device: number, operation: 'read' | 'write', [start, end]: readonly [number, number], to: LawSession) =>
    to.io!({ device, request: { operation, offset: start, length: end - start, purpose } }, 11);
  for (const range of sketch.reads ?? EXTENTS) io(sketch.diskOfReads ?? 0, 'read', range, session);
  for (const range of sketch.writesElsewhere ?? []) io(1, 'write', range, session);
  context.images = sketch.after ?? SOUND;
  session.observe!({ ...ENDED, ...sketch.ended } as typeof ENDED, 20);
  return session.judge(runRecord({ before: SOUND, after: SOUND, ...sketch.record })).map(({ message }) => message);
}

/** The device extents without one place. */
function without({ offset, length }: LivePlace): (readonly [number, number])[] {
  return EXTENTS.flatMap(([start, end]) =>
    start <= offset && offset < end
      ? ([[start, offset] as const, [offset + length, end] as const] as const)
      : [[start, end] as const],
  ).filter(([start, end]) => start < end);
}

function onFirst(what: Parameters<typeof placesOf>[1]): LivePlace {
  return placesOf(SOUND, what).find(({ image }) => image === 0)!;
}

describe('a scrub that says it is complete', () => {
  test('has read all device extents of its device', () => {
    expect(EXTENTS.length).toBeGreaterThan(2);
    expect(judge({})).toEqual([]);
  });

  test.each([
    ['a tree block', 'tree-block', /passed over the tree block at/],
    ['data', { fill: 1 }, /passed over data at/],
    ['data without checksums', { fill: 2 }, /passed over data at/],
    ['what was written to preallocated space', { fill: 3 }, /passed over data at/],
  ] as const)('passed over nothing: not over %s', (_name, what, pattern) => {
    const found = judge({ reads: without(onFirst(what)) });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(pattern);
  });

  test('owes nothing to unwritten preallocated space', () => {
    const place = onFirst({ fill: 3 });
    const unwritten = { ...place, offset: place.offset + place.length, length: 4096 };
    expect(judge({ reads: without(unwritten) })).toEqual([]);
  });

  test('must have read it from its own device, for itself', () => {
    expect(judge({ diskOfReads: 1 }).length).toBeGreaterThan(0);
    expect(judge({ purpose: 'data' }).length).toBeGreaterThan(0);
  });

  test('may have read it in pieces and in any order', () => {
    const pieces = EXTENTS.flatMap(([start, end]) => {
      const middle = start + 65536;
      return [[middle, end] as const, [start, middle] as const];
    });
    expect(judge({ reads: pieces.reverse() })).toEqual([]);
  });

  test('owes only the device extents that lie in its range', () => {
    const [start, end] = EXTENTS.at(-1)!;
    expect(judge({ started: { start: start as 0, end }, reads: [[start, end]] })).toEqual([]);
    expect(judge({ started: { start: start as 0, end }, reads: [] }).length).toBeGreaterThan(0);
    expect(judge({ started: { start: 0, end: start }, reads: EXTENTS.slice(0, -1) })).toEqual([]);
  });

  test('owes nothing that went, or that came, or came back meanwhile', () => {
    const place = onFirst({ fill: 1 });
    const changed = (change: (edit: ImageEditor, item: ReturnType<ImageEditor['item']>) => void) => {
      const edit = new ImageEditor(SOUND);
      const items = edit.items(TREE.EXTENT).filter(({ type }) => type === TYPE.EXTENT_ITEM);
      change(
        edit,
        items.find(({ objectid, offset }) => objectid <= place.logical && place.logical < objectid + offset)!,
      );
      return edit.finish();
    };
    const reads = without(place);
    expect(judge({ reads })).toHaveLength(1);
    expect(judge({ reads, after: changed((edit, item) => edit.remove(item)) })).toEqual([]);
    const reborn = changed((_edit, item) => writeU64(item.block.view, item.at + 8, LIVE.generation + 1));
    expect(judge({ reads, after: reborn })).toEqual([]);
  });

  test('is believed about nothing when it was cancelled, or never ended', () => {
    expect(judge({ reads: [], ended: { isComplete: false } })).toEqual([]);
    const session = scrub.begin(new StagedContext(SOUND));
    session.observe!({ ...STARTED }, 10);
    expect(session.judge(runRecord({ before: SOUND }))).toEqual([]);
  });

  test('may have failed to read what was made to fail, if it says so', () => {
    const rules = [{ rule: 'r', fired: 1, act: 'fail', errno: 'EIO' }] as const;
    const reads = without(onFirst({ fill: 1 }));
    expect(judge({ reads, ended: { errorsFound: 1 }, record: { rules } })).toEqual([]);
    expect(judge({ reads, ended: { errorsFound: 0 }, record: { rules } })).toHaveLength(1);
  });
});

describe('the copy of a device replace', () => {
  test('reads the source, or writes to the target what it read elsewhere', () => {
    const started = { isReplace: true };
    expect(judge({ started })).toEqual([]);
    expect(judge({ started, reads: [], writesElsewhere: EXTENTS })).toEqual([]);
    const [first, ...others] = EXTENTS;
    expect(judge({ started, reads: [first!], writesElsewhere: others })).toEqual([]);
    expect(judge({ started, reads: [first!] }).length).toBeGreaterThan(0);
  });
});

describe('what a scrub says of errors', () => {
  const ended = { errorsFound: 3 };

  test('is not believed when nothing was damaged', () => {
    expect(judge({ ended })).toEqual(['a scrub of device 1 found errors although nothing was damaged']);
  });

  test('may be true when the workload, a rule or an earlier time did damage', () => {
    expect(judge({ ended, record: { operations: [operation('corrupt', {}, 1, 2)] } })).toEqual([]);
    const rules = [{ rule: 'r', fired: 1, act: 'fail', errno: 'EIO' }] as const;
    expect(judge({ ended, record: { rules } })).toEqual([]);
    const before = copiesOf(SOUND);
    damage(before, placesOf(SOUND, { fill: 1 })[1]!);
    expect(judge({ ended, record: { before } })).toEqual([]);
  });
});

describe('damage that was there when a scrub began', () => {
  const corrupt = operation('corrupt', {}, 1, 2);

  /** A scrub of damaged disks that says it found nothing. */
  function silent(what: LivePlace, operations = [corrupt], images: readonly DiskImage[] = SOUND): string[] {
    const disks = copiesOf(images as typeof SOUND);
    damage(disks, what);
    const context = new StagedContext(disks);
    const session = scrub.begin(context);
    session.observe!({ ...STARTED }, 10);
    for (const [start, end] of EXTENTS) {
      const purpose = { kind: 'scrub' } as const;
      session.io!({ device: 0, request: { operation: 'read', offset: start, length: end - start, purpose } }, 11);
    }
    session.observe!({ ...ENDED }, 20);
    return session.judge(runRecord({ before: SOUND, operations })).map(({ message }) => message);
  }

  test('is found', () => {
    const place = onFirst({ fill: 1 });
    expect(silent(place)).toEqual([`a scrub of device 1 did not find the damage at ${place.offset} of disk 0`]);
    expect(silent(onFirst('tree-block'))).toHaveLength(1);
  });

  test('is not, where no checksum shows it, or on another device, or when others were at work', () => {
    expect(silent(onFirst({ fill: 2 }))).toEqual([]);
    expect(silent(placesOf(SOUND, { fill: 1 }).find(({ image }) => image === 1)!)).toEqual([]);
    const reader = operation('read', {}, 12, 14);
    const own = operation('scrub', { ...WHOLE_SCRUB, devid: 1 }, 9, 21);
    expect(silent(onFirst({ fill: 1 }), [corrupt, own, reader])).toEqual([]);
    expect(silent(onFirst({ fill: 1 }), [corrupt, own])).toHaveLength(1);
  });
});

describe('a scrub operation that ended well', () => {
  const whole = operation('scrub', WHOLE_SCRUB, 9, 40);

  /** One scrub after the other, each of which has read all. */
  function operated(scrubs: readonly Partial<Record<'devid' | 'device' | 'start' | 'end', number>>[], own = whole) {
    const session = scrub.begin(new StagedContext(SOUND));
    for (const [index, parts] of scrubs.entries()) {
      const started = { ...STARTED, ...parts, scrub: index };
      session.observe!(started as typeof STARTED, 10 + index);
      const request = { operation: 'read', offset: 0, length: SIZE, purpose: { kind: 'scrub' } } as const;
      session.io!({ device: started.device, request }, 10 + index);
      session.observe!({ ...ENDED, scrub: index as 1 }, 10 + index);
    }
    return session.judge(runRecord({ before: SOUND, operations: [own] })).map(({ message }) => message);
  }

  test('has gone through every device, from end to end', () => {
    expect(operated([{}, { devid: 2, device: 1 }])).toEqual([]);
    expect(operated([{}])).toEqual(['a scrub ended well although it did not go through device 2']);
    expect(operated([{ end: SIZE - 4096 }, { devid: 2, device: 1 }])).toEqual([
      'a scrub ended well although it did not go through device 1',
    ]);
  });

  test('or through the one it was to scrub, as far as it was to', () => {
    expect(operated([{}], operation('scrub', { ...WHOLE_SCRUB, devid: 1 }, 9, 40))).toEqual([]);
    expect(operated([], operation('scrub', { ...WHOLE_SCRUB, devid: 1 }, 9, 40))).toHaveLength(1);
    const part = operation('scrub', { ...WHOLE_SCRUB, devid: 1, start: 4096, end: 8192 }, 9, 40);
    expect(operated([{ start: 4096, end: 8192 }], part)).toEqual([]);
    expect(operated([{ start: 8192, end: SIZE }], part)).toHaveLength(1);
  });

  test('owes nothing when it failed or went on from an earlier one', () => {
    expect(operated([], operation('scrub', WHOLE_SCRUB, 9, 40, 'EIO'))).toEqual([]);
    expect(operated([], operation('scrub', { ...WHOLE_SCRUB, resume: true }, 9, 40))).toEqual([]);
  });
});

test('what was read is joined where it touches, also of two', () => {
  const read = new Coverage();
  const copied = new Coverage();
  read.add(100, 200);
  read.add(300, 400);
  copied.add(200, 250);
  expect(read.covers(100, 200)).toBe(true);
  expect(read.covers(100, 201)).toBe(false);
  expect(read.covers(100, 250, copied)).toBe(true);
  expect(read.covers(100, 300, copied)).toBe(false);
  copied.add(240, 310);
  expect(read.covers(100, 400, copied)).toBe(true);
  expect(read.covers(99, 150)).toBe(false);
  expect(read.covers(150, 150)).toBe(true);
});
