import { expect, test } from 'vitest';
import { EXTENT_MAP_DELALLOC, EXTENT_MAP_HOLE, EXTENT_MAP_INLINE, type ExtentMapView } from '../task/observation.ts';
import { extentMapsLaw } from './extent-maps.ts';
import type { ImageExtent } from './image-contents.ts';
import type { Violation } from './law.ts';
import { call, type RecordSketch, recordOf } from './testing/records.ts';

const KIB = 1024;

/** Sizes in KiB; a real map of its own extent unless `more` says otherwise. */
function map(start: number, end: number, at: number, more: Partial<ExtentMapView> = {}): ExtentMapView {
  const length = (end - start) * KIB;
  const blockStart = at < 0 ? at : at * KIB;
  return {
    start: start * KIB,
    length,
    blockStart,
    blockLength: at < 0 ? 0 : length,
    originalStart: start * KIB,
    originalBlockLength: at < 0 ? 0 : length,
    ramBytes: length,
    generation: 7,
    isPinned: false,
    isCompressed: false,
    isPrealloc: false,
    isLogging: false,
    isModified: false,
    ...more,
  };
}

function item(start: number, end: number, at: number, more: Partial<ImageExtent> = {}): ImageExtent {
  const length = (end - start) * KIB;
  return {
    start: start * KIB,
    length,
    kind: 'regular',
    isCompressed: false,
    diskStart: at * KIB,
    diskLength: length,
    offset: 0,
    ...more,
  };
}

const CHUNKS = [{ logical: 1024 * KIB, length: 8192 * KIB, isData: true }];

interface Story {
  readonly seen: readonly (readonly ExtentMapView[])[];
  readonly returned?: { readonly asked: number; readonly map: ExtentMapView };
  readonly evictedAt?: number;
  readonly items?: readonly ImageExtent[];
  readonly sketch?: Partial<RecordSketch>;
}

function judgeStory(story: Story): Violation[] {
  const { record, open } = recordOf({
    operations: [call('a#0', 1, 50, 'sync', {})],
    extents: story.items === undefined ? {} : { '5/257': story.items },
    chunks: CHUNKS,
    ...story.sketch,
  });
  const session = extentMapsLaw(open).begin({ sectorSize: 4096, disks: () => [] });
  story.seen.forEach((maps, index) => {
    session.observe!({ kind: 'extent-maps', tree: 5, inode: 257, maps }, index + 1);
  });
  if (story.returned !== undefined) {
    session.observe!({ kind: 'extent-map-returned', tree: 5, inode: 257, ...story.returned }, 40);
  }
  if (story.evictedAt !== undefined) {
    session.observe!({ kind: 'inode-evicted', tree: 5, inode: 257 }, story.evictedAt);
  }
  return session.judge(record);
}

