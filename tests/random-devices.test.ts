import { describe, expect, test } from 'vitest';
import { sameBytes } from '../src/base/bytes.ts';
import { type RandomStream, randomStream } from '../src/base/random.ts';
import { KIB, MIB } from '../src/base/units.ts';
import { FsError } from '../src/fs/errors.ts';
import { type MountedFilesystem, mountFilesystem, unmountFilesystem } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import { LOCK_ORDER } from '../src/fs/lock-order.ts';
import type { MakeProfileName } from '../src/fs/mkfs/profiles.ts';
import { makeFilesystem } from '../src/fs/mkfs.ts';
import * as sys from '../src/fs/syscalls.ts';
import { MemoryWorld } from '../src/fs/testing/memory-world.ts';
import { profileNamed } from '../src/fs/volume/profiles.ts';
import type { FaultRule } from '../src/inject/fault-rule.ts';
import { SimulatedWorld } from '../src/inject/simulated-world.ts';
import { seededRandom } from '../src/inject/strategies/seeded-random.ts';
import { BlockTable } from '../src/record/block-table.ts';
import { runAtomically, type Task } from '../src/task/task.ts';

/**
 * Goal: whatever happens to as many devices as the profiles can do without, every byte reads back right. Method: random
 * operations against a model, while the bad devices of the run fail reads and writes, lose sectors to noise, go missing
 * at a remount and come back stale.
 */
const SECTOR = 4 * KIB;
const SIZE = 24 * MIB;
const FILES = ['a', 'b', 'c', 'd', 'e', 'f'];
const FILE_SIZE_MAX = 64 * SECTOR;

interface Combination {
  readonly metadata: MakeProfileName;
  readonly data: MakeProfileName;
  readonly devices: number;
  /** How many devices are bad in a run. */
  readonly bad: number;
}

const COMBINATIONS: readonly Combination[] = [
  { metadata: 'raid1', data: 'raid1', devices: 2, bad: 1 },
  { metadata: 'raid1', data: 'raid1', devices: 3, bad: 1 },
  { metadata: 'raid1c3', data: 'raid1c3', devices: 3, bad: 2 },
  { metadata: 'raid1c3', data: 'raid1', devices: 4, bad: 1 },
  { metadata: 'raid1c4', data: 'raid1c4', devices: 4, bad: 3 },
  { metadata: 'raid1c4', data: 'raid1c3', devices: 5, bad: 2 },
];

type Failures = 'none' | 'reads' | 'writes' | 'both';

class Run {
  readonly world: MemoryWorld;
  readonly random: RandomStream;
  readonly bad: ReadonlySet<number>;
  readonly model = new Map<string, Uint8Array>();
  fs: MountedFilesystem;
  private readonly away = new Map<number, Map<number, Uint8Array>>();
  private failures: Failures = 'none';
  /** Of 16 requests to a bad device. */
  private failing = 0;

  constructor(combination: Combination, seed: string) {
    this.random = randomStream(seed, 'random-devices');
    const devices = new Array<number>(combination.devices).fill(SIZE);
    this.world = new MemoryWorld(devices);
    const { metadata: metadataProfile, data: dataProfile } = combination;
    const nodeSize = this.random.chance(1, 2) ? 4096 : 16384;
    for (const write of makeFilesystem({ devices, metadataProfile, dataProfile, nodeSize })) {
      this.world.devices[write.device]!.write(write.offset, write.bytes);
    }
    const bad = new Set<number>();
    while (bad.size < combination.bad) bad.add(this.random.below(combination.devices));
    this.bad = bad;
    this.world.ioFailure = (request, device) => {
      if (!this.bad.has(device) || this.failures === 'none' || this.random.below(16) >= this.failing) return null;
      if (request.operation === 'read') return this.failures === 'writes' ? null : 'EIO';
      return this.failures === 'reads' ? null : 'EIO';
    };
    this.fs = runAtomically(mountFilesystem(this.world, { fixes: allFixes() }));
  }

  do<T>(task: Task<T>): T {
    return runAtomically(task);
  }

  step(): void {
    switch (this.random.below(20)) {
      case 0:
        this.failures = (['none', 'reads', 'writes', 'both'] as const)[this.random.below(4)]!;
        this.failing = 1 + this.random.below(16);
        return;
      case 1:
        this.addNoise();
        return;
      case 2:
        if (this.random.chance(1, 3)) this.remount();
        return;
      case 3:
      case 4:
        this.do(sys.dropCaches(this.fs));
        return;
      case 5:
        this.do(sys.sync(this.fs));
        return;
      default:
        this.operate();
    }
  }

  /** Sectors of a bad device turn to noise; superblocks stay, or the device would be none of ours. */
  private addNoise(): void {
    for (const index of this.bad) {
      const device = this.world.devices[index]!;
      if (this.away.has(index)) continue;
      const written = [...device.blocks.keys()].filter((block) => block * SECTOR >= MIB);
      for (let count = this.random.below(40); count > 0; count--) {
        const block = written[this.random.below(written.length)]!;
        device.blocks.set(block, new Uint8Array(SECTOR).fill(this.random.below(256)));
      }
    }
  }

