import { expect, test } from 'vitest';
import { randomStream } from '../base/random.ts';
import { BlockTable } from '../record/block-table.ts';
import { resource } from '../task/resource.ts';
import type { Task } from '../task/task.ts';
import type { Counter, Held, Mutex, PendingIo, RangeLock, RwSemaphore, TaskHandle, WaitQueue } from '../task/world.ts';
import { SimulatedWorld } from './simulated-world.ts';
import { type ExhaustiveResult, exhaustive } from './strategies/exhaustive.ts';
import { LostUpdate } from './toy.ts';
import type { WorldOptions } from './world-options.ts';

/** One step of a toy program, on things named by small numbers. */
type Op =
  | readonly ['point' | 'get' | 'set' | 'add' | 'lock' | 'share' | 'own' | 'try' | 'range' | 'spawn', number]
  | readonly ['release' | 'await' | 'signal' | 'enter' | 'leave' | 'drain' | 'flush' | 'collect' | 'kill', number]
  | readonly ['write' | 'fua' | 'read' | 'submit' | 'maybe', number];

const DATA = { kind: 'data' } as const;

/** A program, the things it shares, and what can be seen of it when it has ended. */
class Toy {
  readonly programs: readonly (readonly Op[])[];
  private readonly explored: number;
  cells: number[] = [];
  seen: string[][] = [];
  private mutexes: Mutex[] = [];
  private semaphores: RwSemaphore[] = [];
  private range!: RangeLock;
  private queue!: WaitQueue;
  private counter!: Counter;
  private signals = 0;
  private handles: TaskHandle<void>[] = [];

  /** The first `explored` programs start at once; the others when a `spawn` names them. */
  constructor(programs: readonly (readonly Op[])[], explored = programs.length) {
    this.programs = programs;
    this.explored = explored;
  }

  readonly main = (world: SimulatedWorld): Task<void> => this.run(world);

  outcome(world: SimulatedWorld): string {
    const { locks, hung } = world.report();
    const cycle = locks.find(({ kind }) => kind === 'wait-cycle');
    // A cycle ends the run at once, wherever the others are.
    if (cycle !== undefined) return `cycle ${[...cycle.tasks].sort().join()}`;
    // Of two tasks that nest locks in opposite orders, the later one is blamed.
    const left = locks.map(({ kind, tasks }) => (kind === 'order-violation' ? kind : `${kind} ${tasks.join()}`)).sort();
    const device = world.devices[0];
    const disk = device === undefined ? '' : `${device.visible().fingerprint} ${device.durable().fingerprint}`;
    return JSON.stringify([hung, [...new Set(left)], this.cells, this.seen, disk]);
  }

  private *run(world: SimulatedWorld): Task<void> {
    this.cells = [0, 0];
    this.seen = this.programs.map(() => []);
    this.mutexes = [world.mutex('mutex', 0), world.mutex('mutex', 1)];
    this.semaphores = [world.rwSemaphore('semaphore', 0), world.rwSemaphore('semaphore', 1)];
    this.range = world.rangeLock('range', 0);
    this.queue = world.waitQueue('queue', 0);
    this.counter = world.counter('counter', 0);
    this.signals = 0;
    this.handles = [];
    world.beginExploration();
    for (let i = 0; i < this.explored; i++) this.handles.push(world.spawn(`t${i}`, this.task(world, i)));
    const started = this.handles.slice();
    for (const handle of started) {
      try {
        yield* handle.join();
      } catch {
        // Killed by another: an outcome like any other.
      }
    }
    world.endExploration();
  }

