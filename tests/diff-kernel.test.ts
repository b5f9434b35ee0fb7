import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { DifferentialBench } from '../src/campaign/differential/bench.ts';
import { compareOutcomes, mergeExtents } from '../src/campaign/differential/compare.ts';
import { exceptionTable } from '../src/campaign/differential/exceptions.ts';
import { Generator, WEIGHTS_OF_ALL } from '../src/campaign/differential/generator.ts';
import { bytesOf, contentOf, type Operation, showSequence, textOf } from '../src/campaign/differential/operation.ts';
import { PROFILES, profileNamed } from '../src/campaign/differential/profiles.ts';
import { drawnSource, listedSource, shrinkResult } from '../src/campaign/differential/search.ts';
import { shrinkSequence } from '../src/campaign/differential/shrink.ts';

const OPTIONS = { type: 'btrfs', profile: profileNamed('plain')!, compareEvery: 50 } as const;
const opened = DifferentialBench.open(OPTIONS);
const bench = typeof opened === 'string' ? null : opened;
if (bench === null) console.log(`skipped: sequences on the engine and on Linux: ${opened as string}`);

afterAll(() => bench?.close());

describe.skipIf(bench === null)('the engine beside Linux', () => {
  test('answers random operations as Linux does, and both read the image of the other', () => {
    for (const seed of ['test/1', 'test/2', 'test/3']) {
      const { difference, operations } = bench!.run(drawnSource(seed, OPTIONS.profile, 150));
      expect({ difference, sequence: difference === null ? '' : showSequence(operations) }).toEqual({
        difference: null,
        sequence: '',
      });
    }
  });

  test('is compared through open files without a name, and after a remount', () => {
    const sequence: Operation[] = [
      { do: 'mkdir', path: '/d' },
      { do: 'open', slot: 0, path: '/d/a', flags: ['create'] },
      { do: 'write', file: 0, offset: 100, length: 10_000, seed: 5 },
      { do: 'unlink', path: '/d/a' },
      { do: 'read', file: 0, offset: 0, length: 20_000 },
      { do: 'truncate', file: 0, size: 3 },
      { do: 'create', path: '/d/\u00ff' },
      { do: 'remount' },
      { do: 'readdir', path: '/d' },
      { do: 'stat', file: 0 },
    ];
    expect(bench!.run(listedSource(sequence)).difference).toBeNull();
  });

  test('a step that differs is found and what is not needed for it is cut away', () => {
    // Linux's answer is spoilt on purpose: whoever lists exactly two names gets a difference.
    const sequence: Operation[] = ['/a', '/b', '/c'].map((path) => ({ do: 'mkdir', path }));
    sequence.splice(2, 0, { do: 'rmdir', path: '/a' }, { do: 'stat', file: '/b' });
    sequence.push({ do: 'readdir', path: '/' });
    const spoilt = {
      run: (source: Parameters<DifferentialBench['run']>[0]) => {
        const result = bench!.run(source);
        const step = result.operations.findIndex(({ do: kind }) => kind === 'readdir');
        const made = result.operations.filter(({ do: kind }) => kind === 'mkdir').length;
        const isSpoilt = step >= 0 && made >= 2;
        return { ...result, difference: isSpoilt ? { step, what: 'outcome', engine: 'x', linux: 'y' } : null };
      },
    } as DifferentialBench;
    const first = spoilt.run(listedSource(sequence));
    const shrunk = shrinkResult(spoilt, first, 100);
    expect(shrunk.operations.map(({ do: kind }) => kind)).toEqual(['mkdir', 'mkdir', 'readdir']);
  });
});

test('equal seeds draw equal sequences, and a printed one is the same when it is read', () => {
  const draw = () => {
    const generator = new Generator('7', WEIGHTS_OF_ALL, () => true);
    return Array.from({ length: 500 }, () => {
      const operation = generator.next();
      generator.note(operation, { value: undefined });
      return operation;
    });
  };
  const operations = draw();
  expect(draw()).toEqual(operations);
  const line = showSequence(operations);
  expect(line).toMatch(/^[ -&(-~]*$/);
  expect(JSON.parse(line)).toEqual(operations);
});

test('every operation is drawn sooner or later', () => {
  const generator = new Generator('all', WEIGHTS_OF_ALL, () => true);
  const kinds = new Set(Array.from({ length: 5000 }, () => generator.next().do));
  expect([...kinds].sort()).toEqual(Object.keys(WEIGHTS_OF_ALL).sort());
});

test('a name is kept byte by byte', () => {
  const bytes = Uint8Array.from({ length: 255 }, (_, at) => at + 1);
  expect(bytesOf(textOf(bytes))).toEqual(bytes);
});

test('contents differ by seed, and begin alike at each length', () => {
  expect(contentOf(1, 100)).not.toEqual(contentOf(2, 100));
  expect(contentOf(1, 100).subarray(0, 50)).toEqual(contentOf(1, 50));
});

test('answers agree when errnos or values are equal, whatever the words', () => {
  const stat: Operation = { do: 'stat', file: '/a' };
  const no = (error: string, where: string) => ({ error, where });
  expect(compareOutcomes('btrfs', stat, no('ENOENT', 'x'), no('ENOENT', 'y'))).toBeNull();
  expect(compareOutcomes('btrfs', stat, no('ENOENT', 'x'), no('EIO', 'y'))).toEqual({
    engine: 'ENOENT (x)',
    linux: 'EIO (y)',
  });
  const write: Operation = { do: 'write', file: '/a', offset: 0, length: 2, seed: 1 };
  expect(compareOutcomes('btrfs', write, { value: 2 }, { value: 1 })).toEqual({ engine: '2', linux: '1' });
  const directory = { kind: 'directory', size: 0, links: 1 };
  const theirs = { kind: 'directory', size: 4096, links: 2 };
  expect(compareOutcomes('ext4', stat, { value: directory }, { value: theirs })).toBeNull();
  expect(compareOutcomes('btrfs', stat, { value: directory }, { value: theirs })).not.toBeNull();
});

test('extents that continue each other count as one', () => {
  const flags = ['UNWRITTEN'];
  const pieces = [
    { logical: 0, length: 4096, flags },
    { logical: 4096, length: 4096, flags: ['UNWRITTEN', 'LAST'] },
    { logical: 12288, length: 4096, flags: [] },
  ];
  expect(mergeExtents('btrfs', pieces)).toEqual([
    { logical: 0, length: 8192, flags },
    { logical: 12288, length: 4096, flags: [] },
  ]);
});

test('shrinking keeps exactly the operations that a failure needs', () => {
  const operations = Array.from({ length: 100 }, (_, slot): Operation => ({ do: 'close', slot }));
  const slots = (list: readonly Operation[]) => list.map((operation) => (operation as { slot: number }).slot);
  const fails = (list: readonly Operation[]) => {
    const found = slots(list);
    return [13, 57, 88].every((slot) => found.includes(slot)) ? found.indexOf(88) + 1 : null;
  };
  expect(slots(shrinkSequence(operations, fails, 1000))).toEqual([13, 57, 88]);
});

test('profiles have names of their own', () => {
  expect(new Set(PROFILES.map(({ name }) => name)).size).toBe(PROFILES.length);
});

test('the documents list every exception', () => {
  expect(readFileSync('docs/FIDELITY.md', 'utf8')).toContain(exceptionTable());
});
