import { expect, test } from 'vitest';
import { fileWith, workloadOf } from './testing/parsing.ts';

const EXAMPLE = `
title: one sentence
description: |
  more
filesystem: { devices: [16M, 32M], node-size: 16K, metadata: dup, label: x, block-groups: { data: 4M } }
setup:
  - mkdir: /d
  - create: /d/f
  - write: { file: /d/f, length: 32K }
  - remount
tasks:
  writer:
    - open: { file: /d/f, as: f, direct: true }
    - write: { file: $f, offset: 8K, length: 24K }
    - fsync: $f
    - mark: written
  reader:
    repeat: 2
    do:
      - read: { file: /d/f, length: 4K }
        expect: [ok, EIO]
      - sync
      - sleep: 10ms
inject:
  - name: slow
    when: { task: writer, operation: [write, read], device: 1, physical: [1M, 2M], occurrence: { from: 2, to: 5 }, probability: 1/8 }
    then: { delay: { until: { task: reader, passes: extent-map-insert } } }
  - when: { tree: csum }
    then: { fail: EIO }
explore:
  - strategy: script
  - { strategy: exhaustive, name: all, points: extent-map-drop, prune: false, bound: 5 }
  - { strategy: random, runs: 7, seed: 42 }
schedule:
  - reader: extent-map-lookup
  - writer: written
expect:
  - fixes: { off: [18e83ac75bfe] }
    verdict: violation
    law: errors
    errno: EEXIST
    stages: [script, all]
  - verdict: clean
    stages: all
    counts: { explored: 5 }
`;

test('a workload comes with names resolved, sizes in bytes and defaults filled in', () => {
  const workload = workloadOf(EXAMPLE);
  expect(workload).toMatchObject({
    name: 'example',
    title: 'one sentence',
    description: 'more',
    filesystem: {
      devices: [16777216, 33554432],
      nodeSize: 16384,
      metadata: 'dup',
      data: 'single',
      label: 'x',
      blockGroups: { system: null, metadata: null, data: 4194304 },
    },
    schedule: [
      { task: 'reader', point: 'extent-map-lookup', at: { line: 35, column: 5 } },
      { task: 'writer', point: 'written' },
    ],
  });
  expect(workload.setup.map((operation) => operation.kind)).toEqual(['mkdir', 'create', 'write', 'remount']);
  expect(workload.explore).toEqual([
    { strategy: 'script', name: 'script' },
    { strategy: 'exhaustive', name: 'all', points: ['extent-map-drop'], prune: false, bound: 5 },
    { strategy: 'random', name: 'random', points: null, runs: 7, seed: '42' },
  ]);
});

test('operations carry their arguments, and inherit what their handle was opened with', () => {
  const [writer, reader] = workloadOf(EXAMPLE).tasks;
  expect(writer!.operations).toMatchObject([
    { kind: 'open', path: '/d/f', as: 'f', direct: true, append: false, expect: null, at: { line: 13, column: 7 } },
    { kind: 'write', file: { kind: 'handle', handle: 'f' }, offset: 8192, length: 24576, direct: true, append: false },
    { kind: 'fsync', file: { kind: 'handle', handle: 'f' } },
    { kind: 'mark', point: 'written' },
  ]);
  expect(reader).toMatchObject({ name: 'reader', repeat: 2 });
  expect(reader!.operations).toMatchObject([
    {
      kind: 'read',
      file: { kind: 'path', path: '/d/f' },
      offset: 0,
      length: 4096,
      direct: false,
      expect: ['ok', 'EIO'],
    },
    { kind: 'sync', expect: null },
    { kind: 'sleep', duration: 10_000_000 },
  ]);
});

test('rules come with ranges, ratios and targets', () => {
  const rules = workloadOf(EXAMPLE).inject;
  expect(rules.map((rule) => [rule.name, rule.then])).toEqual([
    ['slow', { kind: 'delay-until', task: 'reader', point: 'extent-map-insert' }],
    ['rule 2', { kind: 'fail', errno: 'EIO' }],
  ]);
  expect(rules).toMatchObject([
    {
      when: {
        target: 'io',
        task: 'writer',
        operations: ['write', 'read'],
        device: 1,
        physical: { start: 1048576, length: 1048576 },
        occurrence: { kind: 'range', from: 2, to: 5 },
        probability: { numerator: 1, denominator: 8 },
      },
    },
    { when: { target: 'io', purpose: 'tree-block', tree: 7 } },
  ]);
});

test.each([
  ['{ delay: 5us }', { kind: 'delay', duration: 5000 }],
  ['{ delay: { events: 5 } }', { kind: 'delay-events', events: 5 }],
  ['{ reorder: { hold: 3 } }', { kind: 'reorder-hold', hold: 3 }],
  ['{ reorder: last-first }', { kind: 'reorder-last-first' }],
  ['{ reorder: shuffle }', { kind: 'reorder-shuffle' }],
  ['{ fail: EROFS }', { kind: 'fail', errno: 'EROFS' }],
])('the effect %s is understood', (written, effect) => {
  const text = fileWith({ lines: ['inject:', `  - { when: { operation: write }, then: ${written} }`] });
  expect(workloadOf(text).inject[0]!.then).toEqual(effect);
});

