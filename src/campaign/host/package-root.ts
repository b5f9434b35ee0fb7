import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The folder of the package, whether it runs from `src` or from `dist`. */
export const PACKAGE_ROOT = resolve(import.meta.dirname, '..', '..', '..');

/** fsquake's own version, as in its package.json. */
export function fsquakeVersion(): string {
  const text = readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
