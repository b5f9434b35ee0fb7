import { expect, test } from 'vitest';
import { dataLaw } from './data.ts';
import {
  buffered,
  call,
  join,
  judge,
  KIB4 as K,
  old,
  type RecordSketch,
  read,
  stamp,
  write,
  zeroes,
} from './testing/records.ts';

const W = 'writer#0';
const V = 'other#0';
const R = 'reader#0';
const file = (bytes: Uint8Array) => ({ '/f': bytes });
const truncate = (id: string, started: number, ended: number | null, size: number) =>
  call(id, started, ended, 'truncate', { path: '/f', size });
const append = (id: string, started: number, ended: number, length: number) =>
  call(id, started, ended, 'write', { path: '/f', offset: null, length, append: true, direct: false }, length);

/** Old data of [a, b) sectors. */
const olds = (a: number, b: number) => old((b - a) * K, a * K);
const ws = (id: string, a: number, b: number) => stamp(id, a * K, (b - a) * K);

const LEGAL: readonly (readonly [string, RecordSketch])[] = [
  ['nothing happens', { before: file(old(2 * K)), operations: [] }],
  ['a read of old data', { before: file(old(2 * K)), operations: [read(R, 1, 2, 0, old(2 * K))] }],
  [
    'a read after a write',
    {
      before: file(old(2 * K)),
      after: file(ws(W, 0, 2)),
      operations: [write(W, 1, 5, 0, 2 * K), read(R, 5, 9, 0, ws(W, 0, 2))],
    },
  ],
  [
    'a read during a write sees it sector by sector',
    {
      before: file(old(4 * K)),
      after: file(ws(W, 0, 4)),
      operations: [write(W, 1, 9, 0, 4 * K), read(R, 2, 8, 0, join(olds(0, 1), ws(W, 1, 2), olds(2, 3), ws(W, 3, 4)))],
    },
  ],
  [
    'two overlapping writers mix sector by sector',
    {
      before: file(old(4 * K)),
      after: file(join(ws(W, 0, 1), ws(V, 1, 2), ws(W, 2, 3), ws(V, 3, 4))),
      operations: [write(W, 1, 9, 0, 3 * K), write(V, 2, 8, K, 3 * K)],
    },
  ],
  [
    'two writers one after the other leave the later one',
    {
      before: file(old(2 * K)),
      after: file(ws(V, 0, 2)),
      operations: [write(W, 1, 3, 0, 2 * K), write(V, 3, 8, 0, 2 * K)],
    },
  ],
  [
    'a read that ends as a write of the same task begins',
    {
      before: file(old(K)),
      after: file(ws('a#1', 0, 1)),
      operations: [read('a#0', 1, 3, 0, old(K)), write('a#1', 3, 5, 0, K)],
    },
  ],
  [
    'two reads of one concurrent write see new then old',
    {
      before: file(old(K)),
      after: file(ws(W, 0, 1)),
      operations: [write(W, 1, 20, 0, K), read('r#0', 2, 4, 0, ws(W, 0, 1)), read('r#1', 5, 8, 0, old(K))],
    },
  ],
  [
    'three writers of which one is certainly overwritten',
    {
      before: file(old(K)),
      after: file(ws('b#0', 0, 1)),
      operations: [write('a#0', 1, 4, 0, K), write('b#0', 5, 9, 0, K), write('c#0', 6, 10, 0, K)],
    },
  ],
  [
    'six overlapping writers leave any one of them',
    {
      before: file(old(K)),
      after: file(ws('d#0', 0, 1)),
      operations: ['a', 'b', 'c', 'd', 'e', 'f'].map((t, i) => write(`${t}#0`, 1 + i, 20, 0, K)),
    },
  ],
  [
    'a buffered write inside a sector composes with what was there',
    {
      before: file(old(K)),
      after: file(join(old(100), stamp(W, 100, 200), old(K - 300, 300))),
      operations: [buffered(W, 1, 5, 100, 200)],
    },
  ],
  [
    'two concurrent buffered writes inside a sector compose in either order',
    {
      before: file(old(K)),
      after: file(join(old(100), stamp(W, 100, 100), stamp(V, 200, 200), old(K - 400, 400))),
      operations: [buffered(W, 1, 8, 100, 200), buffered(V, 2, 9, 200, 200)],
    },
  ],
  [
    'an unaligned buffered write over three sectors',
    {
      before: file(old(3 * K)),
      after: file(join(old(K - 7), stamp(W, K - 7, K + 20), old(K - 13, 2 * K + 13))),
      operations: [buffered(W, 1, 8, K - 7, K + 20)],
    },
  ],
  [
    'a buffered write of part of a sector hides a concurrent direct one',
    {
      before: file(old(K)),
      after: file(join(stamp(V, 0, 10), old(K - 10, 10))),
      operations: [write(W, 1, 8, 0, K), buffered(V, 2, 9, 0, 10)],
    },
  ],
  [
    'a shrinking truncate makes reads short and the rest of the sector zero when grown again',
    {
      before: file(old(2 * K)),
      after: file(join(old(100), zeroes(2 * K - 100))),
      operations: [truncate('t#0', 1, 3, 100), read('t#1', 3, 4, 0, old(100), K), truncate('t#2', 4, 6, 2 * K)],
    },
  ],
  [
    'a read during a shrinking truncate is short or whole or whole with zeroes',
    {
      before: file(old(3 * K)),
      after: file(old(K)),
      operations: [
        truncate('t#0', 1, 20, K),
        read('r#0', 2, 4, 0, old(3 * K)),
        read('r#1', 4, 6, 0, old(K), 3 * K),
        read('r#2', 6, 8, 0, join(old(K), zeroes(2 * K))),
        read('r#3', 8, 10, 0, join(old(K), zeroes(K)), 3 * K),
      ],
    },
  ],
  [
    'a write beyond a concurrent truncate may come before or after it',
    {
      before: file(old(4 * K)),
      after: file(join(old(K), zeroes(K), ws(W, 2, 3))),
      operations: [truncate('t#0', 1, 9, K), write(W, 2, 8, 2 * K, K)],
    },
  ],
  [
    'or is cut off by it',
    {
      before: file(old(4 * K)),
      after: file(old(K)),
      operations: [truncate('t#0', 1, 9, K), write(W, 2, 8, 2 * K, K)],
    },
  ],
  [
    'a write past the end leaves a hole of zeroes',
    {
      before: file(old(K)),
      after: file(join(old(K), zeroes(2 * K), ws(W, 3, 4))),
      operations: [write(W, 1, 4, 3 * K, K), read(R, 5, 6, K, join(zeroes(2 * K), ws(W, 3, 4)), 9 * K)],
    },
  ],
  ['a read past the end is empty', { before: file(old(K)), operations: [read(R, 1, 2, 2 * K, zeroes(0), K)] }],
  [
    'an append goes to the end',
    {
      before: file(old(100)),
      after: file(join(old(100), stamp(W, 0, 50))),
      operations: [append(W, 1, 4, 50), read(R, 4, 5, 0, join(old(100), stamp(W, 0, 50)), K)],
    },
  ],
  [
    'two appends race, one order',
    {
      before: file(old(100)),
      after: file(join(old(100), stamp(W, 0, 50), stamp(V, 0, 70))),
      operations: [append(W, 1, 9, 50), append(V, 2, 8, 70)],
    },
  ],
  [
    'two appends race, the other order, and a reader saw the first alone',
    {
      before: file(old(100)),
      after: file(join(old(100), stamp(V, 0, 70), stamp(W, 0, 50))),
      operations: [append(W, 1, 9, 50), append(V, 2, 8, 70), read(R, 3, 7, 0, join(old(100), stamp(V, 0, 70)), K)],
    },
  ],
  [
    'an append races with a truncate',
    {
      before: file(old(2 * K)),
      after: file(join(old(10), stamp(W, 0, K))),
      operations: [append(W, 1, 9, K), truncate('t#0', 2, 8, 10)],
    },
  ],
  [
    'a failed write has happened to some of its sectors',
    {
      before: file(old(3 * K)),
      after: file(join(olds(0, 1), ws(W, 1, 2), olds(2, 3))),
      operations: [call(W, 1, 5, 'write', { path: '/f', offset: 0, length: 3 * K, direct: true }, 'EIO')],
    },
  ],
  [
    'a short write has written what it says',
    {
      before: file(old(3 * K)),
      after: file(join(ws(W, 0, 1), olds(1, 3))),
      operations: [call(W, 1, 5, 'write', { path: '/f', offset: 0, length: 3 * K, direct: true }, K)],
    },
  ],
  [
    'an unfinished write may be there or not',
    {
      before: file(old(2 * K)),
      after: file(join(ws(W, 0, 1), olds(1, 2))),
      operations: [write(W, 1, null, 0, 2 * K)],
    },
  ],
  [
    'a buffered write is lost when its write-back was made to fail',
    {
      before: file(old(K)),
      after: file(old(K)),
      operations: [buffered(W, 1, 5, 0, K)],
      record: { rules: [{ rule: 'x', fired: 1, act: 'fail', errno: 'EIO' }] },
    },
  ],
  [
    'after an abort the disk is not judged here',
    { before: file(old(K)), after: file(old(K)), operations: [write(W, 1, 5, 0, K)], record: { aborted: 'EIO' } },
  ],
  [
    'a new file starts empty',
    {
      before: {},
      after: file(ws('a#1', 0, 1)),
      operations: [
        call('a#0', 1, 2, 'create', { path: '/f' }),
        write('a#1', 2, 5, 0, K),
        read(R, 6, 7, 0, ws('a#1', 0, 1), 2 * K),
      ],
    },
  ],
  [
    'a file made anew after an unlink has none of the old data',
    {
      before: file(old(2 * K)),
      after: file(ws('a#2', 0, 1)),
      operations: [
        call('a#0', 1, 2, 'unlink', { path: '/f' }),
        call('a#1', 2, 3, 'create', { path: '/f' }),
        write('a#2', 3, 5, 0, K),
      ],
    },
  ],
  [
    'a renamed file keeps its data, and what it replaced is gone',
    {
      before: { '/f': old(K), '/g': ws('setup#1', 0, 2) },
      after: { '/f': ws('setup#1', 0, 2) },
      operations: [call('a#0', 1, 3, 'rename', { from: '/g', to: '/f' }), read('a#1', 3, 5, 0, ws('setup#1', 0, 2))],
    },
  ],
  [
    'a write that overlaps a rename may have hit either file',
    {
      before: { '/f': old(K), '/g': ws('setup#1', 0, 1) },
      after: { '/f': ws('setup#1', 0, 1) },
      operations: [call('a#0', 1, 9, 'rename', { from: '/g', to: '/f' }), write(W, 2, 8, 0, K)],
    },
  ],
  [
    'a handle still reads the file that was unlinked',
    {
      before: file(old(K)),
      after: {},
      operations: [
        call('a#0', 1, 2, 'open', { path: '/f', as: 'h' }),
        call('b#0', 3, 5, 'unlink', { path: '/f' }),
        call('a#1', 6, 8, 'read', { file: { kind: 'handle', handle: 'h' }, offset: 0, length: K }, old(K)),
      ],
    },
  ],
  [
    'a create races with an unlink of the same name: gone or empty',
    {
      before: {},
      after: {},
      operations: [
        call('a#0', 1, 2, 'create', { path: '/f' }),
        call('b#0', 3, 9, 'unlink', { path: '/f' }),
        call('a#1', 4, 8, 'create', { path: '/f' }, 'EEXIST'),
      ],
    },
  ],
  ['nothing is known of the start', { before: null, after: null, operations: [read(R, 1, 2, 0, old(K))] }],
  ['a directory stays', { before: { '/d': null, '/d/f': old(5) }, operations: [] }],
];

