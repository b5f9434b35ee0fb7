import { describe, expect, test } from 'vitest';
import { sameBytes } from '../src/base/bytes.ts';
import { type RandomStream, randomStream } from '../src/base/random.ts';
import { KIB, MIB } from '../src/base/units.ts';
import { FsError } from '../src/fs/errors.ts';
import { type MountedFilesystem, mountFilesystem, unmountFilesystem } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import * as ioctls from '../src/fs/ioctls.ts';
import { LOCK_ORDER } from '../src/fs/lock-order.ts';
import type { MakeProfileName } from '../src/fs/mkfs/profiles.ts';
import { makeFilesystem } from '../src/fs/mkfs.ts';
import * as sys from '../src/fs/syscalls.ts';
import type { FaultRule } from '../src/inject/fault-rule.ts';
import { SimulatedWorld } from '../src/inject/simulated-world.ts';
import { seededRandom } from '../src/inject/strategies/seeded-random.ts';
import { BlockTable } from '../src/record/block-table.ts';
import type { Task } from '../src/task/task.ts';

/**
 * Goal: files stay right while devices are replaced, scrubbed and trimmed and chunks come and go under them, and the
 * devices that are members at the end hold all of it. Method: tasks that write, read and truncate files of their own
 * race with an administrator; afterwards the disks that are no members any more are blanked, and everything is read.
 */
const SECTOR = 4 * KIB;
const SIZE = 48 * MIB;
/** Small, so that chunks come and go. */
const CHUNKS = { system: MIB, metadata: 2 * MIB, data: 3 * MIB };

interface Combination {
  readonly metadata: MakeProfileName;
  readonly data: MakeProfileName;
  readonly devices: number;
  /** Some reads of the first device fail. */
  readonly hasFailingReads?: boolean;
}

const COMBINATIONS: readonly Combination[] = [
  { metadata: 'single', data: 'single', devices: 1 },
  { metadata: 'dup', data: 'single', devices: 2 },
  { metadata: 'raid1', data: 'raid0', devices: 2 },
  { metadata: 'raid1', data: 'raid1', devices: 3 },
  { metadata: 'raid1c3', data: 'raid0', devices: 3 },
  { metadata: 'raid0', data: 'dup', devices: 2 },
  { metadata: 'raid1', data: 'raid1', devices: 2, hasFailingReads: true },
  { metadata: 'raid1c3', data: 'raid1', devices: 4, hasFailingReads: true },
];

const FAILING_READS: FaultRule = {
  name: 'some reads of the first device fail',
  when: { device: 0, operation: 'read', probability: { numerator: 1, denominator: 4 } },
  then: { kind: 'fail', errno: 'EIO' },
};

function* workOnFile(fs: MountedFilesystem, path: string, random: RandomStream, steps: number): Task<Uint8Array> {
  let bytes: Uint8Array = new Uint8Array(0);
  yield* sys.create(fs, path, { nodatacow: random.chance(1, 4) });
  for (let step = 0; step < steps; step++) {
    const direct = random.chance(1, 2);
    const offset = random.below(60) * SECTOR;
    const length = (1 + random.below(40)) * SECTOR;
    const kind = random.below(12);
    if (kind < 5) {
      const data = new Uint8Array(length).map((_, index) => step * 17 + index + (index >> 12));
      yield* sys.write(fs, path, offset, data, { direct });
      bytes = resized(bytes, Math.max(bytes.length, offset + length));
      bytes.set(data, offset);
    } else if (kind < 8) {
      const read = yield* sys.read(fs, path, offset, length, { direct });
      if (!sameBytes(read, bytes.subarray(offset, offset + length))) throw new Error(`wrong bytes in ${path}`);
    } else if (kind === 8) {
      yield* sys.truncate(fs, path, offset);
      bytes = resized(bytes, offset);
    } else if (kind === 9) {
      yield* sys.fallocate(fs, path, offset, length);
      bytes = resized(bytes, Math.max(bytes.length, offset + length));
    } else yield* random.chance(1, 2) ? sys.fsync(fs, path) : sys.dropCaches(fs);
  }
  return bytes;
}

function resized(bytes: Uint8Array, size: number): Uint8Array {
  const result = new Uint8Array(size);
  result.set(bytes.subarray(0, size));
  return result;
}

