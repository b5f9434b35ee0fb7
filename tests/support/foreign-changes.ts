import { createHash } from 'node:crypto';
import { FsError } from '../../src/fs/errors.ts';
import type { MountedFilesystem } from '../../src/fs/filesystem.ts';
import { create, mkdir, read, stat, sync, truncate, unlink, write } from '../../src/fs/syscalls.ts';
import type { ExpectedFile } from '../../src/oracle/judges/kernel-mount.ts';
import type { Task } from '../../src/task/task.ts';

const SECTOR = 4096;

/**
 * Changes every third file of a foreign image, in every subvolume: overwrites, cuts, removes, and makes new ones beside
 * it, with a commit now and then. Returns what must be read afterwards.
 */
export function* changeEverything(fs: MountedFilesystem, files: readonly ExpectedFile[]): Task<ExpectedFile[]> {
  const left: ExpectedFile[] = [];
  const folders = new Set<string>();
  for (const [index, file] of files.entries()) {
    const { path } = file;
    const folder = path.slice(0, path.lastIndexOf('/'));
    if (!folders.has(folder)) {
      folders.add(folder);
      for (const made of yield* makeFiles(fs, folder)) left.push(made);
    }
    if (index % 40 === 39) yield* sync(fs);
    const changed = yield* changeFile(fs, path, index);
    if (changed === 'gone') continue;
    left.push(changed === 'kept' ? file : { path, sha256: yield* digest(fs, path) });
  }
  return left;
}

function* changeFile(fs: MountedFilesystem, path: string, index: number): Task<'kept' | 'changed' | 'gone'> {
  try {
    if (index % 3 === 0) {
      yield* unlink(fs, path);
      return 'gone';
    }
    if (index % 6 === 1) {
      const { size, links } = yield* stat(fs, path);
      if (links > 1) return 'kept';
      yield* write(fs, path, Math.floor(size / 3), pattern(index, 2 * SECTOR + 17));
      return 'changed';
    }
    if (index % 6 === 4) {
      const { size, links } = yield* stat(fs, path);
      if (links > 1) return 'kept';
      yield* truncate(fs, path, size > 3 * SECTOR ? size - 2 * SECTOR - 5 : size + 3 * SECTOR);
      return 'changed';
    }
    return 'kept';
  } catch (error) {
    // Read-only subvolumes stay as they are.
    if (error instanceof FsError && error.code === 'EROFS' && !fs.info.isReadOnly) return 'kept';
    throw error;
  }
}

function* makeFiles(fs: MountedFilesystem, folder: string): Task<ExpectedFile[]> {
  const made: ExpectedFile[] = [];
  try {
    yield* mkdir(fs, `${folder}/by-engine`);
  } catch (error) {
    if (error instanceof FsError && error.code === 'EROFS' && !fs.info.isReadOnly) return made;
    throw error;
  }
  for (let index = 0; index < 8; index++) {
    const path = `${folder}/by-engine/new-${index}`;
    yield* create(fs, path);
    yield* write(fs, path, 0, pattern(index, 1 + index * index * 1500));
    made.push({ path, sha256: yield* digest(fs, path) });
  }
  return made;
}

/** The files that cannot be read, or have other content. */
export function* differences(fs: MountedFilesystem, files: readonly ExpectedFile[]): Task<string[]> {
  const found: string[] = [];
  for (const { path, sha256 } of files) {
    try {
      if ((yield* digest(fs, path)) !== sha256) found.push(`${path}: other content`);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      found.push(`${path}: ${error.message}`);
    }
  }
  return found;
}

/** Of the content as the engine reads it. */
export function* digest(fs: MountedFilesystem, path: string): Task<string> {
  const { size } = yield* stat(fs, path);
  return createHash('sha256')
    .update(yield* read(fs, path, 0, size))
    .digest('hex');
}

function pattern(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 12) * 7 + seed * 101) & 0xff;
  return bytes;
}
