import { expect, test } from 'vitest';
import { editDistance, nearestWord, suggest } from './nearest.ts';

test('the distance counts letters inserted, deleted, changed, and neighbours swapped', () => {
  expect(editDistance('', 'abc')).toBe(3);
  expect(editDistance('offset', 'ofset')).toBe(1);
  expect(editDistance('write', 'wirte')).toBe(1);
  expect(editDistance('kitten', 'sitting')).toBe(3);
});

test('a misspelled word finds the one that was meant', () => {
  const keys = ['offset', 'length', 'direct', 'file', 'append'];
  expect(nearestWord('ofset', keys)).toBe('offset');
  expect(nearestWord('Lenght', keys)).toBe('length');
  expect(nearestWord('dirct', keys)).toBe('direct');
});

test('a word that is like none of them has no nearest one, and the valid ones are listed', () => {
  expect(nearestWord('zzzzzzzz', ['offset', 'length'])).toBeNull();
  expect(suggest('zzzzzzzz', ['offset', 'length'])).toBe('one of: offset, length');
  expect(suggest('zzzzzzzz', [])).toBeNull();
});

test('a part of exactly one valid word is taken for it', () => {
  expect(nearestWord('covering', ['reuse-covering-map', 'reuse-identical-map'])).toBe('reuse-covering-map');
});
