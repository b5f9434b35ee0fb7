import { expect, test } from 'vitest';
import type { Errno } from '../../base/errno.ts';
import type { DiskImage } from '../../record/image.ts';
import type { OperationRecord, OperationValue } from '../../record/run-record.ts';
import { errorsLaw } from '../errors.ts';
import { call, judge } from '../testing/records.ts';

const MIB = 2 ** 20;

/** A disk with nothing but what says that it is member `devid` of `count`, of which the file system uses `size`. */
function member(devid: number, count = 2, size = 16 * MIB): DiskImage {
  const block = new DataView(new ArrayBuffer(4096));
  for (const [index, character] of [...'_BHRfS_M'].entries()) block.setUint8(64 + index, character.charCodeAt(0));
  const fields = { 72: 7, 136: count, 201: devid, 209: size };
  for (const [at, value] of Object.entries(fields)) block.setBigUint64(Number(at), BigInt(value), true);
  return disk(16 * MIB, new Uint8Array(block.buffer));
}

function disk(size: number, superblock = new Uint8Array(4096)): DiskImage {
  return {
    size,
    read: (offset, length) => superblock.slice(offset - 65536, offset - 65536 + length),
    written: () => [],
    fingerprint: `disk ${size}`,
  };
}

/** Two members and a blank disk. */
const DISKS = [member(1), member(2), disk(16 * MIB)];

type Result = OperationValue | Errno;
const scrub = (id: string, from: number, to: number, result: Result = null, devid: number | null = 1) =>
  call(id, from, to, 'scrub', { devid }, result);
const replace = (id: string, from: number, to: number, result: Result = null, more: Record<string, unknown> = {}) =>
  call(id, from, to, 'replace', { devid: 1, target: 2, background: false, ...more }, result);
const cancel = (id: string, from: number, to: number, result: Result = null, what = 'replace') =>
  call(id, from, to, `${what}-cancel`, {}, result);
const remount = (id: string, from: number, to: number, readOnly: boolean | null, result: Result = null) =>
  call(id, from, to, 'reconfigure', { readOnly, discard: null }, result);
const add = (id: string, from: number, to: number, device: number, result: Result = null) =>
  call(id, from, to, 'device-add', { device }, result);
const remove = (id: string, from: number, to: number, devid: number | 'missing', result: Result = null) =>
  call(id, from, to, 'device-remove', { devid }, result);
const write = (id: string, from: number, to: number, result: Result) =>
  call(id, from, to, 'write', { path: '/f', offset: 0, length: 4096 }, result);

function judged(operations: readonly OperationRecord[], record: object = {}) {
  return judge(errorsLaw, { before: null, operations, record: { before: DISKS, after: DISKS, ...record } });
}

const LEGAL: readonly (readonly [string, readonly OperationRecord[], object?])[] = [
  ['a scrub of an id that nobody has', [scrub('a', 1, 5, 'ENODEV', 3)]],
  ['a scrub of a device that is removed at the same time', [remove('b', 2, 9, 1), scrub('a', 1, 5, 'ENODEV')]],
  ['a scrub of a device that is to be removed', [remove('b', 2, 9, 1, 'EOPNOTSUPP'), scrub('a', 3, 5, 'EROFS')]],
  ['a scrub of all while one is removed', [remove('b', 2, 9, 1), scrub('a', 3, 5, 'EROFS', null)]],
  ['a scrub of a missing device', [scrub('a', 1, 5, 'ENODEV', 2)], { before: [member(1), disk(16 * MIB)] }],
  ['a scrub while the device is scrubbed', [scrub('a', 1, 5), scrub('b', 2, 3, 'EINPROGRESS')]],
  ['a scrub during a replace', [replace('a', 1, 5), scrub('b', 2, 3, 'EINPROGRESS', 2)]],
  [
    'a scrub during a replace in the background',
    [replace('a#0', 1, 5, null, { background: true }), scrub('a#1', 6, 7, 'EINPROGRESS')],
  ],
  ['a scrub that is cancelled', [scrub('a', 1, 5, 'ECANCELED'), cancel('b', 2, 6, null, 'scrub')]],
  ['a scrub that a remount ended', [scrub('a', 1, 5, 'ECANCELED'), remount('b', 2, 6, true)]],
  ['nothing to cancel', [cancel('a', 1, 2, 'ENOTCONN', 'scrub'), cancel('b', 1, 2, 'ENOTCONN')]],
  ['a replace of nobody', [replace('a', 1, 5, 'ENOENT', { devid: 9 })]],
  ['a replace by a member', [replace('a', 1, 5, 'EEXIST', { target: 1 })]],
  ['a replace by a device that another took', [add('a', 1, 9, 2), replace('b', 2, 5, 'EEXIST')]],
  ['a replace by a smaller device', [replace('a', 1, 5, 'EINVAL')], { before: [member(1), member(2), disk(8 * MIB)] }],
  ['two replaces', [replace('a', 1, 5), replace('b', 2, 3, 'EINPROGRESS')]],
  ['a replace of a device that is scrubbed', [scrub('a', 1, 5), replace('b', 2, 3, 'EINPROGRESS')]],
  ['a replace that is cancelled', [replace('a', 1, 5, 'ECANCELED'), cancel('b', 2, 3)]],
  ['an add during a replace', [replace('a', 1, 5), add('b', 2, 3, 2, 'EBUSY')]],
  ['an add of a member', [add('a', 1, 2, 0, 'EEXIST')]],
  ['a removal of what is missing, of which there is nothing', [remove('a', 1, 2, 'missing', 'ENOENT')]],
  ['a remount beside a write', [remount('a', 1, 5, true, 'EBUSY'), write('b', 2, 9, 4096)]],
  [
    'a remount while a file is open',
    [call('b', 1, 2, 'open', { path: '/f', as: 'h' }), remount('a', 3, 5, true, 'EBUSY')],
  ],
  ['a remount to writing with a missing device', [remount('a', 1, 5, false, 'EACCES')], { before: [member(1)] }],
  ['a write after a remount', [remount('a', 1, 2, true), write('b', 3, 4, 'EROFS')]],
  ['a write during a remount', [remount('a', 1, 9, true), write('b', 3, 4, 'EROFS')]],
  ['a write of a read-only mount', [write('b', 3, 4, 'EROFS')], { mountedReadOnly: true }],
  [
    'a read of what was damaged',
    [
      call('a', 1, 2, 'corrupt', { path: '/f', offset: 0, length: 4096, mirror: 1 }),
      call('b', 3, 4, 'read', { path: '/f', offset: 0, length: 4096 }, 'EIO'),
    ],
  ],
  ['anything of half-read disks', [scrub('a', 1, 5, 'ENODEV')], { before: [disk(16 * MIB)] }],
];

