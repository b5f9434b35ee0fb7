/**
 * Cases of operations on names and attributes, for `linux-names.py` and for the engine: what Linux answers is in
 * `tests/fixtures/linux-names.json`. Text stands for bytes, one per character; `$x` is a handle.
 */

export type CaseOperation = readonly [string, ...(string | number | null)[]];

export interface NameCase {
  readonly name: string;
  readonly operations: readonly CaseOperation[];
}

const cases: NameCase[] = [];

function add(name: string, ...operations: CaseOperation[]): void {
  cases.push({ name, operations });
}

/** Each operation in the same surroundings, alone. */
function each(name: string, before: readonly CaseOperation[], ...operations: CaseOperation[]): void {
  for (const operation of operations) {
    cases.push({ name: `${name}: ${operation.join(' ')}`, operations: [...before, operation] });
  }
}

/** `/f`, `/d/x`, `/e/`, links to each, one that leads nowhere, and one of each other kind. */
const TREE: readonly CaseOperation[] = [
  ['create', '/f'],
  ['mkdir', '/d'],
  ['create', '/d/x'],
  ['mkdir', '/e'],
  ['symlink', 'f', '/lf'],
  ['symlink', 'd', '/ld'],
  ['symlink', 'none', '/ln'],
  ['symlink', 'd/', '/lds'],
  ['symlink', 'f/', '/lfs'],
  ['symlink', '/d/x', '/la'],
  ['symlink', '../..//./d', '/d/up'],
  ['symlink', 'loop', '/loop'],
  ['mknod', '/p', 'fifo'],
  ['mknod', '/s', 'socket'],
  ['mknod', '/c', 'character', 0o600, 0, 0],
];

const LONG = 'n'.repeat(256);
const OKAY = 'n'.repeat(255);
const PLACES = ['/f', '/d', '/e', '/d/x', '/lf', '/ld', '/ln', '/lds', '/lfs', '/la', '/d/up', '/loop', '/p', '/none'];
const WAYS = ['/f/', '/d/', '/lf/', '/ld/', '/ln/', '/none/', '/', '/.', '/d/.', '/d/..', '', `/${LONG}`, `/${OKAY}`];
const DEEP = ['/f/y', '/lf/y', '/ln/y', '/loop/y', '/none/y', '/ld/y', '/ld/x', '/lds/y', '/d/up/y', '/d/../y', '/p/y'];
const ALL = [...PLACES, ...WAYS, ...DEEP];

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

