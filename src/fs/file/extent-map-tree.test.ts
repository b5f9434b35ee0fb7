import { expect, test } from 'vitest';
import { EXTENT_MAP_HOLE, EXTENT_MAP_INLINE } from '../../task/observation.ts';
import {
  addUnsigned,
  COMPRESSED,
  ExtentMap,
  FILE_OFFSET_LIMIT,
  FILLING,
  LOGGING,
  MERGED,
  PINNED,
  PREALLOC,
} from './extent-map.ts';
import { type ExtentMapRules, FIXED_EXTENT_MAP_RULES, type ResolutionLevel } from './extent-map-rules.ts';
import { ExtentMapTree } from './extent-map-tree.ts';

const KIB = 1024;

/** `[start, end, address]` in KiB, optionally with flags (`P`, `C`, `U`, `L`), `M` for modified, block length, generation. */
interface Row {
  readonly at: readonly [number, number, number];
  readonly flags?: string;
  readonly blockLength?: number;
  readonly original?: number;
  readonly generation?: number;
}

const FLAG_OF: Readonly<Record<string, number>> = {
  P: PINNED,
  C: COMPRESSED,
  U: PREALLOC,
  L: LOGGING,
  F: FILLING,
  G: MERGED,
};

function mapOf({ at: [start, end, address], flags = '', blockLength, original, generation }: Row): ExtentMap {
  return new ExtentMap({
    start: start * KIB,
    length: (end - start) * KIB,
    blockStart: address < 0 ? address : address * KIB,
    flags: [...flags].reduce((all, flag) => all | (FLAG_OF[flag] ?? 0), 0),
    ...(blockLength === undefined ? {} : { blockLength: blockLength * KIB }),
    ...(original === undefined ? {} : { originalStart: original * KIB }),
    ...(generation === undefined ? {} : { generation }),
  });
}

function treeOf(rows: readonly Row[], rules: Partial<ExtentMapRules> = {}): ExtentMapTree {
  const tree = new ExtentMapTree({ ...FIXED_EXTENT_MAP_RULES, ...rules });
  for (const row of rows) {
    const map = mapOf(row);
    expect(tree.insert(map, (row.flags ?? '').includes('M'))).toBe(true);
    map.references--;
  }
  return tree;
}

/** `[0,8)@16/8`, in KiB. */
function show(map: ExtentMap): string {
  const address = map.blockStart < 0 ? { [-3]: 'HOLE', [-2]: 'INL' }[map.blockStart] : map.blockStart / KIB;
  const end = map.end === FILE_OFFSET_LIMIT ? '∞' : map.end / KIB;
  return `[${map.start / KIB},${end})@${address}/${map.blockLength / KIB}`;
}

function showTree(tree: ExtentMapTree): string {
  return tree.maps.map(show).join(' ');
}

interface Resolution {
  readonly name: string;
  readonly tree: readonly Row[];
  readonly candidate: Row;
  readonly at: number;
  /** What each level L0 to L3 returns; `existing` maps are shown as they are in the tree. */
  readonly returns: readonly [string, string, string, string];
  /** The tree afterwards, where it is told. */
  readonly after?: Partial<Record<ResolutionLevel, string>>;
}

function same(answer: string): readonly [string, string, string, string] {
  return [answer, answer, answer, answer];
}

const UNMERGEABLE_TAIL: Row = { at: [16, 20, 32] };
const ITEM: Row = { at: [0, 64, 1024] };

