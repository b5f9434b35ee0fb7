import { expect, test } from 'vitest';
import type { LockReport } from '../record/run-record.ts';
import type { Task } from '../task/task.ts';
import type { Counter, Held, Mutex, RangeLock, RwSemaphore } from '../task/world.ts';
import { SimulatedWorld } from './simulated-world.ts';
import { exhaustive } from './strategies/exhaustive.ts';
import type { WorldOptions } from './world-options.ts';

type Main = (world: SimulatedWorld) => Task<void>;

function reportsOf(main: Main, options: WorldOptions = {}): readonly LockReport[] {
  const world = new SimulatedWorld(options);
  world.execute(main);
  return world.report().locks;
}

/** Takes two locks, one inside the other. */
function* nest(world: SimulatedWorld, outer: Mutex, inner: Mutex): Task<void> {
  const first = yield* outer.acquire();
  yield* world.point('between');
  const second = yield* inner.acquire();
  second.release();
  first.release();
}

function crossing(first: readonly [string, number], second: readonly [string, number]): Main {
  return function* main(world): Task<void> {
    const a = world.mutex(...first);
    const b = world.mutex(...second);
    world.beginExploration();
    const one = world.spawn('one', nest(world, a, b));
    const two = world.spawn('two', nest(world, b, a));
    yield* one.join();
    yield* two.join();
  };
}

test('a wait cycle is reported when it forms, in exactly the interleavings that close it', () => {
  const strategy = exhaustive({ sleepSets: false });
  const world = new SimulatedWorld({ strategy, decideAt: new Set(['between']) });
  const endings: string[] = [];
  while (world.execute(crossing(['inode', 257], ['tree', 5]))) {
    const { locks, hung } = world.report();
    endings.push(`${locks.map(({ kind }) => kind).join(' ')} ${hung}`);
  }
  // Each task parks between its locks: whoever goes first, the other holds what it needs.
  const hung = 'order-violation wait-cycle waiting-at-end true';
  expect(endings).toEqual([hung, hung]);
});

test('after a wait cycle, the tasks behind it are reported, and those that could go on are not', () => {
  function* grab(world: SimulatedWorld, first: Mutex, second: Mutex): Task<void> {
    yield* first.acquire();
    yield* world.sleep(1);
    yield* second.acquire();
  }
  function* idle(world: SimulatedWorld): Task<void> {
    yield* world.sleep(100);
  }
  const reports = reportsOf(function* main(world): Task<void> {
    const a = world.mutex('same', 1);
    const b = world.mutex('same', 2);
    world.spawn('idle', idle(world));
    const one = world.spawn('one', grab(world, a, b));
    world.spawn('two', grab(world, b, a));
    yield* one.join();
  });
  expect(reports.map(({ kind, tasks }) => `${kind} ${tasks.join()}`)).toEqual([
    'order-violation two',
    'wait-cycle one,two',
    'waiting-at-end main',
  ]);
  expect(reports[1]!.message).toBe(
    'tasks wait for each other: one waits for same 2 held by two; two waits for same 1 held by one',
  );
  expect(reports[1]!.locks).toEqual(['same 2', 'same 1']);
});

test('waiting for oneself is a cycle of one', () => {
  const reports = reportsOf(function* main(world): Task<void> {
    const lock = world.mutex('inode', 257);
    yield* lock.acquire();
    yield* lock.acquire();
  });
  expect(reports.filter(({ kind }) => kind === 'wait-cycle').map(({ tasks }) => tasks)).toEqual([['main']]);
});

test('a cycle through a join counts', () => {
  function* needs(lock: Mutex): Task<void> {
    const held = yield* lock.acquire();
    held.release();
  }
  const reports = reportsOf(function* main(world): Task<void> {
    const lock = world.mutex('inode', 257);
    const held = yield* lock.acquire();
    const task = world.spawn('worker', needs(lock));
    yield* task.join();
    held.release();
  });
  expect(reports).toMatchObject([{ kind: 'wait-cycle', tasks: ['worker', 'main'], locks: ['inode 257'] }]);
});

test('a cycle through a counter is reported when all wait', () => {
  function* writer(counter: Counter, lock: Mutex): Task<void> {
    counter.add(1);
    const held = yield* lock.acquire();
    held.release();
    counter.add(-1);
  }
  const reports = reportsOf(function* main(world): Task<void> {
    const lock = world.mutex('commit', 0);
    const writers = world.counter('writers', 0);
    const held = yield* lock.acquire();
    world.spawn('writer', writer(writers, lock));
    yield* world.sleep(1);
    yield* writers.waitZero();
    held.release();
  });
  expect(reports).toMatchObject([{ kind: 'wait-cycle', locks: ['writers 0', 'commit 0'] }]);
});

