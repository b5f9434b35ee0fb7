import { expect, test } from 'vitest';
import { nearestWord, suggest } from './nearest.ts';

test('a misspelled word finds the one that was meant', () => {
  const keys = ['offset', 'length', 'direct', 'file', 'append'];
  expect(nearestWord('ofset', keys)).toBe('offset');
  expect(nearestWord('Lenght', keys)).toBe('length');
  expect(nearestWord('dirct', keys)).toBe('direct');
  expect(nearestWord('wirte', ['read', 'write'])).toBe('write');
});

test('a word that is like none of them has no nearest one, and the valid ones are listed', () => {
  expect(nearestWord('zzzzzzzz', ['offset', 'length'])).toBeNull();
  expect(suggest('zzzzzzzz', ['offset', 'length'])).toBe('one of: offset, length');
  expect(suggest('zzzzzzzz', [])).toBeNull();
});

test('a part of exactly one valid word is taken for it', () => {
  expect(nearestWord('covering', ['reuse-covering-map', 'reuse-identical-map'])).toBe('reuse-covering-map');
});