test.each(LEGAL.map(([name, operations, record = {}]) => ({ name, operations, record })))(
  'legal: $name',
  ({ operations, record }) => {
    expect(judged(operations, record)).toEqual([]);
  },
);

const BROKEN: readonly (readonly [string, readonly OperationRecord[], RegExp])[] = [
  ['EINVAL of a scrub', [scrub('a', 1, 5, 'EINVAL')], /^a#0 scrub .*returned EINVAL/],
  ['a scrub of a member', [scrub('a', 1, 5, 'ENODEV')], /ENODEV/],
  ['a scrub of what was added before', [add('a#0', 1, 2, 2), scrub('a#1', 3, 5, 'ENODEV', 3)], /ENODEV/],
  ['a scrub before the removal', [scrub('a', 1, 3, 'ENODEV'), remove('b', 4, 9, 1)], /ENODEV/],
  ['a scrub while another device is removed', [remove('b', 2, 9, 2), scrub('a', 3, 5, 'EROFS')], /EROFS/],
  ['EROFS of a scrub before the removal', [scrub('a', 1, 3, 'EROFS'), remove('b', 4, 9, 1)], /EROFS/],
  ['a scrub in progress of another device', [scrub('a', 1, 5), scrub('b', 2, 3, 'EINPROGRESS', 2)], /EINPROGRESS/],
  ['a scrub in progress that was over', [scrub('a', 1, 2), scrub('b', 3, 4, 'EINPROGRESS')], /EINPROGRESS/],
  ['a scrub cancelled by nobody', [scrub('a', 1, 5, 'ECANCELED')], /ECANCELED/],
  ['a scrub cancelled later', [scrub('a', 1, 5, 'ECANCELED'), cancel('b', 6, 7, null, 'scrub')], /ECANCELED/],
  [
    'a scrub cancelled by whom it was refused',
    [scrub('a', 1, 5, 'ECANCELED'), cancel('b', 2, 3, 'ENOTCONN', 'scrub')],
    /ECANCELED/,
  ],
  ['a scrub cancelled by a remount rw', [scrub('a', 1, 5, 'ECANCELED'), remount('b', 2, 3, false)], /ECANCELED/],
  ['EEXIST of a removal', [remove('a', 1, 2, 1, 'EEXIST')], /EEXIST/],
  ['ENOENT of a removal of a member', [remove('a', 1, 2, 1, 'ENOENT')], /ENOENT/],
  ['EEXIST of a free device', [replace('a', 1, 5, 'EEXIST')], /EEXIST/],
  ['a replace by a device large enough', [replace('a', 1, 5, 'EINVAL')], /EINVAL/],
  ['a replace alone', [replace('a', 1, 5, 'EINPROGRESS')], /EINPROGRESS/],
  ['ENOENT of a cleaner', [call('a', 1, 2, 'clean', {}, 'ENOENT')], /ENOENT/],
  ['EBUSY of a remount alone', [write('b', 1, 2, 4096), remount('a', 3, 5, true, 'EBUSY')], /EBUSY/],
  ['EACCES of a remount with all devices', [remount('a', 1, 5, false, 'EACCES')], /EACCES/],
  ['EROFS before the remount', [write('b', 1, 2, 'EROFS'), remount('a', 3, 4, true)], /EROFS/],
  [
    'EROFS after it is writable again',
    [remount('a#0', 1, 2, true), remount('a#1', 3, 4, false), write('b', 5, 6, 'EROFS')],
    /EROFS/,
  ],
  [
    'EIO of a read before the damage',
    [
      call('b', 1, 2, 'read', { path: '/f', offset: 0, length: 4096 }, 'EIO'),
      call('a', 3, 4, 'corrupt', { path: '/f', offset: 0, length: 4096, mirror: 1 }),
    ],
    /EIO/,
  ],
];

test.each(BROKEN)('broken: %s', (_, operations, message) => {
  const violations = judged(operations);
  expect(violations).toHaveLength(1);
  expect(violations[0]!.message).toMatch(message);
});
