import { expect, test } from 'vitest';
import { ImageEditor } from '../../tests/support/image-editor.ts';
import {
  copiesOf,
  disksWithFiles,
  MIRRORED,
  placesOf,
  runRecord,
  SIZE,
  StagedContext,
} from '../../tests/support/judged-disks.ts';
import { viewOf, writeU64 } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { makeFilesystem } from '../fs/mkfs.ts';
import { BlockTable } from '../record/block-table.ts';
import type { DiskImage } from '../record/image.ts';
import type { RunRecord } from '../record/run-record.ts';
import { discard } from './discard.ts';
import { DEV_REPLACE, SUPER, SUPER_OFFSETS, TREE, TYPE } from './structure/layout.ts';
import { LiveSpace } from './structure/live-space.ts';
import { firstTouched, physicalRanges } from './structure/physical-ranges.ts';

const SOUND = disksWithFiles(MIRRORED, [SIZE, SIZE]);

interface Discard {
  readonly device: number;
  readonly offset: number;
  readonly length: number;
  /** The disks from then on. */
  readonly disks?: readonly DiskImage[];
}

function judge(discards: readonly Discard[], images: readonly DiskImage[] = SOUND): string[] {
  const context = new StagedContext(images);
  const session = discard.begin(context);
  for (const [index, { device, offset, length, disks }] of discards.entries()) {
    if (disks !== undefined) context.images = disks;
    const request = { operation: 'discard', offset, length, purpose: { kind: 'data' } } as const;
    session.io!({ device, request }, 100 + index);
  }
  return session.judge(runRecord({})).map(({ message }) => message);
}

/** Free bytes inside the data block group, on the second device. */
function freeOffset(): number {
  const chunk = LiveSpace.read(SOUND)!.chunks.chunks.find(({ type }) => (type & 1) !== 0)!;
  return chunk.offsetOf(1) + chunk.length - 65536;
}

test('discards of free and of unallocated space break no law', () => {
  expect(judge([{ device: 1, offset: freeOffset(), length: 65536 }])).toEqual([]);
  expect(judge([{ device: 0, offset: SIZE - 65536, length: 65536 }])).toEqual([]);
});

test('each copy of what is live is guarded, from its first byte to its last', () => {
  for (const what of ['tree-block', { fill: 1 }, { fill: 2 }, { fill: 3 }] as const) {
    for (const place of placesOf(SOUND, what)) {
      const { image: device, offset, length } = place;
      const found = judge([{ device, offset: offset + length - 512, length: 512 }]);
      expect(found).toHaveLength(1);
      expect(found[0]).toContain(
        what === 'tree-block' ? 'takes the tree block at' : 'takes part of the data extent at',
      );
      expect(judge([{ device, offset: offset - 65536, length: 65536 + 512 }])).not.toEqual([]);
    }
  }
});

test('so are superblocks', () => {
  expect(judge([{ device: 1, offset: 65536, length: 4096 }])).toEqual([
    'a discard of [65536, 69632) of disk 1 takes the superblock at 65536',
  ]);
});

test('a disk that is no member has nothing live', () => {
  const images = [...SOUND, SOUND[0]!.snapshot()];
  images[2]!.discard(65536, 4096);
  const { offset } = placesOf(SOUND, { fill: 1 })[0]!;
  expect(judge([{ device: 2, offset, length: 4096 }], images)).toEqual([]);
});

test('what counts are the roots on disk at that moment: those of a commit that is not through protect nothing yet', () => {
  // The same disks before anything was written to them, then as they are: a commit lies between.
  const empty = disksWithNothing();
  const { image: device, offset } = placesOf(SOUND, { fill: 1 })[0]!;
  const take = { device, offset, length: 4096 };
  expect(judge([take], empty)).toEqual([]);
  expect(judge([take, { ...take, disks: SOUND }], empty)).toHaveLength(1);
});