const RESOLUTIONS: readonly Resolution[] = [
  {
    name: 'self-test 1',
    tree: [{ at: [0, 16, 0] }, UNMERGEABLE_TAIL],
    candidate: { at: [0, 8, 0] },
    at: 0,
    returns: ['EEXIST', 'EEXIST', '[0,16)@0/16', '[0,16)@0/16'],
    after: { 3: '[0,16)@0/16 [16,20)@32/4' },
  },
  {
    name: 'self-test 2',
    tree: [{ at: [0, 1, EXTENT_MAP_INLINE] }, { at: [4, 8, 4] }],
    candidate: { at: [0, 1, EXTENT_MAP_INLINE] },
    at: 0,
    returns: same('[0,1)@INL/0'),
    after: { 3: '[0,1)@INL/0 [4,8)@4/4' },
  },
  {
    name: 'self-test 3b',
    tree: [{ at: [4, 8, 4] }],
    candidate: { at: [0, 16, 0] },
    at: 8,
    returns: same('[4,16)@4/12'),
    after: { 3: '[4,16)@4/12' },
  },
  {
    name: 'self-test 3c',
    tree: [{ at: [4, 8, 4] }],
    candidate: { at: [0, 16, 0] },
    at: 12,
    returns: same('[4,16)@4/12'),
  },
  {
    name: 'self-test 4a',
    tree: [{ at: [0, 8, 0] }, { at: [8, 32, 16] }],
    candidate: { at: [0, 32, 0] },
    at: 0,
    returns: ['EEXIST', 'EEXIST', 'EEXIST', '[0,8)@0/8'],
    after: { 3: '[0,8)@0/8 [8,32)@16/24' },
  },
  {
    name: 'self-test 4b',
    tree: [{ at: [0, 8, 0] }, { at: [8, 32, 16] }],
    candidate: { at: [0, 32, 0] },
    at: 4,
    returns: same('[0,8)@0/8'),
  },
  {
    name: 'D1',
    tree: [{ at: [0, 8, 2048] }, { at: [24, 40, 3072] }],
    candidate: ITEM,
    at: 16,
    returns: ['[8,24)@1032/56', '[8,24)@1032/56', '[8,24)@1032/56', '[8,24)@1032/16'],
    after: { 3: '[0,8)@2048/8 [8,24)@1032/16 [24,40)@3072/16' },
  },
  {
    name: 'D2',
    tree: [{ at: [24, 40, 3072] }],
    candidate: ITEM,
    at: 16,
    returns: ['[0,24)@1024/64', '[0,24)@1024/64', '[0,24)@1024/64', '[0,24)@1024/24'],
  },
  {
    name: 'D17',
    tree: [{ at: [16, 24, 3072] }],
    candidate: ITEM,
    at: 0,
    returns: ['[0,16)@1024/64', '[0,16)@1024/64', '[0,16)@1024/64', '[0,16)@1024/16'],
  },
  {
    name: 'D3',
    tree: [{ at: [16, 40, 3072] }],
    candidate: ITEM,
    at: 16,
    returns: ['[40,64)@1064/24', '[40,64)@1064/24', '[40,64)@1064/24', '[16,40)@3072/24'],
    after: { 2: '[16,40)@3072/24 [40,64)@1064/24', 3: '[16,40)@3072/24' },
  },
  {
    name: 'D5',
    tree: [{ at: [16, 24, 3072] }, { at: [24, 64, 4096] }],
    candidate: ITEM,
    at: 16,
    returns: ['EEXIST', 'EEXIST', 'EEXIST', '[16,24)@3072/8'],
  },
  {
    name: 'D6',
    tree: [{ at: [16, 24, 1040] }],
    candidate: ITEM,
    at: 16,
    returns: ['[16,64)@1040/48', '[16,64)@1040/48', '[16,64)@1040/48', '[16,24)@1040/8'],
    after: { 2: '[16,64)@1040/48', 3: '[16,24)@1040/8' },
  },
  {
    name: 'D7',
    tree: [{ at: [0, 128, 1024] }],
    candidate: ITEM,
    at: 0,
    returns: ['[0,64)@1024/64', '[0,64)@1024/64', '[0,128)@1024/128', '[0,128)@1024/128'],
    after: { 0: '[0,64)@1024/64', 1: '[0,64)@1024/64', 2: '[0,128)@1024/128', 3: '[0,128)@1024/128' },
  },
  {
    name: 'D14',
    tree: [{ at: [0, 64, 1024] }],
    candidate: ITEM,
    at: 0,
    returns: same('[0,64)@1024/64'),
    after: { 0: '[0,64)@1024/64', 1: '[0,64)@1024/64', 2: '[0,64)@1024/64', 3: '[0,64)@1024/64' },
  },
  {
    name: 'D10',
    tree: [{ at: [16, 40, 3072] }],
    candidate: ITEM,
    at: 20,
    returns: same('[16,40)@3072/24'),
  },
  {
    name: 'D11',
    tree: [{ at: [16, 24, 3072] }, { at: [40, 48, 4096] }],
    candidate: ITEM,
    at: 28,
    returns: ['[24,40)@1048/40', '[24,40)@1048/40', '[24,40)@1048/40', '[24,40)@1048/16'],
  },
  {
    name: 'D12',
    tree: [{ at: [16, 24, 3072] }],
    candidate: ITEM,
    at: 28,
    returns: same('[24,64)@1048/40'),
  },
  { name: 'D19', tree: [{ at: [0, 4, 3072] }], candidate: ITEM, at: 4, returns: same('[4,64)@1028/60') },
  {
    name: 'D16',
    tree: [{ at: [0, 8, 1024] }, { at: [8, 32, 9000] }, { at: [32, 64, 1056] }],
    candidate: ITEM,
    at: 40,
    returns: same('[32,64)@1056/32'),
  },
];