add(
  'rename into itself, deep',
  ['mkdir', '/a'],
  ['mkdir', '/a/b'],
  ['mkdir', '/a/b/c'],
  ['rename', '/a', '/a/b/c/d'],
  ['exchange', '/a', '/a/b/c'],
  ['exchange', '/a/b/c', '/a'],
  ['rename', '/a/b/c', '/a'],
  ['exchange', '/a/b', '/a/b/c/none'],
  ['rename', '/a/none', '/a/b'],
);
add(
  'rename of one of two names onto the other',
  ['create', '/a'],
  ['link', '/a', '/b'],
  ['rename', '/a', '/b'],
  ['names', '/'],
  ['exchange', '/a', '/b'],
  ['noreplace', '/a', '/b'],
  ['stat', '/a'],
);
add(
  'an exchange of a file and a directory',
  ['create', '/a'],
  ['mkdir', '/d'],
  ['create', '/d/in'],
  ['exchange', '/a', '/d'],
  ['lstat', '/a'],
  ['lstat', '/d'],
  ['names', '/a'],
  ['stat', '/'],
);
add(
  'an exchange between directories',
  ['mkdir', '/d'],
  ['mkdir', '/e'],
  ['create', '/d/a'],
  ['mkdir', '/e/b'],
  ['exchange', '/d/a', '/e/b'],
  ['names', '/d'],
  ['lstat', '/d/a'],
  ['lstat', '/e/b'],
  ['stat', '/d'],
  ['stat', '/e'],
  ['stat', '/d/a/..'],
);
add(
  'the sizes of a directory',
  ['mkdir', '/d'],
  ['create', '/d/abc'],
  ['stat', '/d'],
  ['mkdir', '/d/de'],
  ['stat', '/d'],
  ['link', '/d/abc', '/d/q'],
  ['stat', '/d'],
  ['unlink', '/d/abc'],
  ['stat', '/d'],
  ['rename', '/d/q', '/d/longer'],
  ['stat', '/d'],
  ['stat', '/'],
);
add(
  'links',
  ['create', '/a'],
  ['link', '/a', '/b'],
  ['stat', '/a'],
  ['unlink', '/a'],
  ['stat', '/b'],
  ['link', '/b', '/b'],
  ['link', '/none', '/b'],
  ['link', '/none', '/x'],
);
add(
  'a link of a symbolic link',
  ['create', '/a'],
  ['symlink', 'a', '/l'],
  ['link', '/l', '/m'],
  ['lstat', '/m'],
  ['link', '/l', '/n', 'follow'],
  ['lstat', '/n'],
  ['readlink', '/m'],
  ['lstat', '/l'],
);
add(
  'links of special files',
  ['mknod', '/p', 'fifo'],
  ['link', '/p', '/q'],
  ['lstat', '/q'],
  ['mknod', '/s', 'socket', 0o777],
  ['link', '/s', '/t'],
  ['lstat', '/t'],
);
add(
  'device numbers',
  ['mknod', '/c', 'character', 0o600, 4095, 1048575],
  ['lstat', '/c'],
  ['mknod', '/b', 'block', 0o7777, 7, 300],
  ['lstat', '/b'],
  ['mknod', '/z', 'character', 0o644, 0, 0],
  ['lstat', '/z'],
  ['mknod', '/r', 'file', 0o4755],
  ['lstat', '/r'],
);
add(
  'modes',
  ['mkdir', '/d', 0o7777],
  ['lstat', '/d'],
  ['create', '/f', 0o7777],
  ['lstat', '/f'],
  ['chmod', '/f', 0o1234],
  ['lstat', '/f'],
  ['chmod', '/d', 0o2000],
  ['lstat', '/d'],
  ['chmod', '/f', 0o177777],
  ['lstat', '/f'],
);
add(
  'modes of symbolic links',
  ['symlink', 'x', '/l'],
  ['lstat', '/l'],
  ['lchmod', '/l', 0o600],
  ['lstat', '/l'],
  ['create', '/x'],
  ['chmod', '/l', 0o600],
  ['lstat', '/x'],
);
add(
  'a set-group-id directory',
  ['mkdir', '/d'],
  ['chown', '/d', 5, 7],
  ['chmod', '/d', 0o2755],
  ['create', '/d/f', 0o2755],
  ['lstat', '/d/f'],
  ['mkdir', '/d/e', 0o700],
  ['lstat', '/d/e'],
  ['symlink', 'x', '/d/l'],
  ['lstat', '/d/l'],
  ['mknod', '/d/p', 'fifo', 0o2000],
  ['lstat', '/d/p'],
);
for (const mode of [0o4755, 0o6755, 0o6745, 0o2745, 0o2755, 0o7777]) {
  add(
    `a new owner of a file with mode ${mode.toString(8)}`,
    ['create', '/f', mode],
    ['chown', '/f', 1, null],
    ['lstat', '/f'],
    ['chmod', '/f', mode],
    ['chown', '/f', null, 9],
    ['lstat', '/f'],
    ['chmod', '/f', mode],
    ['chown', '/f', null, null],
    ['lstat', '/f'],
  );
  add(
    `a new owner of a directory with mode ${mode.toString(8)}`,
    ['mkdir', '/d', 0o755],
    ['chmod', '/d', mode],
    ['chown', '/d', 1, 2],
    ['lstat', '/d'],
  );
  add(
    `a write to a file with mode ${mode.toString(8)}`,
    ['create', '/f', mode],
    ['chown', '/f', 1, 1],
    ['chmod', '/f', mode],
    ['write', '/f', 0, 10],
    ['lstat', '/f'],
    ['truncate', '/f', 3],
    ['lstat', '/f'],
  );
}
add(
  'owners',
  ['create', '/f'],
  ['symlink', 'f', '/l'],
  ['chown', '/l', 3, 4],
  ['lstat', '/f'],
  ['lstat', '/l'],
  ['lchown', '/l', 5, 6],
  ['lstat', '/l'],
  ['lstat', '/f'],
  ['chown', '/f', 4294967294, 4294967294],
  ['lstat', '/f'],
);
add(
  'times',
  ['create', '/f'],
  ['utimes', '/f', 1_000_000_007, 5_000_000_000_000],
  ['times', '/f'],
  ['utimes', '/f', null, 3],
  ['times', '/f'],
  ['utimes', '/f', 4, null],
  ['times', '/f'],
  ['utimes', '/f', null, null],
  ['times', '/f'],
  ['utimes', '/none', null, 5],
  ['utimes', '/f', -1, -1_000_000_001],
  ['times', '/f'],
);
add(
  'times of symbolic links',
  ['create', '/f'],
  ['symlink', 'f', '/l'],
  ['utimes', '/l', 1, 2, 'noFollow'],
  ['times', '/l'],
  ['utimes', '/l', 3, 4],
  ['times', '/f'],
  ['times', '/l'],
);

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

