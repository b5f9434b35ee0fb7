import { expect, test } from 'vitest';
import { type RandomStream, randomStream } from '../src/base/random.ts';
import { KIB, MIB } from '../src/base/units.ts';
import { FsError } from '../src/fs/errors.ts';
import { allFixes, FIXES, FixSet } from '../src/fs/fixes.ts';
import { BLOCK_GROUP_FLAG } from '../src/fs/format/block-group.ts';
import { LOCK_ORDER } from '../src/fs/lock-order.ts';
import { deleteUnusedBlockGroups } from '../src/fs/maintenance/cleaner.ts';
import { type MakeFilesystemOptions, makeFilesystem } from '../src/fs/mkfs.ts';
import { mount, unmountCore } from '../src/fs/mount.ts';
import { releaseDataReservation, reserveDataExtent } from '../src/fs/space/data-reservation.ts';
import {
  addChunkOf,
  type BenchOptions,
  inHandle,
  mountOn,
  SMALL_CHUNKS,
  worldWith,
} from '../src/fs/testing/chunk-bench.ts';
import { type HandMadeFile, makeFile, removeFile, writeExtent } from '../src/fs/testing/hand-made-files.ts';
import type { MemoryWorld } from '../src/fs/testing/memory-world.ts';
import { decreaseReadOnly, getGroup, increaseReadOnly, putGroup } from '../src/fs/transaction/block-group-holds.ts';
import { allocateChunk, createPendingBlockGroups } from '../src/fs/transaction/chunk-allocation.ts';
import { commitTransaction } from '../src/fs/transaction/commit.ts';
import type { FsInfo } from '../src/fs/transaction/fs-info.ts';
import { joinTransaction, leaveTransaction, startTransaction } from '../src/fs/transaction/handle.ts';
import { SimulatedWorld } from '../src/inject/simulated-world.ts';
import { seededRandom } from '../src/inject/strategies/seeded-random.ts';
import { btrfsCheck } from '../src/oracle/judges/btrfs-check.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import { BlockTable } from '../src/record/block-table.ts';
import { runAtomically, type Task } from '../src/task/task.ts';

/**
 * Goal: whatever comes and goes, the disks hold a valid btrfs, and totals, groups and items agree. Method: random steps
 * of chunk life, judged by the structure oracle after each commit and by `btrfs check` now and then.
 */

const { DATA, METADATA, SYSTEM } = BLOCK_GROUP_FLAG;

function imagesOf(world: MemoryWorld): BlockTable[] {
  return world.devices.map((device) => {
    const image = new BlockTable(device.size);
    for (const [block, bytes] of device.blocks) image.write(block * 4096, bytes);
    return image;
  });
}

function expectSound(images: readonly BlockTable[]): void {
  const report = checkImage(images);
  expect(report.errors.map(({ message }) => message)).toEqual([]);
  expect(report.unsupported).toEqual([]);
}

async function expectCleanByJudge(images: readonly BlockTable[]): Promise<void> {
  const { verdict, reason, output } = await btrfsCheck(images);
  // The tool looks at all loop devices of the machine, and complains of those that others detach meanwhile.
  if (/cannot scan/.test(output)) expect(output).toContain('no error found');
  else expect(verdict === 'faulty' ? `${reason}\n${output}` : 'clean').toBe('clean');
}

function expectTotals(fs: FsInfo): void {
  for (const info of fs.space.spaces()) {
    const groups = fs.space.allGroups().filter(({ type }) => type === info.type);
    const sum = (of: (group: (typeof groups)[number]) => number) => groups.reduce((all, group) => all + of(group), 0);
    expect([info.total, info.used, info.reserved, info.pinned, info.readOnly, info.free]).toEqual([
      sum(({ length }) => length),
      sum(({ used }) => used),
      sum(({ reserved }) => reserved),
      sum(({ pinned }) => pinned),
      sum((group) => (group.readOnlyHolders > 0 ? group.freeBytes : 0)),
      sum((group) => (group.readOnlyHolders > 0 ? 0 : group.free.bytes)),
    ]);
  }
}

/** Whether there is room in one piece: what a handle has begun must not fail half way. */
function* reserveAndRelease(fs: FsInfo, length: number): Task<void> {
  yield* releaseDataReservation(fs, yield* reserveDataExtent(fs, length, length));
}

class Life {
  readonly world: MemoryWorld;
  fs: FsInfo;
  private readonly options: BenchOptions;
  private readonly random: RandomStream;
  private readonly files: HandMadeFile[] = [];
  private inode = 257;

  constructor(make: Partial<MakeFilesystemOptions>, options: BenchOptions, seed: string) {
    this.world = worldWith(make);
    this.options = options;
    this.fs = mountOn(this.world, options);
    this.random = randomStream(seed, 'workload');
  }