test.each(LEGAL)('legal: %s', (_, sketch) => {
  expect(judge(dataLaw, sketch)).toEqual([]);
});

const BROKEN: readonly (readonly [string, RecordSketch, RegExp, RegExp])[] = [
  [
    'a read after a write sees old data',
    {
      before: file(old(2 * K)),
      after: file(ws(W, 0, 2)),
      operations: [write(W, 1, 5, 0, 2 * K), read(R, 5, 9, 0, old(2 * K))],
    },
    /^stale data: reader#0 read \[0, 8192\) of \/f$/,
    /^data of setup#0$/,
  ],
  [
    'a write is lost',
    { before: file(old(2 * K)), after: file(join(ws(W, 0, 1), olds(1, 2))), operations: [write(W, 1, 5, 0, 2 * K)] },
    /^lost write: \[4096, 8192\) of \/f on disk/,
    /^data of setup#0$/,
  ],
  [
    'the earlier of two ordered writes wins',
    {
      before: file(old(K)),
      after: file(ws(W, 0, 1)),
      operations: [write(W, 1, 3, 0, K), write(V, 4, 6, 0, K)],
    },
    /^lost write/,
    /^data of writer#0$/,
  ],
  [
    'a read sees what is written later',
    {
      before: file(old(K)),
      after: file(ws(W, 0, 1)),
      operations: [read(R, 1, 3, 0, ws(W, 0, 1)), write(W, 4, 6, 0, K)],
    },
    /^data from the future/,
    /^data of writer#0$/,
  ],
  [
    'sectors are swapped',
    { before: file(old(2 * K)), after: file(join(ws(W, 1, 2), ws(W, 0, 1))), operations: [write(W, 1, 5, 0, 2 * K)] },
    /^swapped data/,
    /meant for offset 4096.*meant for offset 0/,
  ],
  [
    'zeroes where data was',
    { before: file(old(2 * K)), after: file(join(olds(0, 1), zeroes(K))), operations: [] },
    /^zero data: \[4096, 8192\)/,
    /^zeroes$/,
  ],
  [
    'data of another file',
    { before: { '/f': old(K), '/g': ws('setup#1', 0, 1) }, operations: [read(R, 1, 2, 0, ws('setup#1', 0, 1))] },
    /^foreign data/,
    /^data of setup#1$/,
  ],
  [
    'a sector torn between two writers',
    {
      before: file(old(K)),
      after: file(join(stamp(W, 0, 512), stamp(V, 512, K - 512))),
      operations: [write(W, 1, 9, 0, K), write(V, 2, 8, 0, K)],
    },
    /^torn data/,
    /\[0, 512\) data of writer#0; \[512, 4096\) data of other#0/,
  ],
  [
    'garbage',
    { before: file(old(K)), after: file(zeroes(K).fill(7)), operations: [] },
    /^garbage/,
    /no operation wrote/,
  ],
  [
    'a read that is too short',
    { before: file(old(2 * K)), operations: [read(R, 1, 2, 0, old(K), 2 * K)] },
    /^wrong length: reader#0 read 4096 bytes/,
    /^4096 bytes$/,
  ],
  [
    'a read that goes past the end',
    { before: file(old(K)), operations: [read(R, 1, 2, 0, join(old(K), zeroes(K)))] },
    /^wrong length/,
    /^8192 bytes$/,
  ],
  [
    'a truncate that leaves the tail of the sector',
    {
      before: file(old(K)),
      operations: [truncate('t#0', 1, 3, 100), truncate('t#1', 3, 5, K)],
    },
    /^torn data|^stale data|^lost write/,
    /./,
  ],
  [
    'a size that no truncate left',
    { before: file(old(K)), after: file(old(K)), operations: [truncate('t#0', 1, 3, 100)] },
    /^wrong size: \/f has 4096 bytes/,
    /^4096 bytes$/,
  ],
  [
    'racing appends on top of each other',
    {
      before: file(old(100)),
      after: file(join(old(100), stamp(V, 0, 70))),
      operations: [append(W, 1, 9, 50), append(V, 2, 8, 70)],
    },
    /^wrong size/,
    /^170 bytes$/,
  ],
  [
    'ordered appends in the wrong order',
    {
      before: file(old(0)),
      after: file(join(ws(V, 0, 1), ws(W, 0, 1))),
      operations: [append(W, 1, 3, K), append(V, 4, 8, K)],
    },
    /^(lost write|swapped|foreign|stale)/,
    /other#0|writer#0/,
  ],
  [
    'a reader saw one order of racing appends and the disk has the other',
    {
      before: file(old(0)),
      after: file(join(ws(V, 0, 1), ws(W, 0, 1))),
      operations: [append(W, 1, 9, K), append(V, 2, 8, K), read(R, 10, 12, 0, join(ws(W, 0, 1), ws(V, 0, 1)))],
    },
    /./,
    /./,
  ],
  [
    'a sub-sector write loses what lay around it',
    {
      before: file(old(K)),
      after: file(join(zeroes(100), stamp(W, 100, 200), zeroes(K - 300))),
      operations: [buffered(W, 1, 5, 100, 200)],
    },
    /^torn data/,
    /zeroes/,
  ],
  [
    'one of two concurrent sub-sector writes is lost',
    {
      before: file(old(K)),
      after: file(join(old(100), stamp(W, 100, 100), old(K - 200, 200))),
      operations: [buffered(W, 1, 8, 100, 100), buffered(V, 2, 9, 300, 100)],
    },
    /./,
    /./,
  ],
  [
    'new data of a removed file in its successor',
    {
      before: file(old(2 * K)),
      after: file(old(K)),
      operations: [
        call('a#0', 1, 2, 'unlink', { path: '/f' }),
        call('a#1', 2, 3, 'create', { path: '/f' }),
        write('a#2', 3, 5, 0, K),
      ],
    },
    /^foreign data/,
    /setup#0/,
  ],
  [
    'a name is lost',
    { before: {}, after: {}, operations: [call('a#0', 1, 2, 'create', { path: '/f' })] },
    /^lost name: \/f/,
    /nothing/,
  ],
  [
    'an unlinked name comes back',
    { before: file(old(K)), after: file(old(K)), operations: [call('a#0', 1, 2, 'unlink', { path: '/f' })] },
    /^undead name: \/f/,
    /file/,
  ],
  [
    'a rename leaves both names',
    {
      before: file(old(K)),
      after: { '/f': old(K), '/g': old(K) },
      operations: [call('a#0', 1, 2, 'rename', { from: '/f', to: '/g' })],
    },
    /^undead name: \/f/,
    /file/,
  ],
  [
    'with a mere delay nothing may be lost',
    {
      before: file(old(K)),
      after: file(old(K)),
      operations: [buffered(W, 1, 5, 0, K)],
      record: { rules: [{ rule: 'x', fired: 3, act: 'delay' }] },
    },
    /^lost write/,
    /setup#0/,
  ],
  [
    'six overlapping writers never leave old data',
    {
      before: file(old(K)),
      after: file(old(K)),
      operations: ['a', 'b', 'c', 'd', 'e', 'f'].map((t, i) => write(`${t}#0`, 1 + i, 20, 0, K)),
    },
    /^lost write/,
    /setup#0/,
  ],
];

