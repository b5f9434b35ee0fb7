import { expect, test } from 'vitest';
import { BlockTable } from '../record/block-table.ts';
import type { Task } from '../task/task.ts';
import type { IoPurpose, IoRequest } from '../task/world.ts';
import { type FaultAction, type FaultMatch, type FaultRule, problemsOf } from './fault-rule.ts';
import { SimulatedWorld } from './simulated-world.ts';
import { replay } from './strategies/replay.ts';
import type { WorldOptions } from './world-options.ts';

const DATA = { kind: 'data' } as const;
const FLUSH: IoRequest = { operation: 'flush', offset: 0, length: 0, purpose: DATA };

function rule(when: FaultMatch, then: FaultAction): FaultRule {
  return { name: 'rule', when, then };
}

function write(offset: number, purpose: IoPurpose = DATA, logical?: number): IoRequest {
  const bytes = new Uint8Array(4096).fill(offset / 4096 + 1);
  const where = logical === undefined ? {} : { logical };
  return { operation: 'write', offset, length: 4096, bytes, purpose, ...where };
}

function runWith(rules: readonly FaultRule[], main: (world: SimulatedWorld) => Task<void>, more: WorldOptions = {}) {
  const world = new SimulatedWorld({ rules, devices: [new BlockTable(65536), new BlockTable(65536)], ...more });
  world.execute(main);
  return world;
}

/** Performs the requests one after another while explored, and returns their errors. */
function errorsOf(rules: readonly FaultRule[], requests: readonly (readonly [device: number, IoRequest])[]) {
  const errors: (string | null)[] = [];
  const world = runWith(rules, function* main(own): Task<void> {
    own.beginExploration();
    for (const [device, request] of requests) {
      const result = yield* own.devices[device]!.perform(request);
      errors.push(result.error);
    }
    own.endExploration();
  });
  return { errors, world };
}

const EIO: FaultAction = { kind: 'fail', errno: 'EIO' };

test.each<[string, FaultMatch]>([
  ['operation', { operation: 'flush' }],
  ['device', { device: 1 }],
  ['physical range', { physical: { start: 8191, length: 1 } }],
  ['logical range', { logical: { start: 1_000_000, length: 4096 } }],
  ['purpose', { purpose: 'superblock' }],
  ['tree', { tree: 5 }],
])('a rule selects I/O by %s', (_what, when) => {
  const tree = (id: number): IoPurpose => ({ kind: 'tree-block', tree: id });
  const requests: Record<string, readonly [number, IoRequest]> = {
    operation: [0, FLUSH],
    device: [1, write(0)],
    physical: [0, write(4096)],
    logical: [0, write(0, DATA, 1_002_048)],
    purpose: [0, write(0, { kind: 'superblock' })],
    tree: [0, write(0, tree(5))],
    'another tree': [0, write(0, tree(2))],
    'another place': [0, write(8192, DATA, 2_000_000)],
  };
  const { errors, world } = errorsOf([rule(when, EIO)], Object.values(requests));
  const failed = Object.keys(requests).filter((_name, index) => errors[index] === 'EIO');
  expect(failed).toEqual([Object.keys(when)[0]]);
  expect(world.report().rules).toMatchObject([{ rule: 'rule', fired: 1, act: 'fail', errno: 'EIO' }]);
});

test.each<[string, FaultMatch['occurrence'], number[]]>([
  ['the nth', 3, [3]],
  ['every second', { every: 2 }, [2, 4, 6]],
  ['from the second to the fourth', { from: 2, to: 4 }, [2, 3, 4]],
  ['from the fifth', { from: 5 }, [5, 6]],
  ['all', undefined, [1, 2, 3, 4, 5, 6]],
])('a rule acts on %s of its matches', (_what, occurrence, expected) => {
  const when: FaultMatch = occurrence === undefined ? { device: 0 } : { device: 0, occurrence };
  const requests = Array.from({ length: 6 }, (_, index) => [0, write(index * 4096)] as const);
  const others = requests.flatMap((request) => [[1, write(0)] as const, request]);
  const { errors } = errorsOf([rule(when, EIO)], others);
  const own = errors.filter((_error, index) => index % 2 === 1);
  expect(own.flatMap((error, index) => (error === null ? [] : [index + 1]))).toEqual(expected);
});