  step(): void {
    const { fs, random } = this;
    switch (random.below(10)) {
      case 0:
        this.tolerate(() => addChunkOf(fs, [DATA, METADATA, SYSTEM][random.below(3)]!));
        break;
      case 1:
        this.tolerate(() => runAtomically(deleteUnusedBlockGroups(fs)));
        break;
      case 2:
        runAtomically(commitTransaction(fs));
        break;
      case 3:
      case 4:
      case 5:
        if (this.files.length > 0) this.remove(random.below(this.files.length));
        break;
      case 6:
        this.holdReadOnly();
        break;
      default:
        this.tolerate(() => this.write());
    }
    expectTotals(this.fs);
  }

  /** What only says that the devices are full is no failure. */
  private tolerate(step: () => unknown): void {
    this.outcome(step);
  }

  private outcome(step: () => unknown): 'ok' | 'ENOSPC' {
    try {
      step();
      return 'ok';
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== 'ENOSPC') throw error;
      return 'ENOSPC';
    }
  }

  private write(): void {
    const { fs, random } = this;
    const handle = runAtomically(startTransaction(fs, { items: 6 }));
    try {
      const extents = [];
      let fileOffset = 0;
      for (let count = random.below(4); count > 0; count--) {
        const length = 4 * KIB * (1 + random.below(120));
        if (this.outcome(() => runAtomically(reserveAndRelease(fs, length))) === 'ENOSPC') break;
        const extent = runAtomically(writeExtent(handle, length, random.below(256)));
        extents.push({ ...extent, fileOffset });
        fileOffset += extent.length;
      }
      const file = { inode: this.inode, name: `file-${this.inode++}-${'x'.repeat(random.below(60))}`, extents };
      runAtomically(makeFile(handle, file, () => 'new'));
      this.files.push(file);
    } finally {
      leaveTransaction(handle);
    }
  }

  private remove(index: number): void {
    const [file] = this.files.splice(index, 1);
    inHandle(this.fs, (handle) => runAtomically(removeFile(handle, file!)));
  }

  private holdReadOnly(): void {
    const { fs, random } = this;
    const groups = fs.space.allGroups();
    const group = groups[random.below(groups.length)]!;
    this.tolerate(() => {
      runAtomically(increaseReadOnly(fs, group, { mayAllocateChunk: random.chance(1, 3) }));
      this.tolerate(() => this.write());
      if (random.chance(1, 2)) runAtomically(commitTransaction(fs));
      decreaseReadOnly(fs, group);
    });
  }

  /** Frees everything, and lets the cleaner have what it can. */
  empty(): void {
    while (this.files.length > 0) this.remove(this.files.length - 1);
    runAtomically(commitTransaction(this.fs));
    runAtomically(deleteUnusedBlockGroups(this.fs));
  }

  remount(): void {
    runAtomically(unmountCore(this.fs));
    this.fs = mountOn(this.world, this.options);
  }
}

const SHAPES: readonly (readonly [string, Partial<MakeFilesystemOptions>, BenchOptions])[] = [
  ['single', { devices: [16 * MIB] }, {}],
  ['single, discarding', { devices: [16 * MIB] }, { discard: true }],
  ['metadata dup', { devices: [24 * MIB], metadataProfile: 'dup' }, {}],
  ['nodes of 16 KiB', { devices: [24 * MIB], nodeSize: 16 * KIB, metadataBytes: 2 * MIB }, {}],
  ['no free space tree', { devices: [16 * MIB], freeSpaceTree: false }, {}],
  ['across a superblock copy', { devices: [80 * MIB], dataBytes: 56 * MIB }, {}],
  [
    'sizes as btrfs chooses them',
    { devices: [96 * MIB] },
    { chunkSizes: { system: null, metadata: null, data: null } },
  ],
  ['raid1', { devices: [12 * MIB, 16 * MIB, 12 * MIB], metadataProfile: 'raid1', dataProfile: 'raid1' }, {}],
  ['raid0', { devices: [8 * MIB, 8 * MIB], metadataProfile: 'raid1', dataProfile: 'raid0' }, {}],
  ['raid1c3', { devices: [12 * MIB, 12 * MIB, 12 * MIB], metadataProfile: 'raid1c3', dataProfile: 'single' }, {}],
  [
    'old order of removal',
    { devices: [16 * MIB] },
    { off: ['delete-item-before-removed', 'drop-reference-on-failed-removal'] },
  ],
];

for (const [name, make, options] of SHAPES) {
  test(`chunks that come and go leave sound disks: ${name}`, async () => {
    const life = new Life(make, options, name);
    for (let round = 0; round < 10; round++) {
      for (let count = 0; count < 20; count++) life.step();
      runAtomically(commitTransaction(life.fs));
      expect(life.fs.aborted).toBe(null);
      expectSound(imagesOf(life.world));
      if (round % 3 === 2) await expectCleanByJudge(imagesOf(life.world));
      if (round % 4 === 3) life.remount();
    }
    life.empty();
    const data = life.fs.space.allGroups().filter(({ flags }) => (flags & DATA) !== 0);
    expect(data.filter(({ used }) => used === 0)).toHaveLength(1);
    life.remount();
    expectSound(imagesOf(life.world));
    await expectCleanByJudge(imagesOf(life.world));
  }, 60_000);
}

