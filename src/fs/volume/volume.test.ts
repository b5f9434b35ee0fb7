import { describe, expect, test } from 'vitest';
import { sameBytes } from '../../base/bytes.ts';
import { KIB, MIB } from '../../base/units.ts';
import { runAtomically } from '../../task/task.ts';
import type { IoRequest } from '../../task/world.ts';
import { allFixes, FIXES, FixSet } from '../fixes.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { MemoryWorld } from '../testing/memory-world.ts';
import type { Chunk } from './chunk-map.ts';
import { Device, REPLACE_TARGET_ID } from './device.ts';
import { firstMirror } from './logical-read.ts';
import { dataStripesOf, profileNamed } from './profiles.ts';
import {
  flushAllDevices,
  mirrorCount,
  readLogical,
  readMirror,
  repairMirror,
  submitDiscard,
  submitLogicalWrite,
  Volume,
  writeLogical,
} from './volume.ts';

const DATA = { kind: 'data' } as const;
const METADATA = { kind: 'tree-block', tree: 5 } as const;
const LOGICAL = 128 * MIB;
const UUID = new Uint8Array(16);

interface Host {
  readonly world: MemoryWorld;
  readonly volume: Volume;
  readonly fixes: FixSet;
  readonly mutations: ReadonlySet<string>;
  readonly isReadOnly: boolean;
  readonly chunk: Chunk;
}

/** Devices 1 to 4, and a spare; one chunk of 1 MiB per data stripe that begins at 2 MiB of each device. */
function hostOf(
  profileName: string,
  stripes: number,
  options: { missing?: number[]; fixes?: FixSet; mutations?: string[] } = {},
): Host {
  const world = new MemoryWorld(new Array<number>(5).fill(16 * MIB));
  const volume = new Volume(world);
  for (let id = 4; id >= 1; id--) {
    const block = options.missing?.includes(id) === true ? null : world.devices[id - 1]!;
    volume.addDevice(new Device(id, block, UUID, 16 * MIB, 0));
  }
  const profile = profileNamed(profileName)!;
  const chunk: Chunk = {
    logical: LOGICAL,
    length: dataStripesOf(profile.bit, stripes) * MIB,
    flags: BLOCK_GROUP_FLAG.DATA | profile.bit,
    stripeLength: 64 * KIB,
    stripes: Array.from({ length: stripes }, (_, index) => ({
      device: volume.device(profile.stripesPerDevice === 2 ? 1 : index + 1),
      physical: 2 * MIB + (profile.stripesPerDevice === 2 ? index * 4 * MIB : 0),
    })),
  };
  volume.addChunk(chunk);
  const { fixes = allFixes(), mutations = [] } = options;
  return { world, volume, fixes, mutations: new Set(mutations), isReadOnly: false, chunk };
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (seed + index * 7 + (index >> 12) * 31) & 255);
}

function onCopy(host: Host, mirror: number, at: number, length: number): Uint8Array {
  const { device, physical } = host.chunk.stripes[mirror]!;
  return host.world.devices[device.block!.index]!.read(physical + at, length);
}

/** Writes on each device, as [operation, index of the device, offset, length]. */
function logOf(host: Host): unknown[] {
  return host.world.devices.flatMap(({ index, log }) =>
    log.map(({ operation, offset, length }) => [operation, index, offset, length]),
  );
}

function startReplace(host: Host, sourceId: number): Device {
  const target = new Device(REPLACE_TARGET_ID, host.world.devices[4]!, UUID, 16 * MIB, 0);
  host.volume.addDevice(target);
  host.volume.replace.source = host.volume.device(sourceId);
  host.volume.replace.target = target;
  host.volume.replace.phase = 'started';
  return target;
}

function fails(
  host: Host,
  ...rules: readonly { readonly device: number; readonly operation: IoRequest['operation'] }[]
): void {
  host.world.ioFailure = (request, index) =>
    rules.some(({ device, operation }) => device === index && request.operation === operation) ? 'EIO' : null;
}

