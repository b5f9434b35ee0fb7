import { expect, test } from 'vitest';
import { kernelVersion, probability, readDuration, readPath, readSize } from './scalars.ts';

test.each([
  ['8K', 8192],
  ['4KiB', 4096],
  ['4 KiB', 4096],
  ['1M', 1048576],
  ['2GiB', 2147483648],
  ['1T', 1099511627776],
  ['17B', 17],
  ['17', 17],
  [4096, 4096],
  [0, 0],
])('the size %s is %i bytes', (written, bytes) => {
  expect(readSize(written)).toBe(bytes);
});

test.each([
  [-1, 'a size is never negative, found -1', undefined],
  ['-8K', 'a size is never negative, found "-8K"', undefined],
  ['1.5K', 'a size is a whole number, found "1.5K"', 'use a smaller unit'],
  [1.5, 'a size is a whole number of bytes, found 1.5', undefined],
  ['8KB', '"KB" is not a unit of size', 'did you mean "K" (of 1024)?'],
  ['8k', '"k" is not a unit of size', 'did you mean "K" (of 1024)?'],
  ['8Q', '"Q" is not a unit of size', 'units are K, M, G and T, of 1024'],
  ['9007199254740993', '9007199254740993 is beyond 2^53 bytes', undefined],
  ['many', 'expected a size such as 8K, 1M or 4096, found "many"', undefined],
  [true, 'expected a size such as 8K, 1M or 4096, found true', undefined],
  [null, 'expected a size such as 8K, 1M or 4096, found nothing', undefined],
])('the size %s is refused', (written, refused, hint) => {
  expect(readSize(written)).toMatchObject(hint === undefined ? { refused } : { refused, hint });
});

test('durations are nanoseconds of virtual time', () => {
  expect(['5ns', '7us', '7µs', '10ms', '2 s'].map(readDuration)).toEqual([5, 7e3, 7e3, 1e7, 2e9]);
  expect(readDuration(10)).toMatchObject({ hint: 'did you mean "10ms"?' });
  expect(readDuration('10min')).toMatchObject({ refused: '"min" is not a unit of time' });
  expect(readDuration('301s')).toMatchObject({ refused: '301s is longer than five minutes of virtual time' });
});

test('a path is absolute and has no empty, "." or ".." part', () => {
  expect(readPath('/a/b c/d')).toBe('/a/b c/d');
  expect(readPath('f')).toMatchObject({ hint: 'did you mean "/f"?' });
  expect(readPath('/a//b/')).toMatchObject({ hint: 'did you mean "/a/b"?' });
  expect(readPath('/a/../b')).toMatchObject({ refused: 'a path has no ".." parts' });
  expect(readPath('/')).toMatchObject({ refused: 'the root directory cannot be used here' });
  expect(readPath(`/${'x'.repeat(255)}`)).toHaveLength(256);
  expect(readPath(`/${'x'.repeat(256)}`)).toMatchObject({ refused: 'a name has at most 255 bytes' });
  expect(readPath(`/${'é'.repeat(128)}`)).toMatchObject({ refused: 'a name has at most 255 bytes' });
});

test('a probability becomes a ratio in lowest terms', () => {
  const schema = probability('p');
  expect(schema.parse('2/16')).toEqual({ numerator: 1, denominator: 8 });
  expect(schema.parse(0.1)).toEqual({ numerator: 1, denominator: 10 });
  expect(schema.parse(1)).toEqual({ numerator: 1, denominator: 1 });
  expect(schema.parse(0)).toEqual({ numerator: 0, denominator: 1 });
  for (const wrong of ['9/8', '-1/8', '1/0', 1.5, -0.1, 'often']) expect(schema.safeParse(wrong).success).toBe(false);
});

test('a kernel version is one that existed', () => {
  const schema = kernelVersion('k');
  expect(['4.15', 'v5.6', '6.1.9', '3.0', '7.2'].map((version) => schema.parse(version))).toEqual([
    '4.15',
    '5.6',
    '6.1',
    '3.0',
    '7.2',
  ]);
  for (const wrong of ['4.21', '2.6', '5.20', 'latest', '4', '']) expect(schema.safeParse(wrong).success).toBe(false);
});
