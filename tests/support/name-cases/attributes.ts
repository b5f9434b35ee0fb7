import { CaseList } from './case-list.ts';

/** Devices, modes, owners, times. */
const list = new CaseList();
const { add } = list;

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

export const ATTRIBUTE_CASES = list.cases;