test.each(RESOLUTIONS)('$name: what a lookup gets at each level', ({ tree: rows, candidate, at, returns, after }) => {
  for (const level of [0, 1, 2, 3] as const) {
    const tree = treeOf(rows, { resolution: level, exactBlockLength: level === 3 });
    const result = tree.addOrResolve(mapOf(candidate), at * KIB);
    expect(typeof result === 'string' ? result : show(result), `L${level}`).toBe(returns[level]);
    const expected = after?.[level];
    if (expected !== undefined) expect(showTree(tree), `tree at L${level}`).toBe(expected);
  }
});

test('D8: below L3 the lookup inserts a map of wrapped length, whose end saturates', () => {
  for (const level of [0, 1, 2] as const) {
    const tree = treeOf([{ at: [0, 128, 9000] }], { resolution: level, exactBlockLength: false });
    const result = tree.addOrResolve(mapOf(ITEM), 0) as ExtentMap;
    expect(result.start).toBe(128 * KIB);
    expect(BigInt(result.length)).toBe(2n ** 64n - 65536n);
    expect(result.blockStart).toBe(1152 * KIB);
    expect(result.end).toBe(FILE_OFFSET_LIMIT);
    expect(tree.maps).toHaveLength(2);
  }
  expect(show(treeOf([{ at: [0, 128, 9000] }]).addOrResolve(mapOf(ITEM), 0) as ExtentMap)).toBe('[0,128)@9000/128');
});

test('D9: a wrapped candidate that meets a later map is refused', () => {
  const tree = treeOf([{ at: [0, 128, 9000] }, { at: [200, 204, 5000] }], { resolution: 2 });
  expect(tree.addOrResolve(mapOf(ITEM), 0)).toBe('EEXIST');
});

test('D15: a map that ends where the candidate does makes L2 insert an empty map', () => {
  const tree = treeOf([{ at: [16, 64, 9000] }], { resolution: 2 });
  const result = tree.addOrResolve(mapOf(ITEM), 16 * KIB) as ExtentMap;
  expect([result.start / KIB, result.length]).toEqual([64, 0]);
});

test('a request outside the candidate is EINVAL at every level', () => {
  for (const level of [0, 1, 2, 3] as const) {
    const tree = treeOf([{ at: [16, 24, 3072] }], { resolution: level });
    expect(tree.addOrResolve(mapOf(ITEM), 64 * KIB)).toBe('EINVAL');
  }
});

test('a compressed candidate fitted into a gap keeps its address, and its offset moves along', () => {
  const rows: Row[] = [{ at: [0, 8, 2048] }];
  const candidate: Row = { at: [0, 64, 1024], flags: 'C', blockLength: 8 };
  const fixed = treeOf(rows).addOrResolve(mapOf(candidate), 16 * KIB) as ExtentMap;
  expect([show(fixed), fixed.originalStart, fixed.diskOffset / KIB]).toEqual(['[8,64)@1024/8', 0, 8]);
  const broken = treeOf(rows, { advanceCompressedOffset: false }).addOrResolve(mapOf(candidate), 16 * KIB) as ExtentMap;
  expect([show(broken), broken.originalStart, broken.diskOffset]).toEqual(['[8,64)@1024/8', 0, 0]);
});

