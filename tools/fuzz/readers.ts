import { FsError } from '../../src/fs/errors.ts';
import { type MountedFilesystem, mountFilesystem, unmountFilesystem } from '../../src/fs/filesystem.ts';
import { FixSet } from '../../src/fs/fixes.ts';
import { FormatError } from '../../src/fs/format/format-error.ts';
import {
  close,
  fiemap,
  getXattr,
  listXattrs,
  open,
  read,
  readDirectory,
  readlink,
  stat,
} from '../../src/fs/syscalls.ts';
import { MemoryWorld } from '../../src/fs/testing/memory-world.ts';
import { dumpSections, NothingToDump } from '../../src/oracle/dump/dump-sections.ts';
import { checkImage } from '../../src/oracle/structure/check-image.ts';
import { openImage } from '../../src/oracle/structure/open-image.ts';
import type { BlockTable } from '../../src/record/block-table.ts';
import { runAtomically, type Task } from '../../src/task/task.ts';

/** Reads an image to the end, whatever it holds. Returns how it ended; whatever it throws is a finding. */
export type Reader = (image: BlockTable, number: number) => string;

export const READERS: Readonly<Record<string, Reader>> = {
  oracle: (image, number) => {
    const report = checkImage([image], { verifyData: number % 8 === 0, crashed: number % 16 === 0 });
    return report.clean ? 'clean' : 'faults';
  },
  contents: (image) => {
    const reader = openImage([image]);
    if (reader === null) return 'refused';
    for (const entry of reader.entries()) if (entry.kind === 'file') reader.readFile(entry.path, 0, FILE_BYTES_MAX);
    reader.chunks();
    return 'read';
  },
  dump: (image) => {
    try {
      let parts = 0;
      for (const section of dumpSections([image], { kind: 'everything' })) {
        parts++;
        if (section.kind === 'tree') for (const _ of section.blocks) parts++;
      }
      return parts > 0 ? 'dumped' : 'nothing';
    } catch (error) {
      if (error instanceof NothingToDump) return 'nothing';
      throw error;
    }
  },
  engine: (image) => {
    try {
      return runAtomically(mountAndWalk(worldOf(image)));
    } catch (error) {
      if (error instanceof FsError || error instanceof FormatError) return 'refused';
      throw error;
    }
  },
};

const FILE_BYTES_MAX = 256 * 1024;
const ENTRIES_MAX = 2000;
const DEPTH_MAX = 8;

function worldOf(image: BlockTable): MemoryWorld {
  const world = new MemoryWorld([image.size]);
  for (const { offset, bytes } of image.written()) world.devices[0]!.write(offset, bytes);
  return world;
}

function* mountAndWalk(world: MemoryWorld): Task<string> {
  const fs = yield* mountFilesystem(world, { fixes: new FixSet([]), readOnly: true });
  const walk = { left: ENTRIES_MAX, refused: 0 };
  yield* attempt(walk, walkDirectory(fs, Buffer.from('/'), 0, walk));
  yield* unmountFilesystem(fs);
  return walk.refused > 0 ? 'read in part' : 'read';
}

interface Walk {
  left: number;
  refused: number;
}

/** Damage is said with an errno, and what lies elsewhere can still be read. */
function* attempt(walk: Walk, task: Task<unknown>): Task<void> {
  try {
    yield* task;
  } catch (error) {
    if (!(error instanceof FsError || error instanceof FormatError)) throw error;
    walk.refused++;
  }
}

function* walkDirectory(fs: MountedFilesystem, path: Uint8Array, depth: number, walk: Walk): Task<void> {
  const handle = yield* open(fs, path, { directory: true });
  const names: Uint8Array[] = [];
  try {
    while (walk.left > 0) {
      const entries = yield* readDirectory(fs, handle, 64);
      if (entries.length === 0) break;
      walk.left -= entries.length;
      for (const { name } of entries) names.push(name);
    }
  } finally {
    runAtomically(close(fs, handle));
  }
  for (const name of names) {
    if (isDots(name)) continue;
    const child = Buffer.concat([path, Buffer.from(depth === 0 ? '' : '/'), name]);
    yield* attempt(walk, visit(fs, child, depth, walk));
  }
}

function isDots(name: Uint8Array): boolean {
  return name.every((byte) => byte === 0x2e) && name.length <= 2;
}

function* visit(fs: MountedFilesystem, path: Uint8Array, depth: number, walk: Walk): Task<void> {
  const status = yield* stat(fs, path, { follow: false });
  yield* attempt(walk, readXattrs(fs, path));
  if (status.kind === 'directory' && depth < DEPTH_MAX) yield* walkDirectory(fs, path, depth + 1, walk);
  if (status.kind === 'symlink') yield* readlink(fs, path);
  if (status.kind !== 'file') return;
  yield* attempt(walk, read(fs, path, 0, FILE_BYTES_MAX, {}));
  yield* attempt(walk, fiemap(fs, path));
}

function* readXattrs(fs: MountedFilesystem, path: Uint8Array): Task<void> {
  for (const name of yield* listXattrs(fs, path, { follow: false })) yield* getXattr(fs, path, name, { follow: false });
}