  private *task(world: SimulatedWorld, index: number): Task<void> {
    const held: Held[] = [];
    const pending: PendingIo[] = [];
    const seen = this.seen[index]!;
    let last = 0;
    for (const [kind, n] of this.programs[index]!) {
      const cell = n % this.cells.length;
      switch (kind) {
        case 'point':
          yield* world.point('toy');
          break;
        case 'get':
          yield* world.point('toy');
          world.touch(resource('test', cell), 'read');
          last = this.cells[cell]!;
          seen.push(`${last}`);
          break;
        case 'set':
          yield* world.point('toy');
          world.touch(resource('test', cell), 'write');
          this.cells[cell] = last * 2 + index + 1;
          break;
        case 'add':
          world.touch(resource('test', cell), 'write');
          this.cells[cell]! += index + 1;
          break;
        case 'lock':
          held.push(yield* this.mutexes[n % 2]!.acquire());
          break;
        case 'share':
          held.push(yield* this.semaphores[n % 2]!.acquire('shared'));
          break;
        case 'own':
          held.push(yield* this.semaphores[n % 2]!.acquire('exclusive'));
          break;
        case 'try': {
          const got = yield* this.semaphores[n % 2]!.tryAcquire('exclusive');
          seen.push(got === null ? 'no' : 'yes');
          if (got !== null) held.push(got);
          break;
        }
        case 'range':
          held.push(yield* this.range.acquire(n * 10, 15));
          break;
        case 'release':
          held.pop()?.release();
          break;
        case 'await':
          for (;;) {
            world.touch(resource('test', 90), 'read');
            if (this.signals > 0) break;
            yield* this.queue.wait();
          }
          break;
        case 'signal':
          world.touch(resource('test', 90), 'write');
          this.signals += 1;
          if (n % 2 === 0) this.queue.wakeOne();
          else this.queue.wakeAll();
          break;
        case 'enter':
          this.counter.add(1);
          break;
        case 'leave':
          if (this.counter.value > 0) this.counter.add(-1);
          break;
        case 'drain':
          yield* this.counter.waitZero();
          break;
        case 'write':
        case 'fua':
        case 'submit': {
          const bytes = new Uint8Array(4096).fill(index * 16 + n + 1);
          const request = { operation: 'write', offset: cell * 4096, length: 4096, bytes, purpose: DATA } as const;
          if (kind === 'submit') pending.push(yield* world.devices[0]!.submit(request));
          else yield* world.devices[0]!.perform({ ...request, fua: kind === 'fua' });
          break;
        }
        case 'read': {
          const request = { operation: 'read', offset: cell * 4096, length: 4096, purpose: DATA } as const;
          const result = yield* world.devices[0]!.perform(request);
          seen.push(result.error ?? `${result.bytes[0]}`);
          break;
        }
        case 'collect':
          for (const io of pending.splice(0)) yield* io.wait();
          break;
        case 'flush':
          yield* world.devices[0]!.perform({ operation: 'flush', offset: 0, length: 0, purpose: DATA });
          break;
        case 'spawn':
          this.handles.push(world.spawn(`t${n}`, this.task(world, n)));
          break;
        case 'kill': {
          if (n === index) break;
          const victim = this.handles[n]!;
          seen.push(victim.isDone ? 'late' : 'killed');
          victim.kill();
          break;
        }
        case 'maybe':
          seen.push(world.mayFail('toy-site') ?? 'fine');
          break;
      }
    }
    for (const one of held.reverse()) one.release();
  }
}

interface Search {
  readonly outcomes: string[];
  readonly result: ExhaustiveResult;
}

function search(toy: Toy, sleepSets: boolean, options: WorldOptions = {}, executionsMax = 400_000): Search {
  const strategy = exhaustive({ sleepSets, executionsMax });
  const world = new SimulatedWorld({ devices: [new BlockTable(64 * 1024)], ...options, strategy });
  const outcomes = new Set<string>();
  while (world.execute(toy.main)) if (!world.isPruned) outcomes.add(toy.outcome(world));
  return { outcomes: [...outcomes].sort(), result: strategy.result };
}

const POINTS_ONLY: WorldOptions = { decideAt: new Set(['toy']) };

function expectSameOutcomes(toy: Toy, options: WorldOptions = {}): { plain: Search; pruned: Search } {
  const plain = search(toy, false, options);
  const pruned = search(toy, true, options);
  expect(plain.result.complete).toBe(true);
  expect(pruned.result.complete).toBe(true);
  expect(pruned.outcomes).toEqual(plain.outcomes);
  expect(pruned.result.explored).toBeLessThanOrEqual(plain.result.explored);
  return { plain, pruned };
}

