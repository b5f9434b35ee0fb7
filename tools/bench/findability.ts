import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bench } from '../../src/campaign/bench.ts';
import { VOCABULARY } from '../../src/campaign/registry.ts';
import { planSettings, type SettingPlan } from '../../src/campaign/settings.ts';
import { decideAtOf, strategyOf } from '../../src/campaign/strategies.ts';
import { seededRandom } from '../../src/inject/strategies/seeded-random.ts';
import type { Workload } from '../../src/workload/model.ts';
import { parseWorkload } from '../../src/workload/parse.ts';
import type { Figure } from './figure.ts';

const FOLDER = join(import.meta.dirname, '../../workloads');
const SEEDS = Array.from({ length: 10 }, (_, index) => `${index + 1}`);
const EXECUTIONS_MAX = 10_000;

/**
 * How soon each bug that a shipped workload expects is found: by the script of the workload, in milliseconds from
 * nothing (mkfs and setup included); and by random search without any direction (every effect a decision), in
 * executions until the first violation, over ten seeds.
 */
export function measureFindability(): Figure[] {
  const figures: Figure[] = [];
  for (const name of readdirSync(FOLDER).sort()) {
    if (!name.endsWith('.yaml')) continue;
    const file = join(FOLDER, name);
    const { workload } = parseWorkload(readFileSync(file, 'utf8'), { file, vocabulary: VOCABULARY });
    if (workload === undefined) throw new Error(`${name} is no workload`);
    for (const plan of planSettings(workload)) {
      if (!plan.expectations.some(({ verdict }) => verdict === 'violation')) continue;
      figures.push(...findabilityOf(workload, plan));
    }
  }
  return figures;
}

function findabilityOf(workload: Workload, plan: SettingPlan): Figure[] {
  const name = `find ${workload.name} [${plan.switches.label}]`;
  const figures: Figure[] = [];
  const stage = plan.stages.find(({ strategy }) => strategy === 'script');
  if (stage !== undefined) {
    const started = performance.now();
    const bench = new Bench(workload, plan.fixes);
    const execution = bench.execute(strategyOf(stage, workload), {
      decideAt: decideAtOf(null),
      keepEvents: false,
      seed: 'bench',
    });
    const milliseconds = performance.now() - started;
    if (execution!.violations.length > 0)
      figures.push({ name, value: milliseconds, unit: 'ms by script', bound: '≤ 100' });
  }
  const found = SEEDS.map((seed) => executionsUntilFound(workload, plan, seed)).sort((a, b) => a - b);
  const missed = found.filter((executions) => executions > EXECUTIONS_MAX).length;
  const unit = `executions by random, worst of ${SEEDS.length} seeds${missed === 0 ? '' : `, ${missed} found nothing`}`;
  figures.push({ name, value: found.at(-1)!, unit, bound: '≤ 10,000' });
  figures.push({ name: '  median', value: found[SEEDS.length / 2]!, unit: 'executions' });
  return figures;
}

/** One more than the bound when it was not found within it. */
function executionsUntilFound(workload: Workload, plan: SettingPlan, seed: string): number {
  const bench = new Bench(workload, plan.fixes);
  const strategy = seededRandom({ seed });
  const options = { decideAt: 'everything', keepEvents: false, seed } as const;
  for (let executions = 1; executions <= EXECUTIONS_MAX; executions++) {
    if (bench.execute(strategy, options)!.violations.length > 0) return executions;
  }
  return EXECUTIONS_MAX + 1;
}