test('a failed write leaves the medium as it was; a failed flush makes nothing durable', () => {
  const { world } = errorsOf(
    [rule({ operation: 'write', occurrence: 1 }, EIO), rule({ operation: 'flush' }, EIO)],
    [
      [0, write(0)],
      [0, write(4096)],
      [0, FLUSH],
    ],
  );
  const device = world.devices[0]!;
  expect([device.visible().read(0, 1)[0], device.visible().read(4096, 1)[0]]).toEqual([0, 2]);
  expect(device.durable().read(4096, 1)[0]).toBe(0);
  expect(device.unflushed()).toHaveLength(1);
});

test('rules match tasks by name, or by the start of the name', () => {
  const failed: string[] = [];
  function* worker(world: SimulatedWorld, name: string): Task<void> {
    const errno = world.mayFail('allocate-path');
    if (errno !== null) failed.push(`${name} ${errno}`);
    yield* world.point('done');
  }
  const rules = [
    rule({ site: 'allocate-path', task: 'reader' }, { kind: 'fail', errno: 'ENOMEM' }),
    rule({ site: 'allocate-path', task: 'ordered-extent *' }, { kind: 'fail', errno: 'ENOSPC' }),
  ];
  runWith(rules, function* main(world): Task<void> {
    expect(world.mayFail('allocate-path')).toBe(null);
    world.beginExploration();
    for (const name of ['reader', 'reader 2', 'ordered-extent 257 0']) {
      const task = world.spawn(name, worker(world, name));
      yield* task.join();
    }
  });
  expect(failed).toEqual(['reader ENOMEM', 'ordered-extent 257 0 ENOSPC']);
});

test('outside exploration no rule matches, and a rule that never fired says so', () => {
  const world = runWith([rule({ operation: 'write' }, EIO)], function* main(own): Task<void> {
    const result = yield* own.devices[0]!.perform(write(0));
    expect(result.error).toBe(null);
  });
  expect(world.report().rules).toMatchObject([{ fired: 0 }]);
});

// Odds of 1/4 over 400 writes: 100 expected, standard deviation 8.7; six of those on either side.
test('a probability is drawn for each match and goes on the tape', () => {
  const rules = [rule({ operation: 'write', probability: { numerator: 1, denominator: 4 } }, EIO)];
  const requests = Array.from({ length: 400 }, () => [0, write(0)] as const);
  const { errors, world } = errorsOf(rules, requests);
  const failures = errors.filter((error) => error !== null).length;
  expect(failures).toBeGreaterThan(48);
  expect(failures).toBeLessThan(152);
  const { tape } = world.report();
  expect(tape).toHaveLength(400);

  const again = replay(tape);
  const copy = runWith(
    rules,
    function* main(own): Task<void> {
      own.beginExploration();
      for (const [device, request] of requests) yield* own.devices[device]!.perform(request);
      own.endExploration();
    },
    { strategy: again },
  );
  expect(again.divergence).toBe(null);
  expect(copy.report().eventHash).toBe(world.report().eventHash);
});

/** Submits writes 0, 1, 2 … at once, and says in which order they completed. */
function completionOrder(rules: readonly FaultRule[], count: number, flushAfter = count): [string[], SimulatedWorld] {
  const world = runWith(
    rules,
    function* main(own): Task<void> {
      own.beginExploration();
      const pending = [];
      for (let index = 0; index < count; index++) {
        if (index === flushAfter) yield* own.devices[0]!.perform(FLUSH);
        pending.push(yield* own.devices[0]!.submit(write(index * 4096)));
      }
      for (const io of pending) yield* io.wait();
      own.endExploration();
    },
    { keepEvents: true },
  );
  const completions = world.report().events.filter(({ kind }) => kind === 'complete');
  const order = completions.map(({ what }) => /offset=(\d+)/.exec(what)?.[1] ?? 'flush');
  return [order.map((offset) => (offset === 'flush' ? offset : `${Number(offset) / 4096}`)), world];
}

test('completions come as they were submitted unless a rule says otherwise', () => {
  expect(completionOrder([], 4)[0]).toEqual(['0', '1', '2', '3']);
});

test('a completion held past k others comes after them', () => {
  const [order] = completionOrder([rule({ operation: 'write', occurrence: 1 }, { kind: 'reorder', hold: 2 })], 4);
  expect(order).toEqual(['1', '2', '0', '3']);
});

test('last first turns an epoch around, which ends when all else waits', () => {
  const [order] = completionOrder([rule({ operation: 'write' }, { kind: 'reorder', order: 'last-first' })], 4);
  expect(order).toEqual(['3', '2', '1', '0']);
});

