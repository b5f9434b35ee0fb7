import { rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { toHex } from '../src/base/bytes.ts';
import { KIB, MIB, SECTOR_SIZE } from '../src/base/units.ts';
import { type MountedFilesystem, mountFilesystem } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import { scrubDevices } from '../src/fs/maintenance/scrub.ts';
import { SCRUB_COUNTS, type ScrubStatistics } from '../src/fs/maintenance/scrub-statistics.ts';
import { type MakeFilesystemOptions, makeFilesystem } from '../src/fs/mkfs.ts';
import { create, fallocate, fiemap, unlink, write } from '../src/fs/syscalls.ts';
import { piecesOf } from '../src/fs/volume/stripe-mapping.ts';
import { SimulatedWorld } from '../src/inject/simulated-world.ts';
import { runCommand } from '../src/oracle/judges/command.ts';
import { writeImageFiles } from '../src/oracle/judges/image-files.ts';
import { attachLoops, loopsMissing } from '../src/oracle/judges/loop-devices.ts';
import { mountAlone } from '../src/oracle/judges/own-mount.ts';
import { BlockTable } from '../src/record/block-table.ts';
import type { Task } from '../src/task/task.ts';
import { disksAfter } from './support/simulated-filesystem.ts';

/**
 * Goal: our figures are those that users know. Method: the same images, intact and damaged, are scrubbed by the engine
 * and by the host's kernel, mounted read-only by both, and all figures are compared device by device. The figures
 * are those of Linux 6.4 and newer, whose scrub counts by stripes and sectors; errors of metadata as 6.18 counts them.
 */
const SIZE = 128 * MIB;
const TIMEOUT = { timeoutMs: 60_000 };
const canMount =
  (await loopsMissing()) === null && (await runCommand('btrfs', ['--version'], TIMEOUT)).kind === 'ended';
const kernel = await runCommand('uname', ['-r'], TIMEOUT);
const isCounting =
  kernel.kind === 'ended' && Number.parseFloat(kernel.output.replace(/^(\d+)\.(\d)\b/, '$1.0$2')) >= 6.17;

function made(count: number, options: Omit<MakeFilesystemOptions, 'devices'>): BlockTable[] {
  const disks = Array.from({ length: count }, () => new BlockTable(SIZE));
  // Nobody else may mount, or scrub, a file system of the same uuid meanwhile.
  const seed = `scrub of process ${process.pid}: ${JSON.stringify(options)}`;
  for (const { device, offset, bytes } of makeFilesystem({ ...options, seed, devices: disks.map(() => SIZE) })) {
    disks[device]!.write(offset, bytes);
  }
  return disksAfter(files, disks);
}

function contents(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 12) * 31) & 0xff);
}

function* files(fs: MountedFilesystem): Task<void> {
  yield* create(fs, '/hole');
  yield* write(fs, '/hole', 0, contents(44 * KIB));
  yield* create(fs, '/small');
  yield* write(fs, '/small', 0, contents(4 * KIB));
  yield* create(fs, '/large');
  yield* write(fs, '/large', 0, contents(500 * KIB));
  yield* create(fs, '/unchecked', { nodatacow: true });
  yield* write(fs, '/unchecked', 0, contents(100 * KIB));
  yield* create(fs, '/reserved');
  yield* fallocate(fs, '/reserved', 0, 200 * KIB);
  for (let index = 0; index < 80; index++) yield* create(fs, `/a-name-that-takes-its-place-in-a-leaf-${index}`);
  yield* unlink(fs, '/hole');
}

/** Damages sectors 3 to 5 of a file's copy `mirror`, and a byte of that copy of the top directory's root. */
function damaged(disks: BlockTable[], mirror: number): BlockTable[] {
  const changed = disks.map((disk) => disk.snapshot());
  const world = new SimulatedWorld({ devices: disks });
  world.execute(function* () {
    const fs = yield* mountFilesystem(world, { fixes: allFixes(), readOnly: true });
    const [extent] = yield* fiemap(fs, '/large');
    damage(fs, changed, extent!.physical + 3 * SECTOR_SIZE, 3 * SECTOR_SIZE, mirror);
    damage(fs, changed, fs.info.trees.fs.root.address + 700, 1, mirror);
  });
  return changed;
}

