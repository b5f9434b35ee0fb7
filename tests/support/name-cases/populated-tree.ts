import type { CaseOperation } from './case-list.ts';

/** `/f`, `/d/x`, `/e/`, links to each, one that leads nowhere, and one of each other kind. */
export const TREE: readonly CaseOperation[] = [
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

export const LONG = 'n'.repeat(256);
const OKAY = 'n'.repeat(255);
const PLACES = ['/f', '/d', '/e', '/d/x', '/lf', '/ld', '/ln', '/lds', '/lfs', '/la', '/d/up', '/loop', '/p', '/none'];
const WAYS = ['/f/', '/d/', '/lf/', '/ld/', '/ln/', '/none/', '/', '/.', '/d/.', '/d/..', '', `/${LONG}`, `/${OKAY}`];
const DEEP = ['/f/y', '/lf/y', '/ln/y', '/loop/y', '/none/y', '/ld/y', '/ld/x', '/lds/y', '/d/up/y', '/d/../y', '/p/y'];
export const ALL = [...PLACES, ...WAYS, ...DEEP];
