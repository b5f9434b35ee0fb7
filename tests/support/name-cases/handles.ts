import { CaseList, type CaseOperation } from './case-list.ts';

import { TREE } from './populated-tree.ts';

/** Files without names, handles, reading directories. */
const list = new CaseList();
const { add } = list;

add(
  'a file without a name',
  ['mkdir', '/d'],
  ['open', '$a', '/d', 'tmpfile', 'read', 'write'],
  ['stat', '$a'],
  ['names', '/d'],
  ['stat', '/d'],
  ['write', '$a', 0, 5000],
  ['stat', '$a'],
  ['link', '$a', '/d/named'],
  ['stat', '$a'],
  ['stat', '/d'],
  ['link', '$a', '/d/again'],
  ['stat', '$a'],
  ['close', '$a'],
  ['stat', '/d/named'],
);
add(
  'a file that is to have no name',
  ['open', '$a', '/', 'tmpfile', 'read', 'write', 'exclusive'],
  ['link', '$a', '/x'],
  ['chmod', '$a', 0o600],
  ['setxattr', '$a', 'user.a', 'v'],
  ['listxattr', '$a'],
  ['stat', '$a'],
  ['close', '$a'],
);
add(
  'a file whose names are gone',
  ['create', '/a'],
  ['open', '$a', '/a', 'read', 'write'],
  ['unlink', '/a'],
  ['stat', '$a'],
  ['link', '$a', '/b'],
  ['write', '$a', 0, 100],
  ['truncate', '$a', 50],
  ['stat', '$a'],
  ['close', '$a'],
);
add(
  'names of a file that came from nowhere',
  ['open', '$a', '/', 'tmpfile', 'read', 'write'],
  ['link', '$a', '/b'],
  ['unlink', '/b'],
  ['stat', '$a'],
  ['link', '$a', '/b'],
);
add(
  'handles and directories',
  ['mkdir', '/d'],
  ['open', '$d', '/d', 'directory'],
  ['link', '$d', '/x'],
  ['rmdir', '/d'],
  ['stat', '$d'],
  ['readdir', '$d', 5],
  ['chmod', '$d', 0o700],
  ['utimes', '$d', 1, 2],
  ['stat', '$d'],
);
add(
  'handles to read and to write',
  ['create', '/f'],
  ['open', '$r', '/f', 'read'],
  ['open', '$w', '/f', 'write'],
  ['write', '$r', 0, 5],
  ['truncate', '$r', 5],
  ['write', '$w', 0, 5],
  ['truncate', '$w', 3],
  ['chmod', '$r', 0o600],
  ['setxattr', '$r', 'user.a', 'v'],
  ['stat', '$w'],
  ['readdir', '$w', 3],
);

const MAKE_FIVE: readonly CaseOperation[] = ['a', 'b', 'c', 'd', 'e'].map((name) => ['create', `/d/${name}`]);
add(
  'a directory is read in the order of making',
  ['mkdir', '/d'],
  ...MAKE_FIVE,
  ['open', '$d', '/d', 'directory'],
  ['readdir', '$d', 99],
  ['readdir', '$d', 99],
  ['seekdir', '$d', 0],
  ['readdir', '$d', 2],
  ['readdir', '$d', 2],
  ['readdir', '$d', 99],
);
add(
  'names that come and go while a directory is read',
  ['mkdir', '/d'],
  ...MAKE_FIVE,
  ['open', '$d', '/d', 'directory'],
  ['readdir', '$d', 4],
  ['unlink', '/d/a'],
  ['unlink', '/d/c'],
  ['create', '/d/f'],
  ['create', '/d/a'],
  ['readdir', '$d', 99],
  ['create', '/d/g'],
  ['readdir', '$d', 99],
  ['seekdir', '$d', 0],
  ['readdir', '$d', 99],
);
add(
  'a name that is renamed while a directory is read',
  ['mkdir', '/d'],
  ...MAKE_FIVE,
  ['open', '$d', '/d', 'directory'],
  ['readdir', '$d', 3],
  ['rename', '/d/e', '/d/z'],
  ['exchange', '/d/c', '/d/d'],
  ['readdir', '$d', 99],
  ['seekdir', '$d', 0],
  ['readdir', '$d', 99],
);
add(
  'a new directory',
  ['mkdir', '/d'],
  ['open', '$d', '/d', 'directory'],
  ['readdir', '$d', 1],
  ['create', '/d/a'],
  ['readdir', '$d', 9],
  ['seekdir', '$d', 0],
  ['readdir', '$d', 9],
);
add(
  'the same name again',
  ['mkdir', '/d'],
  ...MAKE_FIVE,
  ['unlink', '/d/e'],
  ['create', '/d/e'],
  ['rename', '/d/a', '/d/b'],
  ['rename', '/d/c', '/d/c'],
  ['open', '$d', '/d', 'directory'],
  ['readdir', '$d', 99],
);
add('kinds of entries', ...TREE, ['open', '$d', '/', 'directory'], ['readdir', '$d', 99]);

export const HANDLE_CASES = list.cases;