// Four steps in each of three tasks: 12! / (4!)³ = 34,650 orders. Pruned, one for each order of the conflicting steps:
// of 6! / (2!)³ = 90 orders of three reads and three writes, 36 differ in more than the order of adjacent reads.
test('three lost updates with two idle steps each: 34,650 interleavings, and 36 of them explored', () => {
  const update: Op[] = [
    ['point', 0],
    ['point', 0],
    ['get', 0],
    ['set', 0],
  ];
  const { plain, pruned } = expectSameOutcomes(new Toy([update, update, update]), POINTS_ONLY);
  expect(plain.result.explored).toBe(34_650);
  expect(pruned.result.explored).toBe(36);
});

test('two tasks of four and two points have 15 interleavings', () => {
  const points = (count: number): Op[] => Array.from({ length: count }, () => ['point', 0] as const);
  const { plain, pruned } = expectSameOutcomes(new Toy([points(4), points(2)]), POINTS_ONLY);
  expect(plain.result).toEqual({ explored: 15, pruned: 0, complete: true });
  // The points touch nothing; main alone can tell which task ended first.
  expect(pruned.result.explored).toBe(2);
});

test('the toy of the bench loses its update in the same ways with and without pruning', () => {
  for (const sleepSets of [false, true]) {
    const toy = new LostUpdate();
    const strategy = exhaustive({ sleepSets });
    const world = new SimulatedWorld({ strategy, decideAt: new Set(['toy-read', 'toy-compute', 'toy-write']) });
    const values = new Set<number>();
    while (world.execute(toy.main)) if (!world.isPruned) values.add(toy.value);
    expect([...values].sort()).toEqual([1, 2]);
    // 6! / (3! 3!) orders; of the reads and writes alone, four classes.
    expect(strategy.result.explored).toBe(sleepSets ? 4 : 20);
  }
});

const NAMED: Record<string, Toy> = {
  'critical sections under one mutex': new Toy([
    [
      ['lock', 0],
      ['get', 0],
      ['set', 0],
      ['release', 0],
    ],
    [
      ['lock', 0],
      ['get', 0],
      ['set', 0],
      ['release', 0],
    ],
  ]),
  'own leaf, then the common root': new Toy([
    [
      ['lock', 0],
      ['add', 0],
      ['own', 0],
      ['add', 1],
    ],
    [
      ['lock', 1],
      ['add', 0],
      ['own', 0],
      ['add', 1],
    ],
  ]),
  'two mutexes in opposite orders': new Toy([
    [
      ['lock', 0],
      ['lock', 1],
      ['add', 0],
    ],
    [
      ['lock', 1],
      ['lock', 0],
      ['add', 0],
    ],
    [['add', 1]],
  ]),
  'readers, a writer and one that only tries': new Toy([
    [
      ['share', 0],
      ['get', 0],
      ['release', 0],
    ],
    [
      ['own', 0],
      ['set', 0],
      ['release', 0],
    ],
    [
      ['try', 0],
      ['set', 0],
    ],
  ]),
  'a reader that reads again behind a waiting writer': new Toy([
    [
      ['share', 0],
      ['point', 0],
      ['share', 0],
      ['release', 0],
    ],
    [
      ['own', 0],
      ['add', 0],
    ],
  ]),
  'byte ranges that overlap, and one that does not': new Toy([
    [
      ['range', 0],
      ['get', 0],
      ['set', 0],
    ],
    [
      ['range', 1],
      ['get', 0],
      ['add', 0],
    ],
    [
      ['range', 4],
      ['add', 1],
    ],
  ]),
  'sleepers and wake-ups, one at a time': new Toy([
    [
      ['await', 0],
      ['get', 0],
    ],
    [
      ['await', 0],
      ['add', 0],
    ],
    [
      ['add', 0],
      ['signal', 0],
      ['point', 0],
      ['signal', 0],
    ],
  ]),
  'a counter that falls to zero more than once': new Toy([
    [
      ['enter', 0],
      ['point', 0],
      ['add', 0],
      ['leave', 0],
    ],
    [
      ['drain', 0],
      ['get', 0],
    ],
    [
      ['enter', 0],
      ['add', 0],
      ['point', 0],
      ['leave', 0],
    ],
  ]),
  'writes, a read and a flush on one device': new Toy([
    [
      ['write', 0],
      ['flush', 0],
    ],
    [
      ['fua', 0],
      ['read', 1],
    ],
  ]),
  'overlapping writes in flight': new Toy([
    [
      ['submit', 0],
      ['submit', 0],
      ['collect', 0],
    ],
    [['read', 0]],
  ]),
  'a task that starts another, and one that kills': new Toy(
    [
      [
        ['spawn', 2],
        ['add', 0],
        ['point', 0],
      ],
      [
        ['point', 0],
        ['kill', 0],
      ],
      [
        ['get', 0],
        ['add', 1],
      ],
    ],
    2,
  ),
};

