import type { Vocabulary } from '../vocabulary.ts';

/** A small vocabulary of its own, so that tests of the checker do not move with the engine. */
export const TEST_VOCABULARY: Vocabulary = {
  points: ['extent-map-lookup', 'extent-map-insert', 'extent-map-drop', 'extent-map-insert-new', 'commit-start'],
  fixes: [
    { id: 'reuse-identical-map', kernel: '4.9', commit: '8dff9c853410', requires: [] },
    { id: 'reuse-encompassing-map', kernel: '4.10', commit: '8e2bd3b7fac9', requires: ['reuse-identical-map'] },
    { id: 'reuse-covering-map', kernel: '4.16', commit: '18e83ac75bfe', requires: [] },
    { id: 'late-bug', kernel: '6.12', introduced: '6.11', commit: '', requires: [] },
  ],
  laws: ['errors', 'data', 'extent-maps', 'structure', 'locks'],
  locks: ['inode', 'file-range', 'tree'],
  sites: [
    { name: 'reserve-data-space', errnos: ['ENOSPC'] },
    { name: 'allocate-page', errnos: ['ENOMEM'] },
  ],
  engineTasks: ['ordered-extent', 'writeback', 'device-replace'],
};