/** One task each for writing, cleaning, adding chunks, setting read-only and committing, on a small device. */
const SIZE = 12 * MIB;

function freshImage(): BlockTable {
  const image = new BlockTable(SIZE);
  const sizes = { systemBytes: 256 * KIB, metadataBytes: MIB, dataBytes: MIB };
  for (const { offset, bytes } of makeFilesystem({ devices: [SIZE], ...sizes })) image.write(offset, bytes);
  return image;
}

let fixes: FixSet = allFixes();
const mutations: ReadonlySet<string> = new Set();
let mounted: FsInfo;
let failures: string[] = [];

function* guarded(body: Task<unknown>): Task<void> {
  try {
    yield* body;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    failures.push(error.code);
  }
}

function* writer(fs: FsInfo, first: number): Task<void> {
  for (let inode = first; inode < first + 3; inode++) {
    const handle = yield* startTransaction(fs);
    const file = { inode, name: `file-${inode}`, extents: [yield* writeExtent(handle, 8192, inode)] };
    yield* makeFile(handle, file, () => 'new');
    leaveTransaction(handle);
    if (inode % 2 === 1) yield* commitTransaction(fs);
    const second = yield* startTransaction(fs);
    yield* removeFile(second, file);
    leaveTransaction(second);
  }
  yield* commitTransaction(fs);
}

function* adder(fs: FsInfo): Task<void> {
  for (let count = 0; count < 2; count++) {
    const handle = yield* joinTransaction(fs);
    try {
      yield* allocateChunk(handle, DATA);
      yield* createPendingBlockGroups(handle);
    } finally {
      leaveTransaction(handle);
    }
  }
}

function* cleaner(fs: FsInfo): Task<void> {
  yield* deleteUnusedBlockGroups(fs);
  yield* deleteUnusedBlockGroups(fs);
}

function* holder(fs: FsInfo): Task<void> {
  for (let count = 0; count < 2; count++) {
    const group = fs.space.allGroups().at(-1)!;
    getGroup(fs, group);
    try {
      yield* increaseReadOnly(fs, group, { mayAllocateChunk: true });
      yield* commitTransaction(fs);
      decreaseReadOnly(fs, group);
    } finally {
      putGroup(fs, group);
    }
  }
}

function* main(world: SimulatedWorld): Task<void> {
  failures = [];
  const fs = yield* mount(world, { fixes, mutations, chunkSizes: SMALL_CHUNKS });
  mounted = fs;
  yield* adder(fs);
  yield* commitTransaction(fs);
  world.beginExploration();
  const tasks = [
    world.spawn('writer', guarded(writer(fs, 300))),
    world.spawn('adder', guarded(adder(fs))),
    world.spawn('cleaner', guarded(cleaner(fs))),
    world.spawn('holder', guarded(holder(fs))),
  ];
  for (const task of tasks) yield* task.join();
  world.endExploration();
  if (fs.aborted !== null) return;
  expectTotals(fs);
  yield* unmountCore(fs);
}

function worldOf(seed: string): SimulatedWorld {
  return new SimulatedWorld({
    strategy: seededRandom({ seed }),
    devices: [freshImage()],
    lockOrder: LOCK_ORDER,
  });
}

test('in any order of tasks nothing fails, no lock is left, totals agree and the disks are sound', async () => {
  fixes = allFixes();
  const world = worldOf('1');
  const hashes = new Set<string>();
  for (let run = 0; run < 150; run++) {
    world.execute(main);
    const report = world.report();
    expect(report.locks).toEqual([]);
    expect(report.hung).toBe(false);
    expect(failures.filter((code) => code !== 'ENOSPC')).toEqual([]);
    expect(mounted.aborted).toBe(null);
    hashes.add(report.eventHash);
    expectSound([world.devices[0]!.durable()]);
    if (run % 50 === 0) await expectCleanByJudge([world.devices[0]!.durable()]);
  }
  expect(hashes.size).toBeGreaterThan(140);
}, 60_000);

test('without ffcb9d44572a some orders of tasks abort with EEXIST: the address is reused before the old item is gone', () => {
  fixes = new FixSet(FIXES.map(({ id }) => id).filter((id) => id !== 'delete-item-before-removed'));
  const world = worldOf('2');
  let runs = 0;
  // How often it happens was measured: about 1 of 50 runs.
  for (; runs < 1000 && !failures.includes('EEXIST'); runs++) world.execute(main);
  fixes = allFixes();
  expect(failures).toContain('EEXIST');
  expect(mounted.aborted).toBe('EEXIST');
}, 60_000);
