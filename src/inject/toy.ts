import { resource } from '../task/resource.ts';
import type { Task } from '../task/task.ts';
import type { World } from '../task/world.ts';
import type { SimulatedWorld } from './simulated-world.ts';

const CELL = resource('test', 0);

/** The classic lost update: two tasks of three steps each, and an increment is lost when they overlap. */
export class LostUpdate {
  value = 0;

  /** For `SimulatedWorld.execute`; bound once, so that no execution makes a closure. */
  readonly main: (world: SimulatedWorld) => Task<void> = (world) => this.run(world);

  get isLost(): boolean {
    return this.value !== 2;
  }

  private *run(world: SimulatedWorld): Task<void> {
    this.value = 0;
    world.beginExploration();
    const first = world.spawn('first', increment(world, this));
    const second = world.spawn('second', increment(world, this));
    yield* first.join();
    yield* second.join();
    world.endExploration();
  }
}

function* increment(world: World, cell: LostUpdate): Task<void> {
  yield* world.point('toy-read');
  world.touch(CELL, 'read');
  const before = cell.value;
  yield* world.point('toy-compute');
  const after = before + 1;
  yield* world.point('toy-write');
  world.touch(CELL, 'write');
  cell.value = after;
}