for (const [name, toy] of Object.entries(NAMED)) {
  test(`pruning loses no outcome: ${name}`, () => {
    const { plain, pruned } = expectSameOutcomes(toy);
    expect(pruned.result.explored).toBeLessThan(plain.result.explored);
  });
}

test('pruning loses no outcome of rules that count, draw and fail', () => {
  const when = { site: 'toy-site', occurrence: 2 };
  const odds = { site: 'toy-site', probability: { numerator: 1, denominator: 3 } };
  const rules = [
    { name: 'second', when, then: { kind: 'fail', errno: 'ENOMEM' } },
    { name: 'perhaps', when: odds, then: { kind: 'fail', errno: 'EIO' } },
  ] as const;
  const program: Op[] = [
    ['point', 0],
    ['maybe', 0],
    ['get', 0],
  ];
  expectSameOutcomes(new Toy([program, program]), { rules });
});

test('pruning loses no outcome of rules that delay and reorder completions', () => {
  const rules = [
    { name: 'hold', when: { operation: 'write', occurrence: 2 }, then: { kind: 'reorder', hold: 1 } },
    { name: 'late', when: { task: 't0', operation: 'read' }, then: { kind: 'delay', events: 2 } },
    { name: 'last', when: { task: 't1' }, then: { kind: 'reorder', order: 'last-first' } },
  ] as const;
  const programs: Op[][] = [
    [
      ['read', 0],
      ['add', 0],
    ],
    [
      ['submit', 0],
      ['submit', 1],
      ['get', 0],
    ],
  ];
  expectSameOutcomes(new Toy(programs), { rules });
});

// Goal: find an access that a footprint lacks. Method: small random programs over all primitives; where the plain
// search is small enough to finish, both searches must see the same outcomes.
test('on random small programs the pruned and the plain search see the same outcomes', () => {
  const random = randomStream('pruning', 'workload');
  const kinds = [
    'get',
    'set',
    'add',
    'lock',
    'share',
    'own',
    'try',
    'range',
    'release',
    'await',
    'signal',
    'enter',
    'leave',
    'drain',
    'write',
    'fua',
    'read',
    'submit',
    'collect',
    'flush',
    'point',
    'kill',
  ] as const;
  let compared = 0;
  for (let round = 0; round < 120; round++) {
    const tasks = 2 + random.below(2);
    const steps = tasks === 2 ? 4 : 2;
    const programs = Array.from({ length: tasks }, () =>
      Array.from(
        { length: 1 + random.below(steps) },
        () => [kinds[random.below(kinds.length)]!, random.below(2)] as Op,
      ),
    );
    const toy = new Toy(programs);
    const plain = search(toy, false, {}, 1_500);
    if (!plain.result.complete) continue;
    compared += 1;
    const pruned = search(toy, true);
    expect({ programs, outcomes: pruned.outcomes }).toEqual({ programs, outcomes: plain.outcomes });
  }
  expect(compared).toBeGreaterThan(60);
});

test('a bound on executions stops the search and says that it is not complete', () => {
  const strategy = exhaustive({ sleepSets: false, executionsMax: 5 });
  const world = new SimulatedWorld({ strategy });
  const toy = new LostUpdate();
  let executions = 0;
  while (world.execute(toy.main)) executions += 1;
  expect(executions).toBe(5);
  expect(strategy.result).toEqual({ explored: 5, pruned: 0, complete: false });
});
