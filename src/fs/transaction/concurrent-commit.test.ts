import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { MIB } from '../../base/units.ts';
import { SimulatedWorld } from '../../inject/simulated-world.ts';
import { seededRandom } from '../../inject/strategies/seeded-random.ts';
import { BlockTable } from '../../record/block-table.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { FixSet } from '../fixes.ts';
import { LOCK_ORDER } from '../lock-order.ts';
import { makeFilesystem } from '../mkfs.ts';
import { mount, unmountCore } from '../mount.ts';
import { makeFile, removeFile, writeExtent } from '../testing/hand-made-files.ts';
import { commitTransaction } from './commit.ts';
import type { FsInfo } from './fs-info.ts';
import { leaveTransaction, startTransaction } from './handle.ts';

const SIZE = 16 * MIB;
const hasJudge = spawnSync('btrfs', ['--version']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'fsquake-concurrent-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function freshImage(): BlockTable {
  const image = new BlockTable(SIZE);
  for (const { offset, bytes } of makeFilesystem({ devices: [SIZE] })) image.write(offset, bytes);
  return image;
}

function complaints(image: BlockTable): string {
  if (!hasJudge) return '';
  const path = join(folder, 'image');
  const file = openSync(path, 'w');
  ftruncateSync(file, SIZE);
  for (const { offset, bytes } of image.written()) writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
  const judged = spawnSync('btrfs', ['check', '--readonly', '--check-data-csum', path], { encoding: 'utf8' });
  const text = judged.stdout + judged.stderr;
  return judged.status === 0 && !/warning/i.test(text) ? '' : text;
}

/** Makes files and removes every other one of them, each in its own handle; commits after every third. */
function* writer(fs: FsInfo, first: number, withData: boolean): Task<void> {
  for (let inode = first; inode < first + 6; inode++) {
    const handle = yield* startTransaction(fs);
    const extents = withData ? [yield* writeExtent(handle, 8192, inode)] : [];
    const file = { inode, name: `file-${inode}`, extents };
    yield* makeFile(handle, file, () => 'new');
    leaveTransaction(handle);
    if (inode % 3 === 0) yield* commitTransaction(fs);
    if (inode % 2 === 1) continue;
    const second = yield* startTransaction(fs);
    yield* removeFile(second, file);
    leaveTransaction(second);
  }
}

let mounted: FsInfo;
let mutations: ReadonlySet<string> = new Set();

function* main(world: SimulatedWorld): Task<void> {
  const fs = yield* mount(world, { fixes: new FixSet([]), mutations });
  mounted = fs;
  world.beginExploration();
  const tasks = [
    world.spawn('a', writer(fs, 300, true)),
    world.spawn('b', writer(fs, 310, false)),
    world.spawn('c', writer(fs, 320, true)),
    world.spawn('d', commitTwice(fs)),
  ];
  for (const task of tasks) yield* task.join();
  world.endExploration();
  yield* unmountCore(fs);
}

function* commitTwice(fs: FsInfo): Task<void> {
  yield* commitTransaction(fs);
  yield* commitTransaction(fs);
}

test('writers and committers in any order leave no lock behind, nobody waiting, and a clean image', () => {
  const image = freshImage();
  const world = new SimulatedWorld({
    strategy: seededRandom({ seed: '1' }),
    devices: [image],
    lockOrder: LOCK_ORDER,
  });
  const hashes = new Set<string>();
  for (let run = 0; run < 60; run++) {
    world.execute(main);
    const report = world.report();
    expect(report.locks).toEqual([]);
    expect(report.hung).toBe(false);
    hashes.add(report.eventHash);
    if (run % 10 === 0) expect(complaints(world.devices[0]!.durable())).toBe('');
  }
  expect(hashes.size).toBeGreaterThan(50);
});

function* mainWithErrors(world: SimulatedWorld): Task<void> {
  const fs = yield* mount(world, { fixes: new FixSet([]) });
  mounted = fs;
  world.beginExploration();
  const tasks = [300, 310, 320].map((first) => world.spawn(`w${first}`, tolerant(fs, first)));
  for (const task of tasks) yield* task.join();
  world.endExploration();
  yield* unmountCore(fs);
}

function* tolerant(fs: FsInfo, first: number): Task<void> {
  try {
    yield* writer(fs, first, false);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    expect(['EIO', 'EROFS']).toContain(error.code);
  }
}

test('when an I/O of any commit fails, everybody gets EIO or EROFS, nobody hangs, and the disk holds a clean old state', () => {
  const image = freshImage();
  let aborts = 0;
  for (const kind of ['tree-block', 'superblock'] as const) {
    for (let occurrence = 1; occurrence < 16; occurrence += kind === 'superblock' ? 1 : 3) {
      const world = new SimulatedWorld({
        strategy: seededRandom({ seed: `${kind} ${occurrence}` }),
        devices: [image],
        lockOrder: LOCK_ORDER,
        rules: [
          {
            name: 'failing write',
            when: { operation: 'write', purpose: kind, occurrence },
            then: { kind: 'fail', errno: 'EIO' },
          },
        ],
      });
      world.execute(mainWithErrors);
      const report = world.report();
      expect(report.locks).toEqual([]);
      expect(report.hung).toBe(false);
      expect(mounted.runningTransaction?.writers ?? 0).toBe(0);
      if (mounted.aborted !== null) aborts++;
      expect(complaints(world.devices[0]!.durable())).toBe('');
    }
  }
  expect(aborts).toBeGreaterThan(5);
});

for (const [bug, kinds] of [
  ['forget-lock-release', ['held-at-end', 'wait-cycle', 'waiting-at-end']],
  ['lock-order-swap', ['order-violation']],
] as const) {
  test(`the seeded bug ${bug} is reported by the world`, () => {
    const world = new SimulatedWorld({
      strategy: seededRandom({ seed: '1' }),
      devices: [freshImage()],
      lockOrder: LOCK_ORDER,
    });
    mutations = new Set([bug]);
    world.execute(main);
    mutations = new Set();
    const found = world.report().locks.map((report) => report.kind);
    expect(found.some((kind) => (kinds as readonly string[]).includes(kind))).toBe(true);
  });
}