describe.each([
  ['single', 1, 1],
  ['dup', 2, 2],
  ['raid1', 2, 2],
  ['raid1c3', 3, 3],
  ['raid1c4', 4, 4],
] as const)('%s', (name, stripes, copies) => {
  test('a write reaches every copy, and each copy gives it back', () => {
    const host = hostOf(name, stripes);
    const bytes = pattern(12 * KIB, 3);
    expect(runAtomically(writeLogical(host, LOGICAL + 8 * KIB, bytes, DATA))).toBe(null);
    expect(mirrorCount(host, LOGICAL)).toBe(copies);
    for (let mirror = 0; mirror < copies; mirror++) {
      expect(onCopy(host, mirror, 8 * KIB, bytes.length)).toEqual(bytes);
      const result = runAtomically(readMirror(host, LOGICAL + 8 * KIB, bytes.length, mirror, DATA));
      expect(result).toEqual({ error: null, bytes });
    }
    expect(runAtomically(readMirror(host, LOGICAL, 4 * KIB, copies, DATA))).toEqual({ error: 'EIO' });
    expect(host.volume.ioUnderWay.value).toBe(0);
  });
});

test('RAID0 deals a write out to its devices and reads it back across the borders', () => {
  const host = hostOf('raid0', 3);
  const bytes = pattern(700 * KIB, 9);
  expect(runAtomically(writeLogical(host, LOGICAL + 60 * KIB, bytes, DATA))).toBe(null);
  expect(host.world.devices.map(({ log }) => log.length)).toEqual([4, 4, 4, 0, 0]);
  for (const [at, length] of [
    [0, 700 * KIB],
    [0, 4 * KIB],
    [4 * KIB, 64 * KIB],
    [100 * KIB, 200 * KIB],
  ] as const) {
    const read = runAtomically(readLogical(host, LOGICAL + 60 * KIB + at, length, DATA));
    expect(sameBytes(read, bytes.subarray(at, at + length))).toBe(true);
  }
  fails(host, { device: 1, operation: 'read' });
  expect(runAtomically(readMirror(host, LOGICAL, 64 * KIB, 0, DATA)).error).toBe(null);
  expect(runAtomically(readMirror(host, LOGICAL, 128 * KIB, 0, DATA))).toEqual({ error: 'EIO' });
  expect(host.volume.device(2).errors.read).toBe(1);
  expect(host.volume.ioUnderWay.value).toBe(0);
});

test('what no chunk maps, leaves its chunk or is no whole sector is EIO', () => {
  const host = hostOf('single', 1);
  for (const [logical, length] of [
    [LOGICAL - 4 * KIB, 4 * KIB],
    [LOGICAL + MIB - 4 * KIB, 8 * KIB],
    [LOGICAL + 512, 4 * KIB],
    [LOGICAL, 512],
  ] as const) {
    expect(runAtomically(readMirror(host, logical, length, 0, DATA))).toEqual({ error: 'EIO' });
  }
  expect(runAtomically(writeLogical(host, LOGICAL + MIB - 4 * KIB, pattern(8 * KIB, 0), DATA))).toBe('EIO');
  expect(logOf(host)).toEqual([]);
});

test.each([
  // profile, stripes, copies that fail, errno of the write
  ['single', 1, [0], 'EIO'],
  ['dup', 2, [0], 'EIO'],
  ['raid0', 2, [1], 'EIO'],
  ['raid1', 2, [0], null],
  ['raid1', 2, [0, 1], 'EIO'],
  ['raid1c3', 3, [0, 2], null],
  ['raid1c3', 3, [0, 1, 2], 'EIO'],
  ['raid1c4', 4, [0, 1, 3], null],
] as const)('%s of %i stripes with failing devices %j: a write gives %s', (name, stripes, failing, errno) => {
  const host = hostOf(name, stripes);
  fails(host, ...failing.map((device) => ({ device, operation: 'write' as const })));
  expect(runAtomically(writeLogical(host, LOGICAL, pattern(128 * KIB, 1), DATA))).toBe(errno);
  const counted = host.volume.devices().map(({ errors }) => errors.write > 0);
  expect(counted).toEqual([0, 1, 2, 3].map((device) => (failing as readonly number[]).includes(device)));
});

