import { expect, test } from 'vitest';
import { readYaml } from './read-yaml.ts';
import { SourceText } from './source-text.ts';

function read(text: string) {
  const { root, problems } = readYaml(new SourceText(text, 'x.yaml'));
  return {
    value: root?.value,
    problems: problems.map(({ line, column, code, message }) => `${line}:${column} ${code}: ${message}`),
  };
}

test('values come as JSON would hold them, and know where they stand', () => {
  const { root } = readYaml(new SourceText('a: [1, 0x10, text, true, null, 1.5]\nb: { c: x }\n', 'x.yaml'));
  expect(root!.entries.get('a')!.node.value).toEqual([1, 16, 'text', true, null, 1.5]);
  const second = root!.entries.get('a')!.node.items[1]!;
  expect([second.start, second.end, second.source]).toEqual([7, 11, '0x10']);
});

test('kernel versions and names of fixes stay as they are written', () => {
  expect(read('fixes: { kernel: 4.10, on: [12345678] }').value).toEqual({
    fixes: { kernel: '4.10', on: ['12345678'] },
  });
});

test('an alias stands for what its anchor holds', () => {
  expect(read('a: &x { k: 1 }\nb: *x').value).toEqual({ a: { k: 1 }, b: { k: 1 } });
});

test.each([
  ['', ['1:1 document: the file is empty']],
  ['# only a comment\n', ['2:1 document: the file is empty']],
  ['---\n...\n', ['3:1 document: the file is empty']],
  ['- a\n', ['1:1 document: a workload is a mapping, this file holds a list']],
  ['42', ['1:1 document: a workload is a mapping, this file holds a single value']],
  ['a: "x\nb: 1\n', ['1:4 syntax: this quote is never closed']],
  ["a:\n  - b: 'x\n  - c: 1\n", ['2:8 syntax: this quote is never closed']],
  ['a:\n  - x\n  b: y\n', ['3:3 syntax: all mapping items must start at the same column']],
  ['a: 1\n---\nb: 2\n', ['2:1 document: a workload file holds one document, here a second begins']],
  ['\ufeffa: 1', ['1:1 encoding: the file begins with a byte order mark']],
  ['a: \0', ['1:4 encoding: the control character U+0000 cannot stand in a workload']],
  ['a: x\ufffdy', ['1:5 encoding: this is not valid UTF-8 text']],
  ['a: \ud800', ['1:4 encoding: this is not valid UTF-8 text']],
  ['a: 1\nb: 2\na: 3\n', ['3:1 duplicate-key: the key "a" is already on line 1']],
  ['a: 9007199254740993', ['1:4 number: 9007199254740993 is beyond 2^53, the largest whole number that is exact']],
  ['a: .inf', ['1:4 number: .inf is not a number that a workload can use']],
  ['a: 1e300', ['1:4 number: 1e300 is not a number that a workload can use']],
  ['a: !secret x', ['1:4 tag: unknown tag !secret']],
  ['a: *b', ['1:4 alias: no anchor "&b" comes before this alias']],
  ['a: &a [*a]', ['1:8 alias: "*a" stands inside what it repeats, a cycle']],
  ['? [a]\n: 1', ['1:3 syntax: a key is plain text']],
  ['%YAML 1.1\n---\na: yes\n', ['1:1 document: workloads are YAML 1.2, not 1.1']],
])('%j is refused', (text, problems) => {
  expect(read(text).problems).toEqual(problems);
});

test('all syntax errors of a file are reported', () => {
  expect(read('a: [1, 2\nb: }\n').problems.length).toBeGreaterThan(1);
});

test('aliases that multiply are refused before they fill the memory', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 12; i++)
    lines.push(
      `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  expect(read(lines.join('\n')).problems).toEqual([
    expect.stringMatching(/alias: aliases blow this file up to more than 10000 parts/),
  ]);
});

test('nesting without end is refused', () => {
  expect(read(`a: ${'['.repeat(100_000)}`).problems).toEqual([expect.stringMatching(/nested more than 1000 levels/)]);
  expect(read(`a: ${'['.repeat(100)}${']'.repeat(100)}`).problems).toEqual([
    expect.stringMatching(/nested more than 64 levels/),
  ]);
  expect(read(`${'- '.repeat(50_000)}a`).problems).toEqual([expect.stringMatching(/nested more than 1000 levels/)]);
});

test('a file of more than a million characters is not read', () => {
  expect(read(`a: ${'x'.repeat(1 << 20)}`).problems).toEqual([expect.stringMatching(/at most 1048576 characters/)]);
});
