import { expect, test } from 'vitest';
import { KIB, MIB } from '../../base/units.ts';
import { mountFilesystem, unmountFilesystem } from '../../fs/filesystem.ts';
import { FixSet } from '../../fs/fixes.ts';
import { type MakeFilesystemOptions, makeFilesystem } from '../../fs/mkfs.ts';
import { create, mkdir, rename, sync, truncate, unlink, write } from '../../fs/syscalls.ts';
import { MemoryWorld } from '../../fs/testing/memory-world.ts';
import { BlockTable } from '../../record/block-table.ts';
import { runAtomically, type Task } from '../../task/task.ts';
import { checkImage } from './check-image.ts';
import { openImage } from './open-image.ts';

function worldOf(options: MakeFilesystemOptions): MemoryWorld {
  const world = new MemoryWorld(options.devices);
  for (const { device, offset, bytes } of makeFilesystem(options)) world.devices[device]!.write(offset, bytes);
  return world;
}

function imagesOf(world: MemoryWorld): BlockTable[] {
  return world.devices.map((device) => {
    const image = new BlockTable(device.size);
    for (const [block, bytes] of device.blocks) image.write(block * 4096, bytes);
    return image;
  });
}

function complaints(world: MemoryWorld): string[] {
  const report = checkImage(imagesOf(world));
  return [...report.errors, ...report.warnings].map((fault) => fault.message).concat(report.unsupported);
}

const bytesOf = (length: number, value: number) => new Uint8Array(length).fill(value);

function* work(world: MemoryWorld, mutations: ReadonlySet<string>): Task<void> {
  const fs = yield* mountFilesystem(world, { fixes: new FixSet([]), mutations });
  yield* mkdir(fs, '/d');
  for (let i = 0; i < 40; i++) {
    yield* create(fs, `/d/file-${i}`);
    yield* write(fs, `/d/file-${i}`, 0, bytesOf(4096 + i * 100, i), {});
  }
  yield* sync(fs);
  for (let i = 0; i < 40; i += 3) yield* unlink(fs, `/d/file-${i}`);
  yield* rename(fs, '/d/file-1', '/moved');
  yield* truncate(fs, '/d/file-2', 100);
  yield* truncate(fs, '/d/file-4', 20_000);
  yield* write(fs, '/d/file-5', 8192, bytesOf(4096, 99), {});
  yield* unmountFilesystem(fs);
}

const OPTIONS: readonly MakeFilesystemOptions[] = [
  { devices: [16 * MIB] },
  { devices: [32 * MIB], nodeSize: 16 * KIB },
  { devices: [64 * MIB], metadataProfile: 'dup' },
  { devices: [128 * MIB], nodeSize: 64 * KIB, metadataBytes: 16 * MIB, systemBytes: 2 * MIB },
  { devices: [16 * MIB], freeSpaceTree: false },
];

test.each(OPTIONS)('an image fresh from the engine with %j gets no complaint', (options) => {
  expect(complaints(worldOf(options))).toEqual([]);
});

test.each(OPTIONS)('an image that the engine has worked on with %j gets no complaint', (options) => {
  const world = worldOf(options);
  runAtomically(work(world, new Set()));
  expect(complaints(world)).toEqual([]);
  const reader = openImage(imagesOf(world))!;
  expect(reader.readFile('/moved')).toEqual(bytesOf(4196, 1));
});

const CAUGHT = [
  ['lose-block-group-update', 'block-group-used'],
  ['skip-data-checksum', 'csum-missing'],
  ['stale-parent-generation', 'block-parent-generation'],
  ['leak-free-space-range', 'free-space-missing'],
] as const;

test.each(CAUGHT)('the seeded bug %s is caught as %s', (mutation, fault) => {
  const world = worldOf({ devices: [16 * MIB] });
  runAtomically(work(world, new Set([mutation])));
  expect(checkImage(imagesOf(world)).errors.map((one) => one.fault)).toContain(fault);
});