each(
  'extended attributes of a file',
  [
    ['create', '/f'],
    ['setxattr', '/f', 'user.old', 'x'],
  ],
  ['setxattr', '/f', 'user.a', 'v'],
  ['setxattr', '/f', 'user.a', 'v', 'create'],
  ['setxattr', '/f', 'user.a', 'v', 'replace'],
  ['setxattr', '/f', 'user.a', 'v', 'create', 'replace'],
  ['setxattr', '/f', 'user.old', 'v'],
  ['setxattr', '/f', 'user.old', 'v', 'create'],
  ['setxattr', '/f', 'user.old', 'v', 'replace'],
  ['setxattr', '/f', 'user.old', 'v', 'create', 'replace'],
  ['setxattr', '/f', 'user.', 'v'],
  ['setxattr', '/f', 'user', 'v'],
  ['setxattr', '/f', '', 'v'],
  ['setxattr', '/f', 'nothing', 'v'],
  ['setxattr', '/f', 'other.a', 'v'],
  ['setxattr', '/f', '.', 'v'],
  ['setxattr', '/f', 'trusted.a', 'v'],
  ['setxattr', '/f', 'trusted.', 'v'],
  ['setxattr', '/f', 'security.a', 'v'],
  ['setxattr', '/f', 'security.', 'v'],
  ['setxattr', '/f', 'security.capability', 'v'],
  ['setxattr', '/f', 'system.a', 'v'],
  ['setxattr', '/f', 'system.', 'v'],
  ['setxattr', '/f', 'btrfs.', 'v'],
  ['setxattr', '/f', 'btrfs.a', 'v'],
  ['setxattr', '/f', `user.${'n'.repeat(250)}`, 'v'],
  ['setxattr', '/f', `user.${'n'.repeat(251)}`, 'v'],
  ['setxattr', '/f', 'user.a', 65536],
  ['setxattr', '/f', 'user.a', 65537],
  ['setxattr', '/f', 'user.a', 16222],
  ['setxattr', '/f', 'user.a', 16223],
  ['setxattr', '/f', 'other.a', 65537],
  ['getxattr', '/f', 'user.old'],
  ['getxattr', '/f', 'user.none'],
  ['getxattr', '/f', 'user.'],
  ['getxattr', '/f', 'user'],
  ['getxattr', '/f', ''],
  ['getxattr', '/f', 'other.a'],
  ['getxattr', '/f', 'trusted.a'],
  ['getxattr', '/f', 'security.a'],
  ['getxattr', '/f', 'system.a'],
  ['getxattr', '/f', 'btrfs.compression'],
  ['getxattr', '/f', 'btrfs.x'],
  ['getxattr', '/f', 'system.posix_acl_access'],
  ['getxattr', '/f', 'n'.repeat(256)],
  ['getxattr', '/none', 'user.old'],
  ['removexattr', '/f', 'user.old'],
  ['removexattr', '/f', 'user.none'],
  ['removexattr', '/f', 'user.'],
  ['removexattr', '/f', ''],
  ['removexattr', '/f', 'other.a'],
  ['removexattr', '/f', 'btrfs.compression'],
  ['removexattr', '/f', 'btrfs.x'],
  ['removexattr', '/f', 'system.posix_acl_access'],
  ['removexattr', '/f', 'system.posix_acl_default'],
  ['removexattr', '/f', 'security.capability'],
  ['removexattr', '/none', 'user.x'],
  ['setxattr', '/f', 'user.old', ''],
  ['listxattr', '/f'],
);
const KINDS: readonly CaseOperation[] = [
  ['mkdir', '/d'],
  ['symlink', 'd', '/l'],
  ['mknod', '/p', 'fifo'],
  ['mknod', '/c', 'character', 0o600, 0, 0],
  ['mknod', '/s', 'socket'],
];
for (const path of ['/d', '/l', '/p', '/c', '/s']) {
  each(
    'extended attributes by kind',
    KINDS,
    ['setxattr', path, 'user.a', 'v', 'noFollow'],
    ['setxattr', path, 'trusted.a', 'v', 'noFollow'],
    ['setxattr', path, 'security.a', 'v', 'noFollow'],
    ['setxattr', path, 'btrfs.compression', 'zlib', 'noFollow'],
    ['lgetxattr', path, 'user.a'],
    ['lgetxattr', path, 'trusted.a'],
    ['lremovexattr', path, 'user.a'],
    ['lremovexattr', path, 'trusted.a'],
    ['lgetxattr', path, 'system.posix_acl_access'],
    ['setxattr', path, 'system.posix_acl_access', 'acl:1,7,-1;4,5,-1;32,0,-1', 'noFollow'],
    ['setxattr', path, 'system.posix_acl_default', 'acl:1,7,-1;4,5,-1;32,0,-1', 'noFollow'],
    ['lremovexattr', path, 'system.posix_acl_access'],
    ['lremovexattr', path, 'system.posix_acl_default'],
    ['lremovexattr', path, 'btrfs.compression'],
    ['llistxattr', path],
  );
}
add(
  'attributes of a link and what it leads to',
  ['mkdir', '/d'],
  ['symlink', 'd', '/l'],
  ['setxattr', '/l', 'user.a', 'dir'],
  ['setxattr', '/l', 'trusted.a', 'link', 'noFollow'],
  ['getxattr', '/l', 'user.a'],
  ['getxattr', '/l', 'trusted.a'],
  ['lgetxattr', '/l', 'trusted.a'],
  ['llistxattr', '/l'],
  ['listxattr', '/l'],
);
add(
  'attributes come in the order of their hashes',
  ['create', '/f'],
  ...['one', 'two', 'three', 'four', 'five', 'six', 'seven'].map(
    (name) => ['setxattr', '/f', `user.${name}`, name] as const,
  ),
  ['setxattr', '/f', 'trusted.t', ''],
  ['setxattr', '/f', 'security.s', 's'],
  ['listxattr', '/f'],
  ['removexattr', '/f', 'user.three'],
  ['listxattr', '/f'],
  ['stat', '/f'],
);
add(
  'many attributes',
  ['create', '/f'],
  ['repeat', 500, 'setxattr', '/f', 'user.%', 200],
  ['getxattr', '/f', 'user.499'],
  ['repeat', 500, 'removexattr', '/f', 'user.%'],
  ['listxattr', '/f'],
);
add(
  'more names of attributes than a list may have',
  ['create', '/f'],
  ['repeat', 300, 'setxattr', '/f', `user.%${'n'.repeat(230)}`, ''],
  ['listxattr', '/f'],
);
add(
  'an attribute grows and shrinks',
  ['create', '/f'],
  ['setxattr', '/f', 'user.a', 10],
  ['setxattr', '/f', 'user.a', 8000],
  ['setxattr', '/f', 'user.a', 8100],
  ['setxattr', '/f', 'user.a', 1],
  ['getxattr', '/f', 'user.a'],
  ['setxattr', '/f', 'user.a', 16222],
  ['setxattr', '/f', 'user.a', 16222],
  ['getxattr', '/f', 'user.a'],
);