test('a lost compressed offset stays lost in the pieces of a later split', () => {
  const tree = treeOf([{ at: [0, 8, 2048] }], { advanceCompressedOffset: false });
  tree.addOrResolve(mapOf({ at: [0, 64, 1024], flags: 'C', blockLength: 8 }), 16 * KIB);
  tree.drop(24 * KIB, 40 * KIB, false);
  expect(tree.maps.slice(1).map((map) => map.diskOffset / KIB)).toEqual([0, 32]);
});

test('a compressed map deep in its extent has the whole extent on disk, an uncompressed one what precedes it too', () => {
  const deep = mapOf({ at: [16, 64, 1024], flags: 'C', blockLength: 8, original: 0 });
  expect([deep.diskStart, deep.diskLength, deep.diskOffset].map((value) => value / KIB)).toEqual([1024, 8, 16]);
  expect([deep.originalBlockLength / KIB, deep.ramBytes / KIB]).toEqual([8, 64]);
  const plain = mapOf({ at: [16, 64, 1040], original: 0 });
  expect([plain.diskStart, plain.diskLength, plain.diskOffset].map((value) => value / KIB)).toEqual([1024, 64, 16]);
});

test('a map of wrapped length that merges back below L2 ends with the range to log of its whole', () => {
  const tree = treeOf([{ at: [0, 24, 1024] }], { resolution: 0 });
  const result = tree.addOrResolve(mapOf({ at: [0, 20, 1024] }), 0) as ExtentMap;
  expect(show(result)).toBe('[0,20)@1024/20');
  expect([result.modStart, result.modLength]).toEqual([0, 20 * KIB]);
});

test('a sum that wraps is exact where the sum before is no double', () => {
  expect(addUnsigned(2 ** 64 - 2048, 4096)).toBe(2048);
  expect(addUnsigned(6144, 2 ** 64 - 4096)).toBe(2048);
  expect(addUnsigned(4096, 4096)).toBe(8192);
});

test('an empty range drops nothing', () => {
  const tree = treeOf([{ at: [0, 64, 1024] }]);
  tree.drop(24 * KIB, 24 * KIB, false);
  tree.drop(0, 0, false);
  expect(showTree(tree)).toBe('[0,64)@1024/64');
});

test('merged maps count the span of their extents as the uncompressed size, in the new layout', () => {
  const tree = treeOf([{ at: [0, 64, 1024] }, { at: [64, 128, 1088] }]);
  const [merged] = tree.maps;
  expect([merged!.diskRamBytes / KIB, merged!.ramBytes / KIB]).toEqual([128, 64]);
  tree.drop(24 * KIB, 40 * KIB, false);
  expect(tree.maps.map((map) => map.diskRamBytes / KIB)).toEqual([128, 128]);
});

interface Drop {
  readonly name: string;
  readonly map: Row;
  readonly skipPinned?: boolean;
  readonly after: string;
  readonly originals?: readonly number[];
}

const DROPS: readonly Drop[] = [
  { name: 'regular', map: { at: [0, 64, 1024] }, after: '[0,24)@1024/24 [40,64)@1064/24', originals: [0, 0] },
  {
    name: 'compressed',
    map: { at: [0, 64, 1024], flags: 'C', blockLength: 8 },
    after: '[0,24)@1024/8 [40,64)@1024/8',
    originals: [0, 0],
  },
  {
    name: 'hole',
    map: { at: [0, 64, EXTENT_MAP_HOLE] },
    after: '[0,24)@HOLE/0 [40,64)@HOLE/0',
    originals: [0, 40],
  },
  { name: 'preallocated', map: { at: [0, 64, 1024], flags: 'U' }, after: '[0,24)@1024/24 [40,64)@1064/24' },
  {
    name: 'offset into the extent',
    map: { at: [16, 64, 1040], original: 0 },
    after: '[16,24)@1040/8 [40,64)@1064/24',
    originals: [0, 0],
  },
  { name: 'pinned, skipped', map: { at: [0, 64, 1024], flags: 'P' }, skipPinned: true, after: '[0,64)@1024/64' },
  { name: 'pinned', map: { at: [0, 64, 1024], flags: 'P' }, after: '[0,24)@1024/24 [40,64)@1064/24' },
  { name: 'modified', map: { at: [0, 64, 1024], flags: 'M' }, after: '[0,24)@1024/24 [40,64)@1064/24' },
];

