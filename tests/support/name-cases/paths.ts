import { CaseList } from './case-list.ts';

import { ALL, LONG, TREE } from './populated-tree.ts';

/** What each call says of each kind of path. */
const list = new CaseList();
const { each } = list;

for (const operation of ['mkdir', 'create', 'unlink', 'rmdir', 'lstat', 'readlink'] as const) {
  each('in a tree', TREE, ...ALL.map((path) => [operation, path] as const));
}
for (const operation of ['stat', 'listxattr'] as const)
  each('in a tree', TREE, ...ALL.map((path) => [operation, path] as const));
each('in a tree', TREE, ...ALL.map((path) => ['mknod', path, 'fifo'] as const));
each('in a tree', TREE, ...ALL.map((path) => ['symlink', 'target', path] as const));
each('in a tree', TREE, ...ALL.map((path) => ['truncate', path, 5] as const));
each('in a tree', TREE, ...ALL.map((path) => ['chmod', path, 0o600] as const));
each('in a tree', TREE, ...ALL.map((path) => ['link', path, '/new'] as const));
each('in a tree', TREE, ...ALL.map((path) => ['link', path, '/new', 'follow'] as const));
each('in a tree', TREE, ...ALL.map((path) => ['link', '/f', path] as const));
for (const flags of [
  ['read'],
  ['write'],
  ['read', 'write', 'create'],
  ['read', 'write', 'create', 'exclusive'],
  ['read', 'write', 'create', 'noFollow'],
  ['read', 'noFollow'],
  ['directory'],
  ['directory', 'noFollow'],
  ['write', 'truncate'],
  ['read', 'truncate'],
  ['read', 'write', 'tmpfile'],
  ['read', 'tmpfile'],
  ['create', 'directory'],
  ['create', 'read'],
]) {
  each('in a tree', TREE, ...ALL.map((path) => ['open', '$a', path, ...flags] as const));
}
for (const operation of ['rename', 'noreplace', 'exchange'] as const) {
  const ends = [
    '/f',
    '/d',
    '/e',
    '/d/x',
    '/lf',
    '/ld',
    '/ln',
    '/p',
    '/none',
    '/d/',
    '/f/',
    '/none/',
    '/',
    '/d/..',
    '/ld/',
    '/d/new',
    '/e/new',
    '/f/new',
    '/d/.',
    '/lds/x',
    `/${LONG}`,
  ];
  for (const from of ends) each('in a tree', TREE, ...ends.map((to) => [operation, from, to] as const));
}

export const PATH_CASES = list.cases;