test('what was written before a discard and committed after it is lost, unless it was written again', () => {
  const empty = disksWithNothing();
  for (const [what, isLost] of [
    ['tree-block', true],
    [{ fill: 1 }, true],
    [{ fill: 2 }, false],
  ] as const) {
    const place = what === 'tree-block' ? newTreeBlock() : placesOf(SOUND, what)[0]!;
    const gone = copiesOf(SOUND);
    gone[place.image]!.discard(place.offset, place.length);
    const judged = (images: readonly DiskImage[], rules: RunRecord['rules'] = []) => {
      const context = new StagedContext(empty);
      const session = discard.begin(context);
      const request = { operation: 'discard', offset: place.offset, length: 4096, purpose: { kind: 'data' } } as const;
      session.io!({ device: place.image, request }, 100);
      context.images = images;
      session.observe!({ kind: 'block-groups', moment: 'committed', generation: 9, groups: [], spaces: [] }, 110);
      return session.judge(runRecord({ rules })).length;
    };
    // Without checksums, zeroes may be what somebody wrote.
    expect(judged(gone)).toBe(isLost ? 1 : 0);
    expect(judged(SOUND)).toBe(0);
    expect(judged(gone, [{ rule: 'r', fired: 1, act: 'fail', errno: 'EIO' }])).toBe(0);
  }
});

test('a disk that is being copied to is as live as its source', () => {
  const edit = new ImageEditor(SOUND);
  const item = new Uint8Array(72);
  writeU64(viewOf(item), DEV_REPLACE.sourceDevid, 1);
  writeU64(viewOf(item), DEV_REPLACE.state, 1);
  edit.insertFirst(edit.rootOf(TREE.DEV), [0, TYPE.DEV_REPLACE, 0], item);
  const target = SOUND[0]!.snapshot();
  const images = [...edit.finish(), target];
  const superblock = new Uint8Array(target.read(SUPER_OFFSETS[0], 4096));
  writeU64(viewOf(superblock), SUPER.devItem, 0);
  viewOf(superblock).setUint32(0, crc32c(superblock.subarray(32)), true);
  target.write(SUPER_OFFSETS[0], superblock);
  const place = placesOf(SOUND, { fill: 1 }).find(({ image }) => image === 0)!;
  expect(judge([{ device: 2, offset: place.offset, length: 4096 }], images)).toHaveLength(1);
  expect(judge([{ device: 2, offset: SIZE - 65536, length: 4096 }], images)).toEqual([]);
});

test('trees that a discard has taken still guard the rest', () => {
  const images = copiesOf(SOUND);
  const block = placesOf(SOUND, 'tree-block');
  const data = placesOf(SOUND, { fill: 1 })[0]!;
  const gone = copiesOf(SOUND);
  for (const { image, offset, length } of block) gone[image]!.discard(offset, length);
  const found = judge(
    [
      { device: block[0]!.image, offset: block[0]!.offset, length: 4096 },
      { device: data.image, offset: data.offset, length: 4096, disks: gone },
    ],
    images,
  );
  expect(found).toHaveLength(2);
});

/** As mkfs left them. */
function disksWithNothing(): BlockTable[] {
  const disks = [new BlockTable(SIZE), new BlockTable(SIZE)];
  for (const { device, offset, bytes } of makeFilesystem({ devices: [SIZE, SIZE], ...MIRRORED })) {
    disks[device]!.write(offset, bytes);
  }
  return disks;
}

/** A tree block where mkfs had put none. */
function newTreeBlock(): { readonly image: number; readonly offset: number; readonly length: number } {
  const old = physicalRanges(LiveSpace.read(disksWithNothing())!).get(0)!;
  const range = physicalRanges(LiveSpace.read(SOUND)!)
    .get(0)!
    .find(({ isTree, start, end }) => isTree && firstTouched(old, start, end) === null)!;
  return { image: 0, offset: range.start, length: range.end - range.start };
}