const ACLS = [
  '',
  ';',
  '1,7,-1;4,5,-1;32,0,-1',
  '1,6,-1;4,4,-1;32,4,-1',
  '1,7,-1;2,5,1000;4,5,-1;16,7,-1;32,0,-1',
  '1,7,-1;2,5,1000;4,5,-1;32,0,-1',
  '1,7,-1;4,5,-1;16,3,-1;32,0,-1',
  '1,7,-1;4,5,-1',
  '4,5,-1;1,7,-1;32,0,-1',
  '1,8,-1;4,5,-1;32,0,-1',
  '1,7,-1;2,5,1000;2,5,1000;4,5,-1;16,7,-1;32,0,-1',
  '1,7,-1;2,5,1001;2,5,1000;4,5,-1;16,7,-1;32,0,-1',
  '1,7,-1;2,5,-1;4,5,-1;16,7,-1;32,0,-1',
  '1,7,5;4,5,-1;32,0,-1',
  '1,7,-1;4,5,-1;8,2,10;8,3,11;16,1,-1;32,7,-1',
  '1,7,-1;4,5,-1;64,0,-1',
  '1,7,-1;4,5,-1;16,7,-1;16,7,-1;32,0,-1',
  '1,7,-1;4,5,-1;32,0,-1;32,0,-1',
];
for (const acl of ACLS) {
  add(
    `an access list ${acl}`,
    ['create', '/f'],
    ['setxattr', '/f', 'system.posix_acl_access', `acl:${acl}`],
    ['getxattr', '/f', 'system.posix_acl_access'],
    ['lstat', '/f'],
    ['chmod', '/f', 0o741],
    ['getxattr', '/f', 'system.posix_acl_access'],
    ['lstat', '/f'],
    ['listxattr', '/f'],
    ['removexattr', '/f', 'system.posix_acl_access'],
    ['lstat', '/f'],
    ['removexattr', '/f', 'system.posix_acl_access'],
    ['listxattr', '/f'],
  );
  add(
    `a default list ${acl}`,
    ['mkdir', '/d'],
    ['setxattr', '/d', 'system.posix_acl_default', `acl:${acl}`],
    ['lstat', '/d'],
    ['create', '/d/f', 0o666],
    ['lstat', '/d/f'],
    ['getxattr', '/d/f', 'system.posix_acl_access'],
    ['getxattr', '/d/f', 'system.posix_acl_default'],
    ['mkdir', '/d/e', 0o755],
    ['lstat', '/d/e'],
    ['getxattr', '/d/e', 'system.posix_acl_access'],
    ['getxattr', '/d/e', 'system.posix_acl_default'],
    ['symlink', 'x', '/d/l'],
    ['llistxattr', '/d/l'],
    ['mknod', '/d/p', 'fifo', 0o777],
    ['lstat', '/d/p'],
    ['getxattr', '/d/p', 'system.posix_acl_access'],
    ['open', '$t', '/d', 'tmpfile', 'read', 'write'],
    ['getxattr', '$t', 'system.posix_acl_access'],
    ['stat', '$t'],
  );
}
for (const value of ['v', '\x02\0\0', '\x02\0\0\0', '\x01\0\0\0', '\x02\0\0\0\x01']) {
  add(
    `an access list of the bytes ${JSON.stringify(value)}`,
    ['create', '/f'],
    ['setxattr', '/f', 'system.posix_acl_access', value],
    ['setxattr', '/f', 'system.posix_acl_default', value],
  );
}
add(
  'an access list and flags',
  ['create', '/f'],
  ['setxattr', '/f', 'system.posix_acl_access', `acl:${ACLS[4]}`, 'replace'],
  ['setxattr', '/f', 'system.posix_acl_access', `acl:${ACLS[4]}`, 'create'],
  ['setxattr', '/f', 'system.posix_acl_access', `acl:${ACLS[4]}`, 'create'],
  ['chmod', '/f', 0o2777],
  ['setxattr', '/f', 'system.posix_acl_access', `acl:${ACLS[2]}`],
  ['lstat', '/f'],
);
for (const value of ['zlib', 'zstd', 'lzo', 'zstd:3', 'zlib:9', 'zlibfoo', 'no', 'none', 'nope', '', 'gzip', 'ZLIB']) {
  add(
    `the property of compression ${value}`,
    ['create', '/f'],
    ['setxattr', '/f', 'btrfs.compression', value],
    ['getxattr', '/f', 'btrfs.compression'],
    ['lsattr', '/f'],
    ['setxattr', '/f', 'btrfs.compression', '', 'replace'],
    ['lsattr', '/f'],
    ['mkdir', '/d'],
    ['setxattr', '/d', 'btrfs.compression', value],
    ['create', '/d/f'],
    ['listxattr', '/d/f'],
    ['getxattr', '/d/f', 'btrfs.compression'],
    ['lsattr', '/d/f'],
    ['mkdir', '/d/e'],
    ['listxattr', '/d/e'],
    ['symlink', 'x', '/d/l'],
    ['llistxattr', '/d/l'],
    ['mknod', '/d/p', 'fifo'],
    ['listxattr', '/d/p'],
  );
}
add(
  'compression and no copy-on-write',
  ['create', '/f'],
  ['chattr', '/f', '+nodatacow'],
  ['setxattr', '/f', 'btrfs.compression', 'zlib'],
  ['lsattr', '/f'],
  ['removexattr', '/f', 'btrfs.compression'],
  ['create', '/g'],
  ['setxattr', '/g', 'btrfs.compression', 'zlib'],
  ['chattr', '/g', '+nodatacow'],
  ['lsattr', '/g'],
  ['listxattr', '/g'],
  ['chattr', '/g', '-compress'],
  ['listxattr', '/g'],
  ['chattr', '/g', '+nodatacow'],
  ['lsattr', '/g'],
);

