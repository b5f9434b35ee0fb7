import { expect, test } from 'vitest';
import { type ImageContents, rememberingContents, withUnicodePaths } from './image-contents.ts';
import { recordOf } from './testing/records.ts';

function contentsWith(names: readonly string[]): ImageContents {
  return {
    entries: () => names.map((path) => ({ path, kind: 'file' as const })),
    readFile: (path) => (names.includes(path) ? new Uint8Array([1]) : null),
    damagedIn: () => [],
    hasChecksums: (path) => (names.includes(path) ? true : null),
    extentsOf: () => null,
    chunks: () => [],
  };
}

test('names outside ASCII are read as UTF-8 and found again', () => {
  const stored = Buffer.from('/größe', 'utf8').toString('latin1');
  const contents = withUnicodePaths(contentsWith([stored, '/plain']));
  expect(contents.entries().map((entry) => entry.path)).toEqual(['/größe', '/plain']);
  expect(contents.readFile('/größe')).not.toBeNull();
  expect(contents.readFile('/plain')).not.toBeNull();
});

test('names that are no UTF-8 stay as they are and are found', () => {
  const contents = withUnicodePaths(contentsWith(['/\xff']));
  expect(contents.entries()[0]!.path).toBe('/\xff');
  expect(contents.readFile('/\xff')).not.toBeNull();
});

test('an image is opened and a file read once', () => {
  const { record } = recordOf({ operations: [] });
  let opened = 0;
  const open = rememberingContents(() => {
    opened++;
    return contentsWith(['/a']);
  });
  const first = open(record.before)!.readFile('/a');
  expect(open(record.before)!.readFile('/a')).toBe(first);
  expect(opened).toBe(1);
  expect(open([])).toBeNull();
});
