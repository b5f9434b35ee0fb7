import { crc32c } from '../../src/base/crc32c.ts';
import { MIB } from '../../src/base/units.ts';
import { mountFilesystem, unmountFilesystem } from '../../src/fs/filesystem.ts';
import { allFixes } from '../../src/fs/fixes.ts';
import { makeFilesystem } from '../../src/fs/mkfs.ts';
import { create, sync } from '../../src/fs/syscalls.ts';
import { SimulatedWorld } from '../../src/inject/simulated-world.ts';
import { BlockTable } from '../../src/record/block-table.ts';
import type { Task } from '../../src/task/task.ts';
import { type Figure, medianNanoseconds } from './figure.ts';

const DEVICE_BYTES = 16 * MIB;

/** The engine's parts by themselves, on the default image. */
export function measureEngine(): Figure[] {
  const figures: Figure[] = [];
  for (const [name, length] of [
    ['4 KiB', 4096],
    ['16 KiB', 16384],
    ['64 B', 64],
  ] as const) {
    const bytes = Uint8Array.from({ length }, (_, i) => i & 255);
    const batch = Math.max(16, Math.floor(65_536 / length));
    const nanoseconds = medianNanoseconds(name, () => {
      for (let i = 0; i < batch; i++) crc32c(bytes);
    });
    figures.push({ name: `crc32c of ${name}`, value: (batch * length * 1000) / nanoseconds, unit: 'MB/s' });
  }

  const make = () => makeFilesystem({ devices: [DEVICE_BYTES] });
  figures.push({ name: 'mkfs', value: medianNanoseconds('mkfs', make) / 1000, unit: 'µs' });
  const disk = new BlockTable(DEVICE_BYTES);
  for (const { offset, bytes } of make()) disk.write(offset, bytes);
  const world = new SimulatedWorld({ devices: [disk] });
  const time = (name: string, main: () => Task<void>) => medianNanoseconds(name, () => void world.execute(main)) / 1000;
  const mounting = time('mount', () => mountOnly(world));
  const committing = time('commit', () => mountAndCommit(world));
  figures.push({ name: 'mount and unmount', value: mounting, unit: 'µs' });
  figures.push({ name: 'create one file and commit', value: committing - mounting, unit: 'µs' });
  return figures;
}

function* mountOnly(world: SimulatedWorld): Task<void> {
  const fs = yield* mountFilesystem(world, { fixes: allFixes() });
  yield* unmountFilesystem(fs);
}

function* mountAndCommit(world: SimulatedWorld): Task<void> {
  const fs = yield* mountFilesystem(world, { fixes: allFixes() });
  yield* create(fs, '/file');
  yield* sync(fs);
  yield* unmountFilesystem(fs);
}