for (const flag of [
  'sync',
  'nodump',
  'noatime',
  'compress',
  'nocompress',
  'dirsync',
  'nodatacow',
  'journal',
  'secure',
  'immutable',
  'append',
]) {
  add(
    `the flag ${flag}`,
    ['create', '/f'],
    ['chattr', '/f', `+${flag}`],
    ['lsattr', '/f'],
    ['listxattr', '/f'],
    ['chattr', '/f', `-${flag}`],
    ['lsattr', '/f'],
    ['listxattr', '/f'],
    ['mkdir', '/d'],
    ['chattr', '/d', `+${flag}`],
    ['lsattr', '/d'],
    ['create', '/d/f'],
    ['lsattr', '/d/f'],
    ['listxattr', '/d/f'],
    ['mkdir', '/d/e'],
    ['lsattr', '/d/e'],
    ['chattr', '/d', `-${flag}`],
    ['write', '/f', 0, 10],
    ['chattr', '/f', `+${flag}`],
    ['lsattr', '/f'],
    ['chattr', '/f', `-${flag}`],
    ['lsattr', '/f'],
  );
}
add(
  'flags together',
  ['create', '/f'],
  ['chattr', '/f', '+compress +nocompress'],
  ['chattr', '/f', '+compress +nodatacow'],
  ['chattr', '/f', '+nocompress +nodatacow'],
  ['lsattr', '/f'],
  ['create', '/g'],
  ['chattr', '/g', '+compress'],
  ['chattr', '/g', '+nocompress'],
  ['lsattr', '/g'],
  ['chattr', '/g', '-compress +nocompress'],
  ['lsattr', '/g'],
  ['listxattr', '/g'],
  ['create', '/h'],
  ['chattr', '/h', '+compress'],
  ['getxattr', '/h', 'btrfs.compression'],
  ['chattr', '/h', '+nodatacow'],
  ['lsattr', '/h'],
);
for (const flag of ['immutable', 'append']) {
  const set: readonly CaseOperation[] = [
    ['create', '/f'],
    ['mkdir', '/d'],
    ['create', '/d/x'],
    ['mkdir', '/d/e'],
    ['create', '/o'],
    ['mkdir', '/od'],
    ['setxattr', '/f', 'user.a', 'v'],
    ['chattr', '/f', `+${flag}`],
    ['chattr', '/d', `+${flag}`],
  ];
  each(
    `${flag}`,
    set,
    ['unlink', '/f'],
    ['rmdir', '/d'],
    ['rename', '/f', '/n'],
    ['rename', '/o', '/f'],
    ['rename', '/d', '/n'],
    ['rename', '/od', '/d'],
    ['rename', '/o', '/d/n'],
    ['rename', '/d/x', '/n'],
    ['exchange', '/f', '/o'],
    ['exchange', '/d/x', '/o'],
    ['link', '/f', '/n'],
    ['link', '/o', '/d/n'],
    ['create', '/d/n'],
    ['mkdir', '/d/n'],
    ['symlink', 'x', '/d/n'],
    ['unlink', '/d/x'],
    ['rmdir', '/d/e'],
    ['rmdir', '/d/x'],
    ['unlink', '/d/e'],
    ['chmod', '/f', 0o600],
    ['chown', '/f', 1, 1],
    ['chown', '/f', null, null],
    ['utimes', '/f', 1, 1],
    ['utimes', '/f', 'now', 'now'],
    ['utimes', '/f', null, 'now'],
    ['setxattr', '/f', 'user.b', 'v'],
    ['setxattr', '/f', 'trusted.b', 'v'],
    ['removexattr', '/f', 'user.a'],
    ['setxattr', '/f', 'system.posix_acl_access', `acl:${ACLS[4]}`],
    ['truncate', '/f', 0],
    ['truncate', '/f', 5],
    ['open', '$a', '/f', 'read'],
    ['open', '$a', '/f', 'write'],
    ['open', '$a', '/f', 'write', 'append'],
    ['open', '$a', '/f', 'write', 'append', 'truncate'],
    ['open', '$a', '/f', 'create', 'read'],
    ['open', '$a', '/d/n', 'create', 'read'],
    ['open', '$a', '/d', 'tmpfile', 'write'],
    ['open', '$a', '/d', 'directory'],
    ['write', '/f', 0, 3],
    ['chattr', '/f', '+nodump'],
    ['chattr', '/f', '+nocompress'],
    ['unlink', '/d/none'],
    ['rename', '/d/none', '/d/x'],
  );
}

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