  /** Each bad device may be away from now on, or come back as it was when it went. */
  remount(): void {
    const { failures } = this;
    runAtomically(unmountFilesystem(this.fs));
    for (const index of [...this.bad].sort()) {
      const { blocks } = this.world.devices[index]!;
      const before = this.away.get(index);
      if (before !== undefined) {
        if (this.random.chance(1, 2)) continue;
        blocks.clear();
        for (const [block, bytes] of before) blocks.set(block, bytes);
        this.away.delete(index);
      } else if (this.random.chance(1, 3)) {
        this.away.set(index, new Map(blocks));
        blocks.clear();
      }
    }
    // Which of the devices has the newest superblock must be known: a mount does not repair that.
    this.failures = 'none';
    this.fs = runAtomically(mountFilesystem(this.world, { fixes: allFixes(), degraded: true }));
    this.failures = failures;
    for (const index of this.away.keys()) expect(this.fs.info.volume.findDeviceByIndex(index)).toBe(null);
  }

  private operate(): void {
    const { fs, random, model } = this;
    const path = FILES[random.below(FILES.length)]!;
    const bytes = model.get(path);
    if (bytes === undefined) {
      this.do(sys.create(fs, path));
      model.set(path, new Uint8Array(0));
      return;
    }
    const direct = random.chance(1, 2);
    const offset = random.below(32) * SECTOR;
    const length = (1 + random.below(32)) * SECTOR;
    switch (random.below(8)) {
      case 0:
        this.do(sys.unlink(fs, path));
        model.delete(path);
        return;
      case 1:
        this.do(sys.fsync(fs, path));
        return;
      case 2:
      case 3:
      case 4: {
        const fill = random.below(256);
        const data = Uint8Array.from({ length }, (_, index) => (fill + index * 7 + (index >> 12)) & 255);
        expect(this.do(sys.write(fs, path, offset, data, { direct }))).toBe(length);
        const next = new Uint8Array(Math.max(bytes.length, offset + length));
        next.set(bytes);
        next.set(data, offset);
        model.set(path, next);
        return;
      }
      default: {
        const read = this.do(sys.read(fs, path, offset, length, { direct }));
        expect(sameBytes(read, bytes.subarray(offset, offset + length))).toBe(true);
      }
    }
  }

  check(): void {
    this.do(sys.dropCaches(this.fs));
    for (const path of FILES) {
      const bytes = this.model.get(path);
      if (bytes === undefined) continue;
      expect(this.do(sys.stat(this.fs, path)).size).toBe(bytes.length);
      expect(sameBytes(this.do(sys.read(this.fs, path, 0, FILE_SIZE_MAX * 2)), bytes)).toBe(true);
    }
    expect(this.fs.info.volume.ioUnderWay.value).toBe(0);
    expect(this.fs.info.aborted).toBe(null);
  }

  /** From the good devices alone. */
  checkWithoutBad(): void {
    runAtomically(unmountFilesystem(this.fs));
    for (const index of this.bad) this.world.devices[index]!.blocks.clear();
    this.failures = 'none';
    this.fs = runAtomically(mountFilesystem(this.world, { fixes: allFixes(), degraded: true }));
    this.check();
    runAtomically(unmountFilesystem(this.fs));
  }
}

/** As many runs as this for each combination; more for a soak. */
const RUNS = Number(process.env['FSQUAKE_DEVICE_RUNS'] ?? 3);
const FIRST = Number(process.env['FSQUAKE_DEVICE_FIRST'] ?? 1);

describe.each(COMBINATIONS)('metadata $metadata, data $data, $bad of $devices devices bad', (combination) => {
  for (let seed = FIRST; seed < FIRST + RUNS; seed++) {
    test(`300 random operations read back right (seed ${seed})`, () => {
      for (const name of [combination.metadata, combination.data]) {
        expect(profileNamed(name)!.failuresTolerated).toBeGreaterThanOrEqual(combination.bad);
      }
      const run = new Run(combination, `${seed}`);
      for (let i = 0; i < 300; i++) run.step();
      run.check();
      run.checkWithoutBad();
    });
  }
});

/** Writes, reads and truncates a file of its own, direct and through the cache. */
function* workOnFile(fs: MountedFilesystem, path: string, random: RandomStream, steps: number): Task<Uint8Array> {
  let bytes: Uint8Array = new Uint8Array(0);
  yield* sys.create(fs, path);
  for (let step = 0; step < steps; step++) {
    const direct = random.chance(1, 2);
    const offset = random.below(12) * SECTOR;
    const length = (1 + random.below(8)) * SECTOR;
    const kind = random.below(10);
    if (kind < 4) {
      const data = new Uint8Array(length).map((_, index) => step * 17 + index + (index >> 12));
      yield* sys.write(fs, path, offset, data, { direct });
      const next = new Uint8Array(Math.max(bytes.length, offset + length));
      next.set(bytes);
      next.set(data, offset);
      bytes = next;
    } else if (kind < 8) {
      const read = yield* sys.read(fs, path, offset, length, { direct });
      if (!sameBytes(read, bytes.subarray(offset, offset + length))) throw new Error(`wrong bytes in ${path}`);
    } else if (kind === 8) {
      yield* sys.truncate(fs, path, offset);
      const next = new Uint8Array(offset);
      next.set(bytes.subarray(0, offset));
      bytes = next;
    } else yield* random.chance(1, 2) ? sys.fsync(fs, path) : sys.dropCaches(fs);
  }
  return bytes;
}