test('everybody asleep on queues is no cycle; each is reported as waiting', () => {
  const reports = reportsOf(function* main(world): Task<void> {
    yield* world.waitQueue('nobody', 7).wait();
  });
  expect(reports).toMatchObject([{ kind: 'waiting-at-end', tasks: ['main'] }]);
  expect(reports[0]!.message).toBe('main still waits for wait queue nobody 7');
});

test('a waiting writer blocks new readers, so a reader that reads again behind it hangs', () => {
  function* writer(lock: RwSemaphore): Task<void> {
    const held = yield* lock.acquire('exclusive');
    held.release();
  }
  const reports = reportsOf(function* main(world): Task<void> {
    const lock = world.rwSemaphore('tree', 5);
    yield* lock.acquire('shared');
    world.spawn('writer', writer(lock));
    yield* world.sleep(1);
    expect(lock.isContended).toBe(true);
    yield* lock.acquire('shared');
  });
  expect(reports.map(({ kind }) => kind)).toEqual(['order-violation', 'wait-cycle']);
  expect(reports[1]!.tasks).toEqual(['main', 'writer']);
});

test('readers share, a writer waits for all of them and is granted before later readers', () => {
  const lines: string[] = [];
  function* reader(world: SimulatedWorld, lock: RwSemaphore, name: string): Task<void> {
    const held = yield* lock.acquire('shared');
    lines.push(`${name} in`);
    yield* world.sleep(10);
    lines.push(`${name} out`);
    held.release();
  }
  function* writer(lock: RwSemaphore): Task<void> {
    const held = yield* lock.acquire('exclusive');
    lines.push('writer');
    held.release();
  }
  reportsOf(function* main(world): Task<void> {
    const lock = world.rwSemaphore('tree', 5);
    const tasks = [world.spawn('r1', reader(world, lock, 'r1')), world.spawn('r2', reader(world, lock, 'r2'))];
    yield* world.sleep(1);
    tasks.push(world.spawn('writer', writer(lock)));
    yield* world.sleep(1);
    expect(yield* lock.tryAcquire('shared')).toBe(null);
    tasks.push(world.spawn('r3', reader(world, lock, 'r3')));
    for (const task of tasks) yield* task.join();
  });
  expect(lines).toEqual(['r1 in', 'r2 in', 'r1 out', 'r2 out', 'writer', 'r3 in', 'r3 out']);
});

test('ranges wait for holders that they overlap, and for nobody else', () => {
  const lines: string[] = [];
  function* user(world: SimulatedWorld, lock: RangeLock, start: number, length: number): Task<void> {
    const held = yield* lock.acquire(start, length);
    lines.push(`${start} at ${world.now()}`);
    yield* world.sleep(10);
    held.release();
  }
  reportsOf(function* main(world): Task<void> {
    const lock = world.rangeLock('file-range', 257);
    const tasks = [
      world.spawn('a', user(world, lock, 0, 100)),
      world.spawn('b', user(world, lock, 50, 100)),
      world.spawn('c', user(world, lock, 140, 10)),
      world.spawn('d', user(world, lock, 200, 10)),
    ];
    for (const task of tasks) yield* task.join();
  });
  // c overlaps b, which only waits; so b has to wait for c too.
  expect(lines).toEqual(['0 at 0', '140 at 0', '200 at 0', '50 at 10']);
});

test('the reverse of an order that this run has shown is reported although nothing hangs', () => {
  const reports = reportsOf(function* main(world): Task<void> {
    const a = world.mutex('commit', 0);
    const b = world.mutex('chunk', 0);
    yield* nest(world, a, b);
    yield* nest(world, b, a);
  });
  expect(reports.map(({ kind, locks }) => [kind, ...locks])).toEqual([['order-violation', 'chunk 0', 'commit 0']]);
  expect(reports[0]!.message).toBe(
    'main takes commit 0 while it holds chunk 0; main took chunk 0 under commit 0 at step 3',
  );
});

test('an order of three classes that closes a circle is reported', () => {
  const reports = reportsOf(function* main(world): Task<void> {
    const [a, b, c] = [world.mutex('a', 0), world.mutex('b', 0), world.mutex('c', 0)];
    yield* nest(world, a, b);
    yield* nest(world, b, c);
    yield* nest(world, c, a);
  });
  expect(reports.map(({ locks }) => locks)).toEqual([['c 0', 'a 0']]);
});

test('the declared order is enforced at the first acquire against it', () => {
  const main: Main = function* main(world) {
    yield* nest(world, world.mutex('inner', 0), world.mutex('outer', 0));
  };
  expect(reportsOf(main, { lockOrder: ['outer', 'inner'] })).toMatchObject([{ kind: 'order-violation' }]);
  expect(reportsOf(main, { lockOrder: ['inner', 'outer'] })).toEqual([]);
  expect(reportsOf(main)).toEqual([]);
});