test('an epoch ends at a flush of the device', () => {
  const rules = [rule({ operation: 'write' }, { kind: 'reorder', order: 'last-first' })];
  const [order] = completionOrder(rules, 5, 3);
  expect(order.indexOf('2')).toBeLessThan(order.indexOf('0'));
  expect(order.indexOf('0')).toBeLessThan(order.indexOf('4'));
  expect(order.indexOf('4')).toBeLessThan(order.indexOf('3'));
});

test('a shuffle completes each request once, and its draws are on the tape', () => {
  const [order, world] = completionOrder([rule({ operation: 'write' }, { kind: 'reorder', order: 'shuffle' })], 8);
  expect([...order].sort()).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
  expect(order).not.toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
  // Entries of draws are odd, those of choices even.
  expect(world.report().tape.filter((entry) => entry % 2 === 1)).toHaveLength(7);
});

test('a delay takes virtual time', () => {
  const world = runWith([rule({ operation: 'write' }, { kind: 'delay', for: 5e9 })], function* main(own): Task<void> {
    own.beginExploration();
    yield* own.devices[0]!.perform(write(0));
    expect(own.now()).toBe(5e9);
  });
  expect(world.report().time).toBe(5e9);
});

/** Two tasks of two points each; returns the order in which the points were passed. */
function passesOf(rules: readonly FaultRule[], options: WorldOptions = {}): [string[], SimulatedWorld] {
  const lines: string[] = [];
  function* walker(world: SimulatedWorld, name: string): Task<void> {
    yield* world.point('first');
    lines.push(`${name} first`);
    const held = yield* world.mutex(`lock of ${name}`, 0).acquire();
    held.release();
    yield* world.point('second');
    lines.push(`${name} second`);
  }
  const world = runWith(
    rules,
    function* main(own): Task<void> {
      own.beginExploration();
      const tasks = [own.spawn('a', walker(own, 'a')), own.spawn('b', walker(own, 'b'))];
      for (const task of tasks) yield* task.join();
      own.endExploration();
    },
    options,
  );
  return [lines, world];
}

test('a task waits at its point until another has passed one', () => {
  const until = { task: 'b', passes: 'first' };
  const [lines, world] = passesOf([rule({ task: 'a', point: 'first' }, { kind: 'delay', until })]);
  expect(lines.indexOf('b first')).toBeLessThan(lines.indexOf('a first'));
  expect(world.report().rules).toMatchObject([{ fired: 1, released: 0 }]);
});

test('a task may be delayed before it takes a lock of a class', () => {
  const until = { task: 'b', passes: 'second' };
  const [lines] = passesOf([rule({ lock: 'lock of a' }, { kind: 'delay', until })]);
  expect(lines).toEqual(['a first', 'b first', 'b second', 'a second']);
});

test('a delay of n events ends after n others', () => {
  const [lines] = passesOf([rule({ task: 'a', point: 'first' }, { kind: 'delay', events: 2 })]);
  expect(lines[0]).toBe('b first');
});

test('a delay that nothing can end is released and reported', () => {
  const until = { task: 'nobody', passes: 'nowhere' };
  const [lines, world] = passesOf([rule({ task: 'a', point: 'second' }, { kind: 'delay', until })]);
  expect(lines).toEqual(['a first', 'b first', 'b second', 'a second']);
  expect(world.report()).toMatchObject({ hung: false, rules: [{ fired: 1, released: 1 }] });
});

test('a delayed task stands at its decision point afterwards', () => {
  const until = { task: 'b', passes: 'first' };
  const options = { decideAt: new Set(['first', 'second']) };
  const [lines] = passesOf([rule({ task: 'a', point: 'first' }, { kind: 'delay', until })], options);
  expect(lines[0]).toBe('b first');
  expect(lines).toHaveLength(4);
});

test('an unsound rule is refused with all that is wrong with it', () => {
  const bad = rule(
    { point: 'x', operation: 'read', occurrence: 0, probability: { numerator: 3, denominator: 2 } },
    { kind: 'fail', errno: 'EWHAT' as 'EIO' },
  );
  expect(problemsOf(bad)).toHaveLength(5);
  expect(() => new SimulatedWorld({ rules: [bad] })).toThrow(/operation selects I\/O.*EWHAT is not an errno/s);
  expect(problemsOf(rule({ site: 'x' }, { kind: 'delay', for: 1 }))).toHaveLength(1);
  expect(problemsOf(rule({ lock: 'x' }, { kind: 'reorder', hold: 1 }))).toHaveLength(1);
  expect(problemsOf(rule({ operation: 'write', purpose: 'data', tree: 5 }, EIO))).toHaveLength(1);
});
