import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { randomStream } from '../../base/random.ts';
import { MIB } from '../../base/units.ts';
import { runAtomically } from '../../task/task.ts';
import type { IoRequest } from '../../task/world.ts';
import { FixSet } from '../fixes.ts';
import { makeFilesystem } from '../mkfs.ts';
import { mount } from '../mount.ts';
import { type HandMadeFile, makeFile, removeFile, writeExtent } from '../testing/hand-made-files.ts';
import { MemoryWorld } from '../testing/memory-world.ts';
import { commitTransaction } from './commit.ts';
import { leaveTransaction, startTransaction } from './handle.ts';

const SIZE = 16 * MIB;
const hasJudge = spawnSync('btrfs', ['--version']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'fsquake-power-cut-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the device was asked to do from the mount on, and what was on it before. */
function historyOf(mutations: readonly string[]): { before: Map<number, Uint8Array>; log: readonly IoRequest[] } {
  const world = new MemoryWorld([SIZE]);
  for (const { offset, bytes } of makeFilesystem({ devices: [SIZE] })) world.devices[0]!.write(offset, bytes);
  const before = new Map(world.devices[0]!.blocks);
  const fs = runAtomically(mount(world, { fixes: new FixSet([]), mutations: new Set(mutations) }));
  const files: HandMadeFile[] = [];
  for (let inode = 257; inode < 269; inode++) {
    const handle = runAtomically(startTransaction(fs));
    if (inode % 3 === 0) runAtomically(removeFile(handle, files.shift()!));
    const file = { inode, name: `f${inode}`, extents: [runAtomically(writeExtent(handle, 8192, inode))] };
    runAtomically(makeFile(handle, file, () => 'new'));
    files.push(file);
    leaveTransaction(handle);
    if (inode % 2 === 0) runAtomically(commitTransaction(fs));
  }
  return { before, log: world.devices[0]!.log };
}

/** The disk after a power cut behind `cut` requests, when of the writes since the last flush only some survived. */
function imageAfter(
  history: ReturnType<typeof historyOf>,
  cut: number,
  survives: (request: IoRequest) => boolean,
): Map<number, Uint8Array> {
  const blocks = new Map(history.before);
  const done = history.log.slice(0, cut);
  const flushed = done.findLastIndex((request) => request.operation === 'flush');
  for (const [index, request] of done.entries()) {
    if (request.operation !== 'write') continue;
    if (index > flushed && request.fua !== true && !survives(request)) continue;
    for (let at = 0; at < request.length; at += 4096) {
      blocks.set((request.offset + at) / 4096, request.bytes!.subarray(at, at + 4096));
    }
  }
  return blocks;
}

function isClean(blocks: Map<number, Uint8Array>): boolean {
  const path = join(folder, 'image');
  const file = openSync(path, 'w');
  ftruncateSync(file, SIZE);
  for (const [block, bytes] of blocks) writeSync(file, bytes, 0, bytes.length, block * 4096);
  closeSync(file);
  const judged = spawnSync('btrfs', ['check', '--readonly', '--check-data-csum', path], { encoding: 'utf8' });
  return judged.status === 0 && !/warning/i.test(judged.stdout + judged.stderr);
}

/** How many of the cuts leave an image that the judge refuses. */
function refusedCuts(mutations: readonly string[]): number {
  const history = historyOf(mutations);
  const random = randomStream('1', 'faults');
  let refused = 0;
  for (let cut = 0; cut <= history.log.length; cut += mutations.length === 0 ? 2 : 3) {
    const keep = random.below(3);
    if (!isClean(imageAfter(history, cut, () => keep === 0 || (keep === 1 && random.chance(1, 2))))) refused++;
  }
  return refused;
}

test.skipIf(!hasJudge)('a power cut anywhere, with any unflushed writes lost, leaves a clean file system', () => {
  expect(refusedCuts([])).toBe(0);
});

for (const bug of ['skip-unpin-wait', 'skip-flush-before-superblock']) {
  test.skipIf(!hasJudge)(`the seeded bug ${bug} shows in what power cuts leave behind`, () => {
    expect(refusedCuts([bug])).toBeGreaterThan(0);
  });
}
