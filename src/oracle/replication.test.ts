import { describe, expect, test } from 'vitest';
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
import type { BlockTable } from '../record/block-table.ts';
import type { RunRecord } from '../record/run-record.ts';
import { replication } from './replication.ts';
import { LiveSpace } from './structure/live-space.ts';

const SOUND = disksWithFiles(MIRRORED, [SIZE, SIZE]);
const TREE_BLOCK = 'tree-block';
const WITH_CHECKSUM = { fill: 1 };
const WITHOUT_CHECKSUM = { fill: 2 };

function messages(parts: Partial<RunRecord>): string[] {
  const record = runRecord({ before: SOUND, ...parts });
  return replication
    .begin(new StagedContext())
    .judge(record)
    .map((violation) => violation.message);
}

function damaged(what: Parameters<typeof placesOf>[1], copy = 1): BlockTable[] {
  const images = copiesOf(SOUND);
  damage(images, placesOf(SOUND, what)[copy]!);
  return images;
}

describe('at the end of a run', () => {
  test('sound mirrors break no law', () => {
    expect(messages({ after: SOUND })).toEqual([]);
  });

  test.each([
    ['a tree block', TREE_BLOCK, /^copy 1 of the tree block at \d+ is bad: \[\d+, \d+\) of device [12]$/],
    ['data', WITH_CHECKSUM, /^copy 1 of data at \[\d+, \d+\) is bad/],
    [
      'data without checksums',
      WITHOUT_CHECKSUM,
      /^copy 1 of data at \[\d+, \d+\) \(no checksums\) is not what copy 0 is/,
    ],
  ] as const)('one bad copy of %s does', (_name, what, pattern) => {
    const found = messages({ after: damaged(what) });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(pattern);
  });

  test('a stale copy, whole in itself, does', () => {
    // An older block at the same address: the checksum is right, the generation is not.
    const images = copiesOf(SOUND);
    const [first, second] = placesOf(SOUND, TREE_BLOCK) as [LivePlace, LivePlace];
    const live = LiveSpace.read(SOUND)!;
    const other = live.extents.filter((extent) => extent.isTree)[1]!;
    const bytes = live.chunks.read(other.start, first.length, 0)!.slice();
    images[1]!.write(second.offset, bytes);
    expect(messages({ after: images })).toHaveLength(1);
  });

  test('what is not live may differ: free space, and preallocated space that nobody wrote to', () => {
    const images = copiesOf(SOUND);
    const live = LiveSpace.read(SOUND)!;
    const chunk = live.chunks.chunks.find(({ type }) => (type & 1) !== 0)!;
    images[1]!.write(chunk.offsetOf(1) + chunk.length - 4096, new Uint8Array(4096).fill(9));
    const [, written] = placesOf(SOUND, { fill: 3 }) as [unknown, { offset: number; image: number }];
    images[written.image]!.write(written.offset - 4096, new Uint8Array(4096).fill(9));
    expect(messages({ after: images })).toEqual([]);
  });

  test('a fault that was injected excuses a stale copy; one that only delayed does not', () => {
    const rule = { rule: 'r', fired: 1, errno: 'EIO' as const };
    expect(messages({ after: damaged(TREE_BLOCK), rules: [{ ...rule, act: 'fail' }] })).toEqual([]);
    expect(messages({ after: damaged(TREE_BLOCK), rules: [{ rule: 'r', fired: 1, act: 'delay' }] })).toHaveLength(1);
    expect(messages({ after: damaged(TREE_BLOCK), rules: [{ ...rule, fired: 0, act: 'fail' }] })).toHaveLength(1);
  });

  test('and only on the device whose writes it failed', () => {
    const after = damaged(TREE_BLOCK);
    const { image } = placesOf(SOUND, TREE_BLOCK)[1]!;
    const rule = { rule: 'r', fired: 1, act: 'fail', errno: 'EIO' } as const;
    const failing = (device: number, operation: 'read' | 'write') => [{ ...rule, failedIo: [{ device, operation }] }];
    expect(messages({ after, rules: failing(image, 'write') })).toEqual([]);
    expect(messages({ after, rules: failing(1 - image, 'write') })).toHaveLength(1);
    expect(messages({ after, rules: failing(image, 'read') })).toHaveLength(1);
    expect(messages({ after, rules: [{ ...rule, failedIo: [] }] })).toHaveLength(1);
  });

  test('damage from before the run may stay, unless a scrub said that it went over it', () => {
    const after = damaged(WITH_CHECKSUM);
    expect(messages({ before: after, after })).toEqual([]);
    const scrub = operation('scrub', WHOLE_SCRUB, 5, 9);
    expect(messages({ before: after, after, operations: [scrub] })).toHaveLength(1);
    for (const args of [{ readOnly: true }, { start: 4096 }, { devid: 7 }, { resume: true }]) {
      const partial = operation('scrub', { ...WHOLE_SCRUB, ...args }, 5, 9);
      expect(messages({ before: after, after, operations: [partial] })).toEqual([]);
    }
    expect(messages({ before: after, after, operations: [operation('scrub', WHOLE_SCRUB, 5, 9, 'EIO')] })).toEqual([]);
  });

  test('damage that the workload did may stay until a scrub', () => {
    const after = damaged(WITH_CHECKSUM);
    const corrupt = operation('corrupt', {}, 10, 12);
    expect(messages({ after, operations: [corrupt] })).toEqual([]);
    expect(messages({ after, operations: [operation('scrub', WHOLE_SCRUB, 2, 8), corrupt] })).toEqual([]);
    expect(messages({ after, operations: [corrupt, operation('scrub', WHOLE_SCRUB, 14, 20)] })).toHaveLength(1);
    expect(messages({ after: damaged(TREE_BLOCK), operations: [corrupt] })).toHaveLength(1);
  });

  test('without a clean unmount nothing is promised of what is overwritten in place', () => {
    expect(messages({ after: damaged(WITHOUT_CHECKSUM), unmounted: false })).toEqual([]);
    expect(messages({ after: damaged(WITHOUT_CHECKSUM), aborted: 'EIO' })).toEqual([]);
    expect(messages({ after: damaged(WITH_CHECKSUM), unmounted: false })).toHaveLength(1);
  });

  test('bad copies in a row are one, and a long list is cut', () => {
    const images = copiesOf(SOUND);
    const place = placesOf(SOUND, WITH_CHECKSUM)[1]!;
    damage(images, { ...place, length: 3 * 4096 });
    const found = messages({ after: images });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`[${place.offset}, ${place.offset + 3 * 4096})`);
  });

  test.each([
    ['DUP', { metadataProfile: 'dup', dataProfile: 'dup' }, [SIZE]],
    ['RAID1C3', { metadataProfile: 'raid1c3', dataProfile: 'raid1c3' }, [SIZE, SIZE, SIZE]],
  ] as const)('%s: each copy by itself', (_name, options, sizes) => {
    const sound = disksWithFiles(options, sizes);
    expect(messages({ before: sound, after: sound })).toEqual([]);
    for (const place of placesOf(sound, WITH_CHECKSUM)) {
      const images = copiesOf(sound);
      damage(images, place);
      expect(messages({ before: sound, after: images })).toEqual([expect.stringContaining(`copy ${place.copy} of`)]);
    }
  });

  test('single copies are the business of the law structure', () => {
    const sound = disksWithFiles({ metadataProfile: 'single', dataProfile: 'single' }, [SIZE]);
    const images = copiesOf(sound);
    damage(images, placesOf(sound, WITH_CHECKSUM)[0]!);
    expect(messages({ before: sound, after: images })).toEqual([]);
  });
});

