import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import Table from 'cli-table3';
import { loadZstd } from '../../src/campaign/host/load-zstd.ts';
import { measureEngine } from './engine.ts';
import type { Figure } from './figure.ts';
import { measureFindability } from './findability.ts';
import { measureOperations } from './operations.ts';
import { measureScheduling } from './scheduling.ts';
import { measureWorkloads } from './workloads.ts';

/**
 * `npm run bench`: what scheduling costs, the parity toy against fast-check, the engine's parts, each shipped workload.
 * Machines are noisy: read ratios, and figures of one run side by side. Prints a table and writes bench-results.json.
 */
await loadZstd();
const started = performance.now();
const scheduling = await measureScheduling();
const figures: Figure[] = [
  ...scheduling.figures,
  ...measureEngine(),
  ...measureOperations(),
  ...measureWorkloads(scheduling.costs),
  ...measureFindability(),
];

const table = new Table({ head: ['measured', 'value', 'unit', 'bound'], style: { head: [], border: [] } });
for (const { name, value, unit, bound } of figures) {
  const shown = value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
  table.push([name, { content: shown, hAlign: 'right' }, unit, bound ?? '']);
}
console.log(table.toString());

const file = join(import.meta.dirname, 'bench-results.json');
const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
writeFileSync(file, `${JSON.stringify({ machine, figures }, null, 2)}\n`);
console.log(`${machine.cpu}, Node ${machine.node}; ${((performance.now() - started) / 1000).toFixed(0)} s`);
console.log(`written to ${file}`);
