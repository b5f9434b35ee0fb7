import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bench } from '../../src/campaign/bench.ts';
import { VOCABULARY } from '../../src/campaign/registry.ts';
import { allFixes } from '../../src/fs/fixes.ts';
import { seededRandom } from '../../src/inject/strategies/seeded-random.ts';
import { parseWorkload } from '../../src/workload/parse.ts';
import type { Figure } from './figure.ts';
import type { SchedulingCosts } from './scheduling.ts';

const FOLDER = join(import.meta.dirname, '../../workloads');
const RACE = 'dio-write-splits-extent-map';
const WARM_UP_MILLISECONDS = 150;
const MEASURED_MILLISECONDS = 500;

/**
 * Executions per second of every shipped workload with all laws judging, every fix on, every effect a decision of the
 * random strategy; and which share of the race's time is scheduling, by the costs measured beside it.
 */
export function measureWorkloads(costs: SchedulingCosts): Figure[] {
  const figures: Figure[] = [];
  for (const name of readdirSync(FOLDER)
    .filter((file) => file.endsWith('.yaml'))
    .sort()) {
    const file = join(FOLDER, name);
    const parsed = parseWorkload(readFileSync(file, 'utf8'), { file, vocabulary: VOCABULARY });
    if (!('workload' in parsed)) throw new Error(`${name} is no workload`);
    const bench = new Bench(parsed.workload, allFixes());
    const strategy = seededRandom({ seed: 'bench' });
    const options = { decideAt: 'everything', keepEvents: false, seed: 'bench' } as const;

    let steps = 0;
    let switches = 0;
    const runFor = (milliseconds: number) => {
      const started = performance.now();
      let executions = 0;
      while (performance.now() - started < milliseconds) {
        const record = bench.execute(strategy, options)!.record;
        executions += 1;
        steps += record.steps;
        switches += record.switches;
      }
      return { executions, milliseconds: performance.now() - started };
    };
    runFor(WARM_UP_MILLISECONDS);
    steps = 0;
    switches = 0;
    const run = runFor(MEASURED_MILLISECONDS);
    const title = parsed.workload.name;
    const perSecond = (run.executions / run.milliseconds) * 1000;
    const isRace = title === RACE;
    figures.push({
      name: `workload ${title}`,
      value: perSecond,
      unit: '/s',
      ...(isRace ? { bound: '≥ 2,000, aim 10,000' } : {}),
    });
    if (isRace) {
      const nanoseconds = (steps - switches) * costs.decision + switches * costs.switch;
      const share = (nanoseconds / (run.milliseconds * 1e6)) * 100;
      figures.push({ name: '  share of scheduling in it', value: share, unit: '%', bound: '≤ 20' });
    }
  }
  return figures;
}