describe('missing devices', () => {
  test('reads of them fail at once, writes pass them by and count as failed copies', () => {
    const host = hostOf('raid1', 2, { missing: [1] });
    const bytes = pattern(4 * KIB, 5);
    expect(runAtomically(writeLogical(host, LOGICAL, bytes, METADATA))).toBe(null);
    expect(runAtomically(readMirror(host, LOGICAL, 4 * KIB, 0, DATA))).toEqual({ error: 'EIO' });
    expect(firstMirror(host, LOGICAL)).toBe(1);
    expect(runAtomically(readLogical(host, LOGICAL, 4 * KIB, DATA))).toEqual(bytes);
    expect(host.volume.device(1).errors).toEqual({ write: 0, read: 0, flush: 0, corruption: 0, generation: 0 });
    fails(host, { device: 1, operation: 'write' });
    expect(runAtomically(writeLogical(host, LOGICAL, bytes, METADATA))).toBe('EIO');
  });

  test('without any copy left nothing can be read or written', () => {
    const host = hostOf('raid1', 2, { missing: [1, 2] });
    expect(runAtomically(writeLogical(host, LOGICAL, pattern(4 * KIB, 5), DATA))).toBe('EIO');
    expect(() => runAtomically(readLogical(host, LOGICAL, 4 * KIB, DATA))).toThrow(/all 2 copies/);
  });

  test('a RAID0 read that touches one fails, one beside it does not', () => {
    const host = hostOf('raid0', 2, { missing: [2] });
    expect(runAtomically(readMirror(host, LOGICAL, 128 * KIB, 0, DATA))).toEqual({ error: 'EIO' });
    expect(runAtomically(readMirror(host, LOGICAL, 64 * KIB, 0, DATA)).error).toBe(null);
    expect(runAtomically(writeLogical(host, LOGICAL, pattern(64 * KIB, 5), DATA))).toBe(null);
    expect(runAtomically(writeLogical(host, LOGICAL, pattern(68 * KIB, 5), DATA))).toBe('EIO');
  });

  test('they are neither flushed nor discarded nor repaired', () => {
    const host = hostOf('raid1', 2, { missing: [2] });
    expect(runAtomically(flushAllDevices(host))).toBe(null);
    expect(runAtomically(repairMirror(host, LOGICAL, pattern(4 * KIB, 1), 1, DATA))).toBe('EIO');
    const discard = runAtomically(submitDiscard(host, LOGICAL, 64 * KIB));
    expect(runAtomically(discard.wait())).toBe(null);
    expect(logOf(host)).toEqual([
      ['flush', 0, 0, 0],
      ['discard', 0, 2 * MIB, 64 * KIB],
      ['flush', 2, 0, 0],
      ['flush', 3, 0, 0],
    ]);
  });
});

test('a failed flush matters when a chunk cannot do without the device', () => {
  for (const [name, stripes, failing, errno] of [
    ['raid1', 2, [0], null],
    ['raid1', 2, [3], null],
    ['raid1', 2, [0, 1], 'EIO'],
    ['raid1c3', 3, [0, 1], null],
    ['single', 1, [0], 'EIO'],
    ['dup', 2, [0], 'EIO'],
    ['raid0', 2, [1], 'EIO'],
  ] as const) {
    const host = hostOf(name, stripes);
    fails(host, ...failing.map((device) => ({ device, operation: 'flush' as const })));
    expect([name, failing, runAtomically(flushAllDevices(host))]).toEqual([name, failing, errno]);
    expect(host.volume.device(failing[0] + 1).errors.flush).toBe(1);
  }
});

test('a repair writes one copy and no other', () => {
  const host = hostOf('raid1c3', 3);
  const bytes = pattern(8 * KIB, 2);
  expect(runAtomically(repairMirror(host, LOGICAL + 4 * KIB, bytes, 1, DATA))).toBe(null);
  expect(logOf(host)).toEqual([['write', 1, 2 * MIB + 4 * KIB, 8 * KIB]]);
  expect(onCopy(host, 1, 4 * KIB, 8 * KIB)).toEqual(bytes);
  fails(host, { device: 1, operation: 'write' });
  expect(runAtomically(repairMirror(host, LOGICAL, bytes, 1, DATA))).toBe('EIO');
});

