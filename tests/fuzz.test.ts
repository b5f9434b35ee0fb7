import { expect, test } from 'vitest';
import { fuzzBases } from '../tools/fuzz/bases.ts';
import { damagedImage } from '../tools/fuzz/damage.ts';
import { runCases } from '../tools/fuzz/run-cases.ts';

// A small share of `npm run fuzz`, which runs as many as one likes.
test('whatever is damaged, every reader of foreign bytes ends with a report or a clear error', () => {
  const { findings, endings } = runCases(1, { from: 0, to: 200 });
  expect(findings).toEqual([]);
  // The damage is such that it is met, and not such that nothing can be read any more.
  expect(endings['oracle: faults']).toBeGreaterThan(40);
  expect(endings['engine: refused']).toBeGreaterThan(25);
  expect(endings['engine: read']).toBeGreaterThan(25);
});

test('a number of a case is always the same image', () => {
  const bases = fuzzBases();
  const [one, other] = [damagedImage(bases, 5, 17), damagedImage(bases, 5, 17)];
  expect(one.story).toBe(other.story);
  expect([...one.image.written()]).toEqual([...other.image.written()]);
});

/** Cases of seed 1 that met an assertion of ours once; an image without a free space tree whose extents overlap, say. */
test.each([123091, 520083, 576515])('case %i, once a finding, ends in a clear error', (number) => {
  expect(runCases(1, { from: number, to: number + 1 }).findings).toEqual([]);
});