test.each(DROPS)('dropping [24,40) of a map: $name', ({ map, skipPinned = false, after, originals }) => {
  const tree = treeOf([{ ...map, generation: 7 }]);
  const before = tree.maps[0]!;
  const { flags, isModified, originalBlockLength, ramBytes, isReal } = before;
  tree.drop(24 * KIB, 40 * KIB, skipPinned);
  expect(showTree(tree)).toBe(after);
  if (originals) expect(tree.maps.map((piece) => piece.originalStart / KIB)).toEqual(originals);
  for (const piece of tree.maps) {
    expect(piece.flags).toBe(flags);
    expect(piece.isModified).toBe(isModified);
    expect(piece.generation).toBe(7);
    expect(piece.references).toBe(1);
    expect(piece.originalBlockLength).toBe(originalBlockLength);
    expect(piece.ramBytes).toBe(isReal ? ramBytes : piece.length);
  }
  expect(tree.modifiedMaps).toHaveLength(isModified ? tree.maps.length : 0);
});

test('the right piece of a compressed map lies 40 KiB into the extent, in the new layout', () => {
  const tree = treeOf([{ at: [0, 64, 1024], flags: 'C', blockLength: 8 }]);
  tree.drop(24 * KIB, 40 * KIB, false);
  expect(tree.maps.map((map) => [map.diskStart / KIB, map.diskLength / KIB, map.diskOffset / KIB])).toEqual([
    [1024, 8, 0],
    [1024, 8, 40],
  ]);
});

test('a range over many maps keeps only what lies outside it', () => {
  const tree = treeOf([{ at: [0, 16, 100] }, { at: [16, 32, 200] }, { at: [40, 48, 300] }, { at: [48, 64, 400] }]);
  tree.drop(8 * KIB, 56 * KIB, false);
  expect(showTree(tree)).toBe('[0,8)@100/8 [56,64)@408/8');
});

test('an open range drops to the end, and keeps pinned maps only when told to', () => {
  const rows: Row[] = [{ at: [0, 16, 100] }, { at: [16, 32, 200], flags: 'P' }, { at: [32, 48, 300] }];
  const tree = treeOf(rows);
  tree.drop(8 * KIB, FILE_OFFSET_LIMIT, true);
  expect(showTree(tree)).toBe('[0,8)@100/8 [16,32)@200/16');
  const other = treeOf(rows);
  other.drop(0, FILE_OFFSET_LIMIT, false);
  expect(showTree(other)).toBe('');
});

const AROUND_PINNED: readonly Row[] = [{ at: [0, 16, 100], flags: 'P' }, { at: [16, 48, 200] }, { at: [48, 64, 300] }];

test('dropping around a pinned map keeps the end of the range', () => {
  const tree = treeOf(AROUND_PINNED);
  tree.drop(0, 36 * KIB, true);
  expect(showTree(tree)).toBe('[0,16)@100/16 [36,48)@220/12 [48,64)@300/16');
});

test('before the fix, kernels up to 6.0 drop too much behind a pinned map', () => {
  const tree = treeOf(AROUND_PINNED, { skipPinnedFault: 'over-drop' });
  tree.drop(0, 36 * KIB, true);
  expect(showTree(tree)).toBe('[0,16)@100/16 [52,64)@304/12');
});

test('before the fix, kernels from 6.1 leave a right piece of wrapped length behind a pinned map', () => {
  const tree = treeOf(AROUND_PINNED, { skipPinnedFault: 'late-right-piece' });
  tree.drop(0, 36 * KIB, true);
  const wrapped = tree.maps[1]!;
  expect(wrapped.start).toBe(52 * KIB);
  expect(BigInt(wrapped.length)).toBe(2n ** 64n - 4096n);
});

