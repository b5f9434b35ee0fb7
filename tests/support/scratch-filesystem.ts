import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIB } from '../../src/base/units.ts';
import { FsError } from '../../src/fs/errors.ts';
import {
  type MountedFilesystem,
  type MountOptions,
  mountFilesystem,
  unmountFilesystem,
} from '../../src/fs/filesystem.ts';
import { allFixes } from '../../src/fs/fixes.ts';
import { type MakeFilesystemOptions, makeFilesystem } from '../../src/fs/mkfs.ts';
import { MemoryWorld } from '../../src/fs/testing/memory-world.ts';
import { runAtomically, type Task } from '../../src/task/task.ts';

/** A file system in a world of one task, for tests of what operations do rather than of how they interleave. */
export class ScratchFilesystem {
  readonly world: MemoryWorld;
  fs: MountedFilesystem;
  private readonly options: MountOptions;

  /** `edit` may change what mkfs writes, before the mount. */
  constructor(
    make: Partial<MakeFilesystemOptions> = {},
    options: MountOptions = { fixes: allFixes() },
    { edit = (bytes) => bytes }: { readonly edit?: (bytes: Uint8Array) => Uint8Array } = {},
  ) {
    const full = { devices: [16 * MIB], ...make };
    this.world = new MemoryWorld(full.devices);
    for (const write of makeFilesystem(full)) this.world.devices[write.device]!.write(write.offset, edit(write.bytes));
    this.options = options;
    this.fs = runAtomically(mountFilesystem(this.world, options));
  }

  /** Runs one operation to its end. */
  run<T>(task: Task<T>): T {
    return runAtomically(task);
  }

  /** The errno that the operation fails with, or `ok`. */
  outcome(task: Task<unknown>): string {
    try {
      runAtomically(task);
      return 'ok';
    } catch (error) {
      if (error instanceof FsError) return error.code;
      throw error;
    }
  }

  unmount(): void {
    runAtomically(unmountFilesystem(this.fs));
  }

  remount(): void {
    this.unmount();
    this.fs = runAtomically(mountFilesystem(this.world, this.options));
  }

  /** As after a power cut, all that was written before it being durable. */
  crash(): void {
    this.fs = runAtomically(mountFilesystem(this.world, this.options));
  }
}

export const hasBtrfsCheck = spawnSync('btrfs', ['--version']).status === 0;

/** What `btrfs check --readonly --check-data-csum` says about the first device: `clean`, or all it printed. */
export function btrfsCheck(scratch: { readonly world: MemoryWorld }): string {
  const device = scratch.world.devices[0]!;
  return btrfsCheckImage(
    device.size,
    [...device.blocks].map(([block, bytes]) => ({ offset: block * 4096, bytes })),
  );
}

/** As `btrfsCheck`, of a disk of `size` bytes on which only `written` was written. */
export function btrfsCheckImage(
  size: number,
  written: Iterable<{ readonly offset: number; readonly bytes: Uint8Array }>,
): string {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fsquake-'));
  try {
    const path = join(folder, 'image');
    const file = openSync(path, 'w');
    ftruncateSync(file, size);
    for (const { offset, bytes } of written) writeSync(file, bytes, 0, bytes.length, offset);
    closeSync(file);
    const { status, stdout, stderr } = spawnSync('btrfs', ['check', '--readonly', '--check-data-csum', path], {
      encoding: 'utf8',
    });
    const text = `${stdout}\n${stderr}`;
    return status === 0 && !/warning/i.test(text) ? 'clean' : text;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes the first device into a sparse file of the host. */
export function writeImage(scratch: { readonly world: MemoryWorld }, path: string): void {
  const device = scratch.world.devices[0]!;
  const file = openSync(path, 'w');
  ftruncateSync(file, device.size);
  for (const [block, bytes] of device.blocks) writeSync(file, bytes, 0, bytes.length, block * 4096);
  closeSync(file);
}
