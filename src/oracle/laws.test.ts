import { expect, test } from 'vitest';
import { LAWS } from './laws.ts';
import { recordOf } from './testing/records.ts';

test('every law has a name of its own and one sentence that says what it promises', () => {
  const names = LAWS.map((law) => law.name);
  expect(names).toEqual([
    'errors',
    'data',
    'extent-maps',
    'structure',
    'replication',
    'block-groups',
    'scrub',
    'discard',
    'locks',
  ]);
  for (const law of LAWS) expect(law.title).toMatch(/^[a-z].{20,}[^.]$/);
});

test('every law accepts a run in which nothing happened', () => {
  const { record } = recordOf({ before: null, after: null, operations: [] });
  for (const law of LAWS) expect(law.begin({ sectorSize: 4096, disks: () => [] }).judge(record), law.name).toEqual([]);
});
