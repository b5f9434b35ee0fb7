import { expect, test } from 'vitest';
import type { Task } from '../../task/task.ts';
import type { Mutex } from '../../task/world.ts';
import { SimulatedWorld } from '../simulated-world.ts';
import { type ScriptEntry, type ScriptStrategy, script } from './script.ts';

function* walker(world: SimulatedWorld, lines: string[], name: string, points: readonly string[]): Task<void> {
  for (const point of points) {
    yield* world.point(point);
    lines.push(`${name}: ${point}`);
  }
}

const entries = (...lines: string[]): ScriptEntry[] =>
  lines.map((line) => {
    const [task, point] = line.split(': ');
    return { task: task!, point: point! };
  });

/** Reader and writer walk p, q, r; returns the order in which they passed. */
function follow(lines: string[]): { passed: string[]; strategy: ScriptStrategy } {
  const strategy = script(entries(...lines));
  const passed: string[] = [];
  new SimulatedWorld({ strategy }).execute(function* main(world): Task<void> {
    world.beginExploration();
    const tasks = ['reader', 'writer'].map((name) => world.spawn(name, walker(world, passed, name, ['p', 'q', 'r'])));
    for (const task of tasks) yield* task.join();
    world.endExploration();
  });
  return { passed, strategy };
}

test('the entries are passed in the order written', () => {
  const wanted = ['writer: p', 'reader: p', 'reader: q', 'writer: q', 'writer: r', 'reader: r'];
  const { passed, strategy } = follow(wanted);
  expect(passed).toEqual(wanted);
  expect(strategy.outcome).toEqual({ reached: 6, missing: null, reason: null });
});

test('at points that the rest of the script does not name, tasks are free', () => {
  const { passed, strategy } = follow(['writer: q', 'reader: q']);
  expect(strategy.outcome.missing).toBe(null);
  expect(passed.indexOf('writer: q')).toBeLessThan(passed.indexOf('reader: q'));
});

test('an entry that nobody reaches is named, with who waited for what', () => {
  const { passed, strategy } = follow(['reader: q', 'writer: q', 'reader: p']);
  expect(passed).toHaveLength(6);
  expect(strategy.outcome).toMatchObject({ reached: 0, missing: { task: 'reader', point: 'q' } });
  expect(strategy.outcome.reason).toMatch(/entry 1 of 3, "reader: q", was not reached: .*reader stands before point p/);
});

test('a script whose tasks end early says so', () => {
  const { strategy } = follow(['reader: p', 'reader: p']);
  expect(strategy.outcome.reached).toBe(1);
  expect(strategy.outcome.reason).toMatch(/^entry 2 of 2, "reader: p", was not reached/);
});

test('an entry behind a lock that a later entry holds is given up with the lock and its holder', () => {
  function* locked(world: SimulatedWorld, lock: Mutex): Task<void> {
    const held = yield* lock.acquire();
    yield* world.point('inside');
    held.release();
  }
  const strategy = script(entries('first: inside', 'second: inside', 'first: after'));
  const world = new SimulatedWorld({ strategy });
  world.execute(function* main(own): Task<void> {
    own.beginExploration();
    const lock = own.mutex('inode', 257);
    const tasks = [own.spawn('first', locked(own, lock)), own.spawn('second', locked(own, lock))];
    for (const task of tasks) yield* task.join();
  });
  expect(strategy.outcome).toMatchObject({ reached: 2, missing: { task: 'first', point: 'after' } });

  const stuck = script(entries('second: inside', 'first: inside'));
  new SimulatedWorld({ strategy: stuck }).execute(function* main(own): Task<void> {
    const lock = own.mutex('inode', 257);
    const first = own.spawn('first', locked(own, lock));
    own.beginExploration();
    yield* own.point('start');
    yield* first.join();
  });
  expect(stuck.outcome.reason).toMatch(/"second: inside", was not reached/);
});