test('a piece that cannot be allocated takes its map along, and a modified one asks for a full sync', () => {
  const tree = treeOf([{ at: [0, 64, 1024] }]);
  tree.drop(24 * KIB, 40 * KIB, false, () => false);
  expect(showTree(tree)).toBe('');
  expect(tree.needsFullSync).toBe(false);
  const modified = treeOf([{ at: [0, 64, 1024], flags: 'M' }]);
  modified.drop(24 * KIB, 40 * KIB, false, () => false);
  expect([showTree(modified), modified.needsFullSync]).toEqual(['', true]);
});

interface Merge {
  readonly name: string;
  readonly previous: Row;
  readonly next: Row;
  readonly merged: boolean;
}

const MERGES: readonly Merge[] = [
  { name: 'contiguous', previous: { at: [0, 4, 100] }, next: { at: [4, 8, 104] }, merged: true },
  { name: 'not contiguous on disk', previous: { at: [0, 4, 100] }, next: { at: [4, 8, 108] }, merged: false },
  { name: 'previous compressed', previous: { at: [0, 4, 100], flags: 'C' }, next: { at: [4, 8, 104] }, merged: false },
  { name: 'next compressed', previous: { at: [0, 4, 100] }, next: { at: [4, 8, 104], flags: 'C' }, merged: false },
  { name: 'previous pinned', previous: { at: [0, 4, 100], flags: 'P' }, next: { at: [4, 8, 104] }, merged: false },
  { name: 'next pinned', previous: { at: [0, 4, 100] }, next: { at: [4, 8, 104], flags: 'P' }, merged: false },
  {
    name: 'both pinned',
    previous: { at: [0, 4, 100], flags: 'P' },
    next: { at: [4, 8, 104], flags: 'P' },
    merged: false,
  },
  {
    name: 'previous being logged',
    previous: { at: [0, 4, 100], flags: 'L' },
    next: { at: [4, 8, 104] },
    merged: false,
  },
  { name: 'next being logged', previous: { at: [0, 4, 100] }, next: { at: [4, 8, 104], flags: 'L' }, merged: false },
  { name: 'previous modified', previous: { at: [0, 4, 100], flags: 'M' }, next: { at: [4, 8, 104] }, merged: false },
  { name: 'next modified', previous: { at: [0, 4, 100] }, next: { at: [4, 8, 104], flags: 'M' }, merged: false },
  { name: 'one preallocated', previous: { at: [0, 4, 100], flags: 'U' }, next: { at: [4, 8, 104] }, merged: false },
  {
    name: 'both preallocated',
    previous: { at: [0, 4, 100], flags: 'U' },
    next: { at: [4, 8, 104], flags: 'U' },
    merged: true,
  },
  { name: 'two holes', previous: { at: [0, 4, EXTENT_MAP_HOLE] }, next: { at: [4, 8, EXTENT_MAP_HOLE] }, merged: true },
  { name: 'hole and extent', previous: { at: [0, 4, EXTENT_MAP_HOLE] }, next: { at: [4, 8, 104] }, merged: false },
  { name: 'extent and hole', previous: { at: [0, 4, 100] }, next: { at: [4, 8, EXTENT_MAP_HOLE] }, merged: false },
  { name: 'a gap between', previous: { at: [0, 4, 100] }, next: { at: [5, 8, 104] }, merged: false },
];

test.each(MERGES)('neighbours: $name, merged: $merged, whichever comes first', ({ previous, next, merged }) => {
  for (const rows of [
    [previous, next],
    [next, previous],
  ]) {
    const tree = treeOf(rows.map((row) => ({ ...row, generation: row === previous ? 5 : 9 })));
    expect(tree.maps).toHaveLength(merged ? 1 : 2);
    if (merged) {
      expect([tree.maps[0]!.start, tree.maps[0]!.end, tree.maps[0]!.generation]).toEqual([0, 8 * KIB, 9]);
      expect(tree.maps[0]!.references).toBe(1);
    }
  }
});

