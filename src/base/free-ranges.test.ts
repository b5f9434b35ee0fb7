import { expect, test } from 'vitest';
import { FreeRanges } from './free-ranges.ts';
import { randomStream } from './random.ts';

test('free ranges agree with a bitmap, stay merged and know their sum', () => {
  const random = randomStream('3', 'workload');
  const free = new FreeRanges();
  const bitmap = new Array<boolean>(200).fill(false);
  for (let step = 0; step < 3000; step++) {
    const start = random.below(200);
    const length = 1 + random.below(Math.min(20, 200 - start));
    const part = bitmap.slice(start, start + length);
    if (part.every((isFree) => !isFree)) {
      free.add(start, length);
      bitmap.fill(true, start, start + length);
    } else if (part.every((isFree) => isFree)) {
      free.take(start, length);
      bitmap.fill(false, start, start + length);
    } else if (random.chance(1, 4)) {
      free.exclude(start, length);
      bitmap.fill(false, start, start + length);
    } else if (random.chance(1, 2)) {
      const at = free.takeFirst(4, 4);
      const expected = bitmap.findIndex((_, i) => i % 4 === 0 && bitmap.slice(i, i + 4).filter(Boolean).length === 4);
      expect(at).toBe(expected);
      if (at >= 0) bitmap.fill(false, at, at + 4);
    }
    expect(free.bytes).toBe(bitmap.filter(Boolean).length);
  }
  const ranges = [...free.all()];
  const listed = new Array<boolean>(200).fill(false);
  for (const range of ranges) listed.fill(true, range.start, range.start + range.length);
  expect(listed).toEqual(bitmap);
  for (let i = 1; i < ranges.length; i++) {
    expect(ranges[i]!.start).toBeGreaterThan(ranges[i - 1]!.start + ranges[i - 1]!.length);
  }
  expect(free.longest()).toBe(Math.max(0, ...ranges.map((range) => range.length)));
});

test('freeing what is free, and taking what is not, are faults of the bench', () => {
  const free = new FreeRanges();
  free.add(10, 10);
  expect(() => free.add(15, 2)).toThrow(/freed once/);
  expect(() => free.take(18, 4)).toThrow(/only free space/);
});