const TASKS = 3;

/** One run of tasks that race on failing devices; the disks as they are without the bad ones. */
function race(world: SimulatedWorld, bad: ReadonlySet<number>, seed: string): void {
  let contents: Uint8Array[] = [];
  world.execute(function* main(own) {
    contents = [];
    const fs = yield* mountFilesystem(own, { fixes: allFixes() });
    own.beginExploration();
    const handles = [];
    for (let task = 0; task < TASKS; task++) {
      handles.push(own.spawn(`t${task}`, workOnFile(fs, `f${task}`, randomStream(seed, `t${task}`), 30)));
    }
    for (const handle of handles) contents.push(yield* handle.join());
    yield* sys.sync(fs);
    expect(fs.info.aborted).toBe(null);
    yield* unmountFilesystem(fs);
    own.endExploration();
  });
  expect(world.report().locks).toEqual([]);
  const disks = world.devices.map((device, index) => (bad.has(index) ? new BlockTable(SIZE) : device.durable()));
  const alone = new SimulatedWorld({ devices: disks });
  alone.execute(function* main(own) {
    const fs = yield* mountFilesystem(own, { fixes: allFixes(), degraded: true });
    for (const [task, bytes] of contents.entries()) {
      const read = yield* sys.read(fs, `f${task}`, 0, FILE_SIZE_MAX);
      expect(sameBytes(read, bytes)).toBe(true);
    }
    yield* unmountFilesystem(fs);
  });
}

describe.each(COMBINATIONS)('metadata $metadata, data $data, $bad of $devices devices bad', (combination) => {
  for (let seed = FIRST; seed < FIRST + RUNS; seed++) {
    test(`tasks that race read back right, and so do the good devices alone (seed ${seed})`, () => {
      const random = randomStream(`${seed}`, 'random-race');
      const sizes = new Array<number>(combination.devices).fill(SIZE);
      const { metadata: metadataProfile, data: dataProfile } = combination;
      const disks = sizes.map((size) => new BlockTable(size));
      for (const { device, offset, bytes } of makeFilesystem({ devices: sizes, metadataProfile, dataProfile })) {
        disks[device]!.write(offset, bytes);
      }
      const bad = new Set<number>();
      while (bad.size < combination.bad) bad.add(random.below(combination.devices));
      const rules = [...bad].map((device): FaultRule => {
        const operation = (['read', 'write'] as const).filter(() => random.chance(2, 3));
        const probability = { numerator: 1 + random.below(8), denominator: 8 };
        return {
          name: `bad ${device}`,
          when: { device, operation, probability },
          then: { kind: 'fail', errno: 'EIO' },
        };
      });
      const strategy = seededRandom({ seed: `${seed}` });
      const world = new SimulatedWorld({ devices: disks, lockOrder: LOCK_ORDER, strategy, rules });
      for (let run = 0; run < 8; run++) race(world, bad, `${seed} ${run}`);
    });
  }
});

test('a read of striped data that fails is an error, never wrong bytes', () => {
  for (let seed = 1; seed <= 5; seed++) {
    const random = randomStream(`${seed}`, 'random-stripes');
    const world = new MemoryWorld([SIZE, SIZE, SIZE]);
    const options = { devices: [SIZE, SIZE, SIZE], metadataProfile: 'raid1c3', dataProfile: 'raid0' } as const;
    for (const { device, offset, bytes } of makeFilesystem(options)) world.devices[device]!.write(offset, bytes);
    const fs = runAtomically(mountFilesystem(world, { fixes: allFixes() }));
    const content = Uint8Array.from({ length: 600 * KIB }, (_, index) => (index * 11 + (index >> 12)) & 255);
    runAtomically(sys.create(fs, 'striped'));
    runAtomically(sys.write(fs, 'striped', 0, content, { direct: true }));
    let failed = 0;
    for (let count = 0; count < 200; count++) {
      world.ioFailure = ({ operation }, device) =>
        device === 1 && operation === 'read' && count % 2 === 1 ? 'EIO' : null;
      const offset = random.below(140) * SECTOR;
      const length = (1 + random.below(40)) * SECTOR;
      const direct = random.chance(1, 2);
      runAtomically(sys.dropCaches(fs));
      try {
        const read = runAtomically(sys.read(fs, 'striped', offset, length, { direct }));
        expect(sameBytes(read, content.subarray(offset, offset + length))).toBe(true);
      } catch (error) {
        if (!(error instanceof FsError)) throw error;
        expect([error.code, count % 2]).toEqual(['EIO', 1]);
        failed++;
      }
    }
    expect(failed).toBeGreaterThan(20);
    expect(failed).toBeLessThan(100);
    runAtomically(unmountFilesystem(fs));
  }
});
