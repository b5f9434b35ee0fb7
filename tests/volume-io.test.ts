import { describe, expect, test } from 'vitest';
import { sameBytes } from '../src/base/bytes.ts';
import { KIB, MIB } from '../src/base/units.ts';
import { allFixes } from '../src/fs/fixes.ts';
import { BLOCK_GROUP_FLAG } from '../src/fs/format/block-group.ts';
import { LOCK_ORDER } from '../src/fs/lock-order.ts';
import { Device, REPLACE_TARGET_ID } from '../src/fs/volume/device.ts';
import { readMirror, submitDiscard, Volume, type VolumeHost, writeLogical } from '../src/fs/volume/volume.ts';
import { SimulatedWorld } from '../src/inject/simulated-world.ts';
import { exhaustive } from '../src/inject/strategies/exhaustive.ts';
import { seededRandom } from '../src/inject/strategies/seeded-random.ts';
import { BlockTable } from '../src/record/block-table.ts';
import type { Task } from '../src/task/task.ts';

/**
 * Goal: at the moment when a device replace swaps its devices, no I/O is under way, none begins before the end of the
 * swap, none uses the source after it, and what was written is on the target. Method: writers, readers and discards
 * race with a task that does to the volume what the end of a replace does.
 */
const LOGICAL = 64 * MIB;
const DATA = { kind: 'data' } as const;
const SOURCE = 0;
const TARGET = 2;

interface Host extends VolumeHost {
  readonly world: SimulatedWorld;
}

function hostOf(world: SimulatedWorld): Host {
  const volume = new Volume(world);
  for (const index of [0, 1]) {
    volume.addDevice(new Device(index + 1, world.devices[index]!, new Uint8Array(16), 4 * MIB, 0));
  }
  volume.addChunk({
    logical: LOGICAL,
    length: MIB,
    flags: BLOCK_GROUP_FLAG.DATA | BLOCK_GROUP_FLAG.RAID0,
    stripeLength: 64 * KIB,
    stripes: [1, 2].map((id) => ({ device: volume.device(id), physical: 2 * MIB })),
  });
  return { world, volume, fixes: allFixes(), mutations: new Set(), isReadOnly: false };
}

function* startReplace({ volume, world }: Host): Task<void> {
  const held = yield* volume.replace.lock.acquire('exclusive');
  const target = new Device(REPLACE_TARGET_ID, world.devices[TARGET]!, new Uint8Array(16), 4 * MIB, 0);
  volume.addDevice(target);
  volume.replace.source = volume.device(1);
  volume.replace.target = target;
  volume.replace.phase = 'started';
  held.release();
}

/** Returns what was in flight on the devices when the count was zero, and when the swap was over. */
function* swap({ volume, world }: Host): Task<readonly number[]> {
  const { replace } = volume;
  const held = yield* replace.lock.acquire('exclusive');
  replace.phase = 'finished';
  replace.isBlockingIo = true;
  held.release();
  yield* volume.ioUnderWay.waitZero();
  const inFlight = world.devices.map((device) => device.inFlight().length);
  const source = volume.device(1);
  const target = replace.target!;
  for (const chunk of volume.chunks()) {
    for (const [index, stripe] of chunk.stripes.entries()) {
      if (stripe.device === source) volume.moveStripe(chunk, index, target);
      yield* world.point('replace-swap');
    }
  }
  inFlight.push(...world.devices.map((device) => device.inFlight().length));
  target.id = 1;
  source.id = REPLACE_TARGET_ID;
  volume.removeDevice(source);
  replace.source = null;
  replace.target = null;
  replace.isBlockingIo = false;
  replace.unblocked.wakeAll();
  return inFlight;
}

function* writeOne(host: Host, at: number, fill: number): Task<void> {
  expect(yield* writeLogical(host, LOGICAL + at, new Uint8Array(12 * KIB).fill(fill), DATA)).toBe(null);
}

function* readOne(host: Host, at: number): Task<void> {
  const result = yield* readMirror(host, LOGICAL + at, 12 * KIB, 0, DATA);
  expect(result.error).toBe(null);
}

function* discardOne(host: Host, at: number): Task<void> {
  const discard = yield* submitDiscard(host, LOGICAL + at, 8 * KIB);
  expect(yield* discard.wait()).toBe(null);
}

const DISKS = () => [0, 1, 2].map(() => new BlockTable(4 * MIB));
const BORDER = 128 * KIB - 4 * KIB;

function* race(world: SimulatedWorld, isBusy: boolean): Task<void> {
  const host = hostOf(world);
  yield* startReplace(host);
  world.beginExploration();
  const tasks = [
    world.spawn('w1', writeOne(host, BORDER, 1)),
    ...(isBusy
      ? [
          world.spawn('w2', writeOne(host, 256 * KIB - 4 * KIB, 2)),
          world.spawn('reader', readOne(host, BORDER)),
          world.spawn('discard', discardOne(host, 512 * KIB)),
        ]
      : []),
  ];
  const swapper = world.spawn('swap', swap(host));
  const inFlight = yield* swapper.join();
  for (const task of tasks) yield* task.join();
  world.endExploration();
  expect(inFlight.every((count) => count === 0)).toBe(true);
  expect(host.volume.ioUnderWay.value).toBe(0);
  const written = yield* readMirror(host, LOGICAL + BORDER, 12 * KIB, 0, DATA);
  expect(written.error === null && sameBytes(written.bytes, new Uint8Array(12 * KIB).fill(1))).toBe(true);
  expect(host.volume.findDeviceByIndex(SOURCE)).toBe(null);
}

describe('I/O against the swap of a device replace', () => {
  test('every schedule of one write that spans both devices', () => {
    const world = new SimulatedWorld({ devices: DISKS(), lockOrder: LOCK_ORDER, strategy: exhaustive() });
    let executions = 0;
    while (world.execute((own) => race(own, false))) {
      executions++;
      expect(world.report().locks).toEqual([]);
    }
    expect(executions).toBeGreaterThan(20);
  });

  test('300 random schedules of writers, a reader and a discard', () => {
    const world = new SimulatedWorld({
      devices: DISKS(),
      lockOrder: LOCK_ORDER,
      strategy: seededRandom({ seed: '1' }),
    });
    for (let run = 0; run < 300; run++) {
      world.execute((own) => race(own, true));
      expect(world.report().locks).toEqual([]);
    }
  });
});

test('whoever submits many writes before waiting for the first does not hang when the swap comes in between', () => {
  const world = new SimulatedWorld({ devices: DISKS(), lockOrder: LOCK_ORDER, strategy: seededRandom({ seed: '2' }) });
  function* main(own: SimulatedWorld): Task<void> {
    const host = hostOf(own);
    yield* startReplace(host);
    own.beginExploration();
    const swapper = own.spawn('swap', swap(host));
    const discards = [];
    for (let at = 0; at < 8; at++) discards.push(yield* submitDiscard(host, LOGICAL + at * 64 * KIB, 4 * KIB));
    yield* swapper.join();
    for (const discard of discards) expect(yield* discard.wait()).toBe(null);
    own.endExploration();
  }
  for (let run = 0; run < 200; run++) {
    world.execute(main);
    expect(world.report().locks).toEqual([]);
  }
});
