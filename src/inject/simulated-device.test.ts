import { expect, test } from 'vitest';
import { BlockTable } from '../record/block-table.ts';
import type { Task } from '../task/task.ts';
import type { IoRequest, PendingIo } from '../task/world.ts';
import type { SimulatedDevice } from './simulated-device.ts';
import { SimulatedWorld } from './simulated-world.ts';
import { exhaustive } from './strategies/exhaustive.ts';

const DATA = { kind: 'data' } as const;
const FLUSH: IoRequest = { operation: 'flush', offset: 0, length: 0, purpose: DATA };

function write(offset: number, value: number, length = 4096, fua = false): IoRequest {
  return { operation: 'write', offset, length, bytes: new Uint8Array(length).fill(value), fua, purpose: DATA };
}

function read(offset: number, length = 4096): IoRequest {
  return { operation: 'read', offset, length, purpose: DATA };
}

/** Runs with one device of 64 KiB. */
function withDevice(body: (world: SimulatedWorld, device: SimulatedDevice) => Task<void>): SimulatedWorld {
  const world = new SimulatedWorld({ devices: [new BlockTable(65536)] });
  world.execute((own) => body(own, own.devices[0]!));
  return world;
}

const firstByte = (image: BlockTable, offset: number) => image.read(offset, 512)[0];

test('a write is seen by reads from its completion on, and not before', () => {
  withDevice(function* main(_world, device): Task<void> {
    const pending: PendingIo = yield* device.submit(write(4096, 7));
    expect(firstByte(device.visible(), 4096)).toBe(0);
    expect(device.inFlight().map(({ offset }) => offset)).toEqual([4096]);
    yield* pending.wait();
    expect(device.inFlight()).toEqual([]);
    const result = yield* device.perform(read(4096));
    expect(result.error === null && result.bytes[0]).toBe(7);
  });
});

test('a completed write is volatile until a flush submitted after its completion completes', () => {
  withDevice(function* main(_world, device): Task<void> {
    yield* device.perform(write(0, 1));
    const late = yield* device.submit(write(4096, 2));
    const flush = yield* device.submit(FLUSH);
    yield* late.wait();
    expect(firstByte(device.durable(), 0)).toBe(0);
    yield* flush.wait();
    expect(firstByte(device.durable(), 0)).toBe(1);
    // Completed after the flush was submitted: not covered, though it completed before the flush did.
    expect(firstByte(device.durable(), 4096)).toBe(0);
    expect(device.unflushed().map(({ request }) => request.offset)).toEqual([4096]);
    yield* device.perform(FLUSH);
    expect(firstByte(device.durable(), 4096)).toBe(2);
    expect(device.unflushed()).toEqual([]);
  });
});

test('FUA makes its own write durable and no other', () => {
  withDevice(function* main(_world, device): Task<void> {
    yield* device.perform(write(0, 1));
    yield* device.perform(write(4096, 2, 4096, true));
    expect([firstByte(device.durable(), 0), firstByte(device.durable(), 4096)]).toEqual([0, 2]);
    expect(device.unflushed().map(({ sequence, isDurable }) => [sequence, isDurable])).toEqual([
      [1, false],
      [2, true],
    ]);
  });
});

test('an older cached write never comes back over a newer durable one', () => {
  withDevice(function* main(_world, device): Task<void> {
    yield* device.perform(write(0, 1));
    const flush = yield* device.submit(FLUSH);
    yield* device.perform(write(0, 2, 512, true));
    yield* flush.wait();
    expect([firstByte(device.durable(), 0), firstByte(device.durable(), 512)]).toEqual([2, 1]);
    expect(device.durable().fingerprint).toBe(device.visible().fingerprint);
  });
});