describe('at the swap of a device replace', () => {
  const single = disksWithFiles({ metadataProfile: 'single', dataProfile: 'single' }, [SIZE]);

  /** Violations when `images` are the disks at the swap. */
  function atSwap(
    images: readonly BlockTable[],
    target: number,
    source: number | null,
    rules: RunRecord['rules'] = [],
  ) {
    const context = new StagedContext(images);
    const session = replication.begin(context);
    session.observe!({ kind: 'device-replaced', source, target, devid: 1 }, 77);
    context.images = [];
    return session.judge(runRecord({ rules }));
  }

  /** The target has all of the source but its superblocks. */
  function withTarget(images: readonly BlockTable[]): BlockTable[] {
    const target = images[0]!.snapshot();
    target.discard(65536, 4096);
    return [...copiesOf(images), target];
  }

  test('a target with everything breaks no law', () => {
    expect(atSwap(withTarget(single), 1, 0)).toEqual([]);
    expect(atSwap(withTarget(SOUND), 2, 0)).toEqual([]);
  });

  test.each([
    ['a tree block', TREE_BLOCK],
    ['data', WITH_CHECKSUM],
    ['data without checksums', WITHOUT_CHECKSUM],
    ['one written sector of preallocated space', { fill: 3 }],
  ] as const)('a target without %s does', (_name, what) => {
    const images = withTarget(single);
    const place = placesOf(single, what)[0]!;
    images[1]!.discard(place.offset, place.length);
    const found = atSwap(images, 1, 0);
    expect(found).toHaveLength(1);
    expect(found[0]?.message).toContain(`[${place.offset}, ${place.offset + place.length}) of device 1`);
    expect(found[0]?.evidence).toEqual([77]);
  });

  test('the unwritten part of preallocated space is owed to nobody, nor is free space', () => {
    const images = withTarget(single);
    const place = placesOf(single, { fill: 3 })[0]!;
    images[1]!.write(place.offset + 4096, new Uint8Array(4096).fill(9));
    images[1]!.write(SIZE - 8192, new Uint8Array(4096).fill(9));
    expect(atSwap(images, 1, 0)).toEqual([]);
  });

  test('a target may be better than its source, but not worse than a mirror', () => {
    const images = withTarget(SOUND);
    const place = placesOf(SOUND, WITH_CHECKSUM).find(({ image }) => image === 0)!;
    damage(images, place);
    expect(atSwap(images, 2, 0)).toEqual([]);
    images[2]!.discard(place.offset, place.length);
    expect(atSwap(images, 2, 0)).toHaveLength(1);
  });

  test('nobody can hand over what all copies have lost', () => {
    const images = withTarget(single);
    const place = placesOf(single, WITH_CHECKSUM)[0]!;
    damage(images, place);
    images[1]!.discard(place.offset, place.length);
    expect(atSwap(images, 1, 0)).toEqual([]);
  });

  test('a missing source is judged by checksums and by the other mirrors', () => {
    const [, second, target] = withTarget(SOUND) as [BlockTable, BlockTable, BlockTable];
    const gone = second.snapshot();
    gone.discard(0, SIZE);
    expect(atSwap([gone, second, target], 2, null)).toEqual([]);
    for (const what of [TREE_BLOCK, WITH_CHECKSUM, WITHOUT_CHECKSUM] as const) {
      const place = placesOf(SOUND, what).find(({ image }) => image === 0)!;
      const poor = target.snapshot();
      poor.discard(place.offset, place.length);
      expect(atSwap([gone, second, poor], 2, null)).toHaveLength(1);
    }
  });

  test('injected faults excuse it', () => {
    const images = withTarget(single);
    const place = placesOf(single, WITH_CHECKSUM)[0]!;
    images[1]!.discard(place.offset, place.length);
    const rule = { rule: 'r', fired: 1, act: 'fail', errno: 'EIO' } as const;
    expect(atSwap(images, 1, 0, [rule])).toEqual([]);
    expect(atSwap(images, 1, 0, [{ ...rule, failedIo: [{ device: 1, operation: 'write' }] }])).toEqual([]);
    expect(atSwap(images, 1, 0, [{ ...rule, failedIo: [{ device: 0, operation: 'read' }] }])).toEqual([]);
    expect(atSwap(images, 1, 0, [{ ...rule, failedIo: [{ device: 0, operation: 'write' }] }])).toHaveLength(1);
  });

  test('but not what a mirror that could be read still had', () => {
    const images = withTarget(SOUND);
    const place = placesOf(SOUND, WITH_CHECKSUM).find(({ image }) => image === 0)!;
    images[2]!.discard(place.offset, place.length);
    const rule = { rule: 'r', fired: 1, act: 'fail', errno: 'EIO' } as const;
    const read = (device: number) => ({ device, operation: 'read' }) as const;
    expect(atSwap(images, 2, 0, [{ ...rule, failedIo: [read(0)] }])).toHaveLength(1);
    expect(atSwap(images, 2, 0, [{ ...rule, failedIo: [read(0), read(1)] }])).toEqual([]);
  });
});