test.each(BROKEN)('broken: %s', (_, sketch, message, observed) => {
  const violations = judge(dataLaw, sketch);
  expect(violations).not.toEqual([]);
  expect(violations[0]!.message).toMatch(message);
  expect(violations[0]!.observed).toMatch(observed);
  expect(violations[0]!.law).toBe('data');
});

const fallocate = (id: string, started: number, ended: number, length: number, keepSize = false) =>
  call(id, started, ended, 'fallocate', { path: '/f', offset: 0, length, keepSize });
const corrupt = (id: string, started: number, ended: number, from: number, to: number) =>
  call(id, started, ended, 'corrupt', { path: '/f', offset: from * K, length: (to - from) * K, mirror: 1 });
const complement = (bytes: Uint8Array) => bytes.map((byte) => byte ^ 0xff);

test.each<readonly [string, RecordSketch]>([
  [
    'what fallocate adds reads as zeros, what was there stays',
    {
      before: file(old(K)),
      after: file(join(olds(0, 1), zeroes(K))),
      operations: [fallocate(W, 1, 5, 2 * K), read(R, 6, 7, 0, join(olds(0, 1), zeroes(K)))],
    },
  ],
  [
    'a read during a fallocate sees either size',
    {
      before: file(old(K)),
      after: file(join(olds(0, 1), zeroes(K))),
      operations: [fallocate(W, 1, 5, 2 * K), call(R, 2, 3, 'read', { path: '/f', offset: 0, length: 2 * K }, old(K))],
    },
  ],
  ['a fallocate that keeps the size', { before: file(old(K)), operations: [fallocate(W, 1, 5, 2 * K, true)] }],
  [
    'damage on disk that nobody repaired',
    {
      before: file(old(3 * K)),
      after: file(join(olds(0, 1), complement(olds(1, 2)), olds(2, 3))),
      operations: [corrupt(W, 1, 5, 1, 2), read(R, 6, 7, 0, old(3 * K))],
    },
  ],
  [
    'a read of damaged data without checksums',
    {
      before: file(old(K)),
      unchecked: ['/f'],
      operations: [corrupt(W, 1, 5, 0, 1), read(R, 6, 7, 0, complement(old(K)))],
    },
  ],
])('legal: %s', (_, sketch) => {
  expect(judge(dataLaw, sketch)).toEqual([]);
});