test('overlapping writes in flight end in either order, as the completions are scheduled', () => {
  const strategy = exhaustive();
  const world = new SimulatedWorld({ strategy, devices: [new BlockTable(65536)] });
  const seen = new Set<number | undefined>();
  function* main(own: SimulatedWorld): Task<void> {
    const device = own.devices[0]!;
    own.beginExploration();
    const first = yield* device.submit(write(0, 1));
    const second = yield* device.submit(write(0, 2));
    yield* first.wait();
    yield* second.wait();
    own.endExploration();
    seen.add(firstByte(device.visible(), 0));
  }
  while (world.execute(main));
  expect([...seen].sort()).toEqual([1, 2]);
});

test('a discard reads as zeroes, and is as volatile as a write', () => {
  withDevice(function* main(_world, device): Task<void> {
    yield* device.perform(write(0, 1));
    yield* device.perform(FLUSH);
    yield* device.perform({ operation: 'discard', offset: 0, length: 4096, purpose: DATA });
    expect([firstByte(device.visible(), 0), firstByte(device.durable(), 0)]).toEqual([0, 1]);
    yield* device.perform(FLUSH);
    expect(firstByte(device.durable(), 0)).toBe(0);
  });
});

test('each execution starts from the same disks, or from those it is given', () => {
  const image = new BlockTable(65536);
  image.write(0, new Uint8Array(4096).fill(5));
  const world = new SimulatedWorld({ devices: [image] });
  const bytes: (number | undefined)[] = [];
  function* main(own: SimulatedWorld): Task<void> {
    const result = yield* own.devices[0]!.perform(read(0));
    bytes.push(result.error === null ? result.bytes[0] : undefined);
    yield* own.devices[0]!.perform(write(0, 9));
  }
  world.execute(main);
  const after = world.devices[0]!.visible();
  world.execute(main);
  world.execute(main, [after]);
  expect(bytes).toEqual([5, 5, 9]);
  expect(firstByte(image, 0)).toBe(5);
});

test('I/O in flight when main ends is reported, and still completes', () => {
  const world = withDevice(function* main(_world, device): Task<void> {
    yield* device.submit(write(0, 3));
  });
  expect(world.report().locks).toMatchObject([{ kind: 'waiting-at-end', tasks: ['main'] }]);
  expect(world.report().locks[0]!.message).toContain('write device=0 offset=0 length=4096 purpose=data');
  expect(firstByte(world.devices[0]!.visible(), 0)).toBe(3);
});

test.each([
  ['whole 512-byte sectors', read(100, 512)],
  ['lies inside its device', read(65536 - 512, 1024)],
  ['brings exactly its length', { ...write(0, 1), length: 8192 }],
  ['a flush has no range', { ...FLUSH, length: 512 }],
])('a request that makes no sense is a fault of the bench: %s', (law, request) => {
  expect(() =>
    withDevice(function* main(_world, device): Task<void> {
      yield* device.perform(request);
    }),
  ).toThrow(law);
});

test('the I/O watcher sees discards and scrub I/O before they take effect, never one that fails', () => {
  const scrub = { kind: 'scrub' } as const;
  const seen: string[] = [];
  const world: SimulatedWorld = new SimulatedWorld({
    devices: [new BlockTable(65536)],
    rules: [{ name: 'no', when: { operation: 'discard', occurrence: 2 }, then: { kind: 'fail', errno: 'EIO' } }],
    ioWatcher: (device, { operation, offset, purpose }) => {
      seen.push(`${operation} ${device} ${offset} ${purpose.kind}: ${firstByte(world.devices[0]!.visible(), 0)}`);
    },
  });
  world.execute(function* main(): Task<void> {
    const device = world.devices[0]!;
    world.beginExploration();
    yield* device.perform(write(0, 7));
    yield* device.perform({ ...read(0), purpose: scrub });
    yield* device.perform({ ...write(0, 8), purpose: scrub });
    yield* device.perform({ operation: 'discard', offset: 0, length: 4096, purpose: DATA });
    yield* device.perform({ operation: 'discard', offset: 4096, length: 4096, purpose: DATA });
    yield* device.perform(read(0));
    yield* device.perform(FLUSH);
  });
  expect(seen).toEqual(['read 0 0 scrub: 7', 'write 0 0 scrub: 7', 'discard 0 0 data: 8']);
});