test('a discard takes all copies, one request for each run of a device, and only what is mapped', () => {
  const host = hostOf('raid0', 3);
  host.volume.addChunk({
    ...host.chunk,
    logical: LOGICAL + 4 * MIB,
    length: MIB,
    flags: BLOCK_GROUP_FLAG.RAID1,
    stripes: [
      { device: host.volume.device(1), physical: 8 * MIB },
      { device: host.volume.device(4), physical: 9 * MIB },
    ],
  });
  const discard = runAtomically(submitDiscard(host, LOGICAL + MIB, 4 * MIB));
  expect(runAtomically(discard.wait())).toBe(null);
  // 1 MiB is 16 stripe lengths: the discard begins in row 5, column 1.
  expect(logOf(host)).toEqual([
    ['discard', 0, 2 * MIB + 6 * 64 * KIB, 10 * 64 * KIB],
    ['discard', 0, 8 * MIB, MIB],
    ['discard', 1, 2 * MIB + 5 * 64 * KIB, 11 * 64 * KIB],
    ['discard', 2, 2 * MIB + 5 * 64 * KIB, 11 * 64 * KIB],
    ['discard', 3, 9 * MIB, MIB],
  ]);
  const nothing = runAtomically(submitDiscard(host, LOGICAL - MIB, MIB));
  expect(runAtomically(nothing.wait())).toBe(null);
});

test('with the mutation write-first-mirror-only, data loses its other copies and metadata does not', () => {
  const host = hostOf('raid1', 2, { mutations: ['write-first-mirror-only'] });
  expect(runAtomically(writeLogical(host, LOGICAL, pattern(4 * KIB, 1), DATA))).toBe(null);
  expect(runAtomically(writeLogical(host, LOGICAL + 4 * KIB, pattern(4 * KIB, 1), METADATA))).toBe(null);
  expect(logOf(host)).toEqual([
    ['write', 0, 2 * MIB, 4 * KIB],
    ['write', 0, 2 * MIB + 4 * KIB, 4 * KIB],
    ['write', 1, 2 * MIB + 4 * KIB, 4 * KIB],
  ]);
});