function damage(fs: MountedFilesystem, disks: BlockTable[], logical: number, length: number, mirror: number): void {
  const chunk = fs.info.volume.chunkAt(logical)!;
  const isCopied = (chunk.flags & 8) === 0 && chunk.stripes.length > 1;
  for (const { stripe, physical, length: part } of piecesOf(chunk, logical, length, isCopied ? mirror : 0)) {
    const disk = disks[stripe.device.block!.index]!;
    disk.write(
      physical,
      disk.read(physical, part).map((byte) => ~byte),
    );
  }
}

/** A damaged tree block that has no other copy could stop a mount. */
function ours(disks: BlockTable[]): ScrubStatistics[] {
  const world = new SimulatedWorld({ devices: disks });
  const figures: ScrubStatistics[] = [];
  world.execute(function* () {
    const fs = yield* mountFilesystem(world, { fixes: allFixes(), readOnly: true });
    for (const { id } of fs.info.volume.devices()) {
      const options = { devid: id, start: 0, end: null, readOnly: true, resume: false };
      figures.push(yield* scrubDevices(fs.files, options));
    }
  });
  return figures;
}

async function theKernels(disks: BlockTable[]): Promise<ScrubStatistics[]> {
  const images = await writeImageFiles(disks);
  try {
    const loops = await attachLoops(images.paths);
    if ('failed' in loops) throw new Error(loops.failed);
    try {
      return await scrubMounted(loops.devices);
    } finally {
      expect(await loops.detach()).toEqual([]);
      await forgetStatus(disks[0]!);
    }
  } finally {
    await images.remove();
  }
}

/** `btrfs scrub` keeps what it counted, by the uuid of the file system. */
async function forgetStatus(disk: BlockTable): Promise<void> {
  const hex = toHex(disk.read(64 * KIB + 32, 16));
  const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  for (const kind of ['status', 'progress']) await rm(`/var/lib/btrfs/scrub.${kind}.${uuid}`, { force: true });
}

async function scrubMounted(devices: readonly string[]): Promise<ScrubStatistics[]> {
  const mount = await mountAlone(devices, 'ro');
  if ('failed' in mount) throw new Error(JSON.stringify(mount.failed));
  try {
    const figures: ScrubStatistics[] = [];
    for (const device of devices) {
      // Its exit code says whether there were errors.
      const result = await mount.run('btrfs', () => ['scrub', 'start', '-B', '-R', '-r', '-f', device]);
      if (result.kind !== 'ended') throw new Error(`btrfs scrub: ${result.kind}`);
      figures.push(figuresIn(result.output));
    }
    return figures;
  } finally {
    expect(await mount.unmount()).toBeNull();
  }
}

function figuresIn(output: string): ScrubStatistics {
  expect(output).toContain('data_extents_scrubbed');
  const figures = SCRUB_COUNTS.map((name) => [name, Number(new RegExp(`\\b${name}: (\\d+)`).exec(output)?.[1])]);
  return Object.fromEntries(figures) as ScrubStatistics;
}

describe.runIf(canMount && isCounting)('our scrub and the kernel count the same', () => {
  test.each([
    [1, 'single', 'single', 4096],
    [1, 'dup', 'single', 4096],
    [1, 'dup', 'dup', 16384],
    [2, 'raid1', 'raid0', 16384],
    [2, 'raid1', 'raid1', 16384],
    [2, 'raid0', 'raid0', 4096],
    [3, 'raid1', 'raid0', 16384],
    [4, 'raid1c3', 'raid1c4', 4096],
  ] as const)(
    '%i devices, metadata %s, data %s, nodes of %i',
    async (count, metadataProfile, dataProfile, nodeSize) => {
      const disks = made(count, { metadataProfile, dataProfile, nodeSize });
      expect(ours(disks)).toEqual(await theKernels(disks));
      if (metadataProfile === 'single' || metadataProfile === 'raid0') return;
      for (const mirror of [0, 1]) {
        const broken = damaged(disks, mirror);
        const found = ours(broken);
        expect(found.reduce((sum, { csum_errors }) => sum + csum_errors, 0)).toBe(3);
        expect(found.reduce((sum, { verify_errors }) => sum + verify_errors, 0)).toBe(nodeSize / SECTOR_SIZE);
        expect(found).toEqual(await theKernels(broken));
      }
    },
  );
});