add(
  'links past the room of one item',
  ['create', '/f'],
  ['mkdir', '/d'],
  ['repeat', 300, 'link', '/f', `/d/%${'n'.repeat(200)}`],
  ['stat', '/f'],
  ['repeat', 300, 'unlink', `/d/%${'n'.repeat(200)}`],
  ['stat', '/f'],
  ['names', '/d'],
);
add(
  'renames of a file with many names',
  ['create', '/f'],
  ['mkdir', '/d'],
  ['mkdir', '/e'],
  ['repeat', 200, 'link', '/f', `/d/%${'n'.repeat(200)}`],
  ['repeat', 200, 'rename', `/d/%${'n'.repeat(200)}`, `/d/%${'m'.repeat(240)}`],
  ['repeat', 100, 'rename', `/d/%${'m'.repeat(240)}`, '/e/%'],
  ['stat', '/f'],
  ['stat', '/d'],
  ['stat', '/e'],
);
add(
  'blocks of a file',
  ['create', '/f'],
  ['write', '/f', 0, 5000],
  ['stat', '/f'],
  ['sync'],
  ['stat', '/f'],
  ['write', '/f', 0, 100],
  ['stat', '/f'],
  ['write', '/f', 100_000, 1],
  ['stat', '/f'],
  ['sync'],
  ['stat', '/f'],
  ['truncate', '/f', 4096],
  ['stat', '/f'],
);

export const NAME_CASES: readonly NameCase[] = cases;