describe('while a device replace runs', () => {
  test.each([
    ['single', 1, 1],
    ['dup', 2, 1],
    ['raid1', 2, 2],
  ] as const)('what %s writes to the source goes to the same place on the target', (name, stripes, source) => {
    const host = hostOf(name, stripes);
    startReplace(host, source);
    expect(runAtomically(writeLogical(host, LOGICAL + 4 * KIB, pattern(4 * KIB, 1), DATA))).toBe(null);
    const onSource = host.chunk.stripes.filter(({ device }) => device.id === source);
    const { log } = host.world.devices[4]!;
    expect(log.map(({ offset }) => offset)).toEqual(onSource.map(({ physical }) => physical + 4 * KIB));
    const discard = runAtomically(submitDiscard(host, LOGICAL, 4 * KIB));
    expect(runAtomically(discard.wait())).toBe(null);
    expect(log.filter(({ operation }) => operation === 'discard')).toHaveLength(onSource.length);
  });

  test('RAID0: only the pieces of the source', () => {
    const host = hostOf('raid0', 3);
    startReplace(host, 2);
    runAtomically(writeLogical(host, LOGICAL, pattern(384 * KIB, 1), DATA));
    expect(host.world.devices[4]!.log.map(({ offset, length }) => [offset, length])).toEqual([
      [2 * MIB, 64 * KIB],
      [2 * MIB + 64 * KIB, 64 * KIB],
    ]);
  });

  test('a missing source has its writes on the target', () => {
    const host = hostOf('raid1', 2, { missing: [1] });
    startReplace(host, 1);
    expect(runAtomically(writeLogical(host, LOGICAL, pattern(4 * KIB, 1), DATA))).toBe(null);
    expect(logOf(host)).toEqual([
      ['write', 1, 2 * MIB, 4 * KIB],
      ['write', 4, 2 * MIB, 4 * KIB],
    ]);
  });

  test('a failing target fails no write, and is counted', () => {
    const host = hostOf('single', 1);
    const target = startReplace(host, 1);
    fails(host, { device: 4, operation: 'write' });
    expect(runAtomically(writeLogical(host, LOGICAL, pattern(4 * KIB, 1), DATA))).toBe(null);
    expect([host.volume.replace.writeErrors, target.errors.write]).toEqual([1, 1]);
    fails(host, { device: 0, operation: 'write' });
    expect(runAtomically(writeLogical(host, LOGICAL, pattern(4 * KIB, 1), DATA))).toBe('EIO');
    expect(host.volume.replace.writeErrors).toBe(1);
  });

  test.each(['never-started', 'canceled', 'finished'] as const)('nothing is doubled when it is %s', (phase) => {
    const host = hostOf('single', 1);
    startReplace(host, 1);
    host.volume.replace.phase = phase;
    runAtomically(writeLogical(host, LOGICAL, pattern(4 * KIB, 1), DATA));
    expect(host.world.devices[4]!.log).toEqual([]);
  });

  test('model M1: without the fix a write is doubled only if it ends at or before the left cursor', () => {
    const without = new FixSet(FIXES.map(({ id }) => id).filter((id) => id !== 'duplicate-writes-while-replacing'));
    for (const [cursor, isDoubled] of [
      [0, false],
      [2 * MIB + 4 * KIB, false],
      [2 * MIB + 8 * KIB - 1, false],
      [2 * MIB + 8 * KIB, true],
      [16 * MIB, true],
    ] as const) {
      for (const fixes of [allFixes(), without]) {
        const host = hostOf('single', 1, { fixes });
        startReplace(host, 1);
        host.volume.replace.cursorLeft = cursor;
        runAtomically(writeLogical(host, LOGICAL + 4 * KIB, pattern(4 * KIB, 1), DATA));
        const doubled = host.world.devices[4]!.log.length;
        expect([cursor, doubled]).toEqual([cursor, fixes === without && !isDoubled ? 0 : 1]);
      }
    }
  });

  test('a suspended replace has its target kept up to date: what was copied must not grow old', () => {
    const host = hostOf('single', 1);
    startReplace(host, 1);
    host.volume.replace.phase = 'suspended';
    runAtomically(writeLogical(host, LOGICAL, pattern(4 * KIB, 1), DATA));
    expect(host.world.devices[4]!.log).toHaveLength(1);
  });

  test('reads leave the source for last where they are asked to', () => {
    const host = hostOf('raid1', 2);
    startReplace(host, 1);
    expect(firstMirror(host, LOGICAL)).toBe(0);
    host.volume.replace.readsFromSourceOnlyIfNoMirror = true;
    expect(firstMirror(host, LOGICAL)).toBe(1);
    expect(firstMirror(hostOf('single', 1), LOGICAL)).toBe(0);
  });

  test('the lock is given back, also by a write to nowhere', () => {
    const host = hostOf('single', 1);
    startReplace(host, 1);
    expect(runAtomically(writeLogical(host, 0, pattern(4 * KIB, 1), DATA))).toBe('EIO');
    runAtomically(submitLogicalWrite(host, LOGICAL, pattern(4 * KIB, 1), DATA));
    expect(runAtomically(host.volume.replace.lock.tryAcquire('exclusive'))).not.toBe(null);
  });
});

test('data writes pass a point before they are mapped, others none', () => {
  const host = hostOf('single', 1);
  runAtomically(writeLogical(host, LOGICAL, pattern(4 * KIB, 1), METADATA));
  expect(host.world.points).toEqual([]);
  runAtomically(writeLogical(host, LOGICAL, pattern(4 * KIB, 1), DATA));
  expect(host.world.points).toEqual(['data-write-submit']);
});

test('members come by ascending id, the target of a replace is none, and ids may wander', () => {
  const { volume, world } = hostOf('single', 1);
  const target = new Device(REPLACE_TARGET_ID, world.devices[4]!, UUID, 16 * MIB, 0);
  volume.addDevice(target);
  expect(volume.devices().map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  expect(volume.allDevices().map(({ id }) => id)).toEqual([0, 1, 2, 3, 4]);
  expect(volume.findDeviceByIndex(4)).toBe(target);
  const source = volume.device(2);
  target.id = 2;
  source.id = REPLACE_TARGET_ID;
  volume.reorderDevices();
  expect(volume.device(2)).toBe(target);
  volume.removeDevice(source);
  expect(volume.allDevices().map(({ block }) => block!.index)).toEqual([0, 4, 2, 3]);
  expect(volume.findDevice(0)).toBe(null);
});

test('the next chunk goes behind the last', () => {
  const { volume } = hostOf('raid0', 3);
  expect(volume.endOfLastChunk()).toBe(LOGICAL + 3 * MIB);
  volume.removeChunk(LOGICAL);
  expect(volume.endOfLastChunk()).toBe(0);
});