const LEGAL: readonly (readonly [string, Story])[] = [
  ['no maps', { seen: [[]] }],
  ['touching maps', { seen: [[map(0, 8, 1024), map(8, 32, 4096)]] }],
  [
    'a hole up to the end of all files',
    { seen: [[map(0, 4, 1024), map(4, 8, EXTENT_MAP_HOLE, { length: 2 ** 64 - 4096 })]] },
  ],
  [
    'an inline map',
    { seen: [[map(0, 4, EXTENT_MAP_INLINE)]], items: [{ ...item(0, 1, 0), kind: 'inline', length: 100 }] },
  ],
  ['delayed allocation', { seen: [[map(0, 4, EXTENT_MAP_DELALLOC)]] }],
  [
    'pieces of one compressed extent share their address',
    {
      seen: [
        [
          map(0, 24, 1024, { isCompressed: true, blockLength: 8192, originalStart: 0 }),
          map(40, 64, 1024, { isCompressed: true, blockLength: 8192, originalStart: 0 }),
        ],
      ],
    },
  ],
  ['a piece deep in its extent', { seen: [[map(16, 64, 1040, { originalStart: 0 })]] }],
  ['a lookup that covers what was asked', { seen: [], returned: { asked: 4096, map: map(0, 8, 1024) } }],
  ['a map made of two adjacent items', { seen: [[map(0, 16, 2048)]], items: [item(0, 8, 2048), item(8, 16, 2056)] }],
  ['a map of part of an item', { seen: [[map(8, 16, 2056)]], items: [item(0, 32, 2048)] }],
  ['an item of part of an extent', { seen: [[map(8, 16, 2056)]], items: [item(8, 32, 2048, { offset: 8 * KIB })] }],
  ['a hole where no item is', { seen: [[map(8, 16, EXTENT_MAP_HOLE)]], items: [item(0, 8, 2048)] }],
  ['a hole with an item', { seen: [[map(8, 16, EXTENT_MAP_HOLE)]], items: [item(8, 16, 0, { kind: 'hole' })] }],
  ['a pinned map is not on disk yet', { seen: [[map(0, 8, 2048, { isPinned: true })]], items: [] }],
  ['an inode that is not on disk any more', { seen: [[map(0, 8, 2048)]] }],
  ['maps of an inode evicted in the middle of the run', { seen: [[map(0, 8, 2048)]], evictedAt: 20, items: [] }],
  ['a disagreement after a crash', { seen: [[map(0, 8, 2048)]], items: [], sketch: { record: { unmounted: false } } }],
  [
    'a preallocated extent written in its middle',
    {
      seen: [[map(0, 8, 2048, { isPrealloc: true }), map(8, 12, 2056), map(12, 16, 2060, { isPrealloc: true })]],
      items: [
        item(0, 8, 2048, { kind: 'prealloc' }),
        item(8, 12, 2048, { offset: 8 * KIB }),
        item(12, 16, 2048, { kind: 'prealloc', offset: 12 * KIB }),
      ],
    },
  ],
  [
    'a write into a preallocated extent that never finished',
    {
      seen: [[map(0, 4, 2048, { isPrealloc: true }), map(4, 8, 2052, { isPinned: true, originalStart: 0 })]],
      items: [item(0, 8, 2048, { kind: 'prealloc' })],
    },
  ],
];

test.each(LEGAL)('legal: %s', (_, story) => {
  expect(judgeStory(story)).toEqual([]);
});

