import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { type ByteCount, MIB } from '../../src/base/units.ts';
import { FsError } from '../../src/fs/errors.ts';
import {
  type MountedFilesystem,
  type MountOptions,
  mountFilesystem,
  unmountFilesystem,
} from '../../src/fs/filesystem.ts';
import { allFixes } from '../../src/fs/fixes.ts';
import { SUPERBLOCK_MAGIC } from '../../src/fs/format/superblock.ts';
import { type MakeFilesystemOptions, makeFilesystem } from '../../src/fs/mkfs.ts';
import { create, write } from '../../src/fs/syscalls.ts';
import { SimulatedWorld } from '../../src/inject/simulated-world.ts';
import { btrfsCheck } from '../../src/oracle/judges/btrfs-check.ts';
import { type ExpectedFile, kernelMount } from '../../src/oracle/judges/kernel-mount.ts';
import type { JudgeReport } from '../../src/oracle/judges/report.ts';
import { BlockTable } from '../../src/record/block-table.ts';
import type { Task } from '../../src/task/task.ts';

const SUPERBLOCK_AT = 65536;

let made = 0;

/** A new file system with small chunks; then `spares` blank disks. Each has uuids of its own, for the host's sake. */
export function newDisks(options: MakeFilesystemOptions, spares: readonly ByteCount[] = []): BlockTable[] {
  const sizes = { systemBytes: MIB, metadataBytes: 2 * MIB, dataBytes: 2 * MIB };
  const disks = [...options.devices, ...spares].map((size) => new BlockTable(size));
  const seed = `device-bench-${process.pid}-${made++}`;
  for (const { device, offset, bytes } of makeFilesystem({ ...sizes, seed, ...options })) {
    disks[device]!.write(offset, bytes);
  }
  return disks;
}

/** Where an undisturbed task left the disks, and its errno and words if it was refused. */
export interface Aftermath {
  readonly disks: BlockTable[];
  readonly refusal: string | null;
}

/** Mounts, lets `work` do something and unmounts. A refusal of the mount, or of the work, ends it there. */
export function afterWork(
  disks: readonly BlockTable[],
  work: (fs: MountedFilesystem) => Task<unknown>,
  options: Partial<MountOptions> = {},
): Aftermath {
  const world = new SimulatedWorld({ devices: disks });
  let refusal: string | null = null;
  function* run(): Task<void> {
    try {
      const fs = yield* mountFilesystem(world, {
        fixes: allFixes(),
        chunkSizes: { system: MIB, metadata: 2 * MIB, data: 2 * MIB },
        ...options,
      });
      try {
        yield* work(fs);
      } catch (error) {
        if (!(error instanceof FsError)) throw error;
        refusal = error.message;
      }
      yield* unmountFilesystem(fs);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      refusal = error.message;
    }
  }
  world.execute(run);
  return { disks: world.devices.map((device) => device.durable()), refusal };
}

/** Bytes that tell one sector, and one seed, from another. */
export function contentOf(length: ByteCount, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = index * 31 + seed * 7 + (index >> 12);
  return bytes;
}

/** Throws ENOSPC for a short write, as a program would see at its next one. */
export function* writeFile(fs: MountedFilesystem, path: string, bytes: Uint8Array): Task<void> {
  yield* create(fs, path);
  const written = yield* write(fs, path, 0, bytes);
  if (written < bytes.length) throw new FsError('ENOSPC', `write of ${path}: ${written} of ${bytes.length} bytes`);
}

export function expected(path: string, bytes: Uint8Array): ExpectedFile {
  return { path, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** A disk without superblock is no member. */
export function members(disks: readonly BlockTable[]): BlockTable[] {
  return disks.filter((disk) => {
    const bytes = disk.read(SUPERBLOCK_AT, 4096);
    return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(64, true) === SUPERBLOCK_MAGIC;
  });
}

/** The disk loses its superblocks, so that a mount misses it. */
export function wipe(disk: BlockTable): void {
  for (const offset of [SUPERBLOCK_AT, 64 * MIB]) {
    if (offset + 4096 <= disk.size) disk.write(offset, new Uint8Array(4096));
  }
}

/** Both outside judges find the members valid, as far as this machine can tell, and Linux reads the files. */
export async function expectValid(disks: readonly BlockTable[], files: readonly ExpectedFile[] = []): Promise<void> {
  const images = members(disks);
  expectClean(await btrfsCheck(images));
  expectClean(await kernelMount(images, files));
}

function expectClean(report: JudgeReport): void {
  if (report.verdict !== 'not-judged') expect(report).toMatchObject({ verdict: 'clean' });
}
