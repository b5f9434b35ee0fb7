import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

/** What each folder may import, as `docs/ARCHITECTURE.md` draws it. A longer path wins over a shorter one. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  'src/base': [],
  'src/task': ['src/base'],
  'src/record': ['src/base', 'src/task'],
  'src/fs': ['src/base', 'src/task'],
  'src/inject': ['src/base', 'src/task', 'src/record'],
  'src/workload': ['src/base'],
  'src/oracle': ['src/base', 'src/task', 'src/record', 'src/workload', 'src/fs/format'],
  'src/campaign': ['src/base', 'src/task', 'src/record', 'src/fs', 'src/inject', 'src/workload', 'src/oracle'],
  'src/report': ['src/base', 'src/task', 'src/record', 'src/oracle'],
  'src/cli': ['src/base', 'src/campaign', 'src/report', 'src/workload', 'src/record'],
};

/** Inside the engine, from the disk up: each folder may import those before it. */
const ENGINE_ORDER = ['format', 'volume', 'space', 'tree', 'transaction', 'file', 'maintenance'] as const;

/**
 * Below `cli`, only these may use the host: outside judges start programs, the kernel's file systems are asked by system
 * calls, the results store and bench write files.
 */
const HOST_ALLOWED = ['src/cli', 'src/oracle/judges', 'src/oracle/kernel-fs', 'src/campaign/host'];

const ROOT = resolve(import.meta.dirname, '..');

function sourcesUnder(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return sourcesUnder(path);
      return path.endsWith('.ts') && !path.endsWith('.test.ts') ? [path] : [];
    })
    .sort();
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
}

function isUnder(file: string, folder: string): boolean {
  return file === folder || file.startsWith(`${folder}/`);
}

test('every import goes down the layers that the architecture draws', () => {
  const wrong: string[] = [];
  for (const file of sourcesUnder('src')) {
    const home = Object.keys(LAYERS).find((folder) => isUnder(file, folder));
    if (home === undefined) continue; // src/index.ts, the public face
    for (const specifier of importsOf(file)) {
      if (!specifier.startsWith('.')) continue;
      const target = relative(ROOT, resolve(ROOT, dirname(file), specifier));
      if (isUnder(target, home)) continue;
      if (!LAYERS[home]!.some((allowed) => isUnder(target, allowed))) wrong.push(`${file} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('inside the engine, a lower folder never imports a higher one', () => {
  const wrong: string[] = [];
  const rank = (path: string) => ENGINE_ORDER.findIndex((name) => isUnder(path, `src/fs/${name}`));
  for (const file of sourcesUnder('src/fs')) {
    const own = rank(file);
    if (own < 0) continue;
    for (const specifier of importsOf(file)) {
      if (!specifier.startsWith('.')) continue;
      const target = relative(ROOT, resolve(ROOT, dirname(file), specifier));
      const other = rank(target);
      const frontDoor = isUnder(target, 'src/fs') && other < 0;
      const registry = /^src\/fs\/(fixes|points|lock-order|mutations|errors)\.ts$/.test(target);
      if (other > own || (frontDoor && !registry)) wrong.push(`${file} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('nothing below the command line reads the host, its clock or its randomness', () => {
  const banned =
    /\b(Math\.random|Date\.now|new Date|performance\.|setTimeout|setImmediate|queueMicrotask|async |await |Promise\b|process\.)/;
  const wrong: string[] = [];
  for (const file of sourcesUnder('src')) {
    if (HOST_ALLOWED.some((allowed) => isUnder(file, allowed))) continue;
    const lines = readFileSync(join(ROOT, file), 'utf8').split('\n');
    for (const [index, line] of lines.entries()) {
      const code = line.replace(/\/\/.*$/, '').replace(/^\s*\/?\*.*$/, '');
      if (banned.test(code)) wrong.push(`${file}:${index + 1}: ${line.trim()}`);
    }
    for (const specifier of importsOf(file)) {
      if (/^node:(fs|child_process|os|process|timers|perf_hooks|net|http)/.test(specifier)) {
        wrong.push(`${file} imports ${specifier}`);
      }
    }
  }
  expect(wrong).toEqual([]);
});

test('no source file reaches a thousand lines', () => {
  const long = sourcesUnder('src').filter((file) => readFileSync(join(ROOT, file), 'utf8').split('\n').length >= 1000);
  expect(long).toEqual([]);
});
