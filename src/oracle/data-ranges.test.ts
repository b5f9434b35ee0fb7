import { expect, test } from 'vitest';
import { dataLaw } from './data.ts';
import { call, join, judge, KIB4 as K, old, type RecordSketch, read, stamp, write, zeroes } from './testing/records.ts';

/** Goal: the law `data` knows ranges that are cleared, shared and copied, and files with several names. */

const clear = (id: string, kind: 'punch' | 'zero', started: number, ended: number, offset: number, length: number) =>
  call(id, started, ended, kind, { path: '/f', offset, length, keepSize: false });
const share = (id: string, kind: 'reflink' | 'copy', started: number, ended: number, result: number | null = null) =>
  call(
    id,
    started,
    ended,
    kind,
    { source: { kind: 'path', path: '/s' }, sourceOffset: K, path: '/f', offset: 0, length: 2 * K },
    result,
  );
const link = (id: string, started: number, ended: number) => call(id, started, ended, 'link', { path: '/f', to: '/g' });
const exchange = (id: string, started: number, ended: number) =>
  call(id, started, ended, 'rename', { from: '/f', to: '/g', exchange: true });
const two = (f: Uint8Array, s: Uint8Array) => ({ '/f': f, '/s': s });
const other = (length: number) => stamp('setup#1', 0, length);

const LEGAL: readonly (readonly [string, RecordSketch])[] = [
  [
    'a punch leaves zeroes and the size',
    {
      before: { '/f': old(2 * K) },
      after: { '/f': join(old(K), zeroes(K)) },
      operations: [clear('a#0', 'punch', 1, 3, K, 4 * K)],
    },
  ],
  [
    'a zero leaves zeroes and extends the file',
    {
      before: { '/f': old(2 * K) },
      after: { '/f': join(old(K), zeroes(3 * K)) },
      operations: [clear('a#0', 'zero', 1, 3, K, 3 * K)],
    },
  ],
  [
    'a punch and a concurrent write end in either order, sector by sector',
    {
      before: { '/f': old(2 * K) },
      after: { '/f': join(zeroes(K), stamp('b#0', K, K)) },
      operations: [clear('a#0', 'punch', 1, 9, 0, 2 * K), write('b#0', 2, 8, 0, 2 * K)],
    },
  ],
  [
    'a reflink brings what its source held',
    {
      before: two(old(2 * K), other(4 * K)),
      after: two(other(4 * K).slice(K, 3 * K), other(4 * K)),
      operations: [share('a#0', 'reflink', 1, 3)],
    },
  ],
  [
    'a reflink sees a concurrent write to its source, or does not',
    {
      before: two(old(2 * K), other(4 * K)),
      after: two(
        join(stamp('b#0', K, K), other(4 * K).slice(2 * K, 3 * K)),
        join(other(K), stamp('b#0', K, 2 * K), other(4 * K).slice(3 * K)),
      ),
      operations: [
        share('a#0', 'reflink', 1, 9),
        call('b#0', 2, 8, 'write', { path: '/s', offset: K, length: 2 * K, direct: true }, 2 * K),
      ],
    },
  ],
  [
    'a copy may end early',
    {
      before: two(old(2 * K), other(2 * K)),
      after: two(join(other(2 * K).slice(K), old(2 * K).slice(K)), other(2 * K)),
      operations: [share('a#0', 'copy', 1, 3, K)],
    },
  ],
  [
    'a write through one name is read through the other',
    {
      before: { '/f': old(K) },
      after: { '/f': stamp('a#1', 0, K), '/g': stamp('a#1', 0, K) },
      operations: [
        link('a#0', 1, 2),
        call('a#1', 3, 4, 'write', { path: '/g', offset: 0, length: K, direct: true }, K),
        read('a#2', 5, 6, 0, stamp('a#1', 0, K)),
      ],
    },
  ],
  [
    'an exchange swaps two files',
    {
      before: { '/f': old(K), '/g': other(K) },
      after: { '/f': other(K), '/g': old(K) },
      operations: [exchange('a#0', 1, 2), read('a#1', 3, 4, 0, other(K))],
    },
  ],
  [
    'a rename from one name of a file to another leaves both',
    {
      before: { '/f': old(K) },
      after: { '/f': old(K), '/g': old(K) },
      operations: [link('a#0', 1, 2), call('a#1', 3, 4, 'rename', { from: '/f', to: '/g' })],
    },
  ],
];

test.each(LEGAL)('%s', (_, sketch) => {
  expect(judge(dataLaw, sketch).map(({ message }) => message)).toEqual([]);
});

const BROKEN: readonly (readonly [string, string, RecordSketch])[] = [
  [
    'a punch that did nothing',
    'lost write: [4096, 8192) of /f on disk after the unmount',
    { before: { '/f': old(2 * K) }, operations: [clear('a#0', 'punch', 1, 3, K, K)] },
  ],
  [
    'a punch that reached too far',
    'zero data: [0, 4096) of /f on disk after the unmount',
    { before: { '/f': old(2 * K) }, after: { '/f': zeroes(2 * K) }, operations: [clear('a#0', 'punch', 1, 3, K, K)] },
  ],
  [
    'a punch that changed the size',
    'wrong size: /f has 4096 bytes on disk after the unmount',
    { before: { '/f': old(2 * K) }, after: { '/f': old(K) }, operations: [clear('a#0', 'punch', 1, 3, K, K)] },
  ],
  [
    'a reflink from the wrong place of its source',
    'swapped data: [0, 8192) of /f on disk after the unmount',
    {
      before: two(old(2 * K), other(4 * K)),
      after: two(other(4 * K).slice(2 * K), other(4 * K)),
      operations: [share('a#0', 'reflink', 1, 3)],
    },
  ],
  [
    'a write to a shared extent that shows in the other file',
    'foreign data: [0, 8192) of /f on disk after the unmount',
    {
      before: two(old(2 * K), other(4 * K)),
      after: two(stamp('b#0', 0, 2 * K), join(other(K), stamp('b#0', K, 2 * K), other(4 * K).slice(3 * K))),
      operations: [
        share('a#0', 'reflink', 1, 3),
        call('b#0', 4, 8, 'write', { path: '/s', offset: K, length: 2 * K, direct: true }, 2 * K),
      ],
    },
  ],
  [
    'a stale read through another name',
    'stale data: a#2 read [0, 4096) of /f',
    {
      before: { '/f': old(K) },
      after: { '/f': stamp('a#1', 0, K), '/g': stamp('a#1', 0, K) },
      operations: [
        link('a#0', 1, 2),
        call('a#1', 3, 4, 'write', { path: '/g', offset: 0, length: K, direct: true }, K),
        read('a#2', 5, 6, 0, old(K)),
      ],
    },
  ],
];

test.each(BROKEN)('%s is found', (_, message, sketch) => {
  expect(judge(dataLaw, sketch).map((violation) => violation.message)).toContain(message);
});
