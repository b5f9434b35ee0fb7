import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { replaySchedule } from '../src/campaign/replay.ts';
import { parseScheduleDocument } from '../src/campaign/schedule-document.ts';
import { FIXES } from '../src/fs/fixes.ts';

/**
 * Goal: whatever was found once is found again by every later version. Method: follow each tape of results/corpus with
 * the switches it was found under, and then with every fix on. A tape that no longer fits the engine is recorded anew
 * from its workload, not deleted.
 */
const CORPUS = resolve(import.meta.dirname, '../results/corpus');
const files = readdirSync(CORPUS).filter((name) => name.endsWith('.json'));

describe.each(files)('%s', (file) => {
  const document = parseScheduleDocument(readFileSync(join(CORPUS, file), 'utf8'), file);

  test('its tape leads to the verdict that was recorded', () => {
    const { divergence, violations, isSameVerdict } = replaySchedule(document);
    expect(divergence).toBeNull();
    expect({ laws: [...new Set(violations.map(({ law }) => law))].sort(), isSameVerdict }).toEqual({
      laws: document.expect.laws,
      isSameVerdict: true,
    });
  });

  test('with every fix on, the same schedule breaks no law', () => {
    const { violations } = replaySchedule(
      document,
      FIXES.map(({ id }) => id),
    );
    expect(violations).toEqual([]);
  });
});

test('the corpus holds the race that the bench is named for', () => {
  expect(files).toContain('dio-write-splits-extent-map.json');
});
