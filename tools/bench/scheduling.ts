import { SimulatedWorld } from '../../src/inject/simulated-world.ts';
import { seededRandom } from '../../src/inject/strategies/seeded-random.ts';
import type { Choice, Strategy, WorldView } from '../../src/inject/strategy.ts';
import { LostUpdate } from '../../src/inject/toy.ts';
import type { Task } from '../../src/task/task.ts';
import type { World } from '../../src/task/world.ts';
import { fastCheckToy } from './fast-check-toy.ts';
import { type Figure, medianNanoseconds } from './figure.ts';

/** Nanoseconds that scheduling costs, for working out its share of an engine run. */
export interface SchedulingCosts {
  readonly decision: number;
  /** At depth 5, where most of the engine's effects are. */
  readonly switch: number;
}

const POINTS = 2000;
const TOY_BATCH = 1000;

export async function measureScheduling(): Promise<{ figures: Figure[]; costs: SchedulingCosts }> {
  const figures: Figure[] = [];
  const depths = [1, 5, 10];
  const decisions = depths.map((depth) => nanosecondsPerPoint(depth, new Fixed(false)));
  const switches = depths.map((depth) => nanosecondsPerPoint(depth, new Fixed(true)));
  for (const [index, depth] of depths.entries()) {
    figures.push({ name: `scheduling decision, no switch, depth ${depth}`, value: decisions[index]!, unit: 'ns' });
  }
  for (const [index, depth] of depths.entries()) {
    figures.push({ name: `decision and real switch, depth ${depth}`, value: switches[index]!, unit: 'ns' });
  }

  const toy = new LostUpdate();
  const world = new SimulatedWorld({ strategy: seededRandom({ seed: 'toy' }) });
  const batch = medianNanoseconds('toy', () => {
    for (let i = 0; i < TOY_BATCH; i++) world.execute(toy.main);
  });
  const perSecond = (TOY_BATCH * 1e9) / batch;
  await fastCheckToy(2000);
  const peer = (await fastCheckToy(10_000)).perSecond;
  figures.push({ name: 'parity toy, executions', value: perSecond, unit: '/s', bound: '≥ 1,000,000' });
  figures.push({ name: 'parity toy on fast-check waitFor', value: peer, unit: '/s' });
  figures.push({ name: 'parity toy against fast-check', value: perSecond / peer, unit: 'times', bound: '≥ 25' });
  return { figures, costs: { decision: decisions[1]!, switch: switches[1]! } };
}

function nanosecondsPerPoint(depth: number, strategy: Strategy): number {
  const world = new SimulatedWorld({ strategy });
  const main = (): Task<void> => twoTasks(world, depth);
  return medianNanoseconds(`depth ${depth}`, () => void world.execute(main)) / (2 * POINTS);
}

function* twoTasks(world: SimulatedWorld, depth: number): Task<void> {
  world.beginExploration();
  const first = world.spawn('first', nested(world, depth));
  const second = world.spawn('second', nested(world, depth));
  yield* first.join();
  yield* second.join();
  world.endExploration();
}

function* nested(world: World, depth: number): Task<void> {
  if (depth > 1) {
    yield* nested(world, depth - 1);
    return;
  }
  for (let i = 0; i < POINTS; i++) yield* world.point('bench');
}

/** Always the task that ran last, or always another. */
class Fixed implements Strategy {
  readonly name = 'fixed';
  readonly wantsEveryStep = false;
  readonly wantsFootprints = false;
  private readonly alternates: boolean;

  constructor(alternates: boolean) {
    this.alternates = alternates;
  }

  beginExecution(): boolean {
    return true;
  }

  pick(choices: readonly Choice[], view: WorldView): number {
    for (let index = 0; index < choices.length; index++) {
      if ((choices[index]!.id === view.lastTask) !== this.alternates) return index;
    }
    return 0;
  }

  pickBelow(): number {
    return 0;
  }

  chance(): boolean {
    return false;
  }

  endExecution(): void {}
}