const BROKEN: readonly (readonly [string, Story, RegExp, number])[] = [
  ['zero length', { seen: [[map(0, 8, 1024)], [map(0, 8, 1024), map(8, 8, 4096)]] }, /has zero length/, 2],
  ['a wrapped length as a negative number', { seen: [[map(128, 64, 1152)]] }, /wrapped below zero/, 1],
  [
    'a wrapped length as a huge number',
    { seen: [[map(128, 0, 1152, { length: 2 ** 64 - 65536 })]] },
    /ends beyond 2\^64/,
    1,
  ],
  ['overlap', { seen: [[map(0, 8, 1024), map(4, 12, 4096)]] }, /overlaps the one before it, which ends at 8192/, 1],
  ['out of order', { seen: [[map(8, 12, 1024), map(0, 4, 4096)]] }, /overlaps the one before it/, 1],
  [
    'a block length that does not fit',
    { seen: [[map(8, 24, 1032, { blockLength: 56 * KIB })]] },
    /has block length 57344/,
    1,
  ],
  [
    'an original start after the start',
    { seen: [[map(8, 24, 1032, { originalStart: 12 * KIB })]] },
    /original start 12288/,
    1,
  ],
  ['an extent below address 0', { seen: [[map(64, 68, 4, { originalStart: 0 })]] }, /below address 0/, 1],
  ['broken sectors', { seen: [[map(0, 3, 1024)]] }, /not made of whole sectors/, 1],
  ['one place claimed twice', { seen: [[map(0, 8, 1024), map(16, 24, 1028)]] }, /claim the same place on disk/, 1],
  [
    'one place claimed twice among many',
    {
      seen: [
        [...Array.from({ length: 40 }, (_, i) => map(i * 8, i * 8 + 4, 2048 + i * 4)), map(1000, 1004, 2048 + 80)],
      ],
    },
    /claim the same place on disk/,
    1,
  ],
  [
    'a lookup that returns the next map',
    { seen: [], returned: { asked: 16384, map: map(40, 64, 1064) } },
    /the lookup of 16384 returned .* does not cover/,
    40,
  ],
  ['a lookup that returns an empty map', { seen: [], returned: { asked: 0, map: map(0, 0, 1064) } }, /zero length/, 40],
  [
    'a map that the disk does not know, told by the step since which it was there',
    {
      seen: [[], [map(0, 8, 2048)], [map(0, 8, 2048), map(8, 12, 4096)]],
      items: [item(0, 8, 3072), item(8, 12, 4096)],
    },
    /map \[0, 8192\) at 2097152 disagrees with the disk at offset 0/,
    2,
  ],
  [
    'a preallocated map over data',
    {
      seen: [[map(0, 8, 2048, { isPrealloc: true })]],
      items: [item(0, 4, 2048, { kind: 'prealloc' }), item(4, 8, 2048, { offset: 4 * KIB })],
    },
    /map \[0, 8192\) preallocated at 2097152 disagrees with the disk at offset 4096/,
    1,
  ],
  [
    'a map of data over preallocated space',
    { seen: [[map(0, 8, 2048)]], items: [item(0, 8, 2048, { kind: 'prealloc' })] },
    /map \[0, 8192\) at 2097152 disagrees with the disk at offset 0/,
    1,
  ],
  [
    'a preallocated map without an address',
    { seen: [[map(0, 8, EXTENT_MAP_HOLE, { isPrealloc: true })]] },
    /is preallocated but has no address/,
    1,
  ],
  [
    'a preallocated map of compressed data',
    { seen: [[map(0, 8, 2048, { isPrealloc: true, isCompressed: true })]] },
    /both preallocated and compressed/,
    1,
  ],
  [
    'a map of what is a hole',
    { seen: [[map(0, 8, 2048)]], items: [item(0, 4, 2048)] },
    /disagrees with the disk at offset 4096/,
    1,
  ],
  [
    'a hole over data',
    { seen: [[map(0, 8, EXTENT_MAP_HOLE)]], items: [item(4, 8, 2048)] },
    /hole disagrees with the disk at offset 4096/,
    1,
  ],
  [
    'data in the middle is elsewhere',
    { seen: [[map(0, 16, 2048)]], items: [item(0, 8, 2048), item(8, 16, 2060)] },
    /at offset 8192/,
    1,
  ],
  ['outside the chunks', { seen: [[map(0, 8, 512)]], items: [item(0, 8, 512)] }, /does not lie in data chunks/, 1],
  ['maps kept until the unmount', { seen: [[map(0, 8, 2048)]], evictedAt: 60, items: [] }, /disagrees/, 1],
];

test.each(BROKEN)('broken: %s', (_, story, message, step) => {
  const violations = judgeStory(story);
  expect(violations).not.toEqual([]);
  expect(violations[0]!.message).toMatch(message);
  expect(violations[0]!.evidence).toEqual([step]);
});

test('a fault that stays is told once, at its first step', () => {
  const bad = [map(0, 8, 1024), map(4, 12, 4096)];
  expect(judgeStory({ seen: [bad, bad, bad] })).toHaveLength(1);
});

test.each([
  [
    'legal',
    [
      [0, 4],
      [4, 8],
      [16, 20],
    ],
    0,
  ],
  [
    'overlapping',
    [
      [0, 8],
      [4, 8],
    ],
    1,
  ],
  ['empty', [[0, 0]], 1],
  [
    'out of order',
    [
      [8, 12],
      [0, 4],
    ],
    1,
  ],
] as const)('a fiemap answer that is %s', (_, ranges, count) => {
  const extents = ranges.map(([start, end]) => ({
    logical: start * KIB,
    physical: 2048 * KIB,
    length: (end - start) * KIB,
    flags: [],
  }));
  const operations = [call('a#0', 1, 5, 'fiemap', { path: '/f' }, extents)];
  expect(judgeStory({ seen: [], sketch: { operations } })).toHaveLength(count);
});