test.each([
  ['3', { kind: 'nth', nth: 3 }],
  ['{ every: 2 }', { kind: 'every', every: 2 }],
  ['{ from: 2 }', { kind: 'range', from: 2, to: null }],
])('the occurrence %s is understood', (written, occurrence) => {
  const text = fileWith({
    lines: ['inject:', `  - { when: { lock: inode, occurrence: ${written} }, then: { delay: 1ms } }`],
  });
  expect(workloadOf(text).inject[0]!.when).toMatchObject({ target: 'lock', lock: 'inode', occurrence });
});

test('expectations change the base setting of the switches, by id or commit', () => {
  const { expect: expectations, fixes } = workloadOf(EXAMPLE);
  expect(fixes).toEqual({
    kernel: null,
    on: [],
    off: [],
    enabled: ['reuse-identical-map', 'reuse-encompassing-map', 'reuse-covering-map', 'late-bug'],
  });
  expect(expectations).toMatchObject([
    {
      fixes: { off: ['reuse-covering-map'], enabled: ['reuse-identical-map', 'reuse-encompassing-map', 'late-bug'] },
      verdict: 'violation',
      laws: ['errors'],
      errno: 'EEXIST',
      message: null,
      stages: ['script', 'all'],
      counts: null,
    },
    { fixes: { off: [] }, verdict: 'clean', laws: [], stages: ['all'], counts: { explored: 5, violating: null } },
  ]);
});

test('a kernel sets every switch as that kernel had it', () => {
  const enabledBy = (kernel: string) => workloadOf(fileWith({ lines: [`fixes: { kernel: ${kernel} }`] })).fixes.enabled;
  expect(enabledBy('4.8')).toEqual(['late-bug']);
  expect(enabledBy('4.10')).toEqual(['reuse-identical-map', 'reuse-encompassing-map', 'late-bug']);
  expect(enabledBy('4.9')).toEqual(['reuse-identical-map', 'late-bug']);
  expect(enabledBy('6.11')).toEqual(['reuse-identical-map', 'reuse-encompassing-map', 'reuse-covering-map']);
  expect(enabledBy('6.12')).toHaveLength(4);
});

test('words of an expectation win over those of the base', () => {
  const lines = [
    'fixes: { kernel: "4.8", on: [reuse-covering-map] }',
    'expect: { verdict: clean, fixes: { off: [reuse-covering-map], on: [reuse-identical-map] } }',
  ];
  expect(workloadOf(fileWith({ lines })).expect[0]!.fixes).toEqual({
    kernel: '4.8',
    on: ['reuse-identical-map'],
    off: ['reuse-covering-map'],
    enabled: ['reuse-identical-map', 'late-bug'],
  });
});

test('a file without explore and expect is run on a few random schedules, all of which must be clean', () => {
  const workload = workloadOf(fileWith({}));
  expect(workload.explore).toEqual([{ strategy: 'random', name: 'random', points: null, runs: 100, seed: '1' }]);
  expect(workload.expect).toMatchObject([{ verdict: 'clean', stages: ['random'] }]);
  expect(workload.filesystem).toMatchObject({ devices: [16777216], nodeSize: 4096, metadata: 'single' });
});

test('a schedule without explore is run, and then random ones', () => {
  const workload = workloadOf(fileWith({ lines: ['schedule: [ t: commit-start ]'] }));
  expect(workload.explore.map((stage) => stage.strategy)).toEqual(['script', 'random']);
});

test('an append has no offset', () => {
  const operations = [
    '- write: { file: /f, append: true, length: 5 }',
    '- open: { file: /f, as: h, append: true }',
    '- write: { file: $h, length: 5 }',
  ];
  expect(workloadOf(fileWith({ operations })).tasks[0]!.operations).toMatchObject([
    { offset: null, append: true },
    { kind: 'open' },
    { offset: null, append: true },
  ]);
});

test('a list may be written once and repeated by an alias', () => {
  const workload = workloadOf(
    'setup: [ create: /f ]\ntasks:\n  a: &list\n    - write: { file: /f, length: 1 }\n  b: *list\n',
  );
  expect(workload.tasks.map((task) => task.operations.length)).toEqual([1, 1]);
});

test('an operation may expect what would otherwise be refused', () => {
  const operations = [
    '- { write: { file: /f, offset: 100, length: 100, direct: true }, expect: EINVAL }',
    '- { write: { file: /f, offset: 15M, length: 2M }, expect: ENOSPC }',
    '- { read: { file: /gone, length: 1 }, expect: ENOENT }',
    '- { create: /f, expect: EEXIST }',
  ];
  expect(workloadOf(fileWith({ operations })).tasks[0]!.operations).toHaveLength(4);
});

test('an argument-less operation can be written bare, with a colon, or with an expectation', () => {
  const operations = [
    '- sync',
    '- sync:',
    '- { sync: , expect: EIO }',
    '- drop-caches: { file: /f, offset: 4K, length: 8K }',
  ];
  expect(workloadOf(fileWith({ operations })).tasks[0]!.operations).toMatchObject([
    { kind: 'sync', expect: null },
    { kind: 'sync', expect: null },
    { kind: 'sync', expect: ['EIO'] },
    { kind: 'drop-caches', range: { offset: 4096, length: 8192 } },
  ]);
});

test('the name is that of the file unless it is given', () => {
  expect(workloadOf(fileWith({})).name).toBe('example');
  expect(workloadOf(fileWith({ lines: ['name: other'] })).name).toBe('other');
});