/** Replaces, scrubs, trims and cleans; returns nothing, and is told no when what it asks for cannot be. */
function* administrate(
  fs: MountedFilesystem,
  random: RandomStream,
  combination: Combination,
  steps: number,
): Task<void> {
  let free = combination.devices;
  for (let step = 0; step < steps; step++) {
    switch (random.below(5)) {
      case 0:
      case 1: {
        const members = fs.info.volume.devices();
        const source = members[random.below(members.length)]!;
        const index = source.block!.index;
        yield* ioctls.replace(fs, {
          devid: source.id,
          target: free,
          background: false,
          avoidSource: random.chance(1, 3),
        });
        free = index;
        break;
      }
      case 2: {
        const statistics = yield* ioctls.scrub(fs, {
          devid: null,
          start: 0,
          end: null,
          readOnly: random.chance(1, 2),
          resume: false,
        });
        // What a scrub has repaired it reads again, which may fail once more.
        if (combination.hasFailingReads !== true) expect(JSON.stringify(statistics)).not.toMatch(/_errors":[1-9]/);
        break;
      }
      case 3:
        yield* ioctls.trim(fs, { offset: 0, length: null, minimum: 0 });
        break;
      default:
        yield* ioctls.clean(fs);
    }
  }
}

/** Looks at what a power cut would leave, now and then. */
function* photograph(world: SimulatedWorld, random: RandomStream, photographs: BlockTable[][]): Task<void> {
  for (let count = 0; count < CUTS; count++) {
    for (let steps = 1 + random.below(200); steps > 0; steps--) yield* world.point('photograph');
    photographs.push(world.devices.map((device) => device.durable()));
  }
}

const CUTS = 6;

/** A power cut leaves a file system that mounts, reads and can be written, and whose scrub finds nothing. */
function expectRecovers(disks: readonly BlockTable[]): void {
  const world = new SimulatedWorld({ devices: disks });
  world.execute(function* main(own) {
    const fs = yield* mountFilesystem(own, { fixes: allFixes(), chunkSizes: CHUNKS });
    for (const name of yield* sys.readdir(fs, '/')) {
      yield* sys.read(fs, new TextDecoder().decode(name), 0, SIZE);
    }
    yield* sys.create(fs, 'afterwards');
    yield* sys.write(fs, 'afterwards', 0, new Uint8Array(SECTOR).fill(1));
    yield* sys.sync(fs);
    const options = { devid: null, start: 0, end: null, readOnly: true, resume: false };
    if (!fs.info.volume.replace.isRunning) {
      expect(JSON.stringify(yield* ioctls.scrub(fs, options))).not.toMatch(/_errors":[1-9]/);
    }
    yield* unmountFilesystem(fs);
  });
}

function run(world: SimulatedWorld, combination: Combination, seed: string): void {
  let contents: Uint8Array[] = [];
  let members: number[] = [];
  const photographs: BlockTable[][] = [];
  world.execute(function* main(own) {
    contents = [];
    const fs = yield* mountFilesystem(own, { fixes: allFixes(), discard: seed.length % 2 === 0, chunkSizes: CHUNKS });
    own.beginExploration();
    const administrator = own.spawn('administrator', administrate(fs, randomStream(seed, 'a'), combination, 4));
    own.spawn('photographer', photograph(world, randomStream(seed, 'p'), photographs));
    const handles = [];
    for (let task = 0; task < 2; task++) {
      handles.push(own.spawn(`t${task}`, workOnFile(fs, `f${task}`, randomStream(seed, `t${task}`), 14)));
    }
    for (const handle of handles) contents.push(yield* handle.join());
    yield* administrator.join();
    own.endExploration();
    expect(fs.info.aborted).toBe(null);
    members = fs.info.volume.devices().map(({ block }) => block!.index);
    yield* unmountFilesystem(fs);
  });
  expect(world.report().locks).toEqual([]);
  for (const disks of photographs) expectRecovers(disks);
  const disks = world.devices.map((device, index) =>
    members.includes(index) ? device.durable() : new BlockTable(SIZE),
  );
  const alone = new SimulatedWorld({ devices: disks });
  alone.execute(function* main(own) {
    const fs = yield* mountFilesystem(own, { fixes: allFixes() });
    for (const [task, bytes] of contents.entries()) {
      expect(sameBytes(yield* sys.read(fs, `f${task}`, 0, SIZE), bytes)).toBe(true);
    }
    const options = { devid: null, start: 0, end: null, readOnly: true, resume: false };
    expect(JSON.stringify(yield* ioctls.scrub(fs, options))).not.toMatch(/_errors":[1-9]/);
    yield* unmountFilesystem(fs);
  });
}

const RUNS = Number(process.env['FSQUAKE_ADMINISTRATION_RUNS'] ?? 2);
const FIRST = Number(process.env['FSQUAKE_ADMINISTRATION_FIRST'] ?? 1);

describe.each(COMBINATIONS)('metadata $metadata, data $data on $devices devices', (combination) => {
  for (let seed = FIRST; seed < FIRST + RUNS; seed++) {
    test(`files stay right under replace, scrub, trim and clean (seed ${seed})`, () => {
      const sizes = new Array<number>(combination.devices).fill(SIZE);
      const { metadata: metadataProfile, data: dataProfile } = combination;
      const disks = [...sizes, SIZE].map((size) => new BlockTable(size));
      const chunks = { systemBytes: CHUNKS.system, metadataBytes: CHUNKS.metadata, dataBytes: CHUNKS.data };
      for (const { device, offset, bytes } of makeFilesystem({
        devices: sizes,
        metadataProfile,
        dataProfile,
        ...chunks,
      })) {
        disks[device]!.write(offset, bytes);
      }
      const strategy = seededRandom({ seed: `${seed}` });
      const rules = combination.hasFailingReads === true ? [FAILING_READS] : [];
      const world = new SimulatedWorld({ devices: disks, lockOrder: LOCK_ORDER, strategy, rules });
      for (let count = 0; count < 4; count++) {
        try {
          run(world, combination, `${seed} ${count}`);
        } catch (error) {
          if (error instanceof FsError) throw new Error(`run ${count}: ${error.message}\n${error.stack}`);
          throw error;
        }
      }
    });
  }
});