test('locks of one class nest by ascending id only', () => {
  const nested = (outer: number, inner: number): Main =>
    function* main(world) {
      yield* nest(world, world.mutex('inode', outer), world.mutex('inode', inner));
    };
  expect(reportsOf(nested(257, 258))).toEqual([]);
  expect(reportsOf(nested(258, 257))).toMatchObject([{ kind: 'order-violation', locks: ['inode 258', 'inode 257'] }]);
});

test('a lock that is only tried closes no circle', () => {
  const reports = reportsOf(function* main(world): Task<void> {
    const a = world.mutex('a', 0);
    const b = world.rwSemaphore('b', 0);
    const first = yield* a.acquire();
    const tried: Held | null = yield* b.tryAcquire('exclusive');
    tried?.release();
    first.release();
    const second = yield* b.acquire('exclusive');
    yield* nest(world, a, world.mutex('c', 0));
    second.release();
  });
  expect(reports).toEqual([]);
});

test('what is still held at the end is reported, also of a task that was killed', () => {
  function* holder(world: SimulatedWorld, lock: Mutex): Task<void> {
    yield* lock.acquire();
    yield* world.sleep(1000);
  }
  const reports = reportsOf(function* main(world): Task<void> {
    yield* world.mutex('commit', 0).acquire();
    const task = world.spawn('holder', holder(world, world.mutex('inode', 257)));
    yield* world.sleep(1);
    task.kill();
  });
  expect(reports.map(({ kind, message }) => `${kind}: ${message}`)).toEqual([
    'held-at-end: commit 0 is still held by main, which ended',
    'held-at-end: inode 257 is still held by holder, which was killed',
  ]);
});

test('a task that was killed while it waited is forgotten by its lock', () => {
  function* wants(lock: RwSemaphore): Task<void> {
    yield* lock.acquire('exclusive');
  }
  const reports = reportsOf(function* main(world): Task<void> {
    const lock = world.rwSemaphore('tree', 5);
    const held = yield* lock.acquire('shared');
    const victim = world.spawn('victim', wants(lock));
    yield* world.sleep(1);
    victim.kill();
    const again = yield* lock.tryAcquire('shared');
    expect(again).not.toBe(null);
    again!.release();
    held.release();
  });
  expect(reports).toEqual([]);
});

test('releasing twice is a fault of the bench', () => {
  const run = () =>
    reportsOf(function* main(world): Task<void> {
      const held = yield* world.mutex('inode', 257).acquire();
      held.release();
      held.release();
    });
  expect(run).toThrow('a lock is released once');
});

/** A reader holds the lock while another task changes what it guards; the changer holds `own`. */
function changing(own: 'nothing' | 'exclusive'): Main {
  return function* main(world): Task<void> {
    const lock = world.rwSemaphore('device-replace', 0);
    world.beginExploration();
    const reader = world.spawn('reader', readGuarded(world, lock));
    const changer = world.spawn('changer', changeGuarded(world, lock, own));
    yield* reader.join();
    yield* changer.join();
  };
}

function* readGuarded(world: SimulatedWorld, lock: RwSemaphore): Task<void> {
  yield* world.point('reader');
  const held = yield* lock.acquire('shared');
  yield* world.point('inside');
  held.release();
}

function* changeGuarded(world: SimulatedWorld, lock: RwSemaphore, own: 'nothing' | 'exclusive'): Task<void> {
  yield* world.point('changer');
  if (own === 'nothing') {
    lock.changesGuarded('cursorLeft');
    lock.changesGuarded('cursorLeft');
    return;
  }
  const held = yield* lock.acquire('exclusive');
  lock.changesGuarded('cursorLeft');
  held.release();
}

test.each([true, false])('a change under the feet of a holder is reported, pruned: %s', (sleepSets) => {
  const strategy = exhaustive({ sleepSets });
  const world = new SimulatedWorld({ strategy });
  const found: LockReport[][] = [];
  while (world.execute(changing('nothing'))) {
    const { locks, pruned } = world.report();
    if (!pruned) found.push([...locks]);
  }
  const unclean = found.filter((locks) => locks.length > 0);
  expect(unclean.length).toBeGreaterThan(0);
  expect(unclean.length).toBeLessThan(found.length);
  for (const locks of unclean) {
    // Once for each lock and field, however often.
    expect(locks).toEqual([
      {
        kind: 'guarded-change',
        step: expect.any(Number),
        message: 'changer changes cursorLeft while reader holds device-replace 0 (shared), which protects it',
        tasks: ['changer', 'reader'],
        locks: ['device-replace 0'],
      },
    ]);
  }
});

test('a change by whoever holds the lock exclusively is right in every interleaving', () => {
  const world = new SimulatedWorld({ strategy: exhaustive({ sleepSets: false }) });
  let executions = 0;
  while (world.execute(changing('exclusive'))) {
    executions++;
    expect(world.report().locks).toEqual([]);
  }
  expect(executions).toBeGreaterThan(1);
});
