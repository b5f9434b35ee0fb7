import { suggest } from '../base/nearest.ts';
import type { Checker } from './checker.ts';
import type { Located, Path } from './located.ts';

/** Reports a name that is none of `known`; true when it is one. */
export function checkName(
  checker: Checker,
  name: string,
  options: { readonly kind: string; readonly known: readonly string[]; readonly node: Located; readonly path: Path },
): boolean {
  if (options.known.includes(name)) return true;
  const hint = options.known.length === 0 ? `there are no ${options.kind}s to name` : suggest(name, options.known);
  checker.reportAt(
    options.node,
    options.path,
    'unknown-name',
    `there is no ${options.kind} ${JSON.stringify(name)}`,
    hint,
  );
  return false;
}

/** What `oneOrMore` of the schema reads, as a list. */
export function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}

/** The path of the n-th of `oneOrMore` below `key`. */
export function itemPath(node: Located, key: string, index: number): Path {
  return node.entries.get(key)?.node.kind === 'list' ? [key, index] : [key];
}
