import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { VOCABULARY } from '../campaign/registry.ts';
import { formatProblems } from './format-problems.ts';
import { parseWorkload } from './parse.ts';
import { WORKLOAD } from './schema.ts';

const FOLDER = new URL('../../workloads/', import.meta.url);
const FILES = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.yaml'))
  .sort();

test('there are workloads', () => {
  expect(FILES.length).toBeGreaterThan(30);
});

test.each(FILES)('%s is a workload', (name) => {
  const text = readFileSync(new URL(name, FOLDER), 'utf8');
  const { workload, problems } = parseWorkload(text, { file: `workloads/${name}`, vocabulary: VOCABULARY });
  if (problems !== undefined) throw new Error(formatProblems(problems, text, { color: false }));
  expect(workload.name).toBe(name.replace('.yaml', ''));
  expect(workload.title).not.toBe('');
});

test.each(FILES)('%s begins with the address of its schema, which accepts it', (name) => {
  const text = readFileSync(new URL(name, FOLDER), 'utf8');
  expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=../schema/workload.schema.json');
  expect(WORKLOAD.safeParse(parse(text)).error?.issues ?? []).toEqual([]);
});