test('four extents of 64 KiB that finish in order end as one map', () => {
  const tree = treeOf([]);
  for (let i = 0; i < 4; i++) {
    const map = mapOf({ at: [i * 64, i * 64 + 64, 1024 + i * 64], flags: 'P' });
    expect(tree.insert(map, false)).toBe(true);
    map.references--;
    tree.unpin(map.start, map.length, 8);
  }
  expect(showTree(tree)).toBe('[0,256)@1024/256');
  expect([tree.maps[0]!.diskStart / KIB, tree.maps[0]!.diskLength / KIB]).toEqual([1024, 256]);
});

test('a map that somebody holds does not grow, but did before the fix', () => {
  for (const [mergeOnlyUnshared, expected] of [
    [true, '[0,4)@100/4 [4,8)@104/4'],
    [false, '[0,8)@100/8'],
  ] as const) {
    const tree = treeOf([{ at: [0, 4, 100] }, { at: [4, 8, 104], flags: 'P' }], { mergeOnlyUnshared });
    const held = tree.maps[1]!;
    held.references++;
    tree.unpin(held.start, held.length, 8);
    expect(showTree(tree)).toBe(expected);
  }
});

test('between the two steps of a merge, a holder sees the new start with the old length', () => {
  const tree = treeOf([{ at: [0, 4, 100] }, { at: [4, 8, 104], flags: 'L' }]);
  const held = tree.maps[1]!;
  held.flags = 0;
  const previous = tree.beginMergeWithPredecessor(held)!;
  expect([held.start, held.end]).toEqual([0, 4 * KIB]);
  tree.finishMergeWithPredecessor(held, previous);
  expect(showTree(tree)).toBe('[0,8)@100/8');
});

test('unpinning needs a map that starts there', () => {
  const tree = treeOf([{ at: [0, 8, 100], flags: 'P' }]);
  expect(tree.unpin(4 * KIB, 4 * KIB, 8)).toBeNull();
  expect(tree.unpin(0, 8 * KIB, 8)).toBe(tree.maps[0]);
  expect([tree.maps[0]!.isPinned, tree.maps[0]!.generation]).toEqual([false, 8]);
});

test('a write into a preallocated extent is logged whole after it merged', () => {
  const tree = treeOf([{ at: [0, 4, 100] }, { at: [4, 8, 104], flags: 'PF' }]);
  tree.unpin(4 * KIB, 4 * KIB, 8);
  expect([tree.maps[0]!.modStart, tree.maps[0]!.modLength]).toEqual([0, 8 * KIB]);
});

test('maps that were logged leave the modified list and merge when the log is done', () => {
  const tree = treeOf([
    { at: [0, 4, 100], flags: 'M' },
    { at: [4, 8, 104], flags: 'M' },
  ]);
  const logged = tree.takeModifiedForLogging();
  expect(tree.modifiedMaps).toHaveLength(0);
  for (const map of logged) {
    tree.clearLogging(map);
    map.references--;
  }
  expect(showTree(tree)).toBe('[0,8)@100/8');
});

test('a lookup is strict, a search takes the next map and then the last one', () => {
  const tree = treeOf([{ at: [4, 8, 100] }, { at: [16, 20, 200] }]);
  expect(tree.lookup(0, 4 * KIB)).toBeNull();
  expect(tree.lookup(0, 5 * KIB)).toBe(tree.maps[0]);
  expect(tree.lookup(8 * KIB, 8 * KIB)).toBeNull();
  expect(tree.search(0)).toBe(tree.maps[0]);
  expect(tree.search(10 * KIB)).toBe(tree.maps[1]);
  expect(tree.search(30 * KIB)).toBe(tree.maps[1]);
  expect(treeOf([]).search(0)).toBeNull();
});

test('a removed map that is being logged stays with its fsync', () => {
  const tree = treeOf([{ at: [0, 8, 100], flags: 'M' }]);
  const map = tree.maps[0]!;
  tree.remove(map);
  expect([map.isInTree, map.references, tree.modifiedMaps.length]).toEqual([false, 0, 0]);
});
