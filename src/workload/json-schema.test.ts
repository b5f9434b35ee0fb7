import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { workloadJsonSchema, workloadJsonSchemaText } from './json-schema.ts';
import { OPERATION_MAPPING, OPERATION_NAMES, WORKLOAD_KEYS } from './schema.ts';
import { TEST_VOCABULARY } from './testing/vocabulary.ts';

test('the shipped schema is what `npm run schema` writes', () => {
  const shipped = readFileSync(new URL('../../schema/workload.schema.json', import.meta.url), 'utf8');
  expect(shipped).toBe(workloadJsonSchemaText());
});

test('every key of a workload and every operation is described', () => {
  const { properties } = workloadJsonSchema() as {
    properties: Record<string, { description?: string; $ref?: string }>;
  };
  expect(Object.keys(properties)).toEqual(WORKLOAD_KEYS);
  for (const name of OPERATION_NAMES) expect(OPERATION_MAPPING.shape[name].description, name).toBeTruthy();
});

test('unknown keys are refused by editors too', () => {
  expect(workloadJsonSchema()).toMatchObject({ type: 'object', additionalProperties: false, required: ['tasks'] });
});

test('with a vocabulary, its names are offered', () => {
  const text = workloadJsonSchemaText(TEST_VOCABULARY);
  for (const name of ['reuse-covering-map', 'extent-map-lookup', 'extent-maps', 'file-range', 'reserve-data-space']) {
    expect(text).toContain(`"${name}"`);
  }
  expect(text).not.toContain('x-vocabulary');
  expect(workloadJsonSchemaText()).not.toContain('x-vocabulary');
});
