import { z } from 'zod';
import { WORKLOAD } from './schema.ts';
import type { Vocabulary } from './vocabulary.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * The editors' schema (JSON Schema draft-07, which every YAML language server reads), made from the one that the checker
 * reads with. With a vocabulary, names of points, fixes, laws, locks and sites are offered as completions; names that it
 * lacks are left to the checker.
 */
export function workloadJsonSchema(vocabulary: Vocabulary | null = null): { [key: string]: Json } {
  const generated = z.toJSONSchema(WORKLOAD, { target: 'draft-07', io: 'input' }) as unknown as { [key: string]: Json };
  const described = withNames(generated, vocabulary === null ? {} : namesOf(vocabulary)) as { [key: string]: Json };
  return { ...described, title: 'fsquake workload' };
}

/** As it is written to `schema/workload.schema.json`. */
export function workloadJsonSchemaText(vocabulary: Vocabulary | null = null): string {
  return `${JSON.stringify(workloadJsonSchema(vocabulary), null, 2)}\n`;
}

function namesOf(vocabulary: Vocabulary): Readonly<Record<string, readonly string[]>> {
  return {
    points: vocabulary.points,
    fixes: vocabulary.fixes.map((fix) => fix.id),
    laws: vocabulary.laws,
    locks: vocabulary.locks,
    sites: vocabulary.sites.map((site) => site.name),
  };
}

/** Replaces the marks that `foreignName` left by examples. */
function withNames(node: Json, names: Readonly<Record<string, readonly string[]>>): Json {
  if (Array.isArray(node)) return node.map((item) => withNames(item, names));
  if (typeof node !== 'object' || node === null) return node;
  const result: { [key: string]: Json } = {};
  for (const [key, value] of Object.entries(node)) {
    if (key !== 'x-vocabulary') result[key] = withNames(value, names);
    else if (names[String(value)] !== undefined) result['examples'] = [...names[String(value)]!];
  }
  return result;
}
