import { CaseList } from './case-list.ts';

/** Renames, exchanges, links, the sizes of directories; names past the room of one item. */
const list = new CaseList();
const { add } = list;

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

export const LINK_CASES = list.cases;
