import { expect, test } from 'vitest';
import type { Errno } from '../base/errno.ts';
import { CONTRACTS } from './errors/contracts.ts';
import { errorsLaw } from './errors.ts';
import { call, judge, KIB4 as K, old, type RecordSketch } from './testing/records.ts';

const START = { '/f': old(K), '/d': null, '/d/g': old(K) };
const by = (path: string) => ({ path });
const one = (operation: string, args: Record<string, unknown>, result: Errno | null = null) => [
  call('a#0', 1, 5, operation, args, result),
];

const LEGAL: readonly (readonly [string, RecordSketch])[] = [
  ['everything succeeds', { before: START, operations: one('fsync', by('/f')) }],
  ['create of a name that is taken', { before: START, operations: one('create', by('/f'), 'EEXIST') }],
  ['mkdir of a name that is taken', { before: START, operations: one('mkdir', by('/d'), 'EEXIST') }],
  [
    'create of a name that somebody makes at the same time',
    {
      before: START,
      operations: [call('a#0', 1, 6, 'create', by('/n')), call('b#0', 2, 7, 'create', by('/n'), 'EEXIST')],
    },
  ],
  [
    'create of a name that is removed at the same time',
    {
      before: START,
      operations: [call('a#0', 1, 6, 'unlink', by('/f')), call('b#0', 2, 7, 'create', by('/f'))],
    },
  ],
  [
    'create that fails on a name that is removed at the same time',
    {
      before: START,
      operations: [call('a#0', 1, 6, 'unlink', by('/f')), call('b#0', 2, 7, 'create', by('/f'), 'EEXIST')],
    },
  ],
  ['open of a name that does not exist', { before: START, operations: one('open', { path: '/n', as: 'h' }, 'ENOENT') }],
  ['create in a directory that does not exist', { before: START, operations: one('create', by('/x/n'), 'ENOENT') }],
  ['create below a file', { before: START, operations: one('create', by('/f/n'), 'ENOTDIR') }],
  ['a path that goes on below a file', { before: START, operations: one('create', by('/f/x/n'), 'ENOTDIR') }],
  ['unlink of a directory', { before: START, operations: one('unlink', by('/d'), 'EISDIR') }],
  ['rename of a missing name', { before: START, operations: one('rename', { from: '/n', to: '/m' }, 'ENOENT') }],
  ['rename to a missing directory', { before: START, operations: one('rename', { from: '/f', to: '/x/m' }, 'ENOENT') }],
  [
    'rename over a directory with entries',
    { before: { ...START, '/e': null }, operations: one('rename', { from: '/e', to: '/d' }, 'ENOTEMPTY') },
  ],
  [
    'rename of a directory over a file',
    { before: START, operations: one('rename', { from: '/d', to: '/f' }, 'ENOTDIR') },
  ],
  [
    'rename of a directory into itself',
    { before: START, operations: one('rename', { from: '/d', to: '/d/x' }, 'EINVAL') },
  ],
  [
    'rename of a file over a directory',
    { before: START, operations: one('rename', { from: '/f', to: '/d' }, 'EISDIR') },
  ],
  ['a name that is too long', { before: START, operations: one('create', by(`/${'x'.repeat(256)}`), 'ENAMETOOLONG') }],
  [
    'read of a handle that was closed',
    {
      before: START,
      operations: [
        call('a#0', 1, 2, 'open', { path: '/f', as: 'h' }),
        call('a#1', 2, 3, 'close', { handle: 'h' }),
        call('a#2', 3, 4, 'read', { file: { kind: 'handle', handle: 'h' }, offset: 0, length: K }, 'EBADF'),
      ],
    },
  ],
  [
    'direct I/O of broken sectors',
    { before: START, operations: one('write', { path: '/f', offset: 7, length: 9, direct: true }, 'EINVAL') },
  ],
  [
    'EIO when an I/O was made to fail',
    {
      before: START,
      operations: one('read', { path: '/f', offset: 0, length: K }, 'EIO'),
      record: { rules: [{ rule: 'x', fired: 1, act: 'fail', errno: 'EIO' }] },
    },
  ],
  [
    'ENOMEM when a rule says so',
    {
      before: START,
      operations: one('write', { path: '/f', offset: 0, length: K }, 'ENOMEM'),
      record: { rules: [{ rule: 'x', fired: 2, act: 'fail', errno: 'ENOMEM' }] },
    },
  ],
  [
    'an injected failure whose rule does not say what it does',
    {
      before: START,
      operations: one('fsync', by('/f'), 'EIO'),
      record: { rules: [{ rule: 'x', fired: 1 }] },
    },
  ],
  [
    'EROFS after an abort',
    {
      before: START,
      operations: one('fsync', by('/f'), 'EROFS'),
      record: { aborted: 'EIO', rules: [{ rule: 'x', fired: 1, act: 'fail', errno: 'EIO' }] },
    },
  ],
  [
    'ENOSPC when more was written than the disk holds',
    { before: START, operations: one('write', { path: '/f', offset: 0, length: 64 * 1024 * 1024 }, 'ENOSPC') },
  ],
  [
    'the workload asks for an error',
    {
      before: START,
      operations: one('read', { path: '/f', offset: 0, length: K, expect: ['ok', 'ESTALE'] }, 'ESTALE'),
    },
  ],
  [
    'an unfinished operation in a deadlock is told by another law',
    {
      before: START,
      operations: [call('a#0', 1, null, 'fsync', by('/f'))],
      record: { locks: [{ kind: 'wait-cycle', step: 4, message: 'x', tasks: ['a'], locks: [] }] },
    },
  ],
  [
    'a file below a directory that is renamed at the same time',
    {
      before: START,
      operations: [
        call('a#0', 1, 6, 'rename', { from: '/d', to: '/e' }),
        call('b#0', 2, 7, 'read', { path: '/d/g', offset: 0, length: K }, 'ENOENT'),
      ],
    },
  ],
  ['nothing is known of the start', { before: null, operations: one('open', { path: '/n', as: 'h' }, 'ENOENT') }],
  [
    'rename replaces a file',
    {
      before: { '/f': old(K), '/g': old(K) },
      operations: [
        call('a#0', 1, 2, 'rename', { from: '/g', to: '/f' }),
        call('a#1', 2, 3, 'open', { path: '/g', as: 'h' }, 'ENOENT'),
        call('a#2', 3, 4, 'create', by('/g')),
      ],
    },
  ],
];