test.each<readonly [string, RecordSketch, RegExp]>([
  [
    'a fallocate that grew nothing',
    { before: file(old(K)), after: file(old(K)), operations: [fallocate(W, 1, 5, 2 * K)] },
    /wrong size: \/f has 4096 bytes/,
  ],
  [
    'old data in what fallocate added',
    { before: file(old(K)), after: file(old(2 * K)), operations: [fallocate(W, 1, 5, 2 * K)] },
    /\[4096, 8192\) of \/f on disk/,
  ],
  [
    'a read that got damaged data in spite of its checksum',
    { before: file(old(K)), operations: [corrupt(W, 1, 5, 0, 1), read(R, 6, 7, 0, complement(old(K)))] },
    /garbage: reader#0 read/,
  ],
  [
    'damaged data before the damage',
    {
      before: file(old(K)),
      unchecked: ['/f'],
      operations: [read(R, 1, 2, 0, complement(old(K))), corrupt(W, 3, 5, 0, 1)],
    },
    /garbage: reader#0 read/,
  ],
  [
    'damage beside the range',
    { before: file(old(2 * K)), after: file(complement(old(2 * K))), operations: [corrupt(W, 1, 5, 0, 1)] },
    /\[4096, 8192\) of \/f on disk/,
  ],
])('broken: %s', (_, sketch, message) => {
  const violations = judge(dataLaw, sketch);
  expect(violations).toHaveLength(1);
  expect(violations[0]!.message).toMatch(message);
});
