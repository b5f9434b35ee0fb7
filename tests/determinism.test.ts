import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { afterAll, expect, test } from 'vitest';

/**
 * Goal: the same seed gives the same events, byte for byte, wherever it runs. Method: the same campaign in several
 * processes; each stage's hash covers all events and all disks of all its executions.
 */
const ROOT = resolve(import.meta.dirname, '..');
const FOLDER = mkdtempSync(join(tmpdir(), 'fsquake-determinism-'));
const WORKLOADS = ['dio-write-splits-extent-map', 'completions-shuffled', 'fsync-against-direct-write'];

afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

async function hashesOf(node: string, seed: string): Promise<string[]> {
  const args = ['--import', 'tsx', 'src/cli/dev.ts', 'run', ...WORKLOADS];
  const options = ['--seed', seed, '--runs', '100', '--json', '--no-outside', '--results', join(FOLDER, 'results')];
  const { stdout, stderr } = await execa(node, [...args, ...options], { cwd: ROOT, reject: false });
  if (stdout === '') throw new Error(stderr);
  const { settings } = JSON.parse(stdout) as {
    settings: { workload: string; switches: { label: string }; stages: { name: string; eventHash: string }[] }[];
  };
  return settings.flatMap(({ workload, switches, stages }) =>
    stages.map(({ name, eventHash }) => `${workload} [${switches.label}] ${name}: ${eventHash}`),
  );
}

test('the same seed gives the same event hashes in two processes, another seed gives others', async () => {
  const [first, second, other] = await Promise.all([
    hashesOf(process.execPath, '7'),
    hashesOf(process.execPath, '7'),
    hashesOf(process.execPath, '8'),
  ]);
  expect(first.length).toBeGreaterThan(4);
  expect(second).toEqual(first);
  expect(other).not.toEqual(first);
});

const secondNode = process.env['FSQUAKE_SECOND_NODE'] ?? '';

test.skipIf(secondNode === '')(
  'the same seed gives the same event hashes under another major version of Node (FSQUAKE_SECOND_NODE names one)',
  async () => {
    const { stdout } = await execa(secondNode, ['--version']);
    expect(stdout.split('.')[0]).not.toBe(process.version.split('.')[0]);
    const [here, there] = await Promise.all([hashesOf(process.execPath, '7'), hashesOf(secondNode, '7')]);
    expect(there).toEqual(here);
  },
);