test.each(LEGAL)('legal: %s', (_, sketch) => {
  expect(judge(errorsLaw, sketch)).toEqual([]);
});

const BROKEN: readonly (readonly [string, RecordSketch, RegExp])[] = [
  [
    'an abort that nothing explains',
    { before: START, operations: one('sync', {}), record: { aborted: 'EEXIST' } },
    /went read-only with EEXIST although no fault/,
  ],
  [
    'EEXIST from a read',
    { before: START, operations: one('read', { path: '/f', offset: 0, length: K }, 'EEXIST') },
    /^a#0 read \/f \[0, 4096\) returned EEXIST/,
  ],
  ['EEXIST from a rename', { before: START, operations: one('rename', { from: '/f', to: '/d' }, 'EEXIST') }, /EEXIST/],
  [
    'ENOENT of a file that is there',
    { before: START, operations: one('read', { path: '/f', offset: 0, length: K }, 'ENOENT') },
    /ENOENT/,
  ],
  ['create of a name that is free', { before: START, operations: one('create', by('/n'), 'EEXIST') }, /EEXIST/],
  [
    'create of a name that was removed before',
    {
      before: START,
      operations: [call('a#0', 1, 2, 'unlink', by('/f')), call('b#0', 2, 7, 'create', by('/f'), 'EEXIST')],
    },
    /b#0 create \/f returned EEXIST/,
  ],
  [
    'both of two racing creates succeed',
    {
      before: START,
      operations: [call('a#0', 1, 6, 'create', by('/n')), call('b#0', 2, 7, 'create', by('/n'))],
    },
    /no order .* a#0 create \/n|no order .* b#0 create \/n/,
  ],
  [
    'both of two racing unlinks succeed',
    {
      before: START,
      operations: [call('a#0', 1, 6, 'unlink', by('/f')), call('b#0', 2, 7, 'unlink', by('/f'))],
    },
    /no order/,
  ],
  [
    'both of two racing renames of one name succeed',
    {
      before: START,
      operations: [
        call('a#0', 1, 6, 'rename', { from: '/f', to: '/x' }),
        call('b#0', 2, 7, 'rename', { from: '/f', to: '/y' }),
      ],
    },
    /no order/,
  ],
  [
    'success of a read of nothing',
    { before: START, operations: one('read', { path: '/n', offset: 0, length: K }) },
    /succeeded although/,
  ],
  ['EIO without a fault', { before: START, operations: one('fsync', by('/f'), 'EIO') }, /EIO/],
  [
    'EIO when rules only delayed',
    {
      before: START,
      operations: one('fsync', by('/f'), 'EIO'),
      record: { rules: [{ rule: 'x', fired: 9, act: 'delay' }] },
    },
    /EIO/,
  ],
  [
    'ENOMEM when only an I/O failed',
    {
      before: START,
      operations: one('fsync', by('/f'), 'ENOMEM'),
      record: { rules: [{ rule: 'x', fired: 1, act: 'fail', errno: 'EIO' }] },
    },
    /ENOMEM/,
  ],
  [
    'ENOSPC on an almost empty disk',
    { before: START, operations: one('write', { path: '/f', offset: 0, length: K }, 'ENOSPC') },
    /ENOSPC/,
  ],
  ['EROFS without an abort', { before: START, operations: one('truncate', { path: '/f', size: 0 }, 'EROFS') }, /EROFS/],
  [
    'EEXIST from a read even after faults and an abort',
    {
      before: START,
      operations: one('read', { path: '/f', offset: 0, length: K }, 'EEXIST'),
      record: { aborted: 'EIO', rules: [{ rule: 'x', fired: 1 }] },
    },
    /EEXIST/,
  ],
  [
    'an operation that never ended',
    { before: START, operations: [call('a#0', 1, null, 'fsync', by('/f'))] },
    /a#0 fsync \/f never ended/,
  ],
  [
    'success where the workload wants an error',
    { before: START, operations: one('create', { path: '/n', expect: ['EEXIST'] }) },
    /ended with ok/,
  ],
  [
    'EINVAL of an aligned direct write',
    { before: START, operations: one('write', { path: '/f', offset: 0, length: K, direct: true }, 'EINVAL') },
    /EINVAL/,
  ],
];

test.each(BROKEN)('broken: %s', (_, sketch, message) => {
  const violations = judge(errorsLaw, sketch);
  expect(violations).toHaveLength(1);
  expect(violations[0]!.message).toMatch(message);
  expect(violations[0]!.law).toBe('errors');
});

test.each(['read', 'write', 'truncate', 'fsync', 'fdatasync', 'fiemap', 'sync', 'close', 'open', 'unlink', 'rename'])(
  '%s can never return EEXIST',
  (operation) => {
    expect(Object.keys(CONTRACTS[operation]!)).not.toContain('EEXIST');
  },
);
