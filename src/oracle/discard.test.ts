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
import type { BlockTable } from '../record/block-table.ts';
import type { DiskImage } from '../record/image.ts';
import { discard } from './discard.ts';
import { DEV_REPLACE, SUPER, SUPER_OFFSETS, TREE, TYPE } from './structure/layout.ts';
import { LiveSpace } from './structure/live-space.ts';

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

function disksWithNothing(): BlockTable[] {
  const images = copiesOf(SOUND);
  const empty = disksWithFiles({ ...MIRRORED, seed: 'empty' }, [SIZE, SIZE]);
  // Another file system, whose data lies elsewhere: what matters is that its roots do not reach the place.
  const edit = new ImageEditor(empty);
  const live = LiveSpace.read(SOUND)!;
  expect(live.generation).toBeGreaterThan(1);
  for (const item of edit.items(TREE.EXTENT)) if (item.type === TYPE.EXTENT_ITEM) edit.remove(item);
  return edit.finish().map((image, index) => (index < images.length ? (image as BlockTable) : images[index]!));
}
