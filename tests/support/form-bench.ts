import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { type MountOptions, mountFilesystem, unmountFilesystem } from '../../src/fs/filesystem.ts';
import { allFixes } from '../../src/fs/fixes.ts';
import * as sys from '../../src/fs/syscalls.ts';
import { SimulatedWorld } from '../../src/inject/simulated-world.ts';
import { btrfsCheck } from '../../src/oracle/judges/btrfs-check.ts';
import { kernelMount } from '../../src/oracle/judges/kernel-mount.ts';
import { checkImage } from '../../src/oracle/structure/check-image.ts';
import type { BlockTable } from '../../src/record/block-table.ts';
import { blankDisks, type Work } from './simulated-filesystem.ts';

export type FormOptions = Omit<MountOptions, 'fixes'>;

/** The disks after the work of one undisturbed task on a mount with these options, and an unmount. */
export function disksWith(options: FormOptions, work: Work, disks: readonly BlockTable[] = blankDisks()): BlockTable[] {
  const world = new SimulatedWorld({ devices: disks });
  world.execute(function* () {
    const fs = yield* mountFilesystem(world, { ...options, fixes: allFixes() });
    yield* work(fs);
    yield* unmountFilesystem(fs);
  });
  return world.devices.map((device) => device.durable());
}

/** What a freshly mounted engine reads in each file. */
export function contentsOf(disks: readonly BlockTable[], paths: Iterable<string>): Map<string, Uint8Array> {
  const contents = new Map<string, Uint8Array>();
  disksWith(
    {},
    function* (fs) {
      for (const path of paths) {
        const { size } = yield* sys.stat(fs, path);
        contents.set(path, yield* sys.read(fs, path, 0, size));
      }
    },
    disks,
  );
  return contents;
}

/** Flags of each extent, as FIEMAP says after a sync: `DATA_INLINE`, `ENCODED`, or nothing for a plain one. */
export function* formsOf(fs: Parameters<Work>[0], path: string) {
  const extents = yield* sys.fiemap(fs, path, { sync: true });
  return extents.map(({ logical, length, flags }) => {
    const form = flags.filter((flag) => flag !== 'LAST' && flag !== 'NOT_ALIGNED').join('+');
    return `${logical}+${length}${form === '' ? '' : ` ${form}`}`;
  });
}

/** Everybody who may judge the disks finds nothing wrong, and Linux and the engine read the expected bytes. */
export async function expectSound(
  disks: readonly BlockTable[],
  expected: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  expect(checkImage(disks).errors).toEqual([]);
  const found = contentsOf(disks, expected.keys());
  for (const [path, bytes] of expected) expect(hashOf(found.get(path)!), path).toBe(hashOf(bytes));
  const check = await btrfsCheck(disks);
  expect(check.verdict, `${check.reason}\n${check.output}`).not.toBe('faulty');
  const files = [...expected].map(([path, bytes]) => ({ path, sha256: hashOf(bytes) }));
  const mount = await kernelMount(disks, files);
  expect(mount.verdict, `${mount.reason}\n${mount.output}`).not.toBe('faulty');
}

export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Bytes that no compressor makes smaller; the same for the same seed. */
export function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed + 1) >>> 0;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state >>> 11;
  }
  return bytes;
}

/** Lines of text that compress well, and differ from each other. */
export function prose(length: number, seed = 0): Uint8Array {
  let text = '';
  for (let line = seed; text.length < length; line++) text += `line ${line} of a text that says much the same again\n`;
  return new TextEncoder().encode(text.slice(0, length));
}
