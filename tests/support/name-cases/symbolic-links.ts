import { CaseList, type CaseOperation } from './case-list.ts';

/** Targets, chains, names of bytes. */
const list = new CaseList();
const { add } = list;

for (const length of [1, 254, 255, 256, 2047, 2048, 3900, 3948, 3949, 3950, 4094, 4095]) {
  add(
    `a target of ${length} bytes`,
    ['symlink', 't'.repeat(length), '/l'],
    ['lstat', '/l'],
    ['stat', '/l'],
    ['open', '$a', '/l', 'read', 'write', 'create'],
  );
}
add('a target that is empty', ['symlink', '', '/l'], ['lstat', '/l']);
add('targets are bytes', ['symlink', '\xff\n\x01 \xc3', '/l'], ['readlink', '/l']);
add(
  'names are bytes',
  ['create', '/\xff\xfe'],
  ['create', '/a\nb'],
  ['create', '/\x01\x1b[31m'],
  ['create', '/\xc3\xa9'],
  ['create', '/\xe9'],
  ['mkdir', '/...'],
  ['create', '/.../ '],
  ['names', '/'],
  ['names', '/...'],
  ['unlink', '/\xff\xfe'],
  ['unlink', '/\xff\xfd'],
  ['rename', '/a\nb', '/\xff'],
  ['names', '/'],
);
for (const count of [39, 40, 41]) {
  add(
    `a chain of ${count} symbolic links`,
    ['create', '/0'],
    ['repeat', 1, 'mkdir', '/d'],
    ...chain(count),
    ['stat', `/${count}`],
    ['lstat', `/${count}`],
    ['open', '$a', `/${count}`, 'read', 'write', 'create'],
    ['chmod', `/${count}`, 0o600],
  );
}
function chain(count: number): CaseOperation[] {
  return Array.from({ length: count }, (_, i) => ['symlink', `${i}`, `/${i + 1}`]);
}
add(
  'forty links on the way',
  ['mkdir', '/d'],
  ['symlink', '.', '/d/s'],
  ['create', '/d/f'],
  ['stat', `/d${'/s'.repeat(40)}/f`],
  ['stat', `/d${'/s'.repeat(41)}/f`],
  ['stat', `/d${'/s'.repeat(40)}`],
  ['stat', `/d${'/s'.repeat(41)}`],
  ['lstat', `/d${'/s'.repeat(41)}`],
  ['lstat', `/d${'/s'.repeat(42)}`],
);
add(
  'a dangling link is where a file is made',
  ['mkdir', '/d'],
  ['symlink', 'd/new', '/l'],
  ['open', '$a', '/l', 'create', 'write'],
  ['names', '/d'],
  ['lstat', '/l'],
  ['symlink', '/d/abs', '/m'],
  ['open', '$b', '/m', 'create', 'write'],
  ['names', '/d'],
  ['symlink', 'none/x', '/n'],
  ['open', '$c', '/n', 'create', 'write'],
  ['symlink', 'd/slash/', '/o'],
  ['open', '$c', '/o', 'create', 'write'],
  ['mkdir', '/l'],
  ['symlink', '..', '/d/up'],
  ['open', '$c', '/d/up', 'create', 'write'],
  ['symlink', 'm2', '/m1'],
  ['symlink', 'd/twice', '/m2'],
  ['open', '$c', '/m1', 'create', 'write'],
  ['names', '/d'],
);

export const SYMLINK_CASES = list.cases;
